//! Hints in plans: tables with other options, and inputs whose rows are kept for a time of their own.

use std::{
    any::Any,
    cmp::Ordering,
    collections::{BTreeMap, BTreeSet},
    fmt,
    ops::ControlFlow,
    sync::{Arc, Mutex, PoisonError},
};

use datafusion_common::{DFSchemaRef, Result, internal_err};
use datafusion_expr::{
    Expr, Extension, LogicalPlan, TableScan, UserDefinedLogicalNodeCore,
    planner::{PlannedRelation, RelationPlanner, RelationPlannerContext, RelationPlanning},
};
use sqlparser::{
    ast::{self, Query, Select, Spanned, TableFactor, TableWithJoins, Visit, Visitor},
    tokenizer::Span,
};
use weir_model::{Location, Problem};

use super::{
    context::TableScanSource,
    lookup_hint::{self, HintedLookup, LookupHint},
};
use crate::{
    catalog::TableDef,
    error::{self, place},
    parse::{
        hints::{Hint, Hints, LOOKUP, STATE_TTL},
        tokens::Name,
    },
    settings::parse_duration,
};

const NOWHERE: Location = Location { line: 0, column: 0 };

/// Line and column.
type Place = (u64, u64);

/// An input of a join or an aggregation with a time of its own for which its rows are kept. Rows pass as they are.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct KeptNode {
    /// The rows.
    pub input: LogicalPlan,
    /// How long they are kept, ms; none: as the setting says.
    pub ttl_ms: Option<u64>,
}

impl PartialOrd for KeptNode {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        (self == other).then_some(Ordering::Equal)
    }
}

// The trait ties the name to the node.
#[allow(clippy::unnecessary_literal_bound)]
impl UserDefinedLogicalNodeCore for KeptNode {
    fn name(&self) -> &str {
        "Kept"
    }

    fn inputs(&self) -> Vec<&LogicalPlan> {
        vec![&self.input]
    }

    fn schema(&self) -> &DFSchemaRef {
        self.input.schema()
    }

    fn expressions(&self) -> Vec<Expr> {
        Vec::new()
    }

    fn prevent_predicate_push_down_columns(&self) -> std::collections::HashSet<String> {
        std::collections::HashSet::new()
    }

    fn necessary_children_exprs(&self, output_columns: &[usize]) -> Option<Vec<Vec<usize>>> {
        Some(vec![output_columns.to_vec()])
    }

    fn fmt_for_explain(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Kept: {:?} ms", self.ttl_ms)
    }

    fn with_exprs_and_inputs(&self, _exprs: Vec<Expr>, mut inputs: Vec<LogicalPlan>) -> Result<Self> {
        let Some(input) = inputs.pop() else {
            return internal_err!("a hint without its input");
        };
        Ok(Self {
            input,
            ttl_ms: self.ttl_ms,
        })
    }
}

/// How long the rows of an operator's input are kept, if a hint of its own SELECT says so, ms.
pub(crate) fn ttl_of(plan: &LogicalPlan) -> Option<u64> {
    let kept = |plan: &LogicalPlan| match plan {
        LogicalPlan::Extension(extension) => extension.node.as_any().downcast_ref::<KeptNode>()?.ttl_ms,
        _ => None,
    };
    match plan {
        LogicalPlan::Projection(projection) => ttl_of(&projection.input),
        LogicalPlan::Filter(filter) => ttl_of(&filter.input),
        // Behind an alias is another SELECT, unless it is the hint's.
        LogicalPlan::SubqueryAlias(alias) => kept(&alias.input),
        other => kept(other),
    }
}

/// Plans what hints say of tables and queries in FROM.
#[derive(Debug, Default)]
pub(crate) struct HintedRelations {
    hints: Arc<Hints>,
    /// By the place of a table's name or of a query's alias; none: no hint of outside reaches in.
    kept: Mutex<BTreeMap<Place, Option<u64>>>,
    /// How tables are asked by lookup joins, by the place of their name, and where that is said.
    lookups: Mutex<BTreeMap<Place, (LookupHint, Place)>>,
    /// Those that are planned now.
    open: Mutex<BTreeSet<Place>>,
}

