use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use arrow_array::{
    Array, ArrayRef, Decimal128Array, Float64Array, Int64Array, RecordBatch, StringArray,
    TimestampMillisecondArray,
    cast::AsArray,
    types::{Decimal128Type, Float64Type, Int64Type, TimestampMillisecondType},
};
use arrow_schema::{DataType, Field, Schema, SchemaRef, TimeUnit};
use proptest::prelude::*;
use weir_connector::{RowKind, changelog};
use weir_model::EventTime;
use weir_proto::{
    graph::{self, AggregateFunction as F, window::Kind},
    schema,
};

use crate::{
    expression::testing,
    operator::{Context, Operator, build},
    state::{backend::tests::spilled::spilled, rehearse::Rehearsed},
};

const MS: DataType = DataType::Timestamp(TimeUnit::Millisecond, None);
const DECIMAL: DataType = DataType::Decimal128(10, 2);
const BIG_DECIMAL: DataType = DataType::Decimal128(38, 2);
const AVERAGE: DataType = DataType::Decimal128(38, 6);

/// The raw rows of the tests: `ts, k, name, n, d, f`.
fn raw() -> SchemaRef {
    testing::schema(&[
        ("ts", MS),
        ("k", DataType::Int64),
        ("name", DataType::Utf8),
        ("n", DataType::Int64),
        ("d", DECIMAL),
        ("f", DataType::Float64),
    ])
}

/// Each aggregate: function, argument, result type, partial types.
fn aggregates() -> Vec<(F, Option<u32>, DataType, Vec<DataType>)> {
    vec![
        (F::CountStar, None, DataType::Int64, vec![DataType::Int64]),
        (F::Count, Some(2), DataType::Int64, vec![DataType::Int64]),
        (F::Sum, Some(3), DataType::Int64, vec![DataType::Int64]),
        (F::Min, Some(3), DataType::Int64, vec![DataType::Int64]),
        (F::Max, Some(2), DataType::Utf8, vec![DataType::Utf8]),
        (F::Avg, Some(4), AVERAGE, vec![BIG_DECIMAL, DataType::Int64]),
        (
            F::Avg,
            Some(5),
            DataType::Float64,
            vec![DataType::Float64, DataType::Int64],
        ),
    ]
}

/// The two phases of a tumbling window of 10 ms grouped by columns of the raw rows.
struct Phases {
    local: graph::Operator,
    global: graph::Operator,
    /// The only phase, over raw rows.
    only: graph::Operator,
    /// The same with results that come with every batch, and late rows up to [`LATENESS_MS`].
    updating: graph::Operator,
    partial: SchemaRef,
    kept: Kept,
}

/// What becomes of the state of phases while they run.
#[derive(Clone, Copy, Debug)]
enum Kept {
    InMemory,
    /// After so many calls they are restored from their snapshots.
    Restored(u32),
    /// It is written to a database after so many batches.
    Spilled(u32),
}

/// How far behind a window's end rows still change its result.
const LATENESS_MS: i64 = 7;

fn phases(keys: &[u32], offset_ms: i64) -> Phases {
    phases_of(
        keys,
        Kind::Tumble(graph::TumbleWindow {
            size_ms: 10,
            offset_ms,
        }),
    )
}

