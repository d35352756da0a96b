//! Regular expressions in Java's dialect.
//!
//! Patterns are rewritten where the dialect of the engine here means something else (`\d` is ASCII in Java, `.` stops at
//! more line ends) and refused where it has no counterpart (look-around, back references, possessive quantifiers). Matching
//! takes time linear in the text, whatever the pattern.

use std::{cell::RefCell, fmt::Write as _, sync::Arc};

use arrow_array::{
    ArrayRef,
    builder::{ListBuilder, StringBuilder},
    types::{Int32Type, Int64Type},
};
use arrow_schema::{DataType, Field};
use datafusion_common::{DataFusionError, Result};
use regex::{NoExpand, Regex};

use crate::{
    call::{Call, Text},
    define::{BOOL, Def, Gives, INT, TEXT, Takes, def},
};

use Takes::{Int, Text as TextArg};

const TEXTS: Gives = Gives::Of(|_| Ok(DataType::List(Arc::new(Field::new("item", DataType::Utf8, true)))));

pub(crate) const FUNCTIONS: &[Def] = &[
    def("REGEXP", &[TextArg, TextArg], BOOL, regexp),
    def("REGEXP_COUNT", &[TextArg, TextArg], INT, count),
    def("REGEXP_EXTRACT", &[TextArg, TextArg, Int], TEXT, extract).optional(1),
    def("REGEXP_EXTRACT_ALL", &[TextArg, TextArg, Int], TEXTS, extract_all).optional(1),
    def("REGEXP_INSTR", &[TextArg, TextArg], INT, instr),
    def("REGEXP_REPLACE", &[TextArg, TextArg, TextArg], TEXT, replace),
    def("REGEXP_SUBSTR", &[TextArg, TextArg], TEXT, substr),
    def("$SIMILAR", &[TextArg, TextArg], BOOL, similar),
];

/// Patterns that a thread keeps compiled, with what they have learnt of texts.
const KEPT_PATTERNS: usize = 16;

thread_local! {
    static KEPT: RefCell<Vec<(String, Option<Regex>)>> = const { RefCell::new(Vec::new()) };
}

/// The pattern of a call: compiled once in a thread where it is a constant, and again when it changes where it is a column.
struct Pattern<'a> {
    pattern: Text<'a>,
    last: Option<(&'a str, Option<Regex>)>,
}

/// Gives the compiled pattern back for the next batch.
impl Drop for Pattern<'_> {
    fn drop(&mut self) {
        if let (Text::One(_), Some((pattern, regex))) = (self.pattern, self.last.take()) {
            KEPT.with_borrow_mut(|kept| {
                kept.truncate(KEPT_PATTERNS - 1);
                kept.insert(0, (pattern.to_owned(), regex));
            });
        }
    }
}

/// What another batch has compiled a pattern to in this thread: none inside if it is no pattern.
#[allow(clippy::option_option, reason = "a pattern that is none is known, too")]
fn kept(pattern: &str) -> Option<Option<Regex>> {
    KEPT.with_borrow_mut(|kept| {
        let place = kept.iter().position(|(known, _)| known == pattern)?;
        Some(kept.remove(place).1)
    })
}

impl<'a> Pattern<'a> {
    fn new(call: &Call<'a>) -> Result<Self> {
        Ok(Self {
            pattern: call.text(1)?,
            last: None,
        })
    }

    /// The row's; none if it is null or not well-formed, an error if it is one of Java's that does not run here.
    fn get(&mut self, row: usize) -> Result<Option<&Regex>> {
        let Some(pattern) = self.pattern.get(row) else {
            return Ok(None);
        };
        if self.last.as_ref().is_none_or(|(last, _)| *last != pattern) {
            let regex = match kept(pattern) {
                Some(regex) => regex,
                None => Regex::new(&translate(pattern).map_err(DataFusionError::Execution)?).ok(),
            };
            self.last = Some((pattern, regex));
        }
        Ok(self.last.as_ref().and_then(|(_, regex)| regex.as_ref()))
    }
}

