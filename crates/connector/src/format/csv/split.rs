//! A record into its fields.

/// A field of a record: where its text lies, without quotes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FieldSpan {
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) quoted: bool,
    /// It holds doubled quotes.
    pub(super) doubled: bool,
}

/// What was found at the front of the input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// A record of so many bytes, its line end included; the fields are in the vector.
    Record { len: usize },
    /// Not a whole record.
    Incomplete,
    /// Something that is no record.
    Malformed(&'static str),
}

/// Finds the fields of the record at the front of `input`, which is not empty.
pub(super) fn split_record(
    input: &[u8],
    at_end: bool,
    delimiter: u8,
    quote: u8,
    fields: &mut Vec<FieldSpan>,
) -> Found {
    fields.clear();
    let mut at = 0;
    loop {
        let (mut field, after) = if input.get(at) == Some(&quote) {
            match quoted_field(input, at + 1, quote) {
                Some(found) => found,
                None if at_end => return Found::Malformed("a quoted field does not end"),
                None => return Found::Incomplete,
            }
        } else {
            let len = memchr::memchr2(delimiter, b'\n', &input[at..]);
            let end = len.map_or(input.len(), |len| at + len);
            (
                FieldSpan {
                    start: at,
                    end,
                    quoted: false,
                    doubled: false,
                },
                end,
            )
        };
        match &input[after..] {
            [] if !at_end => return Found::Incomplete,
            [next, ..] if *next == delimiter => {
                fields.push(field);
                at = after + 1;
            }
            rest @ ([] | [b'\n', ..] | [b'\r'] | [b'\r', b'\n', ..]) => {
                if rest == b"\r" && !at_end {
                    return Found::Incomplete;
                }
                if !field.quoted && input[field.start..field.end].ends_with(b"\r") {
                    field.end -= 1;
                }
                fields.push(field);
                let line_end = rest.iter().position(|b| *b == b'\n').filter(|at| *at < 2);
                return Found::Record {
                    len: line_end.map_or(input.len(), |at| after + at + 1),
                };
            }
            _ => return Found::Malformed("text follows the end of a quoted field"),
        }
    }
}

/// The quoted field whose text begins at `start`, and where its closing quote ends; none if it does not end.
fn quoted_field(input: &[u8], start: usize, quote: u8) -> Option<(FieldSpan, usize)> {
    let mut at = start;
    let mut doubled = false;
    loop {
        let end = at + memchr::memchr(quote, input.get(at..)?)?;
        if input.get(end + 1) != Some(&quote) {
            return Some((
                FieldSpan {
                    start,
                    end,
                    quoted: true,
                    doubled,
                },
                end + 1,
            ));
        }
        doubled = true;
        at = end + 2;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(input: &str, at_end: bool) -> Result<(Vec<String>, usize), Found> {
        let mut fields = Vec::new();
        match split_record(input.as_bytes(), at_end, b',', b'"', &mut fields) {
            Found::Record { len } => Ok((
                fields
                    .iter()
                    .map(|field| input[field.start..field.end].to_owned())
                    .collect(),
                len,
            )),
            other => Err(other),
        }
    }

    #[test]
    fn records_are_told_into_fields() {
        for (input, expected, len) in [
            ("a,b\nc", vec!["a", "b"], 4),
            ("a,b\r\nc", vec!["a", "b"], 5),
            ("a,b", vec!["a", "b"], 3),
            ("a,b\r", vec!["a", "b"], 4),
            ("a,\n", vec!["a", ""], 3),
            (",\n", vec!["", ""], 2),
            ("\n", vec![""], 1),
            ("\"a,\nb\",c\n", vec!["a,\nb", "c"], 9),
            ("\"a\"\"b\"\r\nx", vec!["a\"\"b"], 8),
            ("\"\",\"\"", vec!["", ""], 5),
            ("a\"b,c\n", vec!["a\"b", "c"], 6),
        ] {
            let expected = expected.into_iter().map(str::to_owned).collect();
            assert_eq!(split(input, true), Ok((expected, len)), "{input:?}");
        }
    }

    #[test]
    fn what_is_not_a_whole_record_waits_or_is_malformed() {
        for (input, at_end, expected) in [
            ("a,b", false, Found::Incomplete),
            ("a,\"b", false, Found::Incomplete),
            ("a,\"b\"", false, Found::Incomplete),
            ("a,\"b\"\r", false, Found::Incomplete),
            ("a,\"b", true, Found::Malformed("a quoted field does not end")),
            (
                "\"a\"b,c\n",
                true,
                Found::Malformed("text follows the end of a quoted field"),
            ),
            (
                "\"a\"\rb\n",
                true,
                Found::Malformed("text follows the end of a quoted field"),
            ),
        ] {
            assert_eq!(split(input, at_end), Err(expected), "{input:?}");
        }
    }
}