fn phases_of(keys: &[u32], kind: Kind) -> Phases {
    let window = graph::Window {
        time_column: 0,
        attached: false,
        kind: Some(kind),
    };
    let key_fields = keys.iter().map(|&k| raw().field(k as usize).clone());
    let field = |name: &str, data_type: &DataType| Field::new(name, data_type.clone(), true);
    let partials = aggregates().into_iter().flat_map(|a| a.3);
    let partial: Vec<Field> = key_fields
        .clone()
        .chain(partials.map(|t| field("p", &t)))
        .chain([field("$pane", &MS), field("$rows", &DataType::Int64)])
        .collect();
    let moments = ["window_start", "window_end", "window_time"].map(|name| field(name, &MS));
    let results = aggregates().into_iter().map(|a| field("r", &a.2));
    let output: Vec<Field> = key_fields.chain(results).chain(moments).collect();
    let aggregates: Vec<_> = aggregates()
        .into_iter()
        .map(|(function, column, result, _)| graph::Aggregate {
            function: function.into(),
            column,
            result: schema::encode(&Schema::new(vec![field("r", &result)])).expect("encodes"),
            ..Default::default()
        })
        .collect();
    let local = graph::LocalWindowAggregate {
        window: Some(window),
        keys: keys.to_vec(),
        aggregates: aggregates.clone(),
    };
    let global = graph::WindowAggregate {
        window: Some(window),
        key_count: keys.len() as u32,
        aggregates,
        ..graph::WindowAggregate::default()
    };
    let only = graph::WindowAggregate {
        raw: true,
        keys: keys.to_vec(),
        key_count: 0,
        ..global.clone()
    };
    let updating = graph::WindowAggregate {
        emit: Some(graph::Emit {
            early_delay_ms: Some(0),
            late_delay_ms: 0,
            allowed_lateness_ms: LATENESS_MS as u64,
        }),
        ..only.clone()
    };
    let changes = output.iter().cloned().chain([changelog::op_field()]);
    let partial = Arc::new(Schema::new(partial));
    Phases {
        only: operator(
            &Schema::new(output.clone()),
            graph::operator::Spec::WindowAggregate(only),
        ),
        updating: operator(
            &Schema::new(changes.collect::<Vec<_>>()),
            graph::operator::Spec::WindowAggregate(updating),
        ),
        local: operator(&partial, graph::operator::Spec::LocalWindowAggregate(local)),
        global: operator(
            &Schema::new(output),
            graph::operator::Spec::WindowAggregate(global),
        ),
        partial,
        kept: Kept::InMemory,
    }
}

fn operator(output: &Schema, spec: graph::operator::Spec) -> graph::Operator {
    graph::Operator {
        schema: schema::encode(output).expect("encodes"),
        spec: Some(spec),
        ..Default::default()
    }
}

impl Phases {
    fn local(&self) -> Box<dyn Operator> {
        build(&self.local, Some(raw())).expect("a local phase")
    }

    fn global(&self) -> Box<dyn Operator> {
        self.kept(&self.global, Arc::clone(&self.partial))
    }

    fn only(&self) -> Box<dyn Operator> {
        self.kept(&self.only, raw())
    }

    fn updating(&self) -> Box<dyn Operator> {
        self.kept(&self.updating, raw())
    }

    fn kept(&self, operator: &graph::Operator, input: SchemaRef) -> Box<dyn Operator> {
        let operator = operator.clone();
        let make = move || build(&operator, Some(Arc::clone(&input)));
        let operator = make().expect("an operator");
        match self.kept {
            Kept::Spilled(every) if operator.is_windowed() => spilled(Box::new(make), every),
            Kept::InMemory | Kept::Spilled(_) => operator,
            Kept::Restored(every) => {
                Box::new(Rehearsed::new(Box::new(make), every).expect("an operator with tables"))
            }
        }
    }
}

#[derive(Clone, Debug)]
struct Row {
    ts: i64,
    k: Option<i64>,
    name: Option<String>,
    n: Option<i64>,
    d: Option<i128>,
    f: Option<f64>,
}

fn row(ts: i64, k: i64, n: i64) -> Row {
    Row {
        ts,
        k: Some(k),
        name: None,
        n: Some(n),
        d: None,
        f: None,
    }
}

fn rows(rows: &[Row]) -> RecordBatch {
    let d = rows.iter().map(|r| r.d).collect::<Decimal128Array>();
    let columns: Vec<ArrayRef> = vec![
        Arc::new(
            rows.iter()
                .map(|r| Some(r.ts))
                .collect::<TimestampMillisecondArray>(),
        ),
        Arc::new(rows.iter().map(|r| r.k).collect::<Int64Array>()),
        Arc::new(rows.iter().map(|r| r.name.clone()).collect::<StringArray>()),
        Arc::new(rows.iter().map(|r| r.n).collect::<Int64Array>()),
        Arc::new(d.with_precision_and_scale(10, 2).expect("a decimal type")),
        Arc::new(rows.iter().map(|r| r.f).collect::<Float64Array>()),
    ];
    RecordBatch::try_new(raw(), columns).expect("raw rows")
}

