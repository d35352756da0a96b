//! MATCH_RECOGNIZE: conditions that read the row alone become columns before it, the others and the measures expressions over a match.
//!
//! - [`measures`]: what comes out of a match. Leans on nothing.

mod measures;

use std::collections::HashSet;

use arrow_schema::{Field, Schema};
use datafusion_common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion_expr::{
    Expr,
    utils::{conjunction, split_conjunction_owned},
};
use weir_proto::graph::AggregateFunction;

use super::{
    AggregateCall, Kind, NodeId,
    expr::{all_of, may_fail, unique_name},
    lower::{Lower, Rel, Role, natural_name, role},
    rank::SortColumn,
    schema_of, type_of,
};
use crate::{
    catalog::TIMESTAMP_MS,
    error::{self, Result, plan_defect},
    logical::{
        cast_to, expr_place,
        match_recognize::{MatchNode, MatchValue, Skip, ValueKind, value_number},
    },
};

/// Finds patterns in the rows of each key.
#[derive(Clone, Debug)]
pub(crate) struct MatchRecognize {
    /// Where the rows come from.
    pub input: NodeId,
    /// The key columns.
    pub keys: Vec<usize>,
    /// The event time; none: rows are matched as they come.
    pub time: Option<usize>,
    /// What orders rows of one time.
    pub order: Vec<SortColumn>,
    /// The variables of the pattern in order.
    pub variables: Vec<Variable>,
    /// Where matching goes on after a match.
    pub skip: Skip,
    /// The last row of a match comes less than this after its first one, ms.
    pub within_ms: Option<i64>,
    /// What comes out of a match.
    pub measures: OverMatch,
    /// The pattern as it is written.
    pub pattern: String,
}

/// A variable of the pattern.
#[derive(Clone, Debug)]
pub(crate) struct Variable {
    /// Its name.
    pub name: String,
    /// Rows that it takes at least.
    pub min: u32,
    /// Rows that it takes at most; none: any number.
    pub max: Option<u32>,
    /// Whether it never leaves rows that it could take to the variables behind it.
    pub is_greedy: bool,
    /// What a row must fulfil whatever was matched before it: a BOOLEAN column.
    pub column: Option<usize>,
    /// What else it must fulfil.
    pub condition: Option<OverMatch>,
}

/// Expressions over columns that are taken from the rows of a match.
#[derive(Clone, Debug)]
pub(crate) struct OverMatch {
    /// The columns.
    pub values: Vec<Value>,
    /// Their names and types.
    pub schema: Schema,
    /// The expressions by the names of their results.
    pub exprs: Vec<(String, Expr)>,
}

/// A column of one row of a match, or an aggregate of rows of it.
#[derive(Clone, Debug)]
pub(crate) struct Value {
    /// Of the rows of this variable; none: of all rows.
    pub variable: Option<usize>,
    /// What it is of them.
    pub kind: Of,
}

/// What a column of a match is of its rows.
#[derive(Clone, Debug)]
pub(crate) enum Of {
    /// A column of the row so many behind the first one.
    First(u64, usize),
    /// A column of the row so many before the last one.
    Last(u64, usize),
    /// An aggregate of a column.
    Aggregate(Box<AggregateCall>),
}

/// The rows before the operator, as they are put together.
struct Rows<'n> {
    node: &'n MatchNode,
    input: Rel,
    columns: Vec<(String, Expr)>,
    /// What the values are of these columns, by their numbers.
    values: Vec<Value>,
}