impl HintedRelations {
    pub(crate) fn new(hints: Arc<Hints>) -> Self {
        Self {
            hints,
            ..Self::default()
        }
    }

    /// Takes the hints of a query's SELECTs.
    pub(crate) fn read(&self, query: &Query) -> error::Result<()> {
        if self.hints.is_empty() {
            return Ok(());
        }
        match query.visit(&mut Selects(self)) {
            ControlFlow::Break(problem) => Err(problem),
            ControlFlow::Continue(()) => Ok(()),
        }
    }

    fn select(&self, select: &Select) -> error::Result<()> {
        let relations = relations(&select.from);
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        for relation in relations.iter().filter(|r| is_nameless_query(r)) {
            kept.entry(place_of(relation)).or_insert(None);
        }
        for hint in self.hints.of_select(place(select.select_token.0.span, NOWHERE)) {
            if hint.name.value == LOOKUP {
                let (name, lookup) = lookup_hint::read(hint)?;
                let relation = find(name, &relations)?;
                let mut lookups = self.lookups.lock().unwrap_or_else(PoisonError::into_inner);
                lookups.insert(
                    place_of(relation),
                    (lookup, (hint.name.at.line, hint.name.at.column)),
                );
                continue;
            }
            for (key, ttl) in named(hint, &relations)? {
                kept.insert(place_of(key), parse_duration(&ttl.value));
            }
        }
        Ok(())
    }

    /// A table with the options that a hint gives it.
    fn with_options(&self, mut plan: LogicalPlan, at: Location) -> Result<LogicalPlan> {
        let options = self.hints.of_table(at);
        if options.is_empty() {
            return Ok(plan);
        }
        let of_scan = match &mut plan {
            LogicalPlan::TableScan(TableScan { source, .. }) => Some(source),
            _ => None,
        };
        let table = of_scan.and_then(|source| {
            let any: &dyn Any = source.as_ref();
            let table = any
                .downcast_ref::<TableScanSource>()
                .map(|s| Arc::clone(&s.table));
            table.map(|table| (source, table))
        });
        let Some((source, table)) = table else {
            return refuse(error::invalid(
                at,
                "OPTIONS are those of a table: give them where the view or the query names it",
            ));
        };
        let table = Arc::new(TableDef::with_options(&table, options).map_err(external)?);
        *source = Arc::new(TableScanSource { table });
        Ok(plan)
    }
}

impl RelationPlanner for HintedRelations {
    fn plan_relation(
        &self,
        mut relation: TableFactor,
        context: &mut dyn RelationPlannerContext,
    ) -> Result<RelationPlanning> {
        let at = place_of(&relation);
        let kept = {
            let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
            kept.get(&at).copied()
        };
        let name_at = Location {
            line: at.0,
            column: at.1,
        };
        let is_table = matches!(&relation, TableFactor::Table { args: None, .. });
        let has_options = is_table && !self.hints.of_table(name_at).is_empty();
        let lookup = {
            let lookups = self.lookups.lock().unwrap_or_else(PoisonError::into_inner);
            lookups.get(&at).copied()
        };
        if kept.is_none() && lookup.is_none() && !has_options {
            return Ok(RelationPlanning::Original(Box::new(relation)));
        }
        let open = || self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if !open().insert(at) {
            return Ok(RelationPlanning::Original(Box::new(relation)));
        }
        let alias = alias_mut(&mut relation).and_then(Option::take);
        let plan = context.plan(relation);
        open().remove(&at);
        let mut plan = plan?;
        if has_options {
            plan = self.with_options(plan, name_at)?;
        }
        if let Some((hint, at)) = lookup {
            let node = Arc::new(HintedLookup {
                input: plan,
                hint,
                at,
            });
            plan = LogicalPlan::Extension(Extension { node });
        }
        if let Some(ttl_ms) = kept {
            let node = Arc::new(KeptNode { input: plan, ttl_ms });
            plan = LogicalPlan::Extension(Extension { node });
        }
        Ok(RelationPlanning::Planned(Box::new(PlannedRelation::new(
            plan, alias,
        ))))
    }
}