/// A key as text, per key column.
type Key = Vec<String>;

/// A result row without its window: count, count of names, sum, min, max name, average decimal, average float.
#[derive(Clone, Debug, PartialEq)]
struct Result {
    count: i64,
    names: i64,
    sum: Option<i64>,
    min: Option<i64>,
    max_name: Option<String>,
    average: Option<i128>,
    mean: Option<f64>,
}

/// What a batch oracle says of some rows.
fn naive(window: &[&Row]) -> Result {
    let numbers: Vec<i64> = window.iter().filter_map(|r| r.n).collect();
    let decimals: Vec<i128> = window.iter().filter_map(|r| r.d).collect();
    let floats: Vec<f64> = window.iter().filter_map(|r| r.f).collect();
    let average = (!decimals.is_empty()).then(|| {
        let (sum, count) = (decimals.iter().sum::<i128>() * 10_000, decimals.len() as i128);
        (2 * sum.abs() + count) / (2 * count) * sum.signum()
    });
    Result {
        count: window.len() as i64,
        names: window.iter().filter(|r| r.name.is_some()).count() as i64,
        sum: (!numbers.is_empty()).then(|| numbers.iter().fold(0, |a: i64, b| a.wrapping_add(*b))),
        min: numbers.iter().copied().min(),
        max_name: window.iter().filter_map(|r| r.name.clone()).max(),
        average,
        // Halves add without an error, in any order.
        mean: (!floats.is_empty()).then(|| floats.iter().sum::<f64>() / floats.len() as f64),
    }
}

fn key_of(row: &Row, keys: &[u32]) -> Key {
    let one = |&k: &u32| {
        if k == 1 {
            format!("{:?}", row.k)
        } else {
            format!("{:?}", row.name)
        }
    };
    keys.iter().map(one).collect()
}

/// Result rows of tumbling windows by start and key; each comes once.
fn results(batches: &[RecordBatch], keys: &[u32]) -> BTreeMap<(i64, Key), Result> {
    let found = windowed_results(batches, keys).into_iter();
    found
        .map(|(((start, end), key), result)| {
            assert_eq!(end, start + 10);
            ((start, key), result)
        })
        .collect()
}

/// Result rows by start and end of the window, and key; each comes once.
fn windowed_results(batches: &[RecordBatch], keys: &[u32]) -> BTreeMap<((i64, i64), Key), Result> {
    let mut found = BTreeMap::new();
    for batch in batches {
        assert!(batch.num_rows() <= 8192);
        let moment = |from_end: usize| {
            batch
                .column(batch.num_columns() - from_end)
                .as_primitive::<TimestampMillisecondType>()
                .values()
                .clone()
        };
        let (starts, ends, times) = (moment(3), moment(2), moment(1));
        assert!(ends.is_sorted(), "windows come in the order of time");
        for i in 0..batch.num_rows() {
            assert_eq!(times[i], ends[i] - 1);
            let key = keys.iter().enumerate().map(|(c, &k)| match k {
                1 => format!("{:?}", int(batch, c, i)),
                _ => format!("{:?}", text(batch, c, i)),
            });
            let key = ((starts[i], ends[i]), key.collect());
            assert!(
                found.insert(key, result(batch, keys.len(), i)).is_none(),
                "a window fires once per key"
            );
        }
    }
    found
}

fn int(batch: &RecordBatch, column: usize, row: usize) -> Option<i64> {
    let column = batch.column(column).as_primitive::<Int64Type>();
    column.is_valid(row).then(|| column.value(row))
}

fn text(batch: &RecordBatch, column: usize, row: usize) -> Option<String> {
    let column = batch.column(column).as_string::<i32>();
    column.is_valid(row).then(|| column.value(row).to_owned())
}

fn result(batch: &RecordBatch, at: usize, row: usize) -> Result {
    let average = batch.column(at + 5).as_primitive::<Decimal128Type>();
    let mean = batch.column(at + 6).as_primitive::<Float64Type>();
    Result {
        count: int(batch, at, row).expect("a count"),
        names: int(batch, at + 1, row).expect("a count"),
        sum: int(batch, at + 2, row),
        min: int(batch, at + 3, row),
        max_name: text(batch, at + 4, row),
        average: average.is_valid(row).then(|| average.value(row)),
        mean: mean.is_valid(row).then(|| mean.value(row)),
    }
}

