//! Caches above a table that counts what it is asked.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use arrow_array::{ArrayRef, Int64Array, RecordBatch, StringArray, cast::AsArray, types::Int64Type};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use async_trait::async_trait;
use parking_lot::Mutex;
use weir_env::ManualClock;

use super::{Cache, Found, Lookup, LookupContext, PartialCache, Settings, index::Index, layered};
use crate::{ConnectorError, connector, table::Table};

fn schema() -> SchemaRef {
    Arc::new(Schema::new(vec![Field::new("name", DataType::Utf8, true)]))
}

fn context(clock: &ManualClock) -> LookupContext {
    LookupContext {
        keys: vec![0],
        key_types: vec![DataType::Int64],
        schema: schema(),
        clock: Arc::new(clock.clone()),
    }
}

/// Key k has k mod 3 rows, named after it and the question that they came with.
#[derive(Debug, Default)]
struct Asked {
    questions: Mutex<Vec<Vec<i64>>>,
    failures: AtomicUsize,
}

#[async_trait]
impl Lookup for Asked {
    async fn lookup(&self, keys: &[ArrayRef]) -> Result<Found, ConnectorError> {
        let keys = keys[0].as_primitive::<Int64Type>().values().to_vec();
        self.questions.lock().push(keys.clone());
        if self.failures.load(Relaxed) > 0 {
            self.failures.fetch_sub(1, Relaxed);
            return Err(ConnectorError::external("the table is away"));
        }
        let number = self.questions.lock().len();
        let (mut names, mut of) = (Vec::new(), Vec::new());
        for (i, key) in keys.iter().enumerate() {
            for row in 0..key % 3 {
                names.push(format!("{key}.{row} of {number}"));
                of.push(i as u32);
            }
        }
        let names: ArrayRef = Arc::new(StringArray::from(names));
        let rows = RecordBatch::try_new(schema(), vec![names]).expect("one column");
        Ok(Found { rows, keys: of })
    }
}

/// What was found for keys, as `place=name`.
async fn ask(lookup: &dyn Lookup, keys: &[i64]) -> Vec<String> {
    let keys: ArrayRef = Arc::new(Int64Array::from(keys.to_vec()));
    let found = lookup.lookup(&[keys]).await.expect("answers");
    assert!(found.keys.is_sorted());
    let names = found.rows.column(0).as_string::<i32>();
    let pairs = found.keys.iter().zip(names.iter());
    pairs
        .map(|(key, name)| format!("{key}={}", name.unwrap_or("null")))
        .collect()
}

const PARTIAL: PartialCache = PartialCache {
    max_rows: None,
    expire_after_write: None,
    expire_after_access: None,
    caches_missing: true,
};

fn cached(asked: &Arc<Asked>, cache: Cache, clock: &ManualClock) -> Arc<dyn Lookup> {
    let settings = Settings {
        cache,
        max_retries: 1,
    };
    let asked: Arc<dyn Lookup> = Arc::clone(asked) as _;
    layered(asked, settings, &context(clock)).expect("fits")
}

#[tokio::test]
async fn each_key_of_a_batch_is_asked_for_once() {
    let (asked, clock) = (Arc::default(), ManualClock::new());
    let lookup = cached(&asked, Cache::None, &clock);
    for number in 1..=2 {
        let expected = [
            format!("0=5.0 of {number}"),
            format!("0=5.1 of {number}"),
            format!("1=1.0 of {number}"),
            format!("3=5.0 of {number}"),
            format!("3=5.1 of {number}"),
        ];
        assert_eq!(ask(lookup.as_ref(), &[5, 1, 3, 5]).await, expected);
    }
    assert_eq!(*asked.questions.lock(), [[5, 1, 3], [5, 1, 3]]);
}

#[tokio::test]
async fn a_partial_cache_asks_only_for_what_it_does_not_hold() {
    let (asked, clock) = (Arc::default(), ManualClock::new());
    let lookup = cached(&asked, Cache::Partial(PARTIAL), &clock);
    assert_eq!(ask(lookup.as_ref(), &[1, 3]).await, ["0=1.0 of 1"]);
    let expected = ["1=1.0 of 1", "2=2.0 of 2", "2=2.1 of 2", "3=1.0 of 1"];
    assert_eq!(ask(lookup.as_ref(), &[3, 1, 2, 1]).await, expected);
    assert_eq!(*asked.questions.lock(), [vec![1, 3], vec![2]]);
    let forgetful = PartialCache {
        caches_missing: false,
        ..PARTIAL
    };
    let asked = Arc::default();
    let lookup = cached(&asked, Cache::Partial(forgetful), &clock);
    for _ in 0..2 {
        ask(lookup.as_ref(), &[1, 3]).await;
    }
    assert_eq!(*asked.questions.lock(), [vec![1, 3], vec![3]]);
}

