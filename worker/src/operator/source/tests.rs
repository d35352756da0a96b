use std::{sync::Arc, time::Duration};

use arrow_array::{
    ArrayRef, Int64Array, RecordBatch, StringArray, TimestampMillisecondArray, cast::AsArray,
    types::Int64Type,
};
use arrow_schema::{DataType, TimeUnit};
use datafusion_common::ScalarValue;
use datafusion_expr::Operator;
use weir_model::{EventTime, FailureClass};
use weir_proto::{graph, schema};

use super::{SourceStage, SplitsWatermark};
use crate::{
    expression::testing::{self, Expr, batch, binary, bytes, cast, column, literal, named},
    operator::Context,
};

const MS: DataType = DataType::Timestamp(TimeUnit::Millisecond, None);

fn times(values: &[Option<i64>]) -> ArrayRef {
    Arc::new(TimestampMillisecondArray::from(values.to_vec()))
}

fn rows(values: &[i64]) -> RecordBatch {
    let ids = Int64Array::from_iter_values(0..values.len() as i64);
    let values: Vec<_> = values.iter().copied().map(Some).collect();
    batch(vec![("id", Arc::new(ids)), ("ts", times(&values))])
}

fn interval(ms: i64) -> Expr {
    literal(ScalarValue::new_interval_mdn(0, 0, ms * 1_000_000))
}

/// `id, ts` with `ts - delay` as the watermark, or another expression.
fn stage(splits: usize, idle_timeout_ms: u64, filter: Option<&Expr>, watermark: &Expr) -> SourceStage {
    let scan = testing::schema(&[("id", DataType::Int64), ("ts", MS)]);
    let source = graph::Source {
        table: None,
        scan_schema: schema::encode(&scan).expect("encodes"),
        projection: vec![
            named("id", &column("id", &scan)),
            named("ts", &column("ts", &scan)),
        ],
        watermark: Some(graph::Watermark {
            time_column: 1,
            expr: bytes(watermark),
            idle_timeout_ms,
            emitted_columns: 1,
            ..graph::Watermark::default()
        }),
        filter: filter.map(bytes),
    };
    SourceStage::new(&source, testing::schema(&[("id", DataType::Int64)]), splits).expect("a stage")
}

fn delayed(splits: usize, idle_timeout_ms: u64) -> SourceStage {
    let scan = testing::schema(&[("id", DataType::Int64), ("ts", MS)]);
    let watermark = binary(column("ts", &scan), Operator::Minus, interval(10));
    stage(splits, idle_timeout_ms, None, &watermark)
}

fn read(stage: &mut SourceStage, split: usize, values: &[i64]) -> SplitsWatermark {
    let mut context = Context::default();
    stage
        .on_rows(split, rows(values), &mut context)
        .expect("good rows");
    stage.watermark()
}

#[test]
fn the_watermark_is_the_minimum_over_splits_of_what_their_rows_imply() {
    let mut stage = delayed(2, 0);
    assert_eq!(stage.watermark(), SplitsWatermark::Unknown);
    assert_eq!(
        read(&mut stage, 0, &[100, 250, 200]),
        SplitsWatermark::Unknown,
        "split 1 holds time back"
    );
    assert_eq!(
        read(&mut stage, 1, &[120]),
        SplitsWatermark::Active(EventTime(110))
    );
    assert_eq!(
        read(&mut stage, 1, &[90]),
        SplitsWatermark::Active(EventTime(110)),
        "monotone"
    );
    assert_eq!(
        read(&mut stage, 1, &[900]),
        SplitsWatermark::Active(EventTime(240))
    );
}

#[test]
fn a_split_that_ended_no_longer_holds_time_back() {
    let mut stage = delayed(2, 0);
    read(&mut stage, 0, &[100]);
    stage.on_split_end(1);
    assert_eq!(stage.watermark(), SplitsWatermark::Active(EventTime(90)));
    stage.on_split_end(0);
    assert_eq!(stage.watermark(), SplitsWatermark::Active(EventTime::MAX));
}

