//! Measures rows per CPU-second of single operators: a tumbling count per key, before the shuffle and after it, and a
//! filter.
//!
//! `cargo run --release -p weir-worker --example aggregate_rate`

use std::{fs, hint::black_box, sync::Arc};

use arrow_array::{ArrayRef, Int64Array, RecordBatch, StringArray, TimestampMillisecondArray};
use arrow_schema::{DataType, Field, Schema, SchemaRef, TimeUnit};
use datafusion_common::ScalarValue;
use datafusion_expr::Operator as BinaryOperator;
use datafusion_physical_expr::{
    PhysicalExpr,
    expressions::{BinaryExpr, Column, lit},
};
use datafusion_proto::physical_plan::{DefaultPhysicalExtensionCodec, to_proto::serialize_physical_expr};
use prost::Message;
use weir_model::EventTime;
use weir_proto::{
    graph::{self, operator::Spec},
    schema,
};
use weir_worker::operator::{Context, Operator, build};

const BATCH_ROWS: usize = 4096;
const BATCHES: usize = 256;
const ROUNDS: usize = 40;
const MS: DataType = DataType::Timestamp(TimeUnit::Millisecond, None);

fn main() {
    let any = |keys: u64| move |random: u64| (random % keys) as i64;
    // As Nexmark's bids: half of them on one of the latest hundreds of auctions.
    let hot = |random: u64| if random.is_multiple_of(2) { (random >> 8) % 100 } else { (random >> 8) % 3000 } as i64;
    local("count per key, 1000 keys", &[0], vec![count()], any(1000));
    local("count per key, hot keys", &[0], vec![count()], hot);
    local("count per key, 100,000 keys", &[0], vec![count()], any(100_000));
    local(
        "count per key, keys that hardly repeat",
        &[0],
        vec![count()],
        any(1 << 40),
    );
    local("count per string key, 1000 keys", &[2], vec![count()], any(1000));
    local(
        "count per number and string, 1000 keys",
        &[0, 2],
        vec![count()],
        any(1000),
    );
    local("sum, min, max and avg, 1000 keys", &[0], numbers(), any(1000));
    local("sum, min, max and avg of all rows", &[], numbers(), any(1000));
    global("merge of partial counts, 1000 keys", any(1000));
    global("merge of partial counts, 100,000 keys", any(100_000));
    calc();
}