/// False for an empty pattern.
fn regexp(call: &Call<'_>) -> Result<ArrayRef> {
    let (text, mut pattern) = (call.text(0)?, Pattern::new(call)?);
    let empty = call.text(1)?;
    let found = (0..call.rows).map(|row| {
        let Some(text) = text.get(row) else {
            return Ok(None);
        };
        if empty.get(row) == Some("") {
            return Ok(Some(false));
        }
        Ok(pattern.get(row)?.map(|regex| regex.is_match(text)))
    });
    Ok(Arc::new(found.collect::<Result<arrow_array::BooleanArray>>()?))
}

/// The whole text matches; the pattern is one that [`of_similar`] made.
fn similar(call: &Call<'_>) -> Result<ArrayRef> {
    regexp(call)
}

fn count(call: &Call<'_>) -> Result<ArrayRef> {
    let (text, mut pattern) = (call.text(0)?, Pattern::new(call)?);
    call.try_numbers::<Int32Type>(|row| {
        let Some(text) = text.get(row) else {
            return Ok(None);
        };
        Ok(pattern
            .get(row)?
            .map(|regex| regex.find_iter(text).count() as i32))
    })
}

fn instr(call: &Call<'_>) -> Result<ArrayRef> {
    let (text, mut pattern) = (call.text(0)?, Pattern::new(call)?);
    call.try_numbers::<Int32Type>(|row| {
        let Some(text) = text.get(row) else {
            return Ok(None);
        };
        Ok(pattern.get(row)?.map(|regex| {
            regex
                .find(text)
                .map_or(0, |found| text[..found.start()].chars().count() as i32 + 1)
        }))
    })
}

fn substr(call: &Call<'_>) -> Result<ArrayRef> {
    let (text, mut pattern) = (call.text(0)?, Pattern::new(call)?);
    call.try_texts(|row, out| {
        let Some(text) = text.get(row) else {
            return Ok(None);
        };
        let found = pattern.get(row)?.and_then(|regex| regex.find(text));
        Ok(found.map(|found| out.push_str(found.as_str())))
    })
}

/// `REGEXP_EXTRACT(text, pattern [, group])`; group 0 is the whole match and the default.
fn extract(call: &Call<'_>) -> Result<ArrayRef> {
    let (text, mut pattern) = (call.text(0)?, Pattern::new(call)?);
    let group = if call.count() > 2 {
        Some(call.values::<Int64Type>(2)?)
    } else {
        None
    };
    let mut places = None;
    call.try_texts(|row, out| {
        let group = match &group {
            Some(group) => group.get(row),
            None => Some(0),
        };
        let (Some(text), Some(group)) = (text.get(row), group) else {
            return Ok(None);
        };
        let Some(regex) = pattern.get(row)? else {
            return Ok(None);
        };
        let Ok(group) = usize::try_from(group) else {
            return Ok(None);
        };
        if group == 0 {
            return Ok(regex.find(text).map(|found| out.push_str(found.as_str())));
        }
        // The places of groups are reused from row to row.
        let places = places.get_or_insert_with(|| regex.capture_locations());
        if places.len() != regex.captures_len() {
            *places = regex.capture_locations();
        }
        if regex.captures_read(places, text).is_none() {
            return Ok(None);
        }
        Ok(places.get(group).map(|(from, to)| out.push_str(&text[from..to])))
    })
}

/// `REGEXP_EXTRACT_ALL(text, pattern [, group])`; group 1 is the default.
fn extract_all(call: &Call<'_>) -> Result<ArrayRef> {
    let (text, mut pattern) = (call.text(0)?, Pattern::new(call)?);
    let group = if call.count() > 2 {
        Some(call.values::<Int64Type>(2)?)
    } else {
        None
    };
    let mut lists = ListBuilder::new(StringBuilder::new());
    for row in 0..call.rows {
        let group = match &group {
            Some(group) => group.get(row),
            None => Some(1),
        };
        let group = group.and_then(|group| usize::try_from(group).ok());
        let found = match (text.get(row), group, pattern.get(row)?) {
            (Some(text), Some(group), Some(regex)) if group < regex.captures_len() => {
                for captures in regex.captures_iter(text) {
                    lists
                        .values()
                        .append_option(captures.get(group).map(|m| m.as_str()));
                }
                true
            }
            _ => false,
        };
        lists.append(found);
    }
    Ok(Arc::new(lists.finish()))
}

