use std::sync::Arc;

use arrow_array::{
    Array, BooleanArray, Date32Array, Decimal128Array, Float32Array, Float64Array, Int32Array, Int64Array,
    StringArray, StringViewArray,
};
use arrow_schema::{DataType, Field, Schema};
use weir_proto::{
    graph::{self, AggregateFunction},
    schema,
};

use super::*;

fn aggregate(function: AggregateFunction, result: DataType) -> graph::Aggregate {
    let schema = Schema::new(vec![Field::new("result", result, true)]);
    let column = (function != AggregateFunction::CountStar).then_some(0);
    graph::Aggregate {
        function: function.into(),
        column,
        result: schema::encode(&schema).expect("encodes"),
        separator: ",".into(),
        ..Default::default()
    }
}

fn shape(function: AggregateFunction, column: &ArrayRef, result: &DataType) -> Shape {
    let input = Schema::new(vec![Field::new("x", column.data_type().clone(), true)]);
    Shape::of_raw(&aggregate(function, result.clone()), &input).expect("a shape")
}

/// Group 0 gets rows 0, 2, 4, ...; group 1 rows 1, 3, ...; group 2 none of these.
fn ids(rows: usize) -> Vec<u32> {
    (0..rows as u32).map(|row| row % 2).collect()
}

fn groups(ids: &[u32]) -> Groups<'_> {
    Groups {
        ids: Some(ids),
        rows: ids.len(),
        total: 2,
    }
}

/// One accumulator over all; two partial phases merged; rows as partials merged: the results must agree, for two groups
/// and for all rows in one.
fn check(function: AggregateFunction, column: &ArrayRef, expected: &ArrayRef) {
    let result = expected.data_type();
    let shape = shape(function, column, result);
    let ids = ids(column.len());

    let mut whole = shape.accumulator().expect("supported");
    whole.update(groups(&ids), Some(column)).expect("updates");
    assert_eq!(
        &whole.finish(0..2).expect("finishes"),
        expected,
        "{function:?} in one phase"
    );
    assert_eq!(
        &whole.finish(1..2).expect("finishes"),
        &expected.slice(1, 1),
        "finishing leaves the state"
    );

    let mut merged = shape.accumulator().expect("supported");
    let half = column.len() / 2;
    for rows in [0..half, half..column.len()] {
        let mut local = shape.accumulator().expect("supported");
        let part = column.slice(rows.start, rows.len());
        local.update(groups(&ids[rows]), Some(&part)).expect("updates");
        let partial = local.partial(0..2).expect("partial columns");
        assert_eq!(
            partial.iter().map(|c| c.data_type().clone()).collect::<Vec<_>>(),
            shape.partial_types()
        );
        merged.merge(groups(&[0, 1]), &partial).expect("merges");
    }
    assert_eq!(
        &merged.finish(0..2).expect("finishes"),
        expected,
        "{function:?} in two phases"
    );

    let mut passed = shape.accumulator().expect("supported");
    let partial = shape
        .partial_of_rows(Some(column), column.len())
        .expect("partial rows");
    passed.merge(groups(&ids), &partial).expect("merges");
    assert_eq!(
        &passed.finish(0..2).expect("finishes"),
        expected,
        "{function:?} of rows passed through"
    );

    let mut single = shape.accumulator().expect("supported");
    let evens: ArrayRef = arrow_select::take::take(
        column,
        &arrow_array::UInt32Array::from_iter_values((0..column.len() as u32).step_by(2)),
        None,
    )
    .expect("takes");
    single
        .update(
            Groups {
                ids: None,
                rows: evens.len(),
                total: 1,
            },
            Some(&evens),
        )
        .expect("updates");
    assert_eq!(
        &single.finish(0..1).expect("finishes"),
        &expected.slice(0, 1),
        "{function:?} of one group"
    );

    whole.clear();
    whole.update(groups(&ids), Some(column)).expect("updates");
    assert_eq!(
        &whole.finish(0..2).expect("finishes"),
        expected,
        "{function:?} after clearing"
    );
}