/// Random numbers: the same in every run.
fn random(seed: &mut u64) -> u64 {
    *seed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (*seed ^ (*seed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z ^ (z >> 31)
}

/// CPU time of this process so far, ns.
fn cpu_ns() -> u64 {
    let text = fs::read_to_string("/proc/self/schedstat").expect("a Linux kernel with scheduler statistics");
    text.split(' ')
        .next()
        .and_then(|ns| ns.parse().ok())
        .expect("nanoseconds")
}

/// Feeds the batches again and again; `each` sees the context after every batch.
fn measure(
    name: &str,
    operator: &mut dyn Operator,
    batches: &[RecordBatch],
    mut each: impl FnMut(&mut dyn Operator, &mut Context),
) {
    let mut context = Context::default();
    let rows: usize = batches.iter().map(RecordBatch::num_rows).sum();
    let mut emitted = 0;
    let mut before = cpu_ns();
    for round in 0..=ROUNDS {
        // The first round warms caches and tables up.
        if round == 1 {
            before = cpu_ns();
            emitted = 0;
        }
        for batch in batches {
            operator
                .on_batch(0, batch.clone(), &mut context)
                .expect("good rows");
            each(operator, &mut context);
            emitted += context
                .emitted
                .drain(..)
                .map(|b| black_box(b).num_rows())
                .sum::<usize>();
        }
    }
    let rate = (rows * ROUNDS) as f64 / (cpu_ns() - before) as f64 * 1e3;
    let ratio = emitted as f64 / (rows * ROUNDS) as f64;
    println!("{name:45} {rate:8.1} M rows/CPU-s, {ratio:.3} rows out per row in");
}

fn field(name: &str, data_type: DataType) -> Field {
    Field::new(name, data_type, true)
}

fn aggregate(function: graph::AggregateFunction, column: Option<u32>) -> graph::Aggregate {
    let result = Schema::new(vec![field("n", DataType::Int64)]);
    graph::Aggregate {
        function: function.into(),
        column,
        result: schema::encode(&result).expect("encodes"),
        ..graph::Aggregate::default()
    }
}

fn count() -> graph::Aggregate {
    aggregate(graph::AggregateFunction::CountStar, None)
}

/// Of the third column.
fn numbers() -> Vec<graph::Aggregate> {
    use graph::AggregateFunction::{Avg, Max, Min, Sum};
    [Sum, Min, Max, Avg]
        .map(|function| aggregate(function, Some(3)))
        .into()
}

fn window() -> graph::Window {
    graph::Window {
        time_column: 1,
        attached: false,
        kind: Some(graph::window::Kind::Tumble(graph::TumbleWindow {
            size_ms: 10_000,
            offset_ms: 0,
        })),
    }
}

fn operator(output: &Schema, spec: Spec) -> graph::Operator {
    graph::Operator {
        schema: schema::encode(output).expect("encodes"),
        spec: Some(spec),
        ..Default::default()
    }
}

/// Keys, a number per partial column, the pane, the rows.
fn partial_schema(keys: Vec<Field>, partials: usize) -> Schema {
    let partials = (0..partials).map(|_| field("p", DataType::Int64));
    let rest = [field("$pane", MS), field("$rows", DataType::Int64)];
    Schema::new(keys.into_iter().chain(partials).chain(rest).collect::<Vec<_>>())
}

/// A window lasts 64 batches, a quarter of a million rows.
fn time(batch: usize, row: usize) -> i64 {
    (batch * BATCH_ROWS + row) as i64 * 10_000 / (64 * BATCH_ROWS) as i64
}

fn local(name: &str, keys: &[u32], aggregates: Vec<graph::Aggregate>, key: impl Fn(u64) -> i64) {
    let input = Arc::new(Schema::new(vec![
        field("k", DataType::Int64),
        field("ts", MS),
        field("name", DataType::Utf8),
        field("n", DataType::Int64),
    ]));
    let key_fields = keys.iter().map(|&k| input.field(k as usize).clone()).collect();
    // An average has two partial columns.
    let output = partial_schema(
        key_fields,
        if aggregates.len() > 1 {
            aggregates.len() + 1
        } else {
            1
        },
    );
    let spec = graph::LocalWindowAggregate {
        window: Some(window()),
        keys: keys.to_vec(),
        aggregates,
    };
    let operator = operator(&output, Spec::LocalWindowAggregate(spec));
    let mut operator = build(&operator, Some(Arc::clone(&input))).expect("an operator");
    let mut seed = 1;
    let batches: Vec<RecordBatch> = (0..BATCHES)
        .map(|batch| {
            let keys = Int64Array::from_iter_values((0..BATCH_ROWS).map(|_| key(random(&mut seed))));
            let names = StringArray::from_iter_values(keys.values().iter().map(|k| format!("country {k}")));
            let times =
                TimestampMillisecondArray::from_iter_values((0..BATCH_ROWS).map(|row| time(batch, row)));
            let columns: Vec<ArrayRef> = vec![
                Arc::new(keys.clone()),
                Arc::new(times),
                Arc::new(names),
                Arc::new(keys),
            ];
            record_batch(&input, columns)
        })
        .collect();
    let mut fed = 0;
    measure(name, operator.as_mut(), &batches, |operator, context| {
        let watermark = time(fed % BATCHES, BATCH_ROWS - 1) - 1;
        operator
            .on_watermark(EventTime(watermark), context)
            .expect("flushes");
        fed += 1;
    });
}

fn global(name: &str, key: impl Fn(u64) -> i64) {
    let input = Arc::new(partial_schema(vec![field("k", DataType::Int64)], 1));
    let output = Schema::new(vec![
        field("k", DataType::Int64),
        field("n", DataType::Int64),
        field("window_start", MS),
        field("window_end", MS),
        field("window_time", MS),
    ]);
    let spec = graph::WindowAggregate {
        window: Some(window()),
        key_count: 1,
        aggregates: vec![count()],
        ..graph::WindowAggregate::default()
    };
    let operator = operator(&output, Spec::WindowAggregate(spec));
    let mut operator = build(&operator, Some(Arc::clone(&input))).expect("an operator");
    let mut seed = 1;
    let batches: Vec<RecordBatch> = (0..BATCHES)
        .map(|_| {
            let keys = Int64Array::from_iter_values((0..BATCH_ROWS).map(|_| key(random(&mut seed))));
            let counts: ArrayRef = Arc::new(Int64Array::from(vec![3; BATCH_ROWS]));
            let panes = TimestampMillisecondArray::from(vec![0; BATCH_ROWS]);
            record_batch(
                &input,
                vec![Arc::new(keys), Arc::clone(&counts), Arc::new(panes), counts],
            )
        })
        .collect();
    measure(name, operator.as_mut(), &batches, |_, _| {});
}

/// Five columns, one of them a string of 68 bytes; a comparison that 92 % of the rows pass.
fn calc() {
    let columns: Vec<Field> = ["kind", "auction", "bidder", "price"]
        .map(|name| field(name, DataType::Int64))
        .into();
    let fields: Vec<Field> = columns
        .into_iter()
        .chain([field("extra", DataType::Utf8)])
        .collect();
    let input = Arc::new(Schema::new(fields));
    let column = |name: &str| -> Arc<dyn PhysicalExpr> {
        Arc::new(Column::new_with_schema(name, &input).expect("the column exists"))
    };
    let filter: Arc<dyn PhysicalExpr> = Arc::new(BinaryExpr::new(
        column("kind"),
        BinaryOperator::Lt,
        lit(ScalarValue::Int64(Some(92))),
    ));
    let named = |name: &String| graph::NamedExpr {
        name: name.clone(),
        expr: bytes(&column(name)),
    };
    let projection = input.fields().iter().map(|f| named(f.name())).collect();
    let spec = graph::Calc {
        filter: Some(bytes(&filter)),
        projection,
    };
    let mut operator =
        build(&operator(&input, Spec::Calc(spec)), Some(Arc::clone(&input))).expect("an operator");
    let mut seed = 1;
    let batches: Vec<RecordBatch> = (0..BATCHES)
        .map(|_| {
            let mut numbers = || -> ArrayRef {
                Arc::new(Int64Array::from_iter_values(
                    (0..BATCH_ROWS).map(|_| (random(&mut seed) % 100) as i64),
                ))
            };
            let mut columns: Vec<ArrayRef> = (0..4).map(|_| numbers()).collect();
            columns.push(Arc::new(StringArray::from_iter_values(
                (0..BATCH_ROWS).map(|i| format!("{i:068}")),
            )));
            record_batch(&input, columns)
        })
        .collect();
    measure(
        "filter, 92 % of rows of 5 columns pass",
        operator.as_mut(),
        &batches,
        |_, _| {},
    );
}

fn bytes(expression: &Arc<dyn PhysicalExpr>) -> Vec<u8> {
    serialize_physical_expr(expression, &DefaultPhysicalExtensionCodec {})
        .expect("serializes")
        .encode_to_vec()
}

fn record_batch(schema: &SchemaRef, columns: Vec<ArrayRef>) -> RecordBatch {
    RecordBatch::try_new(Arc::clone(schema), columns).expect("columns of the schema")
}
