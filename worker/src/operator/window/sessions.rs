//! The sessions of keys: which one a row belongs to, and which have ended. Knows nothing of what is kept of their rows.

use std::{cmp::Reverse, collections::BinaryHeap};

use arrow_array::ArrayRef;
use arrow_schema::DataType;
use weir_model::{EventTime, Failure};

use super::slots::key_columns;
use crate::{
    operator::keys::GroupTable,
    state::{Dirty, NumberedRows},
};

/// No session.
pub(super) const NONE: u32 = u32::MAX;
/// The start of a session that no snapshot knows.
const UNTOLD: i64 = i64::MIN;
/// Sessions that may have gone before the others are packed.
const SLACK: usize = 4096;

/// Open sessions, numbered; those of a key lie apart by more than the gap.
#[derive(Debug)]
pub(super) struct Sessions {
    gap_ms: i64,
    types: Vec<DataType>,
    keys: GroupTable,
    /// The latest session of each key.
    latest: Vec<u32>,
    sessions: Vec<Session>,
    closed: usize,
    /// When each open session ends, or ended before it grew.
    due: BinaryHeap<Reverse<(i64, u32)>>,
    /// Sessions changed since the last snapshot.
    dirty: Dirty,
    /// Where snapshots say that sessions start, while changes are tracked; else, or behind the last of these: [`UNTOLD`].
    told: Vec<i64>,
    /// Keys and starts of sessions that snapshots know and whose numbers are others' by now.
    gone: Vec<Vec<ArrayRef>>,
}

/// A session: `[start, end)`, its end a gap after its last row.
#[derive(Clone, Copy, Debug)]
pub(super) struct Session {
    pub(super) key: u32,
    pub(super) start: i64,
    pub(super) end: i64,
    /// The session of the key before this one.
    earlier: u32,
    is_open: bool,
}

impl Session {
    /// The start that a snapshot says of it.
    fn told(&self) -> i64 {
        if self.is_open { self.start } else { UNTOLD }
    }
}

/// What has changed in sessions since the last snapshot.
#[derive(Debug, Default)]
pub(super) struct News {
    /// Keys and starts of sessions that have gone, or start elsewhere now.
    pub(super) gone: Vec<Vec<ArrayRef>>,
    /// Those that are new, or others than they were.
    pub(super) open: Vec<u32>,
}

/// What a batch of rows did.
#[derive(Debug, Default)]
pub(super) struct Assigned {
    /// The session of each row, [`NONE`] for late ones.
    pub(super) sessions: Vec<u32>,
    /// Sessions whose rows have become those of another, in this order.
    pub(super) moved: Vec<(u32, u32)>,
    /// How many rows are late.
    pub(super) late: u64,
}

impl Assigned {
    /// Which rows are late.
    pub(super) fn late_rows(&self) -> impl Iterator<Item = u32> {
        let late = (0..).zip(&self.sessions).filter(|(_, session)| **session == NONE);
        late.map(|(row, _)| row)
    }
}

impl Sessions {
    /// No sessions yet, of keys of these types.
    pub(super) fn new(gap_ms: i64, types: Vec<DataType>) -> Result<Self, Failure> {
        Ok(Self {
            gap_ms,
            keys: GroupTable::new(&types)?,
            types,
            latest: Vec::new(),
            sessions: Vec::new(),
            closed: 0,
            due: BinaryHeap::new(),
            dirty: Dirty::default(),
            told: Vec::new(),
            gone: Vec::new(),
        })
    }

    /// The types of the keys.
    pub(super) fn types(&self) -> &[DataType] {
        &self.types
    }

    /// The gap, ms.
    pub(super) fn gap_ms(&self) -> i64 {
        self.gap_ms
    }

    /// How many numbers are in use.
    pub(super) fn len(&self) -> usize {
        self.sessions.len()
    }

    /// The session of a number.
    pub(super) fn get(&self, session: u32) -> &Session {
        &self.sessions[session as usize]
    }

    /// The key columns of some sessions.
    pub(super) fn keys(&self, sessions: &[u32]) -> Result<Vec<ArrayRef>, Failure> {
        let keys: Vec<u32> = sessions.iter().map(|&s| self.get(s).key).collect();
        key_columns(&self.keys, &keys)
    }

