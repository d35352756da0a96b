use std::{collections::BTreeSet, sync::Arc, time::Duration};

use arrow_array::{
    Array, RecordBatch,
    cast::AsArray,
    types::{Decimal128Type, Float64Type, Int8Type, Int64Type, TimestampMillisecondType},
};
use arrow_schema::{DataType, Field, Schema, TimeUnit};
use weir_env::{Clock, ManualClock};

use super::*;
use crate::{Source, SourceContext, SourceEvent, Split, format::json::write_lines, source::SourceCounters};

fn table(fields: Vec<Field>, options: &[(&str, &str)]) -> Table {
    Table {
        name: "t".into(),
        connector: "datagen".into(),
        options: options
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect(),
        schema: Arc::new(Schema::new(fields)),
    }
}

fn source(fields: Vec<Field>, options: &[(&str, &str)]) -> Box<dyn SourceFactory> {
    Datagen.source(&table(fields, options)).expect("valid options")
}

fn context(fields: Vec<Field>, batch_rows: usize, clock: impl Clock) -> SourceContext {
    SourceContext {
        schema: Arc::new(Schema::new(fields)),
        batch_rows,
        known_splits: Arc::default(),
        subtask: 0,
        parallelism: 1,
        takes_checkpoints: false,
        clock: Arc::new(clock),
        counters: Arc::new(SourceCounters::default()),
        dead_letters: None,
    }
}

/// A clock on which whoever sleeps wakes at once, at the time until which it meant to sleep.
#[derive(Debug)]
struct Hurried(ManualClock);

#[async_trait::async_trait]
impl Clock for Hurried {
    fn now_ms(&self) -> i64 {
        self.0.now_ms()
    }

    fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }

    async fn sleep(&self, duration: Duration) {
        self.0.advance(duration);
    }
}

fn hurried() -> Hurried {
    Hurried(ManualClock::new())
}

fn nullable(name: &str, data_type: DataType) -> Field {
    Field::new(name, data_type, true)
}

/// Columns of all the types whose values do not depend on the time.
fn timeless() -> Vec<Field> {
    let inner = vec![nullable("x", DataType::Int16), nullable("y", DataType::Utf8)];
    vec![
        nullable("id", DataType::Int64),
        nullable("b", DataType::Boolean),
        nullable("i", DataType::Int32),
        nullable("f", DataType::Float64),
        nullable("d", DataType::Decimal128(10, 2)),
        nullable("s", DataType::Utf8),
        nullable("bytes", DataType::Binary),
        nullable("r", DataType::Struct(inner.into())),
        nullable("l", DataType::List(Arc::new(nullable("item", DataType::Int64)))),
    ]
}

const TIMELESS: &[(&str, &str)] = &[
    ("number-of-rows", "200"),
    ("rows-per-second", "1000000000"),
    ("seed", "7"),
    ("fields.id.kind", "sequence"),
    ("fields.id.start", "1000"),
    ("fields.id.end", "99999"),
    ("fields.i.min", "-3"),
    ("fields.i.max", "3"),
    ("fields.s.length", "5"),
    ("fields.s.null-rate", "0.5"),
    ("fields.r.y.length", "3"),
    ("fields.l.length", "2"),
    ("fields.l.element.max", "9"),
    ("fields.l.element.min", "0"),
];

async fn rows_of(source: &mut dyn Source) -> Vec<RecordBatch> {
    let mut batches = Vec::new();
    loop {
        match source.next().await.expect("never fails") {
            SourceEvent::Rows { batch, .. } => batches.push(batch),
            SourceEvent::SplitEnd { .. } | SourceEvent::SplitAdded { .. } => {}
            SourceEvent::End => return batches,
        }
    }
}

/// The rows as JSON lines.
fn lines(batches: &[RecordBatch]) -> Vec<String> {
    let mut out = Vec::new();
    for batch in batches {
        write_lines(batch, &mut out);
    }
    String::from_utf8(out)
        .expect("text")
        .lines()
        .map(str::to_owned)
        .collect()
}

async fn read(options: &[(&str, &str)], parallelism: u32, batch_rows: usize) -> Vec<String> {
    let factory = source(timeless(), options);
    let splits = factory.splits(parallelism).await.expect("splits");
    let mut source = factory
        .open(splits, context(timeless(), batch_rows, hurried()))
        .await
        .expect("opens");
    let mut rows = lines(&rows_of(source.as_mut()).await);
    rows.sort();
    rows
}

