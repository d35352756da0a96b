use std::sync::Arc;

use arrow_array::{
    Array, ArrayRef, BooleanArray, Float64Array, Int32Array, Int64Array, StringArray,
    cast::AsArray,
    types::{Float64Type, Int64Type},
};
use arrow_schema::{DataType, Field};
use datafusion_common::config::ConfigOptions;
use datafusion_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl};

use super::{Limits, Module, WasmFunction, decode, encode, signature::Signature};

const NUMBERS: &str = r#"(module
  (func (export "scaled(DOUBLE, INT) -> DOUBLE") (param f64 i32) (result f64)
    (f64.mul (local.get 0) (f64.convert_i32_s (local.get 1))))
  (func (export "is_odd(BIGINT) -> BOOLEAN") (param i64) (result i32)
    (i32.mul (i32.const 256) (i32.wrap_i64 (i64.and (local.get 0) (i64.const 1)))))
  (func (export "half(BIGINT) -> BIGINT") (param i64) (result i64)
    (i64.div_s (i64.const 100) (local.get 0)))
  (func (export "forever(BIGINT) -> BIGINT") (param i64) (result i64)
    (loop $l (br $l)) (i64.const 0)))"#;

fn function(code: &str, name: &str, limits: Limits) -> WasmFunction {
    WasmFunction::new(name, Module::load(code.as_bytes()).expect("a module"), limits).expect("a function")
}

fn call(function: &dyn ScalarUDFImpl, columns: Vec<ArrayRef>) -> Result<ArrayRef, String> {
    let rows = columns.first().map_or(0, Array::len);
    let result = function.invoke_with_args(ScalarFunctionArgs {
        args: columns.into_iter().map(ColumnarValue::Array).collect(),
        arg_fields: Vec::new(),
        number_rows: rows,
        return_field: Arc::new(Field::new("", function.return_type(&[]).expect("a type"), true)),
        config_options: Arc::new(ConfigOptions::default()),
    });
    result
        .and_then(|value| value.into_array(rows))
        .map_err(|e| e.strip_backtrace())
}

#[test]
fn a_function_of_rows_is_called_for_rows_without_a_null() {
    let scaled = function(NUMBERS, "scaled", Limits::default());
    // Sliced, so that buffers and bitmaps do not begin with the first row.
    let prices: ArrayRef = Arc::new(Float64Array::from(vec![
        Some(9.0),
        Some(1.5),
        None,
        Some(2.0),
        Some(4.0),
    ]));
    let counts: ArrayRef = Arc::new(Int32Array::from(vec![Some(9), Some(2), Some(7), None, Some(-3)]));
    let result = call(&scaled, vec![prices.slice(1, 4), counts.slice(1, 4)]).expect("computed");
    let expected = Float64Array::from(vec![Some(3.0), None, None, Some(-12.0)]);
    assert_eq!(result.as_primitive::<Float64Type>(), &expected);
}

#[test]
fn any_number_but_zero_is_true() {
    let is_odd = function(NUMBERS, "is_odd", Limits::default());
    let result = call(&is_odd, vec![Arc::new(Int64Array::from(vec![1, 2, 3]))]).expect("computed");
    assert_eq!(result.as_boolean(), &BooleanArray::from(vec![true, false, true]));
}

#[test]
fn many_rows_make_the_driver_grow_its_memory() {
    let scaled = function(NUMBERS, "scaled", Limits::default());
    let rows = 100_000;
    let columns: Vec<ArrayRef> = vec![
        Arc::new(Float64Array::from_iter_values((0..rows).map(f64::from))),
        Arc::new(Int32Array::from_iter_values(std::iter::repeat_n(
            2,
            rows as usize,
        ))),
    ];
    let result = call(&scaled, columns).expect("computed");
    assert!((result.as_primitive::<Float64Type>().value(99_999) - 199_998.0).abs() < 1e-9);
}

