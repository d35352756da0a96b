//! Changelogs: rows that add to a result or take back from it.
//!
//! A batch of changes is a batch of rows with one more, last column, [`OP_COLUMN`], that says what each row does. A batch
//! without that column only adds rows. The bytes are those of Flink's `RowKind`.

use std::sync::Arc;

use arrow_array::{Array, ArrayRef, Int8Array, RecordBatch, cast::AsArray, types::Int8Type};
use arrow_schema::{DataType, Field, Schema};

/// The name of the last column of a batch of changes; TINYINT NOT NULL.
pub const OP_COLUMN: &str = "$op";

/// What a row does to a result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(i8)]
pub enum RowKind {
    /// `+I`: adds the row.
    Insert = 0,
    /// `-U`: takes the row back, because a new version of it follows.
    UpdateBefore = 1,
    /// `+U`: adds the new version of a row.
    UpdateAfter = 2,
    /// `-D`: takes the row back for good.
    Delete = 3,
}

impl RowKind {
    /// The kind that a byte of the column stands for.
    pub fn from_byte(byte: i8) -> Option<Self> {
        match byte {
            0 => Some(Self::Insert),
            1 => Some(Self::UpdateBefore),
            2 => Some(Self::UpdateAfter),
            3 => Some(Self::Delete),
            _ => None,
        }
    }

    /// Its byte in the column.
    pub const fn byte(self) -> i8 {
        self as i8
    }

    /// As Flink writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Insert => "+I",
            Self::UpdateBefore => "-U",
            Self::UpdateAfter => "+U",
            Self::Delete => "-D",
        }
    }

    /// Whether it adds a row.
    pub fn adds(self) -> bool {
        adds(self.byte())
    }
}

/// Whether a row of this kind is added, and not taken back.
#[inline]
pub const fn adds(byte: i8) -> bool {
    byte == RowKind::Insert as i8 || byte == RowKind::UpdateAfter as i8
}

/// The field of the column.
pub fn op_field() -> Field {
    Field::new(OP_COLUMN, DataType::Int8, false)
}

/// Whether rows of this schema are changes.
pub fn is_changelog(schema: &Schema) -> bool {
    schema.fields().last().is_some_and(|f| f.name() == OP_COLUMN)
}

/// The kinds of a batch's rows; none if all are added.
pub fn ops(batch: &RecordBatch) -> Option<&Int8Array> {
    is_changelog(batch.schema_ref())
        .then(|| {
            batch
                .columns()
                .last()
                .and_then(|c| c.as_primitive_opt::<Int8Type>())
        })
        .flatten()
}

/// A column of kinds.
pub fn column(kinds: Vec<i8>) -> ArrayRef {
    Arc::new(Int8Array::from(kinds))
}

/// The kinds as texts, for people.
pub fn texts(ops: &Int8Array) -> ArrayRef {
    let text = |byte: Option<i8>| byte.and_then(RowKind::from_byte).map(RowKind::as_str);
    Arc::new(
        (0..ops.len())
            .map(|i| text(ops.is_valid(i).then(|| ops.value(i))))
            .collect::<arrow_array::StringArray>(),
    )
}

/// Which changes a source has, or a sink takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChangelogMode {
    /// New rows only.
    Append,
    /// Every kind of change.
    All,
    /// Of a source: what the row of a primary key is now, or that there is none any more; what it was before is not said, and of a row that is
    /// no more maybe its key alone.
    Upsert,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_those_of_flink_and_read_back() {
        let kinds = ["+I", "-U", "+U", "-D"];
        for (byte, text) in (0_i8..).zip(kinds) {
            let kind = RowKind::from_byte(byte).expect("a kind");
            assert_eq!((kind.as_str(), kind.byte()), (text, byte));
            assert_eq!(kind.adds(), text.starts_with('+'));
        }
        assert_eq!(RowKind::from_byte(4), None);
    }
}
