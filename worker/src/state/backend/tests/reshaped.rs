//! Tables whose aggregates are others than they were.

use super::*;
use crate::state::table::Part;

/// A table of counters that begin at -1.
fn counters(names: &[&str]) -> Table {
    let part = |name: &&str| Part {
        name: (*name).to_owned(),
        types: vec![DataType::Int64],
        beginning: Some(vec![Arc::new(Int64Array::from(vec![-1]))]),
    };
    let parts = names.iter().map(part).collect();
    Table::of_parts("groups", &[DataType::Int64], &[DataType::Utf8], parts)
}

fn config(world: &World, kind: Kind, generation: u32, part: (u32, u32), names: &[&str]) -> BackendConfig {
    let mut config = world.config(kind, generation, part.0, part.1);
    config.operators.truncate(1);
    config.operators[0].tables = vec![counters(names)];
    config
}

/// Counters by key, a key's number and a name.
type Counters = BTreeMap<i64, Vec<i64>>;

async fn read(backend: &mut Backend, from: &[Restored]) -> Result<Counters, Failure> {
    let mut read = Counters::new();
    backend
        .restore(from, &[], &mut |_, _, rows| {
            let keys = rows.column(0).as_primitive::<Int64Type>();
            for row in 0..rows.num_rows() {
                let values = rows.columns()[2..].iter();
                let values = values.map(|column| column.as_primitive::<Int64Type>().value(row));
                assert!(read.insert(keys.value(row), values.collect()).is_none());
            }
            Ok(())
        })
        .await?;
    Ok(read)
}

/// Rows of keys from 0 on, in which the counter `n` of key `k` is `100 n + k`.
fn written(keys: i64, names: &[&str]) -> Vec<Vec<Change>> {
    let mut columns: Vec<ArrayRef> = vec![
        Arc::new(Int64Array::from_iter_values(0..keys)),
        Arc::new(
            (0..keys)
                .map(|key| Some(format!("key {key}")))
                .collect::<StringArray>(),
        ),
    ];
    for number in (0..).take(names.len()) {
        columns.push(Arc::new(Int64Array::from_iter_values(
            (0..keys).map(|key| 100 * number + key),
        )));
    }
    let rows = batch(&counters(names), columns);
    vec![vec![Change::Write { table: 0, rows }]]
}

/// The state of a subtask that wrote such rows and persisted them.
async fn left(world: &World, kind: Kind, keys: i64, names: &[&str]) -> SubtaskState {
    let config = config(world, kind, 1, (0, 1), names);
    let mut backend = Backend::open(config).await.expect("opens");
    let persisted = persist(&mut backend, 1, written(keys, names))
        .await
        .expect("persists");
    state_of(&backend, &persisted)
}

#[tokio::test]
async fn counters_are_found_by_name_and_added_ones_begin_whichever_backend_had_them() {
    for (had, has) in [
        (Kind::Memory, Kind::Rocksdb),
        (Kind::Rocksdb, Kind::Memory),
        (Kind::Rocksdb, Kind::Rocksdb),
    ] {
        let world = World::new();
        let state = left(&world, had, 40, &["a", "b", "c"]).await;
        let mut all = Counters::new();
        for subtask in 0..3 {
            let config = config(&world, has, 2, (subtask, 3), &["c", "new", "a"]);
            let mut backend = Backend::open(config).await.expect("opens");
            let own = read(&mut backend, &[world.restored(state.clone())])
                .await
                .expect("reads");
            all.extend(own);
        }
        let expected: Counters = (0..40).map(|key| (key, vec![200 + key, -1, key])).collect();
        assert_eq!(all, expected, "{had:?} {has:?}");
    }
}

#[tokio::test]
async fn rows_that_were_given_other_columns_are_there_at_the_next_checkpoint() {
    let world = World::new();
    let first = left(&world, Kind::Rocksdb, 20, &["a", "b"]).await;
    let names = ["b", "new"];
    let mut second = Backend::open(config(&world, Kind::Rocksdb, 2, (0, 1), &names))
        .await
        .expect("opens");
    let began = read(&mut second, &[world.restored(first)]).await.expect("reads");
    // One key is written since.
    let persisted = persist(&mut second, 2, written(1, &names))
        .await
        .expect("persists");
    let state = state_of(&second, &persisted);
    let mut third = Backend::open(config(&world, Kind::Rocksdb, 3, (0, 1), &names))
        .await
        .expect("opens");
    let mut expected = began.clone();
    expected.insert(0, vec![0, 100]);
    assert_eq!(began[&7], [107, -1]);
    assert_eq!(
        read(&mut third, &[world.restored(state)]).await.expect("reads"),
        expected
    );
}

#[tokio::test]
async fn a_counter_of_another_type_is_refused_with_a_sentence() {
    let world = World::new();
    let state = left(&world, Kind::Memory, 3, &["a"]).await;
    let mut config = config(&world, Kind::Memory, 2, (0, 1), &["a"]);
    let mut parts = config.operators[0].tables[0].parts.clone();
    parts[0].types = vec![DataType::Utf8];
    config.operators[0].tables = vec![Table::of_parts(
        "groups",
        &[DataType::Int64],
        &[DataType::Utf8],
        parts,
    )];
    let mut backend = Backend::open(config).await.expect("opens");
    let failure = read(&mut backend, &[world.restored(state)])
        .await
        .expect_err("another type");
    assert_eq!(
        failure,
        Failure::user(
            "the state of the operator a cannot be used: a of its table 'groups' was (Int64) and is (Utf8)"
        )
    );
}
