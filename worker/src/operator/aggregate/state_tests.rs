//! The state of every accumulator, taken out in the middle of what it does and put into another one, which goes on as the first one does.

use std::{
    collections::HashMap,
    sync::{Arc, LazyLock},
};

use arrow_array::{
    ArrayRef, BooleanArray, Date32Array, Decimal128Array, Float64Array, Int32Array, Int64Array, RecordBatch,
    StringArray, StructArray, UInt32Array,
};
use arrow_buffer::NullBuffer;
use arrow_schema::{DataType, Field, Fields, Schema};
use proptest::{prelude::*, sample::Index, test_runner::TestRunner};
use weir_functions::wasm::{Limits, Module, WasmAggregate};
use weir_proto::{
    graph::{self, AggregateFunction as F},
    schema,
};

use super::*;
use crate::state::{Table, codec::Codec};

const WEIGHTED_MEAN: &str = include_str!("../../../../examples/wasm-aggregate/weighted_mean.wat");

/// Kept as long as accumulators may be made of it.
static MODULE: LazyLock<Arc<Module>> =
    LazyLock::new(|| Module::load(WEIGHTED_MEAN.as_bytes()).expect("a module"));

/// A row: its group, a number of its own, and a value.
#[derive(Clone, Copy, Debug)]
struct Row {
    group: u8,
    serial: u32,
    value: Option<i8>,
}

/// Rows that come, and which of those that are there go then.
type Step = (Vec<(u8, Option<i8>)>, Vec<Index>);

/// Makes the argument of rows.
type Column = fn(&[Row]) -> ArrayRef;

struct Case {
    name: String,
    shape: Shape,
    column: Option<Column>,
}

fn int64(rows: &[Row]) -> ArrayRef {
    Arc::new(
        rows.iter()
            .map(|r| r.value.map(i64::from))
            .collect::<Int64Array>(),
    )
}

fn int32(rows: &[Row]) -> ArrayRef {
    Arc::new(
        rows.iter()
            .map(|r| r.value.map(i32::from))
            .collect::<Int32Array>(),
    )
}

fn double(rows: &[Row]) -> ArrayRef {
    let value = |v: i8| if v == 7 { f64::NAN } else { f64::from(v) * 0.1 };
    Arc::new(rows.iter().map(|r| r.value.map(value)).collect::<Float64Array>())
}

fn decimal(rows: &[Row]) -> ArrayRef {
    // Some sums are out of range.
    let most = 10_i128.pow(37) * 9;
    let value = |v: i8| if v == 7 { most } else { i128::from(v) };
    let values: Decimal128Array = rows.iter().map(|r| r.value.map(value)).collect();
    Arc::new(values.with_precision_and_scale(38, 2).expect("a type"))
}

fn text(rows: &[Row]) -> ArrayRef {
    let value = |v: i8| "x".repeat(v.unsigned_abs().into()) + &v.to_string();
    Arc::new(rows.iter().map(|r| r.value.map(value)).collect::<StringArray>())
}

fn boolean(rows: &[Row]) -> ArrayRef {
    Arc::new(
        rows.iter()
            .map(|r| r.value.map(|v| v > 0))
            .collect::<BooleanArray>(),
    )
}

fn date(rows: &[Row]) -> ArrayRef {
    Arc::new(
        rows.iter()
            .map(|r| r.value.map(i32::from))
            .collect::<Date32Array>(),
    )
}

/// Members of an object, each with a key of its own.
fn member(rows: &[Row]) -> ArrayRef {
    let member = |r: &Row| r.value.map(|v| format!("\"{}\":{v}", r.serial));
    Arc::new(rows.iter().map(member).collect::<StringArray>())
}

/// ROWs of one value each, which may be null.
fn packed(rows: &[Row]) -> ArrayRef {
    let fields = Fields::from(vec![Field::new("f0", DataType::Int64, true)]);
    Arc::new(StructArray::new(fields, vec![int64(rows)], None))
}

