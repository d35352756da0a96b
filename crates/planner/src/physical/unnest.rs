//! Rows multiplied by what is in them: UNNEST.

use std::collections::HashSet;

use arrow_schema::Field;
use datafusion_expr::Expr;
use weir_connector::changelog::{OP_COLUMN, op_field};

use super::{
    Kind, NodeId, Operators, calc_schema,
    expr::{column, unique_name},
    lower::{Lower, Rel, RelColumn, Role},
    narrow::read_by_consumers,
    schema_of,
};
use crate::{error::Result, logical::unnest::UnnestNode};

/// Multiplies rows.
#[derive(Clone, Debug)]
pub(crate) struct Unnest {
    /// Where the rows come from.
    pub input: NodeId,
    /// The column that says how often: an ARRAY, a MAP or a BIGINT.
    pub column: usize,
    /// The columns of the input that are passed on.
    pub passed: Vec<usize>,
    /// The columns of an element that are emitted.
    pub elements: Vec<usize>,
    /// Whether rows without elements stay.
    pub outer: bool,
}

impl Lower<'_> {
    /// The rows of an UNNEST. They are changes if those of its input are.
    pub(crate) fn unnest(&mut self, unnest: &UnnestNode) -> Result<Rel> {
        let mut input = self.plan(&unnest.input)?;
        if input.is_pending() {
            input = self.materialize(input)?;
        }
        let by = self.substitute(&unnest.by, &input, unnest.input.schema())?;
        let mut taken = HashSet::new();
        let mut columns: Vec<(String, Expr)> = Vec::new();
        // The time at which a row passes is no value: whoever needs it takes it later.
        for c in input.columns.iter().filter(|c| c.role != Role::ProcessingTime) {
            let expr = self.canonical(c.expr.clone(), &input)?;
            columns.push((unique_name(c.name.clone(), &mut taken), expr));
        }
        let own = columns.len();
        if let Some(window) = &input.window {
            columns.push((unique_name("$time".into(), &mut taken), window.kept()));
        }
        let passed = columns.len();
        let known = columns[..own].iter().position(|(_, expr)| *expr == by);
        let by = known.unwrap_or_else(|| {
            columns.push((unique_name("$elements".into(), &mut taken), by));
            columns.len() - 1
        });
        let (given, window, updates) = (input.columns.clone(), input.window.clone(), input.updates.clone());
        let node = self.calc(input, columns)?;
        let rows = self.operators.get(node).schema.fields()[..passed].to_vec();
        let mut fields: Vec<Field> = rows.iter().map(|f| f.as_ref().clone()).collect();
        let added: Vec<Field> = unnest.added.iter().map(|(_, f)| f.as_ref().clone()).collect();
        for field in &added {
            let name = unique_name(field.name().clone(), &mut taken);
            fields.push(field.clone().with_name(name));
        }
        fields.extend(updates.is_some().then(op_field));
        let schema = schema_of(fields)?;
        let names: Vec<String> = schema.fields().iter().map(|f| f.name().clone()).collect();
        let kind = Kind::Unnest(Unnest {
            input: node,
            column: by,
            passed: (0..passed).collect(),
            elements: (0..added.len()).collect(),
            outer: unnest.outer,
        });
        let uid = self.uid("unnest");
        let node = self.operators.push(uid, kind, schema);
        let mut own_names = names[..own].iter();
        let passed_on = given.into_iter().map(|c| match c.role {
            Role::ProcessingTime => c,
            _ => RelColumn {
                expr: own_names.next().map_or_else(|| c.expr.clone(), column),
                ..c
            },
        });
        let elements = added.iter().zip(&names[passed..]).map(|(field, name)| RelColumn {
            name: field.name().clone(),
            expr: column(name),
            role: Role::Plain,
        });
        Ok(Rel {
            node,
            filters: Vec::new(),
            columns: passed_on.chain(elements).collect(),
            window: window.map(|window| window.kept_as(&names[own])),
            updates,
        })
    }
}

/// Drops the columns that nobody reads from an unnest and from its input.
pub(super) fn narrow(operators: &mut Operators, id: NodeId, mut unnest: Unnest) -> Result<()> {
    let Some(read) = read_by_consumers(operators, id) else {
        return Ok(());
    };
    let schema = operators.get(id).schema.clone();
    let width = unnest.passed.len();
    let is_read = |at: usize| read.contains(schema.field(at).name());
    let mut emitted: Vec<usize> = (0..width + unnest.elements.len())
        .filter(|at| is_read(*at))
        .collect();
    if emitted.is_empty() {
        // Rows are counted by a column: the last, which is an element's if there is one.
        emitted.push(width + unnest.elements.len() - 1);
    }
    let fields = schema.fields().iter().enumerate();
    let fields = fields.filter(|(at, field)| emitted.contains(at) || field.name() == OP_COLUMN);
    let fields = fields.map(|(_, field)| field.as_ref().clone()).collect();
    unnest.elements = emitted
        .iter()
        .filter(|at| **at >= width)
        .map(|at| unnest.elements[at - width])
        .collect();
    unnest.passed = emitted
        .iter()
        .filter(|at| **at < width)
        .map(|at| unnest.passed[*at])
        .collect();
    narrow_input(operators, &mut unnest)?;
    let node = operators.get_mut(id);
    node.schema = schema_of(fields)?;
    node.kind = Kind::Unnest(unnest);
    Ok(())
}

fn narrow_input(operators: &mut Operators, unnest: &mut Unnest) -> Result<()> {
    let input = operators.get(unnest.input);
    let (Kind::Calc(calc), 1) = (&input.kind, operators.consumers(unnest.input).len()) else {
        return Ok(());
    };
    let mut calc = calc.clone();
    let kept = |at: usize| unnest.passed.contains(&at) || at == unnest.column;
    let kept: Vec<usize> = (0..calc.columns.len()).filter(|at| kept(*at)).collect();
    let mut at = 0..;
    calc.columns
        .retain(|(name, _)| at.next().is_some_and(|at| kept.contains(&at)) || name == OP_COLUMN);
    let moved = |column: &mut usize| *column = kept.iter().position(|k| k == column).unwrap_or_default();
    unnest.passed.iter_mut().for_each(moved);
    moved(&mut unnest.column);
    let schema = calc_schema(&calc.columns, &operators.get(calc.input).schema)?;
    let node = operators.get_mut(unnest.input);
    node.schema = schema;
    node.kind = Kind::Calc(calc);
    Ok(())
}
