//! Joins of rows that meet within a time: a row goes when no partner can come any more, and what is emitted stays.

use arrow_array::{Array, ArrayRef, BooleanArray, RecordBatch};
use arrow_schema::{DataType, SchemaRef, TimeUnit};
use arrow_select::filter::filter_record_batch;
use weir_model::{EventTime, Failure};
use weir_proto::graph::{self, join::Type};

use super::{
    expiry::Expiry,
    output::Pairs,
    regular::{Arrived, EMIT_ROWS, Join, broken},
    side::NONE,
};
use crate::{
    operator::{Context, Operator, columns},
    state::{Scope, Snapshot, Table, table::Due},
};

/// Rows go in this many steps of the longest wait.
const STEPS: i64 = 32;
/// What each pair does: it is added.
const ADDED: i8 = 0;

/// Joins rows with equal keys within a time.
#[derive(Debug)]
pub(in crate::operator) struct TimedJoin {
    join: Join,
    /// When rows of each side go.
    expiry: [Expiry; 2],
    /// The time column of each side.
    times: [usize; 2],
    /// How long a row of each side waits for partners, ms after its time.
    waits_ms: [i64; 2],
    /// How far what is emitted may lie behind the watermark, ms.
    delay_ms: i64,
    drops_late: bool,
    watermark: EventTime,
    /// No rows, of each side.
    empty: [RecordBatch; 2],
}

impl TimedJoin {
    pub(in crate::operator) fn new(
        spec: &graph::Join,
        time: &graph::JoinTime,
        inputs: &[SchemaRef],
        output: SchemaRef,
    ) -> Result<Self, Failure> {
        let join = Join::new(spec, inputs, output)?;
        let times = [time.left_column as usize, time.right_column as usize];
        let is_moment = |t: &DataType| matches!(t, DataType::Timestamp(TimeUnit::Millisecond, _));
        for (input, column) in inputs.iter().zip(times) {
            if !input
                .fields()
                .get(column)
                .is_some_and(|f| is_moment(f.data_type()))
            {
                return Err(Failure::internal("a join within a time needs times in ms"));
            }
        }
        let waits_ms = [time.left_wait_ms, time.right_wait_ms];
        let grain_ms = (waits_ms[0].saturating_add(waits_ms[1]) / STEPS).max(1);
        Ok(Self {
            join,
            expiry: [0, 1].map(|_| Expiry::new(grain_ms)),
            times,
            waits_ms,
            delay_ms: time.delay_ms + if grain_ms > 1 { grain_ms } else { 0 },
            drops_late: time.drops_late,
            watermark: EventTime::MIN,
            empty: [0, 1].map(|side: usize| RecordBatch::new_empty(SchemaRef::clone(&inputs[side]))),
        })
    }

    fn is_existence(&self) -> bool {
        matches!(self.join.kind, Type::Semi | Type::Anti)
    }

    /// When no partner of each row can come any more; a row without a time has none.
    fn deadlines(&self, side: usize, batch: &RecordBatch) -> Vec<i64> {
        let column = batch.column(self.times[side]);
        let times = columns::values::<i64>(column);
        let deadline = |row: usize| {
            if column.is_valid(row) {
                times[row].saturating_add(self.waits_ms[side])
            } else {
                i64::MIN
            }
        };
        (0..batch.num_rows()).map(deadline).collect()
    }

    /// The rows that are not late, with their deadlines.
    fn in_time(
        &self,
        side: usize,
        batch: RecordBatch,
        context: &mut Context,
    ) -> Result<(RecordBatch, Vec<i64>), Failure> {
        let mut deadlines = self.deadlines(side, &batch);
        let watermark = self.watermark.0;
        if !self.drops_late || deadlines.iter().all(|deadline| *deadline > watermark) {
            return Ok((batch, deadlines));
        }
        let in_time: BooleanArray = deadlines.iter().map(|d| Some(*d > watermark)).collect();
        let kept = filter_record_batch(&batch, &in_time).map_err(|e| broken(&e))?;
        let late = (0..).zip(&deadlines).filter(|(_, d)| **d <= watermark);
        context.drop_late(late.map(|(row, _)| row));
        deadlines.retain(|d| *d > watermark);
        Ok((kept, deadlines))
    }

