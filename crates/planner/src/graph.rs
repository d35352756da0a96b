//! Operators as the graph that workers run: dense ids, chains, serialized expressions.

use std::{collections::BTreeMap, sync::Arc};

use arrow_schema::Schema;
use datafusion_expr::Expr;
use weir_model::DEFAULT_MAX_PARALLELISM;
use weir_proto::graph::{self, edge::Partitioning, operator::Spec};

use crate::{
    catalog::TableDef,
    encode,
    error::{self, Result},
    logical::window::{Count, Cumulate, Hop, Session, Tumble, Windows},
    physical::{
        self, AggregateCall, Calc, Join, Kind, Node, NodeId, Operators, WindowAggregate,
        rank::{Rank, SortColumn},
        source::SourceRead,
        unnest::Unnest,
        window::WindowTable,
    },
    settings::Lookups,
};

mod describe;
mod match_recognize;
mod over;
mod temporal;

pub(crate) use describe::describe;

/// What every operator shares.
pub(crate) struct Common {
    /// Subtasks per operator.
    pub parallelism: u32,
    /// `table.exec.source.idle-timeout`, ms.
    pub idle_timeout_ms: u64,
    /// `table.exec.match.max-partial-matches`
    pub max_partial_matches: u32,
    /// How lookup joins ask.
    pub lookup: Lookups,
    /// The job's settings.
    pub settings: graph::Settings,
}

/// The executable graph.
pub(crate) fn build(operators: &Operators, common: Common) -> Result<graph::JobGraph> {
    let mut builder = Builder {
        operators,
        common: &common,
        ids: BTreeMap::new(),
        built: Vec::new(),
        edges: Vec::new(),
    };
    for (id, node) in operators.iter() {
        if !matches!(node.kind, Kind::LookupTable(_) | Kind::Gone) {
            builder.operator(id, node)?;
        }
    }
    let Builder { built, edges, .. } = builder;
    Ok(graph::JobGraph {
        operators: built,
        edges,
        max_parallelism: DEFAULT_MAX_PARALLELISM,
        settings: Some(common.settings),
        wasm_modules: Vec::new(),
    })
}

/// The output of a source with the records that it could not read.
const DEAD_LETTERS: u32 = 1;

struct Builder<'a> {
    operators: &'a Operators,
    common: &'a Common,
    /// Ids in the graph, with the output whose rows are meant.
    ids: BTreeMap<NodeId, (u32, u32)>,
    built: Vec<graph::Operator>,
    edges: Vec<graph::Edge>,
}

