//! What a table says of reading: which topics, from where, and up to where.

use std::{collections::BTreeMap, time::Duration};

use regex::Regex;

use super::options::{
    AUTO_OFFSET_RESET, BOUNDED_MODE, BOUNDED_OFFSETS, BOUNDED_TIMESTAMP, DISCOVERY_INTERVAL, GROUP_ID,
    STARTUP_MODE, STARTUP_OFFSETS, STARTUP_TIMESTAMP, TOPIC, TOPIC_PATTERN,
};
use crate::{
    OptionError,
    options::{Checked, invalid},
};

/// What is read.
#[derive(Clone, Debug)]
pub(super) struct Scan {
    pub(super) topics: Topics,
    /// Where it begins.
    pub(super) startup: Place,
    /// Where it ends; none: never.
    pub(super) bounded: Option<Place>,
    /// The consumer group that the table names.
    pub(super) group: Option<String>,
    /// What takes the place of an offset that is not there.
    pub(super) reset: Option<Reset>,
    /// How often new partitions are looked for; none: never.
    pub(super) discovery: Option<Duration>,
}

/// Which topics.
#[derive(Clone, Debug)]
pub(super) enum Topics {
    Named(Vec<String>),
    /// All whose whole name matches.
    Matching(Regex),
}

impl Topics {
    /// One that is named.
    pub(super) fn first(&self) -> Option<&str> {
        match self {
            Self::Named(names) => names.first().map(String::as_str),
            Self::Matching(_) => None,
        }
    }
}

/// A place in each partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Earliest,
    Latest,
    /// What the group has committed.
    Group,
    /// The first message of this time, in ms since 1970, or later.
    Time(i64),
    /// By the number of the partition.
    Offsets(BTreeMap<i32, i64>),
}

/// Where to go on if an offset is not there: Kafka's `auto.offset.reset`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reset {
    Earliest,
    Latest,
}

impl Scan {
    /// As the options say.
    pub(super) fn new(connector: &str, options: &Checked<'_>) -> Result<Self, OptionError> {
        let topics = topics(connector, options)?;
        let group = options.text(GROUP_ID).map(str::trim).map(str::to_owned);
        let group = group.filter(|group| !group.is_empty());
        let reset = match options.word(AUTO_OFFSET_RESET) {
            Some("earliest") => Some(Reset::Earliest),
            Some("latest") => Some(Reset::Latest),
            _ => None,
        };
        let startup = match options.word(STARTUP_MODE) {
            Some("earliest-offset") => Place::Earliest,
            Some("latest-offset") => Place::Latest,
            Some("timestamp") => Place::Time(time(options, STARTUP_MODE, STARTUP_TIMESTAMP)?),
            Some("specific-offsets") => {
                Place::Offsets(offsets(options, &topics, STARTUP_MODE, STARTUP_OFFSETS)?)
            }
            _ => Place::Group,
        };
        if startup == Place::Group && group.is_none() && reset.is_none() {
            return Err(invalid(
                STARTUP_MODE,
                format!(
                    "'group-offsets', which holds if nothing is said, needs '{GROUP_ID}': give that, or 'earliest-offset' or 'latest-offset' \
                     here"
                ),
            ));
        }
        let bounded = match options.word(BOUNDED_MODE) {
            Some("latest-offset") => Some(Place::Latest),
            Some("group-offsets") => Some(Place::Group),
            Some("timestamp") => Some(Place::Time(time(options, BOUNDED_MODE, BOUNDED_TIMESTAMP)?)),
            Some("specific-offsets") => Some(Place::Offsets(offsets(
                options,
                &topics,
                BOUNDED_MODE,
                BOUNDED_OFFSETS,
            )?)),
            _ => None,
        };
        if bounded == Some(Place::Group) && group.is_none() {
            return Err(invalid(
                BOUNDED_MODE,
                format!("'group-offsets' needs '{GROUP_ID}'"),
            ));
        }
        let discovery = options
            .duration(DISCOVERY_INTERVAL)
            .filter(|interval| !interval.is_zero());
        Ok(Self {
            topics,
            startup,
            bounded,
            group,
            reset,
            discovery,
        })
    }
}

fn topics(connector: &str, options: &Checked<'_>) -> Result<Topics, OptionError> {
    match (options.text(TOPIC), options.text(TOPIC_PATTERN)) {
        (Some(_), Some(_)) => Err(invalid(
            TOPIC_PATTERN,
            format!("says which topics, as '{TOPIC}' does: give one of them"),
        )),
        (None, None) => Err(OptionError::Missing {
            connector: connector.to_owned(),
            option: TOPIC.to_owned(),
            meaning: format!("the topics to read, or '{TOPIC_PATTERN}'"),
        }),
        (Some(names), None) => {
            let names = names.split(';').map(str::trim).filter(|name| !name.is_empty());
            let mut names: Vec<_> = names.map(str::to_owned).collect();
            names.sort_unstable();
            names.dedup();
            if names.is_empty() {
                return Err(invalid(TOPIC, "names no topic"));
            }
            Ok(Topics::Named(names))
        }
        (None, Some(pattern)) => Regex::new(&format!("^(?:{pattern})$"))
            .map(Topics::Matching)
            .map_err(|error| {
                invalid(
                    TOPIC_PATTERN,
                    format!("'{pattern}' is no regular expression: {error}"),
                )
            }),
    }
}

fn time(options: &Checked<'_>, mode: &str, option: &str) -> Result<i64, OptionError> {
    let Some(time) = options.int_at_least(option, 0)? else {
        return Err(invalid(mode, format!("'timestamp' needs '{option}'")));
    };
    Ok(time)
}

