//! UNION ALL: the rows of several inputs as one.

use arrow_schema::Field;
use datafusion_expr::{ExprSchemable, Union};
use weir_connector::changelog::op_field;

use super::{
    Kind, NodeId,
    expr::{column, unique_names},
    lower::{Lower, Rel, RelColumn, Role},
    passing::passing_column,
    schema_of,
};
use crate::{
    error::{Result, plan_defect},
    logical::cast_to,
};

impl Lower<'_> {
    /// All rows of all inputs. They are changes if those of one input are.
    pub(crate) fn union(&mut self, union: &Union) -> Result<Rel> {
        let inputs = union
            .inputs
            .iter()
            .map(|input| self.plan(input))
            .collect::<Result<Vec<_>>>()?;
        let updates = inputs.iter().find_map(|rel| rel.updates.clone());
        let names = union.schema.fields().iter().map(|f| (f.name().clone(), ()));
        let names: Vec<String> = names.map(|(name, ())| name).collect();
        let unique: Vec<String> = unique_names(names.iter().map(|n| (n.clone(), column(n))).collect())
            .into_iter()
            .map(|(name, _)| name)
            .collect();
        let roles: Vec<Role> = (0..names.len())
            .map(|i| {
                let is_time = |rel: &Rel| rel.columns[i].role.is_event_time();
                let passes = |rel: &Rel| rel.columns[i].role == Role::ProcessingTime;
                if inputs.iter().all(is_time) {
                    Role::EventTime
                } else if updates.is_none() && inputs.iter().all(passes) {
                    Role::ProcessingTime
                } else {
                    Role::Plain
                }
            })
            .collect();
        let nodes = inputs
            .into_iter()
            .map(|rel| self.union_input(rel, union, &unique, updates.is_some()))
            .collect::<Result<Vec<NodeId>>>()?;
        let mut fields = self.union_fields(&nodes, &unique);
        fields.extend(updates.is_some().then(op_field));
        let uid = self.uid("union");
        let node = self.operators.push(uid, Kind::Union(nodes), schema_of(fields)?);
        let columns = names.into_iter().zip(unique).zip(roles);
        let columns = columns.map(|((name, own), role)| match role {
            Role::ProcessingTime => passing_column(name),
            role => RelColumn {
                name,
                expr: column(own),
                role,
            },
        });
        Ok(Rel {
            node,
            filters: Vec::new(),
            columns: columns.collect(),
            window: None,
            updates,
        })
    }

    /// An input with the names and types of the union.
    fn union_input(
        &mut self,
        rel: Rel,
        union: &Union,
        names: &[String],
        is_changelog: bool,
    ) -> Result<NodeId> {
        let schema = self.schema(&rel);
        let mut columns = Vec::with_capacity(names.len());
        for ((name, column), field) in names.iter().zip(&rel.columns).zip(union.schema.fields()) {
            let data_type = column.expr.get_type(schema.as_ref()).map_err(plan_defect)?;
            columns.push((
                name.clone(),
                cast_to(column.expr.clone(), &data_type, field.data_type()),
            ));
        }
        self.calc_as(rel, columns, is_changelog)
    }

    /// The union's columns: what may be null in one input may be null in all.
    fn union_fields(&self, nodes: &[NodeId], names: &[String]) -> Vec<Field> {
        let schemas: Vec<_> = nodes.iter().map(|id| &self.operators.get(*id).schema).collect();
        let fields = names.iter().enumerate().map(|(i, name)| {
            let nullable = schemas.iter().any(|schema| schema.field(i).is_nullable());
            Field::new(name, schemas[0].field(i).data_type().clone(), nullable)
        });
        fields.collect()
    }
}