#[tokio::test]
async fn answers_expire_after_they_came_or_were_used() {
    let check = async |cache: PartialCache, expected: &[&[i64]]| {
        let (asked, clock) = (Arc::default(), ManualClock::new());
        let lookup = cached(&asked, Cache::Partial(cache), &clock);
        for _ in 0..5 {
            ask(lookup.as_ref(), &[1]).await;
            clock.advance(Duration::from_secs(4));
        }
        clock.advance(Duration::from_secs(6));
        ask(lookup.as_ref(), &[1]).await;
        assert_eq!(asked.questions.lock().as_slice(), expected, "{cache:?}");
    };
    let ten = Some(Duration::from_secs(10));
    let written = PartialCache {
        expire_after_write: ten,
        ..PARTIAL
    };
    check(written, &[&[1], &[1], &[1]]).await;
    let used = PartialCache {
        expire_after_access: ten,
        ..PARTIAL
    };
    check(used, &[&[1], &[1]]).await;
}

#[tokio::test]
async fn what_was_used_longest_ago_leaves_a_cache_that_is_full() {
    let cache = PartialCache {
        max_rows: Some(32),
        ..PARTIAL
    };
    let (asked, clock) = (Arc::default(), ManualClock::new());
    let lookup = cached(&asked, Cache::Partial(cache), &clock);
    // Keys 3i + 1 have one row each.
    for i in 0..32 {
        ask(lookup.as_ref(), &[3 * i + 1]).await;
        clock.advance(Duration::from_secs(1));
    }
    ask(lookup.as_ref(), &[1]).await;
    assert_eq!(asked.questions.lock().len(), 32, "all are there");
    clock.advance(Duration::from_secs(1));
    ask(lookup.as_ref(), &[1000]).await;
    let before = asked.questions.lock().len();
    ask(lookup.as_ref(), &[1, 94]).await;
    assert_eq!(asked.questions.lock().len(), before, "used since");
    ask(lookup.as_ref(), &[4]).await;
    assert_eq!(asked.questions.lock().len(), before + 1, "the oldest went");
}

#[tokio::test]
async fn a_cache_holds_the_right_rows_after_many_came_and_went() {
    let cache = PartialCache {
        max_rows: Some(500),
        ..PARTIAL
    };
    let (asked, clock) = (Arc::<Asked>::default(), ManualClock::new());
    let lookup = cached(&asked, Cache::Partial(cache), &clock);
    let mut last: BTreeMap<i64, String> = BTreeMap::new();
    for round in 0..2000_i64 {
        clock.advance(Duration::from_secs(1));
        let keys: Vec<i64> = (0..20).map(|i| (round * 7 + i * i) % 900).collect();
        let before = asked.questions.lock().len();
        let answers = ask(lookup.as_ref(), &keys).await;
        let questions = asked.questions.lock();
        for key in questions[before..].iter().flatten() {
            last.insert(*key, questions.len().to_string());
        }
        let expected = keys.iter().enumerate().flat_map(|(i, key)| {
            let number = &last[key];
            (0..key % 3).map(move |row| format!("{i}={key}.{row} of {number}"))
        });
        assert_eq!(answers, expected.collect::<Vec<_>>(), "round {round}");
    }
}

#[tokio::test]
async fn a_failure_outside_is_tried_again_as_often_as_asked() {
    let (asked, clock) = (Arc::<Asked>::default(), ManualClock::new());
    let lookup = cached(&asked, Cache::None, &clock);
    let key: ArrayRef = Arc::new(Int64Array::from(vec![1]));
    let attempt = async |failures: usize| {
        asked.failures.store(failures, Relaxed);
        let tick = async {
            loop {
                tokio::task::yield_now().await;
                clock.advance(Duration::from_secs(1));
            }
        };
        tokio::select! {
            answer = lookup.lookup(std::slice::from_ref(&key)) => answer.map(|found| found.keys.len()),
            () = tick => unreachable!("it ticks for ever"),
        }
    };
    assert_eq!(attempt(1).await.expect("the second attempt answers"), 1);
    let error = attempt(2).await.expect_err("there is no third attempt");
    assert_eq!(error.message, "the table is away");
}