fn array<A: Array + 'static>(array: A) -> ArrayRef {
    Arc::new(array)
}

fn decimals(values: Vec<Option<i128>>, precision: u8, scale: i8) -> ArrayRef {
    array(
        Decimal128Array::from(values)
            .with_precision_and_scale(precision, scale)
            .expect("a decimal type"),
    )
}

use AggregateFunction::{
    Avg, Count, FirstValue, JsonArrayagg, LastValue, Listagg, Max, Min, StddevPop, Sum, VarPop, VarSamp,
};

#[test]
fn counts_leave_nulls_out() {
    let x = array(StringArray::from(vec![Some("a"), None, None, None, Some("b")]));
    check(Count, &x, &array(Int64Array::from(vec![2, 0])));
    let x = array(StringArray::from(vec!["a", "b", "c"]));
    check(Count, &x, &array(Int64Array::from(vec![2, 1])));
}

#[test]
fn of_no_values_all_but_counts_are_null() {
    let x = array(Int64Array::from(vec![Some(5), None, Some(-7), None]));
    check(Sum, &x, &array(Int64Array::from(vec![Some(-2), None])));
    check(Min, &x, &array(Int64Array::from(vec![Some(-7), None])));
    check(Max, &x, &array(Int64Array::from(vec![Some(5), None])));
    check(Avg, &x, &array(Int64Array::from(vec![Some(-1), None])));
}

#[test]
fn integer_sums_wrap_and_integer_averages_truncate_towards_zero() {
    let x = array(Int64Array::from(vec![i64::MAX, -3, 1, -4]));
    check(Sum, &x, &array(Int64Array::from(vec![i64::MIN, -7])));
    let x = array(Int32Array::from(vec![i32::MAX, -3, 1, -4]));
    check(Sum, &x, &array(Int32Array::from(vec![i32::MIN, -7])));
    check(Avg, &x, &array(Int32Array::from(vec![1 << 30, -3])));
    check(
        Avg,
        &x,
        &array(Float64Array::from(vec![f64::from(1 << 30), -3.5])),
    );
}

#[test]
fn floats_add_in_double_for_averages_and_compare_nan_as_the_greatest() {
    let x = array(Float32Array::from(vec![1.5, f32::NAN, 2.5, -1.0]));
    check(
        Sum,
        &array(Float64Array::from(vec![Some(1.5), None, Some(2.5), Some(-1.0)])),
        &array(Float64Array::from(vec![4.0, -1.0])),
    );
    check(
        Avg,
        &array(Float32Array::from(vec![1.5, 1.0, 2.5, -1.0])),
        &array(Float32Array::from(vec![2.0, 0.0])),
    );
    check(Min, &x, &array(Float32Array::from(vec![1.5, -1.0])));
    let shape = shape(Max, &x, &DataType::Float32);
    let mut max = shape.accumulator().expect("supported");
    max.update(groups(&ids(4)), Some(&x)).expect("updates");
    let result = max.finish(1..2).expect("finishes");
    let result =
        arrow_array::cast::AsArray::as_primitive::<arrow_array::types::Float32Type>(&result).value(0);
    assert!(result.is_nan(), "{result}");
}

#[test]
fn decimal_sums_out_of_range_are_null_even_if_a_later_value_would_bring_them_back() {
    let most = 10_i128.pow(38) - 1;
    let x = decimals(
        vec![Some(most), Some(150), Some(1), None, Some(-5), Some(-1)],
        38,
        2,
    );
    check(Sum, &x, &decimals(vec![None, Some(149)], 38, 2));
    check(Avg, &x, &decimals(vec![None, Some(745_000)], 38, 6));
}

#[test]
fn decimal_averages_round_half_away_from_zero() {
    let x = decimals(vec![Some(1), Some(-1), Some(2), Some(-2)], 10, 2);
    check(Avg, &x, &decimals(vec![Some(2), Some(-2)], 38, 2));
    check(Avg, &x, &decimals(vec![Some(15_000), Some(-15_000)], 38, 6));
    check(Min, &x, &decimals(vec![Some(1), Some(-2)], 10, 2));
}