/// ROWs of a value and a weight.
fn weighted(rows: &[Row]) -> ArrayRef {
    let field = |name: &str| Field::new(name, DataType::Float64, true);
    let fields = Fields::from(vec![field("f0"), field("f1")]);
    let weights = rows.iter().map(|r| r.value.map(|v| f64::from(v).abs() + 1.0));
    let columns: Vec<ArrayRef> = vec![double(rows), Arc::new(weights.collect::<Float64Array>())];
    let nulls = NullBuffer::new(rows.iter().map(|r| r.value.is_some()).collect());
    Arc::new(StructArray::new(fields, columns, Some(nulls)))
}

fn list_of(element: DataType) -> DataType {
    DataType::List(Arc::new(Field::new("element", element, true)))
}

fn map_of_counts(key: DataType) -> DataType {
    let fields = vec![
        Field::new("key", key, false),
        Field::new("value", DataType::Int32, false),
    ];
    let entries = Field::new("entries", DataType::Struct(fields.into()), false);
    DataType::Map(Arc::new(entries), false)
}

/// A function, its argument, its result, and whether the values of a group may be taken once each.
fn functions() -> Vec<(F, Option<Column>, DataType, bool)> {
    use DataType::{Boolean, Date32, Decimal128, Float64, Int32, Int64, Utf8};
    let mut functions: Vec<(F, Option<Column>, DataType, bool)> = vec![
        (F::CountStar, None, Int64, false),
        (F::Count, Some(text), Int64, true),
        (F::Sum, Some(int32), Int32, true),
        (F::Sum, Some(int64), Int64, true),
        (F::Sum, Some(double), Float64, true),
        (F::Sum, Some(decimal), Decimal128(38, 2), true),
        (F::Avg, Some(int64), Int64, true),
        (F::Avg, Some(double), Float64, true),
        (F::Avg, Some(decimal), Decimal128(38, 6), true),
        (F::Listagg, Some(text), Utf8, true),
        (F::JsonArrayagg, Some(text), Utf8, true),
        (F::JsonObjectagg, Some(member), Utf8, false),
        (F::ArrayAgg, Some(date), list_of(Date32), true),
        (F::ArrayAgg, Some(packed), list_of(Int64), true),
        (F::Percentile, Some(double), list_of(Float64), true),
        (F::Collect, Some(text), map_of_counts(Utf8), true),
        (F::Collect, Some(int64), map_of_counts(Int64), true),
        (F::User, Some(weighted), Float64, false),
    ];
    for of_order in [F::Min, F::Max, F::FirstValue, F::LastValue] {
        let kinds: [(Column, DataType); 5] = [
            (int64, Int64),
            (double, Float64),
            (text, Utf8),
            (boolean, Boolean),
            (decimal, Decimal128(38, 2)),
        ];
        functions.extend(kinds.map(|(column, result)| (of_order, Some(column), result, false)));
    }
    let spreads = [F::StddevPop, F::StddevSamp, F::VarPop, F::VarSamp];
    functions.extend(spreads.map(|function| (function, Some(double as Column), Float64, true)));
    functions
}

fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (function, column, result, may_be_distinct) in functions() {
        for (distinct, retracts) in [(false, false), (false, true), (true, false), (true, true)] {
            if distinct && !may_be_distinct {
                continue;
            }
            let argument = column.map(|column| column(&[]).data_type().clone());
            cases.push(Case {
                name: format!("{function:?} of {argument:?}, distinct {distinct}, retracts {retracts}"),
                shape: shape(function, argument, &result, (distinct, retracts)),
                column,
            });
        }
    }
    cases
}

fn shape(
    function: F,
    argument: Option<DataType>,
    result: &DataType,
    (distinct, retracts): (bool, bool),
) -> Shape {
    let field = |name, data_type: &DataType| Schema::new(vec![Field::new(name, data_type.clone(), true)]);
    let user = || {
        let mean = WasmAggregate::new("weighted_mean", Arc::clone(&MODULE), Limits::default());
        let mean = mean.expect("an aggregate");
        graph::WasmFunction {
            name: "weighted_mean".into(),
            definition: mean.encode(),
        }
    };
    let aggregate = graph::Aggregate {
        function: function.into(),
        column: argument.as_ref().map(|_| 0),
        result: schema::encode(&field("result", result)).expect("encodes"),
        separator: "; ".into(),
        percentages: vec![0.25, 0.5],
        packed: matches!((function, &argument), (F::ArrayAgg, Some(DataType::Struct(_)))),
        user: (function == F::User).then(user),
        distinct,
        name: String::new(),
    };
    let input = field("x", &argument.unwrap_or(DataType::Int64));
    let shape = Shape::of_raw(&aggregate, &input).expect("a shape");
    if retracts { shape.retracting() } else { shape }
}

