//! Connections to Kafka as a table's options say, and librdkafka's errors classified.

use rdkafka::{
    ClientConfig,
    error::{KafkaError, RDKafkaErrorCode},
};

use super::options::{BOOTSTRAP_SERVERS, PROPERTIES};
use crate::{
    ConnectorError, OptionError,
    options::{Checked, invalid},
};

/// What Weir sets itself.
const OURS: &[&str] = &[
    "enable.auto.commit",
    "enable.auto.offset.store",
    "transactional.id",
];

/// How to reach a cluster of brokers: librdkafka's settings.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    /// Name and value, without what producers or consumers need beside.
    settings: Vec<(String, String)>,
}

impl Client {
    /// As the options say. Settings that librdkafka does not know are refused.
    pub(crate) fn new(options: &Checked<'_>) -> Result<Self, OptionError> {
        let mut client = Self { settings: Vec::new() };
        for (name, value) in options.wildcard("properties.#") {
            let option = format!("{PROPERTIES}{name}");
            if OURS.contains(&name) {
                return Err(invalid(&option, "is set by Weir itself"));
            }
            client
                .add(name, value)
                .map_err(|reason| invalid(&option, reason))?;
        }
        Ok(client)
    }

    fn add(&mut self, name: &str, value: &str) -> Result<(), String> {
        for (name, value) in translated(name, value)? {
            let mut config = ClientConfig::new();
            config.set(name.as_str(), value.as_str());
            if let Err(error) = config.create_native_config() {
                return Err(error.to_string());
            }
            self.settings.push((name, value));
        }
        Ok(())
    }

    /// Settings for a client.
    pub(crate) fn config(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        for (name, value) in &self.settings {
            config.set(name, value);
        }
        config
    }

    /// The brokers, as given.
    pub(crate) fn brokers(&self) -> &str {
        let name = BOOTSTRAP_SERVERS.strip_prefix(PROPERTIES).unwrap_or_default();
        self.get(name).unwrap_or_default()
    }

    /// A setting, by librdkafka's name.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        let found = self.settings.iter().rev().find(|(given, _)| given == name);
        found.map(|(_, value)| value.as_str())
    }
}

/// A setting as librdkafka has it: those of Kafka's Java clients that it calls otherwise, or has no use for.
fn translated(name: &str, value: &str) -> Result<Vec<(String, String)>, String> {
    let one = |name: &str, value: &str| Ok(vec![(name.to_owned(), value.to_owned())]);
    match name {
        "fetch.max.wait.ms" => one("fetch.wait.max.ms", value),
        // What takes the place of an offset is decided by the source.
        "key.deserializer" | "value.deserializer" | "key.serializer" | "value.serializer"
        | "max.poll.records" | "auto.offset.reset" => Ok(Vec::new()),
        "sasl.jaas.config" => jaas(value),
        "ssl.truststore.certificates" => one("ssl.ca.pem", value),
        "ssl.keystore.certificate.chain" => one("ssl.certificate.pem", value),
        "ssl.keystore.key" => one("ssl.key.pem", value),
        "sasl.mechanism" => one("sasl.mechanisms", value),
        "ssl.truststore.location" => one("ssl.ca.location", value),
        _ => one(name, value),
    }
}

/// User and password out of what Java's clients take: `org...PlainLoginModule required username="..." password="...";`.
fn jaas(text: &str) -> Result<Vec<(String, String)>, String> {
    let find = |name: &str| {
        let (_, rest) = text.split_once(&format!("{name}=\""))?;
        rest.split_once('"').map(|(value, _)| value.to_owned())
    };
    match (find("username"), find("password")) {
        (Some(user), Some(password)) => Ok(vec![
            ("sasl.username".to_owned(), user),
            ("sasl.password".to_owned(), password),
        ]),
        _ => Err(
            "has no username=\"...\" and password=\"...\": give them as `sasl.username` and `sasl.password`"
                .to_owned(),
        ),
    }
}

/// What librdkafka reports, classified, with what was done.
pub(crate) fn classified(doing: &str, error: &KafkaError) -> ConnectorError {
    let message = format!("{doing}: {error}");
    match error.rdkafka_error_code() {
        Some(
            RDKafkaErrorCode::TopicAuthorizationFailed
            | RDKafkaErrorCode::GroupAuthorizationFailed
            | RDKafkaErrorCode::ClusterAuthorizationFailed
            | RDKafkaErrorCode::TransactionalIdAuthorizationFailed
            | RDKafkaErrorCode::SaslAuthenticationFailed
            | RDKafkaErrorCode::MessageSizeTooLarge
            | RDKafkaErrorCode::InvalidTopic,
        ) => ConnectorError::user(message),
        _ => ConnectorError::external(message),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::kafka::options::OPTIONS;

    fn client(given: &[(&str, &str)]) -> Result<Client, OptionError> {
        let given: BTreeMap<_, _> = given
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect();
        Client::new(&Checked::new("kafka", OPTIONS, &given)?)
    }

    const BROKERS: (&str, &str) = ("properties.bootstrap.servers", "a:1,b:2");

    #[test]
    fn settings_are_those_of_librdkafka_and_of_javas_clients_where_they_differ() {
        let jaas = "org.apache.kafka.common.security.plain.PlainLoginModule required username=\"u\" password=\"p;q\";";
        let client = client(&[
            BROKERS,
            ("properties.sasl.jaas.config", jaas),
            ("properties.sasl.mechanism", "PLAIN"),
            ("properties.fetch.min.bytes", "10"),
        ])
        .expect("a client");
        assert_eq!(client.brokers(), "a:1,b:2");
        let config = client.config();
        assert_eq!(config.get("sasl.password"), Some("p;q"));
        assert_eq!(config.get("sasl.username"), Some("u"));
        assert_eq!(config.get("fetch.min.bytes"), Some("10"));
    }

    #[test]
    fn a_wrong_setting_is_refused_by_its_name() {
        for (name, value) in [
            ("properties.fetch.min.byte", "1"),
            ("properties.fetch.min.bytes", "many"),
            ("properties.enable.auto.commit", "true"),
        ] {
            let error = client(&[BROKERS, (name, value)])
                .expect_err("refused")
                .to_string();
            assert!(error.contains(name), "{error}");
        }
    }
}
