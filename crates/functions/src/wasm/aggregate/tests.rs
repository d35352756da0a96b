use std::sync::Arc;

use arrow_array::{
    ArrayRef, Float64Array, Int32Array, StringArray,
    cast::AsArray,
    types::{Float64Type, Int32Type},
};

use super::{
    super::{Limits, Module, ModuleError},
    AggregateSignature, WasmAggregate,
};

const WEIGHTED_MEAN: &str = include_str!("../../../../../examples/wasm-aggregate/weighted_mean.wat");

/// Counts bytes of texts from a state that begins at 100; cannot merge or retract.
const BYTES: &str = r#"(module
  (memory (export "memory") 16)
  (func (export "alloc") (param i32) (result i32) (i32.const 1024))
  (func (export "total.init") (param i32) (i32.store (local.get 0) (i32.const 100)))
  (func (export "aggregate total(STRING, INT) -> INT state 4") (param i32 i32 i32 i32)
    (i32.store (local.get 0) (i32.add (i32.load (local.get 0)) (i32.mul (local.get 2) (local.get 3)))))
  (func (export "total.finish") (param i32) (result i32) (i32.load (local.get 0))))"#;

fn aggregate(code: &str, name: &str) -> WasmAggregate {
    let module = Module::load(code.as_bytes()).expect("a module");
    WasmAggregate::new(name, module, Limits::default()).expect("an aggregate")
}

fn doubles(values: &[f64]) -> ArrayRef {
    Arc::new(Float64Array::from(values.to_vec()))
}

#[test]
fn states_are_lent_changed_and_finished() {
    let mean = aggregate(WEIGHTED_MEAN, "weighted_mean");
    assert!(mean.merges() && mean.retracts());
    let initial = mean.initial().expect("a state");
    assert_eq!(initial, [0; 16]);
    let states = initial.repeat(2);
    let columns = [doubles(&[1.0, 2.0, 5.0]), doubles(&[1.0, 3.0, 1.0])];
    let states = mean.accumulate(&states, &[0, 0, 1], &columns).expect("states");
    let finished = |states: &[u8]| {
        let results = mean.finish(states).expect("results");
        results.as_primitive::<Float64Type>().values().to_vec()
    };
    assert_eq!(finished(&states), [1.75, 5.0]);
    let merged = mean.merge(&states, &[1, 1], &states).expect("states");
    assert_eq!(finished(&merged), [1.75, (7.0 + 5.0 + 5.0) / (4.0 + 1.0 + 1.0)]);
    let columns = [doubles(&[1.0]), doubles(&[1.0])];
    let states = mean.retract(&states, &[0], &columns).expect("states");
    assert_eq!(finished(&states), [2.0, 5.0]);
}

#[test]
fn texts_are_an_address_and_a_length() {
    let total = aggregate(BYTES, "total");
    assert!(!total.merges() && !total.retracts());
    let initial = total.initial().expect("a state");
    let texts: ArrayRef = Arc::new(StringArray::from(vec!["xx", "abc", "", "é"]));
    let factors: ArrayRef = Arc::new(Int32Array::from(vec![9, 1, 5, 10]));
    // Sliced, so that offsets do not begin with 0.
    let columns = [texts.slice(1, 3), factors.slice(1, 3)];
    let states = total.accumulate(&initial, &[0, 0, 0], &columns).expect("states");
    let results = total.finish(&states).expect("results");
    assert_eq!(results.as_primitive::<Int32Type>().value(0), 123);
    let failure = total.merge(&states, &[0], &states).expect_err("no merge");
    assert_eq!(failure, "the function total does not export its step 'merge'");
}

#[test]
fn it_travels_as_bytes() {
    let mean = aggregate(WEIGHTED_MEAN, "w");
    let decoded = WasmAggregate::decode("w", &mean.encode()).expect("the same");
    assert_eq!(decoded.encode(), mean.encode());
    assert!(WasmAggregate::decode("w", b"{}").is_err());
}

#[test]
fn what_a_signature_says_is_checked() {
    let refused = |export: &str| AggregateSignature::parse(export).expect_err("no signature");
    assert!(
        refused("aggregate f(INT) -> INT").ends_with("write aggregate name(TYPE, TYPE) -> TYPE state BYTES")
    );
    assert!(
        refused("aggregate f(INT) -> STRING state 8")
            .ends_with("a value of type STRING cannot be its result")
    );
    assert!(refused("aggregate f(DECIMAL(9, 2)) -> INT state 8").contains("cannot be an argument"));
    assert!(refused("aggregate f() -> INT state 8").contains("an argument at least"));
    assert!(refused("aggregate f(INT) -> INT state 5000").contains("1 to 4096 bytes"));
    let signature =
        AggregateSignature::parse("aggregate f(STRING, INT) -> TIMESTAMP(3) state 8").expect("a signature");
    assert_eq!(
        signature.to_string(),
        "aggregate f(STRING, INT) -> TIMESTAMP(3) state 8"
    );
}

#[test]
fn a_module_must_export_what_belongs_together() {
    let load = |code: &str| match Module::load(code.as_bytes()) {
        Err(ModuleError::Invalid(reason)) => reason,
        other => panic!("{other:?}"),
    };
    let reason = load(&BYTES.replace("total.finish", "total.end"));
    assert_eq!(
        reason,
        "does not export \"total.finish\": it gives the result of a state"
    );
    let reason = load(&BYTES.replace("total.init\") (param i32)", "total.init\") (param i32 i32)"));
    assert_eq!(
        reason,
        "exports \"total.init\" as a function (i32, i32) -> () and not (i32) -> ()"
    );
    let reason = load(&BYTES.replace("\"alloc\"", "\"malloc\""));
    assert!(
        reason.contains("functions of batches and aggregates need it"),
        "{reason}"
    );
}