/// An accumulator with the numbers of its groups.
struct Numbered {
    accumulator: Box<dyn Accumulator>,
    numbers: HashMap<u8, u32>,
}

impl Numbered {
    fn new(case: &Case) -> Self {
        Self {
            accumulator: case.shape.accumulator().expect("supported"),
            numbers: HashMap::new(),
        }
    }

    fn change(&mut self, case: &Case, rows: &[Row], comes: bool) {
        let mut ids = Vec::new();
        for row in rows {
            let next = self.numbers.len() as u32;
            ids.push(*self.numbers.entry(row.group).or_insert(next));
        }
        let groups = Groups {
            ids: Some(&ids),
            rows: ids.len(),
            total: self.numbers.len(),
        };
        let column = case.column.map(|column| column(rows));
        let changed = if comes {
            self.accumulator.update(groups, column.as_ref())
        } else {
            self.accumulator.retract(groups, column.as_ref())
        };
        changed.unwrap_or_else(|e| panic!("{}: {e}", case.name));
    }

    fn all(&self) -> Vec<u32> {
        (0..self.numbers.len() as u32).rev().collect()
    }

    fn results(&self) -> ArrayRef {
        self.accumulator.finish_of(&self.all()).expect("finishes")
    }

    fn state(&self, groups: &[u32]) -> Vec<ArrayRef> {
        self.accumulator.state_of(groups).expect("a state")
    }
}

/// The rows that are there, and those that come and go.
#[derive(Default)]
struct Stream {
    rows: Vec<Row>,
    serial: u32,
}

impl Stream {
    fn step(&mut self, (come, go): &Step, retracts: bool) -> (Vec<Row>, Vec<Row>) {
        let rows = (self.serial..)
            .zip(come)
            .map(|(serial, &(group, value))| Row { group, serial, value });
        let come: Vec<Row> = rows.collect();
        self.serial += come.len() as u32;
        self.rows.extend_from_slice(&come);
        let mut gone = Vec::new();
        for at in go.iter().filter(|_| retracts) {
            if !self.rows.is_empty() {
                gone.push(self.rows.remove(at.index(self.rows.len())));
            }
        }
        (come, gone)
    }
}

/// Columns as a checkpoint keeps them.
fn kept(types: &[DataType], columns: Vec<ArrayRef>) -> Vec<ArrayRef> {
    let table = Table::new("t", &[], &[DataType::UInt32], types);
    let codec = Codec::new(table.clone(), 0, 0, 1).expect("types that can be kept");
    let rows = columns.first().map_or(0, |column| column.len());
    if rows == 0 {
        return columns;
    }
    let numbers: ArrayRef = Arc::new((0..rows as u32).collect::<UInt32Array>());
    let columns = std::iter::once(numbers).chain(columns).collect();
    let batch = RecordBatch::try_new(table.schema.clone(), columns).expect("the types that it said");
    let mut entries = Vec::new();
    codec
        .encode(&batch, |key, value| entries.push((key.to_vec(), value.to_vec())))
        .expect("encodes");
    let read = codec.decode(entries.iter().map(|(k, v)| (k.as_slice(), v.as_slice())));
    read.expect("decodes").columns()[1..].to_vec()
}

/// Takes the state of some groups out, and puts it into another accumulator in two pieces.
fn restored(case: &Case, whole: &Numbered, wanted: &[u32], cut: usize) -> Numbered {
    let mut other = Numbered::new(case);
    let types = other.accumulator.state_types();
    let state = kept(&types, whole.state(wanted));
    for piece in [0..cut, cut..wanted.len()] {
        let ids: Vec<u32> = piece.clone().map(|id| id as u32).collect();
        let groups = Groups {
            ids: Some(&ids),
            rows: ids.len(),
            total: piece.end,
        };
        let state: Vec<ArrayRef> = state.iter().map(|s| s.slice(piece.start, ids.len())).collect();
        other.accumulator.restore(groups, &state).expect("restores");
    }
    let place = |number: &u32| wanted.iter().position(|n| n == number);
    let numbers = whole.numbers.iter();
    other.numbers = numbers
        .filter_map(|(&group, number)| Some((group, place(number)? as u32)))
        .collect();
    assert_eq!(
        other.state(&other.all()),
        whole.state(&reversed(wanted)),
        "{}",
        case.name
    );
    other
}