#[test]
fn strings_compare_by_bytes() {
    let values = vec![
        Some("b"),
        Some("é"),
        Some("a"),
        Some("z"),
        Some("ab"),
        None,
        Some(""),
    ];
    let x = array(StringArray::from(values.clone()));
    check(Min, &x, &array(StringArray::from(vec!["", "z"])));
    check(Max, &x, &array(StringArray::from(vec!["b", "é"])));
    let x = array(StringViewArray::from(values));
    check(Max, &x, &array(StringViewArray::from(vec!["b", "é"])));
}

#[test]
fn the_buffer_of_string_extremes_stays_in_proportion_to_what_it_holds() {
    let mut max = extreme_bytes::ExtremeBytes::<true>::new(DataType::Utf8);
    for length in 0..2_000 {
        let value = array(StringArray::from(vec!["x".repeat(length)]));
        max.update(
            Groups {
                ids: None,
                rows: 1,
                total: 1,
            },
            Some(&value),
        )
        .expect("updates");
    }
    assert!(max.buffered_bytes() < 100_000, "{}", max.buffered_bytes());
    let result = max.finish(0..1).expect("finishes");
    assert_eq!(result.as_ref(), &StringArray::from(vec!["x".repeat(1999)]));
}

#[test]
fn dates_and_booleans_have_extremes() {
    let x = array(Date32Array::from(vec![Some(-1), Some(5), Some(3), None]));
    check(Min, &x, &array(Date32Array::from(vec![-1, 5])));
    let x = array(BooleanArray::from(vec![Some(true), None, Some(false), None]));
    check(Min, &x, &array(BooleanArray::from(vec![Some(false), None])));
    check(Max, &x, &array(BooleanArray::from(vec![Some(true), None])));
}

#[test]
fn the_first_and_the_last_value_that_is_not_null_is_picked() {
    let x = array(StringArray::from(vec![
        None,
        Some("b"),
        Some("a"),
        None,
        Some("c"),
        Some("d"),
        None,
        Some("e"),
    ]));
    check(FirstValue, &x, &array(StringArray::from(vec!["a", "b"])));
    check(LastValue, &x, &array(StringArray::from(vec!["c", "e"])));
    let x = array(BooleanArray::from(vec![Some(true), None, Some(false), None]));
    check(FirstValue, &x, &array(BooleanArray::from(vec![Some(true), None])));
    check(LastValue, &x, &array(BooleanArray::from(vec![Some(false), None])));
}

#[test]
fn texts_are_joined_in_their_order() {
    let x = array(StringArray::from(vec![
        Some("a"),
        None,
        Some("b"),
        None,
        None,
        None,
        Some(""),
    ]));
    check(Listagg, &x, &array(StringArray::from(vec![Some("a,b,"), None])));
    check(JsonArrayagg, &x, &array(StringArray::from(vec!["[a,b,]", "[]"])));
}

#[test]
fn variances_do_not_lose_small_distances_of_large_numbers() {
    let far = 1e9;
    let x = array(Float64Array::from(vec![
        far + 1.0,
        7.0,
        far + 2.0,
        7.0,
        far + 3.0,
        7.0,
        far + 6.0,
    ]));
    check(VarPop, &x, &array(Float64Array::from(vec![3.5, 0.0])));
    check(
        VarSamp,
        &array(Int32Array::from(vec![1, 5, 4, 5])),
        &array(Int32Array::from(vec![4, 0])),
    );
    check(
        StddevPop,
        &array(Int32Array::from(vec![Some(1), None, Some(4)])),
        &array(Int32Array::from(vec![Some(1), None])),
    );
    check(
        VarSamp,
        &array(Float64Array::from(vec![1.0])),
        &array(Float64Array::from(vec![None, None])),
    );
}

