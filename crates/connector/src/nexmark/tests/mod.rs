//! The source from outside: what it reads, how it splits, what it refuses.

mod distribution;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use arrow_array::{Array, RecordBatch, cast::AsArray, types::*};
use arrow_schema::{DataType, Field, Schema, SchemaRef, TimeUnit};
use arrow_select::interleave::interleave_record_batch;
use futures::{FutureExt, executor::block_on};
use proptest::prelude::*;
use weir_env::{Clock, ManualClock, SystemClock};

use super::{Nexmark, schema::schema};
use crate::{
    Connector, OptionError, Source, SourceContext, SourceEvent, SourceFactory, Split, Table,
    source::SourceCounters,
};

type Pairs<'a> = &'a [(&'a str, &'a str)];

fn table(options: Pairs<'_>, schema: SchemaRef) -> Table {
    Table {
        name: "events".to_owned(),
        connector: "nexmark".to_owned(),
        options: options
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect::<BTreeMap<_, _>>(),
        schema,
    }
}

fn factory(options: Pairs<'_>) -> Box<dyn SourceFactory> {
    Nexmark
        .source(&table(options, schema()))
        .expect("the options are right")
}

fn context(schema: SchemaRef, batch_rows: usize, clock: Arc<dyn Clock>) -> SourceContext {
    SourceContext {
        schema,
        batch_rows,
        known_splits: Arc::default(),
        subtask: 0,
        parallelism: 1,
        takes_checkpoints: false,
        clock,
        counters: Arc::<SourceCounters>::default(),
        dead_letters: None,
    }
}

fn open(
    factory: &dyn SourceFactory,
    splits: Vec<Split>,
    schema: SchemaRef,
    batch_rows: usize,
) -> Box<dyn Source> {
    let clock = Arc::new(SystemClock::new());
    block_on(factory.open(splits, context(schema, batch_rows, clock))).expect("the splits are right")
}

fn next_event(split: &Split) -> u64 {
    let state: serde_json::Value = serde_json::from_slice(&split.state).expect("the state is JSON");
    state["next"].as_u64().expect("the state has a next event")
}

/// Batches with the number of their first event.
type Numbered = Vec<(u64, RecordBatch)>;

/// Reads to the end, or `batches` batches.
fn read(source: &mut dyn Source, batches: usize) -> Numbered {
    let mut read = Vec::new();
    while read.len() < batches {
        let before = source.positions();
        match block_on(source.next()).expect("events can always be made") {
            SourceEvent::Rows { split, batch } => read.push((next_event(&before[split]), batch)),
            SourceEvent::SplitEnd { .. } | SourceEvent::SplitAdded { .. } => {}
            SourceEvent::End => break,
        }
    }
    read
}

/// All rows by event number; fails if one is missing or there twice.
fn in_order(batches: &Numbered) -> RecordBatch {
    let mut places: Vec<_> = (0..)
        .zip(batches)
        .flat_map(|(index, (first, batch))| {
            (0..batch.num_rows()).map(move |row| (first + row as u64, (index, row)))
        })
        .collect();
    places.sort_unstable();
    let numbers: Vec<_> = places.iter().map(|(number, _)| *number).collect();
    assert_eq!(numbers, (0..places.len() as u64).collect::<Vec<_>>());
    let batches: Vec<_> = batches.iter().map(|(_, batch)| batch).collect();
    let places: Vec<_> = places.into_iter().map(|(_, place)| place).collect();
    interleave_record_batch(&batches, &places).expect("the batches have one schema")
}

/// All events in order, read by `parallelism` readers.
fn read_all(options: Pairs<'_>, schema: SchemaRef, parallelism: u32, batch_rows: usize) -> RecordBatch {
    let factory = factory(options);
    let splits = block_on(factory.splits(parallelism)).expect("it splits");
    let read = splits.into_iter().flat_map(|split| {
        let mut source = open(&*factory, vec![split], schema.clone(), batch_rows);
        read(&mut *source, usize::MAX)
    });
    in_order(&read.collect())
}

