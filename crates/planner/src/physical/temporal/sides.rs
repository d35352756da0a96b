//! What both joins make of their inputs and conditions.

use std::collections::HashSet;

use arrow_schema::Field;
use datafusion_common::{
    Column, DFSchema,
    tree_node::{Transformed, TreeNode},
};
use datafusion_expr::{
    BinaryExpr, Expr, Operator,
    utils::{conjunction, split_conjunction},
};
use weir_connector::changelog::op_field;
use weir_proto::graph::join::Type;

use crate::{
    error::{Result, plan_defect},
    logical::temporal::TemporalJoin as Node,
    physical::{
        expr::{column, unique_name},
        lower::{Lower, Rel, RelColumn, Role},
        schema_of,
        window::RelWindow,
    },
};

/// What pairs must meet.
pub(super) struct Conditions {
    /// Equal expressions: over the left columns, or constant, and over the right ones.
    pub(super) equal: Vec<(Expr, Expr)>,
    /// The others.
    pub(super) rest: Vec<Expr>,
}

impl Conditions {
    pub(super) fn of(join: &Node) -> Self {
        let mut conditions = Self {
            equal: Vec::new(),
            rest: Vec::new(),
        };
        for condition in join.condition.iter().flat_map(split_conjunction) {
            match equality(condition, join.left.schema(), join.right.schema()) {
                Some(pair) => conditions.equal.push(pair),
                None => conditions.rest.push(condition.clone()),
            }
        }
        conditions
    }

    /// An equality that is no key is a condition like others.
    pub(super) fn demote(&mut self, (left, right): (Expr, Expr)) {
        self.rest.push(left.eq(right));
    }
}

/// Both sides of an equality, left first.
fn equality(condition: &Expr, left: &DFSchema, right: &DFSchema) -> Option<(Expr, Expr)> {
    let Expr::BinaryExpr(BinaryExpr {
        left: a,
        op: Operator::Eq,
        right: b,
    }) = condition
    else {
        return None;
    };
    let is_of = |expr: &Expr, schema: &DFSchema| {
        let mut columns = expr.column_refs().into_iter();
        columns.all(|c| schema.maybe_index_of_column(c).is_some()) && !expr.is_volatile()
    };
    let reads = |expr: &Expr| !expr.column_refs().is_empty();
    if is_of(a, left) && is_of(b, right) && reads(b) {
        Some((a.as_ref().clone(), b.as_ref().clone()))
    } else if is_of(b, left) && is_of(a, right) && reads(a) {
        Some((b.as_ref().clone(), a.as_ref().clone()))
    } else {
        None
    }
}

/// An input whose columns are an operator's.
pub(super) struct Side {
    pub(super) rel: Rel,
    /// Where each of the hidden columns that were asked for is.
    pub(super) hidden: Vec<usize>,
}

/// The result of a join: its columns and what they mean.
pub(super) struct Joined {
    /// Among those of left, then right.
    pub(super) output: Vec<usize>,
    pub(super) fields: Vec<Field>,
    pub(super) columns: Vec<RelColumn>,
    pub(super) window: Option<RelWindow>,
}