impl Builder<'_> {
    fn operator(&mut self, position: NodeId, node: &Node) -> Result<()> {
        let id = self.built.len() as u32;
        if let Kind::LateRows(late) = &node.kind {
            let (from, _) = self.id(late.input)?;
            self.ids.insert(position, (from, 1 + late.port as u32));
            return Ok(());
        }
        if let Kind::DeadLetters(source) = &node.kind {
            let (from, _) = self.id(*source)?;
            self.ids.insert(position, (from, DEAD_LETTERS));
            return Ok(());
        }
        let (spec, schema) = self.spec(node)?;
        let edges = self.inputs(id, node)?;
        if let ([only], Kind::SideUnion(_)) = (edges.as_slice(), &node.kind) {
            self.ids.insert(position, (only.from, only.output));
            return Ok(());
        }
        if let Some(same) = self.same(&spec, &edges).filter(|_| node.kind.is_deterministic()) {
            self.ids.insert(position, (same, 0));
            return Ok(());
        }
        let task = self.task(&edges);
        self.edges.extend(edges);
        let (name, description) = describe(self.operators, node);
        self.ids.insert(position, (id, 0));
        self.built.push(graph::Operator {
            id,
            uid: node.uid.clone(),
            name,
            description,
            task,
            parallelism: self.common.parallelism,
            schema: encode::schema(&schema)?,
            spec: Some(spec),
        });
        Ok(())
    }

    /// What an operator, or what it drops, is in the graph: the operator and its output.
    fn id(&self, position: NodeId) -> Result<(u32, u32)> {
        let id = self.ids.get(&position).copied();
        id.ok_or_else(|| error::internal("an operator stands before its input"))
    }

    /// The edges to an operator.
    fn inputs(&self, to: u32, node: &Node) -> Result<Vec<graph::Edge>> {
        let mut edges: Vec<graph::Edge> = Vec::new();
        for (port, input) in node.kind.inputs().iter().enumerate() {
            let (from, output) = self.id(*input)?;
            let is_known = |edge: &graph::Edge| (edge.from, edge.output) == (from, output);
            if matches!(node.kind, Kind::SideUnion(_)) && edges.iter().any(is_known) {
                continue;
            }
            let partitioning = match node.kind.partitioning(port) {
                physical::Partitioning::Forward => Partitioning::Forward(graph::Forward {}),
                physical::Partitioning::Hash(columns) => {
                    let columns = columns.into_iter().map(|c| c as u32).collect();
                    Partitioning::Hash(graph::HashKeys { columns })
                }
            };
            edges.push(graph::Edge {
                from,
                to,
                port: edges.len() as u32,
                partitioning: Some(partitioning),
                output,
                late_columns: node.late_columns.get(port).map_or(0, |n| *n as u32),
            });
        }
        Ok(edges)
    }

    /// An operator that does the same with the same rows: what queries have in common is computed once.
    fn same(&self, spec: &Spec, edges: &[graph::Edge]) -> Option<u32> {
        if matches!(spec, Spec::Sink(_)) || edges.is_empty() {
            return None;
        }
        let reads_the_same = |id: u32| {
            let theirs = self.edges.iter().filter(|edge| edge.to == id);
            let is_same = |(their, our): (&graph::Edge, &graph::Edge)| {
                let our = our.clone();
                *their == graph::Edge { to: id, ..our }
            };
            theirs.clone().count() == edges.len() && theirs.zip(edges).all(is_same)
        };
        let same =
            |operator: &&graph::Operator| operator.spec.as_ref() == Some(spec) && reads_the_same(operator.id);
        self.built.iter().find(same).map(|operator| operator.id)
    }

    /// The task of an operator: the one upstream unless rows change hands or come from several.
    fn task(&self, edges: &[graph::Edge]) -> u32 {
        let mut upstream = edges.iter().map(|edge| self.built[edge.from as usize].task);
        let moves = |edge: &graph::Edge| !matches!(edge.partitioning, Some(Partitioning::Forward(_)));
        match upstream.next() {
            Some(task) if upstream.all(|other| other == task) && !edges.iter().any(moves) => task,
            _ => self.next_task(),
        }
    }

    fn next_task(&self) -> u32 {
        self.built
            .iter()
            .map(|operator| operator.task + 1)
            .max()
            .unwrap_or(0)
    }

    fn input_schema(&self, node: &Node) -> Result<Arc<Schema>> {
        let input = node
            .kind
            .input()
            .ok_or_else(|| error::internal("an operator has no input"))?;
        Ok(Arc::clone(self.operators.get(input).schema.inner()))
    }

    fn spec(&self, node: &Node) -> Result<(Spec, Schema)> {
        let logical = node.schema.inner().as_ref().clone();
        Ok(match &node.kind {
            Kind::Source(table, Some(read)) => (Spec::Source(self.source(table, read)?), logical),
            Kind::Calc(calc) => (Spec::Calc(self.calc(calc, node)?), logical),
            Kind::LocalWindow(aggregate) => (Spec::LocalWindowAggregate(local(aggregate)?), logical),
            Kind::Window(aggregate) if aggregate.is_session() => {
                (Spec::SessionAggregate(session(aggregate)?), logical)
            }
            Kind::Window(aggregate) => (Spec::WindowAggregate(global(aggregate)?), logical),
            Kind::ProcessingTime(time) => (
                Spec::ProcessingTime(graph::ProcessingTime {
                    tick_ms: time.tick_ms,
                    offset_ms: time.offset_ms,
                }),
                logical,
            ),
            Kind::WindowTable(table) if table.is_session() => {
                (Spec::SessionTable(session_table(table)?), logical)
            }
            Kind::WindowTable(WindowTable {
                windows: Windows::Count(count),
                keys,
                ..
            }) => (
                Spec::CountWindow(count_window(keys, *count, node.state_ttl_ms[0])),
                logical,
            ),
            Kind::CountAggregate(aggregate) => (
                Spec::CountWindowAggregate(graph::CountWindowAggregate {
                    window: Some(count_window(
                        &aggregate.keys,
                        aggregate.count,
                        node.state_ttl_ms[0],
                    )),
                    aggregates: aggregates(&aggregate.aggregates)?,
                    filter: aggregate.filter.map(|column| column as u32),
                }),
                logical,
            ),
            Kind::WindowTable(table) => (
                Spec::WindowTable(graph::WindowTable {
                    window: Some(window(table.windows, table.time, false)),
                }),
                logical,
            ),
            Kind::LocalGroup(group) => (
                Spec::LocalGroupAggregate(graph::LocalGroupAggregate {
                    keys: group.keys.iter().map(|key| *key as u32).collect(),
                    aggregates: aggregates(&group.aggregates)?,
                }),
                logical,
            ),
            Kind::Group(group) => (
                Spec::GroupAggregate(graph::GroupAggregate {
                    keys: group.input_keys().into_iter().map(|key| key as u32).collect(),
                    aggregates: aggregates(&group.aggregates)?,
                    partial: group.partial,
                    state_ttl_ms: node.state_ttl_ms[0],
                }),
                logical,
            ),
            Kind::Join(join) => (Spec::Join(join_spec(join, node.state_ttl_ms)?), logical),
            Kind::TemporalJoin(join) => (
                Spec::TemporalJoin(temporal::versioned(join, node.state_ttl_ms[1])?),
                logical,
            ),
            Kind::LookupJoin(join) => (
                Spec::LookupJoin(temporal::lookup(join, self.common.lookup)?),
                logical,
            ),
            Kind::Union(_) | Kind::SideUnion(_) => (Spec::Union(graph::Union {}), logical),
            Kind::Unnest(unnest) => (Spec::Unnest(unnest_spec(unnest)), logical),
            Kind::Rank(rank) => (Spec::Rank(ranked(rank, node.state_ttl_ms[0])), logical),
            Kind::Sort(sort) => (
                Spec::Sort(graph::Sort {
                    order: sort_columns(&sort.order),
                }),
                logical,
            ),
            Kind::MatchRecognize(pattern) => (
                Spec::MatchRecognize(match_recognize::spec(pattern, self.common.max_partial_matches)?),
                logical,
            ),
            Kind::Over(over) => (Spec::OverAggregate(over::spec(over)?), logical),
            Kind::Sink(sink) => (
                Spec::Sink(graph::Sink {
                    table: Some(encode::table(&sink.table.table)?),
                }),
                logical,
            ),
            Kind::Source(_, None)
            | Kind::LookupTable(_)
            | Kind::LateRows(_)
            | Kind::DeadLetters(_)
            | Kind::Gone => {
                return Err(error::internal("an operator was left unplanned"));
            }
        })
    }

    fn source(&self, table: &TableDef, read: &SourceRead) -> Result<graph::Source> {
        let projected = encode::projected_schema(&read.projection, &read.scan)?;
        let projection = encode::projection(&read.projection, &read.scan)?;
        let filter = read
            .filter
            .as_ref()
            .map(|filter| encode::expr(filter, &projected))
            .transpose()?;
        let watermark = match &read.watermark {
            Some((time, expr)) => {
                let timing = table.watermark.as_ref().map(|watermark| watermark.timing.clone());
                let timing = timing.unwrap_or_default();
                Some(graph::Watermark {
                    time_column: *time as u32,
                    expr: encode::expr(expr, &projected)?,
                    idle_timeout_ms: timing.idle_timeout_ms.unwrap_or(self.common.idle_timeout_ms),
                    emitted_columns: read.emitted as u32,
                    every_rows: timing.every_rows,
                    alignment: timing.alignment,
                })
            }
            None => None,
        };
        Ok(graph::Source {
            table: Some(encode::table(&table.table)?),
            scan_schema: encode::schema(&read.scan)?,
            projection,
            watermark,
            filter,
        })
    }

    fn calc(&self, calc: &Calc, node: &Node) -> Result<graph::Calc> {
        let input = self.input_schema(node)?;
        let filter = calc
            .filter
            .as_ref()
            .map(|filter: &Expr| encode::expr(filter, &input))
            .transpose()?;
        Ok(graph::Calc {
            filter,
            projection: encode::projection(&calc.columns, &input)?,
        })
    }
}

