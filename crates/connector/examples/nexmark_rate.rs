//! Prints how many Nexmark events a second of CPU makes, for the columns that some of the benchmark's queries read.
//!
//! ```text
//! cargo run --release -p weir-connector --example nexmark_rate -- [EVENTS] [ONLY]
//! ```

use std::{collections::BTreeMap, error::Error, fs, hint::black_box, sync::Arc};

use arrow_schema::{DataType, Field, Schema, SchemaRef};
use futures::executor::block_on;
use weir_connector::{SourceContext, SourceEvent, Table, connector};
use weir_env::SystemClock;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const BATCH_ROWS: usize = 4_096;
const TIMES: [&str; 4] = [
    "event_type",
    "person.dateTime",
    "auction.dateTime",
    "bid.dateTime",
];
const SETS: [(&str, &[&str]); 8] = [
    ("times", &[]),
    ("count per auction", &["bid.auction"]),
    ("q2", &["bid.auction", "bid.price"]),
    ("q0", &["bid.auction", "bid.bidder", "bid.price", "bid.extra"]),
    ("channel and url", &["bid.channel", "bid.url"]),
    ("persons", &["person"]),
    ("auctions", &["auction"]),
    ("all", &["person", "auction", "bid"]),
];

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let events = arguments.next().map_or(Ok(30_000_000), |events| events.parse())?;
    let only = arguments.next().unwrap_or_default();
    for (name, fields) in SETS.into_iter().filter(|(name, _)| name.contains(&only)) {
        let cpu_s = block_on(cpu_seconds(events, pruned(&[&TIMES, fields].concat())))?;
        println!(
            "{name:20} {:8.2} M events per CPU second, {:7.1} ns per event",
            events as f64 / cpu_s / 1e6,
            cpu_s / events as f64 * 1e9
        );
    }
    Ok(())
}

/// The CPU time that it takes to make so many events with these columns.
async fn cpu_seconds(events: u64, schema: SchemaRef) -> Result<f64, Box<dyn Error>> {
    let options = [
        ("events.num", events.to_string()),
        ("first-event.rate", "10000000".to_owned()),
    ];
    let nexmark = connector("nexmark")?;
    let factory = nexmark.source(&Table {
        name: "events".to_owned(),
        connector: "nexmark".to_owned(),
        options: BTreeMap::from(options.map(|(key, value)| (key.to_owned(), value))),
        schema: nexmark.default_schema().ok_or("nexmark has fixed columns")?,
    })?;
    let context = SourceContext {
        schema,
        batch_rows: BATCH_ROWS,
        known_splits: Arc::default(),
        subtask: 0,
        parallelism: 1,
        takes_checkpoints: false,
        clock: Arc::new(SystemClock::new()),
        counters: Arc::default(),
        dead_letters: None,
    };
    let mut source = factory.open(factory.splits(1).await?, context).await?;
    let before = process_cpu_seconds()?;
    let mut rows = 0;
    loop {
        match source.next().await? {
            SourceEvent::Rows { batch, .. } => rows += black_box(batch).num_rows() as u64,
            SourceEvent::SplitEnd { .. } | SourceEvent::SplitAdded { .. } => {}
            SourceEvent::End => break,
        }
    }
    assert_eq!(rows, events, "every event was made");
    Ok(process_cpu_seconds()? - before)
}

/// The table's columns without those that are not named, as `column` or `column.field`.
fn pruned(names: &[&str]) -> SchemaRef {
    let schema = connector("nexmark")
        .ok()
        .and_then(weir_connector::Connector::default_schema);
    let schema = schema.expect("nexmark has fixed columns");
    let keep = |field: &Field| {
        let name = field.name();
        let DataType::Struct(fields) = field.data_type() else {
            return names.contains(&name.as_str()).then(|| field.clone());
        };
        let named =
            |inner: &str| names.contains(&name.as_str()) || names.contains(&&*format!("{name}.{inner}"));
        let fields: Vec<_> = fields
            .iter()
            .filter(|field| named(field.name()))
            .cloned()
            .collect();
        Some(Field::new_struct(name, fields, field.is_nullable()))
    };
    let fields: Vec<_> = schema.fields().iter().filter_map(|field| keep(field)).collect();
    Arc::new(Schema::new(fields))
}

/// CPU time of the main thread so far: all work is on it.
fn process_cpu_seconds() -> Result<f64, Box<dyn Error>> {
    let stat = fs::read_to_string("/proc/self/schedstat")?;
    let nanos: u64 = stat
        .split_whitespace()
        .next()
        .ok_or("no time in schedstat")?
        .parse()?;
    Ok(nanos as f64 / 1e9)
}
