//! Ranks that are restored all along the way.

use arrow_array::{Float64Array, StringArray};

use super::*;
use crate::operator::rehearsal::{self, Call};

/// Keys that are equal and differ in their bits are among them.
const KEYS: [Option<f64>; 5] = [None, Some(0.0), Some(-0.0), Some(1.5), Some(f64::NAN)];

/// Of which kind the first column is, and whether the rows are changes.
fn input(first: DataType, is_changelog: bool) -> SchemaRef {
    let mut fields = vec![
        Field::new("k", first, true),
        Field::new("v", DataType::Int64, false),
        Field::new("name", DataType::Utf8, true),
    ];
    fields.extend(is_changelog.then(changelog::op_field));
    Arc::new(Schema::new(fields))
}

/// The input with a rank, as changes.
fn output(input: &SchemaRef, with_rank: bool, is_changelog: bool) -> SchemaRef {
    let mut fields = input.fields()[..3].to_vec();
    fields.extend(with_rank.then(|| Arc::new(Field::new("rank", DataType::Int64, false))));
    fields.extend(is_changelog.then(|| Arc::new(changelog::op_field())));
    Arc::new(Schema::new(fields))
}

/// A row: its key's place in [`KEYS`] or its window's end, what orders it, and its number.
type Numbered = (usize, i64, usize);

fn columns(first: ArrayRef, rows: &[(RowKind, Numbered)]) -> Vec<ArrayRef> {
    let name = |number: usize| (number % 4 != 3).then(|| format!("row {number}"));
    vec![
        first,
        Arc::new(rows.iter().map(|(_, row)| row.1).collect::<Int64Array>()),
        Arc::new(rows.iter().map(|(_, row)| name(row.2)).collect::<StringArray>()),
    ]
}

/// Rows by key, as changes or not.
fn keyed(rows: &[(RowKind, Numbered)], is_changelog: bool) -> RecordBatch {
    let keys: Float64Array = rows.iter().map(|(_, row)| KEYS[row.0]).collect();
    let mut columns = columns(Arc::new(keys), rows);
    columns
        .extend(is_changelog.then(|| changelog::column(rows.iter().map(|(kind, _)| kind.byte()).collect())));
    RecordBatch::try_new(input(DataType::Float64, is_changelog), columns).expect("fits")
}

fn by(column: u32, descending: bool) -> SortColumn {
    SortColumn {
        column,
        descending,
        nulls_first: true,
    }
}

/// What a rank is asked to do.
#[derive(Clone, Copy, Debug)]
struct Asked {
    keys: &'static [u32],
    offset: u64,
    size: u64,
    orders_by_two: bool,
    with_rank: bool,
    prefers_later: bool,
    takes_back: bool,
    ttl_ms: u64,
}

impl Asked {
    fn spec(self) -> graph::Rank {
        graph::Rank {
            keys: self.keys.to_vec(),
            order: if self.orders_by_two {
                vec![by(1, true), by(0, false)]
            } else {
                vec![by(1, true)]
            },
            limit: self.offset + self.size,
            offset: self.offset,
            with_rank: self.with_rank,
            prefers_later: self.prefers_later,
            state_ttl_ms: self.ttl_ms,
            ..graph::Rank::default()
        }
    }

    fn rank(self) -> Box<dyn Operator> {
        let input = input(DataType::Float64, self.takes_back);
        let output = output(&input, self.with_rank, true);
        build(&self.spec(), &input, output).expect("builds")
    }
}

fn asked() -> impl Strategy<Value = Asked> {
    let keys = prop::sample::select(vec![&[0_u32] as &[u32], &[], &[0, 1]]);
    let ttl_ms = prop::sample::select(vec![0_u64, 10]);
    let flags = any::<[bool; 4]>();
    (keys, 0..2_u64, 1..4_u64, ttl_ms, flags).prop_map(|(keys, offset, size, ttl_ms, flags)| Asked {
        keys,
        offset,
        size,
        ttl_ms,
        orders_by_two: flags[0],
        with_rank: flags[1],
        prefers_later: flags[2],
        takes_back: flags[3],
    })
}

/// A key, what orders a row, and whether another row is taken back instead.
type Step = (usize, i64, bool);