#[tokio::test]
async fn rows_depend_on_the_seed_and_their_number_alone() {
    let expected = read(TIMELESS, 1, 1000).await;
    assert_eq!(expected.len(), 200);
    assert_eq!(expected.iter().collect::<BTreeSet<_>>().len(), 200);
    for (parallelism, batch_rows) in [(1, 7), (2, 64), (3, 1), (16, 5), (300, 10)] {
        assert_eq!(
            read(TIMELESS, parallelism, batch_rows).await,
            expected,
            "at parallelism {parallelism}"
        );
    }
    let other: Vec<_> = TIMELESS
        .iter()
        .map(|(key, value)| {
            if *key == "seed" {
                (*key, "8")
            } else {
                (*key, *value)
            }
        })
        .collect();
    assert_ne!(read(&other, 1, 1000).await, expected);
}

#[tokio::test]
async fn values_keep_to_their_options() {
    let factory = source(timeless(), TIMELESS);
    let splits = factory.splits(1).await.expect("splits");
    let mut source = factory
        .open(splits, context(timeless(), 1000, hurried()))
        .await
        .expect("opens");
    let batches = rows_of(source.as_mut()).await;
    let [batch] = &batches[..] else {
        panic!("{} batches", batches.len())
    };
    let ids: Vec<_> = batch.column(0).as_primitive::<Int64Type>().values().to_vec();
    assert_eq!(ids, (1000..1200).collect::<Vec<_>>());
    let trues = batch.column(1).as_boolean().true_count();
    assert!((60..140).contains(&trues), "{trues} of 200 are true");
    let small: BTreeSet<_> = batch
        .column(2)
        .as_primitive::<arrow_array::types::Int32Type>()
        .values()
        .iter()
        .copied()
        .collect();
    assert_eq!(small, (-3..=3).collect());
    assert!(
        batch
            .column(3)
            .as_primitive::<Float64Type>()
            .values()
            .iter()
            .all(|f| f.is_finite())
    );
    let decimals = batch.column(4).as_primitive::<Decimal128Type>();
    assert!(decimals.values().iter().all(|d| d.abs() < 10_i128.pow(10)));
    let words = batch.column(5).as_string::<i32>();
    assert!(
        (60..140).contains(&words.null_count()),
        "{} of 200 are null",
        words.null_count()
    );
    assert!(
        words
            .iter()
            .flatten()
            .all(|word| word.len() == 5 && word.bytes().all(|b| b.is_ascii_hexdigit()))
    );
    assert!(
        batch
            .column(6)
            .as_binary::<i32>()
            .iter()
            .flatten()
            .all(|bytes| bytes.len() == 20)
    );
    let list = batch.column(8).as_list::<i32>();
    assert!(list.iter().flatten().all(|items| items.len() == 2));
    assert!(
        list.values()
            .as_primitive::<Int64Type>()
            .values()
            .iter()
            .all(|n| (0..=9).contains(n))
    );
}

#[tokio::test]
async fn only_the_columns_that_are_read_are_made_and_they_stay_the_same() {
    let whole = read(TIMELESS, 1, 1000).await;
    let pruned = vec![
        nullable("i", DataType::Int32),
        nullable("r", DataType::Struct(vec![nullable("y", DataType::Utf8)].into())),
    ];
    let factory = source(timeless(), TIMELESS);
    let splits = factory.splits(1).await.expect("splits");
    let mut source = factory
        .open(splits, context(pruned, 1000, hurried()))
        .await
        .expect("opens");
    let rows = lines(&rows_of(source.as_mut()).await);
    for (part, whole) in rows.iter().zip(&whole) {
        let part: serde_json::Value = serde_json::from_str(part).expect("JSON");
        let whole: serde_json::Value = serde_json::from_str(whole).expect("JSON");
        assert_eq!(part["i"], whole["i"]);
        assert_eq!(part["r"]["y"], whole["r"]["y"]);
    }
    assert_eq!(rows.len(), whole.len());
}

