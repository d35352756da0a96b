//! What each subtask of each source reads, asked of the connectors.

use weir_connector::{Secrets, SourceFactory, Table, connector};
use weir_model::{Failure, OperatorId};
use weir_proto::{
    control::{SourceSplits, Split},
    graph::{JobGraph, Operator, Source, operator},
    schema,
};

/// The splits of every source subtask: split i of a source goes to its subtask i mod parallelism. Each subtask of each
/// source has an entry, an empty one if there is nothing for it.
pub async fn enumerate(graph: &JobGraph, secrets: &Secrets) -> Result<Vec<SourceSplits>, Failure> {
    let mut all = Vec::new();
    for operator in &graph.operators {
        if let Some(operator::Spec::Source(source)) = &operator.spec {
            all.extend(
                of_source(operator, source, secrets)
                    .await
                    .map_err(|failure| name(failure, operator))?,
            );
        }
    }
    Ok(all)
}

async fn of_source(
    operator: &Operator,
    source: &Source,
    secrets: &Secrets,
) -> Result<Vec<SourceSplits>, Failure> {
    let factory = factory(source, secrets)?;
    let mut of_subtask: Vec<Vec<Split>> = vec![Vec::new(); operator.parallelism as usize];
    let subtasks = of_subtask.len();
    for (i, split) in factory
        .splits(operator.parallelism)
        .await?
        .into_iter()
        .enumerate()
    {
        let weir_connector::Split { id, state } = split;
        of_subtask[i % subtasks].push(Split { id, state });
    }
    Ok(of_subtask
        .into_iter()
        .zip(0..)
        .map(|(splits, subtask)| SourceSplits {
            operator: operator.id,
            subtask,
            splits,
        })
        .collect())
}

/// Whether an operator is a source that discovers splits while it is read.
pub fn discovers(operator: &Operator) -> bool {
    discoverer(operator).is_some()
}

/// What a job that goes on reads of a split that its checkpoint does not know; none: nothing, since the source does not discover any.
pub fn found_later(operator: &Operator, split: Split) -> Option<Split> {
    let Split { id, state } = split;
    let later = discoverer(operator)?.found_later(weir_connector::Split { id, state });
    let weir_connector::Split { id, state } = later;
    Some(Split { id, state })
}

/// The operator as a source that discovers splits. It is not to be read: secrets are not filled in.
fn discoverer(operator: &Operator) -> Option<Box<dyn SourceFactory>> {
    let Some(operator::Spec::Source(source)) = &operator.spec else {
        return None;
    };
    let table = table(source).ok()?;
    let factory = connector(&table.connector).and_then(|connector| connector.source(&table));
    factory.ok().filter(|factory| factory.discovers())
}

fn factory(source: &Source, secrets: &Secrets) -> Result<Box<dyn SourceFactory>, Failure> {
    let table = table(source)?;
    // Planned once with success: what is wrong now was changed outside, and stays so until somebody changes it.
    connector(&table.connector)
        .and_then(|connector| connector.source(&secrets.resolve(&table)?))
        .map_err(|error| Failure::user(secrets.mask(&error.to_string())))
}

fn table(source: &Source) -> Result<Table, Failure> {
    let table = source
        .table
        .as_ref()
        .ok_or_else(|| Failure::internal("the plan of a source has no table"))?;
    let schema = schema::decode(&table.schema)
        .map_err(|error| Failure::internal(format!("the schema of table '{}': {error}", table.name)))?;
    let options = table
        .options
        .iter()
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect();
    Ok(Table {
        name: table.name.clone(),
        connector: table.connector.clone(),
        options,
        schema,
    })
}

fn name(failure: Failure, operator: &Operator) -> Failure {
    Failure {
        operator: Some(OperatorId(operator.id)),
        operator_name: Some(operator.name.clone()),
        ..failure
    }
}
