//! A function of a module for DataFusion, and how it travels to workers: by the module's id, its signature and its limits.

use std::{
    hash::{Hash, Hasher},
    sync::{Arc, Mutex, PoisonError},
};

use arrow_array::ArrayRef;
use arrow_schema::DataType;
use datafusion_common::{Result, exec_err, internal_err, plan_err};
use datafusion_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature as Accepts, Volatility,
};
use serde_json::{Value, json};

use super::{
    instance::Runner,
    module::{Exported, Module, ModuleError},
    signature::{Form, Signature, type_name},
};

/// What a function may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Limits {
    /// Fuel per row: about as many instructions.
    pub fuel_per_row: u64,
    /// Memory of one instance, bytes; a subtask has one per use of a function.
    pub memory_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            fuel_per_row: 100_000,
            memory_bytes: 64 << 20,
        }
    }
}

/// A scalar function that a module computes.
#[derive(Debug)]
pub struct WasmFunction {
    name: String,
    module: Arc<Module>,
    signature: Signature,
    limits: Limits,
    accepts: Accepts,
    /// Instances that wait for work: one, unless several threads share the function.
    idle: Mutex<Vec<Idle>>,
}

struct Idle(Runner);

impl std::fmt::Debug for Idle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("instance")
    }
}

impl WasmFunction {
    /// A module's function under a name of the script's.
    ///
    /// # Errors
    /// That the module has no such function.
    pub fn new(name: &str, module: Arc<Module>, limits: Limits) -> Result<Self, ModuleError> {
        let Exported::Scalar(signature) = module.function(name)? else {
            return Err(ModuleError::Invalid(format!("has an aggregate function {name}")));
        };
        let signature = signature.clone();
        Ok(Self::of(name.to_owned(), module, signature, limits))
    }

    fn of(name: String, module: Arc<Module>, signature: Signature, limits: Limits) -> Self {
        Self {
            name,
            module,
            signature,
            limits,
            accepts: Accepts::user_defined(Volatility::Immutable),
            idle: Mutex::default(),
        }
    }

    /// The module.
    pub fn module(&self) -> &Arc<Module> {
        &self.module
    }

    fn run(&self, arguments: &[ArrayRef], rows: usize) -> std::result::Result<ArrayRef, String> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut runner = if let Some(Idle(runner)) = idle {
            runner
        } else {
            let export = self.module.export(&self.signature);
            let export = export.ok_or("is not in its module")?;
            Runner::new(&self.module, export, self.limits)?
        };
        let result = runner.run(arguments, rows)?;
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.push(Idle(runner));
        Ok(result)
    }
}

impl PartialEq for WasmFunction {
    fn eq(&self, other: &Self) -> bool {
        (&self.name, self.module.id(), &self.signature, self.limits)
            == (&other.name, other.module.id(), &other.signature, other.limits)
    }
}

impl Eq for WasmFunction {}

impl Hash for WasmFunction {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (&self.name, self.module.id(), &self.signature).hash(state);
    }
}

impl ScalarUDFImpl for WasmFunction {
    fn name(&self) -> &str {
        &self.name
    }

    fn signature(&self) -> &Accepts {
        &self.accepts
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(self.signature.result.clone())
    }

    fn coerce_types(&self, given: &[DataType]) -> Result<Vec<DataType>> {
        coerce(&self.name, &self.signature, &self.signature.arguments, given)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let rows = args.number_rows;
        let constant =
            !args.args.is_empty() && args.args.iter().all(|a| matches!(a, ColumnarValue::Scalar(_)));
        let rows = if constant { 1 } else { rows };
        let arguments = args
            .args
            .into_iter()
            .map(|argument| argument.into_array(rows))
            .collect::<Result<Vec<_>>>()?;
        match self.run(&arguments, rows) {
            Ok(result) if constant => Ok(ColumnarValue::Scalar(
                datafusion_common::ScalarValue::try_from_array(&result, 0)?,
            )),
            Ok(result) => Ok(ColumnarValue::Array(result)),
            Err(reason) => exec_err!("the function {} {reason}", self.name),
        }
    }
}

