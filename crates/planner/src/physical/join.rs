//! Joins of two inputs that may grow and change for ever, or whose rows meet within a time.
//!
//! - `time`: what conditions say of time. Leans on nothing.

mod time;

use std::collections::HashSet;

use arrow_schema::{DataType, Field};
use datafusion_common::{
    Column, DFSchema, NullEquality,
    tree_node::{Transformed, TreeNode},
};
use datafusion_expr::{
    BinaryExpr, Expr, ExprSchemable, Join as JoinPlan, JoinType, Operator, lit,
    utils::{conjunction, split_conjunction},
};
use weir_connector::changelog::op_field;
use weir_proto::graph::join::Type;

use self::time::{Meeting, Sides};
use super::{
    Join, Kind, NodeId, Updates,
    expr::{column, unique_name},
    lower::{Lower, Rel, RelColumn, Role},
    passing::{passing_column, passing_type},
    schema_of, type_of,
    window::{Assigned, RelWindow},
};
use crate::{
    catalog::TIMESTAMP_MS,
    error::{self, Result, plan_defect},
    logical::{cast_to, expr_place},
};

/// How long rows wait for partners.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Timed {
    /// The time columns of each input.
    pub columns: [usize; 2],
    /// How long rows of each input wait, ms after their time.
    pub waits_ms: [i64; 2],
    /// How far what is emitted may lie behind the watermark, ms.
    pub delay_ms: i64,
    /// Whether rows meet in windows.
    pub by_window: bool,
}

/// One input of a join: its operator, and where the plan's columns and the keys are in its rows.
struct Input {
    node: NodeId,
    columns: Vec<usize>,
    keys: Vec<usize>,
    updates: Option<Updates>,
    /// Where the time is, if rows meet within one.
    time: Option<usize>,
    roles: Vec<Role>,
    window: Option<RelWindow>,
}

