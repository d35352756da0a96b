//! A stream through an operator, as it is and restored from its own snapshots all along the way, at other parallelisms too: the same
//! must come out.

use std::{collections::BTreeMap, ops::Range};

use arrow_array::{RecordBatch, UInt32Array};
use arrow_cast::display::{ArrayFormatter, FormatOptions};
use arrow_select::take::take_record_batch;
use weir_checkpoint::key_group;
use weir_model::{EventTime, Failure};

use super::{Context, Operator, ttl::sooner};
use crate::{
    exchange::hash::mix_column,
    state::{
        Change, Scope, Snapshot,
        backend::tests::spilled::spilled,
        codec::{self, Codec},
        rehearse::Rehearsed,
    },
};

/// As many key groups as jobs have.
const MAX_PARALLELISM: u32 = 1024;
/// How many operators share the rows, one after the other.
const PARALLELISMS: [u32; 4] = [3, 1, 2, 5];

/// A call of an operator.
#[derive(Clone, Debug)]
pub(super) enum Call {
    Rows(RecordBatch),
    /// Of an operator with several inputs, at this port.
    RowsOf(usize, RecordBatch),
    Watermark(i64),
    /// The time goes on to this, ms since 1970; what waits for it is called.
    Time(i64),
}

/// What a call made an operator emit, row by row, and how many rows came late.
type Emitted = (Vec<String>, u64);

/// Checks that a restored operator emits the same rows in the same order.
pub(super) fn check(make: impl Fn() -> Box<dyn Operator> + Clone + Send + Sync + 'static, calls: &[Call]) {
    check_after(make, calls, |_| {});
}

/// Checks that a restored operator emits the same rows at each call; in which order is not said of keys.
pub(super) fn check_sorted(
    make: impl Fn() -> Box<dyn Operator> + Clone + Send + Sync + 'static,
    calls: &[Call],
) {
    check_after(make, calls, |rows| rows.sort_unstable());
}

/// Checks that operators which share the rows by these columns emit, together and at each call, what one emits of all rows. After every
/// second call, another number of them is restored.
pub(super) fn check_rescaled(
    make: impl Fn() -> Box<dyn Operator> + Send + Sync + 'static,
    calls: &[Call],
    keys: &[usize],
) {
    let sort: fn(&mut Vec<String>) = |rows| rows.sort_unstable();
    let expected = run(make().as_mut(), calls, sort);
    let mut rescaled = Rescaled {
        operators: vec![make()],
        make: Box::new(make),
        keys: keys.to_vec(),
        watermark: EventTime::MIN,
        calls: 0,
    };
    assert_eq!(run(&mut rescaled, calls, sort), expected, "rescaled");
}

/// Checks that an operator that lets go of its state now and then, and gets back what it needs, emits the same rows at each call.
pub(super) fn check_spilled(
    make: impl Fn() -> Box<dyn Operator> + Clone + Send + Sync + 'static,
    calls: &[Call],
) {
    let sort: fn(&mut Vec<String>) = |rows| rows.sort_unstable();
    let expected = run(make().as_mut(), calls, sort);
    for every in 1..=3 {
        let make = make.clone();
        let mut spilled = spilled(Box::new(move || Ok(make())), every);
        let emitted = run(spilled.as_mut(), calls, sort);
        assert_eq!(emitted, expected, "written to disk after every {every} batches");
    }
}

/// Operators that do the work of one, each for its key groups.
struct Rescaled {
    make: Box<dyn Fn() -> Box<dyn Operator> + Send>,
    keys: Vec<usize>,
    operators: Vec<Box<dyn Operator>>,
    watermark: EventTime,
    calls: usize,
}

impl Rescaled {
    /// The rows that each operator gets.
    fn parts(&self, batch: &RecordBatch) -> Result<Vec<RecordBatch>, Failure> {
        let mut hashes = vec![0; batch.num_rows()];
        for key in &self.keys {
            mix_column(batch.column(*key), &mut hashes)?;
        }
        let routing = key_group::routing(self.operators.len() as u32, MAX_PARALLELISM);
        let owner = |hash: &u64| routing[key_group::of_hash(*hash, MAX_PARALLELISM) as usize];
        let owners: Vec<u32> = hashes.iter().map(owner).collect();
        let part = |subtask: u32| {
            let rows = (0..).zip(&owners).filter(|(_, owner)| **owner == subtask);
            let rows: UInt32Array = rows.map(|(row, _)| row).collect::<Vec<u32>>().into();
            take_record_batch(batch, &rows).expect("rows of the batch")
        };
        Ok((0..self.operators.len() as u32).map(part).collect())
    }

    fn called(&mut self) -> Result<(), Failure> {
        self.calls += 1;
        if !self.calls.is_multiple_of(2) {
            return Ok(());
        }
        let tables = (0..).zip(self.operators[0].tables());
        let codec = |(number, table)| Codec::new(table, 1, number, MAX_PARALLELISM);
        let codecs: Vec<Codec> = tables.map(codec).collect::<Result<_, _>>()?;
        let rows = self.rows(&codecs)?;
        let parallelism = PARALLELISMS[self.calls / 2 % PARALLELISMS.len()];
        let groups = |subtask| key_group::range(subtask, parallelism, MAX_PARALLELISM);
        let operators = (0..parallelism).map(|subtask| self.subtask(&codecs, &rows, &groups(subtask)));
        self.operators = operators.collect::<Result<_, _>>()?;
        Ok(())
    }