impl Lower<'_> {
    /// The matches of a pattern.
    pub(crate) fn match_recognize(&mut self, node: &MatchNode) -> Result<Rel> {
        let mut input = self.plan(&node.input)?;
        input.check_append_only("MATCH_RECOGNIZE", node.place())?;
        if input.is_pending() {
            input = self.materialize(input)?;
        }
        input.window = None;
        let mut rows = Rows {
            node,
            input,
            columns: Vec::new(),
            values: Vec::new(),
        };
        let keys = self.match_keys(&mut rows)?;
        let time = self.match_time(&mut rows)?;
        let order = self.match_order(&mut rows)?;
        rows.values = self.match_values(&mut rows)?;
        let variables = self.match_variables(&mut rows)?;
        let (measures, columns) = measures::measures(&rows, &keys)?;
        let input = self.calc(rows.input, super::window::at_least_one(rows.columns))?;
        let fields = columns.iter().filter_map(|(_, field)| field.clone());
        let schema = schema_of(fields.collect())?;
        let kind = Kind::MatchRecognize(Box::new(MatchRecognize {
            input,
            keys,
            time,
            order,
            variables,
            skip: node.skip,
            within_ms: node.within_ms,
            measures,
            pattern: node.pattern(),
        }));
        let uid = self.uid("match-recognize");
        Ok(Rel {
            node: self.operators.push(uid, kind, schema),
            filters: Vec::new(),
            columns: columns.into_iter().map(|(column, _)| column).collect(),
            window: None,
            updates: None,
        })
    }

    fn match_keys(&mut self, rows: &mut Rows<'_>) -> Result<Vec<usize>> {
        let node = rows.node;
        let keys = node.partition.iter().map(|key| self.match_column(key, rows));
        keys.collect()
    }

    /// A column that orders or partitions rows.
    fn match_column(&self, expr: &Expr, rows: &mut Rows<'_>) -> Result<usize> {
        self.rank_column(expr, &rows.input, rows.node.input.schema(), &mut rows.columns)
    }

    /// The event time that comes first in the order; none of processing time.
    fn match_time(&mut self, rows: &mut Rows<'_>) -> Result<Option<usize>> {
        let from = rows.node.input.schema();
        let by = &rows.node.order[0];
        let time_role = role(&by.expr, &rows.input, from);
        if time_role == Role::ProcessingTime {
            let mut values = rows.node.values.iter();
            if values.any(|value| matches!(value.kind, ValueKind::Rowtime(_))) {
                return Err(error::invalid(
                    rows.node.place(),
                    "MATCH_ROWTIME() is the event time of a match, and this one goes by processing time: write MATCH_PROCTIME()",
                ));
            }
            return Ok(None);
        }
        if !time_role.is_event_time() {
            let name = match &by.expr {
                Expr::Column(column) => column.name.clone(),
                other => other.to_string(),
            };
            return Err(error::invalid(
                expr_place(&by.expr).unwrap_or(rows.node.place()),
                format!(
                    "'{name}' is not an event-time column, and MATCH_RECOGNIZE takes rows in the order of their time: declare WATERMARK FOR it in CREATE TABLE, and pass it on unchanged"
                ),
            ));
        }
        let time = self.substitute(&by.expr, &rows.input, from)?;
        let time_type = type_of(&time, &self.schema(&rows.input))?;
        let name = natural_name(&time, &self.schema(&rows.input));
        Ok(Some(rows.add(&name, cast_to(time, &time_type, &TIMESTAMP_MS))))
    }

    fn match_order(&mut self, rows: &mut Rows<'_>) -> Result<Vec<SortColumn>> {
        let node = rows.node;
        let order = node.order.iter().skip(1).map(|by| {
            Ok(SortColumn {
                column: self.match_column(&by.expr, rows)?,
                descending: !by.asc,
                nulls_first: by.nulls_first,
            })
        });
        order.collect()
    }

    /// What conditions and measures read, as columns of the rows.
    fn match_values(&mut self, rows: &mut Rows<'_>) -> Result<Vec<Value>> {
        let (node, mut values) = (rows.node, Vec::new());
        let schema = self.schema(&rows.input);
        for (number, value) in node.values.iter().enumerate() {
            let mut column = |expr: &Expr| {
                let expr = self.substitute(expr, &rows.input, node.input.schema())?;
                let expr = self.canonical(expr, &rows.input)?;
                Ok(rows.add(&natural_name(&expr, &schema), expr))
            };
            let kind = match &value.kind {
                ValueKind::First(offset, expr) => Of::First(*offset, column(expr)?),
                ValueKind::Last(offset, expr) => Of::Last(*offset, column(expr)?),
                ValueKind::Rowtime(expr) => Of::Last(0, column(expr)?),
                ValueKind::Aggregate(function, expr) => Of::Aggregate(Box::new(AggregateCall {
                    function: *function,
                    column: expr.as_ref().map(column).transpose()?,
                    separator: if *function == AggregateFunction::Listagg {
                        ","
                    } else {
                        ""
                    }
                    .to_owned(),
                    percentages: Vec::new(),
                    packed: false,
                    user: None,
                    distinct: false,
                    result: Field::new(format!("${number}"), value.data_type.clone(), true),
                    text: String::new(),
                    name: String::new(),
                })),
            };
            values.push(Value {
                variable: value.variable,
                kind,
            });
        }
        Ok(values)
    }

    fn match_variables(&mut self, rows: &mut Rows<'_>) -> Result<Vec<Variable>> {
        let node = rows.node;
        let mut variables = Vec::with_capacity(node.variables.len());
        for (number, variable) in node.variables.iter().enumerate() {
            let quantified = &variable.quantified;
            let (of_row, looks_back) = self.match_condition(number, variable.condition.clone(), rows)?;
            let column = of_row.map(|condition| rows.add(&format!("$is_{}", quantified.name), condition));
            let condition = looks_back.map(|c| rows.over_match(vec![(quantified.name.clone(), c)]));
            variables.push(Variable {
                name: quantified.name.clone(),
                min: quantified.min,
                max: quantified.max,
                is_greedy: quantified.is_greedy,
                column,
                condition: condition.transpose()?,
            });
        }
        Ok(variables)
    }

    /// What of a variable's condition reads the row alone, over the operator's columns, and what looks back or may fail, over the match.
    fn match_condition(
        &mut self,
        variable: usize,
        condition: Option<Expr>,
        rows: &Rows<'_>,
    ) -> Result<(Option<Expr>, Option<Expr>)> {
        let schema = self.schema(&rows.input);
        let (mut of_row, mut looks_back) = (Vec::new(), Vec::new());
        for part in condition.into_iter().flat_map(split_conjunction_owned) {
            let over_row = self.over_row(variable, &part, rows)?;
            match over_row.filter(|expr| !may_fail(expr, &schema)) {
                Some(expr) => of_row.push(expr),
                None => looks_back.push(part),
            }
        }
        let looks_back = conjunction(looks_back);
        Ok((all_of(of_row, &schema), looks_back))
    }

    /// A condition of a variable over the columns of the row that it is to take; none if it looks at other rows.
    fn over_row(&self, variable: usize, condition: &Expr, rows: &Rows<'_>) -> Result<Option<Expr>> {
        let is_own = |value: &MatchValue| {
            matches!(value.kind, ValueKind::Last(0, _)) && value.variable.is_none_or(|v| v == variable)
        };
        let values = &rows.node.values;
        let reads = read_values(condition)?;
        if !reads.iter().all(|number| values.get(*number).is_some_and(is_own)) {
            return Ok(None);
        }
        let replaced = condition.clone().transform_up(|e| {
            Ok(match &e {
                Expr::Column(column) => match value_number(&column.name).and_then(|n| values[n].expr()) {
                    Some(expr) => Transformed::yes(expr.clone()),
                    None => Transformed::no(e),
                },
                _ => Transformed::no(e),
            })
        });
        let replaced = replaced.map_err(plan_defect)?.data;
        self.substitute(&replaced, &rows.input, rows.node.input.schema())
            .map(Some)
    }
}

