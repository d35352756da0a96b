//! What a table of state looks like, as a manifest says it.

use arrow_schema::{DataType, Field, SchemaRef};
use base64::{Engine, engine::general_purpose::STANDARD};
use weir_checkpoint::{
    manifest::{PartShape, TableShape},
    restore::columns::{self as places, Fit},
};
use weir_model::Failure;
use weir_proto::schema;

use super::{Table, table::Part};

/// The shape of a table.
pub fn of(table: &Table) -> Result<TableShape, Failure> {
    let schema = schema::encode(&table.schema).map_err(|e| {
        Failure::internal(format!(
            "the columns of a table of state cannot be written down: {e}"
        ))
    })?;
    Ok(TableShape {
        name: table.name.to_owned(),
        schema: STANDARD.encode(schema),
        partition: table.partition,
        key: table.key,
        types: types(table.schema.fields()),
        parts: table.parts.iter().map(part).collect(),
    })
}

fn part(part: &Part) -> PartShape {
    PartShape {
        name: part.name.clone(),
        columns: part.types.len(),
        may_begin: part.beginning.is_some(),
    }
}

/// The columns of a table of this shape.
pub fn columns(shape: &TableShape) -> Result<SchemaRef, Failure> {
    let unreadable = |e: String| {
        Failure::external(format!(
            "the columns of the table '{}' of state cannot be read: {e}",
            shape.name
        ))
    };
    let schema = STANDARD
        .decode(&shape.schema)
        .map_err(|e| unreadable(e.to_string()))?;
    schema::decode(&schema).map_err(|e| unreadable(e.to_string()))
}

/// How rows of a table of this shape become rows of the table, or why they do not: `operator` is what it is called.
pub fn fit(shape: &TableShape, table: &Table, operator: &str) -> Result<Fit, Failure> {
    let (old, new) = (columns(shape)?, &table.schema);
    let refused = |why: String| Failure::user(format!("the state of {operator} cannot be used: {why}"));
    let part_refused = |part: &str, was: String, is: String| {
        let name = table.name;
        Err(refused(format!(
            "{part} of its table '{name}' were {was} and are {is} now"
        )))
    };
    let keys = |fields: &[arrow_schema::FieldRef], key: usize| types(&fields[..key.min(fields.len())]);
    let (was, is) = (keys(old.fields(), shape.key), keys(new.fields(), table.key));
    if !same(old.fields(), new.fields(), shape.key, table.key) {
        return part_refused("the columns of the key", listed(&was), listed(&is));
    }
    if shape.partition != table.partition {
        return part_refused(
            "the columns that spread rows over subtasks",
            listed(&was[..shape.partition.min(was.len())]),
            listed(&is[..table.partition]),
        );
    }
    let fit = places::fit(shape, &of(table)?).map_err(refused)?;
    let (old, new) = (&old.fields()[shape.key..], &new.fields()[table.key..]);
    for (to, from) in fit.columns.iter().enumerate() {
        let was = from.map(|from| old.get(from).map(|field| field.data_type()));
        if was.is_some_and(|was| was != Some(new[to].data_type())) {
            return part_refused("the values", listed(&types(old)), listed(&types(new)));
        }
    }
    Ok(fit)
}

/// Whether so many columns are of the same types.
fn same(old: &[arrow_schema::FieldRef], new: &[arrow_schema::FieldRef], olds: usize, news: usize) -> bool {
    let data_type = |field: &arrow_schema::FieldRef| field.data_type().clone();
    olds == news
        && olds <= old.len()
        && news <= new.len()
        && old[..olds]
            .iter()
            .map(data_type)
            .eq(new[..news].iter().map(data_type))
}

fn types(fields: &[std::sync::Arc<Field>]) -> Vec<String> {
    let data_types = fields.iter().map(|field| field.data_type());
    data_types.map(DataType::to_string).collect()
}

fn listed(types: &[String]) -> String {
    if types.is_empty() {
        return "none".to_owned();
    }
    format!("({})", types.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: DataType = DataType::Int64;
    const TEXT: DataType = DataType::Utf8;

    #[track_caller]
    fn refused(old: &Table, new: &Table, expected: &str) {
        let shape = of(old).expect("a shape");
        let failure = fit(&shape, new, "the join").expect_err("other columns");
        assert_eq!(failure, Failure::user(expected));
    }

    #[test]
    fn a_table_is_known_again_and_another_one_is_refused_with_a_sentence() {
        let table = Table::new("rows", &[LONG], &[TEXT], &[LONG, TEXT]);
        let shape = of(&table).expect("a shape");
        assert_eq!((shape.partition, shape.key), (1, 2));
        assert_eq!(shape.types, ["Int64", "Utf8", "Int64", "Utf8"]);
        assert!(fit(&shape, &table, "the join").expect("fits").is_same());
        refused(
            &table,
            &Table::new("rows", &[TEXT], &[TEXT], &[LONG, TEXT]),
            "the state of the join cannot be used: the columns of the key of its table 'rows' were (Int64, Utf8) and are \
             (Utf8, Utf8) now",
        );
        refused(
            &table,
            &Table::new("rows", &[LONG, TEXT], &[], &[LONG, TEXT]),
            "the state of the join cannot be used: the columns that spread rows over subtasks of its table 'rows' were \
             (Int64) and are (Int64, Utf8) now",
        );
        refused(
            &table,
            &Table::new("rows", &[LONG], &[TEXT], &[]),
            "the state of the join cannot be used: what is kept per key of its table 'rows' was (Int64, Utf8) and is ()",
        );
        refused(
            &Table::new("rows", &[], &[], &[LONG]),
            &Table::new("rows", &[], &[LONG], &[]),
            "the state of the join cannot be used: the columns of the key of its table 'rows' were none and are (Int64) now",
        );
    }

    #[test]
    fn a_shape_that_cannot_be_read_says_so() {
        let mut shape = of(&Table::new("rows", &[LONG], &[], &[])).expect("a shape");
        shape.schema = "?".to_owned();
        let failure = columns(&shape).expect_err("no base64");
        assert!(
            failure
                .message
                .starts_with("the columns of the table 'rows' of state cannot be read: "),
            "{failure}"
        );
    }
}