/// The rows that are left when all changes have happened; each change fits what was there.
fn materialized(batches: &[RecordBatch], keys: &[u32]) -> BTreeMap<((i64, i64), Key), Result> {
    let mut left = BTreeMap::new();
    for batch in batches {
        let ops = changelog::ops(batch).expect("changes").clone();
        let columns: Vec<usize> = (0..batch.num_columns() - 1).collect();
        let rows = batch.project(&columns).expect("columns without what changes do");
        for i in 0..rows.num_rows() {
            let mut one = windowed_results(&[rows.slice(i, 1)], keys);
            let (key, result) = one.pop_first().expect("a row");
            if changelog::adds(ops.value(i)) {
                assert!(left.insert(key, result).is_none(), "a row is added once");
            } else {
                assert_ne!(ops.value(i), RowKind::Delete.byte(), "no window goes");
                assert_eq!(left.remove(&key), Some(result), "what is taken back was there");
            }
        }
    }
    left
}

/// Feeds what an operator emitted to another.
fn forward(from: &mut Context, to: &mut dyn Operator, into: &mut Context) {
    for batch in from.emitted.drain(..) {
        to.on_batch(0, batch, into).expect("partial rows");
    }
}

#[test]
fn windows_fire_when_the_watermark_reaches_their_last_millisecond() {
    let phases = phases(&[1], 0);
    let (mut local, mut global) = (phases.local(), phases.global());
    let (mut between, mut out) = (Context::default(), Context::default());
    local
        .on_batch(
            0,
            rows(&[row(-1, 1, 5), row(0, 1, 6), row(9, 1, 7), row(10, 1, 8)]),
            &mut between,
        )
        .expect("rows");
    assert_eq!(between.emitted, [], "held until the watermark passes");
    for (watermark, fired) in [
        (-2, vec![]),
        (-1, vec![(-10, 5)]),
        (8, vec![]),
        (9, vec![(0, 13)]),
    ] {
        local
            .on_watermark(EventTime(watermark), &mut between)
            .expect("flushes");
        forward(&mut between, global.as_mut(), &mut out);
        global
            .on_watermark(EventTime(watermark), &mut out)
            .expect("fires");
        let sums: Vec<_> = results(&out.emitted, &[1])
            .into_iter()
            .map(|((start, _), r)| (start, r.sum.expect("a sum")))
            .collect();
        assert_eq!(sums, fired, "at {watermark}");
        out.emitted.clear();
    }
    local.on_end(&mut between).expect("flushes");
    forward(&mut between, global.as_mut(), &mut out);
    global.on_end(&mut out).expect("fires");
    assert_eq!(results(&out.emitted, &[1]).len(), 1, "the rest fires at the end");
}

#[test]
fn late_rows_are_counted_and_not_aggregated() {
    let phases = phases(&[], 0);
    let (mut local, mut global) = (phases.local(), phases.global());
    let (mut between, mut out) = (Context::default(), Context::default());
    global
        .on_watermark(EventTime(9), &mut out)
        .expect("nothing to fire");
    local
        .on_batch(
            0,
            rows(&[row(3, 1, 1), row(9, 1, 1), row(12, 1, 1)]),
            &mut between,
        )
        .expect("rows");
    local.on_idle(&mut between).expect("flushes");
    forward(&mut between, global.as_mut(), &mut out);
    global.on_watermark(EventTime::MAX, &mut out).expect("fires");
    assert_eq!(out.late_rows, 2);
    let results = results(&out.emitted, &[]);
    assert_eq!(
        results
            .into_iter()
            .map(|((start, _), r)| (start, r.count))
            .collect::<Vec<_>>(),
        [(10, 1)]
    );
}

