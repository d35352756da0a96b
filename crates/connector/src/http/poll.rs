//! The source of `http`: asks for the same again and again.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use reqwest::{
    Client, Response, StatusCode,
    header::{ETAG, HeaderMap, HeaderName, IF_MODIFIED_SINCE, IF_NONE_MATCH, LAST_MODIFIED},
};

use super::{
    options::{BOUNDED_MODE, EMIT, INTERVAL, POINTER, RECORDS, SCAN_RETRIES},
    position::Position,
    read::{Columns, Reading, retries, split},
    record::{Body, HTTP_METADATA, Record, records},
    target::{Refused, Target, good, unanswered},
};
use crate::{
    ChangelogMode, ConnectorError, OptionError, Source, SourceContext, SourceFactory, Split, Table,
    format::{Format, MAX_RECORD_BYTES},
    messages::{Delivery, Retries},
    options::{Checked, invalid},
};

/// A longer answer is refused.
const MAX_ANSWER: usize = 4 * MAX_RECORD_BYTES;

/// A checked table to read.
#[derive(Clone, Debug)]
pub(super) struct Factory {
    asking: Arc<Asking>,
    columns: Columns,
}

#[derive(Debug)]
struct Asking {
    target: Target,
    interval: Duration,
    body: Body,
    pointer: Option<String>,
    only_changed: bool,
    is_bounded: bool,
    max_retries: u32,
}

impl Factory {
    pub(super) fn new(options: &Checked<'_>, format: Format, table: &Table) -> Result<Self, OptionError> {
        let interval = options.duration(INTERVAL).filter(|interval| !interval.is_zero());
        let pointer = options.text(POINTER).map(str::to_owned);
        if pointer
            .as_ref()
            .is_some_and(|pointer| !pointer.is_empty() && !pointer.starts_with('/'))
        {
            return Err(invalid(
                POINTER,
                "is no JSON pointer: it begins with '/', as '/data/items'",
            ));
        }
        Ok(Self {
            asking: Arc::new(Asking {
                target: Target::new(options, &["http", "https"])?,
                interval: interval.ok_or_else(|| invalid(INTERVAL, "it must be more than nothing"))?,
                body: Body::named(options.word(RECORDS)),
                pointer,
                only_changed: options.word(EMIT) == Some("changed"),
                is_bounded: options.word(BOUNDED_MODE) == Some("once"),
                max_retries: retries(options, SCAN_RETRIES)?,
            }),
            columns: Columns::new(format, table, HTTP_METADATA)?,
        })
    }
}

#[async_trait]
impl SourceFactory for Factory {
    fn is_bounded(&self) -> bool {
        self.asking.is_bounded
    }

    fn changelog_mode(&self) -> ChangelogMode {
        self.columns.format.changelog_mode()
    }

    async fn check(&self) -> Result<(), OptionError> {
        let checked = async {
            let client = self.asking.target.client(true)?;
            self.asking
                .ask(&client, HeaderMap::new(), 0)
                .await
                .map_err(|refused| refused.error)
        };
        checked
            .await
            .map(drop)
            .map_err(|error: ConnectorError| OptionError::Unavailable {
                reason: error.message,
            })
    }

    async fn splits(&self, _parallelism: u32) -> Result<Vec<Split>, ConnectorError> {
        Ok(split(self.asking.target.name()))
    }

    async fn open(
        &self,
        splits: Vec<Split>,
        context: SourceContext,
    ) -> Result<Box<dyn Source>, ConnectorError> {
        self.columns.read(&splits, &context, |reading| {
            Box::pin(run(Arc::clone(&self.asking), reading))
        })
    }
}

/// Asks until it was told to end, or for ever.
async fn run(asking: Arc<Asking>, mut reading: Reading) -> Result<(), ConnectorError> {
    let client = asking.target.client(true)?;
    let mut retries = Retries::new(asking.max_retries, Arc::clone(&reading.clock));
    loop {
        match asking.poll(&client, &mut reading).await {
            Ok(()) if asking.is_bounded => return Ok(()),
            Ok(()) => {
                retries.reset();
                reading.clock.sleep(asking.interval).await;
            }
            Err(Refused {
                error,
                wait: Some(wait),
            }) => retries.after_at_least(error, wait).await?,
            Err(Refused { error, wait: None }) => retries.after(error).await?,
        }
    }
}