impl Lower<'_> {
    /// The rows of a join.
    pub(crate) fn join(&mut self, join: &JoinPlan) -> Result<Rel> {
        let at = self.join_place(join);
        let kind = join_type(join).ok_or_else(|| {
            error::unsupported(
                at,
                format!("a join of the kind {} is not supported", join.join_type),
            )
        })?;
        if join.null_aware {
            return Err(error::unsupported(
                at,
                "NOT IN of a subquery whose column may be null is not supported: add WHERE ... IS NOT NULL to both sides, or write NOT EXISTS",
            ));
        }
        let left = self.plan(&join.left)?;
        let right = self.plan(&join.right)?;
        let mut taken = HashSet::new();
        let (lefts, rights, rest) = keys(join)?;
        let sides = Sides {
            rels: [&left, &right],
            schemas: [join.left.schema(), join.right.schema()],
        };
        let meeting = sides
            .meeting(&lefts, &rights, rest.as_ref())
            .filter(|_| kind != Type::Mark);
        let left = self.join_input(left, join.left.schema(), &lefts, &mut taken, meeting)?;
        let right = self.join_input(right, join.right.schema(), &rights, &mut taken, meeting)?;
        let is_changelog = left.updates.is_some() || right.updates.is_some();
        let updates = left
            .updates
            .clone()
            .or_else(|| right.updates.clone())
            .or_else(|| {
                let changes = matches!(
                    kind,
                    Type::Left | Type::Right | Type::Full | Type::Anti | Type::Mark
                );
                (changes && meeting.is_none()).then(|| Updates {
                    by: format!("{} join", kind.as_str_name()),
                    at,
                })
            });
        debug_assert!(!is_changelog || updates.is_some(), "changes make changes");
        let mut rel = self.join_node(join, kind, [&left, &right], rest, updates)?;
        self.operators.keep_as_hinted(rel.node, 0, &join.left);
        self.operators.keep_as_hinted(rel.node, 1, &join.right);
        if let Some(meeting) = meeting {
            self.meet(&mut rel, kind, meeting, [left, right]);
        }
        Ok(rel)
    }

    /// A calc of a side's columns and keys, by names that the other side does not have.
    fn join_input(
        &mut self,
        rel: Rel,
        from: &DFSchema,
        keys: &[Expr],
        taken: &mut HashSet<String>,
        meeting: Option<Meeting>,
    ) -> Result<Input> {
        let mut columns: Vec<(String, Expr)> = Vec::new();
        let stamps = matches!(meeting, Some(Meeting::Passing(..)));
        // Where each column is; none: it is the stamp, which comes last.
        let mut places = Vec::with_capacity(rel.columns.len());
        for column in &rel.columns {
            if stamps && column.role == Role::ProcessingTime {
                places.push(None);
                continue;
            }
            places.push(Some(columns.len()));
            let expr = self.canonical(column.expr.clone(), &rel)?;
            columns.push((unique_name(column.name.clone(), taken), expr));
        }
        let mut positions = Vec::with_capacity(keys.len());
        for key in keys {
            let expr = self.canonical(self.substitute(key, &rel, from)?, &rel)?;
            let data_type = type_of(&expr, &self.schema(&rel))?;
            if data_type.is_nested() {
                return Err(error::unsupported(
                    expr_place(key).unwrap_or(self.at),
                    "a join by a ROW, an ARRAY or a MAP is not supported: join by its fields",
                ));
            }
            let known = columns.iter().position(|(_, known)| *known == expr);
            positions.push(known.unwrap_or_else(|| {
                columns.push((unique_name("$key".into(), taken), expr));
                columns.len() - 1
            }));
        }
        let is_time = |role: Role| match meeting {
            None | Some(Meeting::Passing(..)) => false,
            Some(Meeting::Window) => role == Role::Window(1),
            Some(Meeting::Interval(..)) => role.is_event_time(),
        };
        let mut time = None;
        if let Some(moment) = rel.columns.iter().find(|c| is_time(c.role)) {
            let data_type = type_of(&moment.expr, &self.schema(&rel))?;
            let expr = cast_to(moment.expr.clone(), &data_type, &TIMESTAMP_MS);
            let known = columns.iter().position(|(_, known)| *known == expr);
            time = Some(known.unwrap_or_else(|| {
                columns.push((unique_name("$time".into(), taken), expr));
                columns.len() - 1
            }));
        }
        let roles = rel.columns.iter().map(|c| c.role).collect();
        let window = rel.window.clone();
        if columns.is_empty() {
            // Rows are counted by a column.
            columns.push((unique_name("$row".into(), taken), lit(0_i8)));
        }
        let updates = rel.updates.clone();
        let mut node = self.calc(rel, columns)?;
        if let Some(Meeting::Passing(least, most)) = meeting {
            let name = unique_name("$proctime".into(), taken);
            let tick_ms = (most.saturating_sub(least) / 10).clamp(10, 1000);
            node = self.stamped(node, (name, passing_type()), tick_ms, 0)?;
            time = Some(self.operators.get(node).schema.fields().len() - 1);
        }
        let columns = places.into_iter().map(|place| place.or(time));
        Ok(Input {
            node,
            columns: columns.map(Option::unwrap_or_default).collect(),
            keys: positions,
            updates,
            time,
            roles,
            window,
        })
    }

    fn join_node(
        &mut self,
        join: &JoinPlan,
        kind: Type,
        [left, right]: [&Input; 2],
        condition: Option<Expr>,
        updates: Option<Updates>,
    ) -> Result<Rel> {
        let rows = |id: NodeId, updates: &Option<Updates>| -> Vec<Field> {
            let fields = self.operators.get(id).schema.fields();
            let rows = fields.len() - usize::from(updates.is_some());
            fields[..rows].iter().map(|f| f.as_ref().clone()).collect()
        };
        let (left_rows, right_rows) = (rows(left.node, &left.updates), rows(right.node, &right.updates));
        let right_offset = left_rows.len();
        let both: Vec<Field> = left_rows.into_iter().chain(right_rows).collect();
        let condition = condition
            .map(|condition| on_both(condition, join, left, right, right_offset, &both))
            .transpose()?;
        let mut output = left.columns.clone();
        if !matches!(kind, Type::Semi | Type::Anti | Type::Mark) {
            output.extend(right.columns.iter().map(|c| c + right_offset));
        }
        let unread = usize::from(output.is_empty());
        if output.is_empty() {
            output.push(0);
        }
        let mut fields: Vec<Field> = output
            .iter()
            .map(|&i| {
                let padded = match kind {
                    Type::Left => i >= right_offset,
                    Type::Right => i < right_offset,
                    Type::Full => true,
                    Type::Inner | Type::Semi | Type::Anti | Type::Mark => false,
                };
                let nullable = both[i].is_nullable() || padded;
                both[i].clone().with_nullable(nullable)
            })
            .collect();
        if kind == Type::Mark {
            let mut taken = both.iter().map(|field| field.name().clone()).collect();
            fields.push(Field::new(
                unique_name("$mark".into(), &mut taken),
                DataType::Boolean,
                false,
            ));
        }
        fields.extend(updates.is_some().then(op_field));
        let schema = schema_of(fields)?;
        let uid = self.uid("join");
        let names = join.schema.fields().iter().map(|f| f.name().clone());
        let columns = names
            .zip(schema.fields().iter().skip(unread))
            .map(|(name, own)| RelColumn {
                name,
                expr: column(own.name()),
                role: Role::Plain,
            });
        let columns = columns.collect();
        let kind = Kind::Join(Join {
            inputs: [left.node, right.node],
            kind,
            keys: [left.keys.clone(), right.keys.clone()],
            condition,
            both: schema_of(both)?,
            output,
            null_equals_null: join.null_equality == NullEquality::NullEqualsNull,
            time: None,
        });
        Ok(Rel {
            node: self.operators.push(uid, kind, schema),
            filters: Vec::new(),
            columns,
            window: None,
            updates,
        })
    }

    /// Makes rows of a join wait for their partners no longer than these can come.
    fn meet(&mut self, rel: &mut Rel, kind: Type, meeting: Meeting, inputs: [Input; 2]) {
        let [Some(left), Some(right)] = [inputs[0].time, inputs[1].time] else {
            return;
        };
        let (waits_ms, delay_ms) = match meeting {
            // The time is the window's end, and the window is over 1 ms before.
            Meeting::Window => ([-1, -1], 0),
            Meeting::Interval(least, most) | Meeting::Passing(least, most) => {
                let waits = [least.saturating_neg(), most];
                (waits, waits[0].max(waits[1]).max(0))
            }
        };
        if let Kind::Join(join) = &mut self.operators.get_mut(rel.node).kind {
            join.time = Some(Timed {
                columns: [left, right],
                waits_ms,
                delay_ms,
                by_window: meeting == Meeting::Window,
            });
        }
        let padded = [
            matches!(kind, Type::Right | Type::Full),
            matches!(kind, Type::Left | Type::Full),
        ];
        // The windows of one side are those of the result.
        let of_window = usize::from(kind == Type::Right);
        let roles = inputs.iter().enumerate().flat_map(|(side, input)| {
            let role = move |role: &Role| match role {
                _ if padded[side] => Role::Plain,
                Role::ProcessingTime => Role::ProcessingTime,
                // Behind the stamp, watermarks speak of the time at which rows pass alone.
                _ if matches!(meeting, Meeting::Passing(..)) => Role::Plain,
                role if meeting == Meeting::Window && side == of_window => *role,
                role if role.is_event_time() => Role::EventTime,
                _ => Role::Plain,
            };
            input.roles.iter().map(role)
        });
        for (column, role) in rel.columns.iter_mut().zip(roles) {
            if role == Role::ProcessingTime {
                *column = passing_column(std::mem::take(&mut column.name));
            }
            column.role = role;
        }
        let [left, right] = inputs;
        let window = if of_window == 0 { left.window } else { right.window };
        let end = rel.columns.iter().find(|c| c.role == Role::Window(1));
        rel.window = end.zip(window).map(|(end, window)| RelWindow {
            time: end.expr.clone(),
            assigned: Assigned::Attached,
            partition: None,
            ..window
        });
        if rel.window.is_none() {
            for column in &mut rel.columns {
                if let Role::Window(part) = column.role {
                    column.role = if part == 2 { Role::EventTime } else { Role::Plain };
                }
            }
        }
    }

    fn join_place(&self, join: &JoinPlan) -> weir_model::Location {
        let keys = join.on.iter().flat_map(|(left, right)| [left, right]);
        keys.chain(&join.filter).find_map(expr_place).unwrap_or(self.at)
    }
}