impl Rows<'_> {
    /// The position of a column, which is added if it is new.
    fn add(&mut self, name: &str, expr: Expr) -> usize {
        if let Some(known) = self.columns.iter().position(|(_, e)| *e == expr) {
            return known;
        }
        let mut taken: HashSet<String> = self.columns.iter().map(|(name, _)| name.clone()).collect();
        self.columns
            .push((unique_name(name.to_owned(), &mut taken), expr));
        self.columns.len() - 1
    }

    /// Expressions with the values that they read.
    fn over_match(&self, exprs: Vec<(String, Expr)>) -> Result<OverMatch> {
        let mut read = Vec::new();
        for (_, expr) in &exprs {
            if expr.is_volatile() {
                return Err(error::unsupported(
                    self.node.place(),
                    "measures and conditions that look at other rows cannot read the clock or chance: compute them in the query that \
                     MATCH_RECOGNIZE reads, or of its result",
                ));
            }
            read.extend(read_values(expr)?);
        }
        read.sort_unstable();
        read.dedup();
        let field = |number: &usize| {
            let data_type = self.node.values[*number].data_type.clone();
            Field::new(format!("${number}"), data_type, true)
        };
        Ok(OverMatch {
            schema: Schema::new(read.iter().map(field).collect::<Vec<_>>()),
            values: read.iter().map(|number| self.values[*number].clone()).collect(),
            exprs,
        })
    }
}

/// The numbers of the values that an expression reads.
fn read_values(expr: &Expr) -> Result<Vec<usize>> {
    let mut found = Vec::new();
    expr.apply(|e| {
        if let Expr::Column(column) = e {
            found.extend(value_number(&column.name));
        }
        Ok(TreeNodeRecursion::Continue)
    })
    .map_err(plan_defect)?;
    Ok(found)
}