#[test]
fn traps_and_limits_are_failures_with_the_functions_name() {
    let of = |name, limits| {
        call(
            &function(NUMBERS, name, limits),
            vec![Arc::new(Int64Array::from(vec![5, 0]))],
        )
    };
    let trap = of("half", Limits::default()).expect_err("a division by zero");
    assert!(
        trap.contains("the function half traps: integer divide by zero"),
        "{trap}"
    );
    let fuel = of("forever", Limits::default()).expect_err("no end");
    assert!(
        fuel.contains("the function forever takes more than 100000 units of fuel"),
        "{fuel}"
    );
    let little = Limits {
        memory_bytes: 1000,
        ..Limits::default()
    };
    let memory = of("half", little).expect_err("a page has more bytes");
    assert!(
        memory.contains("the function half wants more than 1000 bytes"),
        "{memory}"
    );
}

#[test]
fn a_function_goes_on_after_a_failure() {
    let half = function(NUMBERS, "half", Limits::default());
    call(&half, vec![Arc::new(Int64Array::from(vec![0]))]).expect_err("a division by zero");
    let result = call(&half, vec![Arc::new(Int64Array::from(vec![50]))]).expect("computed");
    assert_eq!(result.as_primitive::<Int64Type>().value(0), 2);
}

/// Gives each text's first byte, and null for an empty one.
const INITIALS: &str = r#"(module
  (memory (export "memory") 1)
  (global $next (mut i32) (i32.const 1024))
  (func (export "alloc") (param $bytes i32) (result i32)
    (local $at i32)
    (local.set $at (global.get $next))
    (global.set $next (i32.and (i32.add (i32.add (local.get $at) (local.get $bytes)) (i32.const 7)) (i32.const -8)))
    (drop (memory.grow (i32.add (i32.const 1) (i32.shr_u (local.get $bytes) (i32.const 16)))))
    (local.get $at))
  (func (export "batch initial(STRING) -> STRING") (param $rows i32) (param $columns i32)
    (local $row i32) (local $from i32) (local $length i32) (local $out i32) (local $offsets i32) (local $to i32)
    (local.set $out (i32.const 0))
    ;; The result's text lies where nothing else does: at 512.
    (local.set $offsets (i32.load offset=24 (local.get $columns)))
    (i32.store offset=20 (local.get $columns) (i32.const 512))
    (i32.store (local.get $offsets) (i32.const 0))
    (block $done (loop $next
      (br_if $done (i32.ge_u (local.get $row) (local.get $rows)))
      (local.set $from (i32.load (i32.add (i32.load offset=8 (local.get $columns)) (i32.mul (local.get $row) (i32.const 4)))))
      (local.set $length (i32.sub
        (i32.load offset=4 (i32.add (i32.load offset=8 (local.get $columns)) (i32.mul (local.get $row) (i32.const 4))))
        (local.get $from)))
      (if (local.get $length)
        (then
          (i32.store8 (i32.add (i32.const 512) (local.get $to))
            (i32.load8_u (i32.add (i32.load offset=4 (local.get $columns)) (local.get $from))))
          (local.set $to (i32.add (local.get $to) (i32.const 1))))
        (else
          (local.set $out (i32.add (i32.load offset=16 (local.get $columns)) (i32.shr_u (local.get $row) (i32.const 3))))
          (i32.store8 (local.get $out) (i32.and
            (i32.load8_u (local.get $out))
            (i32.xor (i32.const -1) (i32.shl (i32.const 1) (i32.and (local.get $row) (i32.const 7))))))))
      (local.set $row (i32.add (local.get $row) (i32.const 1)))
      (i32.store (i32.add (local.get $offsets) (i32.mul (local.get $row) (i32.const 4))) (local.get $to))
      (br $next)))))"#;

#[test]
fn a_function_of_batches_reads_and_writes_columns() {
    let initial = function(INITIALS, "initial", Limits::default());
    let names: ArrayRef = Arc::new(StringArray::from(vec!["out", "anna", "", "bert"]));
    let result = call(&initial, vec![names.slice(1, 3)]).expect("computed");
    let expected = StringArray::from(vec![Some("a"), None, Some("b")]);
    assert_eq!(result.as_string::<i32>(), &expected);
    // A larger batch needs a larger block.
    let many: ArrayRef = Arc::new(StringArray::from(vec!["x"; 400]));
    let result = call(&initial, vec![many]).expect("computed");
    assert_eq!(result.as_string::<i32>(), &StringArray::from(vec!["x"; 400]));
}

