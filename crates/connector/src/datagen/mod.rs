//! `datagen`: made-up rows, at a rate.
//!
//! - `random`: numbers that depend on a seed, a field and a row alone. Leans on nothing.
//! - `field`: a column's options. Leans on `random`.
//! - `values`: a column's values for given rows. Leans on `field`.
//! - `read`: the source. Leans on `values`.
//!
//! Row n is a function of the seed, the options and n, whatever the parallelism and however often the job was restored;
//! only dates, times and timestamps are those of the moment at which a row is made, as in Flink.

mod field;
mod random;
mod read;
mod values;

use arrow_schema::SchemaRef;

use crate::{
    Connector, OptionError, Role, SinkFactory, SourceFactory, Table,
    options::{Checked, OptionDef, OptionKind, invalid, nearest, option},
};
use field::Generator;

const ROWS_PER_SECOND: &str = "rows-per-second";
const NUMBER_OF_ROWS: &str = "number-of-rows";
const SEED: &str = "seed";

const OPTIONS: &[OptionDef] = &[
    option(
        ROWS_PER_SECOND,
        OptionKind::Int,
        Some("10000"),
        "rows per second of the whole source",
    ),
    option(
        NUMBER_OF_ROWS,
        OptionKind::Int,
        None,
        "rows after which the source ends; without it, only a sequence ends it",
    ),
    option(SEED, OptionKind::Int, Some("0"), "another seed makes other rows"),
    option(
        "fields.#.kind",
        OptionKind::OneOf(&["random", "sequence"]),
        Some("random"),
        "how the values of a field are made; fields of a ROW are named with a dot, the elements of an ARRAY `element`",
    ),
    option(
        "fields.#.min",
        OptionKind::Float,
        None,
        "the least random number; default: the least of the type",
    ),
    option(
        "fields.#.max",
        OptionKind::Float,
        None,
        "the greatest random number; default: the greatest of the type",
    ),
    option(
        "fields.#.max-past",
        OptionKind::Duration,
        Some("0 s"),
        "how far before now random timestamps may lie",
    ),
    option(
        "fields.#.length",
        OptionKind::Int,
        None,
        "how long random strings (default 100 characters), bytes (default 20) and arrays (default 3 elements) are",
    ),
    option(
        "fields.#.start",
        OptionKind::Int,
        None,
        "the first number of a sequence",
    ),
    option(
        "fields.#.end",
        OptionKind::Int,
        None,
        "the last number of a sequence, after which the source ends",
    ),
    option(
        "fields.#.null-rate",
        OptionKind::Float,
        Some("0"),
        "the share of nulls, 0 to 1",
    ),
];

/// The `datagen` connector.
#[derive(Clone, Copy, Debug)]
pub struct Datagen;

impl Connector for Datagen {
    fn name(&self) -> &'static str {
        "datagen"
    }

    fn summary(&self) -> &'static str {
        "makes up random or sequential rows, at a rate"
    }

    fn roles(&self) -> &'static [Role] {
        &[Role::Source]
    }

    fn options(&self) -> &'static [OptionDef] {
        OPTIONS
    }

    fn source(&self, table: &Table) -> Result<Box<dyn SourceFactory>, OptionError> {
        let options = Checked::new(self.name(), OPTIONS, &table.options)?;
        let seed = options.int(SEED).unwrap_or_default();
        let generators = generators(&table.schema, &options, seed)?;
        refuse_unknown_fields(&table.schema, &options)?;
        let rows = options.int_at_least(NUMBER_OF_ROWS, 0)?.map(|rows| rows as u64);
        Ok(Box::new(read::Factory {
            options: table.options.clone(),
            seed,
            rows_per_second: options.int_at_least(ROWS_PER_SECOND, 1)?.unwrap_or(1) as u64,
            rows: generators.iter().filter_map(Generator::rows).chain(rows).min(),
        }))
    }

    fn sink(&self, _table: &Table) -> Result<Box<dyn SinkFactory>, OptionError> {
        Err(OptionError::Unsupported {
            reason: "a 'datagen' table can only be read: its rows are made up".into(),
        })
    }
}

/// One generator per column.
fn generators(schema: &SchemaRef, options: &Checked<'_>, seed: i64) -> Result<Vec<Generator>, OptionError> {
    schema
        .fields()
        .iter()
        .map(|field| Generator::new(field.name(), field, options, seed))
        .collect()
}

/// Refuses options of fields that the table does not have.
fn refuse_unknown_fields(schema: &SchemaRef, options: &Checked<'_>) -> Result<(), OptionError> {
    let mut paths = Vec::new();
    schema
        .fields()
        .iter()
        .for_each(|field| field::add_paths(field.name(), field, &mut paths));
    for declared in OPTIONS.iter().map(|def| def.key).filter(|key| key.contains('#')) {
        for (path, _) in options.wildcard(declared) {
            if !paths.iter().any(|known| known == path) {
                let suggestion = nearest(path, paths.iter().map(String::as_str));
                return Err(OptionError::Invalid {
                    option: declared.replace('#', path),
                    reason: format!("the table has no field '{path}'"),
                    suggestion: suggestion.map(|path| declared.replace('#', &path)),
                });
            }
        }
    }
    Ok(())
}

/// The key of a field's option.
fn key(path: &str, option: &str) -> String {
    format!("fields.{path}.{option}")
}

/// The refusal of an option that the field's type has no use for.
fn useless(path: &str, option: &str, data_type: &arrow_schema::DataType, meant_for: &str) -> OptionError {
    let sql_type = crate::format::sql_type(data_type);
    invalid(
        &key(path, option),
        format!("'{path}' is {sql_type}, but '{option}' is for {meant_for}"),
    )
}

#[cfg(test)]
mod tests;
