//! The source: entries of streams from positions on.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use ::redis::{Pipeline, Value as Answer, aio::MultiplexedConnection};
use async_trait::async_trait;
use futures::future::BoxFuture;

use super::{
    entries::{Decode, Entry, entries},
    options::{BOUNDED_MODE, KEY, SCAN_RETRIES, STARTUP_ID, STARTUP_MODE, STARTUP_TIMESTAMP},
    position::{Id, Position},
    retries,
    server::{Link, Server, failed},
    write::check_stream,
};
use crate::{
    ConnectorError, OptionError, Source, SourceContext, SourceEvent, SourceFactory, Split,
    options::{Checked, invalid},
};

/// How long the server waits for an entry before it says that there is none.
const BLOCK: Duration = Duration::from_secs(1);

/// A checked table to read.
#[derive(Clone, Debug)]
pub(super) struct Factory {
    server: Server,
    keys: Vec<String>,
    startup: Startup,
    is_bounded: bool,
    max_retries: u32,
}

#[derive(Clone, Copy, Debug)]
enum Startup {
    After(Id),
    Latest,
}

impl Factory {
    pub(super) fn new(options: &Checked<'_>, key: &str) -> Result<Self, OptionError> {
        let mut keys: Vec<String> = key.split(';').map(|key| key.trim().to_owned()).collect();
        let count = keys.len();
        keys.sort_unstable();
        keys.dedup();
        if keys.len() < count || keys.iter().any(String::is_empty) {
            return Err(invalid(KEY, "names a stream twice, or one without a name"));
        }
        Ok(Self {
            server: Server::new(options)?,
            keys,
            startup: startup(options)?,
            is_bounded: options.word(BOUNDED_MODE) == Some("latest"),
            max_retries: retries(options, SCAN_RETRIES)?,
        })
    }

    /// The last id that a stream has given; 0-0 if there is no stream.
    async fn last(&self, connection: &mut MultiplexedConnection, key: &str) -> Result<Id, ConnectorError> {
        let asked = ::redis::cmd("XINFO")
            .arg("STREAM")
            .arg(key)
            .query_async(connection)
            .await;
        let answer: Vec<Answer> = match asked {
            Ok(answer) => answer,
            Err(error) if error.to_string().contains("no such key") => return Ok(Id::default()),
            Err(error) => return Err(failed(&format!("look at stream '{key}' of Redis"), &error)),
        };
        let is_last =
            |pair: &&[Answer]| matches!(&pair[0], Answer::BulkString(name) if name == b"last-generated-id");
        match answer.chunks_exact(2).find(is_last) {
            Some([_, Answer::BulkString(id)]) => String::from_utf8_lossy(id)
                .parse()
                .map_err(ConnectorError::internal),
            _ => Err(ConnectorError::internal(format!(
                "Redis does not say the last id of stream '{key}'"
            ))),
        }
    }
}

fn startup(options: &Checked<'_>) -> Result<Startup, OptionError> {
    let word = options.word(STARTUP_MODE);
    for (key, of) in [(STARTUP_TIMESTAMP, "timestamp"), (STARTUP_ID, "id")] {
        match (word == Some(of), options.is_given(key)) {
            (true, false) => return Err(invalid(STARTUP_MODE, format!("'{of}' needs '{key}'"))),
            (false, true) => return Err(invalid(key, format!("needs '{STARTUP_MODE}' = '{of}'"))),
            _ => {}
        }
    }
    Ok(match word {
        Some("latest") => Startup::Latest,
        Some("timestamp") => {
            let ms = options.int_at_least(STARTUP_TIMESTAMP, 0)?.unwrap_or(0);
            Startup::After(Id::before(ms as u64))
        }
        Some("id") => {
            let id = options.text(STARTUP_ID).unwrap_or_default().trim().parse();
            Startup::After(id.map_err(|reason: String| invalid(STARTUP_ID, reason))?)
        }
        _ => Startup::After(Id::default()),
    })
}

#[async_trait]
impl SourceFactory for Factory {
    fn is_bounded(&self) -> bool {
        self.is_bounded
    }

    async fn check(&self) -> Result<(), OptionError> {
        let mut connection = self.server.check().await?;
        for key in &self.keys {
            check_stream(&mut connection, key).await?;
        }
        Ok(())
    }

    async fn splits(&self, _parallelism: u32) -> Result<Vec<Split>, ConnectorError> {
        let mut connection = self.server.connect(self.server.timeout()).await?;
        let mut splits = Vec::with_capacity(self.keys.len());
        for key in &self.keys {
            let last = self.last(&mut connection, key).await?;
            let position = Position {
                key: key.clone(),
                after: match self.startup {
                    Startup::After(id) => id,
                    Startup::Latest => last,
                },
                until: self.is_bounded.then_some(last),
            };
            splits.push(position.to_split());
        }
        Ok(splits)
    }

