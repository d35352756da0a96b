//! Plans without aggregates: filters and expressions gather above an operator.

use std::{any::Any, sync::Arc};

use datafusion_common::{
    Column, DFSchema,
    tree_node::{Transformed, TreeNode, TreeNodeRecursion},
};
use datafusion_expr::lit;
use datafusion_expr::{Expr, Filter, LogicalPlan, Projection, TableScan, UserDefinedLogicalNode};
use weir_connector::{RowKind, changelog::OP_COLUMN};
use weir_model::Location;

use super::{
    Kind, NodeId, Operators, Updates,
    expr::{self, all_of, column, is_cheap},
    passing,
    rank::RankRange,
    window::{RelWindow, schema_with_windows},
};
use crate::{
    encode,
    error::{self, Result, plan_defect},
    logical::{
        context::TableScanSource,
        expr_place,
        hints::KeptNode,
        lookup_hint::{HintedLookup, LookupHint},
        match_recognize::MatchNode,
        proctime, simplify, temporal,
        unnest::UnnestNode,
        window::{WindowNode, Windows},
    },
};

/// Rows not yet computed: an operator's, filtered and projected.
#[derive(Clone, Debug)]
pub(crate) struct Rel {
    /// Where the rows come from.
    pub node: NodeId,
    /// Conditions over the operator's columns.
    pub filters: Vec<Expr>,
    /// One per column of the logical plan.
    pub columns: Vec<RelColumn>,
    /// The windows that the rows belong to.
    pub window: Option<RelWindow>,
    /// What makes the rows changes; none when they are only appended.
    pub updates: Option<Updates>,
}

/// A column not yet computed.
#[derive(Clone, Debug)]
pub(crate) struct RelColumn {
    /// Its name.
    pub name: String,
    /// How to compute it from the operator's columns.
    pub expr: Expr,
    /// What it means to time.
    pub role: Role,
}

/// What a column means to time, as long as it is passed on unchanged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// Nothing.
    Plain,
    /// It is the event time that watermarks speak of.
    EventTime,
    /// It is the time at which the row passes.
    ProcessingTime,
    /// It is the `window_id` of windows by rows.
    CountWindow,
    /// It is the `window_start`, `window_end` or `window_time` (0, 1, 2) of the rel's window.
    Window(usize),
}

impl Role {
    /// Whether watermarks speak of it: the event time, or the `window_time`.
    pub(crate) fn is_event_time(self) -> bool {
        matches!(self, Self::EventTime | Self::Window(2))
    }
}

impl Rel {
    /// Refuses rows that are changes where an operation needs rows that are only appended.
    pub(crate) fn check_append_only(&self, operation: &str, at: Location) -> Result<()> {
        match &self.updates {
            None => Ok(()),
            Some(updates) => Err(error::unsupported(
                at,
                format!(
                    "{operation} needs rows that are only appended, but {} ({}:{}) changes rows that it gave before",
                    updates.by, updates.at.line, updates.at.column
                ),
            )),
        }
    }
}

/// Makes operators of the plans of one INSERT.
pub(crate) struct Lower<'a> {
    /// All operators of the job.
    pub operators: &'a mut Operators,
    /// The sink's uid: what those of its operators begin with.
    pub scope: String,
    /// Where errors without a place of their own are.
    pub at: Location,
    /// The ranks that the filter above keeps, until the ROW_NUMBER is met.
    pub pending_rank: Option<RankRange>,
    /// The rows that the LIMIT above keeps, until the ORDER BY is met.
    pub pending_limit: Option<RankRange>,
    /// Whether tables are not read but looked rows up in.
    pub looks_up: bool,
    /// How the table is asked that is looked up in, and where that is said.
    pub lookup_hint: Option<(LookupHint, Location)>,
}

impl<'a> Lower<'a> {
    pub(crate) fn new(operators: &'a mut Operators, scope: String, at: Location) -> Self {
        Self {
            operators,
            scope,
            at,
            pending_rank: None,
            pending_limit: None,
            looks_up: false,
            lookup_hint: None,
        }
    }