struct Selects<'a>(&'a HintedRelations);

impl Visitor for Selects<'_> {
    type Break = Problem;

    fn pre_visit_select(&mut self, select: &Select) -> ControlFlow<Problem> {
        match self.0.select(select) {
            Ok(()) => ControlFlow::Continue(()),
            Err(problem) => ControlFlow::Break(problem),
        }
    }
}

/// The relations that a hint keeps for a time; checks the names of others.
fn named<'a>(
    hint: &'a Hint,
    relations: &[&'a TableFactor],
) -> error::Result<Vec<(&'a TableFactor, &'a Name)>> {
    for name in &hint.names {
        find(name, relations)?;
    }
    if hint.name.value != STATE_TTL {
        return Ok(Vec::new());
    }
    let options = hint.options.iter();
    options
        .map(|(key, ttl)| find(key, relations).map(|r| (r, ttl)))
        .collect()
}

/// The relation of that name.
fn find<'a>(name: &Name, relations: &[&'a TableFactor]) -> error::Result<&'a TableFactor> {
    let found = relations
        .iter()
        .find(|r| name_of(r).is_some_and(|own| own == name.value));
    found.copied().ok_or_else(|| {
        let known = relations.iter().filter_map(|r| name_of(r));
        error::unknown(name.at, "input of this SELECT named", &name.value, known)
    })
}

/// The tables and queries in FROM.
fn relations(from: &[TableWithJoins]) -> Vec<&TableFactor> {
    let mut found = Vec::new();
    for table in from {
        let factors = std::iter::once(&table.relation).chain(table.joins.iter().map(|join| &join.relation));
        for factor in factors {
            match factor {
                TableFactor::NestedJoin { table_with_joins, .. } => {
                    found.extend(relations(std::slice::from_ref(table_with_joins)));
                }
                other => found.push(other),
            }
        }
    }
    found
}

fn is_nameless_query(relation: &TableFactor) -> bool {
    matches!(relation, TableFactor::Derived { alias: None, .. })
}

/// The name by which a query knows what stands in FROM.
fn name_of(relation: &TableFactor) -> Option<&str> {
    let (table, alias) = match relation {
        TableFactor::Table { name, alias, .. } => (name.0.last().and_then(|part| part.as_ident()), alias),
        TableFactor::Derived { alias, .. } | TableFactor::TableFunction { alias, .. } => (None, alias),
        _ => return None,
    };
    let name = alias.as_ref().map(|alias| &alias.name).or(table);
    name.map(|name| name.value.as_str())
}

fn alias_mut(relation: &mut TableFactor) -> Option<&mut Option<ast::TableAlias>> {
    match relation {
        TableFactor::Table { alias, .. }
        | TableFactor::Derived { alias, .. }
        | TableFactor::TableFunction { alias, .. } => Some(alias),
        _ => None,
    }
}

/// The place by which a relation is known: of its name or its beginning. The alias is left out: planning takes it off.
fn place_of(relation: &TableFactor) -> Place {
    let span = match relation {
        TableFactor::Table { name, .. } => name.span(),
        TableFactor::Derived { subquery, .. } => beginning(subquery),
        TableFactor::TableFunction { expr, .. } => expr.span(),
        _ => Span::empty(),
    };
    (span.start.line, span.start.column)
}

/// A query's span, from its first SELECT on where it begins with one: what is planned of it is not the same everywhere.
fn beginning(query: &Query) -> Span {
    match query.body.as_ref() {
        ast::SetExpr::Select(select) => select.select_token.0.span,
        ast::SetExpr::Query(inner) => beginning(inner),
        _ => query.span(),
    }
}

fn external(problem: Problem) -> datafusion_common::DataFusionError {
    datafusion_common::DataFusionError::External(Box::new(problem))
}

fn refuse<T>(problem: Problem) -> Result<T> {
    Err(external(problem))
}