/// The keys of both sides, and what pairs must meet beside them.
fn keys(join: &JoinPlan) -> Result<(Vec<Expr>, Vec<Expr>, Option<Expr>)> {
    let (mut lefts, mut rights): (Vec<_>, Vec<_>) = join.on.iter().cloned().unzip();
    let mut rest = Vec::new();
    let conditions = join.filter.iter().flat_map(|filter| split_conjunction(filter));
    for condition in conditions {
        match equality(condition, join)? {
            Some((left, right)) if join.null_equality == NullEquality::NullEqualsNothing => {
                lefts.push(left);
                rights.push(right);
            }
            _ => rest.push(condition.clone()),
        }
    }
    Ok((lefts, rights, conjunction(rest)))
}

/// Both sides of an equality between the inputs, left first.
fn equality(condition: &Expr, join: &JoinPlan) -> Result<Option<(Expr, Expr)>> {
    let Expr::BinaryExpr(BinaryExpr {
        left: a,
        op: Operator::Eq,
        right: b,
    }) = condition
    else {
        return Ok(None);
    };
    let is_of = |expr: &Expr, schema: &DFSchema| {
        let columns = expr.column_refs();
        !columns.is_empty()
            && columns
                .into_iter()
                .all(|c| schema.maybe_index_of_column(c).is_some())
    };
    let (left, right) = (join.left.schema(), join.right.schema());
    let (l, r) = if is_of(a, left) && is_of(b, right) {
        (a, b)
    } else if is_of(b, left) && is_of(a, right) {
        (b, a)
    } else {
        return Ok(None);
    };
    let types = (l.get_type(left), r.get_type(right));
    let same = types.0.map_err(plan_defect)? == types.1.map_err(plan_defect)?;
    Ok((same && !l.is_volatile() && !r.is_volatile()).then(|| (l.as_ref().clone(), r.as_ref().clone())))
}