#[test]
fn a_silent_split_becomes_idle_and_comes_back() {
    let mut stage = delayed(2, 1000);
    let seconds = Duration::from_secs;
    stage.on_tick(seconds(10));
    read(&mut stage, 0, &[100]);
    stage.on_tick(Duration::from_millis(10_900));
    assert_eq!(
        stage.watermark(),
        SplitsWatermark::Unknown,
        "split 1 has been silent for 900 ms only"
    );
    stage.on_tick(seconds(11));
    assert_eq!(
        stage.watermark(),
        SplitsWatermark::Active(EventTime(90)),
        "only split 1 is idle"
    );
    stage.on_tick(seconds(12));
    assert_eq!(stage.watermark(), SplitsWatermark::Idle(Some(EventTime(90))));
    assert_eq!(
        read(&mut stage, 1, &[50]),
        SplitsWatermark::Active(EventTime(90)),
        "never back"
    );
    assert_eq!(
        read(&mut stage, 1, &[200]),
        SplitsWatermark::Active(EventTime(190))
    );
}

#[test]
fn when_all_are_idle_time_is_as_far_as_the_furthest_split() {
    let mut stage = delayed(3, 1000);
    stage.on_tick(Duration::ZERO);
    read(&mut stage, 0, &[100]);
    read(&mut stage, 1, &[300]);
    for second in 1..4 {
        stage.on_tick(Duration::from_secs(second));
    }
    assert_eq!(stage.watermark(), SplitsWatermark::Idle(Some(EventTime(290))));
}

#[test]
fn without_a_timeout_no_split_is_ever_idle() {
    let mut stage = delayed(2, 0);
    read(&mut stage, 0, &[100]);
    for second in 0..1000 {
        stage.on_tick(Duration::from_secs(second));
    }
    assert_eq!(stage.watermark(), SplitsWatermark::Unknown);
}

#[test]
fn splits_that_show_no_rows_at_all_are_idle_without_a_time() {
    let mut stage = delayed(1, 1000);
    stage.on_tick(Duration::ZERO);
    stage.on_tick(Duration::from_secs(1));
    assert_eq!(stage.watermark(), SplitsWatermark::Idle(None));
}

#[test]
fn a_subtask_without_splits_is_at_the_end_of_time() {
    assert_eq!(delayed(0, 0).watermark(), SplitsWatermark::Active(EventTime::MAX));
}

#[test]
fn rows_that_the_filter_drops_move_time_and_time_columns_are_not_emitted() {
    let scan = testing::schema(&[("id", DataType::Int64), ("ts", MS)]);
    let late = literal(ScalarValue::TimestampMillisecond(Some(200), None));
    let filter = binary(column("ts", &scan), Operator::Lt, late);
    let mut stage = stage(1, 0, Some(&filter), &column("ts", &scan));
    let mut context = Context::default();
    stage
        .on_rows(0, rows(&[100, 300, 150]), &mut context)
        .expect("good rows");
    assert_eq!(stage.watermark(), SplitsWatermark::Active(EventTime(300)));
    let [emitted] = context.emitted.as_slice() else {
        panic!("{:?}", context.emitted)
    };
    assert_eq!(emitted.num_columns(), 1);
    assert_eq!(emitted.column(0).as_primitive::<Int64Type>().values(), &[0, 2]);
}

