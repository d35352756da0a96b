//! Declared options of connectors and formats; parsing and validation with suggestions.

use std::{collections::BTreeMap, time::Duration};

use crate::OptionError;

/// An option that a connector or a format declares: validates DDL, and documents itself.
#[derive(Clone, Copy, Debug)]
pub struct OptionDef {
    /// Its key. A key that ends in `.*` stands for all keys with that prefix; `fields.#.kind` for one `#` in between, which
    /// may hold dots itself (the path of a nested field).
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

/// An option that a table may leave out.
pub const fn option(
    key: &'static str,
    kind: OptionKind,
    default: Option<&'static str>,
    doc: &'static str,
) -> OptionDef {
    OptionDef {
        key,
        kind,
        required: false,
        default,
        doc,
    }
}

/// An option that a table must give.
pub const fn required(key: &'static str, kind: OptionKind, doc: &'static str) -> OptionDef {
    OptionDef {
        key,
        kind,
        required: true,
        default: None,
        doc,
    }
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
    /// A size in bytes as Flink writes it: `128MB`, `64 kb`; a unit is 1024 times the one before.
    MemorySize,
    /// One of these words.
    OneOf(&'static [&'static str]),
}

/// A table's options, as given.
pub type Options = BTreeMap<String, String>;

/// A table's options after they were checked against what the connector and its format declare.
///
/// The getters return what was given, else the declared default, else nothing. They do not fail: whatever does not parse
/// was refused by [`Checked::new`].
#[derive(Clone, Debug)]
pub struct Checked<'a> {
    defs: Vec<&'static OptionDef>,
    given: &'a Options,
}

impl<'a> Checked<'a> {
    /// Checks that every option given is declared and has an acceptable value, and that none that is required is missing.
    pub fn new(
        connector: &str,
        defs: impl IntoIterator<Item = &'static OptionDef>,
        given: &'a Options,
    ) -> Result<Self, OptionError> {
        let defs: Vec<_> = defs.into_iter().collect();
        for (key, value) in given {
            let Some(def) = defs.iter().find(|def| def.matches(key)) else {
                let candidates: Vec<_> = defs.iter().map(|def| def.candidate(key)).collect();
                return Err(OptionError::Unknown {
                    connector: connector.to_owned(),
                    option: key.clone(),
                    suggestion: nearest(key, candidates.iter().map(String::as_str)),
                });
            };
            def.kind
                .check(value)
                .map_err(|(reason, suggestion)| OptionError::Invalid {
                    option: key.clone(),
                    reason,
                    suggestion,
                })?;
        }
        match defs
            .iter()
            .find(|def| def.required && !given.contains_key(def.key))
        {
            Some(missing) => Err(OptionError::Missing {
                connector: connector.to_owned(),
                option: missing.key.to_owned(),
                meaning: missing.doc.to_owned(),
            }),
            None => Ok(Self { defs, given }),
        }
    }

    /// Whether the table gives it.
    pub fn is_given(&self, key: &str) -> bool {
        self.given.contains_key(key)
    }

