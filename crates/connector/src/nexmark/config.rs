//! The options, and what they say.

use std::ops::Range;

use super::pace::{Pace, Shape};
use crate::{
    OptionError,
    options::{Checked, OptionDef, OptionKind, invalid, option},
};

/// The options of the Flink connector, then `seed` and `base-time`, which are ours.
pub(super) static OPTIONS: [OptionDef; 20] = [
    option(
        "events.num",
        OptionKind::Int,
        Some("0"),
        "how many events there are; 0 for no end",
    ),
    option(
        "first-event.rate",
        OptionKind::Int,
        Some("10000"),
        "events per second of event time",
    ),
    option(
        "next-event.rate",
        OptionKind::Int,
        None,
        "events per second of event time that the rate swings to and back; the same as 'first-event.rate' if not given",
    ),
    option(
        "rate.shape",
        OptionKind::OneOf(&["SQUARE", "SINE"]),
        Some("SQUARE"),
        "how the rate swings between 'first-event.rate' and 'next-event.rate'",
    ),
    option(
        "rate.period",
        OptionKind::Duration,
        Some("600 s"),
        "how long a swing of the rate there and back takes, in whole seconds of event time",
    ),
    option(
        "rate.limited",
        OptionKind::Bool,
        Some("false"),
        "whether to yield events no faster than they happen in event time",
    ),
    option(
        "max-emit-speed",
        OptionKind::Bool,
        Some("true"),
        "'false' means the same as 'rate.limited' = 'true'",
    ),
    option(
        "person.proportion",
        OptionKind::Int,
        Some("1"),
        "how many persons there are to so many auctions and bids",
    ),
    option(
        "auction.proportion",
        OptionKind::Int,
        Some("3"),
        "how many auctions there are to so many persons and bids",
    ),
    option(
        "bid.proportion",
        OptionKind::Int,
        Some("46"),
        "how many bids there are to so many persons and auctions",
    ),
    option(
        "person.avg-size",
        OptionKind::MemorySize,
        Some("200b"),
        "the size of a person on average, in bytes; 'extra' fills it up",
    ),
    option(
        "auction.avg-size",
        OptionKind::MemorySize,
        Some("500b"),
        "the size of an auction on average, in bytes; 'extra' fills it up",
    ),
    option(
        "bid.avg-size",
        OptionKind::MemorySize,
        Some("100b"),
        "the size of a bid on average, in bytes; 'extra' fills it up",
    ),
    option(
        "auction.hot-ratio.sellers",
        OptionKind::Int,
        Some("4"),
        "one in so many auctions is not a hot seller's",
    ),
    option(
        "bid.hot-ratio.auctions",
        OptionKind::Int,
        Some("2"),
        "one in so many bids is not for a hot auction",
    ),
    option(
        "bid.hot-ratio.bidders",
        OptionKind::Int,
        Some("4"),
        "one in so many bids is not a hot bidder's",
    ),
    option(
        "stop-at",
        OptionKind::Int,
        Some("-1"),
        "how many events to yield, if that is less than 'events.num'; negative for all",
    ),
    option(
        "keep-alive",
        OptionKind::Bool,
        Some("false"),
        "whether the source stays, silent, after the last event",
    ),
    option(
        "seed",
        OptionKind::Int,
        Some("0"),
        "another number makes other events",
    ),
    option(
        "base-time",
        OptionKind::Int,
        Some("1436918400000"),
        "when event 0 happens, in milliseconds since 1970-01-01; by default 2015-07-15 00:00:00",
    ),
];

/// Event numbers below this cannot overflow any id or time.
const MOST_EVENTS: i64 = 1_000_000_000_000_000;
const MOST_PER_CYCLE: i64 = 1_000_000;
/// Keeps a batch of strings far below the 2 GiB that its offsets can say.
const MOST_BYTES: u64 = 65_536;
/// 275,760 years after 1970, as in ECMAScript.
const LATEST_MS: i64 = 8_640_000_000_000_000;

/// A kind of event. Its number is the value of `event_type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Person = 0,
    Auction = 1,
    Bid = 2,
}

/// Events come in cycles: so many persons, then auctions, then bids.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cycle {
    pub(super) persons: u64,
    pub(super) auctions: u64,
    pub(super) bids: u64,
}

impl Cycle {
    pub(super) fn len(self) -> u64 {
        self.persons + self.auctions + self.bids
    }

    /// The places of a kind in a cycle.
    pub(super) fn places(self, kind: Kind) -> Range<u64> {
        let first_bid = self.persons + self.auctions;
        match kind {
            Kind::Person => 0..self.persons,
            Kind::Auction => self.persons..first_bid,
            Kind::Bid => first_bid..self.len(),
        }
    }
}

/// Average sizes of events in bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sizes {
    pub(super) person: u32,
    pub(super) auction: u32,
    pub(super) bid: u32,
}