    /// What all operators keep.
    fn rows(&mut self, codecs: &[Codec]) -> Result<BTreeMap<Vec<u8>, Vec<u8>>, Failure> {
        let mut rows = BTreeMap::new();
        for operator in &mut self.operators {
            let mut snapshot = Snapshot::new(operator.tables());
            operator.snapshot(Scope::All, &mut snapshot)?;
            for change in snapshot.into_changes() {
                let Change::Write { table, rows: written } = change else {
                    panic!("nothing is deleted where all is said");
                };
                codecs[table].encode(&written, |key, value| {
                    let before = rows.insert(key.to_vec(), value.to_vec());
                    assert!(before.is_none(), "no two rows have the same key");
                })?;
            }
        }
        Ok(rows)
    }

    fn subtask(
        &self,
        codecs: &[Codec],
        rows: &BTreeMap<Vec<u8>, Vec<u8>>,
        groups: &Range<u32>,
    ) -> Result<Box<dyn Operator>, Failure> {
        let mut operator = (self.make)();
        for (table, codec) in codecs.iter().enumerate() {
            let is_ours = |key: &[u8]| {
                codec::place(key)
                    .is_some_and(|(group, _, of)| groups.contains(&group) && usize::from(of) == table)
            };
            let entries = rows.iter().map(|(key, value)| (key.as_slice(), value.as_slice()));
            let entries: Vec<_> = entries.filter(|(key, _)| is_ours(key)).collect();
            for entries in entries.chunks(4) {
                operator.restore(table, &codec.decode(entries.iter().copied())?)?;
            }
        }
        operator.restored(self.watermark)?;
        Ok(operator)
    }
}

impl Operator for Rescaled {
    fn on_batch(&mut self, port: usize, batch: RecordBatch, context: &mut Context) -> Result<(), Failure> {
        let parts = self.parts(&batch)?;
        for (operator, part) in self.operators.iter_mut().zip(parts) {
            operator.on_batch(port, part, context)?;
        }
        self.called()
    }

    fn on_watermark(&mut self, watermark: EventTime, context: &mut Context) -> Result<(), Failure> {
        self.watermark = watermark;
        for operator in &mut self.operators {
            operator.on_watermark(watermark, context)?;
        }
        self.called()
    }

    fn timer_ms(&self) -> Option<i64> {
        let timers = self.operators.iter().map(|operator| operator.timer_ms());
        timers.fold(None, sooner)
    }

    fn on_processing_time(&mut self, context: &mut Context) -> Result<(), Failure> {
        let now = context.now_ms;
        let is_due = |operator: &&mut Box<dyn Operator>| operator.timer_ms().is_some_and(|at| at <= now);
        for operator in self.operators.iter_mut().filter(is_due) {
            operator.on_processing_time(context)?;
        }
        self.called()
    }

    fn on_end(&mut self, context: &mut Context) -> Result<(), Failure> {
        let mut operators = self.operators.iter_mut();
        operators.try_for_each(|operator| operator.on_end(context))
    }
}

fn check_after(
    make: impl Fn() -> Box<dyn Operator> + Clone + Send + Sync + 'static,
    calls: &[Call],
    finish: fn(&mut Vec<String>),
) {
    let expected = run(make().as_mut(), calls, finish);
    for every in 1..=3 {
        let make = make.clone();
        let mut rehearsed = Rehearsed::new(Box::new(move || Ok(make())), every).expect("has tables");
        let emitted = run(&mut rehearsed, calls, finish);
        assert_eq!(emitted, expected, "restored after every {every} calls");
    }
}

fn run(operator: &mut dyn Operator, calls: &[Call], finish: fn(&mut Vec<String>)) -> Vec<Emitted> {
    let mut now_ms = 0;
    let mut of_call = |call: Option<&Call>| {
        if let Some(Call::Time(to)) = call {
            now_ms = now_ms.max(*to);
        }
        let mut context = Context {
            now_ms,
            ..Context::default()
        };
        let done = match call {
            Some(Call::Rows(rows)) => operator.on_batch(0, rows.clone(), &mut context),
            Some(Call::RowsOf(port, rows)) => operator.on_batch(*port, rows.clone(), &mut context),
            Some(Call::Watermark(at)) => operator.on_watermark(EventTime(*at), &mut context),
            Some(Call::Time(_)) => match operator.timer_ms().filter(|at| *at <= now_ms) {
                Some(_) => operator.on_processing_time(&mut context),
                None => Ok(()),
            },
            None => operator.on_end(&mut context),
        };
        done.expect("runs");
        let mut rows: Vec<String> = context.emitted.iter().flat_map(texts).collect();
        finish(&mut rows);
        (rows, context.late_rows)
    };
    let mut emitted: Vec<Emitted> = calls.iter().map(|call| of_call(Some(call))).collect();
    emitted.push(of_call(None));
    emitted
}

/// The rows of a batch.
pub(super) fn texts(batch: &RecordBatch) -> Vec<String> {
    let options = FormatOptions::default().with_null("null");
    let columns = batch.columns().iter();
    let columns: Vec<ArrayFormatter<'_>> = columns
        .map(|column| ArrayFormatter::try_new(column, &options).expect("can be shown"))
        .collect();
    let row = |row| {
        let values: Vec<String> = columns
            .iter()
            .map(|column| column.value(row).to_string())
            .collect();
        values.join(" ")
    };
    (0..batch.num_rows()).map(row).collect()
}
