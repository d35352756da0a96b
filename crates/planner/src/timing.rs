//! The options of a table that say how its event time comes: `scan.watermark.*`. They are the engine's: no connector sees them.

use weir_connector::options::nearest;
use weir_model::{ErrorCode, Problem};
use weir_proto::graph;

use crate::{error::Result, parse::tokens::Name, settings::parse_duration};

/// What the names of these options begin with.
const PREFIX: &str = "scan.watermark.";

const IDLE_TIMEOUT: &str = "scan.watermark.idle-timeout";
const STRATEGY: &str = "scan.watermark.emit.strategy";
const GAP: &str = "scan.watermark.emit.on-event.gap";
const GROUP: &str = "scan.watermark.alignment.group";
const MAX_DRIFT: &str = "scan.watermark.alignment.max-drift";
const UPDATE_INTERVAL: &str = "scan.watermark.alignment.update-interval";

const ALL: &[&str] = &[IDLE_TIMEOUT, STRATEGY, GAP, GROUP, MAX_DRIFT, UPDATE_INTERVAL];

/// How the event time of a table comes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Timing {
    /// A split that stays silent this long does not hold time back, ms; 0: never; none: what the job's settings say.
    pub idle_timeout_ms: Option<u64>,
    /// A watermark comes with every so many rows; none: from time to time.
    pub every_rows: Option<u64>,
    /// Does not run ahead of others.
    pub alignment: Option<graph::WatermarkAlignment>,
}

/// Whether the option is one of these.
pub(crate) fn is_timing(option: &str) -> bool {
    option.starts_with(PREFIX)
}

impl Timing {
    /// Reads the options among all those of a table.
    pub(crate) fn read(options: &[(Name, Name)], has_watermark: bool) -> Result<Self> {
        let known = |(key, _): &&(Name, Name)| is_timing(&key.value);
        if let Some((key, _)) = options.iter().find(known)
            && !has_watermark
        {
            let detail = format!(
                "'{}' is of no use without a WATERMARK FOR in the table",
                key.value
            );
            return Err(Problem::new(ErrorCode::InvalidOption, detail).at(key.at));
        }
        if let Some((key, _)) = options
            .iter()
            .filter(known)
            .find(|(key, _)| !ALL.contains(&key.value.as_str()))
        {
            let problem = Problem::new(
                ErrorCode::UnknownOption,
                format!("there is no option '{}'", key.value),
            );
            let problem = problem.at(key.at);
            return Err(match nearest(&key.value, ALL.iter().copied()) {
                Some(suggestion) => problem.suggest(suggestion),
                None => problem,
            });
        }
        let given = Given(options);
        Ok(Self {
            idle_timeout_ms: given.duration(IDLE_TIMEOUT)?,
            every_rows: given.every_rows()?,
            alignment: given.alignment()?,
        })
    }
}

/// The options of a table.
struct Given<'a>(&'a [(Name, Name)]);

impl Given<'_> {
    fn get(&self, option: &str) -> Option<&(Name, Name)> {
        self.0.iter().find(|(key, _)| key.value == option)
    }

    fn duration(&self, option: &str) -> Result<Option<u64>> {
        let Some(given) = self.get(option) else {
            return Ok(None);
        };
        match parse_duration(&given.1.value) {
            Some(ms) => Ok(Some(ms)),
            None => Err(bad_value(given, "a duration such as '200 ms', '5 s' or '1 min'")),
        }
    }

    fn every_rows(&self) -> Result<Option<u64>> {
        let on_event = match self.get(STRATEGY) {
            None => false,
            Some(given) => match given.1.value.as_str() {
                "on-event" => true,
                "on-periodic" => false,
                _ => return Err(bad_value(given, "'on-event' or 'on-periodic'")),
            },
        };
        let Some(given) = self.get(GAP) else {
            return Ok(on_event.then_some(1));
        };
        let gap = given
            .1
            .value
            .trim()
            .parse()
            .ok()
            .filter(|gap| (1..=i32::MAX as u64).contains(gap));
        let gap = gap.ok_or_else(|| bad_value(given, "a number of rows from 1 on"))?;
        Ok(on_event.then_some(gap))
    }

    fn alignment(&self) -> Result<Option<graph::WatermarkAlignment>> {
        let max_drift_ms = self.duration(MAX_DRIFT)?;
        let update_interval_ms = self.duration(UPDATE_INTERVAL)?;
        match (self.get(GROUP), max_drift_ms) {
            (Some((_, group)), Some(max_drift_ms)) => Ok(Some(graph::WatermarkAlignment {
                group: group.value.clone(),
                max_drift_ms,
                update_interval_ms: update_interval_ms.unwrap_or(1000),
            })),
            (Some((key, _)), None) => Err(lacks(key, MAX_DRIFT)),
            (None, _) => match self.get(MAX_DRIFT).or_else(|| self.get(UPDATE_INTERVAL)) {
                Some((key, _)) => Err(lacks(key, GROUP)),
                None => Ok(None),
            },
        }
    }
}