/// The types that a function wants, if arguments of the given ones become them without a CAST.
pub(super) fn coerce(
    name: &str,
    signature: &dyn std::fmt::Display,
    wanted: &[DataType],
    given: &[DataType],
) -> Result<Vec<DataType>> {
    if given.len() != wanted.len() {
        return plan_err!(
            "{name} takes {} arguments, {} are given: {signature}",
            wanted.len(),
            given.len()
        );
    }
    match given.iter().zip(wanted).find(|(from, to)| !widens(from, to)) {
        Some((from, to)) => plan_err!(
            "{name} wants an argument of type {} and gets {}: {signature}; write a CAST",
            type_name(to),
            type_name(from)
        ),
        None => Ok(wanted.to_vec()),
    }
}

/// Whether a value of one type becomes one of the other without a CAST, as in Flink.
fn widens(from: &DataType, to: &DataType) -> bool {
    use DataType as T;
    let rank = |t: &DataType| match t {
        T::Int8 => Some(1),
        T::Int16 => Some(2),
        T::Int32 => Some(3),
        T::Int64 => Some(4),
        T::Decimal128(..) => Some(5),
        T::Float32 => Some(6),
        T::Float64 => Some(7),
        _ => None,
    };
    match (from, to) {
        (T::Null, _)
        | (T::Utf8View | T::LargeUtf8, T::Utf8)
        | (T::BinaryView | T::LargeBinary, T::Binary) => true,
        (T::Decimal128(p1, s1), T::Decimal128(p2, s2)) => {
            s1 <= s2 && i16::from(*p1) - i16::from(*s1) <= i16::from(*p2) - i16::from(*s2)
        }
        (T::Timestamp(_, None), T::Timestamp(_, None))
        | (T::Timestamp(_, Some(_)), T::Timestamp(_, Some(_))) => from == to,
        _ => from == to || rank(from).zip(rank(to)).is_some_and(|(from, to)| from < to),
    }
}

/// The function as bytes, if it is one of a module's.
pub fn encode(function: &ScalarUDF) -> Option<Vec<u8>> {
    let inner: &dyn std::any::Any = function.inner().as_ref();
    let wasm = inner.downcast_ref::<WasmFunction>()?;
    let text = json!({
        "module": wasm.module.id(),
        "form": match wasm.signature.form { Form::Row => "", Form::Batch => "batch " },
        "signature": wasm.signature.to_string(),
        "fuel_per_row": wasm.limits.fuel_per_row,
        "memory_bytes": wasm.limits.memory_bytes,
    });
    Some(text.to_string().into_bytes())
}

/// The function that [`encode`] wrote; its module must be loaded in this process.
///
/// # Errors
/// That the bytes are damaged, or the module is not here.
pub fn decode(name: &str, bytes: &[u8]) -> Result<Arc<ScalarUDF>> {
    let damaged =
        || datafusion_common::internal_datafusion_err!("the function {name} of the job graph is damaged");
    let value: Value = serde_json::from_slice(bytes).map_err(|_| damaged())?;
    let text = |key: &str| value[key].as_str().ok_or_else(damaged);
    let number = |key: &str| value[key].as_u64().ok_or_else(damaged);
    let signature = Signature::parse(&format!("{}{}", text("form")?, text("signature")?));
    let signature = signature.and_then(std::result::Result::ok).ok_or_else(damaged)?;
    let limits = Limits {
        fuel_per_row: number("fuel_per_row")?,
        memory_bytes: number("memory_bytes")? as usize,
    };
    match Module::loaded(text("module")?) {
        Ok(module) => {
            let function = WasmFunction::of(name.to_owned(), module, signature, limits);
            Ok(Arc::new(ScalarUDF::new_from_impl(function)))
        }
        Err(e) => internal_err!("the function {name} cannot be used: {e}"),
    }
}