/// Batches of rows and the times at which they come. A row that is taken back came before.
fn calls(steps: Vec<(Vec<Step>, i64)>, takes_back: bool) -> Vec<Call> {
    let (mut all, mut next, mut now) = (Vec::new(), 0, 0);
    let mut calls = Vec::new();
    for (rows, wait) in steps {
        let mut changes = Vec::new();
        for (key, value, deletes) in rows {
            if takes_back && deletes && !all.is_empty() {
                let row = all.swap_remove((value as usize * 7 + key) % all.len());
                changes.push((RowKind::Delete, row));
            } else {
                all.push((key, value, next));
                changes.push((RowKind::Insert, (key, value, next)));
                next += 1;
            }
        }
        now += wait;
        calls.push(Call::Time(now));
        calls.push(Call::Rows(keyed(&changes, takes_back)));
    }
    calls
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Ties, rows taken back, keys forgotten: all that a rank does, in the same order.
    #[test]
    fn a_restored_rank_goes_on_as_if_nothing_had_been(
        asked in asked(),
        steps in prop::collection::vec(
            (prop::collection::vec((0..KEYS.len(), 0..4_i64, any::<bool>()), 0..9), 0..8_i64), 1..16),
    ) {
        let calls = calls(steps, asked.takes_back);
        rehearsal::check(move || asked.rank(), &calls);
        let keys: Vec<usize> = asked.keys.iter().map(|key| *key as usize).collect();
        rehearsal::check_rescaled(move || asked.rank(), &calls, &keys);
    }

}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn a_rank_that_is_on_disk_goes_on_as_if_nothing_had_been(
        asked in asked(),
        steps in prop::collection::vec(
            (prop::collection::vec((0..KEYS.len(), 0..4_i64, any::<bool>()), 0..9), 0..8_i64), 1..16),
    ) {
        prop_assume!(!asked.keys.is_empty());
        let asked = Asked { ttl_ms: 0, ..asked };
        let calls = calls(steps, asked.takes_back);
        rehearsal::check_spilled(move || asked.rank(), &calls);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_restored_rank_of_windows_goes_on_as_if_nothing_had_been(
        keys in prop::sample::select(vec![&[0_u32] as &[u32], &[2, 0]]),
        limit in 1..4_u64, prefers_later in any::<bool>(),
        batches in prop::collection::vec(
            (prop::collection::vec((0..6_usize, 0..4_i64, 0..6_usize), 0..9), 0..9_i64), 1..16),
    ) {
        let rank = move || of_windows(keys, limit, prefers_later);
        let calls = windowed_calls(batches);
        rehearsal::check_sorted(rank, &calls);
        let keys: Vec<usize> = keys.iter().map(|key| *key as usize).collect();
        rehearsal::check_rescaled(rank, &calls, &keys);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn a_rank_of_windows_that_is_on_disk_goes_on_as_if_it_were_not(
        keys in prop::sample::select(vec![&[0_u32] as &[u32], &[2, 0]]),
        limit in 1..4_u64, prefers_later in any::<bool>(),
        batches in prop::collection::vec(
            (prop::collection::vec((0..6_usize, 0..4_i64, 0..6_usize), 0..9), 0..9_i64), 1..16),
    ) {
        rehearsal::check_spilled(move || of_windows(keys, limit, prefers_later), &windowed_calls(batches));
    }
}

/// The first rows of each window, which ends at a row's first column.
fn of_windows(keys: &[u32], limit: u64, prefers_later: bool) -> Box<dyn Operator> {
    let spec = graph::Rank {
        keys: keys.to_vec(),
        order: vec![by(1, false)],
        limit,
        prefers_later,
        with_rank: true,
        window_end: Some(0),
        ..graph::Rank::default()
    };
    let input = input(DataType::Timestamp(TimeUnit::Millisecond, None), false);
    build(&spec, &input, output(&input, true, false)).expect("builds")
}

/// Batches of rows of the windows from the watermark on, which rises by so much behind each.
fn windowed_calls(batches: Vec<(Vec<Numbered>, i64)>) -> Vec<Call> {
    let time = DataType::Timestamp(TimeUnit::Millisecond, None);
    let (mut calls, mut watermark) = (Vec::new(), 0);
    for (rows, by) in batches {
        let ends = rows.iter().map(|row| (watermark / 10 + row.0 as i64) * 10);
        let ends: ArrayRef = Arc::new(ends.map(Some).collect::<TimestampMillisecondArray>());
        let rows: Vec<(RowKind, Numbered)> = rows.into_iter().map(|row| (RowKind::Insert, row)).collect();
        let batch = RecordBatch::try_new(input(time.clone(), false), columns(ends, &rows));
        calls.push(Call::Rows(batch.expect("fits")));
        watermark += by;
        calls.push(Call::Watermark(watermark));
    }
    calls
}