/// One in so many is not hot.
#[derive(Clone, Copy, Debug)]
pub(super) struct HotRatios {
    pub(super) sellers: u32,
    pub(super) auctions: u32,
    pub(super) bidders: u32,
}

/// What a table's options say.
#[derive(Clone, Debug)]
pub(super) struct Config {
    pub(super) seed: u64,
    pub(super) base_time_ms: i64,
    pub(super) pace: Pace,
    pub(super) cycle: Cycle,
    pub(super) sizes: Sizes,
    pub(super) hot: HotRatios,
    /// The number of events, if there is an end.
    pub(super) end: Option<u64>,
    pub(super) keep_alive: bool,
    pub(super) rate_limited: bool,
}

impl Config {
    pub(super) fn new(options: &Checked<'_>) -> Result<Self, OptionError> {
        let first_rate = int(options, "first-event.rate", 1, i64::from(i32::MAX))?;
        let next_rate = match options.text("next-event.rate") {
            Some(_) => int(options, "next-event.rate", 1, i64::from(i32::MAX))?,
            None => first_rate,
        };
        let shape = match options.word("rate.shape") {
            Some("SINE") => Shape::Sine,
            _ => Shape::Square,
        };
        Ok(Self {
            seed: int(options, "seed", i64::MIN, i64::MAX)? as u64,
            base_time_ms: int(options, "base-time", -LATEST_MS, LATEST_MS)?,
            pace: Pace::new(first_rate as u64, next_rate as u64, shape, period_s(options)?),
            cycle: cycle(options)?,
            sizes: Sizes {
                person: size(options, "person.avg-size")?,
                auction: size(options, "auction.avg-size")?,
                bid: size(options, "bid.avg-size")?,
            },
            hot: HotRatios {
                sellers: ratio(options, "auction.hot-ratio.sellers")?,
                auctions: ratio(options, "bid.hot-ratio.auctions")?,
                bidders: ratio(options, "bid.hot-ratio.bidders")?,
            },
            end: end(options)?,
            keep_alive: options.flag("keep-alive"),
            rate_limited: options.flag("rate.limited") || !options.flag("max-emit-speed"),
        })
    }

    /// When event n happens, in milliseconds since 1970.
    pub(super) fn event_time_ms(&self, n: u64) -> i64 {
        self.base_time_ms + self.pace.offset_ms(n) as i64
    }
}

fn int(options: &Checked<'_>, key: &str, least: i64, most: i64) -> Result<i64, OptionError> {
    match options.int_at_least(key, least)? {
        Some(number) if number > most => Err(invalid(
            key,
            format!("{number} is too big: it must be at most {most}"),
        )),
        Some(number) => Ok(number),
        None => Err(invalid(key, "it needs a whole number")),
    }
}

fn ratio(options: &Checked<'_>, key: &str) -> Result<u32, OptionError> {
    Ok(int(options, key, 1, i64::from(i32::MAX))? as u32)
}

fn size(options: &Checked<'_>, key: &str) -> Result<u32, OptionError> {
    match options.bytes(key) {
        Some(bytes) if bytes > MOST_BYTES => Err(invalid(
            key,
            format!("{bytes} bytes are too many: it must be at most {MOST_BYTES}"),
        )),
        Some(bytes) => Ok(bytes as u32),
        None => Err(invalid(key, "it needs a size such as '100b'")),
    }
}

fn period_s(options: &Checked<'_>) -> Result<u64, OptionError> {
    match options.duration("rate.period").map(|period| period.as_secs()) {
        Some(0) | None => Err(invalid("rate.period", "it must be at least 1 s")),
        Some(seconds) if seconds > 100_000_000 => {
            Err(invalid("rate.period", "it must be at most 100000000 s"))
        }
        Some(seconds) => Ok(seconds),
    }
}

fn cycle(options: &Checked<'_>) -> Result<Cycle, OptionError> {
    let proportion = |key| Ok(int(options, key, 0, MOST_PER_CYCLE)? as u64);
    let cycle = Cycle {
        persons: proportion("person.proportion")?,
        auctions: proportion("auction.proportion")?,
        bids: proportion("bid.proportion")?,
    };
    match cycle.len() {
        0 => Err(invalid(
            "bid.proportion",
            "one of the proportions of persons, auctions and bids must be more than 0",
        )),
        _ => Ok(cycle),
    }
}

fn end(options: &Checked<'_>) -> Result<Option<u64>, OptionError> {
    let all = match int(options, "events.num", 0, MOST_EVENTS)? {
        0 => None,
        number => Some(number as u64),
    };
    let stop = u64::try_from(int(options, "stop-at", i64::MIN, MOST_EVENTS)?).ok();
    Ok(match (all, stop) {
        (Some(all), Some(stop)) => Some(all.min(stop)),
        (all, stop) => all.or(stop),
    })
}
