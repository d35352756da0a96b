//! Rows as commands of Redis, changes folded by key.

use std::{collections::HashMap, ops::Range};

use ::redis::{Cmd, Pipeline};
use arrow_array::RecordBatch;
use foldhash::fast::RandomState;

use super::{
    layout::{Keys, Layout, Place, Value, writing},
    values::Writing,
};
use crate::{
    changelog,
    format::{TimestampStyle, cells::Members},
};

/// Gathers rows that go to the server together. Of rows with one key the last change is kept.
#[derive(Debug)]
pub(super) struct Gathered {
    layout: Layout,
    /// The names of the fields that rows have as columns.
    fields: Vec<String>,
    bytes: Vec<u8>,
    /// Those of an entry follow each other, the same number for each; none: null.
    values: Vec<Option<Range<usize>>>,
    entries: Vec<Entry>,
    by_key: HashMap<Box<[u8]>, usize, RandomState>,
}

#[derive(Clone, Debug)]
struct Entry {
    adds: bool,
    key: Range<usize>,
    /// Where its values begin.
    values: usize,
}

/// A batch's columns, their types resolved once.
enum Body<'a> {
    Columns(Vec<Writing<'a>>),
    Object(Members<'a>),
}

impl Gathered {
    pub(super) fn new(layout: Layout) -> Self {
        let columns = match &layout.place {
            Place::Keyed {
                value: Value::Fields(columns),
                ..
            } => columns.clone(),
            Place::Stream { .. } => (0..layout.schema.fields().len()).collect(),
            _ => Vec::new(),
        };
        let name = |column: &usize| layout.schema.field(*column).name().clone();
        Self {
            fields: columns.iter().map(name).collect(),
            layout,
            bytes: Vec::new(),
            values: Vec::new(),
            entries: Vec::new(),
            by_key: HashMap::default(),
        }
    }

    /// Bytes that wait.
    pub(super) fn bytes(&self) -> usize {
        self.bytes.len()
    }

    /// Rows that wait.
    pub(super) fn rows(&self) -> usize {
        self.entries.len()
    }

    /// Adds the rows of a batch, or what they change.
    pub(super) fn add(&mut self, batch: &RecordBatch) {
        let ops = changelog::ops(batch);
        let keys = match &self.layout.place {
            Place::Keyed { keys, .. } => writing(&keys.columns, |column| batch.column(column).as_ref()),
            Place::Stream { .. } | Place::Channel { .. } => Vec::new(),
        };
        let body = self.body(batch);
        for row in 0..batch.num_rows() {
            let key = self.write_key(&keys, row);
            let values = self.values.len();
            match &body {
                Body::Columns(columns) => columns
                    .iter()
                    .for_each(|column| self.write(|out| column.write(row, out))),
                Body::Object(members) => self.write(|out| {
                    members.write(row, out);
                    true
                }),
            }
            self.fold(Entry {
                adds: ops.is_none_or(|ops| changelog::adds(ops.value(row))),
                key,
                values,
            });
        }
    }

    fn body<'a>(&self, batch: &'a RecordBatch) -> Body<'a> {
        let columns = match &self.layout.place {
            Place::Stream { .. } => (0..self.fields.len()).collect(),
            Place::Channel { .. } => {
                return object(batch, &(0..self.layout.schema.fields().len()).collect::<Vec<_>>());
            }
            Place::Keyed { value, .. } => match value {
                Value::Json(columns) => return object(batch, columns),
                Value::Plain(column) => vec![*column],
                Value::Fields(columns) => columns.clone(),
                Value::Field { name, value } => vec![*name, *value],
            },
        };
        Body::Columns(writing(&columns, |column| batch.column(column).as_ref()))
    }

    fn write_key(&mut self, columns: &[Writing<'_>], row: usize) -> Range<usize> {
        let start = self.bytes.len();
        if let Place::Keyed { keys, .. } = &self.layout.place {
            keys.write(columns, row, &mut self.bytes);
        }
        start..self.bytes.len()
    }

    fn write(&mut self, write: impl FnOnce(&mut Vec<u8>) -> bool) {
        let start = self.bytes.len();
        let is_there = write(&mut self.bytes);
        self.values.push(is_there.then_some(start..self.bytes.len()));
    }

    fn fold(&mut self, entry: Entry) {
        let Place::Keyed { value, .. } = &self.layout.place else {
            return self.entries.push(entry);
        };
        let name = match value {
            Value::Field { .. } => self.values[entry.values].clone().unwrap_or_default(),
            _ => 0..0,
        };
        let mut key = Vec::with_capacity(entry.key.len() + name.len() + 4);
        key.extend_from_slice(&(entry.key.len() as u32).to_le_bytes());
        key.extend_from_slice(&self.bytes[entry.key.clone()]);
        key.extend_from_slice(&self.bytes[name]);
        if let Some(&known) = self.by_key.get(key.as_slice()) {
            self.entries[known] = entry;
            return;
        }
        self.by_key.insert(key.into(), self.entries.len());
        self.entries.push(entry);
    }

    /// What has been gathered; begins anew.
    pub(super) fn take(&mut self) -> Pipeline {
        let mut commands = Pipeline::with_capacity(self.entries.len());
        match &self.layout.place {
            Place::Stream { key, max_length } => self.append(key, *max_length, &mut commands),
            Place::Channel { name } => self.publish(name, &mut commands),
            Place::Keyed { keys, value } => match value {
                Value::Plain(_) | Value::Json(_) => self.set(keys, &mut commands),
                Value::Fields(_) => self.set_fields(keys, &mut commands),
                Value::Field { .. } => self.set_field(keys, &mut commands),
            },
        }
        self.bytes.clear();
        self.values.clear();
        self.entries.clear();
        self.by_key.clear();
        commands
    }

    /// The strings of keys; of those without a value there is none.
    fn set(&self, keys: &Keys, commands: &mut Pipeline) {
        let mut together = Cmd::with_capacity(1 + 2 * self.entries.len(), self.bytes.len());
        let mut deletes = Cmd::new();
        together.arg("MSET");
        deletes.arg("DEL");
        for entry in &self.entries {
            let key = &self.bytes[entry.key.clone()];
            match (self.value(entry, 0).filter(|_| entry.adds), keys.ttl) {
                (None, _) => _ = deletes.arg(key),
                (Some(value), None) => _ = together.arg(key).arg(value),
                (Some(value), Some(ttl)) => {
                    let mut set = Cmd::with_capacity(5, key.len() + value.len() + 32);
                    set.arg("SET")
                        .arg(key)
                        .arg(value)
                        .arg("PX")
                        .arg(ttl.as_millis() as u64);
                    commands.add_command(set);
                }
            }
        }
        for command in [together, deletes] {
            if command.args_iter().len() > 1 {
                commands.add_command(command);
            }
        }
    }

    /// The fields of hashes, one for each column.
    fn set_fields(&self, keys: &Keys, commands: &mut Pipeline) {
        for entry in &self.entries {
            let key = &self.bytes[entry.key.clone()];
            let (mut set, mut delete) = (Cmd::new(), Cmd::new());
            set.arg("HSET").arg(key);
            delete.arg("HDEL").arg(key);
            for (nth, field) in self.fields.iter().enumerate() {
                match self.value(entry, nth).filter(|_| entry.adds) {
                    Some(value) => _ = set.arg(field).arg(value),
                    None => _ = delete.arg(field),
                }
            }
            Self::change(keys, key, set, delete, commands);
        }
    }

    /// Fields of hashes that a column names.
    fn set_field(&self, keys: &Keys, commands: &mut Pipeline) {
        for entry in &self.entries {
            let key = &self.bytes[entry.key.clone()];
            let name = self.value(entry, 0).unwrap_or_default();
            let (mut set, mut delete) = (Cmd::new(), Cmd::new());
            set.arg("HSET").arg(key);
            delete.arg("HDEL").arg(key);
            match self.value(entry, 1).filter(|_| entry.adds) {
                Some(value) => _ = set.arg(name).arg(value),
                None => _ = delete.arg(name),
            }
            Self::change(keys, key, set, delete, commands);
        }
    }

    fn change(keys: &Keys, key: &[u8], set: Cmd, delete: Cmd, commands: &mut Pipeline) {
        if delete.args_iter().len() > 2 {
            commands.add_command(delete);
        }
        if set.args_iter().len() > 2 {
            commands.add_command(set);
            if let Some(ttl) = keys.ttl {
                commands.cmd("PEXPIRE").arg(key).arg(ttl.as_millis() as u64);
            }
        }
    }

    fn append(&self, key: &str, max_length: Option<i64>, commands: &mut Pipeline) {
        for entry in &self.entries {
            let mut add = Cmd::with_capacity(6 + 2 * self.fields.len(), 64 + key.len());
            add.arg("XADD").arg(key);
            if let Some(max_length) = max_length {
                add.arg("MAXLEN").arg("~").arg(max_length);
            }
            add.arg("*");
            let before = add.args_iter().len();
            for (nth, field) in self.fields.iter().enumerate() {
                if let Some(value) = self.value(entry, nth) {
                    add.arg(field).arg(value);
                }
            }
            // An entry without fields is refused; one of a name that no column has reads as nulls too.
            if add.args_iter().len() == before {
                add.arg("").arg("");
            }
            commands.add_command(add);
        }
    }

    fn publish(&self, channel: &str, commands: &mut Pipeline) {
        for entry in &self.entries {
            let object = self.value(entry, 0).unwrap_or_default();
            commands.cmd("PUBLISH").arg(channel).arg(object);
        }
    }

    fn value(&self, entry: &Entry, nth: usize) -> Option<&[u8]> {
        self.values[entry.values + nth]
            .clone()
            .map(|range| &self.bytes[range])
    }
}