fn window(windows: Windows, time: usize, attached: bool) -> graph::Window {
    let kind = match windows {
        Windows::Tumble(Tumble { size_ms, offset_ms }) => {
            graph::window::Kind::Tumble(graph::TumbleWindow { size_ms, offset_ms })
        }
        Windows::Hop(Hop {
            size_ms,
            slide_ms,
            offset_ms,
        }) => graph::window::Kind::Hop(graph::HopWindow {
            size_ms,
            slide_ms,
            offset_ms,
        }),
        Windows::Cumulate(Cumulate {
            max_size_ms,
            step_ms,
            offset_ms,
        }) => graph::window::Kind::Cumulate(graph::CumulateWindow {
            max_size_ms,
            step_ms,
            offset_ms,
        }),
        Windows::Session(_) => graph::window::Kind::Session(graph::SessionWindow {}),
        Windows::Count(_) => unreachable!("windows by rows have operators of their own"),
    };
    graph::Window {
        time_column: time as u32,
        attached,
        kind: Some(kind),
    }
}

fn unnest_spec(unnest: &Unnest) -> graph::Unnest {
    let numbers = |columns: &[usize]| columns.iter().map(|c| *c as u32).collect();
    graph::Unnest {
        column: unnest.column as u32,
        passed: numbers(&unnest.passed),
        elements: numbers(&unnest.elements),
        outer: unnest.outer,
    }
}

