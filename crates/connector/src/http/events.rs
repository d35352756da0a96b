//! Streams of server-sent events, as the HTML standard has them (section 9.2.6).

use std::time::Duration;

use crate::format::MAX_RECORD_BYTES;

/// An event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Event {
    /// Its type.
    pub(super) event: String,
    pub(super) data: String,
    /// The last id that was given, with it or before; empty: none.
    pub(super) id: String,
}

/// Takes the bytes of a stream as they come.
#[derive(Debug, Default)]
pub(super) struct Parser {
    line: Vec<u8>,
    /// The last byte ended a line as a carriage return: a line feed behind it ends none.
    is_after_return: bool,
    /// Something was read: a mark of the byte order may no longer come.
    has_begun: bool,
    event: String,
    data: String,
    has_data: bool,
    id: String,
    /// How long the server wants to be left alone before the next connection.
    pub(super) retry: Option<Duration>,
}

impl Parser {
    /// Behind the event of that id.
    pub(super) fn behind(id: Option<&str>) -> Self {
        Self {
            id: id.unwrap_or_default().to_owned(),
            ..Self::default()
        }
    }

    /// Takes bytes, and adds the events that are whole by them. The error says that one has no end.
    pub(super) fn take(&mut self, bytes: &[u8], events: &mut Vec<Event>) -> Result<(), String> {
        for part in bytes.split_inclusive(|byte| matches!(byte, b'\n' | b'\r')) {
            let mut part = part;
            if std::mem::take(&mut self.is_after_return) && part == b"\n" {
                continue;
            }
            let mut is_whole = false;
            if let Some((last @ (b'\n' | b'\r'), rest)) = part.split_last() {
                self.is_after_return = *last == b'\r';
                part = rest;
                is_whole = true;
            }
            self.line.extend_from_slice(part);
            if self.line.len() + self.data.len() > MAX_RECORD_BYTES {
                return Err(format!("an event has more than {MAX_RECORD_BYTES} bytes"));
            }
            if is_whole {
                let line = std::mem::take(&mut self.line);
                self.on_line(&line, events);
                self.line = line;
                self.line.clear();
            }
        }
        Ok(())
    }

    fn on_line(&mut self, line: &[u8], events: &mut Vec<Event>) {
        let line = match line.strip_prefix(b"\xef\xbb\xbf") {
            Some(rest) if !self.has_begun => rest,
            _ => line,
        };
        self.has_begun = true;
        if line.is_empty() {
            self.end_event(events);
            return;
        }
        let line = String::from_utf8_lossy(line);
        let (field, value) = line.split_once(':').unwrap_or((&line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => value.clone_into(&mut self.event),
            "data" => {
                if self.has_data {
                    self.data.push('\n');
                }
                self.data.push_str(value);
                self.has_data = true;
            }
            "id" if !value.contains('\0') => value.clone_into(&mut self.id),
            "retry" if value.bytes().all(|byte| byte.is_ascii_digit()) => {
                self.retry = value.parse().ok().map(Duration::from_millis).or(self.retry);
            }
            _ => {}
        }
    }

    fn end_event(&mut self, events: &mut Vec<Event>) {
        let event = std::mem::take(&mut self.event);
        let data = std::mem::take(&mut self.data);
        if std::mem::take(&mut self.has_data) {
            events.push(Event {
                event: if event.is_empty() {
                    "message".to_owned()
                } else {
                    event
                },
                data,
                id: self.id.clone(),
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse(chunks: &[&[u8]]) -> (Vec<Event>, Parser) {
        let (mut events, mut parser) = (Vec::new(), Parser::default());
        for chunk in chunks {
            parser.take(chunk, &mut events).expect("events");
        }
        (events, parser)
    }

    fn event(event: &str, data: &str, id: &str) -> Event {
        Event {
            event: event.into(),
            data: data.into(),
            id: id.into(),
        }
    }

    #[test]
    fn events_are_those_of_the_standard() {
        let check =
            |text: &str, expected: &[Event]| assert_eq!(parse(&[text.as_bytes()]).0, expected, "{text:?}");
        check(
            "data: YHOO\ndata: +2\ndata: 10\n\n",
            &[event("message", "YHOO\n+2\n10", "")],
        );
        check(
            ": comment\n\ndata: first\nid: 1\n\ndata:second\nid\n\ndata:  third\n\n",
            &[
                event("message", "first", "1"),
                event("message", "second", ""),
                event("message", " third", ""),
            ],
        );
        check(
            "data\n\ndata\ndata\n\ndata:",
            &[event("message", "", ""), event("message", "\n", "")],
        );
        check(
            "\u{feff}event: add\r\ndata: 7\r\nid: a\0b\r\n\r\n",
            &[event("add", "7", "")],
        );
        // A type without data is no event, and not the type of the next one.
        check("event: add\rid: 5\r\rdata: x\r\r", &[event("message", "x", "5")]);
        check("unknown: x\ndata: a: b\n\n", &[event("message", "a: b", "")]);
        let (_, parser) = parse(&[b"retry: 250\nretry: x\n\n"]);
        assert_eq!(parser.retry, Some(Duration::from_millis(250)));
    }

    #[test]
    fn an_event_without_an_end_is_an_error() {
        let mut parser = Parser::default();
        let part = vec![b'x'; MAX_RECORD_BYTES / 2];
        parser.take(&part, &mut Vec::new()).expect("it may end yet");
        parser.take(&part, &mut Vec::new()).expect("it may end yet");
        parser.take(b"x", &mut Vec::new()).expect_err("it has no end");
    }

    proptest! {
        #[test]
        fn it_does_not_matter_where_chunks_end(
            lines in proptest::collection::vec("(data|id|event|retry|)(: ?[a-z\u{e4}]{0,3}|)", 0..20),
            ends in proptest::collection::vec(0..3_usize, 20),
            cuts in proptest::collection::vec(0..200_usize, 0..10),
        ) {
            let mut text = String::new();
            for (line, end) in lines.iter().zip(ends) {
                text.push_str(line);
                text.push_str(["\n", "\r\n", "\r"][end]);
            }
            let bytes = text.as_bytes();
            let mut cuts: Vec<_> = cuts.into_iter().map(|cut| cut.min(bytes.len())).collect();
            cuts.sort_unstable();
            let starts = std::iter::once(0).chain(cuts.iter().copied());
            let ends = cuts.iter().copied().chain([bytes.len()]);
            let chunks: Vec<_> = starts.zip(ends).map(|(start, end)| &bytes[start..end]).collect();
            prop_assert_eq!(parse(&chunks).0, parse(&[bytes]).0);
        }
    }
}
