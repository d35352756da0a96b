//! Declared options of connectors and formats; parsing and validation with suggestions.

use std::collections::BTreeMap;

/// An option that a connector or a format declares: validates DDL, and documents itself.
#[derive(Clone, Copy, Debug)]
pub struct OptionDef {
    /// Its key. A key that ends in `.*` stands for all keys with that prefix; `fields.#.kind` for one `#` in between.
    pub key: &'static str,
    /// What its value is.
    pub kind: OptionKind,
    /// Whether a table must give it.
    pub required: bool,
    /// What holds when it is not given.
    pub default: Option<&'static str>,
    /// What it says, in a sentence with its unit.
    pub doc: &'static str,
}

/// What an option's value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OptionKind {
    /// Any text.
    Text,
    /// `true` or `false`.
    Bool,
    /// A whole number.
    Int,
    /// A number.
    Float,
    /// A duration as Flink writes it: `500 ms`, `5 s`, `1 min`.
    Duration,
    /// One of these words.
    OneOf(&'static [&'static str]),
}

/// The nearest of `names` to a wrong name, if any is near.
pub fn nearest<'a>(wrong: &str, names: impl IntoIterator<Item = &'a str>) -> Option<String> {
    names
        .into_iter()
        .map(|name| (strsim::damerau_levenshtein(wrong, name), name))
        .filter(|(distance, name)| *distance <= (name.len().max(wrong.len()) / 3).max(2))
        .min()
        .map(|(_, name)| name.to_owned())
}

/// A table's options, as given.
pub type Options = BTreeMap<String, String>;
