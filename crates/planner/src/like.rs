//! Tables like others: the parts of one definition, and those of another that are taken over.

use crate::{
    error::{self, Result},
    parse::{
        ddl::{Column, ColumnKind, CreateTable},
        like::{Feature, Like, Strategy},
        tokens::Name,
    },
};

/// A definition with what it takes over from the one that it is like.
pub(crate) fn merged(base: &CreateTable, like: &Like, new: CreateTable) -> Result<CreateTable> {
    let columns = columns(base, like, &new)?;
    let watermark = match (like.strategy(Feature::Watermarks), &base.watermark, new.watermark) {
        (Strategy::Including, Some(_), Some(own)) => {
            return Err(error::invalid(
                own.column.at,
                format!(
                    "'{}' has a WATERMARK already: write LIKE {} (OVERWRITING WATERMARKS)",
                    base.name.value, base.name.value
                ),
            ));
        }
        (Strategy::Excluding, _, own) => own,
        (_, taken, own) => own.or_else(|| taken.clone()),
    };
    let primary_key = match (like.strategy(Feature::Constraints), new.primary_key) {
        (Strategy::Excluding, own) => own,
        (_, own) if own.is_empty() => base.primary_key.clone(),
        (_, own) if base.primary_key.is_empty() => own,
        (_, own) => {
            return Err(error::invalid(
                own[0].at,
                format!(
                    "'{}' has a PRIMARY KEY already: write LIKE {} (EXCLUDING CONSTRAINTS)",
                    base.name.value, base.name.value
                ),
            ));
        }
    };
    let partitioned_by = match (like.strategy(Feature::Partitions), new.partitioned_by) {
        (Strategy::Excluding, own) => own,
        (_, own) if own.is_empty() => base.partitioned_by.clone(),
        (_, own) if base.partitioned_by.is_empty() => own,
        (_, own) => {
            return Err(error::invalid(
                own[0].at,
                format!(
                    "'{}' is PARTITIONED BY columns already: write LIKE {} (EXCLUDING PARTITIONS)",
                    base.name.value, base.name.value
                ),
            ));
        }
    };
    Ok(CreateTable {
        partitioned_by,
        columns,
        watermark,
        primary_key,
        options: options(base, like, new.options)?,
        like: None,
        ..new
    })
}

/// The base's columns, then those of the new table.
fn columns(base: &CreateTable, like: &Like, new: &CreateTable) -> Result<Vec<Column>> {
    let strategy = |kind: &ColumnKind| match kind {
        ColumnKind::Physical(_) => Strategy::Including,
        ColumnKind::Metadata { .. } => like.strategy(Feature::Metadata),
        ColumnKind::Computed { .. } => like.strategy(Feature::Generated),
    };
    let mut columns = Vec::new();
    for column in &base.columns {
        let again = new.columns.iter().find(|c| c.name.value == column.name.value);
        match (strategy(&column.kind), again) {
            (Strategy::Excluding, _) | (Strategy::Overwriting, Some(_)) => {}
            (Strategy::Including, Some(again)) => {
                return Err(error::invalid(
                    again.name.at,
                    format!(
                        "'{}' has a column '{}' already",
                        base.name.value, again.name.value
                    ),
                ));
            }
            (_, None) => columns.push(column.clone()),
        }
    }
    columns.extend(new.columns.iter().cloned());
    Ok(columns)
}

fn options(base: &CreateTable, like: &Like, own: Vec<(Name, Name)>) -> Result<Vec<(Name, Name)>> {
    let strategy = like.strategy(Feature::Options);
    let mut options = own;
    for (key, value) in &base.options {
        let again = options.iter().find(|(own, _)| own.value == key.value);
        match (strategy, again) {
            (Strategy::Excluding, _) | (Strategy::Overwriting, Some(_)) => {}
            (Strategy::Including, Some((again, _))) => {
                return Err(error::invalid(
                    again.at,
                    format!(
                        "'{}' has the option '{}' already: write LIKE {} (OVERWRITING OPTIONS)",
                        base.name.value, again.value, base.name.value
                    ),
                ));
            }
            (_, None) => options.push((key.clone(), value.clone())),
        }
    }
    Ok(options)
}