    /// Its text.
    pub fn text(&self, key: &str) -> Option<&'a str> {
        let given = self.given.get(key).map(String::as_str);
        given.or_else(|| self.defs.iter().find(|def| def.matches(key))?.default)
    }

    /// Whether it is `true`.
    pub fn flag(&self, key: &str) -> bool {
        self.text(key)
            .is_some_and(|text| text.trim().eq_ignore_ascii_case("true"))
    }

    /// Its whole number.
    pub fn int(&self, key: &str) -> Option<i64> {
        self.text(key)?.trim().parse().ok()
    }

    /// Its whole number, refused below `least`.
    pub fn int_at_least(&self, key: &str, least: i64) -> Result<Option<i64>, OptionError> {
        match self.int(key) {
            Some(number) if number < least => Err(invalid(
                key,
                format!("{number} is too small: it must be at least {least}"),
            )),
            number => Ok(number),
        }
    }

    /// Its number.
    pub fn float(&self, key: &str) -> Option<f64> {
        self.text(key)?.trim().parse().ok()
    }

    /// Its duration.
    pub fn duration(&self, key: &str) -> Option<Duration> {
        parse_duration(self.text(key)?).ok()
    }

    /// Its size in bytes.
    pub fn bytes(&self, key: &str) -> Option<u64> {
        parse_memory_size(self.text(key)?).ok()
    }

    /// Its word, spelt as declared.
    pub fn word(&self, key: &str) -> Option<&'static str> {
        let def = self.defs.iter().find(|def| def.matches(key))?;
        let OptionKind::OneOf(words) = def.kind else {
            return None;
        };
        let text = self.text(key)?.trim();
        words.iter().copied().find(|word| word.eq_ignore_ascii_case(text))
    }

    /// The options given whose keys match this declared wildcard key, each with what stands for the `#`.
    pub fn wildcard(&self, declared: &str) -> Vec<(&'a str, &'a str)> {
        let Some((prefix, suffix)) = declared.split_once('#') else {
            return Vec::new();
        };
        let inner = |key: &'a String| key.strip_prefix(prefix)?.strip_suffix(suffix);
        self.given
            .iter()
            .filter_map(|(key, value)| Some((inner(key)?, value.as_str())))
            .collect()
    }
}

/// The refusal of an option's value, with what would be right.
pub fn invalid(key: &str, reason: impl Into<String>) -> OptionError {
    OptionError::Invalid {
        option: key.to_owned(),
        reason: reason.into(),
        suggestion: None,
    }
}

impl OptionDef {
    fn matches(&self, key: &str) -> bool {
        if let Some(prefix) = self.key.strip_suffix('*') {
            return key.len() > prefix.len() && key.starts_with(prefix);
        }
        match self.key.split_once('#') {
            None => key == self.key,
            Some((prefix, suffix)) => {
                key.len() > prefix.len() + suffix.len() && key.starts_with(prefix) && key.ends_with(suffix)
            }
        }
    }

    /// What the writer of a wrong key may have meant by this option: the key, its `#` filled in from the wrong one.
    fn candidate(&self, wrong: &str) -> String {
        match (wrong.split_once('.'), wrong.rsplit_once('.')) {
            (Some((first, _)), Some((before, _))) if before.len() > first.len() => {
                self.key.replace('#', &before[first.len() + 1..])
            }
            _ => self.key.to_owned(),
        }
    }
}

impl OptionKind {
    /// The reason why a value is not acceptable, and the nearest right one.
    fn check(self, value: &str) -> Result<(), (String, Option<String>)> {
        let text = value.trim();
        let plain = |reason: String| (reason, None);
        match self {
            Self::Text => Ok(()),
            Self::Bool
                if ["true", "false"]
                    .iter()
                    .any(|word| word.eq_ignore_ascii_case(text)) =>
            {
                Ok(())
            }
            Self::Bool => Err((
                format!("'{value}' is neither 'true' nor 'false'"),
                nearest(text, ["true", "false"]),
            )),
            Self::Int => match text.parse::<i64>() {
                Ok(_) => Ok(()),
                Err(_) => Err(plain(format!("'{value}' is not a whole number"))),
            },
            Self::Float => match text.parse::<f64>() {
                Ok(number) if number.is_finite() => Ok(()),
                _ => Err(plain(format!("'{value}' is not a number"))),
            },
            Self::Duration => parse_duration(value).map(drop).map_err(plain),
            Self::MemorySize => parse_memory_size(value).map(drop).map_err(plain),
            Self::OneOf(words) if words.iter().any(|word| word.eq_ignore_ascii_case(text)) => Ok(()),
            Self::OneOf(words) => Err((
                format!("'{value}' is not one of {}", quoted(words)),
                nearest(&text.to_lowercase(), words.iter().copied()),
            )),
        }
    }
}

