//! JSON tokens out of the bytes of one line (RFC 8259).

/// What is wrong with the text, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::format) struct Malformed {
    pub(in crate::format) at: usize,
    pub(in crate::format) expected: &'static str,
}

/// Deeper nesting than this is refused, so that no line can exhaust the stack.
const MAX_DEPTH: usize = 256;

/// A place in a line of valid UTF-8.
#[derive(Clone, Copy, Debug)]
pub(in crate::format) struct Scan<'a> {
    text: &'a [u8],
    pub(in crate::format) at: usize,
}

/// A string between its quotes.
#[derive(Clone, Copy, Debug)]
pub(in crate::format) struct Quoted<'a> {
    /// As written, without the quotes.
    pub(in crate::format) raw: &'a [u8],
    /// Whether it holds escapes.
    pub(in crate::format) escaped: bool,
}

impl<'a> Scan<'a> {
    pub(in crate::format) fn new(text: &'a [u8]) -> Self {
        Self { text, at: 0 }
    }

    fn malformed<T>(&self, expected: &'static str) -> Result<T, Malformed> {
        Err(Malformed {
            at: self.at,
            expected,
        })
    }

    /// What was passed since `start`.
    pub(in crate::format) fn since(&self, start: usize) -> &'a [u8] {
        &self.text[start..self.at]
    }

    /// The next byte that is not white space.
    #[inline]
    pub(in crate::format) fn peek(&mut self) -> Option<u8> {
        while let Some(&byte) = self.text.get(self.at) {
            if !matches!(byte, b' ' | b'\t' | b'\r' | b'\n') {
                return Some(byte);
            }
            self.at += 1;
        }
        None
    }

    /// Steps over that byte, if it comes next.
    #[inline]
    pub(in crate::format) fn eat(&mut self, byte: u8) -> bool {
        let next = self.peek() == Some(byte);
        self.at += usize::from(next);
        next
    }

    pub(in crate::format) fn expect(&mut self, byte: u8, expected: &'static str) -> Result<(), Malformed> {
        if self.eat(byte) {
            Ok(())
        } else {
            self.malformed(expected)
        }
    }

    pub(in crate::format) fn end(&mut self) -> Result<(), Malformed> {
        match self.peek() {
            None => Ok(()),
            Some(_) => self.malformed("the end of the line"),
        }
    }

    /// `true`, `false` or `null`.
    pub(in crate::format) fn word(&mut self, word: &'static str) -> Result<(), Malformed> {
        if self.text[self.at..].starts_with(word.as_bytes()) {
            self.at += word.len();
            Ok(())
        } else {
            self.malformed("a value")
        }
    }

    /// A string whose opening quote comes next.
    #[inline]
    pub(in crate::format) fn string(&mut self, expected: &'static str) -> Result<Quoted<'a>, Malformed> {
        self.expect(b'"', expected)?;
        let start = self.at;
        let mut escaped = false;
        loop {
            self.at += plain_prefix(&self.text[self.at..]);
            match self.text.get(self.at) {
                Some(b'"') => {
                    let raw = self.since(start);
                    self.at += 1;
                    return Ok(Quoted { raw, escaped });
                }
                Some(b'\\') if self.at + 1 < self.text.len() => {
                    escaped = true;
                    self.at += 2;
                }
                Some(b'\\') | None => return self.malformed("the end of a string"),
                Some(_) => return self.malformed("a string without control characters"),
            }
        }
    }

    /// A number as written, and whether it has neither a fraction nor an exponent.
    #[inline]
    pub(in crate::format) fn number(&mut self) -> Result<(&'a [u8], bool), Malformed> {
        let start = self.at;
        self.at += usize::from(self.text.get(self.at) == Some(&b'-'));
        let leading_zero = self.text.get(self.at) == Some(&b'0');
        if self.digits()? > 1 && leading_zero {
            return self.malformed("a number without leading zeros");
        }
        let mut whole = true;
        if self.text.get(self.at) == Some(&b'.') {
            whole = false;
            self.at += 1;
            self.digits()?;
        }
        if matches!(self.text.get(self.at), Some(b'e' | b'E')) {
            whole = false;
            self.at += 1;
            self.at += usize::from(matches!(self.text.get(self.at), Some(b'+' | b'-')));
            self.digits()?;
        }
        Ok((self.since(start), whole))
    }

    #[inline]
    fn digits(&mut self) -> Result<usize, Malformed> {
        let start = self.at;
        while self.text.get(self.at).is_some_and(u8::is_ascii_digit) {
            self.at += 1;
        }
        if self.at == start {
            self.malformed("a value")
        } else {
            Ok(self.at - start)
        }
    }

    /// Steps over any value.
    pub(in crate::format) fn skip(&mut self) -> Result<(), Malformed> {
        self.skip_within(MAX_DEPTH)
    }

    fn skip_within(&mut self, depth: usize) -> Result<(), Malformed> {
        match self.peek() {
            Some(b'"') => self.string("a string").map(drop),
            Some(b'-' | b'0'..=b'9') => self.number().map(drop),
            Some(b't') => self.word("true"),
            Some(b'f') => self.word("false"),
            Some(b'n') => self.word("null"),
            Some(b'{' | b'[') if depth == 0 => self.malformed("fewer levels of nesting"),
            Some(b'{') => {
                let mut members = self.members()?;
                while members.next(self)? {
                    self.string("a field name")?;
                    self.expect(b':', "':'")?;
                    self.skip_within(depth - 1)?;
                }
                Ok(())
            }
            Some(b'[') => {
                let mut members = self.members()?;
                while members.next(self)? {
                    self.skip_within(depth - 1)?;
                }
                Ok(())
            }
            _ => self.malformed("a value"),
        }
    }

    /// The members of the object or array whose opening bracket comes next.
    #[inline]
    pub(in crate::format) fn members(&mut self) -> Result<Members, Malformed> {
        let close = match self.peek() {
            Some(b'{') => b'}',
            Some(b'[') => b']',
            _ => return self.malformed("an object"),
        };
        self.at += 1;
        Ok(Members { close, first: true })
    }
}

