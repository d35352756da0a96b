//! From a script to its job: statements in order, then the graph, then a look at what is read and written.

use std::{collections::BTreeMap, sync::Arc};

use tokio::sync::oneshot;
use weir_connector::{ChangelogMode, LookupFactory, OptionError, Secrets, SinkFactory, SourceFactory};
use weir_model::{ErrorCode, Problem};
use weir_proto::graph::JobGraph;

use crate::{
    catalog::{Catalog, TableDef},
    error::{self, Result},
    explain, graph,
    parse::{self, Statement, tokens::Name},
    physical::{Kind, Operators, Sink, dead_letter, identity, late, narrow, source, spread},
    settings::{MAX_PARALLELISM, Settings},
    statements::Statements,
};

/// What a request says beside the script.
#[derive(Clone, Debug, Default)]
pub struct PlanOptions {
    /// Subtasks per operator; none leaves it to the script.
    pub parallelism: Option<u32>,
    /// What tables may name by `${secret:name}`; the graph keeps the names.
    pub secrets: Arc<Secrets>,
}

/// A script that can run.
#[derive(Clone, Debug)]
pub struct Planned {
    /// What workers run.
    pub graph: JobGraph,
    /// `SET 'pipeline.name'`, or made from the sinks.
    pub name: String,
    /// Subtasks per operator.
    pub parallelism: u32,
    /// The graph as indented text, sinks first.
    pub text: String,
}

/// Stack of the thread that plans: expressions are walked recursively.
const STACK_BYTES: usize = 256 << 20;

/// Plans a script, and looks whether what it reads and writes is there.
///
/// # Errors
/// What is wrong with the request or the SQL, with its place; nothing is created.
pub async fn plan(sql: &str, options: &PlanOptions) -> std::result::Result<Planned, Problem> {
    if let Some(parallelism) = options.parallelism
        && !(1..=MAX_PARALLELISM).contains(&parallelism)
    {
        return Err(Problem::new(
            ErrorCode::InvalidRequest,
            format!("parallelism is {parallelism}: it must be from 1 to {MAX_PARALLELISM}"),
        ));
    }
    let Draft {
        planned,
        connectors: Connectors {
            sources,
            lookups,
            sinks,
        },
    } = {
        let (sql, options) = (sql.to_owned(), options.clone());
        on_deep_stack(move || draft(&sql, options)).await?
    };
    for (table, source) in sources {
        source.check().await.map_err(|e| table.problem(e))?;
    }
    for (table, lookup) in lookups {
        lookup.check().await.map_err(|e| table.problem(e))?;
    }
    for (table, sink) in sinks {
        sink.check().await.map_err(|e| table.problem(e))?;
    }
    Ok(planned)
}

/// Planning takes a stack that a runtime's threads do not have, and a defect in it must stay a defect of one request.
pub(crate) async fn on_deep_stack<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    let (sender, receiver) = oneshot::channel();
    std::thread::Builder::new()
        .name("planner".into())
        .stack_size(STACK_BYTES)
        .spawn(move || {
            // A receiver that is gone has given up on the answer.
            let _ = sender.send(work());
        })
        .map_err(|e| error::internal(format!("no thread to plan on: {e}")))?;
    receiver.await.unwrap_or_else(|_| {
        Err(error::internal(
            "planning this script failed in a way that nobody foresaw",
        ))
    })
}

/// The plan of a script whose connectors are not asked.
#[cfg(test)]
pub(crate) async fn unchecked(sql: &str, options: PlanOptions) -> Result<Planned> {
    let sql = sql.to_owned();
    Ok(on_deep_stack(move || draft(&sql, options)).await?.planned)
}

/// A plan whose connectors have yet to be asked.
struct Draft {
    planned: Planned,
    connectors: Connectors,
}

