//! The functions that a script creates: their modules, read and checked.

use std::{fs::File, io::Read, sync::Arc};

use datafusion_expr::ScalarUDF;
use weir_functions::wasm::{Limits, MAX_MODULE_BYTES, Module, WasmFunction};

use super::functions;
use crate::{
    catalog::{Catalog, UserFunction},
    error::{self, Result},
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
    let function =
        WasmFunction::new(&name.value, Arc::clone(&module), limits).map_err(|e| refuse(e.to_string()))?;
    let udf = Arc::new(ScalarUDF::new_from_impl(function));
    catalog.add_function(UserFunction { udf, module });
    Ok(())
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
