//! Job graphs as the planner makes them.

use std::{collections::HashMap, sync::Arc};

use arrow_schema::{DataType, Field, Schema, SchemaRef, TimeUnit};
use parking_lot::Mutex;
use weir_connector::{RowOutput, changelog};
use weir_proto::{
    graph::{
        Aggregate, AggregateFunction, Calc, Edge, Forward, GroupAggregate, HashKeys, JobGraph,
        LocalWindowAggregate, NamedExpr, Operator, Rebalance, Settings, Sink, Source, Table, TumbleWindow,
        Union, Watermark, WatermarkAlignment, Window, WindowAggregate, edge::Partitioning, operator::Spec,
        window,
    },
    schema,
};

use crate::expression::testing::{bytes, cast, column, named};

pub(super) const TIMESTAMP: DataType = DataType::Timestamp(TimeUnit::Millisecond, None);

pub(super) fn schema_of(columns: &[(&str, DataType)]) -> SchemaRef {
    crate::expression::testing::schema(columns)
}

fn encode(schema: &Schema) -> Vec<u8> {
    schema::encode(schema).expect("the schema encodes")
}

/// The column `n` of a sequence.
pub(super) fn numbers() -> SchemaRef {
    schema_of(&[("n", DataType::Int64)])
}

pub(super) fn table(name: &str, connector: &str, options: &[(&str, &str)], schema: &Schema) -> Table {
    Table {
        name: name.to_owned(),
        connector: connector.to_owned(),
        options: options
            .iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
            .collect::<HashMap<_, _>>(),
        schema: encode(schema),
    }
}

/// Made-up rows `0..rows` of [`numbers`], as fast as they can be made.
pub(super) fn sequence(rows: u64) -> Table {
    sequence_at(rows, 1_000_000_000)
}

/// The same at a rate, rows per second.
pub(super) fn sequence_at(rows: u64, rate: u64) -> Table {
    let (end, rate) = ((rows - 1).to_string(), rate.to_string());
    let options = [
        ("rows-per-second", rate.as_str()),
        ("fields.n.kind", "sequence"),
        ("fields.n.start", "0"),
        ("fields.n.end", end.as_str()),
    ];
    table("numbers", "datagen", &options, &numbers())
}

/// A job graph in the making; each operator gets the next id and is chained into the task that is named.
#[derive(Default)]
pub(super) struct Graph {
    graph: JobGraph,
}

impl Graph {
    pub(super) fn new() -> Self {
        Self {
            graph: JobGraph {
                max_parallelism: 128,
                settings: Some(Settings {
                    auto_watermark_interval_ms: 50,
                    batch_rows: 1024,
                    exchange_linger_ms: 3,
                    channel_bytes: 64 << 10,
                    ..Settings::default()
                }),
                ..JobGraph::default()
            },
        }
    }

    pub(super) fn settings(&mut self) -> &mut Settings {
        self.graph.settings.as_mut().expect("settings were made")
    }

    pub(super) fn build(self) -> JobGraph {
        self.graph
    }

    fn add(&mut self, task: u32, parallelism: u32, name: &str, schema: &Schema, spec: Spec) -> u32 {
        let id = self.graph.operators.len() as u32;
        self.graph.operators.push(Operator {
            id,
            uid: format!("{name}-{id}"),
            name: name.to_owned(),
            description: String::new(),
            task,
            parallelism,
            schema: encode(schema),
            spec: Some(spec),
        });
        id
    }

    pub(super) fn edge(&mut self, from: u32, to: u32, partitioning: Partitioning) {
        self.edge_to_port(from, to, 0, partitioning);
    }

    fn edge_to_port(&mut self, from: u32, to: u32, port: u32, partitioning: Partitioning) {
        self.graph.edges.push(Edge {
            from,
            to,
            port,
            partitioning: Some(partitioning),
            ..Edge::default()
        });
    }