#[test]
fn offsets_shift_panes_and_extreme_times_do_not_overflow() {
    let window = |offset_ms| super::grid::Grid::new(0, 10, offset_ms);
    let cases = [
        (0, 0, 0),
        (0, 9, 0),
        (0, -1, -10),
        (0, -10, -10),
        (3, 2, -7),
        (3, 3, 3),
        (-7, 3, 3),
        (-7, 12, 3),
        (0, i64::MIN, i64::MIN),
        (0, i64::MAX, i64::MAX - 7),
    ];
    for (offset, time, start) in cases {
        assert_eq!(window(offset).start(time), start, "{time} with offset {offset}");
    }
    assert_eq!(window(0).last(i64::MAX - 7), EventTime::MAX);
}

#[test]
fn rows_of_one_pane_are_not_copied_and_scattered_rows_are_gathered() {
    let window = super::grid::Grid::new(0, 10, 0);
    let parts = |times: &[i64]| {
        let batch = rows(&times.iter().map(|&t| row(t, 1, t)).collect::<Vec<_>>());
        let parts = window.split(&batch).expect("splits");
        let values = |p: &super::grid::Part| {
            p.of(batch.column(3))
                .expect("rows")
                .as_primitive::<Int64Type>()
                .values()
                .to_vec()
        };
        let copied = parts
            .iter()
            .all(|p| !Arc::ptr_eq(&p.of(batch.column(3)).expect("rows"), batch.column(3)));
        (
            copied,
            parts.iter().map(|p| (p.start, values(p))).collect::<Vec<_>>(),
        )
    };
    assert_eq!(parts(&[1, 5, 0, 9]), (false, vec![(0, vec![1, 5, 0, 9])]));
    assert_eq!(
        parts(&[1, 5, 10, 3]),
        (true, vec![(0, vec![1, 5]), (10, vec![10]), (0, vec![3])])
    );
    let zigzag: Vec<i64> = (0..20).map(|i| (i % 2) * 10 + i / 2).collect();
    assert_eq!(
        parts(&zigzag),
        (true, vec![(0, (0..10).collect()), (10, (10..20).collect())])
    );
}

#[test]
fn rows_whose_keys_hardly_repeat_are_passed_through_with_the_same_result() {
    let phases = phases(&[1], 0);
    let (mut local, mut global) = (phases.local(), phases.global());
    let (mut between, mut out) = (Context::default(), Context::default());
    let batches: Vec<Vec<Row>> = (0..6)
        .map(|b| (0..8192).map(|i| row(i % 30, b * 8192 + i, i)).collect())
        .collect();
    let mut passed = 0;
    for batch in &batches {
        local.on_batch(0, rows(batch), &mut between).expect("rows");
        passed += between.emitted.iter().map(RecordBatch::num_rows).sum::<usize>();
        forward(&mut between, global.as_mut(), &mut out);
        local.on_idle(&mut between).expect("flushes");
        forward(&mut between, global.as_mut(), &mut out);
    }
    assert_eq!(passed, 4 * 8192, "after two batches that were folded for nothing");
    global.on_watermark(EventTime::MAX, &mut out).expect("fires");
    let results = results(&out.emitted, &[1]);
    assert_eq!(results.len(), 6 * 8192);
    assert!(results.values().all(|r| r.count == 1));
    let expected: i64 = batches.iter().flatten().filter_map(|r| r.n).sum();
    assert_eq!(results.values().filter_map(|r| r.sum).sum::<i64>(), expected);
}

#[test]
fn too_many_groups_are_handed_on_early() {
    let phases = phases(&[1], 0);
    let mut local = phases.local();
    let mut between = Context::default();
    let mut fed = 0;
    while between.emitted.is_empty() {
        let batch: Vec<Row> = (0..8192).map(|i| row(0, (fed + i) >> 1, 1)).collect();
        local.on_batch(0, rows(&batch), &mut between).expect("rows");
        fed += 8192;
        assert!(fed < 200_000, "4 MiB of groups are enough");
    }
    // Two rows a group of about 54 bytes.
    assert!(fed >= 140_000, "{fed}");
    let emitted: usize = between.emitted.iter().map(RecordBatch::num_rows).sum();
    assert_eq!(emitted as i64, fed / 2);
}