fn reversed(groups: &[u32]) -> Vec<u32> {
    groups.iter().rev().copied().collect()
}

fn check(case: &Case, steps: &[Step], order: &[Index], cut: Index) {
    let retracts = case.shape.retracts;
    let (mut stream, mut whole) = (Stream::default(), Numbered::new(case));
    let (first, rest) = steps.split_at(steps.len() / 2);
    for step in first {
        let (come, gone) = stream.step(step, retracts);
        whole.change(case, &come, true);
        if retracts {
            whole.change(case, &gone, false);
        }
    }
    let mut wanted = whole.all();
    let skipped = order[0].index(2).min(wanted.len());
    for i in 1..wanted.len() {
        wanted.swap(i, order[i % order.len()].index(i + 1));
    }
    wanted.drain(..skipped);
    let before = whole.results();
    let mut other = restored(case, &whole, &wanted, cut.index(wanted.len() + 1));
    assert_eq!(
        &whole.results(),
        &before,
        "{}: state leaves it as it is",
        case.name
    );
    whole.accumulator.keep(&wanted).expect("keeps");
    whole.numbers.clone_from(&other.numbers);
    stream.rows.retain(|row| whole.numbers.contains_key(&row.group));
    same(case, &whole, &other);
    for step in rest {
        let (come, gone) = stream.step(step, retracts);
        for accumulator in [&mut whole, &mut other] {
            accumulator.change(case, &come, true);
            if retracts {
                accumulator.change(case, &gone, false);
            }
        }
        same(case, &whole, &other);
    }
}

fn same(case: &Case, whole: &Numbered, other: &Numbered) {
    let all = whole.all();
    assert_eq!(whole.numbers, other.numbers);
    assert_eq!(&whole.results(), &other.results(), "{}", case.name);
    assert_eq!(whole.state(&all), other.state(&all), "{}", case.name);
    if !case.shape.retracts {
        let partial = |of: &Numbered| of.accumulator.partial(0..all.len()).expect("partial columns");
        assert_eq!(partial(whole), partial(other), "{}", case.name);
    }
}

/// A group that an aggregate was added to has the results of the rows from then on.
#[test]
fn every_accumulator_that_loses_no_rows_can_begin_without_a_state() {
    for case in &cases() {
        let part = case.shape.part().expect("a part");
        let Some(begun) = part.begun(1) else {
            assert!(case.shape.retracts, "{}", case.name);
            continue;
        };
        assert!(!case.shape.retracts, "{}", case.name);
        let begun = kept(&part.types, begun.expect("columns"));
        let (mut added, mut fresh) = (Numbered::new(case), Numbered::new(case));
        let one = Groups {
            ids: Some(&[0]),
            rows: 1,
            total: 1,
        };
        added.accumulator.restore(one, &begun).expect("restores");
        added.numbers.insert(3, 0);
        let values = [Some(4), None, Some(-2), Some(4)];
        let rows = (0..).zip(values).map(|(serial, value)| Row {
            group: 3,
            serial,
            value,
        });
        let rows: Vec<Row> = rows.collect();
        for numbered in [&mut added, &mut fresh] {
            numbered.change(case, &rows, true);
        }
        same(case, &fresh, &added);
    }
}

#[test]
fn every_accumulator_goes_on_from_its_state() {
    let cases = cases();
    let rows = prop::collection::vec((0..6_u8, prop::option::weighted(0.8, -9..9_i8)), 0..12);
    let step = (rows, prop::collection::vec(any::<Index>(), 0..6));
    let script = (
        prop::collection::vec(step, 2..8),
        prop::collection::vec(any::<Index>(), 6),
        any::<Index>(),
    );
    let mut runner = TestRunner::new(ProptestConfig::with_cases(32));
    let run = runner.run(&script, |(steps, order, cut)| {
        for case in &cases {
            check(case, &steps, &order, cut);
        }
        Ok(())
    });
    run.unwrap_or_else(|e| panic!("{e}"));
}