    /// Reads all columns of a table.
    pub(super) fn source(&mut self, task: u32, parallelism: u32, table: Table) -> u32 {
        let schema = schema::decode(&table.schema).expect("the schema decodes");
        let source = Source {
            table: Some(table),
            scan_schema: encode(&schema),
            projection: all(&schema),
            watermark: None,
            filter: None,
        };
        self.add(task, parallelism, "source", &schema, Spec::Source(source))
    }

    /// Reads [`numbers`] with the number of each row as its event time, `ts`, in order.
    pub(super) fn timed_source(&mut self, task: u32, parallelism: u32, table: Table) -> u32 {
        let output = schema_of(&[("n", DataType::Int64), ("ts", TIMESTAMP)]);
        let n = column("n", &numbers());
        let source = Source {
            table: Some(table),
            scan_schema: encode(&numbers()),
            projection: vec![named("n", &n), named("ts", &cast(n.clone(), TIMESTAMP))],
            watermark: Some(Watermark {
                time_column: 1,
                expr: bytes(&column("ts", &output)),
                idle_timeout_ms: 0,
                emitted_columns: 2,
                ..Watermark::default()
            }),
            filter: None,
        };
        self.add(task, parallelism, "source", &output, Spec::Source(source))
    }

    /// Hands on all columns.
    pub(super) fn calc(&mut self, task: u32, parallelism: u32, schema: &Schema) -> u32 {
        let calc = Calc {
            filter: None,
            projection: all(schema),
        };
        self.add(task, parallelism, "calc", schema, Spec::Calc(calc))
    }

    /// Counts the rows of [`Graph::timed_source`] per window of a second, in two phases. Returns both operators' ids;
    /// the edge between them is made.
    pub(super) fn count_per_second(&mut self, tasks: [u32; 2], parallelism: [u32; 2]) -> [u32; 2] {
        let window = Some(Window {
            time_column: 1,
            attached: false,
            kind: Some(window::Kind::Tumble(TumbleWindow {
                size_ms: 1000,
                offset_ms: 0,
            })),
        });
        let result = encode(&Schema::new(vec![Field::new("rows", DataType::Int64, false)]));
        let aggregates = vec![Aggregate {
            function: AggregateFunction::CountStar.into(),
            column: None,
            result,
            ..Default::default()
        }];
        let partial = Schema::new(vec![
            Field::new("rows", DataType::Int64, false),
            Field::new("$pane", TIMESTAMP, false),
            Field::new("$rows", DataType::Int64, false),
        ]);
        let local = LocalWindowAggregate {
            window,
            keys: vec![],
            aggregates: aggregates.clone(),
        };
        let local = self.add(
            tasks[0],
            parallelism[0],
            "local count",
            &partial,
            Spec::LocalWindowAggregate(local),
        );
        let fired = Schema::new(vec![
            Field::new("rows", DataType::Int64, false),
            Field::new("window_start", TIMESTAMP, false),
            Field::new("window_end", TIMESTAMP, false),
            Field::new("window_time", TIMESTAMP, false),
        ]);
        let global = WindowAggregate {
            window,
            key_count: 0,
            aggregates,
            ..WindowAggregate::default()
        };
        let global = self.add(
            tasks[1],
            parallelism[1],
            "count",
            &fired,
            Spec::WindowAggregate(global),
        );
        self.edge(local, global, hash(&[]));
        [local, global]
    }

    /// Counts how often each of [`numbers`] comes from two operators, `rows`. Returns the id of what counts; the edges are made.
    pub(super) fn count_numbers(&mut self, task: u32, parallelism: u32, from: [u32; 2]) -> u32 {
        let union = self.add(task, parallelism, "union", &numbers(), Spec::Union(Union {}));
        for (port, from) in (0..).zip(from) {
            self.edge_to_port(from, union, port, hash(&[0]));
        }
        let rows = Field::new("rows", DataType::Int64, false);
        let spec = GroupAggregate {
            keys: vec![0],
            aggregates: vec![Aggregate {
                function: AggregateFunction::CountStar.into(),
                column: None,
                result: encode(&Schema::new(vec![rows.clone()])),
                ..Default::default()
            }],
            partial: false,
            state_ttl_ms: 0,
        };
        let mut fields = vec![numbers().field(0).clone(), rows];
        fields.push(changelog::op_field());
        let spec = Spec::GroupAggregate(spec);
        let count = self.add(task, parallelism, "count", &Schema::new(fields), spec);
        self.edge(union, count, forward());
        count
    }