#[test]
fn a_schema_that_does_not_fit_is_refused() {
    let mut phases = phases(&[1], 0);
    phases.local.schema = schema::encode(&raw()).expect("encodes");
    let failure = build(&phases.local, Some(raw())).err().expect("other columns");
    assert_eq!(failure.class, weir_model::FailureClass::Internal);
    assert!(build(&phases.global, Some(raw())).is_err());
    assert!(build(&phases.global, None).is_err());
}

fn any_row() -> impl Strategy<Value = Row> {
    (
        -40_i64..60,
        prop::option::of(0_i64..4),
        prop::option::of("[a-c]{0,2}"),
        prop::option::of(any::<i64>()),
        prop::option::of(-1_000_000_i128..1_000_000),
        prop::option::of(-8_i8..8),
    )
        .prop_map(|(ts, k, name, n, d, f)| Row {
            ts,
            k,
            name,
            n,
            d,
            f: f.map(|f| f64::from(f) / 2.0),
        })
}

/// What reaches one of the local phases.
#[derive(Clone, Debug)]
enum Step {
    Rows(Vec<Row>),
    Idle,
    /// The watermark of every phase rises by so much.
    Time(i64),
}

fn any_step() -> impl Strategy<Value = (usize, Step)> {
    let step = prop_oneof![
        4 => prop::collection::vec(any_row(), 1..30).prop_map(Step::Rows),
        1 => Just(Step::Idle),
        2 => (0_i64..25).prop_map(Step::Time),
    ];
    (0_usize..3, step)
}

