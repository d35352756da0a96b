//! The aggregates of a compiled module: their functions, checked, and the drivers that call them.

use wasmtime::{ExternType, FuncType, Module};

use super::{
    super::{
        module::{ModuleError, engine, name},
        signature::core_type,
    },
    driver,
    signature::{AggregateSignature, is_one, is_text},
};

/// An aggregate of a module. The functions of its steps are exported as `name.step`.
pub(crate) struct Export {
    pub(crate) signature: AggregateSignature,
    /// The name that its accumulating function is exported by.
    pub(super) accumulate: String,
    pub(super) rows: Module,
    pub(super) finish: Module,
    /// None: partial states are not put together.
    pub(super) merge: Option<Module>,
    pub(super) retracts: bool,
    pub(super) has_init: bool,
}

impl Export {
    /// The name that the function of a step is exported by.
    pub(super) fn step(&self, step: &str) -> String {
        format!("{}.{step}", self.signature.name)
    }
}

/// All aggregates of a module.
pub(crate) fn exports(module: &Module) -> Result<Vec<Export>, ModuleError> {
    let names = module
        .exports()
        .map(|e| e.name().to_owned())
        .filter(|name| is_one(name));
    names.map(|name| export(module, name)).collect()
}

fn export(module: &Module, accumulate: String) -> Result<Export, ModuleError> {
    let signature = AggregateSignature::parse(&accumulate).map_err(ModuleError::Invalid)?;
    let core = |t| core_type(t).map_or("i64", |(core, _)| core);
    let values = signature.arguments.iter().flat_map(|t| {
        if is_text(t) {
            vec!["i32", "i32"]
        } else {
            vec![core(t)]
        }
    });
    let with_values: Vec<&str> = std::iter::once("i32").chain(values).collect();
    let has = |step: &str, parameters: &[&str], results: &[&str]| {
        check(module, &format!("{}.{step}", signature.name), parameters, results)
    };
    if !check(module, &accumulate, &with_values, &[])? {
        return Err(ModuleError::Invalid(format!(
            "exports \"{accumulate}\", which is no function"
        )));
    }
    if !has("finish", &["i32"], &[core(&signature.result)])? {
        return Err(ModuleError::Invalid(format!(
            "does not export \"{}.finish\": it gives the result of a state",
            signature.name
        )));
    }
    let merges = has("merge", &["i32", "i32"], &[])?;
    let (retracts, has_init) = (has("retract", &with_values, &[])?, has("init", &["i32"], &[])?);
    let state_bytes = signature.state_bytes;
    Ok(Export {
        rows: compile(&driver::rows(&signature.arguments, state_bytes))?,
        finish: compile(&driver::finish(&signature.result, state_bytes))?,
        merge: merges.then(|| compile(&driver::merge(state_bytes))).transpose()?,
        accumulate,
        signature,
        retracts,
        has_init,
    })
}

fn compile(text: &str) -> Result<Module, ModuleError> {
    Module::new(engine()?, text)
        .map_err(|e| ModuleError::Invalid(format!("has an aggregate that cannot be called: {e:#}")))
}

/// Whether the module exports a function of that name; one of another type is refused.
fn check(module: &Module, export: &str, parameters: &[&str], results: &[&str]) -> Result<bool, ModuleError> {
    let Some(ExternType::Func(function)) = module.get_export(export) else {
        return Ok(false);
    };
    let (found, gives) = types(&function);
    if found == parameters && gives == results {
        return Ok(true);
    }
    Err(ModuleError::Invalid(format!(
        "exports \"{export}\" as a function ({}) -> ({}) and not ({}) -> ({})",
        found.join(", "),
        gives.join(", "),
        parameters.join(", "),
        results.join(", ")
    )))
}

fn types(function: &FuncType) -> (Vec<String>, Vec<String>) {
    (
        function.params().map(|t| name(&t)).collect(),
        function.results().map(|t| name(&t)).collect(),
    )
}
