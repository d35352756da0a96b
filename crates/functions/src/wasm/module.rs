//! Compiled modules, checked when a job is submitted.

use std::{
    collections::HashMap,
    fmt::Write,
    sync::{Arc, LazyLock, Mutex, PoisonError, Weak},
};

use sha1::{Digest, Sha1};
use wasmtime::{Config, Engine, ExternType, FuncType, ValType};

use super::{
    aggregate::{self, AggregateSignature},
    driver,
    signature::{Form, Signature, core_type},
};

/// The largest module, in bytes: it travels with the job.
pub const MAX_MODULE_BYTES: usize = 4 << 20;

/// Why a module cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ModuleError {
    /// It is no WebAssembly, or asks for what is not there.
    #[error("{0}")]
    Invalid(String),
    /// It was not given to this process.
    #[error("the WebAssembly module {0} did not come with the job")]
    Missing(String),
}

/// A module that exports functions by their signatures.
pub struct Module {
    id: String,
    code: Arc<[u8]>,
    exports: Vec<Export>,
    pub(super) aggregates: Vec<aggregate::Export>,
    pub(super) compiled: wasmtime::Module,
}

/// What a name stands for.
#[derive(Clone, Copy, Debug)]
pub enum Exported<'a> {
    /// A function of a row's values.
    Scalar(&'a Signature),
    /// A function of many rows' values.
    Aggregate(&'a AggregateSignature),
}

impl<'a> Exported<'a> {
    fn name(self) -> &'a str {
        match self {
            Self::Scalar(signature) => &signature.name,
            Self::Aggregate(signature) => &signature.name,
        }
    }
}

/// A function of a module.
pub(super) struct Export {
    /// The name it is exported by.
    pub(super) name: String,
    pub(super) signature: Signature,
    /// The loop over rows that calls it, unless it takes batches.
    pub(super) driver: Option<wasmtime::Module>,
}

/// Compiled code is shared by all of a process: subtasks of a job, and jobs, often bring the same module. It is kept as long
/// as somebody uses it.
static LOADED: LazyLock<Mutex<HashMap<String, Weak<Module>>>> = LazyLock::new(Mutex::default);

/// How modules are compiled. One for all, as code is only shared within one.
static ENGINE: LazyLock<Result<Engine, String>> = LazyLock::new(|| {
    let mut config = Config::new();
    config.consume_fuel(true);
    Engine::new(&config).map_err(|e| format!("WebAssembly cannot run on this machine: {e}"))
});

/// The engine that all modules are compiled by.
pub(super) fn engine() -> Result<&'static Engine, ModuleError> {
    ENGINE.as_ref().map_err(|e| ModuleError::Invalid(e.clone()))
}

impl Module {
    /// Compiles a module, binary or text; a module that is in use is taken as it is.
    ///
    /// # Errors
    /// What is wrong with it, in a sentence without a subject: `is no WebAssembly: ...`.
    pub fn load(code: &[u8]) -> Result<Arc<Self>, ModuleError> {
        let id = id(code);
        if let Some(known) = find(&id) {
            if *known.code == *code {
                return Ok(known);
            }
            return Err(ModuleError::Invalid("has the SHA-1 of another module".into()));
        }
        let module = Arc::new(Self::compile(id.clone(), code)?);
        let mut loaded = LOADED.lock().unwrap_or_else(PoisonError::into_inner);
        loaded.retain(|_, module| module.strong_count() > 0);
        loaded.insert(id, Arc::downgrade(&module));
        Ok(module)
    }

    /// A module that is in use in this process.
    ///
    /// # Errors
    /// That it is not.
    pub fn loaded(id: &str) -> Result<Arc<Self>, ModuleError> {
        find(id).ok_or_else(|| ModuleError::Missing(id.to_owned()))
    }

    /// The SHA-1 of its code in hexadecimal digits.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// What it was compiled from.
    pub fn code(&self) -> &[u8] {
        &self.code
    }

