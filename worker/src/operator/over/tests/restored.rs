//! Operators that are restored from their own snapshots again and again, beside ones that are not.

use arrow_array::{Float64Array, StringArray};
use weir_connector::{RowKind, changelog};
use weir_proto::graph::{OverFunction, over_function::Kind};

use super::*;
use crate::{
    operator::rehearsal::texts,
    state::{Change, Scope, Snapshot, backend::tests::spilled::spilled, rehearse::Rehearsed},
};

/// Key, value, text and time, and of a changing input which earlier row it takes back instead of coming.
type Row = (u8, Option<i64>, Option<u8>, i64, Option<usize>);

const KEY: u32 = 0;
const VALUE: u32 = 1;
const TEXT: u32 = 2;
const TIME: u32 = 3;

fn input(changes: bool) -> SchemaRef {
    let time = DataType::Timestamp(TimeUnit::Millisecond, None);
    let mut fields = vec![
        Field::new("k", DataType::Float64, true),
        Field::new("v", DataType::Int64, true),
        Field::new("s", DataType::Utf8, true),
        Field::new("ts", time, false),
    ];
    fields.extend(changes.then(changelog::op_field));
    Arc::new(Schema::new(fields))
}

/// Of keys that are equal though their bits are not, too.
fn key(number: u8) -> Option<f64> {
    [None, Some(0.0), Some(-0.0), Some(f64::NAN), Some(1.5)][usize::from(number) % 5]
}

fn rows_of(rows: &[Row], kinds: Option<Vec<i8>>) -> RecordBatch {
    let text = |row: &Row| row.2.map(|s| "ab".repeat(usize::from(s)));
    let mut columns: Vec<ArrayRef> = vec![
        Arc::new(rows.iter().map(|row| key(row.0)).collect::<Float64Array>()),
        Arc::new(rows.iter().map(|row| row.1).collect::<Int64Array>()),
        Arc::new(rows.iter().map(text).collect::<StringArray>()),
        Arc::new(
            rows.iter()
                .map(|row| Some(row.3))
                .collect::<TimestampMillisecondArray>(),
        ),
    ];
    let changes = kinds.is_some();
    columns.extend(kinds.map(changelog::column));
    RecordBatch::try_new(input(changes), columns).expect("fits")
}

fn result(data_type: &DataType) -> Vec<u8> {
    schema::encode(&Schema::new(vec![Field::new("r", data_type.clone(), true)])).expect("encodes")
}

fn aggregate(function: AggregateFunction, column: Option<u32>, result_type: &DataType) -> graph::Aggregate {
    graph::Aggregate {
        function: function.into(),
        column,
        result: result(result_type),
        separator: ",".into(),
        ..Default::default()
    }
}

fn own(kind: Kind, column: Option<u32>, result_type: &DataType) -> OverFunction {
    OverFunction {
        kind: kind.into(),
        column,
        offset: 2,
        default_column: (kind == Kind::Lag).then_some(VALUE),
        result: result(result_type),
    }
}

/// Every kind of function there is, with the type of its results.
fn functions() -> Vec<(GraphFunction, DataType)> {
    use AggregateFunction as F;
    use DataType as T;
    let aggregates = [
        (F::CountStar, None, T::Int64, false),
        (F::Count, Some(TEXT), T::Int64, false),
        (F::Sum, Some(VALUE), T::Int64, false),
        (F::Avg, Some(VALUE), T::Int64, false),
        (F::Min, Some(VALUE), T::Int64, false),
        (F::Max, Some(TEXT), T::Utf8, false),
        (F::Sum, Some(VALUE), T::Int64, true),
        (F::Count, Some(TEXT), T::Int64, true),
        (F::VarPop, Some(VALUE), T::Float64, false),
        (F::Listagg, Some(TEXT), T::Utf8, false),
        (F::Listagg, Some(TEXT), T::Utf8, true),
    ];
    let own_ones = [
        (Kind::RowNumber, None, T::Int64),
        (Kind::Rank, None, T::Int64),
        (Kind::DenseRank, None, T::Int64),
        (Kind::Lag, Some(VALUE), T::Int64),
        (Kind::FirstValue, Some(TEXT), T::Utf8),
        (Kind::LastValue, Some(VALUE), T::Int64),
    ];
    let aggregates = aggregates.into_iter().map(|(function, column, t, distinct)| {
        let aggregate = graph::Aggregate {
            distinct,
            ..aggregate(function, column, &t)
        };
        (GraphFunction::Aggregate(aggregate), t)
    });
    let own_ones = own_ones
        .into_iter()
        .map(|(kind, column, t)| (GraphFunction::Own(own(kind, column, &t)), t));
    aggregates.chain(own_ones).collect()
}