    /// Finds or opens the sessions of rows. A row is late if the session it would be in has ended by the watermark.
    pub(super) fn assign(
        &mut self,
        keys: &[ArrayRef],
        times: &[i64],
        watermark: EventTime,
    ) -> Result<Assigned, Failure> {
        let mut assigned = Assigned::default();
        assigned.sessions.reserve(times.len());
        let groups = self.keys.intern(keys, times.len())?;
        self.latest.resize(groups.total, NONE);
        let ids = groups.ids.map(<[u32]>::to_vec);
        for (row, &time) in times.iter().enumerate() {
            let key = ids.as_ref().map_or(0, |ids| ids[row]);
            let latest = self.latest[key as usize];
            if let Some(session) = self.sessions.get_mut(latest as usize)
                && session.start <= time
                && time <= session.end
            {
                session.end = session.end.max(time.saturating_add(self.gap_ms));
                assigned.sessions.push(latest);
                continue;
            }
            let session = self.find(key, time, watermark, &mut assigned.moved);
            assigned.late += u64::from(session == NONE);
            assigned.sessions.push(session);
        }
        if !assigned.moved.is_empty() {
            let last = |session: u32| {
                let moves = assigned.moved.iter();
                moves.fold(session, |at, (from, into)| if at == *from { *into } else { at })
            };
            assigned
                .sessions
                .iter_mut()
                .for_each(|session| *session = last(*session));
        }
        if self.dirty.is_tracking() {
            let sessions = assigned.sessions.iter().copied();
            self.dirty.mark(sessions.filter(|session| *session != NONE));
            self.dirty.mark(assigned.moved.iter().map(|(from, _)| *from));
        }
        Ok(assigned)
    }

    /// The session of a row that does not just continue the latest of its key.
    fn find(&mut self, key: u32, time: i64, watermark: EventTime, moved: &mut Vec<(u32, u32)>) -> u32 {
        let (mut start, mut end) = (time, time.saturating_add(self.gap_ms));
        let (mut later, mut at) = (NONE, self.latest[key as usize]);
        while at != NONE && self.get(at).start > end {
            later = at;
            at = self.get(at).earlier;
        }
        // All from here on that touch the row are one session with it: the first of them takes the others' rows.
        let mut found = NONE;
        while at != NONE && self.get(at).end >= start {
            let touched = *self.get(at);
            (start, end) = (start.min(touched.start), end.max(touched.end));
            if found == NONE {
                found = at;
            } else {
                moved.push((at, found));
                self.sessions[at as usize].is_open = false;
                self.closed += 1;
            }
            at = touched.earlier;
        }
        if found == NONE {
            if EventTime(end.saturating_sub(1)) <= watermark {
                return NONE;
            }
            found = self.sessions.len() as u32;
            self.sessions.push(Session {
                key,
                start,
                end,
                earlier: at,
                is_open: true,
            });
            self.due.push(Reverse((end, found)));
            match self.sessions.get_mut(later as usize) {
                Some(later) => later.earlier = found,
                None => self.latest[key as usize] = found,
            }
            return found;
        }
        let session = &mut self.sessions[found as usize];
        (session.start, session.end, session.earlier) = (start, end, at);
        found
    }

    /// Closes the sessions that have ended by a watermark, the earliest end first.
    pub(super) fn close(&mut self, watermark: EventTime) -> Vec<u32> {
        let mut closed = Vec::new();
        while let Some(Reverse((end, at))) = self.due.peek().copied() {
            if EventTime(end.saturating_sub(1)) > watermark {
                break;
            }
            self.due.pop();
            let session = *self.get(at);
            if !session.is_open {
                continue;
            }
            if session.end > end {
                self.due.push(Reverse((session.end, at)));
                continue;
            }
            self.unlink(at);
            closed.push(at);
        }
        closed
    }

    fn unlink(&mut self, at: u32) {
        let Session { key, earlier, .. } = *self.get(at);
        self.sessions[at as usize].is_open = false;
        self.closed += 1;
        self.dirty.mark([at]);
        let mut later = self.latest[key as usize];
        if later == at {
            self.latest[key as usize] = earlier;
            return;
        }
        while later != NONE {
            if self.get(later).earlier == at {
                self.sessions[later as usize].earlier = earlier;
                return;
            }
            later = self.get(later).earlier;
        }
    }

