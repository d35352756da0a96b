//! ARRAY_AGG, LISTAGG, JSON_ARRAYAGG and JSON_OBJECTAGG: the values of a group put together, in the order in which they came.

use std::{collections::HashSet, fmt::Debug, ops::Range, sync::Arc};

use arrow_array::{Array, ArrayRef, ListArray, StringArray, builder::StringBuilder, cast::AsArray};
use arrow_schema::{DataType, Field};
use weir_model::Failure;

use super::{Accumulator, kept::Kept};
use crate::operator::keys::Groups;

/// What becomes of a group's values.
pub(super) trait Form: Debug + Send {
    /// The result of groups from lists of their values.
    fn finish(&self, lists: ListArray) -> Result<ArrayRef, Failure>;

    /// The field of an element, and whether a list without any is null.
    fn item(&self) -> (&Arc<Field>, bool);
}

/// The values of each group, put together in a form.
#[derive(Debug)]
pub(super) struct Listed<F> {
    kept: Kept,
    form: F,
}

impl<F: Form> Listed<F> {
    /// Of values of this type, which can be taken back or not.
    pub(super) fn new(data_type: DataType, retracts: bool, form: F) -> Result<Self, Failure> {
        Ok(Self {
            kept: Kept::new(data_type, retracts)?,
            form,
        })
    }

    fn result(&self, groups: impl Iterator<Item = u32>) -> Result<ArrayRef, Failure> {
        let (item, empty_is_null) = self.form.item();
        self.form.finish(self.kept.lists(groups, item, empty_is_null)?)
    }
}

impl<F: Form> Accumulator for Listed<F> {
    fn update(&mut self, groups: Groups<'_>, column: Option<&ArrayRef>) -> Result<(), Failure> {
        self.kept.append(groups, argument(column)?)
    }

    fn merge(&mut self, groups: Groups<'_>, partial: &[ArrayRef]) -> Result<(), Failure> {
        self.kept.append_lists(groups, &partial[0])
    }

    fn partial(&self, groups: Range<usize>) -> Result<Vec<ArrayRef>, Failure> {
        self.kept.partial(groups)
    }

    fn finish(&self, groups: Range<usize>) -> Result<ArrayRef, Failure> {
        self.result(groups.map(|group| group as u32))
    }

    fn finish_of(&self, groups: &[u32]) -> Result<ArrayRef, Failure> {
        self.result(groups.iter().copied())
    }

    fn retract(&mut self, groups: Groups<'_>, column: Option<&ArrayRef>) -> Result<(), Failure> {
        self.kept.take_back(groups, argument(column)?)
    }

    fn state_types(&self) -> Vec<DataType> {
        vec![self.kept.state_type()]
    }

    fn state_of(&self, groups: &[u32]) -> Result<Vec<ArrayRef>, Failure> {
        Ok(vec![self.kept.state_of(groups.iter().copied())?])
    }

    fn keep(&mut self, groups: &[u32]) -> Result<(), Failure> {
        self.kept.keep(groups)
    }

    fn clear(&mut self) {
        self.kept.clear();
    }
}

fn argument(column: Option<&ArrayRef>) -> Result<&ArrayRef, Failure> {
    column.ok_or_else(|| Failure::internal("an aggregate that lists values without an argument"))
}

/// An ARRAY of the values; of none null.
#[derive(Debug)]
pub(super) struct AsArrayOf {
    item: Arc<Field>,
    /// The values are ROWs of one field, which is what is listed: it may be null.
    unpacks: Option<Arc<Field>>,
}

impl AsArrayOf {
    /// Of values of this type, packed in ROWs or not, for a result of that type.
    pub(super) fn new(value: &DataType, is_packed: bool, result: &DataType) -> Result<Self, Failure> {
        let DataType::List(element) = result else {
            return Err(Failure::internal(format!("an ARRAY_AGG that gives {result}")));
        };
        if is_packed {
            return Ok(Self {
                item: Arc::new(Field::new_list_field(value.clone(), true)),
                unpacks: Some(Arc::clone(element)),
            });
        }
        Ok(Self {
            item: Arc::clone(element),
            unpacks: None,
        })
    }
}