fn frame() -> impl Strategy<Value = Option<GraphFrame>> {
    prop_oneof![
        2 => Just(None),
        1 => (0..4_u64).prop_map(|rows| Some(GraphFrame::RowsPreceding(rows))),
        1 => (0..20_i64).prop_map(|ms| Some(GraphFrame::RangePrecedingMs(ms))),
    ]
}

/// Some functions, each with a frame.
fn calls() -> impl Strategy<Value = Vec<(usize, Option<GraphFrame>)>> {
    prop::collection::vec((0..functions().len(), frame()), 1..5)
}

fn over(
    keys: &[u32],
    order: Ordering,
    order_by: &[u32],
    calls: &[(usize, Option<GraphFrame>)],
    changes: bool,
) -> Box<dyn Operator> {
    let (mut graph_calls, mut fields) = (Vec::new(), input(false).fields().to_vec());
    for (number, frame) in calls {
        let (function, data_type) = functions().swap_remove(*number);
        let numbers = matches!(&function, GraphFunction::Own(own) if !matches!(own.kind(), Kind::FirstValue | Kind::LastValue));
        let frame = frame.filter(|_| !numbers);
        fields.push(Arc::new(Field::new(
            format!("r{}", fields.len()),
            data_type,
            true,
        )));
        graph_calls.push(OverCall {
            function: Some(function),
            frame,
            with_peers: !numbers && !matches!(frame, Some(GraphFrame::RowsPreceding(_))),
        });
    }
    fields.extend((order == Ordering::Columns).then(|| Arc::new(changelog::op_field())));
    let order_by = order_by.iter().map(|column| SortColumn {
        column: *column,
        descending: false,
        nulls_first: true,
    });
    let graph = OverAggregate {
        keys: keys.to_vec(),
        order: order.into(),
        order_by: order_by.collect(),
        calls: graph_calls,
        passed: vec![KEY, VALUE, TEXT, TIME],
    };
    build(&graph, &input(changes), Arc::new(Schema::new(fields))).expect("fits")
}

/// What comes out of each call: of each key in order, keys in any.
fn run(operator: &mut dyn Operator, batches: &[Vec<Row>], changes: bool) -> Vec<Vec<String>> {
    let mut context = Context::default();
    let (mut out, mut live) = (Vec::new(), Vec::new());
    for (at, rows) in batches.iter().enumerate() {
        let at = 7 * at as i64;
        context.now_ms = at;
        if operator.timer_ms().is_some_and(|timer| timer <= at) {
            operator.on_processing_time(&mut context).expect("forgets");
        }
        let rows: Vec<Row> = rows
            .iter()
            .map(|row| (row.0, row.1, row.2, row.3 + at, row.4))
            .collect();
        let batch = if changes {
            changed(&rows, &mut live)
        } else {
            rows_of(&rows, None)
        };
        operator.on_batch(0, batch, &mut context).expect("takes rows");
        out.push(by_key(&mut context));
        operator.on_watermark(EventTime(at), &mut context).expect("fires");
        out.push(by_key(&mut context));
    }
    operator.on_end(&mut context).expect("ends");
    out.push(by_key(&mut context));
    out
}

fn by_key(context: &mut Context) -> Vec<String> {
    let mut rows: Vec<String> = context
        .emitted
        .drain(..)
        .flat_map(|batch| texts(&batch))
        .collect();
    let key = |row: &String| {
        let key = row.split(' ').next().unwrap_or_default();
        key.trim_start_matches('-').to_owned()
    };
    rows.sort_by_key(key);
    rows
}

/// Rows that come, and rows that go among those that are there.
fn changed(rows: &[Row], live: &mut Vec<Row>) -> RecordBatch {
    let (mut moved, mut kinds) = (Vec::new(), Vec::new());
    for row in rows {
        if let Some(which) = row.4.filter(|_| !live.is_empty()) {
            moved.push(live.swap_remove(which % live.len()));
            kinds.push(RowKind::Delete.byte());
        } else {
            moved.push(*row);
            live.push(*row);
            kinds.push(RowKind::Insert.byte());
        }
    }
    rows_of(&moved, Some(kinds))
}

fn batches() -> impl Strategy<Value = Vec<Vec<Row>>> {
    let value = prop::option::weighted(0.8, 0..6_i64);
    let text = prop::option::weighted(0.8, 0..4_u8);
    let row = (
        0..5_u8,
        value,
        text,
        0..25_i64,
        prop::option::weighted(0.3, 0..50_usize),
    );
    prop::collection::vec(prop::collection::vec(row, 0..20), 1..10)
}