const KINDS: [Naive; 4] = [
    Naive {
        size: 10,
        slide: 10,
        grow: None,
    },
    Naive {
        size: 12,
        slide: 3,
        grow: None,
    },
    Naive {
        size: 10,
        slide: 4,
        grow: None,
    },
    Naive {
        size: 12,
        slide: 12,
        grow: Some(4),
    },
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Up to three local phases into one global phase, rows out of order and late, against plain maps.
    #[test]
    fn two_phases_and_one_give_what_a_plain_map_gives(
        steps in prop::collection::vec(any_step(), 1..25),
        keys in prop::sample::select(vec![vec![], vec![1], vec![2], vec![1, 2]]),
        offset_ms in -12_i64..12,
        kind in prop::sample::select(KINDS.to_vec()),
        restarts in prop::option::of(1..4_u32),
    ) {
        let kept = restarts.map_or(Kept::InMemory, Kept::Restored);
        check_phases(steps, &keys, offset_ms, kind, kept)?;
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn windows_that_are_on_disk_give_what_a_plain_map_gives(
        steps in prop::collection::vec(any_step(), 1..25),
        keys in prop::sample::select(vec![vec![1], vec![2], vec![1, 2]]),
        offset_ms in -12_i64..12,
        kind in prop::sample::select(KINDS.to_vec()),
        every in 1..4_u32,
    ) {
        check_phases(steps, &keys, offset_ms, kind, Kept::Spilled(every))?;
    }
}

fn check_phases(
    steps: Vec<(usize, Step)>,
    keys: &[u32],
    offset_ms: i64,
    kind: Naive,
    kept: Kept,
) -> std::result::Result<(), TestCaseError> {
    let phases = Phases {
        kept,
        ..phases_of(keys, kind.spec(offset_ms))
    };
    let mut locals: Vec<_> = (0..3).map(|_| phases.local()).collect();
    let mut global = phases.global();
    let (mut between, mut out) = (Context::default(), Context::default());
    let mut watermark = -60;
    let (mut only, mut updating) = (phases.only(), phases.updating());
    let (mut raw_out, mut changes) = (Context::default(), Context::default());
    let mut windows: BTreeMap<((i64, i64), Key), Vec<Row>> = BTreeMap::new();
    let mut allowed = windows.clone();
    let (mut late, mut too_late) = (0, 0);
    for (to, step) in steps {
        match step {
            Step::Rows(batch) => {
                for row in &batch {
                    let mut open = kind.windows(row.ts, offset_ms);
                    open.retain(|(_, end)| end - 1 > watermark);
                    late += u64::from(open.is_empty());
                    for window in open {
                        windows
                            .entry((window, key_of(row, keys)))
                            .or_default()
                            .push(row.clone());
                    }
                    let mut open = kind.windows(row.ts, offset_ms);
                    open.retain(|(_, end)| end - 1 + LATENESS_MS > watermark);
                    too_late += u64::from(open.is_empty());
                    for window in open {
                        allowed
                            .entry((window, key_of(row, keys)))
                            .or_default()
                            .push(row.clone());
                    }
                }
                for (operator, out) in [(&mut only, &mut raw_out), (&mut updating, &mut changes)] {
                    operator.on_batch(0, rows(&batch), out).expect("rows");
                    prop_assert_eq!(out.late.len() as u64, out.late_rows);
                }
                locals[to].on_batch(0, rows(&batch), &mut between).expect("rows");
                // Nothing is held back, so that what is late does not depend on when the local phase hands on.
                locals[to].on_idle(&mut between).expect("flushes");
                forward(&mut between, global.as_mut(), &mut out);
            }
            Step::Idle => {
                locals[to].on_idle(&mut between).expect("flushes");
                forward(&mut between, global.as_mut(), &mut out);
            }
            Step::Time(by) => {
                watermark += by;
                for local in &mut locals {
                    local
                        .on_watermark(EventTime(watermark), &mut between)
                        .expect("flushes");
                    forward(&mut between, global.as_mut(), &mut out);
                }
                global
                    .on_watermark(EventTime(watermark), &mut out)
                    .expect("fires");
                only.on_watermark(EventTime(watermark), &mut raw_out)
                    .expect("fires");
                updating
                    .on_watermark(EventTime(watermark), &mut changes)
                    .expect("fires");
            }
        }
    }
    only.on_end(&mut raw_out).expect("fires");
    updating.on_end(&mut changes).expect("fires");
    for local in &mut locals {
        local.on_end(&mut between).expect("flushes");
        forward(&mut between, global.as_mut(), &mut out);
    }
    global.on_end(&mut out).expect("fires");

    let naive_of = |windows: BTreeMap<((i64, i64), Key), Vec<Row>>| -> BTreeMap<_, _> {
        let windows = windows.into_iter();
        windows
            .map(|(key, rows)| (key, naive(&rows.iter().collect::<Vec<_>>())))
            .collect()
    };
    prop_assert_eq!(materialized(&changes.emitted, keys), naive_of(allowed));
    prop_assert_eq!(changes.late_rows, too_late);
    let expected = naive_of(windows);
    prop_assert_eq!(&windowed_results(&raw_out.emitted, keys), &expected);
    prop_assert_eq!(raw_out.late_rows, late);
    let found = windowed_results(&out.emitted, keys);
    let missing: BTreeSet<_> = expected.keys().filter(|k| !found.contains_key(*k)).collect();
    prop_assert!(missing.is_empty(), "missing {missing:?}");
    prop_assert_eq!(found, expected);
    prop_assert_eq!(out.late_rows, late);
    Ok(())
}

/// Windows of a size at every slide, or from each start growing by steps.
#[derive(Clone, Copy, Debug)]
struct Naive {
    size: i64,
    slide: i64,
    grow: Option<i64>,
}

impl Naive {
    fn spec(self, offset_ms: i64) -> Kind {
        match self.grow {
            Some(step_ms) => Kind::Cumulate(graph::CumulateWindow {
                max_size_ms: self.size,
                step_ms,
                offset_ms,
            }),
            None if self.size == self.slide => Kind::Tumble(graph::TumbleWindow {
                size_ms: self.size,
                offset_ms,
            }),
            None => Kind::Hop(graph::HopWindow {
                size_ms: self.size,
                slide_ms: self.slide,
                offset_ms,
            }),
        }
    }

    /// Start and end of all windows that hold a moment.
    fn windows(self, time: i64, offset: i64) -> Vec<(i64, i64)> {
        let all = (-40..40).map(|n| n * self.slide + offset % self.slide);
        let ends = |start: i64| match self.grow {
            Some(step) => (1..=self.size / step).map(|n| start + n * step).collect(),
            None => vec![start + self.size],
        };
        all.flat_map(|start| ends(start).into_iter().map(move |end| (start, end)))
            .filter(|(start, end)| (*start..*end).contains(&time))
            .collect()
    }
}