    async fn open(
        &self,
        splits: Vec<Split>,
        context: SourceContext,
    ) -> Result<Box<dyn Source>, ConnectorError> {
        let part = |split: &Split| {
            Ok(Part {
                position: Position::from_split(split)?,
                has_ended: false,
            })
        };
        Ok(Box::new(Reader {
            parts: splits.iter().map(part).collect::<Result<_, ConnectorError>>()?,
            patience: BLOCK + self.server.timeout(),
            link: Some(Link::new(
                self.server.clone(),
                self.max_retries,
                Arc::clone(&context.clock),
            )),
            batch_rows: context.batch_rows.max(1),
            decode: Decode::new(context.schema)?,
            asking: None,
            ready: VecDeque::new(),
        }))
    }
}

/// A stream that is being read.
struct Part {
    position: Position,
    has_ended: bool,
}

/// Entries that have come and were not handed on yet.
type Ready = (usize, Vec<Entry>);
type Answered = (Link, Result<Answer, ConnectorError>);

struct Reader {
    parts: Vec<Part>,
    decode: Decode,
    batch_rows: usize,
    /// How long an answer may take.
    patience: Duration,
    /// None while something is asked.
    link: Option<Link>,
    /// The question that is on its way. It outlives whoever waits for it: no entry is asked for twice, and questions don't pile up.
    asking: Option<BoxFuture<'static, Answered>>,
    ready: VecDeque<Ready>,
}

impl Reader {
    /// The splits that have not ended.
    fn open(&self) -> impl Iterator<Item = &Position> {
        self.parts
            .iter()
            .filter(|part| !part.has_ended)
            .map(|part| &part.position)
    }

    /// What comes behind the positions of the splits that have not ended.
    async fn answer(&mut self) -> Result<Answer, ConnectorError> {
        if self.asking.is_none() {
            self.asking = Some(self.ask()?);
        }
        let Some(asking) = &mut self.asking else {
            return Err(ConnectorError::internal("a question that is not asked"));
        };
        let (link, answer) = asking.await;
        self.asking = None;
        self.link = Some(link);
        answer
    }

    /// Begins a question, which takes the connection with it.
    fn ask(&mut self) -> Result<BoxFuture<'static, Answered>, ConnectorError> {
        let (question, patience) = (self.question(), self.patience);
        let link = self.link.take();
        let mut link = link.ok_or_else(|| ConnectorError::internal("a reader without a connection"))?;
        Ok(Box::pin(async move {
            let answers = link.run("read streams of Redis", &question, patience).await;
            let answer = answers.map(|answers| answers.into_iter().next().unwrap_or_default());
            (link, answer)
        }))
    }

    fn question(&self) -> Pipeline {
        let mut question = Pipeline::new();
        question.cmd("XREAD").arg("COUNT").arg(self.batch_rows);
        // What is to be read of a bounded stream is there.
        if self.open().all(|position| position.until.is_none()) {
            question.arg("BLOCK").arg(BLOCK.as_millis() as u64);
        }
        question.arg("STREAMS");
        self.open().for_each(|position| _ = question.arg(&position.key));
        self.open()
            .for_each(|position| _ = question.arg(position.after.to_string()));
        question
    }

    /// Keeps what came; a bounded split of which nothing came has nothing any more.
    fn take(&mut self, answer: Answer) -> Result<(), ConnectorError> {
        let mut came = entries(answer)?;
        for (index, part) in self
            .parts
            .iter_mut()
            .enumerate()
            .filter(|(_, part)| !part.has_ended)
        {
            let Position { key, until, after } = &mut part.position;
            let found = came
                .iter_mut()
                .find(|(stream, _)| stream.as_slice() == key.as_bytes());
            let mut entries = found
                .map(|(_, entries)| std::mem::take(entries))
                .unwrap_or_default();
            if let Some(until) = until {
                entries.retain(|entry| entry.id <= *until);
                if entries.is_empty() {
                    *after = (*after).max(*until);
                }
            }
            if !entries.is_empty() {
                self.ready.push_back((index, entries));
            }
        }
        Ok(())
    }

    /// A split that has come to its end and did not say so.
    fn ended(&mut self) -> Option<usize> {
        let is_over = |part: &Part| {
            let Position { after, until, .. } = &part.position;
            !part.has_ended && until.is_some_and(|until| *after >= until)
        };
        let split = self.parts.iter().position(is_over)?;
        self.parts[split].has_ended = true;
        Some(split)
    }
}

#[async_trait]
impl Source for Reader {
    async fn next(&mut self) -> Result<SourceEvent, ConnectorError> {
        loop {
            if let Some((split, entries)) = self.ready.pop_front() {
                let position = &mut self.parts[split].position;
                let batch = self.decode.batch(&position.key, &entries)?;
                position.after = entries.last().map_or(position.after, |entry| entry.id);
                return Ok(SourceEvent::Rows { split, batch });
            }
            if let Some(split) = self.ended() {
                return Ok(SourceEvent::SplitEnd { split });
            }
            if self.open().next().is_none() {
                return Ok(SourceEvent::End);
            }
            let answer = self.answer().await?;
            self.take(answer)?;
        }
    }

    fn positions(&self) -> Vec<Split> {
        self.open().map(Position::to_split).collect()
    }
}