/// Holds an operator against one that is restored after every so many calls.
fn check(
    make: impl Fn() -> Box<dyn Operator> + Send + Sync + 'static,
    every: u32,
    batches: &[Vec<Row>],
    changes: bool,
) -> Result<(), TestCaseError> {
    let expected = run(make().as_mut(), batches, changes);
    let make = Box::new(move || Ok(make()));
    let mut rehearsed = Rehearsed::new(make, every).expect("has tables");
    prop_assert_eq!(run(&mut rehearsed, batches, changes), expected);
    Ok(())
}

proptest! {
    #[test]
    fn rows_in_the_order_of_event_time(
        batches in batches(), calls in calls(), every in 1..4_u32, also in any::<bool>(), keyed in any::<bool>(),
    ) {
        let order_by = if also { &[TIME, VALUE][..] } else { &[TIME] };
        let keys = if keyed { &[KEY][..] } else { &[] };
        let make = move || over(keys, Ordering::EventTime, order_by, &calls, false);
        check(make, every, &batches, false)?;
    }

    #[test]
    fn rows_in_the_order_of_arrival(
        batches in batches(), calls in calls(), every in 1..4_u32, keys in prop_oneof![Just(&[KEY][..]), Just(&[TEXT, KEY][..])],
    ) {
        check(move || over(keys, Ordering::Arrival, &[], &calls, false), every, &batches, false)?;
    }

    #[test]
    fn rows_that_may_be_taken_back(
        batches in batches(), calls in calls(), every in 1..4_u32, changes in any::<bool>(), keyed in any::<bool>(),
    ) {
        let keys = if keyed { &[KEY][..] } else { &[] };
        let make = move || over(keys, Ordering::Columns, &[TIME], &calls, changes);
        check(make, every, &batches, changes)?;
    }

    #[test]
    fn rows_in_the_order_of_other_columns(
        batches in batches(), calls in calls(), every in 1..4_u32, several in any::<bool>(),
    ) {
        let is_of_rows = |(_, frame): &(usize, Option<GraphFrame>)| !matches!(frame, Some(GraphFrame::RangePrecedingMs(_)));
        let calls: Vec<_> = calls.into_iter().filter(is_of_rows).collect();
        let order_by = if several { &[TEXT, VALUE][..] } else { &[VALUE] };
        let make = move || over(&[KEY], Ordering::Columns, order_by, &calls, true);
        check(make, every, &batches, true)?;
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn rows_whose_keys_are_on_disk(
        batches in batches(), calls in calls(), every in 1..4_u32,
        (order, changes) in prop::sample::select(vec![
            (Ordering::EventTime, false), (Ordering::Arrival, false), (Ordering::Columns, false), (Ordering::Columns, true),
        ]),
    ) {
        // How floats are rounded depends on rows that no frame reaches any more: those go later from a disk.
        prop_assume!(!calls.iter().any(|(number, _)| functions()[*number].1 == DataType::Float64));
        let order_by = if order == Ordering::Arrival { &[][..] } else { &[TIME] };
        let make = move || over(&[TEXT], order, order_by, &calls, changes);
        let sorted = |mut calls: Vec<Vec<String>>| {
            for rows in &mut calls {
                rows.sort_unstable();
            }
            calls
        };
        let expected = run(make().as_mut(), &batches, changes);
        let mut spilled = spilled(Box::new(move || Ok(make())), every);
        let actual = run(spilled.as_mut(), &batches, changes);
        prop_assert_eq!(sorted(actual), sorted(expected));
    }
}

#[test]
fn keys_that_a_snapshot_knows_are_kept_until_the_next_one_says_that_they_are_gone() {
    let (mut over, schema) = sum(Some(GraphFrame::RangePrecedingMs(10)));
    let mut context = Context::default();
    over.track_changes();
    let rows: Vec<_> = (0..10_000).map(|key| (key, Some(1), 5)).collect();
    over.on_batch(0, batch(&schema, &rows), &mut context)
        .expect("waits");
    over.on_watermark(EventTime(5), &mut context).expect("fires");
    let told = |over: &mut TimedOver| {
        let mut snapshot = Snapshot::new(over.tables());
        over.snapshot(Scope::Changes, &mut snapshot).expect("says");
        snapshot.into_changes()
    };
    let changes = told(&mut over);
    assert!(
        matches!(changes.as_slice(), [Change::Write { table: 1, rows }] if rows.num_rows() == 10_000),
        "{changes:?}"
    );
    over.on_watermark(EventTime(100), &mut context).expect("forgets");
    assert_eq!(
        over.state_sizes(),
        (10_000, 0),
        "keys of which the next snapshot has to tell"
    );
    let changes = told(&mut over);
    assert!(
        matches!(changes.as_slice(), [Change::Delete { table: 1, keys }] if keys.num_rows() == 10_000),
        "{changes:?}"
    );
    over.on_watermark(EventTime(200), &mut context).expect("forgets");
    assert_eq!(over.state_sizes(), (0, 0));
}