#[tokio::test]
async fn reading_on_from_any_position_yields_just_the_rest() {
    let factory = source(timeless(), TIMELESS);
    let open = async |splits: Vec<Split>| {
        factory
            .open(splits, context(timeless(), 30, hurried()))
            .await
            .expect("opens")
    };
    let mut source = open(factory.splits(3).await.expect("splits")).await;
    let expected = read(TIMELESS, 1, 1000).await;
    let mut before = Vec::new();
    loop {
        let mut rest = open(source.positions()).await;
        let mut whole = [before.clone(), lines(&rows_of(rest.as_mut()).await)].concat();
        whole.sort();
        assert_eq!(whole, expected, "after {} rows", before.len());
        match source.next().await.expect("never fails") {
            SourceEvent::Rows { batch, .. } => before.extend(lines(&[batch])),
            SourceEvent::SplitEnd { .. } | SourceEvent::SplitAdded { .. } => {}
            SourceEvent::End => break,
        }
    }
    assert_eq!(before.len(), 200);
}

#[tokio::test]
async fn rows_come_at_their_rate_without_drift() {
    let fields = || vec![nullable("n", DataType::Int64)];
    let factory = source(fields(), &[("rows-per-second", "100")]);
    assert!(!factory.is_bounded());
    let clock = ManualClock::new();
    let splits = factory.splits(2).await.expect("splits");
    let mut subtask = factory
        .open(splits[..1].to_vec(), context(fields(), 1000, clock.clone()))
        .await
        .expect("opens");
    let mut rows = 0;
    for tick in 1..=1000 {
        // The subtask has half of the rate: 50 rows a second, handed out two at a time.
        clock.advance(Duration::from_millis(37));
        while let Some(event) = poll_once(subtask.as_mut()).await {
            let SourceEvent::Rows { batch, .. } = event else {
                panic!("no end")
            };
            rows += batch.num_rows() as u64;
        }
        let due = clock.elapsed().as_millis() as u64 / 20 + 1;
        assert!(
            (due - 1..=due).contains(&rows),
            "{rows} rows at tick {tick}, but {due} are due"
        );
    }
}

/// The next event, if it is there without waiting.
async fn poll_once(source: &mut dyn Source) -> Option<SourceEvent> {
    tokio::select! {
        biased;
        event = source.next() => Some(event.expect("never fails")),
        () = std::future::ready(()) => None,
    }
}