fn quoted(words: &[&str]) -> String {
    words
        .iter()
        .map(|word| format!("'{word}'"))
        .collect::<Vec<_>>()
        .join(", ")
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

/// A duration as Flink writes it: a whole number and a unit (none means milliseconds). The error says what would be right.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let (number, unit) = number_and_unit(text)
        .ok_or_else(|| format!("'{text}' is not a duration such as '500 ms', '5 s' or '1 min'"))?;
    let nanos_per_unit: u64 = match unit.as_str() {
        "ns" | "nano" | "nanos" | "nanosecond" | "nanoseconds" => 1,
        "us" | "µs" | "micro" | "micros" | "microsecond" | "microseconds" => 1_000,
        "" | "ms" | "milli" | "millis" | "millisecond" | "milliseconds" => 1_000_000,
        "s" | "sec" | "secs" | "second" | "seconds" => 1_000_000_000,
        "m" | "min" | "mins" | "minute" | "minutes" => 60 * 1_000_000_000,
        "h" | "hour" | "hours" => 3_600 * 1_000_000_000,
        "d" | "day" | "days" => 86_400 * 1_000_000_000,
        _ => {
            return Err(format!(
                "'{unit}' is not a unit of time: write ns, us, ms, s, min, h or d"
            ));
        }
    };
    let nanos = number
        .checked_mul(nanos_per_unit)
        .ok_or_else(|| format!("'{text}' is too long a time"))?;
    Ok(Duration::from_nanos(nanos))
}

/// A size as Flink writes it: a whole number and a unit (none means bytes), in bytes. The error says what would be right.
pub fn parse_memory_size(text: &str) -> Result<u64, String> {
    let (number, unit) = number_and_unit(text)
        .ok_or_else(|| format!("'{text}' is not a size such as '64 kb', '128MB' or '1g'"))?;
    let shift = match unit.as_str() {
        "" | "b" | "byte" | "bytes" => 0,
        "k" | "kb" | "kibibytes" => 10,
        "m" | "mb" | "mebibytes" => 20,
        "g" | "gb" | "gibibytes" => 30,
        "t" | "tb" | "tebibytes" => 40,
        _ => {
            return Err(format!(
                "'{unit}' is not a unit of size: write b, kb, mb, gb or tb"
            ));
        }
    };
    number
        .checked_mul(1 << shift)
        .ok_or_else(|| format!("'{text}' is too big"))
}