fn lacks(option: &Name, other: &str) -> Problem {
    let detail = format!("'{}' needs '{other}' beside it", option.value);
    Problem::new(ErrorCode::MissingOption, detail).at(option.at)
}

fn bad_value((key, value): &(Name, Name), wanted: &str) -> Problem {
    let detail = format!(
        "the option '{}' is '{}': it must be {wanted}",
        key.value, value.value
    );
    Problem::new(ErrorCode::InvalidOption, detail).at(value.at)
}

#[cfg(test)]
mod tests {
    use weir_model::Location;

    use super::*;

    fn read(options: &[(&str, &str)], has_watermark: bool) -> std::result::Result<Timing, String> {
        let name = |value: &str| Name {
            value: value.to_owned(),
            at: Location { line: 1, column: 1 },
        };
        let options: Vec<(Name, Name)> = options.iter().map(|(k, v)| (name(k), name(v))).collect();
        Timing::read(&options, has_watermark).map_err(|problem| problem.detail)
    }

    #[test]
    fn options_are_read_as_flink_has_them() {
        let timing = read(&[("connector", "nexmark"), (IDLE_TIMEOUT, "1 min")], true);
        assert_eq!(timing.expect("right").idle_timeout_ms, Some(60_000));
        let every = |options: &[(&str, &str)]| read(options, true).expect("right").every_rows;
        assert_eq!(every(&[]), None);
        assert_eq!(every(&[(STRATEGY, "on-periodic"), (GAP, "7")]), None);
        assert_eq!(every(&[(STRATEGY, "on-event")]), Some(1));
        assert_eq!(every(&[(STRATEGY, "on-event"), (GAP, "7")]), Some(7));
        let aligned = read(&[(GROUP, "g"), (MAX_DRIFT, "20 s")], true).expect("right");
        let alignment = aligned.alignment.expect("aligned");
        assert_eq!(
            (
                alignment.group.as_str(),
                alignment.max_drift_ms,
                alignment.update_interval_ms
            ),
            ("g", 20_000, 1000)
        );
    }

    #[test]
    fn what_is_wrong_is_said() {
        let check = |options: &[(&str, &str)], has_watermark, expected: &str| {
            let detail = read(options, has_watermark).expect_err(expected);
            assert!(detail.contains(expected), "{detail}");
        };
        check(&[(IDLE_TIMEOUT, "soon")], true, "a duration");
        check(&[(IDLE_TIMEOUT, "1 s")], false, "without a WATERMARK FOR");
        check(
            &[("scan.watermark.idle", "1 s")],
            true,
            "no option 'scan.watermark.idle'",
        );
        check(&[(STRATEGY, "often")], true, "'on-event' or 'on-periodic'");
        check(&[(GAP, "0")], true, "from 1 on");
        check(
            &[(GROUP, "g")],
            true,
            "needs 'scan.watermark.alignment.max-drift'",
        );
        check(
            &[(MAX_DRIFT, "1 s")],
            true,
            "needs 'scan.watermark.alignment.group'",
        );
    }
}