impl Form for AsArrayOf {
    fn finish(&self, lists: ListArray) -> Result<ArrayRef, Failure> {
        let Some(element) = &self.unpacks else {
            return Ok(Arc::new(lists));
        };
        let (_, offsets, rows, nulls) = lists.into_parts();
        let values = Arc::clone(rows.as_struct().column(0));
        ListArray::try_new(Arc::clone(element), offsets, values, nulls)
            .map(|lists| Arc::new(lists) as ArrayRef)
            .map_err(|e| super::arena::not_kept(&e))
    }

    fn item(&self) -> (&Arc<Field>, bool) {
        (&self.item, true)
    }
}

/// Texts with something between them.
#[derive(Debug)]
pub(super) struct AsText {
    item: Arc<Field>,
    open: &'static str,
    separator: String,
    close: &'static str,
    /// Each begins with a key in double quotes, which no other of its group has.
    has_keys: bool,
}

impl AsText {
    fn new(open: &'static str, separator: &str, close: &'static str) -> Self {
        Self {
            item: Arc::new(Field::new_list_field(DataType::Utf8, true)),
            open,
            separator: separator.to_owned(),
            close,
            has_keys: false,
        }
    }

    /// LISTAGG; of no texts null.
    pub(super) fn joined(separator: &str) -> Self {
        Self::new("", separator, "")
    }

    /// JSON_ARRAYAGG of JSON.
    pub(super) fn json_array() -> Self {
        Self::new("[", ",", "]")
    }

    /// JSON_OBJECTAGG of keys with a colon and their values.
    pub(super) fn json_object() -> Self {
        Self {
            has_keys: true,
            ..Self::new("{", ",", "}")
        }
    }

    fn is_null_of_none(&self) -> bool {
        self.open.is_empty()
    }
}

impl Form for AsText {
    fn finish(&self, lists: ListArray) -> Result<ArrayRef, Failure> {
        let texts = lists.values().as_string::<i32>();
        let mut out = StringBuilder::with_capacity(lists.len(), texts.value_data().len());
        let mut text = String::new();
        for (row, range) in lists.value_offsets().windows(2).enumerate() {
            if lists.is_null(row) {
                out.append_null();
                continue;
            }
            let range = range[0] as usize..range[1] as usize;
            if self.has_keys {
                check_keys(texts, range.clone())?;
            }
            text.clear();
            text.push_str(self.open);
            for (nth, place) in range.enumerate() {
                if nth > 0 {
                    text.push_str(&self.separator);
                }
                text.push_str(texts.value(place));
            }
            text.push_str(self.close);
            out.append_value(&text);
        }
        Ok(Arc::new(out.finish()))
    }

    fn item(&self) -> (&Arc<Field>, bool) {
        (&self.item, self.is_null_of_none())
    }
}

/// Refuses a key that is there twice, as Flink does.
fn check_keys(entries: &StringArray, range: Range<usize>) -> Result<(), Failure> {
    let mut seen: HashSet<&str, foldhash::fast::RandomState> = HashSet::default();
    for place in range {
        let key = key_of(entries.value(place));
        if !seen.insert(key) {
            return Err(Failure::user(format!(
                "the key {key} of JSON_OBJECTAGG is there twice"
            )));
        }
    }
    Ok(())
}

/// The text in double quotes that an entry begins with.
fn key_of(entry: &str) -> &str {
    let mut escaped = false;
    let end = entry.bytes().skip(1).position(|byte| {
        let ends = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        ends
    });
    end.map_or(entry, |end| &entry[..end + 2])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_ends_at_its_own_quote() {
        assert_eq!(key_of(r#""a":"b""#), r#""a""#);
        assert_eq!(key_of(r#""a\"b\\":1"#), r#""a\"b\\""#);
        assert_eq!(key_of(r#""":1"#), r#""""#);
    }
}