    pub(super) fn output(&self, operator: u32) -> SchemaRef {
        schema::decode(&self.graph.operators[operator as usize].schema).expect("the schema decodes")
    }

    /// Makes a source keep together with others of a group.
    pub(super) fn align(&mut self, source: u32, group: &str, max_drift_ms: u64) {
        if let Some(Spec::Source(source)) = &mut self.graph.operators[source as usize].spec
            && let Some(watermark) = &mut source.watermark
        {
            watermark.alignment = Some(WatermarkAlignment {
                group: group.to_owned(),
                max_drift_ms,
                update_interval_ms: 100,
            });
        }
    }

    /// Prints the rows of an operator as table `out`.
    pub(super) fn print(&mut self, task: u32, parallelism: u32, schema: &Schema) -> u32 {
        self.print_as("out", task, parallelism, schema)
    }

    /// The same as another table.
    pub(super) fn print_as(&mut self, name: &str, task: u32, parallelism: u32, schema: &Schema) -> u32 {
        let sink = Sink {
            table: Some(table(name, "print", &[], schema)),
        };
        self.add(task, parallelism, "sink", schema, Spec::Sink(sink))
    }
}

fn all(schema: &Schema) -> Vec<NamedExpr> {
    schema
        .fields()
        .iter()
        .map(|f| named(f.name(), &column(f.name(), schema)))
        .collect()
}

pub(super) fn forward() -> Partitioning {
    Partitioning::Forward(Forward {})
}

pub(super) fn rebalance() -> Partitioning {
    Partitioning::Rebalance(Rebalance {})
}

pub(super) fn hash(columns: &[u32]) -> Partitioning {
    Partitioning::Hash(HashKeys {
        columns: columns.to_vec(),
    })
}

/// Source of [`numbers`], then after a hash exchange by `n` a calc and a print sink.
pub(super) fn shuffled(rows: u64, upstream: u32, downstream: u32) -> Graph {
    let mut graph = Graph::new();
    let source = graph.source(0, upstream, sequence(rows));
    let calc = graph.calc(1, downstream, &numbers());
    let sink = graph.print(1, downstream, &numbers());
    graph.edge(source, calc, hash(&[0]));
    graph.edge(calc, sink, forward());
    graph
}

/// Keeps the rows that are printed.
#[derive(Debug, Default)]
pub(super) struct Collected {
    rows: Mutex<Vec<(u32, String)>>,
}

impl RowOutput for Collected {
    fn print(&self, _table: &str, subtask: u32, lines: &[u8], _rows: usize) {
        let text = String::from_utf8_lossy(lines);
        self.rows
            .lock()
            .extend(text.lines().map(|line| (subtask, line.to_owned())));
    }
}

impl Collected {
    /// The rows with the subtask that printed each.
    pub(super) fn rows(&self) -> Vec<(u32, String)> {
        self.rows.lock().clone()
    }

    /// The values of `n`, sorted.
    pub(super) fn numbers(&self) -> Vec<i64> {
        let mut numbers: Vec<i64> = self.rows().iter().map(|(_, line)| number(line, "n")).collect();
        numbers.sort_unstable();
        numbers
    }
}

/// A number in a printed row.
pub(super) fn number(line: &str, field: &str) -> i64 {
    let row: serde_json::Value = serde_json::from_str(line).expect("a printed row is JSON");
    row[field]
        .as_i64()
        .unwrap_or_else(|| panic!("no number '{field}' in {line}"))
}

pub(super) fn collected() -> Arc<Collected> {
    Arc::default()
}
