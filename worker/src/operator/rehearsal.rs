//! A stream through an operator, as it is and restored from its own snapshots all along the way: the same must come out.

use arrow_array::RecordBatch;
use arrow_cast::display::{ArrayFormatter, FormatOptions};
use weir_model::EventTime;

use super::{Context, Operator};
use crate::state::rehearse::Rehearsed;

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
pub(super) fn check(make: impl Fn() -> Box<dyn Operator> + Clone + Send + 'static, calls: &[Call]) {
    check_after(make, calls, |_| {});
}

/// Checks that a restored operator emits the same rows at each call; in which order is not said of keys.
pub(super) fn check_sorted(make: impl Fn() -> Box<dyn Operator> + Clone + Send + 'static, calls: &[Call]) {
    check_after(make, calls, |rows| rows.sort_unstable());
}

fn check_after(
    make: impl Fn() -> Box<dyn Operator> + Clone + Send + 'static,
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
