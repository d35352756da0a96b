//! Whether a topic can be written: asked at submission.

use std::time::Duration;

use rdkafka::{
    ClientConfig,
    admin::{AdminClient, AdminOptions, ResourceSpecifier},
    client::DefaultClientContext,
    error::{KafkaError, RDKafkaErrorCode},
    metadata::{MetadataBroker, MetadataTopic},
    types::RDKafkaRespErr,
};

use super::{Client, client::classified};
use crate::OptionError;

/// How long the brokers have for each answer.
const TIMEOUT: Duration = Duration::from_secs(10);
/// A broker's setting that lets topics come into being when they are written.
const AUTO_CREATE: &str = "auto.create.topics.enable";

/// Refuses a topic that is not there, unless the brokers make topics by themselves, and brokers that do not answer. Creates nothing.
pub(super) async fn writable(client: &Client, topic: &str) -> Result<(), OptionError> {
    let unavailable = |reason: String| OptionError::Unavailable { reason };
    let reach = format!("cannot reach Kafka at {}", client.brokers());
    let failed = |error: &KafkaError| unavailable(classified(&reach, error).message);
    let config = config(client);
    let admin: AdminClient<DefaultClientContext> = config.create().map_err(|error| failed(&error))?;
    let name = topic.to_owned();
    let asked = tokio::task::spawn_blocking(move || {
        let metadata = admin.inner().fetch_metadata(Some(&name), TIMEOUT)?;
        let error = metadata.topics().first().and_then(MetadataTopic::error);
        let broker = metadata.brokers().first().map(MetadataBroker::id);
        Ok::<_, KafkaError>((error, broker, admin))
    });
    let (error, broker, admin) = match asked.await {
        Ok(found) => found.map_err(|error| failed(&error))?,
        Err(error) => return Err(unavailable(format!("{reach}: {error}"))),
    };
    let creates = match error {
        Some(RDKafkaRespErr::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART) => creates_topics(&admin, broker).await,
        _ => None,
    };
    // It waits for its threads.
    tokio::task::spawn_blocking(move || drop(admin));
    match error {
        None | Some(RDKafkaRespErr::RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE) => Ok(()),
        Some(RDKafkaRespErr::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART) => {
            match creates {
                Some(false) => Err(unavailable(format!(
                    "Kafka at {} has no topic '{topic}', and does not make topics by itself ({AUTO_CREATE}): make it first",
                    client.brokers()
                ))),
                // Where it is not said, writing will tell.
                Some(true) | None => Ok(()),
            }
        }
        Some(error) => Err(unavailable(format!(
            "topic '{topic}' cannot be written: {}",
            RDKafkaErrorCode::from(error)
        ))),
    }
}

/// The client's settings, but that asking for a topic must not make it.
fn config(client: &Client) -> ClientConfig {
    let mut config = client.config();
    config.set("allow.auto.create.topics", "false");
    config
}

/// Whether brokers make topics by themselves; none if they do not say.
async fn creates_topics(admin: &AdminClient<DefaultClientContext>, broker: Option<i32>) -> Option<bool> {
    let options = AdminOptions::new().request_timeout(Some(TIMEOUT));
    let asked = [ResourceSpecifier::Broker(broker?)];
    let found = admin.describe_configs(&asked, &options).await.ok()?;
    let settings = found.into_iter().next()?.ok()?;
    let value = settings.get(AUTO_CREATE)?.value.as_deref()?;
    Some(value == "true")
}