fn number_and_unit(text: &str) -> Option<(u64, String)> {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let number = text[..digits].parse().ok()?;
    Some((number, text[digits..].trim().to_lowercase()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn def(key: &'static str, kind: OptionKind, required: bool) -> OptionDef {
        OptionDef {
            key,
            kind,
            required,
            default: None,
            doc: "where to look",
        }
    }

    static DEFS: [OptionDef; 8] = [
        def("path", OptionKind::Text, true),
        def("rows-per-second", OptionKind::Int, false),
        def("fraction", OptionKind::Float, false),
        def("ordered", OptionKind::Bool, false),
        def("format", OptionKind::OneOf(&["csv", "json"]), false),
        def("linger", OptionKind::Duration, false),
        def("fields.#.kind", OptionKind::OneOf(&["random", "sequence"]), false),
        def("fields.#.length", OptionKind::Int, false),
    ];

    fn options(pairs: &[(&str, &str)]) -> Options {
        pairs
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect()
    }

    #[test]
    fn wrong_options_are_refused_with_the_nearest_right_one() {
        let check = |pairs: &[(&str, &str)], expected: &str, suggestion: Option<&str>| {
            let given = options(pairs);
            let error = Checked::new("files", &DEFS, &given).expect_err("refused");
            assert_eq!(error.to_string(), expected);
            assert_eq!(error.problem().suggestion.as_deref(), suggestion, "{expected}");
        };
        check(
            &[],
            "connector 'files' needs the option 'path': where to look",
            None,
        );
        check(
            &[("paht", "x")],
            "connector 'files' has no option 'paht'",
            Some("path"),
        );
        check(
            &[("path", "x"), ("colour", "x")],
            "connector 'files' has no option 'colour'",
            None,
        );
        check(
            &[("path", "x"), ("fields.a.b.knid", "random")],
            "connector 'files' has no option 'fields.a.b.knid'",
            Some("fields.a.b.kind"),
        );
        check(
            &[("path", "x"), ("field.a.kind", "random")],
            "connector 'files' has no option 'field.a.kind'",
            Some("fields.a.kind"),
        );
        check(
            &[("path", "x"), ("fields.a.kind", "randon")],
            "option 'fields.a.kind': 'randon' is not one of 'random', 'sequence'",
            Some("random"),
        );
        check(
            &[("path", "x"), ("format", "jsn")],
            "option 'format': 'jsn' is not one of 'csv', 'json'",
            Some("json"),
        );
        check(
            &[("path", "x"), ("ordered", "yes")],
            "option 'ordered': 'yes' is neither 'true' nor 'false'",
            None,
        );
        check(
            &[("path", "x"), ("rows-per-second", "1.5")],
            "option 'rows-per-second': '1.5' is not a whole number",
            None,
        );
        check(
            &[("path", "x"), ("fraction", "a")],
            "option 'fraction': 'a' is not a number",
            None,
        );
        check(
            &[("path", "x"), ("linger", "5 parsecs")],
            "option 'linger': 'parsecs' is not a unit of time: write ns, us, ms, s, min, h or d",
            None,
        );
    }

    #[test]
    fn getters_return_what_was_given_else_the_default() {
        static WITH_DEFAULT: [OptionDef; 3] = [
            OptionDef {
                default: Some("7"),
                ..def("a", OptionKind::Int, false)
            },
            OptionDef {
                default: Some("1 s"),
                ..def("d", OptionKind::Duration, false)
            },
            OptionDef {
                default: Some("random"),
                ..def("fields.#.kind", OptionKind::OneOf(&["random", "sequence"]), false)
            },
        ];
        let given = options(&[("d", "2 min"), ("fields.x.y.kind", "SEQUENCE")]);
        let checked = Checked::new("c", &WITH_DEFAULT, &given).expect("valid");
        assert_eq!(checked.int("a"), Some(7));
        assert_eq!(checked.duration("d"), Some(Duration::from_mins(2)));
        assert_eq!(checked.word("fields.x.y.kind"), Some("sequence"));
        assert_eq!(checked.word("fields.z.kind"), Some("random"));
        assert_eq!(checked.wildcard("fields.#.kind"), [("x.y", "SEQUENCE")]);
        assert!(checked.int_at_least("a", 8).is_err());
        assert_eq!(checked.int_at_least("a", 7), Ok(Some(7)));
    }

    #[test]
    fn durations_are_read_as_flink_writes_them() {
        for (text, expected) in [
            ("500", Some(500_000_000)),
            ("500 ms", Some(500_000_000)),
            ("5s", Some(5_000_000_000)),
            (" 5 sec ", Some(5_000_000_000)),
            ("1 min", Some(60_000_000_000)),
            ("2 H", Some(7_200_000_000_000)),
            ("1 d", Some(86_400_000_000_000)),
            ("3 us", Some(3_000)),
            ("", None),
            ("s", None),
            ("-1 s", None),
            ("1.5 s", None),
            ("99999999999 d", None),
        ] {
            let parsed = parse_duration(text).ok().map(|duration| duration.as_nanos());
            assert_eq!(parsed, expected, "{text:?}");
        }
    }

    #[test]
    fn sizes_are_read_as_flink_writes_them() {
        for (text, expected) in [
            ("1", Some(1)),
            ("64 kb", Some(64 << 10)),
            ("128MB", Some(128 << 20)),
            ("1g", Some(1 << 30)),
            ("1 pint", None),
            ("MB", None),
            ("99999999999999 tb", None),
        ] {
            assert_eq!(parse_memory_size(text).ok(), expected, "{text:?}");
        }
    }
}
