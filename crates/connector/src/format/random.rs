//! Rows of all types by chance, for tests.

use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_schema::{DataType, Field, Fields, Schema, SchemaRef, TimeUnit};

use super::{
    column::{Column, Values},
    record::Rows,
};

/// All types of SQL, with names for columns of them.
pub(crate) fn all_types() -> Vec<(&'static str, DataType)> {
    let inner = Fields::from(vec![
        Field::new("x", DataType::Int32, true),
        Field::new("y", DataType::Utf8, false),
    ]);
    let zone = || Some("UTC".into());
    vec![
        ("b", DataType::Boolean),
        ("i8", DataType::Int8),
        ("i16", DataType::Int16),
        ("i32", DataType::Int32),
        ("i64", DataType::Int64),
        ("f32", DataType::Float32),
        ("f64", DataType::Float64),
        ("d", DataType::Decimal128(38, 10)),
        ("small_d", DataType::Decimal128(5, 2)),
        ("text", DataType::Utf8),
        ("bytes", DataType::Binary),
        ("date", DataType::Date32),
        ("t0", DataType::Time32(TimeUnit::Second)),
        ("t3", DataType::Time32(TimeUnit::Millisecond)),
        ("t6", DataType::Time64(TimeUnit::Microsecond)),
        ("ts0", DataType::Timestamp(TimeUnit::Second, None)),
        ("ts3", DataType::Timestamp(TimeUnit::Millisecond, None)),
        ("ts6", DataType::Timestamp(TimeUnit::Microsecond, None)),
        ("ltz3", DataType::Timestamp(TimeUnit::Millisecond, zone())),
        ("ltz6", DataType::Timestamp(TimeUnit::Microsecond, zone())),
        ("row", DataType::Struct(inner.clone())),
        ("list", list(DataType::Int64, true)),
        ("rows", list(DataType::Struct(inner.clone()), false)),
        ("map", map(DataType::Utf8, DataType::Float64)),
        ("map_of_rows", map(DataType::Utf8, DataType::Struct(inner))),
        ("lists", list(list(DataType::Utf8, true), true)),
    ]
}

/// An ARRAY.
pub(crate) fn list(item: DataType, is_nullable: bool) -> DataType {
    DataType::List(Arc::new(Field::new("item", item, is_nullable)))
}

/// A MAP of values that may be null.
pub(crate) fn map(key: DataType, value: DataType) -> DataType {
    let pair = vec![Field::new("keys", key, false), Field::new("values", value, true)];
    let entries = Field::new("entries", DataType::Struct(pair.into()), false);
    DataType::Map(Arc::new(entries), false)
}

/// Each of the types as a column that may be null, and as one that may not.
pub(crate) fn schema_of(types: &[(&str, DataType)]) -> SchemaRef {
    let strict = types
        .iter()
        .map(|(name, data_type)| Field::new(format!("{name}_strict"), data_type.clone(), false));
    let fields = types
        .iter()
        .map(|(name, data_type)| Field::new(*name, data_type.clone(), true));
    Arc::new(Schema::new(fields.chain(strict).collect::<Vec<_>>()))
}

/// So many rows of that schema, the same for the same seed.
pub(crate) fn batch(schema: &SchemaRef, rows: usize, seed: u64) -> RecordBatch {
    let mut chance = Chance(seed);
    let mut all = Rows::new(schema).expect("columns");
    for _ in 0..rows {
        let row = all.push(|columns| {
            for column in columns {
                chance.value(column);
            }
            Ok::<_, String>(())
        });
        row.expect("a row");
    }
    all.take().expect("a batch")
}

struct Chance(u64);

impl Chance {
    /// splitmix64.
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    /// A number of any size: small ones are as likely as large ones.
    fn number(&mut self) -> i64 {
        let bits = self.below(64);
        (self.next() as i64) >> bits
    }

    fn value(&mut self, column: &mut Column) {
        if column.field.is_nullable() && self.below(4) == 0 {
            column.append_null();
            return;
        }
        self.fill(&mut column.values);
        column.end_value();
    }

    fn fill(&mut self, values: &mut Values) {
        match values {
            Values::Bool(bits) => bits.append(self.below(2) == 1),
            Values::Int8(vec) => vec.push(self.number() as i8),
            Values::Int16(vec) => vec.push(self.number() as i16),
            Values::Int32(vec) | Values::Date(vec) => vec.push(self.number() as i32),
            Values::Int64(vec) => vec.push(self.number()),
            Values::Float32(vec) => vec.push(self.number() as f32 / 8.0),
            Values::Float64(vec) => vec.push(self.number() as f64 / 64.0),
            Values::Decimal {
                values, precision, ..
            } => {
                let wide = i128::from(self.number()) * i128::from(self.number());
                values.push(wide % 10_i128.pow(u32::from(*precision)));
            }
            Values::Text(texts) => {
                for _ in 0..self.below(12) {
                    let letters = ['a', 'z', '0', ' ', '"', 'é', '\u{1f600}'];
                    let letter = letters[self.below(7) as usize];
                    texts
                        .bytes
                        .extend_from_slice(letter.encode_utf8(&mut [0; 4]).as_bytes());
                }
                texts.end();
            }
            Values::Bytes(bytes) => {
                let len = self.below(200);
                bytes.bytes.extend((0..len).map(|_| self.next() as u8));
                bytes.end();
            }
            Values::Time32(vec, unit) => {
                let day = if *unit == TimeUnit::Second {
                    86_400
                } else {
                    86_400_000
                };
                vec.push(self.below(day) as i32);
            }
            Values::Time64(vec, _) => vec.push(self.below(86_400_000_000) as i64),
            Values::Timestamp { values, .. } => values.push(self.number() / 2_000),
            Values::Row(columns) => columns.iter_mut().for_each(|column| self.value(column)),
            Values::Array(offsets, item) => {
                for _ in 0..self.below(4) {
                    self.value(item);
                }
                offsets.push(item.len() as i32);
            }
            Values::Map { offsets, key, value } => {
                for nth in 0..self.below(4) {
                    self.key(nth, &mut key.values);
                    key.end_value();
                    self.value(value);
                }
                offsets.push(key.len() as i32);
            }
        }
    }

    /// A key that no other entry of the map has.
    fn key(&mut self, nth: u64, values: &mut Values) {
        match values {
            Values::Text(texts) => {
                texts.bytes.extend_from_slice(format!("k{nth}").as_bytes());
                texts.end();
            }
            Values::Int32(vec) => vec.push(nth as i32),
            Values::Int64(vec) => vec.push(nth as i64),
            other => self.fill(other),
        }
    }
}
