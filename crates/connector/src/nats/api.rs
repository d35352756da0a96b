//! JetStream's requests, as far as they are needed here: streams and consumers.
//!
//! After the description of the API in the documentation of NATS ("JetStream wire API reference").

use async_nats::RequestErrorKind;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::json;

use super::server::{Connection, Server};
use crate::ConnectorError;

/// How long the server keeps a consumer that nobody asks for messages.
const KEPT: std::time::Duration = std::time::Duration::from_mins(2);
const NO_STREAM: u32 = 10059;

/// How much there is in a stream.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct State {
    pub(super) first_seq: u64,
    pub(super) last_seq: u64,
}

#[derive(Debug, Deserialize)]
struct StreamInfo {
    state: State,
}

/// What hands out the messages of a stream, in their order from some place on.
#[derive(Debug, Deserialize)]
pub(super) struct Consumer {
    pub(super) name: String,
    /// How many messages it has to hand out.
    #[serde(default)]
    pub(super) num_pending: u64,
    delivered: Delivered,
}

#[derive(Debug, Deserialize)]
struct Delivered {
    stream_seq: u64,
}

impl Consumer {
    /// The number of the first message that it may hand out.
    pub(super) fn first(&self) -> u64 {
        self.delivered.stream_seq + 1
    }
}

/// Where a consumer begins.
#[derive(Clone, Debug)]
pub(super) enum Begin {
    At(u64),
    /// In ms since 1970.
    AtTime(i64),
}

/// A refusal.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Refusal {
    code: u16,
    #[serde(default)]
    err_code: u32,
    #[serde(default)]
    description: String,
}

impl Refusal {
    /// As an error: what no other try can mend is the user's.
    pub(super) fn error(&self, doing: &str) -> ConnectorError {
        let message = format!("cannot {doing}: {} ({})", self.description, self.err_code);
        if self.code < 500 {
            ConnectorError::user(message)
        } else {
            ConnectorError::external(message)
        }
    }
}

#[derive(Deserialize)]
struct Answer {
    error: Option<Refusal>,
}

/// Requests over a connection.
pub(super) struct Api<'a> {
    pub(super) server: &'a Server,
    pub(super) connection: &'a Connection,
}

