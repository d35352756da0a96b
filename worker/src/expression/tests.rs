use std::sync::Arc;

use arrow_array::{
    ArrayRef, BooleanArray, Int32Array, Int64Array, RecordBatch, StringArray, StructArray,
    cast::AsArray,
    types::{Int32Type, Int64Type},
};
use arrow_buffer::NullBuffer;
use arrow_schema::{DataType, Field, Fields};
use datafusion_common::ScalarValue;
use datafusion_expr::Operator;
use weir_model::{Failure, FailureClass};

use super::{
    Expression, Filter, FilteredProjection, Projection,
    testing::{batch, binary, bytes, cast, column, get_field, literal, named, schema},
};

fn numbers(values: Vec<Option<i64>>) -> ArrayRef {
    Arc::new(Int64Array::from(values))
}

fn strings(values: Vec<Option<&str>>) -> ArrayRef {
    Arc::new(StringArray::from(values))
}

/// `bid ROW<price BIGINT, channel STRING>`, the second row null though its children hold values.
fn bids() -> RecordBatch {
    let fields: Fields = vec![
        Field::new("price", DataType::Int64, true),
        Field::new("channel", DataType::Utf8, true),
    ]
    .into();
    let children = vec![
        numbers(vec![Some(1), Some(2), None]),
        strings(vec![Some("a"), Some("b"), Some("c")]),
    ];
    let bid = StructArray::new(fields, children, Some(NullBuffer::from(vec![true, false, true])));
    batch(vec![
        ("kind", Arc::new(Int32Array::from(vec![1, 2, 3]))),
        ("bid", Arc::new(bid)),
    ])
}

fn evaluate(expression: &super::testing::Expr, batch: &RecordBatch) -> Result<ArrayRef, Failure> {
    Expression::decode(&bytes(expression), batch.schema_ref())?.evaluate(batch)
}

#[test]
fn a_column_is_the_same_array_and_not_a_copy() {
    let rows = batch(vec![("a", numbers(vec![Some(1)])), ("b", numbers(vec![Some(2)]))]);
    let result = evaluate(&column("b", rows.schema_ref()), &rows).expect("evaluates");
    assert!(Arc::ptr_eq(&result, rows.column(1)));
}

#[test]
fn a_literal_is_repeated_for_every_row() {
    let rows = batch(vec![("a", numbers(vec![None; 3]))]);
    let result = evaluate(&literal(ScalarValue::Int32(Some(7))), &rows).expect("evaluates");
    assert_eq!(
        result.as_primitive::<Int32Type>(),
        &Int32Array::from(vec![7, 7, 7])
    );
}

#[test]
fn a_field_of_a_null_row_is_null_whatever_the_child_holds() {
    let rows = bids();
    let price = get_field(column("bid", rows.schema_ref()), "price", rows.schema_ref());
    let result = evaluate(&price, &rows).expect("evaluates");
    assert_eq!(
        result.as_primitive::<Int64Type>(),
        &Int64Array::from(vec![Some(1), None, None])
    );
    let plus_one = binary(price, Operator::Plus, literal(ScalarValue::Int64(Some(1))));
    let result = evaluate(&plus_one, &rows).expect("evaluates");
    assert_eq!(
        result.as_primitive::<Int64Type>(),
        &Int64Array::from(vec![Some(2), None, None])
    );
}

