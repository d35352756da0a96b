//! The loops over rows and groups, as WebAssembly: a module's functions are called without leaving compiled code.
//!
//! A driver works in the memory of the user's module, which it imports as `user` `memory`, beside the function, `user` `f`. It
//! exports `run`. Addresses are those of the first element; groups are numbers (i32) of states.

use std::fmt::Write;

use arrow_schema::DataType;

use super::{super::signature::core_type, signature::is_text};

/// `run(rows, groups, states, argument...)`: `f(state, value...)` for each row. A text has two arguments: the address of offsets and
/// that of its bytes.
pub(super) fn rows(arguments: &[DataType], state_bytes: usize) -> String {
    let (mut types, mut parameters, mut loads) = (String::new(), String::new(), String::new());
    for (i, argument) in arguments.iter().enumerate() {
        if is_text(argument) {
            types.push_str(" i32 i32");
            let _ = write!(parameters, " (param $o{i} i32) (param $a{i} i32)");
            let at = format!("(i32.add (local.get $o{i}) (i32.mul (local.get $row) (i32.const 4)))");
            let _ = write!(
                loads,
                "(i32.add (local.get $a{i}) (i32.load {at})) (i32.sub (i32.load offset=4 {at}) (i32.load {at}))"
            );
            continue;
        }
        let (core, width) = core(argument);
        let _ = write!(types, " {core}");
        let _ = write!(parameters, " (param $a{i} i32)");
        let load = match (argument, width) {
            (DataType::Boolean, _) => "i32.load8_u".to_owned(),
            (_, 1) => "i32.load8_s".to_owned(),
            (_, 2) => "i32.load16_s".to_owned(),
            _ => format!("{core}.load"),
        };
        let _ = write!(loads, "({load} {})", element(&format!("$a{i}"), "$row", width));
    }
    module(
        &format!("(param i32{types})"),
        &format!("(param $groups i32) (param $states i32){parameters}"),
        &format!("(call $f {}{loads})", state(state_bytes)),
    )
}

/// `run(rows, groups, states, others)`: `f(state, other)` for each of the other states.
pub(super) fn merge(state_bytes: usize) -> String {
    module(
        "(param i32 i32)",
        "(param $groups i32) (param $states i32) (param $others i32)",
        &format!(
            "(call $f {}{})",
            state(state_bytes),
            element("$others", "$row", state_bytes)
        ),
    )
}

/// `run(states, count, results)`: `f(state)` for each state.
pub(super) fn finish(result: &DataType, state_bytes: usize) -> String {
    let (core, width) = core(result);
    let store = match width {
        1 => "i32.store8".to_owned(),
        2 => "i32.store16".to_owned(),
        _ => format!("{core}.store"),
    };
    let call = format!("(call $f {})", element("$states", "$row", state_bytes));
    // Any number but 0 is true; 256 must not become 0 in its byte.
    let call = match result {
        DataType::Boolean => format!("(i32.ne {call} (i32.const 0))"),
        _ => call,
    };
    module(
        &format!("(param i32) (result {core})"),
        "(param $states i32) (param $results i32)",
        &format!("({store} {} {call})", element("$results", "$row", width)),
    )
}

fn core(data_type: &DataType) -> (&'static str, usize) {
    core_type(data_type).unwrap_or(("i64", 8))
}

fn element(base: &str, index: &str, width: usize) -> String {
    format!("(i32.add (local.get {base}) (i32.mul (local.get {index}) (i32.const {width})))")
}

/// The address of the state of a row's group.
fn state(state_bytes: usize) -> String {
    format!(
        "(i32.add (local.get $states) (i32.mul (i32.load {}) (i32.const {state_bytes})))",
        element("$groups", "$row", 4)
    )
}

fn module(function: &str, parameters: &str, body: &str) -> String {
    format!(
        r#"(module
  (import "user" "memory" (memory 0))
  (import "user" "f" (func $f {function}))
  (func (export "run") (param $rows i32) {parameters}
    (local $row i32)
    (block $done
      (loop $next
        (br_if $done (i32.ge_u (local.get $row) (local.get $rows)))
        {body}
        (local.set $row (i32.add (local.get $row) (i32.const 1)))
        (br $next)))))"#
    )
}