    /// Emits the pairs of rows; returns which rows have partners.
    fn meet(&mut self, arrived: &Arrived, context: &mut Context) -> Result<Vec<bool>, Failure> {
        let mut matched = vec![false; arrived.groups.len()];
        let (mut come, mut kept) = (Vec::new(), Vec::new());
        for (row, &group) in (0_u32..).zip(&arrived.groups) {
            let (_, other) = self.join.state.sides(arrived.port);
            for partner in other.rows(group).filter(|partner| other.is_kept(*partner)) {
                come.push(row);
                kept.push(partner);
            }
            if come.len() >= EMIT_ROWS {
                self.look(arrived, &mut come, &mut kept, &mut matched, context)?;
            }
        }
        self.look(arrived, &mut come, &mut kept, &mut matched, context)?;
        if self.join.kind == Type::Semi && arrived.port == 0 {
            let mut pairs = Pairs::default();
            let rows = (0_u32..).zip(&matched).filter(|(_, matched)| **matched);
            rows.for_each(|(row, _)| pairs.push(row, NONE, ADDED));
            self.join.emit(arrived, &mut pairs, context)?;
        }
        Ok(matched)
    }

    /// Looks at candidates: those that pass the condition become pairs.
    fn look(
        &mut self,
        arrived: &Arrived,
        come: &mut Vec<u32>,
        kept: &mut Vec<u32>,
        matched: &mut [bool],
        context: &mut Context,
    ) -> Result<(), Failure> {
        if come.is_empty() {
            return Ok(());
        }
        self.join.keep_passing(arrived, come, kept)?;
        let existence = self.is_existence();
        let (_, other) = self.join.state.sides(arrived.port);
        let mut pairs = Pairs::default();
        let mut first_matched = Vec::new();
        for (&row, &partner) in come.iter().zip(kept.iter()) {
            matched[row as usize] = true;
            let first = other
                .matches_mut()
                .is_some_and(|counts| std::mem::replace(&mut counts[partner as usize], 1) == 0);
            if first {
                first_matched.push(partner);
            }
            if !existence {
                pairs.push(row, partner, ADDED);
            } else if first && arrived.port == 1 {
                pairs.push(NONE, partner, ADDED);
                // A left row's fate is decided: it needs no second partner.
                other.forget(partner);
            }
        }
        other.write(&first_matched);
        come.clear();
        kept.clear();
        if self.join.kind == Type::Anti {
            return Ok(());
        }
        self.join.emit(arrived, &mut pairs, context)
    }

    /// Keeps the rows for which partners may come; of the others, those without partners are emitted if that is asked.
    fn remember(
        &mut self,
        arrived: &Arrived,
        deadlines: &[i64],
        matched: &[bool],
        context: &mut Context,
    ) -> Result<(), Failure> {
        let side = arrived.port;
        let decided = self.is_existence() && side == 0;
        let alone = self.join.keeps_unmatched(side);
        let mut pairs = Pairs::default();
        let mut stays = Vec::with_capacity(matched.len());
        for (row, &matched) in (0_u32..).zip(matched) {
            let at = row as usize;
            let waits = deadlines[at] > self.watermark.0 && arrived.groups[at] != NONE;
            if !waits && alone && !matched {
                pairs.push(row, NONE, ADDED);
            }
            stays.push(waits && !(decided && matched));
        }
        self.join.emit(arrived, &mut pairs, context)?;
        let pick = |values: &mut dyn Iterator<Item = u32>| -> Vec<u32> {
            let kept = values.zip(&stays).filter(|(_, stays)| **stays);
            kept.map(|(value, _)| value).collect()
        };
        let groups = pick(&mut arrived.groups.iter().copied());
        let matches = pick(&mut matched.iter().map(|matched| u32::from(*matched)));
        let kept = deadlines.iter().zip(&stays).filter(|(_, stays)| **stays);
        self.expiry[side].extend(kept.map(|(deadline, _)| *deadline));
        let rows = if groups.len() == stays.len() {
            arrived.batch.clone()
        } else {
            filter_record_batch(&arrived.batch, &BooleanArray::from(stays)).map_err(|e| broken(&e))?
        };
        let (own, _) = self.join.state.sides(side);
        own.insert(rows, &groups, &matches)
    }