    /// The signature of a function: the one of that name in any case, or the only one there is.
    ///
    /// # Errors
    /// What it has instead.
    pub fn function(&self, name: &str) -> Result<Exported<'_>, ModuleError> {
        let scalars = self.exports.iter().map(|e| Exported::Scalar(&e.signature));
        let aggregates = self.aggregates.iter().map(|e| Exported::Aggregate(&e.signature));
        let all: Vec<Exported<'_>> = scalars.chain(aggregates).collect();
        let mut named = all.iter().filter(|e| e.name().eq_ignore_ascii_case(name));
        match (named.next(), named.next(), all.as_slice()) {
            (Some(export), None, _) | (None, _, [export]) => Ok(*export),
            (Some(_), Some(_), _) => Err(ModuleError::Invalid(format!("exports {name} twice"))),
            (None, _, all) => {
                let names: Vec<_> = all.iter().map(|e| e.name()).collect();
                Err(ModuleError::Invalid(format!(
                    "has no function {name}, only {}",
                    names.join(", ")
                )))
            }
        }
    }

    pub(super) fn export(&self, signature: &Signature) -> Option<&Export> {
        self.exports.iter().find(|e| e.signature == *signature)
    }

    fn compile(id: String, code: &[u8]) -> Result<Self, ModuleError> {
        let invalid = |detail: String| Err(ModuleError::Invalid(detail));
        if code.len() > MAX_MODULE_BYTES {
            return invalid(format!(
                "has {} bytes; a module has at most {MAX_MODULE_BYTES}: strip it of debug information and build it for size",
                code.len()
            ));
        }
        let is_text = std::str::from_utf8(code).is_ok_and(|text| text.trim_start().starts_with(['(', ';']));
        if !is_text && !code.starts_with(b"\0asm") {
            return invalid("is no WebAssembly, neither binary nor text".into());
        }
        let compiled = wasmtime::Module::new(engine()?, code).map_err(|e| {
            ModuleError::Invalid(format!("is no WebAssembly: {}", one_line(&format!("{e:#}"))))
        })?;
        if let Some(import) = compiled.imports().next() {
            return invalid(format!(
                "imports '{}' from '{}': a module runs alone, without WASI; build it for wasm32-unknown-unknown",
                import.name(),
                import.module()
            ));
        }
        let mut exports = Vec::new();
        let aggregates = aggregate::exports(&compiled)?;
        for export in compiled.exports().filter(|e| !aggregate::is_one(e.name())) {
            if let (ExternType::Func(function), Some(parsed)) = (export.ty(), Signature::parse(export.name()))
            {
                let signature = parsed.map_err(ModuleError::Invalid)?;
                check_type(&signature, export.name(), &function)?;
                exports.push(Export {
                    name: export.name().to_owned(),
                    driver: driver(&signature)?,
                    signature,
                });
            }
        }
        if exports.is_empty() && aggregates.is_empty() {
            return invalid("exports no function by its signature, as \"twice(BIGINT) -> BIGINT\"".into());
        }
        if exports.iter().any(|e| e.signature.form == Form::Batch) || !aggregates.is_empty() {
            check_memory(&compiled)?;
        }
        Ok(Self {
            id,
            code: code.into(),
            exports,
            aggregates,
            compiled,
        })
    }
}

impl std::fmt::Debug for Module {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Module")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

fn find(id: &str) -> Option<Arc<Module>> {
    LOADED
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .get(id)
        .and_then(Weak::upgrade)
}

fn id(code: &[u8]) -> String {
    Sha1::digest(code).iter().fold(String::new(), |mut id, byte| {
        let _ = write!(id, "{byte:02x}");
        id
    })
}

fn driver(signature: &Signature) -> Result<Option<wasmtime::Module>, ModuleError> {
    if signature.form == Form::Batch {
        return Ok(None);
    }
    wasmtime::Module::new(engine()?, driver::text(signature))
        .map(Some)
        .map_err(|e| ModuleError::Invalid(format!("cannot be called for {signature}: {e:#}")))
}

/// Refuses a function whose parameters are not those of its signature.
fn check_type(signature: &Signature, export: &str, function: &FuncType) -> Result<(), ModuleError> {
    let core = |t| core_type(t).map_or("i64", |(core, _)| core);
    let (parameters, results): (Vec<&str>, Vec<&str>) = match signature.form {
        Form::Row => (
            signature.arguments.iter().map(core).collect(),
            vec![core(&signature.result)],
        ),
        Form::Batch => (vec!["i32", "i32"], Vec::new()),
    };
    let found: Vec<String> = function.params().map(|t| name(&t)).collect();
    let gives: Vec<String> = function.results().map(|t| name(&t)).collect();
    if found == parameters && gives == results {
        return Ok(());
    }
    Err(ModuleError::Invalid(format!(
        "exports \"{export}\" as a function ({}) -> ({}) and not ({}) -> ({})",
        found.join(", "),
        gives.join(", "),
        parameters.join(", "),
        results.join(", ")
    )))
}

pub(super) fn name(core: &ValType) -> String {
    match core {
        ValType::I32 => "i32".into(),
        ValType::I64 => "i64".into(),
        ValType::F32 => "f32".into(),
        ValType::F64 => "f64".into(),
        other => other.to_string(),
    }
}

/// Refuses a module for batches that gives no memory.
fn check_memory(module: &wasmtime::Module) -> Result<(), ModuleError> {
    if !matches!(module.get_export("memory"), Some(ExternType::Memory(memory)) if !memory.is_64()) {
        return Err(ModuleError::Invalid(
            "does not export its memory as \"memory\": functions of batches and aggregates need it".into(),
        ));
    }
    let is = |export: &str, parameters: &[&str], results: &[&str]| match module.get_export(export) {
        Some(ExternType::Func(f)) => {
            f.params().map(|t| name(&t)).eq(parameters.iter().copied())
                && f.results().map(|t| name(&t)).eq(results.iter().copied())
        }
        _ => false,
    };
    if !is("alloc", &["i32"], &["i32"]) {
        return Err(ModuleError::Invalid(
            "does not export \"alloc\", from a number of bytes (i32) to an address (i32): functions of batches and aggregates need it".into(),
        ));
    }
    if module.get_export("free").is_some() && !is("free", &["i32", "i32"], &[]) {
        return Err(ModuleError::Invalid(
            "exports a \"free\" that does not take an address (i32) and a number of bytes (i32)".into(),
        ));
    }
    Ok(())
}

/// What is wrong and where, without the text that it is about: whoever submits a job may not be allowed to read the file.
fn one_line(text: &str) -> String {
    let lines: Vec<&str> = text.lines().take(2).map(str::trim).collect();
    lines.join(" ")
}