impl Lower<'_> {
    /// An operator of a side's columns, and of others that only the join reads, by names that the other side does not have.
    pub(super) fn side(
        &mut self,
        mut rel: Rel,
        hidden: Vec<(String, Expr)>,
        taken: &mut HashSet<String>,
    ) -> Result<Side> {
        // What keeps the windows of rows has that name.
        taken.insert("$time".into());
        let visible = rel.columns.len();
        for i in 0..visible {
            if rel.columns[i].role != Role::ProcessingTime {
                rel.columns[i].expr = self.canonical(rel.columns[i].expr.clone(), &rel)?;
                rel.columns[i].name = unique_name(rel.columns[i].name.clone(), taken);
            }
        }
        let mut places = Vec::with_capacity(hidden.len());
        for (name, expr) in hidden {
            let expr = self.canonical(expr, &rel)?;
            let known = rel.columns.iter().position(|c| c.expr == expr);
            places.push(known.unwrap_or_else(|| {
                rel.columns.push(RelColumn {
                    name: unique_name(name, taken),
                    expr,
                    role: Role::Plain,
                });
                rel.columns.len() - 1
            }));
        }
        let mut rel = self.materialize(rel)?;
        let schema = &self.operators.get(rel.node).schema;
        let place = |i: usize| place_of(&rel.columns[i].expr, schema);
        let hidden = places.into_iter().map(place).collect::<Result<_>>()?;
        rel.columns.truncate(visible);
        Ok(Side { rel, hidden })
    }

    /// The columns of an operator without what changes do.
    pub(super) fn rows_of(&self, rel: &Rel) -> Vec<Field> {
        let fields = self.operators.get(rel.node).schema.fields();
        let rows = fields.len() - usize::from(rel.updates.is_some());
        fields[..rows].iter().map(|f| f.as_ref().clone()).collect()
    }

    /// The result of joining a left side with right columns, which stand behind it in `both`.
    pub(super) fn joined(join: &Node, left: &Rel, right: &[RelColumn], both: &[Field]) -> Result<Joined> {
        let schema = schema_of(both.to_vec())?;
        let mut output = Vec::new();
        let kept = left.window.iter().map(RelWindow::kept);
        let read = left
            .columns
            .iter()
            .chain(right)
            .filter(|c| c.role != Role::ProcessingTime);
        for expr in read.map(|c| c.expr.clone()).chain(kept) {
            let place = place_of(&expr, &schema)?;
            if !output.contains(&place) {
                output.push(place);
            }
        }
        let of_right = |c: &RelColumn| right.iter().any(|r| r.expr == c.expr);
        let is_padded = kind(join) == Type::Left;
        let padded: Vec<usize> = right
            .iter()
            .filter(|c| is_padded && c.role != Role::ProcessingTime)
            .map(|c| place_of(&c.expr, &schema))
            .collect::<Result<_>>()?;
        let mut fields: Vec<Field> = output
            .iter()
            .map(|&i| {
                let field = both[i].clone();
                let nullable = field.is_nullable() || padded.contains(&i);
                field.with_nullable(nullable)
            })
            .collect();
        fields.extend(left.updates.is_some().then(op_field));
        let names = join.schema.fields().iter().map(|f| f.name().clone());
        let columns = names
            .zip(left.columns.iter().chain(right))
            .map(|(name, c)| RelColumn {
                name,
                expr: c.expr.clone(),
                role: if of_right(c) && c.role != Role::ProcessingTime {
                    Role::Plain
                } else {
                    c.role
                },
            });
        Ok(Joined {
            output,
            fields,
            columns: columns.collect(),
            window: left.window.clone(),
        })
    }

    /// A condition over the columns of both sides' plans as one over their operators' columns.
    pub(super) fn on_both(
        join: &Node,
        conditions: Vec<Expr>,
        left: &[RelColumn],
        right: &[RelColumn],
    ) -> Result<Option<Expr>> {
        let (of_left, of_right) = (join.left.schema(), join.right.schema());
        let Some(condition) = conjunction(conditions) else {
            return Ok(None);
        };
        let replaced = condition.transform_up(|e| match e {
            Expr::Column(reference) => {
                let expr = match of_left.maybe_index_of_column(&reference) {
                    Some(i) => &left[i].expr,
                    None => &right[of_right.index_of_column(&reference)?].expr,
                };
                Ok(Transformed::yes(match expr {
                    Expr::Column(own) => Expr::Column(Column {
                        spans: reference.spans.clone(),
                        ..own.clone()
                    }),
                    other => other.clone(),
                }))
            }
            other => Ok(Transformed::no(other)),
        });
        crate::logical::without_aliases(replaced.map_err(plan_defect)?.data)
            .map(Some)
            .map_err(plan_defect)
    }
}

/// Inner or left.
pub(super) fn kind(join: &Node) -> Type {
    if join.kind == datafusion_expr::JoinType::Left {
        Type::Left
    } else {
        Type::Inner
    }
}

fn place_of(expr: &Expr, schema: &DFSchema) -> Result<usize> {
    match expr {
        Expr::Column(own) => schema.index_of_column(own).map_err(plan_defect),
        _ => Err(crate::error::internal(
            "a side of a join has a column yet to compute",
        )),
    }
}

/// Columns by name, where they are an operator's already.
pub(super) fn named(name: String, role: Role) -> RelColumn {
    RelColumn {
        expr: column(&name),
        name,
        role,
    }
}
