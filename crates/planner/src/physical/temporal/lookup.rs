//! Joins with what a table outside says when a row passes.

use std::{collections::HashSet, sync::Arc};

use arrow_schema::{Field, Schema};
use datafusion_common::{DFSchema, DFSchemaRef};
use datafusion_expr::Expr;
use weir_model::Location;

use super::{
    LookupJoin,
    sides::{Conditions, kind, named},
    versions::same_type,
};
use crate::{
    catalog::TableDef,
    encode,
    error::{self, Result, plan_defect},
    logical::{lookup_hint::LookupHint, temporal::TemporalJoin as Node},
    physical::{
        Kind,
        expr::{all_of, column, unique_name},
        lower::{Lower, Rel, RelColumn, Role},
        schema_of,
        source::{leaves, resolve, scan_schema},
    },
};

/// The right columns of a lookup join.
struct Looked {
    /// What the connector produces.
    scan: Schema,
    /// Over that.
    columns: Vec<(String, Expr)>,
    fields: Vec<Field>,
    /// The columns of the right plan.
    visible: Vec<RelColumn>,
    /// A column that says whether the row is there at all.
    passes: Option<String>,
}

impl Lower<'_> {
    /// The rows of a join as of the processing time.
    pub(super) fn lookup_join(&mut self, join: &Node, left: Rel) -> Result<Rel> {
        let at = join.place().unwrap_or(self.at);
        let (table, right) = self.looked_up(join, at)?;
        let (hint, hint_at) = self.lookup_hint.take().unwrap_or((LookupHint::default(), at));
        if hint.shuffles {
            left.check_append_only("'shuffle' in LOOKUP", hint_at)?;
        }
        let mut conditions = Conditions::of(join);
        let keys = self.lookup_keys(join, &table, &right, &mut conditions)?;
        if keys.is_empty() {
            return Err(error::unsupported(
                at,
                format!(
                    "a lookup join needs a key: an equality of a column of '{}' with a column of the left table or a constant, of the same type",
                    table.table.name
                ),
            ));
        }
        let mut taken = HashSet::new();
        let mut left = left;
        if left.is_pending() {
            left = self.materialize(left)?;
        }
        let mut hidden = Vec::with_capacity(keys.len());
        for (_, key) in &keys {
            hidden.push((
                "$key".to_owned(),
                self.substitute(key, &left, join.left.schema())?,
            ));
        }
        let left = self.side(left, hidden, &mut taken)?;
        let looked = self.looked(&table, right, &mut taken)?;
        let mut both = self.rows_of(&left.rel);
        both.extend(looked.fields.iter().cloned());
        let mut condition = Self::on_both(join, conditions.rest, &left.rel.columns, &looked.visible)?;
        if let Some(passes) = looked.passes {
            condition = Some(match condition {
                Some(condition) => column(passes).and(condition),
                None => column(passes),
            });
        }
        Self::check_condition(condition.as_ref(), &both, at)?;
        let joined = Self::joined(join, &left.rel, &looked.visible, &both)?;
        let of_table = keys.iter().map(|(of_table, _)| *of_table);
        let kind = Kind::LookupJoin(LookupJoin {
            input: left.rel.node,
            kind: kind(join),
            keys: of_table.zip(left.hidden).collect(),
            scan: looked.scan,
            right: looked.columns,
            condition,
            both: schema_of(both)?,
            output: joined.output,
            table,
            hint,
            at,
        });
        let uid = self.uid("lookup-join");
        Ok(Rel {
            node: self.operators.push(uid, kind, schema_of(joined.fields)?),
            filters: Vec::new(),
            columns: joined.columns,
            window: joined.window,
            updates: left.rel.updates,
        })
    }

    /// The table, and the right plan over its columns.
    fn looked_up(&mut self, join: &Node, at: Location) -> Result<(Arc<TableDef>, Rel)> {
        self.looks_up = true;
        let planned = self.plan(&join.right);
        self.looks_up = false;
        let right = planned?;
        match &self.operators.get(right.node).kind {
            Kind::LookupTable(table) => Ok((Arc::clone(table), right)),
            _ => Err(error::unsupported(
                at,
                "a join FOR SYSTEM_TIME AS OF a processing time looks rows up in a table, or in a view that only filters and renames: join \
                 what is computed by a regular join",
            )),
        }
    }

    /// Physical columns of the table and the left expressions that are equal to them; other equalities become conditions.
    fn lookup_keys(
        &self,
        join: &Node,
        table: &TableDef,
        right: &Rel,
        conditions: &mut Conditions,
    ) -> Result<Vec<(usize, Expr)>> {
        let mut keys: Vec<(usize, Expr)> = Vec::new();
        for (of_left, of_right) in std::mem::take(&mut conditions.equal) {
            let own = self.substitute(&of_right, right, join.right.schema())?;
            let physical = match &own {
                Expr::Column(own) => table.table.schema.index_of(&own.name).ok(),
                _ => None,
            };
            let is_new = |place: &usize| !keys.iter().any(|(known, _)| known == place);
            match physical.filter(|place| is_new(place) && same_type(&of_left, &of_right, join)) {
                Some(place) => keys.push((place, of_left)),
                None => conditions.demote((of_left, of_right)),
            }
        }
        Ok(keys)
    }

    /// The right columns over what the connector produces.
    fn looked(&self, table: &TableDef, right: Rel, taken: &mut HashSet<String>) -> Result<Looked> {
        let schema = self.schema(&right);
        let physical: DFSchemaRef =
            Arc::new(DFSchema::try_from(table.table.schema.as_ref().clone()).map_err(plan_defect)?);
        let mut columns = Vec::new();
        let mut visible = Vec::new();
        for c in &right.columns {
            if c.role == Role::ProcessingTime {
                visible.push(c.clone());
                continue;
            }
            let name = unique_name(c.name.clone(), taken);
            let expr = self.canonical(c.expr.clone(), &right)?;
            columns.push((name.clone(), resolve(expr, table, &physical)?));
            visible.push(named(name, Role::Plain));
        }
        let mut passes = None;
        if let Some(filter) = all_of(right.filters, &schema) {
            let name = unique_name("$passes".into(), taken);
            columns.push((name.clone(), resolve(filter, table, &physical)?));
            passes = Some(name);
        }
        if columns.iter().any(|(_, expr)| expr.is_volatile()) {
            return Err(error::unsupported(
                self.at,
                format!(
                    "columns and conditions of '{}' cannot read the clock or chance where rows are looked up in it: compute them of the \
                     join's result",
                    table.table.name
                ),
            ));
        }
        let scan = scan_schema(table, leaves(columns.iter().map(|(_, expr)| expr), &physical)?);
        let fields = encode::projected_schema(&columns, &scan)?
            .fields()
            .iter()
            .map(|f| f.as_ref().clone())
            .collect();
        Ok(Looked {
            scan,
            columns,
            fields,
            visible,
            passes,
        })
    }
}