#[test]
fn a_failed_cast_names_the_first_offending_row() {
    let values = (0..100).map(|i| {
        Some(if i == 63 || i == 80 {
            format!("x{i}")
        } else {
            i.to_string()
        })
    });
    let rows = batch(vec![
        ("n", numbers(vec![None; 100])),
        ("x", Arc::new(values.collect::<StringArray>())),
    ]);
    let failure = evaluate(&cast(column("x", rows.schema_ref()), DataType::Int32), &rows)
        .expect_err("x63 is no number");
    assert_eq!(failure.class, FailureClass::User);
    assert_eq!(failure.place.as_deref(), Some(r#"row {"x":"x63"}"#));
    assert!(
        failure
            .message
            .starts_with("cannot compute CAST(x AS Int32): cannot cast string 'x63'"),
        "{failure}"
    );
}

#[test]
fn a_division_by_zero_is_the_users_failure() {
    let rows = batch(vec![
        ("a", numbers(vec![Some(1), Some(2)])),
        ("b", numbers(vec![Some(1), Some(0)])),
    ]);
    let schema = rows.schema_ref();
    let ratio = binary(column("a", schema), Operator::Divide, column("b", schema));
    let failure = evaluate(&ratio, &rows).expect_err("cannot divide");
    assert_eq!(
        (failure.class, failure.message.as_str()),
        (FailureClass::User, "cannot compute a / b: division by zero")
    );
    assert_eq!(failure.place.as_deref(), Some(r#"row {"a":2,"b":0}"#));
}

#[test]
fn a_long_row_is_cut_at_200_characters() {
    let rows = batch(vec![("x", strings(vec![Some(&"é".repeat(500))]))]);
    let failure =
        evaluate(&cast(column("x", rows.schema_ref()), DataType::Int32), &rows).expect_err("no number");
    assert_eq!(failure.place.map(|place| place.chars().count()), Some(201));
}

#[test]
fn bytes_that_are_no_expression_are_our_failure() {
    let rows = batch(vec![("a", numbers(vec![]))]);
    let failure = Expression::decode(b"\xff\xff", rows.schema_ref()).expect_err("not an expression");
    assert_eq!(failure.class, FailureClass::Internal);
}

#[test]
fn all_default_functions_are_known() {
    let rows = batch(vec![("x", strings(vec![Some("Ab")]))]);
    for function in datafusion_functions::all_default_functions() {
        assert!(super::decode::knows(function.name()), "{}", function.name());
    }
    let config = Arc::new(datafusion_common::config::ConfigOptions::default());
    let upper = datafusion_functions::string::upper();
    let arguments = vec![column("x", rows.schema_ref())];
    let call =
        datafusion_physical_expr::ScalarFunctionExpr::try_new(upper, arguments, rows.schema_ref(), config)
            .expect("typed");
    let result = evaluate(&(Arc::new(call) as _), &rows).expect("evaluates");
    assert_eq!(result.as_string::<i32>().value(0), "AB");
}

fn filtered(keep: &[Option<bool>]) -> Option<RecordBatch> {
    let count = keep.len() as i64;
    let rows = batch(vec![
        ("n", numbers((0..count).map(Some).collect())),
        ("keep", Arc::new(BooleanArray::from(keep.to_vec()))),
    ]);
    let input = rows.schema_ref();
    let doubled = binary(column("n", input), Operator::Plus, column("n", input));
    let filter = Filter::decode(&bytes(&column("keep", input)), input).expect("a filter");
    let output = schema(&[("doubled", DataType::Int64)]);
    let projection = Projection::decode(&[named("doubled", &doubled)], input, output).expect("a projection");
    FilteredProjection::new(Some(filter), projection)
        .apply(&rows)
        .expect("applies")
}

#[test]
fn only_rows_for_which_the_filter_is_true_are_projected() {
    let doubled = |keep: &[Option<bool>]| {
        filtered(keep).map(|rows| rows.column(0).as_primitive::<Int64Type>().values().to_vec())
    };
    assert_eq!(
        doubled(&[Some(true), Some(false), None, Some(true)]),
        Some(vec![0, 6])
    );
    assert_eq!(doubled(&[Some(true), Some(true)]), Some(vec![0, 2]));
    assert_eq!(doubled(&[Some(false), None]), None);
}

#[test]
fn a_filter_guards_the_projection_against_rows_that_it_drops() {
    let rows = batch(vec![("b", numbers(vec![Some(0), Some(5)]))]);
    let input = rows.schema_ref();
    let zero = || literal(ScalarValue::Int64(Some(0)));
    let filter = Filter::decode(
        &bytes(&binary(column("b", input), Operator::NotEq, zero())),
        input,
    )
    .expect("a filter");
    let inverse = binary(
        literal(ScalarValue::Int64(Some(10))),
        Operator::Divide,
        column("b", input),
    );
    let output = schema(&[("x", DataType::Int64)]);
    let projection = Projection::decode(&[named("x", &inverse)], input, output).expect("a projection");
    let result = FilteredProjection::new(Some(filter), projection)
        .apply(&rows)
        .expect("no division by zero");
    assert_eq!(
        result
            .expect("a row")
            .column(0)
            .as_primitive::<Int64Type>()
            .values(),
        &[2]
    );
}

#[test]
fn results_are_cast_to_the_planned_type() {
    let rows = batch(vec![("a", numbers(vec![Some(3)]))]);
    let output = schema(&[("a", DataType::Int32)]);
    let projection = Projection::decode(
        &[named("a", &column("a", rows.schema_ref()))],
        rows.schema_ref(),
        output.clone(),
    )
    .expect("ok");
    let result = projection.project(&rows).expect("projects");
    assert_eq!(result.schema(), output);
    assert_eq!(result.column(0).as_primitive::<Int32Type>().value(0), 3);
}

#[test]
fn a_null_in_a_not_null_column_is_the_users_failure() {
    let rows = batch(vec![("a", numbers(vec![None]))]);
    let output = Arc::new(arrow_schema::Schema::new(vec![Field::new(
        "a",
        DataType::Int64,
        false,
    )]));
    let projection = Projection::decode(
        &[named("a", &column("a", rows.schema_ref()))],
        rows.schema_ref(),
        output,
    )
    .expect("ok");
    let failure = projection.project(&rows).expect_err("null");
    assert_eq!(failure.class, FailureClass::User);
    assert!(failure.message.contains("'a'"), "{failure}");
}

#[test]
fn a_batch_without_columns_keeps_its_rows() {
    let rows = batch(vec![("a", numbers(vec![None; 4]))]);
    let output = schema(&[("one", DataType::Int32)]);
    let one = named("one", &literal(ScalarValue::Int32(Some(1))));
    let projection = Projection::decode(&[one], rows.schema_ref(), output).expect("ok");
    assert_eq!(projection.project(&rows).expect("projects").num_rows(), 4);
}

fn call(
    name: &str,
    arguments: Vec<super::testing::Expr>,
    input: &arrow_schema::Schema,
) -> super::testing::Expr {
    let function = weir_functions::function(name).expect("it is there");
    let config = Arc::new(datafusion_common::config::ConfigOptions::default());
    let function = Arc::clone(function);
    let call = datafusion_physical_expr::ScalarFunctionExpr::try_new(function, arguments, input, config);
    Arc::new(call.expect("typed"))
}

#[test]
fn the_runtime_answers_the_clock_once_per_batch_and_chance_once_per_row() {
    let rows = batch(vec![("a", numbers(vec![Some(1), Some(2), Some(3)]))]);
    let input = rows.schema_ref();
    let bound = || literal(ScalarValue::Int64(Some(1_000_000)));
    let is_one = binary(
        column("a", input),
        Operator::Eq,
        literal(ScalarValue::Int64(Some(1))),
    );
    let case = datafusion_physical_expr::expressions::case(
        None,
        vec![(is_one, call("RAND_INTEGER", vec![bound()], input))],
        Some(call("RAND_INTEGER", vec![column("a", input)], input)),
    );
    let expressions = [
        named("now", &call("CURRENT_TIMESTAMP", vec![], input)),
        named("seconds", &call("$UNIX_TIMESTAMP", vec![], input)),
        named("one", &call("RAND_INTEGER", vec![bound()], input)),
        named("other", &call("RAND_INTEGER", vec![bound()], input)),
        named("case", &case.expect("a CASE")),
    ];
    let moment = DataType::Timestamp(arrow_schema::TimeUnit::Millisecond, Some("UTC".into()));
    let output = schema(&[
        ("now", moment),
        ("seconds", DataType::Int64),
        ("one", DataType::Int32),
        ("other", DataType::Int32),
        ("case", DataType::Int32),
    ]);
    let mut projection = Projection::decode(&expressions, input, output).expect("a projection");
    assert!(projection.is_surrounded());
    let mut at = |now_ms| {
        projection.surround(super::Surroundings {
            reading: weir_functions::clock::Reading {
                now_ms,
                watermark_ms: None,
            },
            seed: 7,
        });
        projection.project(&rows).expect("projects")
    };
    let first = at(5_000);
    let now = first
        .column(0)
        .as_primitive::<arrow_array::types::TimestampMillisecondType>();
    assert_eq!(now.values().to_vec(), [5000; 3]);
    assert_eq!(
        first.column(1).as_primitive::<Int64Type>().values().to_vec(),
        [5; 3]
    );
    let draws = |batch: &RecordBatch, column: usize| -> Vec<i32> {
        batch.column(column).as_primitive::<Int32Type>().values().to_vec()
    };
    let one = draws(&first, 2);
    assert!(
        one[0] != one[1] && one[1] != one[2],
        "each row has its own: {one:?}"
    );
    assert_ne!(one, draws(&first, 3), "each call has its own");
    let case = draws(&first, 4);
    assert!(
        case[1] < 2 && case[2] < 3,
        "only the rows of a branch are drawn for: {case:?}"
    );
    let second = at(6_000);
    assert_ne!(one, draws(&second, 2), "the sequence goes on");
}