/// Replaces every match; the replacement is taken as it is.
fn replace(call: &Call<'_>) -> Result<ArrayRef> {
    let (text, mut pattern, new) = (call.text(0)?, Pattern::new(call)?, call.text(2)?);
    call.try_texts(|row, out| {
        let (Some(text), Some(new)) = (text.get(row), new.get(row)) else {
            return Ok(None);
        };
        let Some(regex) = pattern.get(row)? else {
            return Ok(None);
        };
        out.push_str(&regex.replace_all(text, NoExpand(new)));
        Ok(Some(()))
    })
}

/// The pattern, ready to match.
pub(crate) fn compile(pattern: &str) -> Result<Regex, String> {
    let translated = translate(pattern)?;
    Regex::new(&translated).map_err(|_| format!("'{pattern}' is not a regular expression"))
}

/// A pattern of Java's as one of the engine here; an error says what has no counterpart.
fn translate(pattern: &str) -> Result<String, String> {
    let refuse = |what: &str| {
        Err(format!(
            "the regular expression '{pattern}' has {what}, which is not supported"
        ))
    };
    let dot_matches_all =
        pattern.starts_with("(?") && pattern.split(')').next().is_some_and(|flags| flags.contains('s'));
    let mut out = String::with_capacity(pattern.len() + 8);
    let mut chars = pattern.chars().peekable();
    let mut class_depth = 0_usize;
    let mut quantified = false;
    while let Some(c) = chars.next() {
        let after_quantifier = std::mem::replace(&mut quantified, false);
        match c {
            '\\' => match chars.next() {
                Some('Q') => {
                    let rest: String = chars.clone().collect();
                    let quoted = rest.split("\\E").next().unwrap_or_default();
                    out.push_str(&regex::escape(quoted));
                    let skipped = quoted.chars().count() + 2;
                    chars.by_ref().take(skipped).for_each(drop);
                }
                Some(escape) => match escaped(escape, class_depth > 0) {
                    Some(text) => out.push_str(text),
                    None if escape.is_ascii_digit() && escape != '0' => return refuse("a back reference"),
                    None if "GXkRhHvVN0c".contains(escape) => return refuse(&format!("'\\{escape}'")),
                    None => {
                        out.push('\\');
                        out.push(escape);
                    }
                },
                None => out.push('\\'),
            },
            '[' => {
                class_depth += 1;
                out.push('[');
                if chars.peek() == Some(&'^') {
                    out.extend(chars.next());
                }
            }
            ']' => {
                class_depth = class_depth.saturating_sub(1);
                out.push(']');
            }
            _ if class_depth > 0 => out.push(c),
            '(' if chars.peek() == Some(&'?') => {
                let ahead: String = chars.clone().skip(1).take(2).collect();
                let look = ahead.starts_with(['=', '!', '>']) || ahead == "<=" || ahead == "<!";
                if look {
                    return refuse("look-around");
                }
                out.push('(');
            }
            '+' if after_quantifier => return refuse("a possessive quantifier"),
            '*' | '+' | '}' => {
                quantified = true;
                out.push(c);
            }
            '?' => {
                // After a quantifier it makes that one reluctant, after a parenthesis it begins a flag.
                quantified = !after_quantifier && !out.ends_with('(');
                out.push(c);
            }
            '.' if !dot_matches_all => out.push_str(r"[^\n\r\x{85}\x{2028}\x{2029}]"),
            _ => out.push(c),
        }
    }
    Ok(out)
}

/// What Java's escapes of character classes mean: ASCII.
fn escaped(escape: char, in_class: bool) -> Option<&'static str> {
    Some(match (escape, in_class) {
        ('d', false) => "[0-9]",
        ('d', true) => "0-9",
        ('D', _) => "[^0-9]",
        ('w', false) => "[A-Za-z0-9_]",
        ('w', true) => "A-Za-z0-9_",
        ('W', _) => "[^A-Za-z0-9_]",
        ('s', false) => r"[ \t\n\x0B\f\r]",
        ('s', true) => r" \t\n\x0B\f\r",
        ('S', _) => r"[^ \t\n\x0B\f\r]",
        ('b', false) => r"\b",
        ('e', _) => r"\x1B",
        ('Z', false) => r"\z",
        _ => return None,
    })
}