    /// Lets rows of a side go whose time is over.
    fn expire(&mut self, side: usize, context: &mut Context) -> Result<(), Failure> {
        let alone = self.join.keeps_unmatched(side);
        let nothing = Arrived {
            port: 1 - side,
            batch: self.empty[1 - side].clone(),
            groups: Vec::new(),
            ops: None,
        };
        let mut pairs = Pairs::default();
        for row in self.expiry[side].due(self.watermark.0) {
            let (own, _) = self.join.state.sides(side);
            if !own.is_kept(row) {
                continue;
            }
            let matched = own.matches_mut().is_none_or(|counts| counts[row as usize] > 0);
            own.forget(row);
            if alone && !matched {
                pairs.push(NONE, row, ADDED);
                if pairs.len() == EMIT_ROWS {
                    self.join.emit(&nothing, &mut pairs, context)?;
                }
            }
        }
        self.join.emit(&nothing, &mut pairs, context)
    }

    fn advance(&mut self, watermark: EventTime, context: &mut Context) -> Result<(), Failure> {
        self.watermark = self.watermark.max(watermark);
        for side in 0..2 {
            self.expire(side, context)?;
        }
        for (side, kept) in self.join.state.compact()?.into_iter().enumerate() {
            if let Some(kept) = kept {
                self.expiry[side].renumber(&kept);
            }
        }
        Ok(())
    }
}

impl Operator for TimedJoin {
    fn on_batch(&mut self, port: usize, batch: RecordBatch, context: &mut Context) -> Result<(), Failure> {
        self.join.surround(context);
        let (batch, deadlines) = self.in_time(port, batch, context)?;
        if batch.num_rows() == 0 {
            return Ok(());
        }
        let keys: Vec<_> = self.join.keys[port]
            .iter()
            .map(|&k| batch.column(k).clone())
            .collect();
        let mut groups = self.join.state.groups(&keys, batch.num_rows())?;
        for nulls in keys.iter().filter_map(Array::logical_nulls) {
            for (group, _) in groups.iter_mut().zip(&nulls).filter(|(_, valid)| !valid) {
                *group = NONE;
            }
        }
        let arrived = Arrived {
            port,
            batch,
            groups,
            ops: None,
        };
        let matched = self.meet(&arrived, context)?;
        self.remember(&arrived, &deadlines, &matched, context)
    }

    fn is_timed(&self) -> bool {
        self.join.is_surrounded()
    }

    fn on_watermark(&mut self, watermark: EventTime, context: &mut Context) -> Result<(), Failure> {
        self.advance(watermark, context)
    }

    fn output_watermark(&self, watermark: EventTime) -> EventTime {
        if watermark == EventTime::MAX {
            watermark
        } else {
            EventTime(watermark.0.saturating_sub(self.delay_ms))
        }
    }

    fn tables(&self) -> Vec<Table> {
        let tables = self.join.tables().into_iter().enumerate();
        let due = |(side, table): (usize, Table)| {
            table.due(Due {
                column: self.join.state.place(side, self.times[side]),
                after_ms: self.waits_ms[side],
                grain_ms: self.expiry[side].grain_ms(),
            })
        };
        tables.map(due).collect()
    }

    fn is_partitioned(&self) -> bool {
        true
    }

    fn partition(&self, port: usize, batch: &RecordBatch) -> Vec<ArrayRef> {
        self.join.partition(port, batch)
    }

    fn track_changes(&mut self) {
        self.join.track_changes();
    }

    fn snapshot(&mut self, scope: Scope, into: &mut Snapshot) -> Result<(), Failure> {
        self.join.snapshot(scope, into)
    }

    fn restore(&mut self, table: usize, rows: &RecordBatch) -> Result<(), Failure> {
        let rows = self.join.state.restore(table, rows)?;
        // When rows go is in their times.
        let deadlines = self.deadlines(table, &rows);
        self.expiry[table].extend(deadlines.into_iter());
        Ok(())
    }

    fn restored(&mut self, watermark: EventTime) -> Result<(), Failure> {
        self.watermark = watermark;
        self.join.restored(watermark)
    }

    fn on_end(&mut self, context: &mut Context) -> Result<(), Failure> {
        self.advance(EventTime::MAX, context)
    }
}