#[test]
fn an_index_finds_rows_by_several_keys_in_their_order() {
    let fields = vec![
        Field::new("a", DataType::Int64, true),
        Field::new("b", DataType::Utf8, true),
        Field::new("n", DataType::Int64, true),
    ];
    let schema: SchemaRef = Arc::new(Schema::new(fields));
    let batch = |rows: &[(Option<i64>, &str, i64)]| {
        let a: ArrayRef = Arc::new(rows.iter().map(|r| r.0).collect::<Int64Array>());
        let b: ArrayRef = Arc::new(rows.iter().map(|r| Some(r.1)).collect::<StringArray>());
        let n: ArrayRef = Arc::new(Int64Array::from_iter_values(rows.iter().map(|r| r.2)));
        RecordBatch::try_new(Arc::clone(&schema), vec![a, b, n]).expect("three columns")
    };
    let batches = [
        batch(&[(Some(1), "x", 10), (Some(2), "x", 20), (None, "x", 30)]),
        batch(&[(Some(1), "x", 11), (Some(1), "y", 40)]),
    ];
    let index = Index::new(&schema, &batches, &[0, 1], &[2]).expect("fits");
    let asked = batch(&[
        (Some(2), "y", 0),
        (Some(1), "x", 0),
        (Some(2), "x", 0),
        (Some(1), "y", 0),
    ]);
    let found = index
        .find(&[Arc::clone(asked.column(0)), Arc::clone(asked.column(1))])
        .expect("answers");
    assert_eq!(found.keys, [1, 1, 2, 3]);
    assert_eq!(
        found.rows.column(0).as_primitive::<Int64Type>().values().to_vec(),
        [10, 11, 20, 40]
    );
}

/// A folder's file, what its table says about lookups, and the names that are found for key 1 before and after the file changes.
async fn in_folder(cache: &[(&str, &str)], wait: Duration) -> Result<(Vec<String>, Vec<String>), String> {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("names.csv");
    std::fs::write(&file, "1,one\n2,two\n1,eins\n").expect("writes");
    let mut options: BTreeMap<String, String> = BTreeMap::from([
        ("path".to_owned(), folder.path().display().to_string()),
        ("format".to_owned(), "csv".to_owned()),
    ]);
    options.extend(
        cache
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned())),
    );
    let fields = vec![
        Field::new("id", DataType::Int64, true),
        Field::new("name", DataType::Utf8, true),
    ];
    let table = Table {
        name: "names".to_owned(),
        connector: "filesystem".to_owned(),
        options,
        schema: Arc::new(Schema::new(fields)),
    };
    let clock = ManualClock::new();
    let found = connector("filesystem").expect("is there").lookup(&table);
    let factory = found.map_err(|error| error.to_string())?;
    let lookup = factory
        .open(context(&clock))
        .await
        .map_err(|error| error.message)?;
    let before = ask(lookup.as_ref(), &[1]).await;
    std::fs::write(&file, "1,uno\n").expect("writes");
    clock.advance(wait);
    Ok((before, ask(lookup.as_ref(), &[1]).await))
}

#[tokio::test]
async fn a_folder_is_loaded_once_or_again_or_read_for_each_question() {
    let check = async |cache: &[(&str, &str)], seconds: u64, expected: &[&str]| {
        let (before, after) = in_folder(cache, Duration::from_secs(seconds))
            .await
            .expect("answers");
        assert_eq!(before, ["0=one", "0=eins"], "{cache:?}");
        assert_eq!(after, expected, "{cache:?}");
    };
    let old = ["0=one", "0=eins"];
    check(&[], 1_000_000, &old).await;
    let reload = ("lookup.full-cache.periodic-reload.interval", "1 min");
    check(&[("lookup.cache", "FULL"), reload], 59, &old).await;
    check(&[("lookup.cache", "FULL"), reload], 60, &["0=uno"]).await;
    check(&[("lookup.cache", "NONE")], 0, &["0=uno"]).await;
    let partial = [
        ("lookup.cache", "PARTIAL"),
        ("lookup.partial-cache.expire-after-write", "10 s"),
    ];
    check(&partial, 9, &old).await;
    check(&partial, 10, &["0=uno"]).await;
}

#[tokio::test]
async fn what_a_cache_cannot_be_is_refused() {
    let check = async |cache: &[(&str, &str)], expected: &str| {
        let error = in_folder(cache, Duration::ZERO).await.expect_err("refused");
        assert!(error.contains(expected), "{error}");
    };
    check(&[("lookup.cache", "PARTIAL")], "needs a bound").await;
    let timed = [("lookup.full-cache.reload-strategy", "TIMED")];
    check(&timed, "'TIMED' is not supported yet").await;
    let small = [("lookup.full-cache.max-size", "10 b")];
    check(&small, "larger than 10 bytes").await;
    let none = [
        ("lookup.cache", "PARTIAL"),
        ("lookup.partial-cache.max-rows", "0"),
    ];
    check(&none, "must be at least 1").await;
}