    /// The rows of a plan.
    pub(crate) fn plan(&mut self, plan: &LogicalPlan) -> Result<Rel> {
        match plan {
            LogicalPlan::Projection(projection) => self.projection(projection),
            LogicalPlan::Filter(filter) => self.filter(filter),
            LogicalPlan::SubqueryAlias(alias) => self.plan(&alias.input),
            LogicalPlan::TableScan(scan) => self.scan(scan),
            LogicalPlan::Aggregate(aggregate) => self.aggregate(aggregate),
            LogicalPlan::Values(values) => self.values(values),
            LogicalPlan::EmptyRelation(empty) => self.empty(empty),
            LogicalPlan::Distinct(distinct) => self.distinct(distinct),
            LogicalPlan::Join(join) => self.join(join),
            LogicalPlan::Window(window) => self.window_functions(window),
            LogicalPlan::Limit(limit) => self.limit(limit),
            LogicalPlan::Sort(sort) => self.ordered(sort),
            LogicalPlan::Union(union) => self.union(union),
            LogicalPlan::Extension(_) if temporal::as_join(plan).is_some() => self.temporal_join(plan),
            LogicalPlan::Extension(extension) => self.extension(extension.node.as_ref()),
            other => {
                let text = other.display().to_string();
                let what = text.split([':', ' ']).next().unwrap_or_default().to_owned();
                Err(error::unsupported(
                    self.at,
                    format!("this query needs the operation {what}, which is not supported yet"),
                ))
            }
        }
    }

    fn extension(&mut self, node: &dyn UserDefinedLogicalNode) -> Result<Rel> {
        if let Some(window) = node.as_any().downcast_ref::<WindowNode>() {
            return self.window(window);
        }
        if let Some(kept) = node.as_any().downcast_ref::<KeptNode>() {
            return self.plan(&kept.input);
        }
        if let Some(unnest) = node.as_any().downcast_ref::<UnnestNode>() {
            return self.unnest(unnest);
        }
        if let Some(pattern) = node.as_any().downcast_ref::<MatchNode>() {
            return self.match_recognize(pattern);
        }
        if let Some(hinted) = node.as_any().downcast_ref::<HintedLookup>() {
            return self.hinted_lookup(hinted);
        }
        Err(error::internal(format!("an unknown plan node {}", node.name())))
    }

    /// The place and kind of an operator; [`identity`](super::identity) makes a uid of it.
    pub(crate) fn uid(&self, kind: &'static str) -> String {
        format!("{}/{kind}", self.scope)
    }

    /// The schema that a rel's expressions are over.
    pub(crate) fn schema(&self, rel: &Rel) -> Arc<DFSchema> {
        schema_with_windows(&self.operators.get(rel.node).schema, rel)
    }