fn draft(sql: &str, options: PlanOptions) -> Result<Draft> {
    let (statements, hints) = parse::script(sql)?;
    let settings = settings(&statements)?;
    let catalog = Catalog::new(hints, Arc::clone(&options.secrets));
    let mut all = Statements::new(catalog, Operators::new(&settings)?, settings.wasm);
    for statement in statements {
        all.run(statement)?;
    }
    if all.targets.is_empty() {
        return Err(Problem::new(
            ErrorCode::SqlInvalid,
            "the script has no INSERT INTO and no query: it defines tables but moves no rows",
        ));
    }
    let Statements {
        catalog,
        mut operators,
        targets,
        ..
    } = all;
    catalog.hints().check_used()?;
    narrow::narrow(&mut operators)?;
    let notes = late::route(&mut operators, &catalog)?;
    source::prune(&mut operators)?;
    dead_letter::route(&mut operators, &catalog)?;
    spread::spread_sinks(&mut operators);
    identity::identify(&mut operators);
    let connectors = connectors(&operators)?;
    let parallelism = options.parallelism.or(settings.parallelism).unwrap_or(1);
    let common = graph::Common {
        parallelism,
        idle_timeout_ms: settings.idle_timeout_ms,
        max_partial_matches: settings.max_partial_matches,
        lookup: settings.lookups,
        settings: settings.of_graph(),
    };
    let mut graph = graph::build(&operators, common)?;
    graph.wasm_modules = modules(&catalog);
    let text = explain::explain(&graph, &notes)?;
    let name = settings.name.unwrap_or_else(|| default_name(&targets));
    Ok(Draft {
        planned: Planned {
            graph,
            name,
            parallelism,
            text,
        },
        connectors,
    })
}

/// The job's settings: those that are not set back, wherever they stand.
pub(crate) fn settings(statements: &[Statement]) -> Result<Settings> {
    let mut set: Vec<(&Name, &Name)> = Vec::new();
    for statement in statements {
        match statement {
            Statement::Set { key, value } => set.push((key, value)),
            Statement::Reset { key: Some(key) } => set.retain(|(known, _)| known.value != key.value),
            Statement::Reset { key: None } => set.clear(),
            _ => {}
        }
    }
    let mut settings = Settings::default();
    for (key, value) in set {
        settings.set(key, value)?;
    }
    Ok(settings)
}

/// The modules of the script's functions, each once.
fn modules(catalog: &Catalog) -> Vec<Vec<u8>> {
    let by_id: BTreeMap<&str, &[u8]> = catalog
        .functions()
        .map(|f| (f.module.id(), f.module.code()))
        .collect();
    by_id.into_values().map(<[u8]>::to_vec).collect()
}

/// What a job reads, asks and writes.
#[derive(Default)]
struct Connectors {
    sources: Vec<(Arc<TableDef>, Box<dyn SourceFactory>)>,
    lookups: Vec<(Arc<TableDef>, Box<dyn LookupFactory>)>,
    sinks: Vec<(Arc<TableDef>, Box<dyn SinkFactory>)>,
}

/// The connectors of all tables that are read, asked or written, their options validated.
fn connectors(operators: &Operators) -> Result<Connectors> {
    let mut all = Connectors::default();
    let connector =
        |table: &TableDef| weir_connector::connector(&table.table.connector).map_err(|e| table.problem(e));
    for (_, node) in operators.iter() {
        match &node.kind {
            Kind::Source(table, _) => {
                let source = connector(table)?.source(&table.resolved()?);
                all.sources
                    .push((Arc::clone(table), source.map_err(|e| table.problem(e))?));
            }
            Kind::LookupJoin(join) => {
                let table = &join.table;
                let refused = |e| match e {
                    OptionError::Unsupported { reason } => error::unsupported(join.at, reason),
                    other => table.problem(other),
                };
                let lookup = connector(table)?.lookup(&table.resolved()?).map_err(refused)?;
                let keys: Vec<usize> = join.keys.iter().map(|(of_table, _)| *of_table).collect();
                lookup.check_keys(&keys).map_err(refused)?;
                all.lookups.push((Arc::clone(table), lookup));
            }
            Kind::Sink(sink) => {
                let table = &sink.table;
                let factory = connector(table)?
                    .sink(&table.resolved()?)
                    .map_err(|e| table.problem(e))?;
                check_takes(sink, factory.as_ref())?;
                all.sinks.push((Arc::clone(table), factory));
            }
            _ => {}
        }
    }
    Ok(all)
}

/// Refuses changes for a sink that only appends.
fn check_takes(sink: &Sink, factory: &dyn SinkFactory) -> Result<()> {
    match (&sink.updates, factory.changelog_mode()) {
        (Some(updates), ChangelogMode::Append) => Err(error::unsupported(
            updates.at,
            format!(
                "{} changes rows that it gave before, and '{}' ({}) can only append: write to a sink that takes changes, or \
                 aggregate by a window",
                updates.by, sink.table.table.name, sink.table.table.connector
            ),
        )),
        _ => Ok(()),
    }
}

fn default_name(targets: &[String]) -> String {
    let mut names: Vec<&str> = Vec::new();
    for target in targets {
        if !names.contains(&target.as_str()) {
            names.push(target);
        }
    }
    format!("insert into {}", names.join(", "))
}