    /// Numbers the open sessions and their keys anew if many have gone; returns the old numbers of the open ones.
    pub(super) fn pack(&mut self) -> Result<Option<Vec<u32>>, Failure> {
        if self.closed <= self.sessions.len() / 2 + SLACK {
            return Ok(None);
        }
        self.forget_told()?;
        let open = self.open();
        let columns = self.keys(&open)?;
        let mut keys = GroupTable::new(&self.types)?;
        let groups = keys.intern(&columns, open.len())?;
        let (total, ids) = (groups.total, groups.ids.map(<[u32]>::to_vec));
        let mut numbers = vec![NONE; self.sessions.len()];
        open.iter()
            .zip(0..)
            .for_each(|(&old, new)| numbers[old as usize] = new);
        let number = |old: u32| numbers.get(old as usize).copied().unwrap_or(NONE);
        let mut latest = vec![NONE; total];
        let mut sessions = Vec::with_capacity(open.len());
        for (new, &old) in open.iter().enumerate() {
            let session = self.get(old);
            let key = ids.as_ref().map_or(0, |ids| ids[new]);
            if self.latest[session.key as usize] == old {
                latest[key as usize] = new as u32;
            }
            sessions.push(Session {
                key,
                earlier: number(session.earlier),
                ..*session
            });
        }
        self.due = sessions
            .iter()
            .zip(0..)
            .map(|(s, at)| Reverse((s.end, at)))
            .collect();
        self.dirty.keep(&open);
        if self.dirty.is_tracking() {
            self.told = open.iter().map(|&old| self.told_of(old)).collect();
        }
        (self.keys, self.latest, self.sessions, self.closed) = (keys, latest, sessions, 0);
        Ok(Some(open))
    }

    /// The open sessions.
    pub(super) fn open(&self) -> Vec<u32> {
        let is_open = |at: &u32| self.get(*at).is_open;
        (0..self.sessions.len() as u32).filter(is_open).collect()
    }

    /// Notes what changes from now on; snapshots know what there is.
    pub(super) fn track(&mut self) {
        self.dirty.track();
        self.told = self.sessions.iter().map(Session::told).collect();
    }

    /// What has changed since the last time.
    pub(super) fn news(&mut self) -> Result<News, Failure> {
        let changed = self.dirty.take();
        let gone = self.outdated(&changed)?;
        let mut news = News {
            gone: std::mem::take(&mut self.gone),
            open: Vec::new(),
        };
        news.gone.extend(gone);
        self.told.resize(self.sessions.len(), UNTOLD);
        for at in changed {
            let session = self.sessions[at as usize];
            self.told[at as usize] = session.told();
            news.open.extend(session.is_open.then_some(at));
        }
        Ok(news)
    }

    /// The starts that snapshots say of these sessions and that are theirs no longer.
    fn outdated(&self, changed: &[u32]) -> Result<Option<Vec<ArrayRef>>, Failure> {
        let is_outdated = |at: &&u32| {
            let (session, told) = (self.get(**at), self.told_of(**at));
            told != UNTOLD && told != session.told()
        };
        let outdated: Vec<u32> = changed.iter().filter(is_outdated).copied().collect();
        if outdated.is_empty() {
            return Ok(None);
        }
        let starts = outdated.iter().map(|&at| self.told_of(at)).collect();
        Ok(Some(NumberedRows::key(self.keys(&outdated)?, starts)))
    }

    /// Takes leave of closed sessions that snapshots know, before their numbers become others'.
    fn forget_told(&mut self) -> Result<(), Failure> {
        let is_closed = |at: &u32| !self.get(*at).is_open;
        let closed: Vec<u32> = (0..self.told.len() as u32).filter(is_closed).collect();
        let gone = self.outdated(&closed)?;
        self.gone.extend(gone);
        Ok(())
    }

    fn told_of(&self, session: u32) -> i64 {
        self.told.get(session as usize).copied().unwrap_or(UNTOLD)
    }