/// Two batches of which some rows are taken back must give what the rest gives alone.
#[test]
fn what_is_taken_back_leaves_the_rest_in_its_order() {
    for function in [FirstValue, LastValue, Listagg, JsonArrayagg] {
        let values = |texts: &[&str]| array(StringArray::from(texts.to_vec()));
        let column = values(&["a", "x", "b", "x", "a", "y", "c"]);
        let shape = shape(function, &column, &DataType::Utf8).retracting();
        let mut accumulator = shape.accumulator().expect("supported");
        let ids = ids(column.len());
        accumulator.update(groups(&ids), Some(&column)).expect("updates");
        // Of group 0 the first "a" goes, of group 1 one "x".
        accumulator
            .retract(groups(&[0, 1, 0]), Some(&values(&["a", "x", "c"])))
            .expect("retracts");
        accumulator
            .update(groups(&[1]), Some(&values(&["z"])))
            .expect("updates");
        let mut rest = shape.accumulator().expect("supported");
        let left = values(&["b", "x", "a", "y", "z"]);
        rest.update(groups(&[0, 1, 0, 1, 1]), Some(&left))
            .expect("updates");
        let expected = rest.finish(0..2).expect("finishes");
        assert_eq!(
            &accumulator.finish(0..2).expect("finishes"),
            &expected,
            "{function:?}"
        );
        accumulator.keep(&[1, 0]).expect("keeps");
        assert_eq!(
            accumulator.finish_of(&[1, 0]).expect("finishes").as_ref(),
            expected.as_ref()
        );
        accumulator
            .retract(groups(&[1, 1]), Some(&values(&["b", "a"])))
            .expect("retracts");
        let emptied = accumulator.finish(1..2).expect("finishes");
        let wanted: Option<&str> = (function == JsonArrayagg).then_some("[]");
        assert_eq!(
            emptied.as_ref(),
            &StringArray::from(vec![wanted]) as &dyn Array,
            "{function:?}"
        );
    }
}

#[test]
fn memory_of_what_was_taken_back_is_used_again() {
    let column = array(Int64Array::from_iter_values(0..1000));
    let rows: Vec<u32> = vec![0; 1000];
    let one = Groups {
        ids: Some(&rows),
        rows: 1000,
        total: 1,
    };
    let mut kept = kept::Kept::new(DataType::Int64, true).expect("a type");
    for _ in 0..50 {
        kept.append(one, &column).expect("appends");
        kept.take_back(one, &column).expect("takes back");
    }
    assert!(kept.len() < 10_000, "{} values are kept", kept.len());
    let ends = kept.ends(&[0], false).expect("values");
    assert_eq!(ends.logical_null_count(), 1);
}

#[test]
fn groups_that_come_after_a_null_was_seen_are_null_until_they_have_a_value() {
    let shape = shape(Sum, &array(Int64Array::from(vec![1])), &DataType::Int64);
    let mut sum = shape.accumulator().expect("supported");
    let update = |sum: &mut Box<dyn Accumulator>, ids: &[u32], total: usize, values: Vec<Option<i64>>| {
        let column = array(Int64Array::from(values));
        sum.update(
            Groups {
                ids: Some(ids),
                rows: ids.len(),
                total,
            },
            Some(&column),
        )
        .expect("updates");
    };
    update(&mut sum, &[0], 1, vec![Some(1)]);
    update(&mut sum, &[1], 2, vec![None]);
    update(&mut sum, &[2], 3, vec![Some(3)]);
    update(&mut sum, &[3, 3], 4, vec![None, Some(4)]);
    let expected = Int64Array::from(vec![Some(1), None, Some(3), Some(4)]);
    assert_eq!(sum.finish(0..4).expect("finishes").as_ref(), &expected);
}

#[test]
fn what_cannot_be_aggregated_is_the_users_failure() {
    let text = array(StringArray::from(vec!["a"]));
    let failure = shape(Sum, &text, &DataType::Utf8)
        .accumulator()
        .expect_err("no sum of strings");
    assert_eq!(failure.class, weir_model::FailureClass::User);
}
