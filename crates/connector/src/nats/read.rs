//! The source: what the table says, and its splits.

use std::sync::Arc;

use arrow_schema::SchemaRef;
use async_trait::async_trait;

use super::{
    api::{Api, Begin},
    metadata::METADATA,
    options::{
        BOUNDED_MODE, SCAN_RETRIES, STARTUP_MODE, STARTUP_SEQUENCE, STARTUP_TIMESTAMP, STREAM, SUBJECT,
    },
    position::Position,
    pull::Pull,
    server::Server,
};
use crate::{
    ChangelogMode, ConnectorError, OptionError, Source, SourceContext, SourceFactory, Split, Table,
    format::Format,
    messages::{Layout, Position as _, Reader, Retries},
    options::{Checked, invalid},
};

/// A checked table to read.
#[derive(Clone, Debug)]
pub(super) struct Factory {
    reading: Arc<Reading>,
    format: Format,
    schema: SchemaRef,
    is_bounded: bool,
}

/// What those who read have to know.
#[derive(Debug)]
pub(super) struct Reading {
    pub(super) server: Server,
    streams: Vec<String>,
    /// Only messages of these; none: all.
    pub(super) subjects: Vec<String>,
    startup: Startup,
    max_retries: u32,
}

#[derive(Clone, Debug)]
enum Startup {
    At(Begin),
    Latest,
}

impl Factory {
    pub(super) fn new(options: &Checked<'_>, format: Format, table: &Table) -> Result<Self, OptionError> {
        if !options.is_given(STREAM) {
            return Err(OptionError::Missing {
                connector: "nats".into(),
                option: STREAM.into(),
                meaning: "the stream to read".into(),
            });
        }
        format.check_columns(&crate::origin::in_rows(&table.schema))?;
        Ok(Self {
            reading: Arc::new(Reading {
                server: Server::new(options)?,
                streams: names(options, STREAM)?,
                subjects: if options.is_given(SUBJECT) {
                    names(options, SUBJECT)?
                } else {
                    Vec::new()
                },
                startup: startup(options)?,
                max_retries: retries(options, SCAN_RETRIES)?,
            }),
            format,
            schema: Arc::clone(&table.schema),
            is_bounded: options.word(BOUNDED_MODE) == Some("latest"),
        })
    }
}

/// A number of retries.
pub(super) fn retries(options: &Checked<'_>, key: &str) -> Result<u32, OptionError> {
    let retries = options.int_at_least(key, 0)?.unwrap_or(0);
    Ok(u32::try_from(retries).unwrap_or(u32::MAX))
}

/// Names with `;` between.
fn names(options: &Checked<'_>, key: &str) -> Result<Vec<String>, OptionError> {
    let text = options.text(key).unwrap_or_default();
    let mut names: Vec<_> = text.split(';').map(|name| name.trim().to_owned()).collect();
    let count = names.len();
    names.sort_unstable();
    names.dedup();
    let is_wrong = |name: &String| name.is_empty() || name.contains(char::is_whitespace);
    if names.len() < count || names.iter().any(is_wrong) {
        return Err(invalid(
            key,
            "names something twice, or has a name that is empty or has spaces",
        ));
    }
    if key == STREAM && names.iter().any(|name| name.contains(['.', '*', '>'])) {
        return Err(invalid(
            key,
            "names of streams have no '.', '*' or '>': these are for 'subject'",
        ));
    }
    Ok(names)
}

fn startup(options: &Checked<'_>) -> Result<Startup, OptionError> {
    let word = options.word(STARTUP_MODE);
    for (key, of) in [(STARTUP_TIMESTAMP, "timestamp"), (STARTUP_SEQUENCE, "sequence")] {
        match (word == Some(of), options.is_given(key)) {
            (true, false) => return Err(invalid(STARTUP_MODE, format!("'{of}' needs '{key}'"))),
            (false, true) => return Err(invalid(key, format!("needs '{STARTUP_MODE}' = '{of}'"))),
            _ => {}
        }
    }
    Ok(match word {
        Some("latest") => Startup::Latest,
        Some("timestamp") => Startup::At(Begin::AtTime(
            options.int_at_least(STARTUP_TIMESTAMP, 0)?.unwrap_or(0),
        )),
        Some("sequence") => {
            let sequence = options.int_at_least(STARTUP_SEQUENCE, 1)?.unwrap_or(1);
            Startup::At(Begin::At(sequence as u64))
        }
        _ => Startup::At(Begin::At(1)),
    })
}

impl Factory {
    async fn positions(&self) -> Result<Vec<Position>, ConnectorError> {
        let server = &self.reading.server;
        let connection = server.connect().await?;
        let api = Api {
            server,
            connection: &connection,
        };
        let mut positions = Vec::with_capacity(self.reading.streams.len());
        for stream in &self.reading.streams {
            let state = api.state(stream).await?;
            let next = match &self.reading.startup {
                Startup::Latest => state.last_seq + 1,
                Startup::At(Begin::At(sequence)) if *sequence > state.last_seq + 1 => {
                    return Err(ConnectorError::user(format!(
                        "stream '{stream}' of NATS ends at {}, before '{STARTUP_SEQUENCE}' = '{sequence}'",
                        state.last_seq
                    )));
                }
                Startup::At(Begin::At(sequence)) => (*sequence).max(state.first_seq),
                Startup::At(begin) => {
                    // The server finds the first one of a time for whoever consumes from there on.
                    let consumer = api.consume(stream, begin, &[]).await?;
                    api.forget(stream, &consumer.name).await?;
                    consumer.first()
                }
            };
            positions.push(Position {
                stream: stream.clone(),
                next,
                until: self.is_bounded.then_some(state.last_seq),
            });
        }
        Ok(positions)
    }
}

#[async_trait]
impl SourceFactory for Factory {
    fn is_bounded(&self) -> bool {
        self.is_bounded
    }

    fn changelog_mode(&self) -> ChangelogMode {
        self.format.changelog_mode()
    }

    async fn check(&self) -> Result<(), OptionError> {
        let positions = self.positions().await;
        positions.map(drop).map_err(|error| OptionError::Unavailable {
            reason: error.message,
        })
    }

    async fn splits(&self, _parallelism: u32) -> Result<Vec<Split>, ConnectorError> {
        Ok(self.positions().await?.iter().map(Position::to_split).collect())
    }

    async fn open(
        &self,
        splits: Vec<Split>,
        context: SourceContext,
    ) -> Result<Box<dyn Source>, ConnectorError> {
        let layout = Layout::new(&self.format, &self.schema, Arc::clone(&context.schema), METADATA)?;
        let positions = splits
            .iter()
            .map(Position::from_split)
            .collect::<Result<Vec<_>, _>>()?;
        let reader = Reader::start(layout.rows()?, &context, positions, |position, outlet| {
            let pull = Pull {
                reading: Arc::clone(&self.reading),
                position,
                outlet,
                batch: context.batch_rows.clamp(1, 10_000),
                clock: Arc::clone(&context.clock),
                retries: Retries::new(self.reading.max_retries, Arc::clone(&context.clock)),
            };
            Box::pin(pull.run())
        });
        Ok(Box::new(reader))
    }
}