impl Asking {
    /// Asks once, and hands over what is new.
    async fn poll(&self, client: &Client, reading: &mut Reading) -> Result<(), Refused> {
        let position = &reading.position;
        let mut headers = HeaderMap::new();
        if self.only_changed {
            let known = [
                (IF_NONE_MATCH, &position.etag),
                (IF_MODIFIED_SINCE, &position.last_modified),
            ];
            for (name, value) in known {
                if let Some(value) = value.as_ref().and_then(|value| value.parse().ok()) {
                    headers.insert(name, value);
                }
            }
        }
        let response = self.ask(client, headers, reading.clock.now_ms()).await?;
        let is_new = response.status() != StatusCode::NOT_MODIFIED;
        let headers = Arc::new(response.headers().clone());
        let answer = if is_new {
            self.whole(response).await?
        } else {
            Bytes::new()
        };
        let text = |name: HeaderName| headers.get(name)?.to_str().ok().map(str::to_owned);
        let behind = Position {
            etag: text(ETAG),
            last_modified: text(LAST_MODIFIED),
            digest: Some(digest(&answer)),
            ..position.clone()
        };
        let is_new = is_new && !(self.only_changed && position.digest == behind.digest);
        let behind = if is_new { behind } else { position.clone() };
        let found = if is_new {
            self.records(&answer)?
        } else {
            Vec::new()
        };
        let came_ms = reading.clock.now_ms();
        let url: Arc<str> = self.target.name().into();
        let record = |payload| Record {
            payload,
            came_ms,
            url: Arc::clone(&url),
            headers: Some(Arc::clone(&headers)),
            id: None,
            event: None,
        };
        self.hand_over(found.into_iter().map(record).collect(), behind, reading)
            .await;
        Ok(())
    }

    /// An answer is behind the reader when all of it is: it is one thing.
    async fn hand_over(&self, mut records: Vec<Record>, behind: Position, reading: &mut Reading) {
        while !records.is_empty() || self.is_bounded || reading.position != behind {
            let rest = records.split_off(records.len().min(reading.batch));
            let is_whole = rest.is_empty();
            if is_whole {
                reading.position = behind.clone();
            }
            let delivery = Delivery {
                messages: std::mem::replace(&mut records, rest),
                position: reading.position.clone(),
                lag: None,
                is_last: is_whole && self.is_bounded,
            };
            reading.outlet.send(delivery).await;
            if is_whole {
                return;
            }
        }
    }

    fn records(&self, answer: &Bytes) -> Result<Vec<Bytes>, ConnectorError> {
        records(answer, self.body, self.pointer.as_deref())
            .map_err(|reason| ConnectorError::user(reason).at(self.target.name()))
    }

    async fn ask(&self, client: &Client, headers: HeaderMap, now_ms: i64) -> Result<Response, Refused> {
        let doing = self.doing();
        let request = client
            .get(self.target.url.clone())
            .headers(headers)
            .timeout(self.target.timeout);
        let response = request.send().await.map_err(|error| unanswered(&doing, error))?;
        good(&doing, response, now_ms).await
    }

    async fn whole(&self, mut response: Response) -> Result<Bytes, ConnectorError> {
        let mut answer = Vec::new();
        while let Some(chunk) = response
            .chunk()
            .await
            .map_err(|error| unanswered(&self.doing(), error))?
        {
            answer.extend_from_slice(&chunk);
            if answer.len() > MAX_ANSWER {
                return Err(ConnectorError::user(format!(
                    "{}: an answer has more than {MAX_ANSWER} bytes",
                    self.doing()
                )));
            }
        }
        Ok(answer.into())
    }

    fn doing(&self) -> String {
        format!("GET {}", self.target.name())
    }
}

/// FNV-1a: the same in every version, which checkpoints rely on.
fn digest(bytes: &[u8]) -> u64 {
    let mix = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, mix)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_are_those_of_fnv_1a() {
        assert_eq!(digest(b""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(digest(b"a"), 0xaf63_dc4c_8601_ec8c);
        assert_eq!(digest(b"foobar"), 0x8594_4171_f739_67e8);
    }
}