#[test]
fn a_null_event_time_is_the_users_failure_with_its_row() {
    let mut stage = delayed(1, 0);
    let ids: ArrayRef = Arc::new(Int64Array::from(vec![7, 8]));
    let bad = batch(vec![("id", ids), ("ts", times(&[Some(1), None]))]);
    let failure = stage
        .on_rows(0, bad, &mut Context::default())
        .expect_err("no time");
    assert_eq!(failure.class, FailureClass::User);
    assert!(
        failure.message.starts_with("the event-time column 'ts' is null"),
        "{failure}"
    );
    assert_eq!(failure.place.as_deref(), Some(r#"row {"id":8,"ts":null}"#));
}

#[test]
fn one_row_decides_for_every_watermark_that_rises_with_its_column() {
    let scan = testing::schema(&[("id", DataType::Int64), ("ts", MS)]);
    let ts = || column("ts", &scan);
    let of_int = cast(cast(ts(), DataType::Int64), MS);
    let duration = literal(ScalarValue::DurationMillisecond(Some(5)));
    let cases: [(Expr, i64, bool); 5] = [
        (ts(), 300, true),
        (binary(ts(), Operator::Plus, interval(5)), 305, true),
        (cast(binary(ts(), Operator::Minus, duration), MS), 295, true),
        (
            cast(cast(ts(), DataType::Timestamp(TimeUnit::Second, None)), MS),
            0,
            true,
        ),
        (of_int, 300, false),
    ];
    for (watermark, expected, one_row) in cases {
        let mut stage = stage(1, 0, None, &watermark);
        let monotone = stage.time.as_ref().expect("event time").expression.monotone_in;
        assert_eq!(monotone, one_row.then_some(1), "{watermark}");
        assert_eq!(
            read(&mut stage, 0, &[100, 300, 200]),
            SplitsWatermark::Active(EventTime(expected)),
            "{watermark}"
        );
    }
}

#[test]
fn event_time_of_another_type_is_refused() {
    let scan = testing::schema(&[("ts", DataType::Utf8)]);
    let source = graph::Source {
        table: None,
        scan_schema: schema::encode(&scan).expect("encodes"),
        projection: vec![named("ts", &column("ts", &scan))],
        watermark: Some(graph::Watermark {
            time_column: 0,
            expr: bytes(&column("ts", &scan)),
            idle_timeout_ms: 0,
            emitted_columns: 1,
            ..graph::Watermark::default()
        }),
        filter: None,
    };
    let failure = SourceStage::new(&source, scan, 1).expect_err("not a time");
    assert_eq!(failure.class, FailureClass::Internal);
}

#[test]
fn a_source_without_event_time_says_nothing_about_time() {
    let scan = testing::schema(&[("x", DataType::Utf8)]);
    let source = graph::Source {
        table: None,
        scan_schema: schema::encode(&scan).expect("encodes"),
        projection: vec![named("x", &column("x", &scan))],
        watermark: None,
        filter: None,
    };
    let mut stage = SourceStage::new(&source, Arc::clone(&scan), 1).expect("a stage");
    let mut context = Context::default();
    let batch = batch(vec![("x", Arc::new(StringArray::from(vec!["a"])))]);
    stage.on_rows(0, batch.clone(), &mut context).expect("good rows");
    assert_eq!(context.emitted, [batch]);
    assert_eq!(stage.watermark(), SplitsWatermark::Unknown);
}

#[test]
fn a_subtask_that_waits_for_splits_holds_nobody_back_and_new_splits_never_take_time_back() {
    assert_eq!(delayed(0, 0).watermark(), SplitsWatermark::Active(EventTime::MAX));
    let mut stage = delayed(0, 0);
    stage.await_splits();
    assert_eq!(stage.watermark(), SplitsWatermark::Idle(None));
    stage.on_split_added();
    let mut context = Context::default();
    stage.on_rows(0, rows(&[100]), &mut context).expect("rows");
    assert_eq!(stage.watermark(), SplitsWatermark::Active(EventTime(90)));
    stage.on_split_added();
    stage.on_rows(0, rows(&[200]), &mut context).expect("rows");
    assert_eq!(
        stage.watermark(),
        SplitsWatermark::Active(EventTime(90)),
        "the new one may be behind"
    );
    stage.on_rows(1, rows(&[150]), &mut context).expect("rows");
    assert_eq!(stage.watermark(), SplitsWatermark::Active(EventTime(140)));
    assert_eq!(stage.split_watermark(1), Some(EventTime(140)));
    stage.on_split_end(0);
    stage.on_split_end(1);
    assert_ne!(
        stage.watermark(),
        SplitsWatermark::Active(EventTime::MAX),
        "more may come"
    );
}
