//! Late rows into tables of their own: `'late.sink' = '...'` among the options of a source.
//!
//! Operators that drop late rows come to read what the table wants of them in columns behind their own, which are carried from the source
//! through what lies between; a second output of theirs is the late rows. So the operators between are made anew, and those that nobody
//! reads any more go.
//!
//! - [`table`]: what a table wants of late rows. Leans on nothing.

mod table;

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use arrow_schema::Field;
use datafusion_common::ScalarValue;
use datafusion_expr::Expr;

use self::table::{LateTable, WATERMARK};
use super::{
    Calc, Kind, NodeId, Operators, calc_schema, expr::column, over::Ordering, schema_of, side_table,
    unnest::Unnest, window::with_placeholders,
};
use crate::{
    catalog::{Catalog, TIMESTAMP_MS, TableDef},
    error::{self, Result, plan_defect},
    graph::describe,
};

/// The rows that an operator drops as late.
#[derive(Clone, Debug)]
pub(crate) struct LateRows {
    /// The operator.
    pub input: NodeId,
    /// The port by which they came.
    pub port: usize,
}

/// Sends late rows to the tables that their sources name. Returns what is worth knowing about those that get none.
pub(crate) fn route(operators: &mut Operators, catalog: &Catalog) -> Result<Vec<String>> {
    let tables = table::of_sources(operators, catalog)?;
    if tables.is_empty() {
        return Ok(Vec::new());
    }
    let dropping: Vec<(NodeId, usize)> = operators
        .iter()
        .flat_map(|(id, node)| (0..dropping_ports(&node.kind)).map(move |port| (id, port)))
        .collect();
    let mut router = Router {
        operators: &mut *operators,
        tables,
        carried: HashMap::new(),
        taps: BTreeMap::new(),
    };
    for (id, port) in dropping {
        if let Some(table) = router.origin(id, port)? {
            router.tap(id, port, &table)?;
        }
    }
    let notes = router.notes();
    router.sinks()?;
    operators.sort();
    Ok(notes)
}

/// Of how many ports, from the first on, an operator may drop rows as late.
fn dropping_ports(kind: &Kind) -> usize {
    match kind {
        Kind::Window(_) | Kind::Sort(_) => 1,
        Kind::MatchRecognize(pattern) if pattern.time.is_some() => 1,
        Kind::Over(over) if over.order == Ordering::EventTime => 1,
        Kind::WindowTable(table) if table.is_session() => 1,
        Kind::Rank(rank) if rank.window_end.is_some() => 1,
        Kind::Join(join) if join.time.is_some_and(|time| time.by_window) => 2,
        _ => 0,
    }
}

/// A source whose rows reach an operator.
struct Found {
    source: NodeId,
    /// An operator on the way that carries nothing past itself.
    behind: Option<NodeId>,
}

struct Router<'a> {
    operators: &'a mut Operators,
    /// Where late rows of sources go.
    tables: BTreeMap<NodeId, Arc<LateTable>>,
    /// Operators, and those that give the same rows with what late ones need behind.
    carried: HashMap<NodeId, NodeId>,
    /// By table, the late rows of operators in its columns.
    taps: BTreeMap<String, (Arc<TableDef>, Vec<NodeId>)>,
}

/// Rows with what late ones need.
struct Carried {
    node: NodeId,
    /// In the order of what the table needs, the columns that it is in.
    names: Vec<String>,
    /// How many of the last columns are there for nothing else.
    hidden: usize,
}