fn object<'a>(batch: &'a RecordBatch, columns: &[usize]) -> Body<'a> {
    let schema = batch.schema_ref();
    let named = columns.iter().map(|column| {
        (
            schema.field(*column).name().as_str(),
            batch.column(*column).as_ref(),
        )
    });
    Body::Object(Members::new(named, TimestampStyle::Sql))
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, sync::Arc};

    use arrow_array::{ArrayRef, Int64Array, StringArray};
    use arrow_schema::{DataType, Field, Schema};
    use proptest::prelude::*;

    use super::*;
    use crate::{
        RowKind::{self, Delete, Insert, UpdateAfter, UpdateBefore},
        options::Checked,
        origin,
        redis::options::OPTIONS,
    };

    /// `k BIGINT, f STRING, v STRING, n BIGINT`, as many of them as wanted; `keys` of them are the key.
    fn gathered(columns: usize, keys: usize, given: &[(&str, &str)]) -> Gathered {
        let fields = [
            Field::new("k", DataType::Int64, true),
            Field::new("f", DataType::Utf8, true),
            Field::new("v", DataType::Utf8, true),
            Field::new("n", DataType::Int64, true),
        ];
        let fields = fields.into_iter().take(columns).enumerate();
        let fields = fields.map(|(i, field)| if i < keys { origin::key(field) } else { field });
        let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
        let mut given: BTreeMap<_, _> = given
            .iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
            .collect();
        given.insert("url".into(), "redis://h".into());
        let options = Checked::new("redis", OPTIONS, &given).expect("valid");
        Gathered::new(Layout::new(&options, &schema).expect("valid"))
    }

    type Row<'a> = (RowKind, i64, &'a str, Option<&'a str>, Option<i64>);

    fn changes(columns: usize, rows: &[Row<'_>]) -> RecordBatch {
        let all: [(&str, ArrayRef); 4] = [
            (
                "k",
                Arc::new(rows.iter().map(|row| row.1).collect::<Int64Array>()),
            ),
            (
                "f",
                Arc::new(rows.iter().map(|row| Some(row.2)).collect::<StringArray>()),
            ),
            (
                "v",
                Arc::new(rows.iter().map(|row| row.3).collect::<StringArray>()),
            ),
            (
                "n",
                Arc::new(rows.iter().map(|row| row.4).collect::<Int64Array>()),
            ),
        ];
        let kinds = changelog::column(rows.iter().map(|row| row.0.byte()).collect());
        let all = all
            .into_iter()
            .take(columns)
            .chain([(changelog::OP_COLUMN, kinds)]);
        RecordBatch::try_from_iter(all).expect("rows")
    }

    fn commands(gathered: &mut Gathered) -> Vec<String> {
        let commands = gathered.take();
        let text = |cmd: &Cmd| {
            let args = cmd.args_iter().map(|arg| match arg {
                ::redis::Arg::Simple(text) => String::from_utf8_lossy(text).into_owned(),
                _ => unreachable!("no cursors"),
            });
            args.collect::<Vec<_>>().join(" ")
        };
        commands.cmd_iter().map(text).collect()
    }

    const ROWS: &[Row<'_>] = &[
        (Insert, 1, "a", Some("x"), Some(10)),
        (Insert, 2, "b", Some("y"), None),
        (UpdateBefore, 1, "a", Some("x"), Some(10)),
        (UpdateAfter, 1, "a", None, Some(11)),
        (Insert, 3, "c", Some("z"), Some(30)),
        (Delete, 3, "c", Some("z"), Some(30)),
    ];

    #[test]
    fn rows_are_the_last_state_of_their_keys_in_each_data_type() {
        let check = |columns: usize, keys: usize, options: &[(&str, &str)], expected: &[&str]| {
            let mut gathered = gathered(columns, keys, options);
            gathered.add(&changes(columns, ROWS));
            assert_eq!(gathered.rows(), 3);
            assert_eq!(commands(&mut gathered), expected, "{options:?}");
            assert_eq!((gathered.rows(), gathered.bytes()), (0, 0), "it begins anew");
        };
        let expected = [
            "HDEL p:1:a v",
            "HSET p:1:a n 11",
            "HDEL p:2:b n",
            "HSET p:2:b v y",
            "HDEL p:3:c v n",
        ];
        check(4, 2, &[("key.prefix", "p:")], &expected);
        let expected = [
            "HSET 1 f a",
            "PEXPIRE 1 5000",
            "HSET 2 f b",
            "PEXPIRE 2 5000",
            "HDEL 3 f",
        ];
        check(2, 1, &[("ttl", "5 s")], &expected);
        check(
            3,
            2,
            &[("hash.field-column", "f")],
            &["HDEL 1 a", "HSET 2 b y", "HDEL 3 c"],
        );
        let string = ("data-type", "string");
        check(
            3,
            2,
            &[string, ("key.separator", "/")],
            &["MSET 2/b y", "DEL 1/a 3/c"],
        );
        let expected = [r#"MSET 1 {"f":"a","v":null} 2 {"f":"b","v":"y"}"#, "DEL 3"];
        check(3, 1, &[string], &expected);
        check(
            2,
            1,
            &[string, ("ttl", "1 s")],
            &["SET 1 a PX 1000", "SET 2 b PX 1000", "DEL 3"],
        );
        check(
            2,
            1,
            &[string, ("value.format", "json")],
            &[r#"MSET 1 {"f":"a"} 2 {"f":"b"}"#, "DEL 3"],
        );
    }

    #[test]
    fn entries_of_streams_and_channels_are_all_kept() {
        let rows = [(Insert, 1, "a", None, None), (Insert, 1, "a", None, None)];
        let mut stream = gathered(
            3,
            0,
            &[("data-type", "stream"), ("key", "s"), ("stream.max-length", "9")],
        );
        stream.add(&changes(3, &rows));
        assert_eq!(commands(&mut stream), ["XADD s MAXLEN ~ 9 * k 1 f a"; 2]);
        let mut channel = gathered(2, 0, &[("data-type", "pubsub"), ("key", "c")]);
        channel.add(&changes(2, &rows));
        assert_eq!(commands(&mut channel), [r#"PUBLISH c {"k":1,"f":"a"}"#; 2]);
        let mut nulls = gathered(3, 0, &[("data-type", "stream"), ("key", "s")]);
        let nothing: ArrayRef = Arc::new(Int64Array::from(vec![None]));
        let texts: ArrayRef = Arc::new(StringArray::from(vec![None::<&str>]));
        let columns = [("k", nothing), ("f", Arc::clone(&texts)), ("v", texts)];
        nulls.add(&RecordBatch::try_from_iter(columns).expect("a row"));
        assert_eq!(commands(&mut nulls), ["XADD s *  "]);
    }

    /// What `MSET` and `DEL` leave of strings.
    fn apply(strings: &mut BTreeMap<String, String>, commands: &Pipeline) {
        for command in commands.cmd_iter() {
            let args: Vec<String> = command
                .args_iter()
                .map(|arg| match arg {
                    ::redis::Arg::Simple(text) => String::from_utf8_lossy(text).into_owned(),
                    _ => unreachable!("no cursors"),
                })
                .collect();
            match args[0].as_str() {
                "MSET" => strings.extend(args[1..].chunks(2).map(|pair| (pair[0].clone(), pair[1].clone()))),
                "DEL" => args[1..].iter().for_each(|key| _ = strings.remove(key)),
                other => panic!("{other}"),
            }
        }
    }

    proptest! {
        #[test]
        fn sending_more_or_less_often_leaves_the_same_strings(
            rows in prop::collection::vec((0..4_usize, 0..5_i64, "[a-c]{1,2}"), 0..40),
            sent in prop::collection::vec(any::<bool>(), 40),
        ) {
            let kinds = [Insert, UpdateBefore, UpdateAfter, Delete];
            let (mut often, mut once) = (BTreeMap::new(), BTreeMap::new());
            let options = [("data-type", "string")];
            let (mut by_parts, mut whole) = (gathered(2, 1, &options), gathered(2, 1, &options));
            for ((kind, k, f), sends) in rows.iter().zip(sent) {
                let batch = changes(2, &[(kinds[*kind], *k, f, None, None)]);
                by_parts.add(&batch);
                whole.add(&batch);
                if sends {
                    apply(&mut often, &by_parts.take());
                }
            }
            apply(&mut often, &by_parts.take());
            apply(&mut once, &whole.take());
            prop_assert_eq!(often, once);
        }
    }
}