/// The whole schema without the fields (`column` or `column.field`) that are not named.
fn pruned(keep: impl Fn(&str) -> bool) -> SchemaRef {
    let whole = schema();
    let fields = whole.fields().iter().filter_map(|field| match field.data_type() {
        DataType::Struct(fields) => {
            let kept = fields
                .iter()
                .filter(|inner| keep(&format!("{}.{}", field.name(), inner.name())));
            let kept: Vec<_> = kept.cloned().collect();
            (!kept.is_empty() || keep(field.name())).then(|| Field::new_struct(field.name(), kept, true))
        }
        _ => keep(field.name()).then(|| (**field).clone()),
    });
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

#[test]
fn the_same_events_come_at_every_parallelism_and_batch_size() {
    let options = [("events.num", "20011"), ("seed", "7")];
    let straight = read_all(&options, schema(), 1, 4_096);
    assert_eq!(straight.num_rows(), 20_011);
    for (parallelism, batch_rows) in [(1, 1_000), (2, 4_096), (3, 77), (8, 4_096)] {
        assert_eq!(
            read_all(&options, schema(), parallelism, batch_rows),
            straight,
            "{parallelism} {batch_rows}"
        );
    }
}

#[test]
fn another_seed_makes_other_events() {
    let read = |seed| read_all(&[("events.num", "100"), ("seed", seed)], schema(), 1, 100);
    assert_eq!(read("0"), read("0"));
    assert_ne!(read("0"), read("-1"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn a_reader_restored_at_any_offset_yields_just_the_rest(
        events in 0_u64..900,
        proportions in (0_u64..4, 0_u64..5, 1_u64..60),
        parallelism in 1_u32..5,
        (rows, other_rows) in (1_usize..200, 1_usize..200),
        batches in 0_usize..20,
    ) {
        let [events, persons, auctions, bids] =
            [events.max(1), proportions.0, proportions.1, proportions.2].map(|number| number.to_string());
        let options = [
            ("events.num", &*events),
            ("person.proportion", &*persons),
            ("auction.proportion", &*auctions),
            ("bid.proportion", &*bids),
        ];
        let factory = factory(&options);
        let splits = block_on(factory.splits(parallelism)).expect("it splits");
        // One reader has all the splits, as after a rescale.
        let mut source = open(&*factory, splits, schema(), rows);
        let mut all = read(&mut *source, batches);
        let mut restored = open(&*factory, source.positions(), schema(), other_rows);
        all.extend(read(&mut *restored, usize::MAX));
        prop_assert_eq!(in_order(&all), read_all(&options, schema(), 1, 4_096));
    }

    #[test]
    fn a_pruned_read_has_the_values_of_the_full_read(picks in proptest::collection::vec(any::<bool>(), 26)) {
        let options = [("events.num", "300")];
        let names: Vec<_> = schema().fields().iter().flat_map(|field| match field.data_type() {
            DataType::Struct(fields) => {
                fields.iter().map(|inner| format!("{}.{}", field.name(), inner.name())).collect()
            }
            _ => vec![field.name().clone()],
        }).collect();
        prop_assert_eq!(names.len(), picks.len());
        let kept: Vec<_> = names.iter().zip(&picks).filter(|(_, pick)| **pick).map(|(name, _)| &**name).collect();
        let full = read_all(&options, schema(), 1, 4_096);
        let part = read_all(&options, pruned(|name| kept.contains(&name)), 1, 4_096);
        for name in kept {
            prop_assert_eq!(&field(&part, name), &field(&full, name), "{}", name);
        }
    }
}

/// The array of `column` or `column.field`.
fn field(batch: &RecordBatch, name: &str) -> arrow_array::ArrayRef {
    match name.split_once('.') {
        None => batch.column_by_name(name).expect("the column is read").clone(),
        Some((column, field)) => {
            let column = batch.column_by_name(column).expect("the column is read");
            column
                .as_struct()
                .column_by_name(field)
                .expect("the field is read")
                .clone()
        }
    }
}

#[test]
fn a_field_is_null_just_where_its_row_is() {
    let batch = read_all(&[("events.num", "333")], schema(), 1, 100);
    for (kind, name) in (0..).zip(["person", "auction", "bid"]) {
        let row = batch.column_by_name(name).expect("all are read").as_struct();
        let types = batch.column(0).as_primitive::<Int32Type>();
        for n in 0..batch.num_rows() {
            assert_eq!(row.is_valid(n), types.value(n) == kind, "{name} of event {n}");
        }
        for field in row.columns() {
            assert_eq!(field.nulls(), row.nulls());
        }
    }
}

#[test]
fn rows_without_fields_and_batches_without_columns_still_count() {
    let options = [("events.num", "120")];
    let bare = read_all(&options, pruned(|name| name == "bid"), 1, 50);
    assert_eq!(bare.column(0).null_count(), 2 * 4 + 4);
    let factory = factory(&options);
    let splits = block_on(factory.splits(1)).expect("it splits");
    let mut source = open(&*factory, splits, Arc::new(Schema::empty()), 50);
    let rows: Vec<_> = read(&mut *source, usize::MAX)
        .iter()
        .map(|(_, batch)| batch.num_rows())
        .collect();
    assert_eq!(rows, [50, 50, 20]);
}

#[test]
fn whole_cycles_share_their_nulls() {
    let factory = factory(&[]);
    let splits = block_on(factory.splits(2)).expect("it splits");
    let mut source = open(&*factory, splits, schema(), 4_096);
    let [(_, one), (_, other)] = &*read(&mut *source, 2) else {
        panic!("two batches were asked for");
    };
    assert_eq!(one.num_rows(), 4_050);
    let nulls = |batch: &RecordBatch| {
        batch
            .column(3)
            .nulls()
            .map(|nulls| nulls.inner().values().as_ptr())
    };
    assert_eq!(nulls(one), nulls(other));
}

#[test]
fn every_split_ends_once_before_the_source_does() {
    let factory = factory(&[("events.num", "10")]);
    assert!(factory.is_bounded());
    let splits = block_on(factory.splits(3)).expect("it splits");
    let mut source = open(&*factory, splits, schema(), 4_096);
    let mut said = Vec::new();
    while said.iter().rev().take_while(|it| *it == "end").count() < 2 {
        said.push(
            match block_on(source.next()).expect("events can always be made") {
                SourceEvent::Rows { split, batch } => format!("{} of {split}", batch.num_rows()),
                SourceEvent::SplitAdded { split } => format!("{} comes", split.id),
                SourceEvent::SplitEnd { split } => format!("{split} ends"),
                SourceEvent::End => "end".to_owned(),
            },
        );
    }
    let rows = [0, 1, 2, 0, 1, 2, 0, 1, 2, 0].map(|split| format!("1 of {split}"));
    let ends = ["1 ends", "2 ends", "0 ends", "end", "end"].map(str::to_owned);
    assert_eq!(said, [rows.to_vec(), ends.to_vec()].concat());
}

#[test]
fn a_source_kept_alive_is_silent_after_its_last_event() {
    let factory = factory(&[("events.num", "100"), ("stop-at", "60"), ("keep-alive", "true")]);
    assert!(!factory.is_bounded());
    let splits = block_on(factory.splits(1)).expect("it splits");
    let mut source = open(&*factory, splits, schema(), 60);
    let rows: usize = read(&mut *source, 2)
        .iter()
        .map(|(_, batch)| batch.num_rows())
        .sum();
    assert_eq!(rows, 60);
    assert!(source.next().now_or_never().is_none());
}

#[test]
fn a_source_without_a_number_of_events_has_no_end() {
    assert!(!factory(&[]).is_bounded());
    assert!(factory(&[("stop-at", "5")]).is_bounded());
}

#[test]
fn a_limited_source_yields_events_when_they_happen_and_loses_none_to_a_dropped_future() {
    let clock = ManualClock::new();
    clock.advance(Duration::from_secs(99));
    for limit in [("rate.limited", "true"), ("max-emit-speed", "false")] {
        let factory = factory(&[("first-event.rate", "1000"), limit]);
        let splits = block_on(factory.splits(1)).expect("it splits");
        let context = context(schema(), 4_096, Arc::new(clock.clone()));
        let mut source = block_on(factory.open(splits, context)).expect("the splits are right");
        let mut rows = 0;
        for elapsed_ms in 1..=1_000 {
            clock.advance(Duration::from_millis(1));
            while let Some(event) = source.next().now_or_never() {
                let SourceEvent::Rows { batch, .. } = event.expect("events can always be made") else {
                    panic!("it has no end");
                };
                rows += batch.num_rows();
            }
            // Events 0 to `elapsed_ms` have happened; they may wait for each other for 10 ms.
            assert!(
                (elapsed_ms - 10..=elapsed_ms + 1).contains(&(rows as i64)),
                "{rows} after {elapsed_ms} ms"
            );
        }
    }
}

#[test]
fn a_slow_limited_source_hands_out_small_blocks() {
    let factory = factory(&[("first-event.rate", "10"), ("rate.limited", "true")]);
    let splits = block_on(factory.splits(2)).expect("it splits");
    assert_eq!(splits.iter().map(next_event).collect::<Vec<_>>(), [0, 1]);
}

#[test]
fn a_state_that_is_not_ours_is_refused() {
    for state in [
        "",
        "{}",
        r#"{"next":0,"block":0,"stride":0}"#,
        r#"{"next":0,"block":4,"stride":6}"#,
    ] {
        let split = Split {
            id: "0-of-1".to_owned(),
            state: state.into(),
        };
        let context = context(schema(), 10, Arc::new(SystemClock::new()));
        assert!(
            block_on(factory(&[]).open(vec![split], context)).is_err(),
            "{state}"
        );
    }
}

fn refusal(options: Pairs<'_>, schema: SchemaRef) -> (String, Option<String>) {
    let error: OptionError = Nexmark.source(&table(options, schema)).expect_err("refused");
    (error.to_string(), error.problem().suggestion)
}

#[test]
fn wrong_options_are_refused() {
    let check = |key, value, message: &str, suggestion: Option<&str>| {
        let (found, suggested) = refusal(&[(key, value)], schema());
        assert_eq!((&*found, suggested.as_deref()), (message, suggestion));
    };
    check(
        "event.num",
        "1",
        "connector 'nexmark' has no option 'event.num'",
        Some("events.num"),
    );
    check(
        "events.num",
        "-1",
        "option 'events.num': -1 is too small: it must be at least 0",
        None,
    );
    check(
        "first-event.rate",
        "0",
        "option 'first-event.rate': 0 is too small: it must be at least 1",
        None,
    );
    check(
        "bid.hot-ratio.auctions",
        "0",
        "option 'bid.hot-ratio.auctions': 0 is too small: it must be at least 1",
        None,
    );
    check(
        "bid.avg-size",
        "1mb",
        "option 'bid.avg-size': 1048576 bytes are too many: it must be at most 65536",
        None,
    );
    check(
        "rate.shape",
        "squared",
        "option 'rate.shape': 'squared' is not one of 'SQUARE', 'SINE'",
        None,
    );
    let none = [
        ("person.proportion", "0"),
        ("auction.proportion", "0"),
        ("bid.proportion", "0"),
    ];
    assert_eq!(
        refusal(&none, schema()).0,
        "option 'bid.proportion': one of the proportions of persons, auctions and bids must be more than 0"
    );
}

#[test]
fn wrong_columns_are_refused() {
    let check = |field: Field, message: &str| {
        assert_eq!(refusal(&[], Arc::new(Schema::new(vec![field]))).0, message);
    };
    let bid = |field: Field| Field::new_struct("bid", vec![field], true);
    check(
        Field::new("event_typ", DataType::Int32, true),
        "connector 'nexmark' has no column 'event_typ': did you mean 'event_type'?",
    );
    check(
        Field::new("colour", DataType::Int32, true),
        "connector 'nexmark' has no column 'colour' among event_type, person, auction, bid",
    );
    check(
        bid(Field::new("prize", DataType::Int64, true)),
        "connector 'nexmark' has no column 'bid.prize': did you mean 'price'?",
    );
    check(
        bid(Field::new("price", DataType::Int32, true)),
        "column 'bid.price' of connector 'nexmark' is BIGINT, not INT",
    );
    check(
        bid(Field::new(
            "dateTime",
            DataType::Timestamp(TimeUnit::Microsecond, None),
            true,
        )),
        "column 'bid.dateTime' of connector 'nexmark' is TIMESTAMP(3), not Timestamp(µs)",
    );
    check(
        Field::new("event_type", DataType::Utf8, true),
        "column 'event_type' of connector 'nexmark' is INT, not STRING",
    );
    check(
        Field::new_struct("bid", vec![Field::new("price", DataType::Int64, true)], false),
        "column 'bid' of connector 'nexmark' is null in the rows of other events: remove its NOT NULL",
    );
    let price = bid(Field::new("price", DataType::Int64, false));
    Nexmark
        .source(&table(&[], Arc::new(Schema::new(vec![price]))))
        .expect("a subset of the columns, and fields that are never null where their row is not");
}

#[test]
fn nothing_can_be_written_to_it() {
    let error = Nexmark.sink(&table(&[], schema())).expect_err("refused");
    assert_eq!(
        error.to_string(),
        "connector 'nexmark' makes rows and cannot be written to"
    );
}