#[tokio::test]
async fn a_sequence_ends_the_source_and_timestamps_are_now_or_before() {
    let fields = || {
        vec![
            nullable("n", DataType::Int8),
            nullable("t", DataType::Timestamp(TimeUnit::Millisecond, None)),
            nullable(
                "past",
                DataType::Timestamp(TimeUnit::Millisecond, Some("UTC".into())),
            ),
            nullable("day", DataType::Date32),
            nullable("time", DataType::Time32(TimeUnit::Millisecond)),
            nullable("text", DataType::Utf8),
        ]
    };
    let factory = source(
        fields(),
        &[
            ("fields.n.kind", "sequence"),
            ("fields.n.start", "-5"),
            ("fields.n.end", "4"),
            ("fields.past.max-past", "1 min"),
            ("fields.text.kind", "sequence"),
            ("fields.text.start", "1"),
            ("fields.text.end", "100"),
        ],
    );
    assert!(factory.is_bounded());
    let clock = ManualClock::new();
    clock.advance(Duration::from_hours(473_362));
    let splits = factory.splits(1).await.expect("splits");
    let mut source = factory
        .open(splits, context(fields(), 1000, clock.clone()))
        .await
        .expect("opens");
    clock.advance(Duration::from_secs(1));
    let batches = rows_of(source.as_mut()).await;
    let [batch] = &batches[..] else {
        panic!("{} batches", batches.len())
    };
    assert_eq!(
        batch.column(0).as_primitive::<Int8Type>().values().to_vec(),
        (-5..5).collect::<Vec<_>>()
    );
    let now = clock.now_ms();
    assert!(
        batch
            .column(1)
            .as_primitive::<TimestampMillisecondType>()
            .values()
            .iter()
            .all(|t| *t == now)
    );
    let past = batch
        .column(2)
        .as_primitive::<TimestampMillisecondType>()
        .values();
    assert!(past.iter().all(|t| (now - 60_000..=now).contains(t)), "{past:?}");
    assert!(past.iter().collect::<BTreeSet<_>>().len() > 5, "{past:?}");
    let last = lines(&batches).pop().expect("rows");
    assert!(
        last.contains(r#""day":"2024-01-01","time":"10:00:01.000","text":"10""#),
        "{last}"
    );
}

#[test]
fn wrong_tables_are_refused_with_what_would_be_right() {
    let fields = || {
        vec![
            nullable("n", DataType::Int8),
            nullable("s", DataType::Utf8),
            Field::new("must", DataType::Int64, false),
            nullable("l", DataType::List(Arc::new(nullable("item", DataType::Int64)))),
        ]
    };
    let check = |options: &[(&str, &str)], expected: &str, suggestion: Option<&str>| {
        let error = Datagen.source(&table(fields(), options)).expect_err("refused");
        assert_eq!(error.to_string(), expected);
        assert_eq!(error.problem().suggestion.as_deref(), suggestion, "{expected}");
    };
    check(
        &[("fields.mst.min", "1")],
        "option 'fields.mst.min': the table has no field 'mst'",
        Some("fields.must.min"),
    );
    check(
        &[("fields.n.mim", "1")],
        "connector 'datagen' has no option 'fields.n.mim'",
        Some("fields.n.min"),
    );
    check(
        &[("rows-per-secnd", "1")],
        "connector 'datagen' has no option 'rows-per-secnd'",
        Some("rows-per-second"),
    );
    check(
        &[("rows-per-second", "0")],
        "option 'rows-per-second': 0 is too small: it must be at least 1",
        None,
    );
    check(
        &[("number-of-rows", "-1")],
        "option 'number-of-rows': -1 is too small: it must be at least 0",
        None,
    );
    check(
        &[("fields.n.max", "128")],
        "option 'fields.n.max': '128' is not a TINYINT",
        None,
    );
    check(
        &[("fields.n.min", "1.5")],
        "option 'fields.n.min': '1.5' is not a TINYINT",
        None,
    );
    check(
        &[("fields.n.min", "3"), ("fields.n.max", "2")],
        "option 'fields.n.max': is less than 'fields.n.min'",
        None,
    );
    check(
        &[("fields.s.min", "1")],
        "option 'fields.s.min': 's' is STRING, but 'min' is for random numbers",
        None,
    );
    check(
        &[("fields.n.kind", "sequence"), ("fields.n.start", "1")],
        "connector 'datagen' needs the option 'fields.n.end': the last number of the sequence",
        None,
    );
    check(
        &[
            ("fields.n.kind", "sequence"),
            ("fields.n.start", "2"),
            ("fields.n.end", "1"),
        ],
        "option 'fields.n.end': 1 is less than 'fields.n.start', 2",
        None,
    );
    check(
        &[
            ("fields.n.kind", "sequence"),
            ("fields.n.start", "0"),
            ("fields.n.end", "128"),
        ],
        "option 'fields.n.end': '128' is not a TINYINT",
        None,
    );
    check(
        &[("fields.n.null-rate", "2")],
        "option 'fields.n.null-rate': 2 is not between 0 and 1",
        None,
    );
    check(
        &[("fields.must.null-rate", "0.1")],
        "option 'fields.must.null-rate': 'must' is NOT NULL",
        None,
    );
    check(
        &[
            ("fields.l.element.kind", "sequence"),
            ("fields.l.element.start", "1"),
            ("fields.l.element.end", "2"),
        ],
        "option 'fields.l.element.kind': the elements of an array cannot be a sequence",
        None,
    );
}

proptest::proptest! {
    #[test]
    fn random_numbers_keep_between_their_bounds(
        seed: i64, row: u64, min in -(10_i128.pow(37))..10_i128.pow(37), more in 0..10_i128.pow(38),
    ) {
        let mut draw = random::FieldRandom::new(seed, "f", 0).of_row(row);
        let number = draw.between(min, min + more);
        proptest::prop_assert!((min..=min + more).contains(&number));
        proptest::prop_assert!((0.0..1.0).contains(&draw.unit()));
        let whole = draw.between(i64::MIN.into(), i64::MAX.into());
        proptest::prop_assert!(i64::try_from(whole).is_ok());
        proptest::prop_assert_eq!(draw.between(min, min), min);
    }
}