fn offsets(
    options: &Checked<'_>,
    topics: &Topics,
    mode: &str,
    option: &str,
) -> Result<BTreeMap<i32, i64>, OptionError> {
    let Some(text) = options.text(option) else {
        return Err(invalid(mode, format!("'specific-offsets' needs '{option}'")));
    };
    if !matches!(topics, Topics::Named(names) if names.len() == 1) {
        return Err(invalid(
            mode,
            format!("'specific-offsets' is of one topic: name it as '{TOPIC}'"),
        ));
    }
    let mut offsets = BTreeMap::new();
    for part in text.split(';').map(str::trim).filter(|part| !part.is_empty()) {
        let Some((partition, offset)) = partition_and_offset(part) else {
            return Err(invalid(
                option,
                format!("'{part}' is not as 'partition:0,offset:42', with ';' between"),
            ));
        };
        if offsets.insert(partition, offset).is_some() {
            return Err(invalid(
                option,
                format!("partition {partition} stands there twice"),
            ));
        }
    }
    if offsets.is_empty() {
        return Err(invalid(option, "has no offsets"));
    }
    Ok(offsets)
}

fn partition_and_offset(text: &str) -> Option<(i32, i64)> {
    let (mut partition, mut offset) = (None, None);
    for pair in text.split(',') {
        let (name, number) = pair.split_once(':')?;
        match name.trim() {
            "partition" => partition = number.trim().parse::<i32>().ok().filter(|n| *n >= 0),
            "offset" => offset = number.trim().parse::<i64>().ok().filter(|n| *n >= 0),
            _ => return None,
        }
    }
    Some((partition?, offset?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kafka::options::OPTIONS;

    const BROKERS: (&str, &str) = ("properties.bootstrap.servers", "a:1");

    fn scan(given: &[(&str, &str)]) -> Result<Scan, OptionError> {
        let all = given.iter().chain([&BROKERS]);
        let given = all
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect();
        Scan::new("kafka", &Checked::new("kafka", OPTIONS, &given)?)
    }

    #[test]
    fn places_are_as_flink_names_them() {
        let check = |given: &[(&str, &str)], startup: Place, bounded: Option<Place>| {
            let scan = scan(&[&[("topic", "t")], given].concat()).expect("valid");
            assert_eq!((scan.startup, scan.bounded), (startup, bounded), "{given:?}");
        };
        check(&[("properties.group.id", "g")], Place::Group, None);
        check(&[("properties.auto.offset.reset", "latest")], Place::Group, None);
        check(&[(STARTUP_MODE, "earliest-offset")], Place::Earliest, None);
        check(
            &[
                (STARTUP_MODE, "latest-offset"),
                (BOUNDED_MODE, "timestamp"),
                (BOUNDED_TIMESTAMP, "7"),
            ],
            Place::Latest,
            Some(Place::Time(7)),
        );
        check(
            &[
                (STARTUP_MODE, "specific-offsets"),
                (STARTUP_OFFSETS, "partition:0,offset:42; partition:2,offset:300;"),
                (BOUNDED_MODE, "latest-offset"),
            ],
            Place::Offsets([(0, 42), (2, 300)].into()),
            Some(Place::Latest),
        );
    }

    #[test]
    fn several_topics_are_named_or_match() {
        let named = scan(&[("topic", "b; a;b"), (STARTUP_MODE, "earliest-offset")]).expect("valid");
        assert!(matches!(named.topics, Topics::Named(names) if names == ["a", "b"]));
        let matching = scan(&[("topic-pattern", "a|b.*"), (STARTUP_MODE, "earliest-offset")]).expect("valid");
        let Topics::Matching(pattern) = matching.topics else {
            panic!("a pattern");
        };
        let matches = ["a", "b1", "ab", "cb"].map(|name| pattern.is_match(name));
        assert_eq!(matches, [true, true, false, false]);
        assert_eq!(matching.discovery, Some(Duration::from_mins(5)));
    }

    #[test]
    fn what_is_missing_or_contradicts_itself_is_refused() {
        let check = |given: &[(&str, &str)], expected: &str| {
            let error = scan(given).expect_err("refused").to_string();
            assert!(error.contains(expected), "{error}");
        };
        let topic = ("topic", "t");
        check(&[], "needs the option 'topic'");
        check(&[topic, ("topic-pattern", "x")], "give one of them");
        check(&[("topic", " ; ")], "names no topic");
        check(&[("topic-pattern", "(")], "is no regular expression");
        check(&[topic], "needs 'properties.group.id'");
        check(
            &[topic, (STARTUP_MODE, "timestamp")],
            "'timestamp' needs 'scan.startup.timestamp-millis'",
        );
        check(
            &[topic, (STARTUP_MODE, "specific-offsets")],
            "needs 'scan.startup.specific-offsets'",
        );
        for wrong in [
            "0:1",
            "partition:0",
            "partition:-1,offset:0",
            "partition:0,offset:x",
        ] {
            check(
                &[
                    topic,
                    (STARTUP_MODE, "specific-offsets"),
                    (STARTUP_OFFSETS, wrong),
                ],
                "is not as 'partition:0,offset:42'",
            );
        }
        check(
            &[
                topic,
                (STARTUP_MODE, "specific-offsets"),
                (STARTUP_OFFSETS, "partition:0,offset:1;partition:0,offset:2"),
            ],
            "twice",
        );
        check(
            &[
                ("topic", "a;b"),
                (STARTUP_MODE, "specific-offsets"),
                (STARTUP_OFFSETS, "partition:0,offset:1"),
            ],
            "is of one topic",
        );
        check(
            &[
                topic,
                (STARTUP_MODE, "latest-offset"),
                (BOUNDED_MODE, "group-offsets"),
            ],
            "'group-offsets' needs 'properties.group.id'",
        );
    }
}
