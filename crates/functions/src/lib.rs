//! The functions of Flink's SQL, as vectorised functions over Arrow columns, with Flink's semantics.
//!
//! A function is a [`define::Def`]: what it takes, what it gives, and what computes a batch of rows. Constants stay
//! constants, so that a pattern is compiled once per batch and not once per row.
//!
//! - `call`: one call over a batch, its arguments and builders of results. Leans on nothing.
//! - `define`: how a function is declared. Leans on `call`.
//! - `text`: texts. Leans on `define`.
//! - `regexp`: regular expressions in Java's dialect. Leans on `define`.
//! - `encoding`: base64, hexadecimal, URLs, character sets, hashes. Leans on `define`.
//! - `time`: dates and times. Leans on `define`.
//! - `json`: JSON in texts. Leans on `define`.
//! - `numbers`: logarithms and bits. Leans on `define`.
//! - `printf`: values as a format says. Leans on `json_build`.
//! - `type_of`: the types of values. Leans on `wasm`.
//! - `json_build`: JSON made of values. Leans on `choice`.
//! - `choice`: conversions of single values to text. Leans on `define`.
//! - `enforce`: values as a sink's columns must be. Leans on `define`.
//! - `collection`: arrays and maps. Leans on `regexp`.
//! - `single`: the one value that a subquery stands for. Leans on `define`.
//! - `arrays`, `maps`: arrays and maps made of others. Lean on `collection`.
//! - `composite`: rows made of values. Leans on `define`.
//! - `decimal`: arithmetic of decimals. Leans on `define`.
//! - [`clock`]: what the runtime says of time. Leans on `define`.
//! - [`chance`]: random numbers. Leans on `define`.
//! - [`wasm`]: functions that users bring as WebAssembly modules. Leans on nothing.
//! - `catalogue`: every function that Flink has, and what becomes of it here. Leans on nothing.

mod arrays;
mod call;
pub mod catalogue;
pub mod chance;
mod choice;
pub mod clock;
mod collection;
mod composite;
mod decimal;
mod define;
mod encoding;
mod enforce;
mod json;
mod json_build;
mod maps;
mod numbers;
mod printf;
mod regexp;
mod single;
#[cfg(test)]
mod testing;
mod text;
mod time;
mod type_of;
pub mod wasm;

use std::{
    collections::HashMap,
    sync::{Arc, LazyLock},
};

use datafusion_expr::ScalarUDF;

static ALL: LazyLock<Vec<Arc<ScalarUDF>>> = LazyLock::new(|| {
    [
        text::FUNCTIONS,
        regexp::FUNCTIONS,
        encoding::FUNCTIONS,
        time::FUNCTIONS,
        json::FUNCTIONS,
        json_build::FUNCTIONS,
        numbers::FUNCTIONS,
        printf::FUNCTIONS,
        choice::FUNCTIONS,
        enforce::FUNCTIONS,
        collection::FUNCTIONS,
        arrays::FUNCTIONS,
        maps::FUNCTIONS,
        composite::FUNCTIONS,
        decimal::FUNCTIONS,
        single::FUNCTIONS,
        clock::FUNCTIONS,
        chance::FUNCTIONS,
    ]
    .into_iter()
    .flatten()
    .map(|def| Arc::new(def.udf()))
    .chain([Arc::new(type_of::udf())])
    .collect()
});

/// All functions of this crate by their names in expressions: Flink's in uppercase, or `$` and a name for those that
/// only a planner calls.
pub fn all() -> &'static [Arc<ScalarUDF>] {
    &ALL
}

/// All functions that expressions may name, DataFusion's included, whose names are in lowercase.
pub fn registry() -> HashMap<String, Arc<ScalarUDF>> {
    let mut by_name = HashMap::new();
    for function in datafusion_functions::all_default_functions() {
        for alias in function.aliases() {
            by_name.insert(alias.clone(), Arc::clone(&function));
        }
        by_name.insert(function.name().to_owned(), function);
    }
    let array = array_constructor();
    by_name.insert(array.name().to_owned(), array);
    by_name.extend(
        all()
            .iter()
            .map(|function| (function.name().to_owned(), Arc::clone(function))),
    );
    by_name
}

/// The function of that name, in uppercase.
pub fn function(name: &str) -> Option<&'static Arc<ScalarUDF>> {
    ALL.iter().find(|function| function.name() == name)
}

/// The function that makes an ARRAY of its arguments.
pub fn array_constructor() -> Arc<ScalarUDF> {
    datafusion_functions_nested::make_array::make_array_udf()
}

/// Whether some arguments of a function make a job fail, so that it should be computed after filters.
pub fn may_fail(name: &str) -> bool {
    matches!(
        name,
        "$DECIMAL_DIVIDE"
            | "$DECIMAL_MODULO"
            | "$FITS"
            | "$JSON_ENTRY"
            | "$JSON_EXISTS"
            | "$JSON_QUERY"
            | "$JSON_RAW"
            | "$JSON_VALUE"
            | "$SINGLE_VALUE"
            | "$NOT_NULL"
            | "CONVERT_TZ"
            | "DECODE"
            | "ELEMENT"
            | "$MAP"
            | "MAP_FROM_ARRAYS"
            | "ENCODE"
            | "FROM_BASE64"
            | "RAND_INTEGER"
            | "REPEAT"
            | "TO_TIMESTAMP_LTZ"
    )
}

/// Whether Java's `regex` is one that runs here, or why not.
pub fn check_regex(pattern: &str) -> Result<(), String> {
    regexp::compile(pattern).map(drop)
}

/// The regular expression that a `SIMILAR TO` pattern means; none if the pattern is not well-formed.
pub fn similar_regex(pattern: &str, escape: Option<char>) -> Option<String> {
    regexp::of_similar(pattern, escape)
}

/// Whether `DATE_FORMAT` and its like understand a pattern, or why not.
pub fn check_date_pattern(pattern: &str) -> Result<(), String> {
    time::check_pattern(pattern)
}

/// Whether a JSON path is one that runs here, or why not.
pub fn check_json_path(path: &str) -> Result<(), String> {
    json::check_path(path)
}
