//! `upsert-kafka`: a topic in which the last message of each key says what its row is, and one without value that there is none.

use std::sync::LazyLock;

use super::{
    options::{self, OPTIONS},
    sink::{Factory, Fold},
    source,
};
use crate::{
    ChangelogMode, Connector, OptionError, SinkFactory, SourceFactory, Table,
    options::{Checked, OptionDef, OptionKind, Options, invalid},
    origin::{self, MetadataDef},
    registry::Role,
};

const NAME: &str = "upsert-kafka";
const MAX_ROWS: &str = "sink.buffer-flush.max-rows";
const INTERVAL: &str = "sink.buffer-flush.interval";

/// Options of `kafka` that make no sense here: the key is the primary key, and a topic is read from its beginning.
const OTHERS: &[&str] = &[
    options::TOPIC_PATTERN,
    options::FORMAT,
    options::KEY_FIELDS,
    options::STARTUP_MODE,
    options::STARTUP_OFFSETS,
    options::STARTUP_TIMESTAMP,
];

static UPSERT_OPTIONS: LazyLock<Vec<OptionDef>> = LazyLock::new(|| {
    let shared = OPTIONS.iter().filter(|option| !OTHERS.contains(&option.key));
    let required = |option: &OptionDef| OptionDef {
        required: option.required
            || [options::TOPIC, options::KEY_FORMAT, options::VALUE_FORMAT].contains(&option.key),
        ..*option
    };
    let mut all: Vec<_> = shared.map(required).collect();
    all.extend([
        OptionDef {
            key: MAX_ROWS,
            kind: OptionKind::Int,
            required: false,
            default: Some("5000"),
            doc: "how many changes are gathered at most before they are sent: of those of one key only the last is",
        },
        OptionDef {
            key: INTERVAL,
            kind: OptionKind::Duration,
            required: false,
            default: None,
            doc: "of no use here: changes are sent whenever no more come for 100 ms",
        },
    ]);
    all
});

/// The `upsert-kafka` connector.
#[derive(Clone, Copy, Debug)]
pub struct UpsertKafka;

impl Connector for UpsertKafka {
    fn name(&self) -> &'static str {
        NAME
    }

    fn summary(&self) -> &'static str {
        "reads and writes what is there of each PRIMARY KEY: its last message in a topic of Apache Kafka, which has no value where there is none any more"
    }

    fn roles(&self) -> &'static [Role] {
        &[Role::Source, Role::Sink]
    }

    fn has_format(&self) -> bool {
        true
    }

    fn guide(&self) -> &'static str {
        super::EXACTLY_ONCE
    }

    fn options(&self) -> &'static [OptionDef] {
        &UPSERT_OPTIONS
    }

    fn metadata(&self) -> &'static [MetadataDef] {
        super::metadata::METADATA
    }

    fn has_keys(&self) -> bool {
        true
    }

    fn source(&self, table: &Table) -> Result<Box<dyn SourceFactory>, OptionError> {
        let Keyed { mut own, formats, .. } = Keyed::new(table)?;
        // What is there of each key is known once all of the topic was read.
        own.insert(options::STARTUP_MODE.to_owned(), "earliest-offset".to_owned());
        let source = source::Factory::checked(NAME, &own, &formats, table, true)?;
        Ok(Box::new(source))
    }

    fn sink(&self, table: &Table) -> Result<Box<dyn SinkFactory>, OptionError> {
        let Keyed {
            own,
            formats,
            keys,
            max_rows,
        } = Keyed::new(table)?;
        let mut factory = Factory::checked(NAME, &own, &formats, table)?;
        if factory.fields.value.format.changelog_mode() != ChangelogMode::Append {
            return Err(invalid(
                options::VALUE_FORMAT,
                "says changes of rows: the messages of this table are rows, and what they change is said by their keys",
            ));
        }
        factory.fold = Some(Fold { keys, max_rows });
        Ok(Box::new(factory))
    }
}

/// A table's options as those of `kafka`, and its key.
struct Keyed {
    own: Options,
    formats: Options,
    keys: Vec<usize>,
    max_rows: usize,
}

impl Keyed {
    fn new(table: &Table) -> Result<Self, OptionError> {
        let (mut own, formats) = options::parted(&table.options);
        let given = Checked::new(NAME, UPSERT_OPTIONS.iter(), &own)?;
        let max_rows = given.int_at_least(MAX_ROWS, 1)?.unwrap_or(1) as usize;
        let fields = table.schema.fields().iter().enumerate();
        let keys: Vec<_> = fields.filter(|(_, field)| origin::is_key(field)).collect();
        if keys.is_empty() {
            return Err(OptionError::Unsupported {
                reason: format!(
                    "table '{}' needs a PRIMARY KEY: it is the key of its messages",
                    table.name
                ),
            });
        }
        let names: Vec<_> = keys.iter().map(|(_, field)| field.name().as_str()).collect();
        own.insert(options::KEY_FIELDS.to_owned(), names.join(";"));
        own.remove(MAX_ROWS);
        own.remove(INTERVAL);
        Ok(Self {
            own,
            formats,
            keys: keys.into_iter().map(|(place, _)| place).collect(),
            max_rows,
        })
    }
}
