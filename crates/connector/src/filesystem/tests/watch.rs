//! Folders that are watched: each file is read once, by one reader, however often the job begins anew.

use std::{collections::BTreeMap, time::Duration};

use weir_env::SystemClock;

use super::*;

const WATCHED: &[(&str, &str)] = &[("source.monitor-interval", "5 ms")];
const PATIENCE: Duration = Duration::from_secs(20);

/// A reader's context; what others have or had is known to it.
fn context(known: &[Split], subtask: u32, parallelism: u32) -> SourceContext {
    SourceContext {
        known_splits: known.iter().map(|split| split.id.clone()).collect(),
        subtask,
        parallelism,
        clock: Arc::new(SystemClock::new()),
        ..source_context(100)
    }
}

/// The next events, so many.
async fn events(source: &mut dyn Source, count: usize) -> Vec<String> {
    let mut events = Vec::new();
    for _ in 0..count {
        let event = tokio::time::timeout(PATIENCE, source.next()).await;
        let event = event.unwrap_or_else(|_| panic!("nothing comes after {events:?}"));
        events.push(match event.expect("reads") {
            SourceEvent::Rows { split, batch } => format!("{split}: {:?}", numbers(&batch)),
            SourceEvent::SplitAdded { split } => format!("added {}", name_of(&split.id)),
            SourceEvent::SplitEnd { split } => format!("{split} ends"),
            SourceEvent::End => "the end".to_owned(),
        });
    }
    events
}

fn name_of(id: &str) -> &str {
    id.rsplit('/').next().unwrap_or(id)
}

#[tokio::test]
async fn new_files_are_read_once_and_a_job_that_goes_on_knows_them() {
    let folder = TempDir::new().expect("a folder");
    let put = |name: &str, n: i64| fs::write(folder.path().join(name), lines([n])).expect("writes");
    put("a.json", 1);
    let factory = factory(folder.path(), WATCHED);
    assert!(!factory.is_bounded() && factory.discovers());
    let splits = factory.splits(4).await.expect("splits");
    assert_eq!(splits.len(), 1, "a file is no more than one split");
    let known = context(&splits, 0, 1);
    let mut source = factory.open(splits, known).await.expect("opens");
    assert_eq!(events(source.as_mut(), 2).await, ["0: [1]", "0 ends"]);
    put(".b.json", 9);
    put("b.json", 2);
    let new = events(source.as_mut(), 3).await;
    assert_eq!(new, ["added b.json", "1: [2]", "1 ends"]);
    assert_eq!(source.positions(), []);
    // A file that is written on is not read again: the next to come is the next one that is new.
    fs::write(folder.path().join("a.json"), lines([1, 2, 3])).expect("writes");
    put("c.json", 3);
    let new = events(source.as_mut(), 2).await;
    assert_eq!(new, ["added c.json", "2: [3]"]);
    let rest = source.positions();
    assert_eq!(rest.len(), 1, "{rest:?}");
    // What goes on from here knows all by their ids, those too that have ended.
    let all = factory.splits(4).await.expect("splits");
    let mut next = factory.open(rest, context(&all, 0, 1)).await.expect("opens");
    put("d.json", 4);
    let new = events(next.as_mut(), 3).await;
    assert_eq!(new, ["0 ends", "added d.json", "1: [4]"]);
}

#[tokio::test]
async fn each_new_file_has_one_reader() {
    let folder = TempDir::new().expect("a folder");
    let factory = factory(folder.path(), WATCHED);
    let mut readers = Vec::new();
    for subtask in 0..3 {
        readers.push(
            factory
                .open(Vec::new(), context(&[], subtask, 3))
                .await
                .expect("opens"),
        );
    }
    for n in 0..30 {
        fs::write(folder.path().join(format!("{n}.json")), lines([n])).expect("writes");
    }
    let mut readers_of: BTreeMap<String, usize> = BTreeMap::new();
    let [first, second, third] = &mut readers[..] else {
        panic!("three readers")
    };
    while readers_of.len() < 30 {
        let (reader, event) = tokio::select! {
            event = events(first.as_mut(), 1) => (0, event),
            event = events(second.as_mut(), 1) => (1, event),
            event = events(third.as_mut(), 1) => (2, event),
        };
        if let Some(name) = event[0].strip_prefix("added ") {
            let other = readers_of.insert(name.to_owned(), reader);
            assert_eq!(other, None, "{name} has two readers");
        }
    }
    for reader in 0..3 {
        assert!(
            readers_of.values().any(|of| *of == reader),
            "{reader} has nothing to do"
        );
    }
}
