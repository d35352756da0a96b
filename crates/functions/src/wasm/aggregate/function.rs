//! An aggregate of a module, and how it travels to workers: by the module's id, its signature and its limits.

use std::sync::{Arc, Mutex, PoisonError};

use arrow_array::ArrayRef;
use arrow_schema::DataType;
use datafusion_common::Result;
use serde_json::{Value, json};

use super::{
    super::{
        function::{Limits, coerce},
        module::{Exported, Module, ModuleError},
    },
    export::Export,
    instance::{Runner, Step},
    signature::AggregateSignature,
};

/// An aggregate function that a module computes. States lie one behind the other, as long as the signature says.
#[derive(Debug)]
pub struct WasmAggregate {
    name: String,
    module: Arc<Module>,
    signature: AggregateSignature,
    limits: Limits,
    /// Instances that wait for work: one, unless several threads share the function.
    idle: Mutex<Vec<Idle>>,
}

struct Idle(Runner);

impl std::fmt::Debug for Idle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("instance")
    }
}

impl WasmAggregate {
    /// A module's aggregate under a name of the script's.
    ///
    /// # Errors
    /// That the module has no such aggregate.
    pub fn new(name: &str, module: Arc<Module>, limits: Limits) -> Result<Self, ModuleError> {
        let Exported::Aggregate(signature) = module.function(name)? else {
            return Err(ModuleError::Invalid(format!("has no aggregate function {name}")));
        };
        let signature = signature.clone();
        Ok(Self::of(name.to_owned(), module, signature, limits))
    }

    fn of(name: String, module: Arc<Module>, signature: AggregateSignature, limits: Limits) -> Self {
        Self {
            name,
            module,
            signature,
            limits,
            idle: Mutex::default(),
        }
    }

    /// Its name in the script.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The module.
    pub fn module(&self) -> &Arc<Module> {
        &self.module
    }

    /// Its types.
    pub fn signature(&self) -> &AggregateSignature {
        &self.signature
    }

    /// Whether partial states can be put together.
    pub fn merges(&self) -> bool {
        self.export().is_some_and(|export| export.merge.is_some())
    }

    /// Whether values can be taken back.
    pub fn retracts(&self) -> bool {
        self.export().is_some_and(|export| export.retracts)
    }

    /// The types that it wants for arguments of these.
    ///
    /// # Errors
    /// That they do not become what it takes without a CAST.
    pub fn coerce(&self, given: &[DataType]) -> Result<Vec<DataType>> {
        coerce(&self.name, &self.signature, &self.signature.arguments, given)
    }

    /// The state of a group without rows.
    ///
    /// # Errors
    /// As for all calls: what the function did, with its name.
    pub fn initial(&self) -> Result<Vec<u8>, String> {
        self.run(Runner::initial)
    }

    /// Takes values, none of them null, into the states of their groups.
    ///
    /// # Errors
    /// What the function did.
    pub fn accumulate(&self, states: &[u8], groups: &[u32], columns: &[ArrayRef]) -> Result<Vec<u8>, String> {
        self.run(|runner| runner.rows(Step::Accumulate, states, groups, columns))
    }

    /// Takes values out of the states of their groups.
    ///
    /// # Errors
    /// What the function did.
    pub fn retract(&self, states: &[u8], groups: &[u32], columns: &[ArrayRef]) -> Result<Vec<u8>, String> {
        self.run(|runner| runner.rows(Step::Retract, states, groups, columns))
    }

    /// Puts other states into those of their groups.
    ///
    /// # Errors
    /// What the function did.
    pub fn merge(&self, states: &[u8], groups: &[u32], others: &[u8]) -> Result<Vec<u8>, String> {
        self.run(|runner| runner.merge(states, groups, others))
    }

    /// The results of states.
    ///
    /// # Errors
    /// What the function did.
    pub fn finish(&self, states: &[u8]) -> Result<ArrayRef, String> {
        self.run(|runner| runner.finish(states))
    }

    fn export(&self) -> Option<&Export> {
        self.module
            .aggregates
            .iter()
            .find(|e| e.signature == self.signature)
    }

    fn run<T>(&self, call: impl FnOnce(&mut Runner) -> Result<T, String>) -> Result<T, String> {
        let named = |reason: String| format!("the function {} {reason}", self.name);
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut runner = if let Some(Idle(runner)) = idle {
            runner
        } else {
            let export = self
                .export()
                .ok_or_else(|| named("is not in its module".into()))?;
            Runner::new(&self.module, export, self.limits).map_err(named)?
        };
        let result = call(&mut runner).map_err(named)?;
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.push(Idle(runner));
        Ok(result)
    }

    /// The function as bytes.
    pub fn encode(&self) -> Vec<u8> {
        let text = json!({
            "module": self.module.id(),
            "signature": self.signature.to_string(),
            "fuel_per_row": self.limits.fuel_per_row,
            "memory_bytes": self.limits.memory_bytes,
        });
        text.to_string().into_bytes()
    }

    /// The function that [`WasmAggregate::encode`] wrote; its module must be loaded in this process.
    ///
    /// # Errors
    /// That the bytes are damaged, or the module is not here.
    pub fn decode(name: &str, bytes: &[u8]) -> Result<Self, String> {
        let damaged = || format!("the function {name} of the job graph is damaged");
        let value: Value = serde_json::from_slice(bytes).map_err(|_| damaged())?;
        let text = |key: &str| value[key].as_str().ok_or_else(damaged);
        let number = |key: &str| value[key].as_u64().ok_or_else(damaged);
        let signature = AggregateSignature::parse(text("signature")?).map_err(|_| damaged())?;
        let limits = Limits {
            fuel_per_row: number("fuel_per_row")?,
            memory_bytes: usize::try_from(number("memory_bytes")?).map_err(|_| damaged())?,
        };
        let module = Module::loaded(text("module")?);
        let module = module.map_err(|e| format!("the function {name} cannot be used: {e}"))?;
        Ok(Self::of(name.to_owned(), module, signature, limits))
    }
}