/// `SIMILAR TO` as a regular expression of the whole text; none if it ends in the escape character.
pub(crate) fn of_similar(pattern: &str, escape: Option<char>) -> Option<String> {
    let mut out = String::from("(?s)^(?:");
    let mut chars = pattern.chars();
    let mut in_class = false;
    while let Some(c) = chars.next() {
        match c {
            c if Some(c) == escape => {
                let next = chars.next()?;
                out.push_str(&regex::escape(next.encode_utf8(&mut [0; 4])));
            }
            '[' => {
                in_class = true;
                out.push('[');
            }
            ']' => {
                in_class = false;
                out.push(']');
            }
            c if in_class => out.push(c),
            '%' => out.push_str(".*"),
            '_' => out.push('.'),
            '|' | '*' | '+' | '?' | '{' | '}' | '(' | ')' => out.push(c),
            c if c.is_alphanumeric() => out.push(c),
            c => {
                let _ = write!(out, "{}", regex::escape(c.encode_utf8(&mut [0; 4])));
            }
        }
    }
    out.push_str(")$");
    Some(out)
}

#[cfg(test)]
mod tests {
    use datafusion_common::ScalarValue;

    use super::*;
    use crate::testing::{call, check, int};

    #[test]
    fn groups_are_extracted() {
        use crate::testing::text as s;
        check(
            "REGEXP_EXTRACT",
            &[s("foothebar"), s("foo(.*?)(bar)"), int(2)],
            Some("bar"),
        );
        check(
            "REGEXP_EXTRACT",
            &[s("foothebar"), s("foo(.*?)(bar)")],
            Some("foothebar"),
        );
        check(
            "REGEXP_EXTRACT",
            &[s("foothebar"), s("foo(.*?)(bar)"), int(3)],
            None,
        );
        check("REGEXP_EXTRACT", &[s("foothebar"), s("(x"), int(1)], None);
        check(
            "REGEXP_EXTRACT",
            &[s("channel_id=12&x"), s("(&|^)channel_id=([^&]*)"), int(2)],
            Some("12"),
        );
        check(
            "REGEXP_EXTRACT",
            &[s("none"), s("(&|^)channel_id=([^&]*)"), int(2)],
            None,
        );
        check(
            "REGEXP_REPLACE",
            &[s("foobar"), s("oo|ar"), s("$1")],
            Some("f$1b$1"),
        );
        check("REGEXP_SUBSTR", &[s("a12b34"), s("\\d+")], Some("12"));
        let truth = |t: &str, p: &str, expected| {
            assert_eq!(
                call("REGEXP", &[s(t), s(p)]),
                Ok(ScalarValue::Boolean(expected)),
                "{t} {p}"
            );
        };
        truth("hello", "l+", Some(true));
        truth("hello", "", Some(false));
        truth("hello", "(", None);
        truth("٣", "\\d", Some(false));
        assert_eq!(
            call("REGEXP_COUNT", &[s("abab"), s("ab")]),
            Ok(ScalarValue::Int32(Some(2)))
        );
        assert_eq!(
            call("REGEXP_INSTR", &[s("xäab"), s("ab")]),
            Ok(ScalarValue::Int32(Some(3)))
        );
    }

    #[test]
    fn what_has_no_counterpart_is_refused() {
        for pattern in ["a(?=b)", "(?<!x)a", "(a)\\1", "a*+", "a?+", "\\Ga"] {
            assert!(compile(pattern).is_err(), "{pattern}");
        }
        for pattern in [
            "a+?",
            "(?<name>a)",
            "(?i)a",
            "[+*]+",
            "a\\+",
            "\\Qa.b\\E",
            "[\\w.]+@x",
        ] {
            assert!(compile(pattern).is_ok(), "{pattern}: {:?}", compile(pattern));
        }
        assert!(compile("\\Qa.b\\E").is_ok_and(|r| r.is_match("a.b") && !r.is_match("axb")));
    }

    #[test]
    fn similar_patterns_match_whole_texts() {
        for (pattern, escape, matching, other) in [
            ("(b|c)%", None, "cx", "ab"),
            ("a_c", None, "a\nc", "ac"),
            ("a.c", None, "a.c", "abc"),
            ("50!%", Some('!'), "50%", "50x"),
            ("[0-9]+", None, "123", "12a"),
        ] {
            let regex = compile(&of_similar(pattern, escape).expect("well-formed")).expect("compiles");
            assert!(
                regex.is_match(matching) && !regex.is_match(other),
                "{pattern} {regex}"
            );
        }
    }
}