fn count_window(keys: &[usize], count: Count, state_ttl_ms: u64) -> graph::CountWindow {
    graph::CountWindow {
        keys: keys.iter().map(|key| *key as u32).collect(),
        size: count.size,
        slide: count.slide,
        state_ttl_ms,
    }
}

fn ranked(rank: &Rank, state_ttl_ms: u64) -> graph::Rank {
    graph::Rank {
        keys: rank.keys.iter().map(|key| *key as u32).collect(),
        order: sort_columns(&rank.order),
        offset: rank.range.offset,
        limit: rank.range.limit,
        with_rank: rank.numbered,
        prefers_later: rank.prefers_later,
        updates_in_place: rank.updates_in_place,
        upserts: rank.upserts,
        window_end: rank.window_end.map(|column| column as u32),
        // A window's rows go with it.
        state_ttl_ms: if rank.window_end.is_some() {
            0
        } else {
            state_ttl_ms
        },
    }
}

fn sort_columns(order: &[SortColumn]) -> Vec<graph::SortColumn> {
    let columns = order.iter().map(|by| graph::SortColumn {
        column: by.column as u32,
        descending: by.descending,
        nulls_first: by.nulls_first,
    });
    columns.collect()
}

fn join_spec(join: &Join, state_ttl_ms: [u64; 2]) -> Result<graph::Join> {
    let numbers = |columns: &[usize]| columns.iter().map(|c| *c as u32).collect();
    let condition = join.condition.as_ref();
    let time = join.time.map(|time| graph::JoinTime {
        left_column: time.columns[0] as u32,
        right_column: time.columns[1] as u32,
        left_wait_ms: time.waits_ms[0],
        right_wait_ms: time.waits_ms[1],
        delay_ms: time.delay_ms,
        drops_late: time.by_window,
    });
    // Rows that meet within a time go with it.
    let [left_ttl_ms, right_ttl_ms] = if time.is_some() { [0; 2] } else { state_ttl_ms };
    Ok(graph::Join {
        left_ttl_ms,
        right_ttl_ms,
        time,
        r#type: join.kind.into(),
        left_keys: numbers(&join.keys[0]),
        right_keys: numbers(&join.keys[1]),
        filter: condition
            .map(|condition| encode::expr(condition, join.both.as_arrow()))
            .transpose()?,
        output: numbers(&join.output),
        null_equals_null: join.null_equals_null,
    })
}