/// Walks over the commas of an object or an array.
#[derive(Clone, Copy, Debug)]
pub(in crate::format) struct Members {
    close: u8,
    first: bool,
}

impl Members {
    /// Whether a member comes next; steps over what precedes it, or over the closing bracket.
    #[inline]
    pub(in crate::format) fn next(&mut self, scan: &mut Scan<'_>) -> Result<bool, Malformed> {
        if scan.eat(self.close) {
            return Ok(false);
        }
        if !std::mem::take(&mut self.first) {
            scan.expect(
                b',',
                if self.close == b'}' {
                    "',' or '}'"
                } else {
                    "',' or ']'"
                },
            )?;
        }
        Ok(true)
    }
}

/// How many bytes precede the first quote, backslash or control character.
#[inline]
fn plain_prefix(text: &[u8]) -> usize {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGHS: u64 = 0x8080_8080_8080_8080;
    let has_zero = |word: u64| word.wrapping_sub(ONES) & !word & HIGHS;
    let mut words = text.chunks_exact(8);
    let mut at = 0;
    for word in &mut words {
        let word = u64::from_le_bytes(word.try_into().expect("eight bytes"));
        // A borrow can mark bytes after the first hit, never before it, so the lowest mark is right.
        let control = word.wrapping_sub(ONES * 0x20) & !word & HIGHS;
        let hits = control | has_zero(word ^ (ONES * 0x22)) | has_zero(word ^ (ONES * 0x5c));
        if hits != 0 {
            return at + hits.trailing_zeros() as usize / 8;
        }
        at += 8;
    }
    let rest = words.remainder();
    at + rest
        .iter()
        .position(|b| matches!(b, b'"' | b'\\' | 0..=0x1f))
        .unwrap_or(rest.len())
}

/// Appends a string with its escapes resolved. False, with part of it appended, if an escape is wrong.
pub(in crate::format) fn unescape(raw: &[u8], out: &mut Vec<u8>) -> bool {
    let mut rest = raw;
    while let Some(at) = memchr::memchr(b'\\', rest) {
        out.extend_from_slice(&rest[..at]);
        let Some(&escape) = rest.get(at + 1) else {
            return false;
        };
        rest = &rest[at + 2..];
        let plain = match escape {
            b'"' | b'\\' | b'/' => escape,
            b'b' => 8,
            b'f' => 12,
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'u' => {
                let Some((character, after)) = unicode_escape(rest) else {
                    return false;
                };
                out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
                rest = after;
                continue;
            }
            _ => return false,
        };
        out.push(plain);
    }
    out.extend_from_slice(rest);
    true
}

