//! The loop over rows, as WebAssembly: a function of one row's values is called without leaving compiled code.
//!
//! The driver has a memory of its own, `memory`, for columns; the user's module never sees it. It exports
//! `run(rows, validity, argument..., result)`: addresses of values, `validity` of a bitmap or 0 when no row has a null.

use std::fmt::Write;

use arrow_schema::DataType;

use super::signature::{Signature, core_type};

/// The module's text; it imports the function as `user` `f`.
pub(super) fn text(signature: &Signature) -> String {
    let core = |t: &DataType| core_type(t).unwrap_or(("i64", 8));
    let (result, result_width) = core(&signature.result);
    let mut types = String::new();
    let mut parameters = String::new();
    let mut loads = String::new();
    for (i, argument) in signature.arguments.iter().enumerate() {
        let (core, width) = core(argument);
        let _ = write!(types, " {core}");
        let _ = write!(parameters, " (param $a{i} i32)");
        let load = match (argument, width) {
            (DataType::Boolean, _) => "i32.load8_u".to_owned(),
            (_, 1) => "i32.load8_s".to_owned(),
            (_, 2) => "i32.load16_s".to_owned(),
            _ => format!("{core}.load"),
        };
        let _ = write!(
            loads,
            "({load} (i32.add (local.get $a{i}) (i32.mul (local.get $row) (i32.const {width}))))"
        );
    }
    let store = match result_width {
        1 => "i32.store8".to_owned(),
        2 => "i32.store16".to_owned(),
        _ => format!("{result}.store"),
    };
    // Any number but 0 is true; 256 must not become 0 in its byte.
    let call = match signature.result {
        DataType::Boolean => format!("(i32.ne (call $f {loads}) (i32.const 0))"),
        _ => format!("(call $f {loads})"),
    };
    format!(
        r#"(module
  (import "user" "f" (func $f (param{types}) (result {result})))
  (memory (export "memory") 1)
  (func (export "run") (param $rows i32) (param $valid i32){parameters} (param $out i32)
    (local $row i32)
    (block $done
      (loop $next
        (br_if $done (i32.ge_u (local.get $row) (local.get $rows)))
        (if (i32.or
              (i32.eqz (local.get $valid))
              (i32.and (i32.const 1) (i32.shr_u
                (i32.load8_u (i32.add (local.get $valid) (i32.shr_u (local.get $row) (i32.const 3))))
                (i32.and (local.get $row) (i32.const 7)))))
          (then ({store}
            (i32.add (local.get $out) (i32.mul (local.get $row) (i32.const {result_width})))
            {call})))
        (local.set $row (i32.add (local.get $row) (i32.const 1)))
        (br $next)))))"#
    )
}