    /// Takes sessions that a snapshot said, those of a key by their starts; they get the next numbers. Of their keys there is none yet.
    pub(super) fn restore(&mut self, keys: &[ArrayRef], starts: &[i64], ends: &[i64]) -> Result<(), Failure> {
        let groups = self.keys.intern(keys, starts.len())?;
        self.latest.resize(groups.total, NONE);
        for (row, (&start, &end)) in starts.iter().zip(ends).enumerate() {
            let key = groups.ids.map_or(0, |ids| ids[row]);
            let number = self.sessions.len() as u32;
            let earlier = std::mem::replace(&mut self.latest[key as usize], number);
            self.due.push(Reverse((end, number)));
            self.sessions.push(Session {
                key,
                start,
                end,
                earlier,
                is_open: true,
            });
        }
        if self.dirty.is_tracking() {
            self.told.resize(self.sessions.len() - starts.len(), UNTOLD);
            self.told.extend_from_slice(starts);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, sync::Arc};

    use arrow_array::{Array as _, Int64Array};
    use proptest::prelude::*;

    use super::*;

    /// Sessions of one key as start, end and number of rows, merged from scratch.
    fn naive(mut times: Vec<i64>, gap: i64) -> Vec<(i64, i64, usize)> {
        times.sort_unstable();
        let mut sessions: Vec<(i64, i64, usize)> = Vec::new();
        for time in times {
            match sessions.last_mut() {
                Some((_, end, rows)) if time <= *end => (*end, *rows) = (time + gap, *rows + 1),
                _ => sessions.push((time, time + gap, 1)),
            }
        }
        sessions
    }

    proptest! {
        /// Rows out of order and late, in batches with watermarks between; packed all along the way.
        #[test]
        fn sessions_are_what_merging_all_rows_gives(
            batches in prop::collection::vec(
                (prop::collection::vec((0_i64..4, 0_i64..120), 0..12),
                prop_oneof![3 => Just(0_i64), 1 => 0_i64..25]), 1..12),
        ) {
            let mut sessions = Sessions::new(7, vec![DataType::Int64]).expect("sessions");
            let mut rows: BTreeMap<u32, usize> = BTreeMap::new();
            let mut found: BTreeMap<i64, Vec<(i64, i64, usize)>> = BTreeMap::new();
            let (mut kept, mut late, mut early) = (BTreeMap::<i64, Vec<i64>>::new(), 0, false);
            let mut watermark = -1;
            for (batch, by) in batches.into_iter().chain([(Vec::new(), 1000)]) {
                let keys: ArrayRef = Arc::new(batch.iter().map(|(k, _)| *k).collect::<Int64Array>());
                let times: Vec<i64> = batch.iter().map(|(_, t)| *t).collect();
                let assigned = sessions.assign(&[keys], &times, EventTime(watermark)).expect("assigns");
                for ((key, time), &session) in batch.iter().zip(&assigned.sessions) {
                    if session == NONE {
                        prop_assert!(time + 7 - 1 <= watermark, "late at {watermark}: {time}");
                        late += 1;
                    } else {
                        *rows.entry(session).or_default() += 1;
                        kept.entry(*key).or_default().push(*time);
                    }
                }
                prop_assert_eq!(assigned.late, assigned.sessions.iter().filter(|s| **s == NONE).count() as u64);
                for (from, into) in assigned.moved {
                    let moved = rows.remove(&from).unwrap_or_default();
                    *rows.entry(into).or_default() += moved;
                }
                watermark += by;
                let last = by == 1000;
                let closed = sessions.close(EventTime(watermark));
                early |= !last && !closed.is_empty();
                let columns = sessions.keys(&closed).expect("keys");
                let keys = columns[0].as_any().downcast_ref::<Int64Array>().expect("numbers").clone();
                for (i, at) in closed.iter().enumerate() {
                    let Session { start, end, .. } = *sessions.get(*at);
                    let session = (start, end, rows.remove(at).expect("a session has rows"));
                    found.entry(keys.value(i)).or_default().push(session);
                }
                sessions.closed += SLACK;
                if let Some(open) = sessions.pack().expect("packs") {
                    rows = open.iter().zip(0..).map(|(old, new)| (new, rows[old])).collect();
                }
            }
            let total: usize = found.values().flatten().map(|s| s.2).sum();
            prop_assert_eq!(total, kept.values().map(Vec::len).sum::<usize>());
            // Where nothing was late and nothing closed before the end, when rows came does not matter.
            if late == 0 && !early {
                for (key, times) in kept {
                    let mut of_key = found.remove(&key).expect("sessions of the key");
                    of_key.sort_unstable();
                    prop_assert_eq!(of_key, naive(times, 7));
                }
            }
        }
    }
}
