//! What an object of change data capture says.

use super::Dialect;
use crate::{
    RowKind,
    format::json::scan::{Malformed, Scan},
};

/// What an object says, its rows as they are written there.
#[derive(Debug)]
pub(super) enum Envelope<'a> {
    /// No change of a row.
    Nothing,
    /// Rows that were all added, or all taken back.
    Rows(RowKind, Vec<&'a [u8]>),
    /// A row became another one.
    Update { before: &'a [u8], after: &'a [u8] },
    /// Rows as they are now, each with the fields that were others before.
    Patches(Vec<(&'a [u8], &'a [u8])>),
}

/// The members that matter; as they are written.
#[derive(Debug, Default)]
struct Members<'a> {
    before: Option<&'a [u8]>,
    after: Option<&'a [u8]>,
    data: Option<&'a [u8]>,
    old: Option<&'a [u8]>,
    kind: Option<&'a [u8]>,
    payload: Option<&'a [u8]>,
}

impl<'a> Envelope<'a> {
    /// Reads an object; `has_schema`: the change is its `payload`.
    pub(super) fn read(dialect: Dialect, has_schema: bool, text: &'a [u8]) -> Result<Self, String> {
        let mut members = Members::read(text)?;
        if has_schema {
            match members.payload {
                Some(payload) => members = Members::read(payload)?,
                None => return Err("the change has no 'payload'".into()),
            }
        }
        match dialect {
            Dialect::Debezium => members.debezium(),
            Dialect::Canal => members.canal(),
            Dialect::Maxwell => members.maxwell(),
        }
    }
}

impl<'a> Members<'a> {
    fn read(text: &'a [u8]) -> Result<Self, String> {
        let mut members = Self::default();
        members.fill(text).map_err(|Malformed { at, expected }| {
            format!("the change is not JSON: expected {expected} at column {}", at + 1)
        })?;
        Ok(members)
    }

    fn fill(&mut self, text: &'a [u8]) -> Result<(), Malformed> {
        let mut scan = Scan::new(text);
        if scan.peek() != Some(b'{') {
            return Err(Malformed {
                at: scan.at,
                expected: "an object",
            });
        }
        let mut members = scan.members()?;
        while members.next(&mut scan)? {
            let name = scan.string("a field name")?.raw;
            scan.expect(b':', "':'")?;
            scan.peek();
            let start = scan.at;
            scan.skip()?;
            let value = Some(scan.since(start)).filter(|value| *value != b"null");
            match name {
                b"before" => self.before = value,
                b"after" => self.after = value,
                b"data" => self.data = value,
                b"old" => self.old = value,
                b"op" | b"type" => self.kind = value,
                b"payload" => self.payload = value,
                _ => {}
            }
        }
        scan.end()
    }

    fn debezium(self) -> Result<Envelope<'a>, String> {
        let missing = |which: &str, op: &str| format!("the change has no '{which}', which 'op' = {op} needs");
        match self.kind {
            // Read from the table as it was at first, created.
            Some(op @ (b"\"r\"" | b"\"c\"")) => {
                let after = self.after.ok_or_else(|| missing("after", &shown(op)))?;
                Ok(Envelope::Rows(RowKind::Insert, vec![after]))
            }
            Some(b"\"u\"") => {
                let before = self.before.ok_or_else(|| {
                    "the update has no 'before': have the server send rows as they were (PostgreSQL: ALTER TABLE ... REPLICA IDENTITY FULL)"
                        .to_owned()
                })?;
                let after = self.after.ok_or_else(|| missing("after", "\"u\""))?;
                Ok(Envelope::Update { before, after })
            }
            Some(b"\"d\"") => {
                let before = self.before.ok_or_else(|| missing("before", "\"d\""))?;
                Ok(Envelope::Rows(RowKind::Delete, vec![before]))
            }
            // Truncated; a message of the application's.
            Some(b"\"t\"" | b"\"m\"") => Ok(Envelope::Nothing),
            Some(other) => Err(format!("'op' is {}, which is none of c, r, u, d", shown(other))),
            None => Err("the change has no 'op'".into()),
        }
    }

    fn canal(self) -> Result<Envelope<'a>, String> {
        let kind = self.kind.unwrap_or_default();
        match kind {
            b"\"INSERT\"" => Ok(Envelope::Rows(RowKind::Insert, self.rows()?)),
            b"\"DELETE\"" => Ok(Envelope::Rows(RowKind::Delete, self.rows()?)),
            b"\"UPDATE\"" => {
                let (rows, old) = (self.rows()?, elements(self.old.unwrap_or(b"[]"), "old")?);
                if rows.len() != old.len() {
                    return Err(format!(
                        "'data' has {} rows and 'old' has {}",
                        rows.len(),
                        old.len()
                    ));
                }
                Ok(Envelope::Patches(rows.into_iter().zip(old).collect()))
            }
            b"" => Err("the change has no 'type'".into()),
            // Tables that are made, altered, dropped.
            _ => Ok(Envelope::Nothing),
        }
    }

    fn rows(&self) -> Result<Vec<&'a [u8]>, String> {
        let data = self.data.ok_or_else(|| "the change has no 'data'".to_owned())?;
        elements(data, "data")
    }

    fn maxwell(self) -> Result<Envelope<'a>, String> {
        let data = || self.data.ok_or_else(|| "the change has no 'data'".to_owned());
        match self.kind.unwrap_or_default() {
            b"\"insert\"" | b"\"bootstrap-insert\"" => Ok(Envelope::Rows(RowKind::Insert, vec![data()?])),
            b"\"delete\"" => Ok(Envelope::Rows(RowKind::Delete, vec![data()?])),
            b"\"update\"" => Ok(Envelope::Patches(vec![(data()?, self.old.unwrap_or(b"{}"))])),
            b"" => Err("the change has no 'type'".into()),
            _ => Ok(Envelope::Nothing),
        }
    }
}

/// The elements of a list, as they are written.
fn elements<'a>(text: &'a [u8], name: &str) -> Result<Vec<&'a [u8]>, String> {
    let list = |text: &'a [u8]| -> Result<Vec<&'a [u8]>, Malformed> {
        let mut scan = Scan::new(text);
        let mut members = scan.members()?;
        let mut found = Vec::new();
        while members.next(&mut scan)? {
            scan.peek();
            let start = scan.at;
            scan.skip()?;
            found.push(scan.since(start));
        }
        Ok(found)
    };
    if text.first() != Some(&b'[') {
        return Err(format!("'{name}' is no list"));
    }
    list(text).map_err(|_| format!("'{name}' is no list"))
}

/// The object `after` with the fields that `old` has as they are there: of a field that is named twice, the last one counts.
pub(super) fn merge(after: &[u8], old: &[u8], out: &mut Vec<u8>) {
    out.clear();
    let inner = |object: &[u8]| -> std::ops::Range<usize> {
        let end = object
            .iter()
            .rposition(|byte| *byte == b'}')
            .unwrap_or(object.len());
        1.min(end)..end
    };
    let (now, then) = (&after[inner(after)], &old[inner(old)]);
    out.push(b'{');
    out.extend_from_slice(now);
    if !now.trim_ascii().is_empty() && !then.trim_ascii().is_empty() {
        out.push(b',');
    }
    out.extend_from_slice(then);
    out.push(b'}');
}

fn shown(text: &[u8]) -> String {
    String::from_utf8_lossy(text).into_owned()
}