impl Router<'_> {
    /// Where an operator's late rows of a port go, if their source says so.
    fn origin(&self, id: NodeId, port: usize) -> Result<Option<Arc<LateTable>>> {
        let mut found = Vec::new();
        self.find(self.rows_of(id, port), None, &mut found);
        let table_of = |found: &Found| self.tables.get(&found.source);
        let Some(table) = found.iter().find_map(table_of) else {
            return Ok(None);
        };
        let name = |id: NodeId| describe(self.operators, self.operators.get(id)).0;
        let mut behind = found.iter().filter(|found| table_of(found).is_some());
        if let Some(by) = behind.find_map(|found| found.behind) {
            return Err(error::unsupported(
                table.at,
                format!(
                    "rows of '{}' pass the operator '{}' before '{}' drops late ones, and what '{}' wants of them is not carried that \
                     far: take 'late.sink' out, or read a second table without it there",
                    table.source,
                    name(by),
                    name(id),
                    table.sink.table.name
                ),
            ));
        }
        if !found
            .iter()
            .all(|found| table_of(found).is_some_and(|other| other.fits(table)))
        {
            return Err(error::unsupported(
                table.at,
                format!(
                    "rows of '{}' and of another table come together before '{}' drops late ones: give both the same 'late.sink' with \
                     the same columns",
                    table.source,
                    name(id)
                ),
            ));
        }
        Ok(Some(Arc::clone(table)))
    }

    /// The operator whose rows an operator drops: what is before the first of two phases.
    fn rows_of(&self, id: NodeId, port: usize) -> NodeId {
        let input = self.operators.get(id).kind.inputs()[port];
        match &self.operators.get(input).kind {
            Kind::LocalWindow(local) => local.input,
            _ => input,
        }
    }

    /// The sources of rows that may be late.
    fn find(&self, id: NodeId, behind: Option<NodeId>, found: &mut Vec<Found>) {
        let kind = &self.operators.get(id).kind;
        match kind {
            Kind::Source(..) => found.push(Found { source: id, behind }),
            Kind::Calc(_) | Kind::Union(_) => {
                kind.inputs().iter().for_each(|i| self.find(*i, behind, found));
            }
            // What waits for its time to come is never late.
            Kind::Window(_) | Kind::Sort(_) | Kind::ProcessingTime(_) | Kind::MatchRecognize(_) => {}
            Kind::Over(over) if over.order == Ordering::EventTime => {}
            Kind::WindowTable(table) if table.is_session() => {}
            Kind::WindowTable(table) if !table.is_count() => self.find(table.input, behind, found),
            Kind::Unnest(unnest) => self.find(unnest.input, behind, found),
            Kind::Rank(rank) if rank.window_end.is_some() => {}
            Kind::Join(join) if join.time.is_some_and(|time| time.by_window) => {}
            _ => kind.inputs().iter().for_each(|i| self.find(*i, Some(id), found)),
        }
    }

    /// Makes the late rows of a port a stream of the table's rows.
    fn tap(&mut self, id: NodeId, port: usize, table: &LateTable) -> Result<()> {
        let before = self.operators.get(id).kind.inputs()[port];
        let carried = self.carry_to(self.rows_of(id, port), table)?;
        let node = self.operators.get_mut(id);
        if let Kind::Window(aggregate) = &mut node.kind {
            aggregate.raw = true;
        }
        node.kind.inputs_mut()[port] = carried.node;
        node.late_columns.resize(node.late_columns.len().max(port + 1), 0);
        node.late_columns[port] = carried.hidden;
        self.operators.drop_unread(before);
        let name = describe(self.operators, self.operators.get(id)).0;
        let uid = format!("{}/late-{port}", self.operators.get(id).uid);
        let mut fields = self.operators.fields(carried.node);
        fields.push(Field::new(WATERMARK, TIMESTAMP_MS, false));
        let rows = LateRows { input: id, port };
        let rows = self
            .operators
            .push(uid.clone(), Kind::LateRows(rows), schema_of(fields)?);
        let columns = table.columns(&carried.names, &name);
        let rows = self.operators.calc(format!("{uid}/calc"), rows, None, columns)?;
        let sink = &table.sink;
        let taps = self.taps.entry(sink.table.name.clone());
        taps.or_insert_with(|| (Arc::clone(sink), Vec::new()))
            .1
            .push(rows);
        Ok(())
    }

    /// The rows of an operator, with what late ones need as far as it is not there.
    fn carry_to(&mut self, id: NodeId, table: &LateTable) -> Result<Carried> {
        let Kind::Calc(calc) = self.operators.get(id).kind.clone() else {
            let names: Vec<String> = table.needs.iter().map(|(name, _)| name.clone()).collect();
            return Ok(Carried {
                node: self.carry(id, table)?,
                hidden: names.len(),
                names,
            });
        };
        let uid = format!("{}/carry", self.operators.get(id).uid);
        let (input, needs) = self.below(calc.input, table)?;
        let own = calc.columns.len();
        let mut columns = calc.columns.clone();
        let mut names = Vec::with_capacity(needs.len());
        for (name, expr) in needs {
            let known = columns[..own].iter().find(|(_, own)| *own == expr);
            names.push(known.map_or_else(|| name.clone(), |(known, _)| known.clone()));
            if known.is_none() {
                columns.push((name, expr));
            }
        }
        let hidden = columns.len() - own;
        let calc = Calc {
            input,
            columns,
            ..calc
        };
        Ok(Carried {
            node: self.push_calc(uid, calc)?,
            names,
            hidden,
        })
    }

    /// The same rows with all that late ones need behind.
    fn carry(&mut self, id: NodeId, table: &LateTable) -> Result<NodeId> {
        if let Some(known) = self.carried.get(&id) {
            return Ok(*known);
        }
        let node = self.operators.get(id).clone();
        let uid = format!("{}/carry", node.uid);
        let carried = match node.kind {
            Kind::Calc(mut calc) => {
                let (input, needs) = self.below(calc.input, table)?;
                calc.input = input;
                calc.columns.extend(needs);
                self.push_calc(uid, calc)?
            }
            Kind::Union(inputs) => {
                let inputs: Vec<NodeId> = inputs
                    .into_iter()
                    .map(|input| self.carry(input, table))
                    .collect::<Result<_>>()?;
                let schema = schema_of(self.operators.union_fields(&inputs))?;
                self.operators.push(uid, Kind::Union(inputs), schema)
            }
            Kind::WindowTable(mut windows) if !windows.is_session() && !windows.is_count() => {
                windows.input = self.carry(windows.input, table)?;
                let schema = with_placeholders(&self.operators.get(windows.input).schema, windows.windows)?;
                let windows = self
                    .operators
                    .push(uid.clone(), Kind::WindowTable(windows), schema);
                self.extend(format!("{uid}/calc"), id, windows, table.needed())?
            }
            Kind::Unnest(unnest) => {
                let unnest = self.carry_past(uid.clone(), id, unnest, table)?;
                self.extend(format!("{uid}/calc"), id, unnest, table.needed())?
            }
            // Its rows are never late.
            _ => {
                let nulls = table.needs.iter().map(|(name, field)| {
                    let null = ScalarValue::try_from(&field.data_type).map_err(plan_defect)?;
                    Ok((name.clone(), Expr::Literal(null, None)))
                });
                let nulls = nulls.collect::<Result<_>>()?;
                self.extend(uid, id, id, nulls)?
            }
        };
        self.carried.insert(id, carried);
        Ok(carried)
    }

    /// An unnest that passes on what late rows need, between its own columns and those of elements.
    fn carry_past(
        &mut self,
        uid: String,
        id: NodeId,
        mut unnest: Unnest,
        table: &LateTable,
    ) -> Result<NodeId> {
        let width = self.operators.fields(unnest.input).len();
        unnest.input = self.carry(unnest.input, table)?;
        let carried = self.operators.fields(unnest.input);
        let (mut fields, own) = (self.operators.fields(id), unnest.passed.len());
        fields.splice(own..own, carried[width..].iter().cloned());
        unnest.passed.extend(width..carried.len());
        Ok(self.operators.push(uid, Kind::Unnest(unnest), schema_of(fields)?))
    }

    /// A calc's input with what late rows need, and how to read that.
    fn below(&mut self, input: NodeId, table: &LateTable) -> Result<(NodeId, Vec<(String, Expr)>)> {
        if let Some(own) = self.tables.get(&input) {
            let needs = own.needs.iter();
            return Ok((
                input,
                needs
                    .map(|(name, need)| (name.clone(), need.expr.clone()))
                    .collect(),
            ));
        }
        Ok((self.carry(input, table)?, table.needed()))
    }

    /// A calc of an operator's columns and more over an input that has them all.
    fn extend(
        &mut self,
        uid: String,
        id: NodeId,
        input: NodeId,
        more: Vec<(String, Expr)>,
    ) -> Result<NodeId> {
        let own = self.operators.fields(id).into_iter().map(|f| f.name().clone());
        let mut columns: Vec<_> = own.map(|name| (name.clone(), column(name))).collect();
        columns.extend(more);
        let calc = Calc {
            input,
            filter: None,
            columns,
        };
        self.push_calc(uid, calc)
    }

    fn push_calc(&mut self, uid: String, calc: Calc) -> Result<NodeId> {
        let schema = calc_schema(&calc.columns, &self.operators.get(calc.input).schema)?;
        Ok(self.operators.push(uid, Kind::Calc(calc), schema))
    }

    /// What to say of tables whose late rows nobody drops.
    fn notes(&self) -> Vec<String> {
        let unused = self
            .tables
            .values()
            .filter(|table| !self.taps.contains_key(&table.sink.table.name));
        unused
            .map(|table| {
                format!(
                    "'late.sink' of {}: no operator here drops late rows of it, so nothing is written to {}",
                    table.source, table.sink.table.name
                )
            })
            .collect()
    }

    /// Adds the sinks of late rows.
    fn sinks(mut self) -> Result<()> {
        for (name, (sink, rows)) in std::mem::take(&mut self.taps) {
            side_table::write(self.operators, format!("late-{name}"), sink, rows)?;
        }
        Ok(())
    }
}