fn aggregates(calls: &[AggregateCall]) -> Result<Vec<graph::Aggregate>> {
    calls.iter().map(aggregate).collect()
}

fn aggregate(call: &AggregateCall) -> Result<graph::Aggregate> {
    Ok(graph::Aggregate {
        function: call.function.into(),
        column: call.column.map(|column| column as u32),
        distinct: call.distinct,
        separator: call.separator.clone(),
        percentages: call.percentages.clone(),
        packed: call.packed,
        name: call.name.clone(),
        user: call.user.as_ref().map(|user| graph::WasmFunction {
            name: user.name().to_owned(),
            definition: user.encode(),
        }),
        result: encode::schema(&Schema::new(vec![call.result.clone()]))?,
    })
}

fn local(aggregate: &WindowAggregate) -> Result<graph::LocalWindowAggregate> {
    Ok(graph::LocalWindowAggregate {
        window: Some(window(aggregate.windows, aggregate.time, aggregate.attached)),
        keys: aggregate.keys.iter().map(|key| *key as u32).collect(),
        aggregates: aggregates(&aggregate.aggregates)?,
    })
}

fn session_table(table: &WindowTable) -> Result<graph::SessionTable> {
    let Windows::Session(Session { gap_ms }) = table.windows else {
        return Err(error::internal("sessions without a gap"));
    };
    Ok(graph::SessionTable {
        time_column: table.time as u32,
        gap_ms,
        keys: table.keys.iter().map(|key| *key as u32).collect(),
    })
}

fn session(aggregate: &WindowAggregate) -> Result<graph::SessionAggregate> {
    let Windows::Session(Session { gap_ms }) = aggregate.windows else {
        return Err(error::internal("sessions without a gap"));
    };
    Ok(graph::SessionAggregate {
        time_column: aggregate.time as u32,
        gap_ms,
        keys: aggregate.keys.iter().map(|key| *key as u32).collect(),
        aggregates: aggregates(&aggregate.aggregates)?,
    })
}

fn global(aggregate: &WindowAggregate) -> Result<graph::WindowAggregate> {
    let keys = aggregate.keys.iter().map(|key| *key as u32);
    Ok(graph::WindowAggregate {
        window: Some(window(aggregate.windows, aggregate.time, aggregate.attached)),
        key_count: if aggregate.raw { 0 } else { keys.len() as u32 },
        aggregates: aggregates(&aggregate.aggregates)?,
        raw: aggregate.raw,
        keys: if aggregate.raw { keys.collect() } else { Vec::new() },
        emit: aggregate.emit.map(|emit| graph::Emit {
            early_delay_ms: emit.early_ms,
            late_delay_ms: emit.late_ms,
            allowed_lateness_ms: emit.lateness_ms,
        }),
    })
}