/// A condition over the columns of both inputs.
fn on_both(
    condition: Expr,
    join: &JoinPlan,
    left: &Input,
    right: &Input,
    right_offset: usize,
    both: &[Field],
) -> Result<Expr> {
    let (of_left, of_right) = (join.left.schema(), join.right.schema());
    let replaced = condition.transform_up(|e| match e {
        Expr::Column(reference) => {
            let position = match of_left.maybe_index_of_column(&reference) {
                Some(i) => left.columns[i],
                None => right_offset + right.columns[of_right.index_of_column(&reference)?],
            };
            Ok(Transformed::yes(Expr::Column(Column {
                spans: reference.spans.clone(),
                ..Column::from_name(both[position].name())
            })))
        }
        other => Ok(Transformed::no(other)),
    });
    crate::logical::without_aliases(replaced.map_err(plan_defect)?.data).map_err(plan_defect)
}

fn join_type(join: &JoinPlan) -> Option<Type> {
    Some(match join.join_type {
        JoinType::Inner => Type::Inner,
        JoinType::Left => Type::Left,
        JoinType::Right => Type::Right,
        JoinType::Full => Type::Full,
        JoinType::LeftSemi => Type::Semi,
        JoinType::LeftAnti => Type::Anti,
        JoinType::LeftMark => Type::Mark,
        JoinType::RightSemi | JoinType::RightAnti | JoinType::RightMark => return None,
    })
}
