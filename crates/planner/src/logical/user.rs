//! The functions that a script creates: their modules, read and checked.

use std::{
    any::Any,
    fs::File,
    hash::{Hash, Hasher},
    io::Read,
    ops::ControlFlow,
    sync::Arc,
};

use arrow_schema::{DataType, FieldRef};
use datafusion_common::not_impl_err;
use datafusion_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, ScalarUDF, Signature, Volatility,
    expr::AggregateFunctionParams,
    function::{AccumulatorArgs, StateFieldsArgs},
};
use sqlparser::ast::{Expr, FunctionArguments, Spanned, Visit, visit_expressions};
use weir_functions::wasm::{Exported, Limits, MAX_MODULE_BYTES, Module, WasmAggregate, WasmFunction};
use weir_model::Location;

use super::{aggregates, functions};
use crate::{
    catalog::{Catalog, UserFunction, UserKind},
    error::{self, Result, place},
    parse::function::CreateFunction,
};

/// Adds a function to the catalog. A module that cannot be used is refused at its path.
pub(crate) fn create(catalog: &mut Catalog, create: &CreateFunction, limits: Limits) -> Result<()> {
    let name = &create.name;
    if functions::is_scalar(&name.value)
        || functions::is_aggregate(&name.value)
        || functions::refusal(&name.value).is_some()
        || [name.value.to_lowercase(), name.value.to_uppercase()]
            .iter()
            .any(|name| functions::registry().contains_key(name))
    {
        return Err(error::invalid(
            name.at,
            format!(
                "there is a function {} already: choose another name",
                name.value.to_uppercase()
            ),
        ));
    }
    match catalog.function(&name.value) {
        Some(_) if create.if_not_exists => return Ok(()),
        Some(_) => {
            return Err(error::invalid(
                name.at,
                format!("the function '{}' is defined twice", name.value),
            ));
        }
        None => {}
    }
    let refuse = |reason: String| {
        error::invalid(
            create.path.at,
            format!("the module '{}' {reason}", create.path.value),
        )
    };
    let code = read(&create.path.value).map_err(|e| refuse(format!("cannot be read: {e}")))?;
    let module = Module::load(&code).map_err(|e| refuse(e.to_string()))?;
    let kind = kind(&name.value, &module, limits).map_err(|e| refuse(e.to_string()))?;
    catalog.add_function(UserFunction { kind, module });
    Ok(())
}

fn kind(
    name: &str,
    module: &Arc<Module>,
    limits: Limits,
) -> std::result::Result<UserKind, weir_functions::wasm::ModuleError> {
    Ok(match module.function(name)? {
        Exported::Scalar(_) => {
            let function = WasmFunction::new(name, Arc::clone(module), limits)?;
            UserKind::Scalar(Arc::new(ScalarUDF::new_from_impl(function)))
        }
        Exported::Aggregate(_) => {
            let function = UserAggregate {
                // As the planner writes names.
                name: name.to_lowercase(),
                function: Arc::new(WasmAggregate::new(name, Arc::clone(module), limits)?),
                signature: Signature::user_defined(Volatility::Immutable),
            };
            UserKind::Aggregate(Arc::new(AggregateUDF::new_from_impl(function)))
        }
    })
}

/// An aggregate of a module's. It plans only; workers compute it.
#[derive(Debug)]
struct UserAggregate {
    name: String,
    function: Arc<WasmAggregate>,
    signature: Signature,
}

/// The module's aggregate that a function is, if it is one.
pub(crate) fn aggregate(function: &AggregateUDF) -> Option<&Arc<WasmAggregate>> {
    let inner: &dyn Any = function.inner().as_ref();
    inner.downcast_ref::<UserAggregate>().map(|user| &user.function)
}

impl PartialEq for UserAggregate {
    fn eq(&self, other: &Self) -> bool {
        (&self.name, self.function.encode()) == (&other.name, other.function.encode())
    }
}

impl Eq for UserAggregate {}

impl Hash for UserAggregate {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}

impl AggregateUDFImpl for UserAggregate {
    fn name(&self) -> &str {
        &self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, given: &[DataType]) -> datafusion_common::Result<Vec<DataType>> {
        self.function.coerce(given)
    }

    fn return_type(&self, _: &[DataType]) -> datafusion_common::Result<DataType> {
        Ok(self.function.signature().result.clone())
    }

    fn schema_name(&self, params: &AggregateFunctionParams) -> datafusion_common::Result<String> {
        Ok(aggregates::column_name(&self.name, params))
    }

    fn accumulator(&self, _: AccumulatorArgs) -> datafusion_common::Result<Box<dyn Accumulator>> {
        not_impl_err!("{} is computed by workers", self.name)
    }

    fn state_fields(&self, _: StateFieldsArgs) -> datafusion_common::Result<Vec<FieldRef>> {
        not_impl_err!("{} is computed by workers", self.name)
    }
}

/// Refuses calls of the script's functions as what they are not; `rows` says whether there are rows to aggregate.
pub(crate) fn check_calls<V: Visit>(tree: &V, catalog: &Catalog, rows: bool, at: Location) -> Result<()> {
    let flow = visit_expressions(tree, |expr| {
        let Expr::Function(call) = expr else {
            return ControlFlow::Continue(());
        };
        let name = call.name.to_string();
        let distinct =
            matches!(&call.args, FunctionArguments::List(list) if list.duplicate_treatment.is_some());
        let reason = match catalog.function(&name).map(|function| &function.kind) {
            Some(UserKind::Scalar(_)) if distinct || call.filter.is_some() => {
                format!("{name} is not an aggregate function")
            }
            Some(UserKind::Aggregate(_)) if !rows => format!("the aggregate {name} cannot stand here"),
            _ => return ControlFlow::Continue(()),
        };
        ControlFlow::Break(error::invalid(place(call.span(), at), reason))
    });
    match flow {
        ControlFlow::Break(problem) => Err(problem),
        ControlFlow::Continue(()) => Ok(()),
    }
}

/// The file, but not more of it than shows that it is too large.
fn read(path: &str) -> std::io::Result<Vec<u8>> {
    let path = path.strip_prefix("file://").unwrap_or(path);
    let mut code = Vec::new();
    File::open(path)?
        .take(MAX_MODULE_BYTES as u64 + 1)
        .read_to_end(&mut code)?;
    Ok(code)
}