impl Api<'_> {
    /// What is in a stream.
    pub(super) async fn state(&self, stream: &str) -> Result<State, ConnectorError> {
        let doing = format!("read stream '{stream}' of NATS at {}", self.server.names());
        let answer = self
            .ask::<StreamInfo>(&doing, &format!("STREAM.INFO.{stream}"), &json!({}))
            .await?;
        match answer {
            Ok(info) => Ok(info.state),
            Err(refusal) if refusal.err_code == NO_STREAM => Err(ConnectorError::user(format!(
                "NATS at {} has no stream '{stream}'",
                self.server.names()
            ))),
            Err(refusal) => Err(refusal.error(&doing)),
        }
    }

    /// The streams that take messages of a subject.
    pub(super) async fn streams_of(&self, subject: &str) -> Result<Vec<String>, ConnectorError> {
        #[derive(Deserialize)]
        struct Names {
            streams: Option<Vec<String>>,
        }
        let doing = format!("look for a stream of subject '{subject}'");
        let names = self
            .ask::<Names>(&doing, "STREAM.NAMES", &json!({ "subject": subject }))
            .await?;
        let names = names.map_err(|refusal| refusal.error(&doing))?;
        Ok(names.streams.unwrap_or_default())
    }

    /// A consumer of a stream's messages with one of these subjects, or with any; the server forgets it when nobody asks it any more.
    pub(super) async fn consume(
        &self,
        stream: &str,
        begin: &Begin,
        subjects: &[String],
    ) -> Result<Consumer, ConnectorError> {
        let mut config = json!({
            "ack_policy": "none",
            "replay_policy": "instant",
            "max_deliver": 1,
            "inactive_threshold": KEPT.as_nanos() as u64,
            "mem_storage": true,
            "num_replicas": 1,
        });
        match begin {
            Begin::At(sequence) => {
                config["deliver_policy"] = json!("by_start_sequence");
                config["opt_start_seq"] = json!((*sequence).max(1));
            }
            Begin::AtTime(ms) => {
                config["deliver_policy"] = json!("by_start_time");
                config["opt_start_time"] = json!(rfc_3339(*ms)?);
            }
        }
        match subjects {
            [] => {}
            [subject] => config["filter_subject"] = json!(subject),
            several => config["filter_subjects"] = json!(several),
        }
        let doing = format!("read stream '{stream}' of NATS at {}", self.server.names());
        let question = json!({ "stream_name": stream, "config": config });
        let answer = self
            .ask(&doing, &format!("CONSUMER.CREATE.{stream}"), &question)
            .await?;
        answer.map_err(|refusal: Refusal| refusal.error(&doing))
    }

    /// Has the server forget a consumer; it does so by itself some time later.
    pub(super) async fn forget(&self, stream: &str, consumer: &str) -> Result<(), ConnectorError> {
        let subject = format!("CONSUMER.DELETE.{stream}.{consumer}");
        let answer = self
            .ask::<serde_json::Value>("end reading", &subject, &json!({}))
            .await?;
        answer.map(drop).map_err(|refusal| refusal.error("end reading"))
    }

    async fn ask<T: DeserializeOwned>(
        &self,
        doing: &str,
        subject: &str,
        question: &impl Serialize,
    ) -> Result<Result<T, Refusal>, ConnectorError> {
        let names = self.server.names();
        let question = serde_json::to_vec(question);
        let question =
            question.map_err(|error| ConnectorError::internal(format!("a question to NATS: {error}")))?;
        let subject = format!("{}.{subject}", self.server.api);
        let asking = async {
            let asked = self.connection.client.request(subject, question.into()).await;
            asked.map_err(|error| {
                ConnectorError::external(match error.kind() {
                    RequestErrorKind::NoResponders => {
                        format!("cannot {doing}: JetStream does not answer at {names}; it may not be enabled")
                    }
                    _ => format!("cannot {doing}: {error}"),
                })
            })
        };
        let answer = self.connection.unless_broken(asking).await?;
        let unreadable = |error| {
            ConnectorError::external(format!("cannot {doing}: the answer is not JetStream's: {error}"))
        };
        let Answer { error } = serde_json::from_slice(&answer.payload).map_err(unreadable)?;
        match error {
            Some(refusal) => Ok(Err(refusal)),
            None => serde_json::from_slice(&answer.payload)
                .map(Ok)
                .map_err(unreadable),
        }
    }
}

/// A time as JSON of Go has it.
fn rfc_3339(ms: i64) -> Result<String, ConnectorError> {
    let time = arrow_array::TimestampMillisecondArray::from(vec![ms]);
    arrow_cast::display::array_value_to_string(&time, 0)
        .map(|text| text + "Z")
        .map_err(|error| ConnectorError::user(format!("{ms} ms since 1970 is no time: {error}")))
}

#[cfg(test)]
mod tests {
    use weir_model::FailureClass;

    use super::*;

    #[test]
    fn times_are_as_the_server_reads_them() {
        assert_eq!(rfc_3339(0).expect("a time"), "1970-01-01T00:00:00Z");
        assert_eq!(
            rfc_3339(1_700_000_000_123).expect("a time"),
            "2023-11-14T22:13:20.123Z"
        );
    }

    #[test]
    fn what_another_try_may_mend_is_an_outside_failure() {
        let class = |text: &str| {
            let answer: Answer = serde_json::from_str(text).expect("an answer");
            answer.error.expect("a refusal").error("read").class
        };
        let away = r#"{"type":"x","error":{"code":503,"err_code":10008,"description":"JetStream system temporarily unavailable"}}"#;
        assert_eq!(class(away), FailureClass::External);
        assert_eq!(
            class(r#"{"error":{"code":400,"description":"bad request"}}"#),
            FailureClass::User
        );
    }
}
