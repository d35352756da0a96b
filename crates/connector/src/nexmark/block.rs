//! A range of events, and which of them are of which kind.

use std::ops::Range;

use super::{
    config::{Config, Cycle, Kind},
    random::{Chance, below},
};

pub(super) const FIRST_PERSON_ID: i64 = 1_000;
pub(super) const FIRST_AUCTION_ID: i64 = 1_000;
/// Persons and auctions may be named this many ids before they appear.
const LEAD: i64 = 10;
const ACTIVE_PERSONS: i64 = 1_000;
pub(super) const AUCTIONS_IN_FLIGHT: i64 = 100;
/// Out of so many persons or auctions one is hot.
const HOT_EVERY: i64 = 100;

/// The events that a batch holds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Block<'a> {
    pub(super) config: &'a Config,
    /// The number of the first event.
    pub(super) first: u64,
    pub(super) rows: usize,
}

impl Block<'_> {
    /// The events of a kind, by cycle.
    pub(super) fn runs(&self, kind: Kind) -> Runs {
        Runs {
            at: self.first,
            end: self.first + self.rows as u64,
            places: self.config.cycle.places(kind),
            cycle: self.config.cycle,
        }
    }

    /// A value for every row, `extend`ed run by run; zero in the rows of other kinds.
    pub(super) fn longs(&self, kind: Kind, mut extend: impl FnMut(&Run, &mut Vec<i64>)) -> Vec<i64> {
        let mut out = Vec::with_capacity(self.rows);
        for run in self.runs(kind) {
            out.resize(out.len() + run.gap, 0);
            extend(&run, &mut out);
        }
        out.resize(self.rows, 0);
        out
    }
}

/// Consecutive events of one kind within one cycle.
#[derive(Clone, Debug)]
pub(super) struct Run {
    /// Rows of other kinds since the run before.
    pub(super) gap: usize,
    pub(super) events: Range<u64>,
    cycle: Cycle,
    /// The number of the cycle.
    number: i64,
    /// The place of the first event among those of its kind in the cycle.
    place: i64,
}

impl Run {
    /// The id of the first event, if they are persons.
    pub(super) fn first_person_id(&self) -> i64 {
        FIRST_PERSON_ID + self.number * self.cycle.persons as i64 + self.place
    }

    /// The id of the first event, if they are auctions.
    pub(super) fn first_auction_id(&self) -> i64 {
        FIRST_AUCTION_ID + self.number * self.cycle.auctions as i64 + self.place
    }

    /// As many ids as there are events, from the first on.
    pub(super) fn ids(&self, first: i64) -> Range<i64> {
        first..first + (self.events.end - self.events.start) as i64
    }

    /// The persons that an auction or a bid may name.
    pub(super) fn persons(&self) -> Choice {
        let last = (self.number + 1) * self.cycle.persons as i64 - 1;
        let active = (last + 1).min(ACTIVE_PERSONS);
        Choice {
            hot: FIRST_PERSON_ID + last / HOT_EVERY * HOT_EVERY,
            first: FIRST_PERSON_ID + last + 1 - active,
            count: (active + LEAD) as u64,
        }
    }

    /// The auctions that a bid may name.
    pub(super) fn auctions(&self) -> Choice {
        let last = (self.number + 1) * self.cycle.auctions as i64 - 1;
        let first = (last - AUCTIONS_IN_FLIGHT).max(0);
        Choice {
            hot: FIRST_AUCTION_ID + last / HOT_EVERY * HOT_EVERY,
            first: FIRST_AUCTION_ID + first,
            count: (last - first + 1 + LEAD) as u64,
        }
    }
}

/// Ids to choose from: the hot one, or one of a range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Choice {
    pub(super) hot: i64,
    pub(super) first: i64,
    pub(super) count: u64,
}

impl Choice {
    /// The hot id by its chance, else any of the range.
    #[inline]
    pub(super) fn pick(self, hot: Chance, word: u64) -> i64 {
        let other = self.first + below(word, self.count) as i64;
        if hot.happens(word) { self.hot } else { other }
    }
}

/// The runs of a kind in a block.
#[derive(Clone, Debug)]
pub(super) struct Runs {
    at: u64,
    end: u64,
    places: Range<u64>,
    cycle: Cycle,
}

impl Iterator for Runs {
    type Item = Run;

    fn next(&mut self) -> Option<Run> {
        let len = self.cycle.len();
        let (mut number, at) = (self.at / len, self.at % len);
        let mut place = at.max(self.places.start);
        if place >= self.places.end {
            (number, place) = (number + 1, self.places.start);
        }
        let first = number * len + place;
        if self.places.is_empty() || first >= self.end {
            return None;
        }
        let end = (number * len + self.places.end).min(self.end);
        let gap = (first - self.at) as usize;
        self.at = end;
        Some(Run {
            gap,
            events: first..end,
            cycle: self.cycle,
            number: number as i64,
            place: (place - self.places.start) as i64,
        })
    }
}