#[test]
fn a_function_travels_by_its_modules_id() {
    let half = function(NUMBERS, "half", Limits::default());
    let keeps_the_module = Arc::clone(half.module());
    let bytes = encode(&ScalarUDF::new_from_impl(half)).expect("a module's function");
    let decoded = decode("half", &bytes).expect("a loaded module");
    assert_eq!(encode(&decoded).as_deref(), Some(bytes.as_slice()));
    let result = call(
        decoded.inner().as_ref(),
        vec![Arc::new(Int64Array::from(vec![4]))],
    )
    .expect("computed");
    assert_eq!(result.as_primitive::<Int64Type>().value(0), 25);
    drop(keeps_the_module);
}

#[test]
fn arguments_widen_as_in_flink() {
    let scaled = function(NUMBERS, "scaled", Limits::default());
    let widened = scaled
        .coerce_types(&[DataType::Int32, DataType::Int16])
        .expect("wide enough");
    assert_eq!(widened, [DataType::Float64, DataType::Int32]);
    let check = |types: &[DataType], expected: &str| {
        let error = scaled.coerce_types(types).expect_err("refused").strip_backtrace();
        assert!(error.contains(expected), "{error}");
    };
    check(
        &[DataType::Float64],
        "scaled takes 2 arguments, 1 are given: scaled(DOUBLE, INT) -> DOUBLE",
    );
    check(
        &[DataType::Float64, DataType::Int64],
        "scaled wants an argument of type INT and gets BIGINT",
    );
}

#[test]
fn modules_that_cannot_run_are_refused_with_the_reason() {
    let check = |code: &str, expected: &str| {
        let error = Module::load(code.as_bytes()).expect_err("refused").to_string();
        assert!(error.contains(expected), "{error}");
    };
    check("no module", "is no WebAssembly, neither binary nor text");
    check("(module (secret))", "is no WebAssembly: ");
    check(
        r#"(module (import "env" "now" (func)) (func (export "f(INT) -> INT") (param i32) (result i32) (i32.const 0)))"#,
        "imports 'now' from 'env'",
    );
    check("(module)", "exports no function by its signature");
    check(
        r#"(module (func (export "f(INT) -> BIGINT") (param i32) (result i32) (i32.const 0)))"#,
        "as a function (i32) -> (i32) and not (i32) -> (i64)",
    );
    check(
        r#"(module (func (export "f(TEXT) -> INT") (param i32) (result i32) (i32.const 0)))"#,
        "'TEXT' is no type of these",
    );
    check(
        r#"(module (func (export "f(STRING) -> INT") (param i32) (result i32) (i32.const 0)))"#,
        "write the function for batches",
    );
    check(
        r#"(module (func (export "batch f(STRING) -> INT") (param i32 i32)))"#,
        "does not export its memory",
    );
    check(
        r#"(module (memory (export "memory") 1) (func (export "batch f(STRING) -> INT") (param i32 i32)))"#,
        "does not export \"alloc\"",
    );
}

#[test]
fn signatures_are_read_and_written() {
    let parse = |text: &str| {
        Signature::parse(text)
            .expect("a signature")
            .map(|s| s.to_string())
    };
    assert_eq!(
        parse("batch f( decimal(10,2), VARCHAR ,timestamp(3)) -> TIMESTAMP_LTZ(3)").as_deref(),
        Ok("f(DECIMAL(10, 2), STRING, TIMESTAMP(3)) -> TIMESTAMP_LTZ(3)")
    );
    assert_eq!(parse("pi() -> DOUBLE").as_deref(), Ok("pi() -> DOUBLE"));
    assert!(Signature::parse("alloc").is_none());
    assert!(parse("f(INT -> INT").is_err());
    assert!(parse("two words(INT) -> INT").is_err());
}