    fn scan(&mut self, scan: &TableScan) -> Result<Rel> {
        let source: &dyn Any = scan.source.as_ref();
        let Some(source) = source.downcast_ref::<TableScanSource>() else {
            return Err(error::internal(format!(
                "table {} is of an unknown kind",
                scan.table_name
            )));
        };
        let (node, updates) = if self.looks_up {
            (self.operators.lookup_table(&source.table)?, None)
        } else {
            self.table_rows(&source.table)?
        };
        let watermark = source.table.watermark.as_ref().filter(|_| updates.is_none());
        let event_time = watermark.map(|w| w.column.as_str());
        let all = &source.table.columns;
        let read: Vec<_> = match &scan.projection {
            Some(projection) => projection.iter().map(|i| &all[*i]).collect(),
            None => all.iter().collect(),
        };
        let columns = read.into_iter().map(|c| RelColumn {
            name: c.name.clone(),
            expr: c
                .computed
                .clone()
                .filter(proctime::is_call)
                .unwrap_or_else(|| column(&c.name)),
            role: if event_time == Some(&c.name) {
                Role::EventTime
            } else if c.computed.as_ref().is_some_and(proctime::is_call) {
                Role::ProcessingTime
            } else {
                Role::Plain
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

    fn projection(&mut self, projection: &Projection) -> Result<Rel> {
        let mut input = self.plan(&projection.input)?;
        let from = projection.input.schema();
        if self.would_compute_twice(&input, &projection.expr, from)? {
            input = self.materialize(input)?;
        }
        let mut columns = Vec::with_capacity(projection.expr.len());
        for (expr, field) in projection.expr.iter().zip(projection.schema.fields()) {
            let role = role(expr, &input, from);
            let expr = self.substitute(expr, &input, from)?;
            columns.push(RelColumn {
                name: field.name().clone(),
                expr,
                role,
            });
        }
        Ok(Rel { columns, ..input })
    }

    fn filter(&mut self, filter: &Filter) -> Result<Rel> {
        if let Some(ranked) = self.ranked_filter(filter)? {
            return Ok(ranked);
        }
        let input = self.plan(&filter.input)?;
        self.filtered(input, &filter.predicate, filter.input.schema())
    }

    /// The rows for which a condition over a plan's columns holds.
    pub(crate) fn filtered(&mut self, mut input: Rel, predicate: &Expr, from: &DFSchema) -> Result<Rel> {
        let schema = self.schema(&input);
        let computed = columns_of(predicate, from)?;
        if computed
            .iter()
            .any(|i| !is_cheap(&input.columns[*i].expr, &schema))
        {
            input = self.materialize(input)?;
        }
        let predicate = self.substitute(predicate, &input, from)?;
        input.filters.push(predicate);
        Ok(input)
    }

    /// An expression over a plan's columns as one over the operator's.
    pub(crate) fn substitute(&self, expr: &Expr, rel: &Rel, from: &DFSchema) -> Result<Expr> {
        let expr = crate::logical::without_aliases(expr.clone()).map_err(plan_defect)?;
        passing::check_watermarks(&expr, rel, from, self.at)?;
        let replaced = expr.transform_up(|e| match e {
            Expr::Column(column) => {
                let index = from.index_of_column(&column)?;
                let spans = column.spans.clone();
                Ok(Transformed::yes(match &rel.columns[index].expr {
                    Expr::Column(inner) => Expr::Column(Column {
                        spans,
                        ..inner.clone()
                    }),
                    other => other.clone(),
                }))
            }
            other => Ok(Transformed::no(other)),
        });
        let replaced = replaced.map_err(plan_defect)?.data;
        simplify::simplify(replaced, &self.schema(rel)).map_err(|e| error::of_datafusion(e, self.at))
    }

    /// Whether these expressions read a column more than once whose computing costs something.
    fn would_compute_twice(&self, input: &Rel, exprs: &[Expr], from: &DFSchema) -> Result<bool> {
        let schema = self.schema(input);
        let mut reads = vec![0_usize; input.columns.len()];
        for expr in exprs {
            for index in columns_of(expr, from)? {
                reads[index] += 1;
            }
        }
        Ok(reads
            .iter()
            .zip(&input.columns)
            .any(|(reads, c)| *reads > 1 && !is_cheap(&c.expr, &schema)))
    }

    /// Makes an operator of what is not yet computed.
    pub(crate) fn materialize(&mut self, rel: Rel) -> Result<Rel> {
        const TIME: &str = "$time";
        // The time at which a row passes is no value yet: whoever needs it takes it later.
        let is_value = |c: &&RelColumn| c.role != Role::ProcessingTime;
        let mut columns: Vec<_> = rel
            .columns
            .iter()
            .filter(is_value)
            .map(|c| (c.name.clone(), c.expr.clone()))
            .collect();
        let by_time = |window: &&RelWindow| !matches!(window.windows, Windows::Count(_));
        let window = rel.window.as_ref().filter(by_time).cloned();
        if let Some(window) = &window {
            columns.push((TIME.into(), window.kept()));
        }
        let time = columns.len() - usize::from(window.is_some());
        let given = rel.columns.clone();
        let updates = rel.updates.clone();
        let node = self.calc(rel, columns)?;
        let names = self
            .operators
            .get(node)
            .schema
            .fields()
            .iter()
            .map(|f| f.name().clone())
            .collect::<Vec<_>>();
        let mut own = names.iter();
        let columns = given.into_iter().map(|c| match c.role {
            Role::ProcessingTime => c,
            _ => RelColumn {
                expr: own.next().map_or_else(|| c.expr.clone(), column),
                ..c
            },
        });
        Ok(Rel {
            node,
            filters: Vec::new(),
            columns: columns.collect(),
            window: window
                .zip(names.get(time))
                .map(|(window, time)| window.kept_as(time)),
            updates,
        })
    }

    /// A calc of these columns over the rel's operator with the rel's filters; the operator itself if that changes nothing.
    /// If the rows are changes, what each one does is one more, last column.
    pub(crate) fn calc(&mut self, rel: Rel, columns: Vec<(String, Expr)>) -> Result<NodeId> {
        let is_changelog = rel.updates.is_some();
        self.calc_as(rel, columns, is_changelog)
    }

    /// The same, as changes or not; rows that are only appended can become changes, and not the other way round.
    pub(crate) fn calc_as(
        &mut self,
        rel: Rel,
        mut columns: Vec<(String, Expr)>,
        is_changelog: bool,
    ) -> Result<NodeId> {
        let rel = self.assign_windows(rel, &columns)?;
        for (name, _) in columns.iter_mut().filter(|(name, _)| name == OP_COLUMN) {
            "op".clone_into(name);
        }
        if is_changelog {
            let op = match rel.updates {
                Some(_) => column(OP_COLUMN),
                None => lit(RowKind::Insert.byte()),
            };
            // Unique even if a column of the query has the name.
            columns = expr::unique_names(columns);
            columns.push((OP_COLUMN.to_owned(), op));
        }
        let schema = self.schema(&rel);
        let filter = all_of(rel.filters, &schema);
        for expr in columns.iter().map(|(_, expr)| expr).chain(&filter) {
            let place = expr_place(expr).unwrap_or(self.at);
            encode::check(expr, schema.as_arrow()).map_err(|problem| problem.at(place))?;
        }
        let is_source = matches!(self.operators.get(rel.node).kind, Kind::Source(..));
        if filter.is_none() && !is_source && is_identity(&columns, &schema) {
            return Ok(rel.node);
        }
        let uid = self.uid("calc");
        self.operators.calc(uid, rel.node, filter, columns)
    }
}

/// Whether these columns are all those of a schema, in order and by the same names.
pub(crate) fn is_identity(columns: &[(String, Expr)], schema: &DFSchema) -> bool {
    columns.len() == schema.fields().len()
        && columns.iter().zip(schema.fields()).all(|((name, expr), field)| {
            name == field.name() && matches!(expr, Expr::Column(c) if c.name == *field.name())
        })
}

/// What an expression over a plan's columns means to time.
pub(crate) fn role(expr: &Expr, input: &Rel, from: &DFSchema) -> Role {
    match expr {
        Expr::Alias(alias) => role(&alias.expr, input, from),
        Expr::Column(column) => from
            .index_of_column(column)
            .map_or(Role::Plain, |i| input.columns[i].role),
        call if proctime::is_call(call) => Role::ProcessingTime,
        _ => Role::Plain,
    }
}

/// The positions of the columns that an expression reads, as often as it does.
fn columns_of(expr: &Expr, from: &DFSchema) -> Result<Vec<usize>> {
    let mut found = Vec::new();
    expr.apply(|e| {
        if let Expr::Column(column) = e {
            found.push(from.index_of_column(column)?);
        }
        Ok(TreeNodeRecursion::Continue)
    })
    .map_err(plan_defect)?;
    Ok(found)
}

/// Columns named after what they are, for operators between the query's own.
pub(crate) fn natural_name(expr: &Expr, schema: &DFSchema) -> String {
    match expr::as_leaf(expr, schema) {
        Some(leaf) => leaf.name().to_owned(),
        None => super::format::format_expr(expr),
    }
}
