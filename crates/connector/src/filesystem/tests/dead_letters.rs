//! Records that cannot be read, kept beside the rows.

use super::*;
use crate::dead_letter::{DeadLetter, DeadLetters};

/// What a reader yielded: numbers of rows, and texts of dead letters.
#[derive(Clone, Debug, Default, PartialEq)]
struct Yielded {
    numbers: Vec<i64>,
    letters: Vec<String>,
}

impl Yielded {
    fn and(&self, other: &Self) -> Self {
        Self {
            numbers: [&self.numbers[..], &other.numbers].concat(),
            letters: [&self.letters[..], &other.letters].concat(),
        }
    }
}

/// Reads to the end; after each event, what was yielded so far and where to go on.
async fn steps(factory: &read::Factory, splits: Vec<Split>, batch_rows: usize) -> Vec<(Yielded, Vec<Split>)> {
    let dead_letters = Arc::new(DeadLetters::default());
    let context = SourceContext {
        dead_letters: Some(Arc::clone(&dead_letters)),
        ..source_context(batch_rows)
    };
    let mut source = factory.open(splits, context).await.expect("opens");
    let (mut so_far, mut steps) = (Yielded::default(), Vec::new());
    loop {
        let event = source.next().await.expect("no record fails it");
        if let SourceEvent::Rows { batch, .. } = &event {
            so_far.numbers.extend(numbers(batch));
        }
        let text = |letter: DeadLetter| String::from_utf8(letter.record).expect("text");
        so_far.letters.extend(dead_letters.take().into_iter().map(text));
        steps.push((so_far.clone(), source.positions()));
        if matches!(event, SourceEvent::End) {
            return steps;
        }
    }
}

#[tokio::test]
async fn a_position_has_the_dead_letters_before_it_and_none_behind() {
    let folder = TempDir::new().expect("a folder");
    let path = folder.path().join("in.json");
    let line = |n: i64| match n % 7 {
        0 | 1 | 5 => format!("{{\"n\":\"bad {n}\"}}\n"),
        _ => format!("{{\"n\":{n}}}\n"),
    };
    fs::write(&path, (0..50).map(line).collect::<String>() + "the end").expect("writes");
    let factory = factory(&path, &[]);
    let splits = factory.splits(1).await.expect("splits");
    for batch_rows in [1, 3, 100] {
        let all = steps(&factory, splits.clone(), batch_rows).await;
        let (whole, _) = all.last().expect("steps").clone();
        assert_eq!((whole.numbers.len(), whole.letters.len()), (28, 23));
        assert_eq!(whole.letters[0], "{\"n\":\"bad 0\"}");
        assert_eq!(whole.letters[22], "the end");
        for (before, positions) in all {
            let rest = steps(&factory, positions, batch_rows).await;
            let (rest, _) = rest.last().expect("steps").clone();
            assert_eq!(before.and(&rest), whole);
        }
    }
}

#[tokio::test]
async fn dead_letters_do_not_pile_up_where_nothing_can_be_read() {
    let folder = TempDir::new().expect("a folder");
    let path = folder.path().join("in.json");
    let line = "x".repeat(1000) + "\n";
    fs::write(&path, line.repeat(4000)).expect("writes");
    let factory = factory(&path, &[]);
    let splits = factory.splits(1).await.expect("splits");
    let all = steps(&factory, splits, 8192).await;
    let counts: Vec<_> = all.iter().map(|(yielded, _)| yielded.letters.len()).collect();
    assert!(counts.len() >= 4, "{counts:?}");
    assert!(counts[0] <= 1100, "{counts:?}");
    assert_eq!(counts.last(), Some(&4000));
}