/// The character of `XXXX`, or of a surrogate pair `XXXX\uXXXX`, and what follows.
fn unicode_escape(text: &[u8]) -> Option<(char, &[u8])> {
    let (first, rest) = hex4(text)?;
    if !(0xd800..0xe000).contains(&first) {
        return Some((char::from_u32(first)?, rest));
    }
    let (second, rest) = hex4(rest.strip_prefix(b"\\u")?)?;
    let low = second.checked_sub(0xdc00).filter(|low| *low < 0x400)?;
    let high = first.checked_sub(0xd800).filter(|high| *high < 0x400)?;
    Some((char::from_u32(0x10000 + (high << 10) + low)?, rest))
}

fn hex4(text: &[u8]) -> Option<(u32, &[u8])> {
    let (hex, rest) = text.split_at_checked(4)?;
    let number = hex
        .iter()
        .try_fold(0, |number, b| Some(number * 16 + char::from(*b).to_digit(16)?))?;
    Some((number, rest))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn is_json(text: &str) -> bool {
        let mut scan = Scan::new(text.as_bytes());
        scan.skip().and_then(|()| scan.end()).is_ok()
    }

    #[test]
    fn json_is_told_from_what_is_not() {
        for text in [
            "{}",
            "[]",
            " { \"a\" : [ 1 , -2.5e+3 , null ] , \"b\" : { } } ",
            "\"\\\"x\\u00e9\"",
            "0",
            "-0.1",
            "true",
            "{\"a\":{\"b\":[[],[{}]]}}",
        ] {
            assert!(is_json(text), "{text}");
        }
        for text in [
            "",
            "{",
            "}",
            "[1,]",
            "[,1]",
            "{,}",
            "{\"a\"}",
            "{\"a\":}",
            "{a:1}",
            "{\"a\":1,}",
            "[1 2]",
            "01",
            "1.",
            "-",
            ".5",
            "+1",
            "1e",
            "tru",
            "nulls",
            "'a'",
            "\"a",
            "\"a\\",
            "{}}",
            "[]]",
            "[}",
            "{]",
            "\"\u{1}\"",
            "NaN",
        ] {
            assert!(!is_json(text), "{text}");
        }
        assert!(is_json(&format!("{}{}", "[".repeat(200), "]".repeat(200))));
        assert!(!is_json(&format!(
            "{}{}",
            "[".repeat(100_000),
            "]".repeat(100_000)
        )));
    }

    #[test]
    fn escapes_are_resolved() {
        for (raw, expected) in [
            ("a\\nb", Some("a\nb")),
            ("\\\"\\\\\\/\\b\\f\\n\\r\\t", Some("\"\\/\u{8}\u{c}\n\r\t")),
            ("\\u00e9\\uD83D\\uDE00!", Some("é😀!")),
            ("\\uD83D", None),
            ("\\uDE00\\uD83D", None),
            ("\\u12", None),
            ("\\u12x4", None),
            ("\\x", None),
        ] {
            let mut out = Vec::new();
            let whole = unescape(raw.as_bytes(), &mut out);
            assert_eq!(
                whole.then(|| String::from_utf8(out).expect("text")).as_deref(),
                expected,
                "{raw}"
            );
        }
    }

    proptest! {
        #[test]
        fn the_plain_prefix_ends_at_the_first_special_byte(text in proptest::collection::vec(any::<u8>(), 0..40)) {
            let expected = text.iter().position(|b| matches!(b, b'"' | b'\\' | 0..=0x1f)).unwrap_or(text.len());
            prop_assert_eq!(plain_prefix(&text), expected);
        }

        #[test]
        fn what_serde_writes_is_json(value in any::<Vec<(String, f64, Option<bool>)>>()) {
            let text = serde_json::to_string(&value).expect("JSON");
            prop_assert!(is_json(&text));
            let cut = text.len() - 1;
            prop_assert!(!text.is_char_boundary(cut) || !is_json(&text[..cut]));
        }
    }
}
