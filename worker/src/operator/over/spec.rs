//! What an operator is to do.

use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::{DataType, SchemaRef};
use weir_connector::changelog::is_changelog;
use weir_model::Failure;
use weir_proto::graph;

use super::{
    call::{Arguments, Call},
    frame::Reach,
};
use crate::operator::window::partial;

/// Keys, calls and what is passed on.
#[derive(Debug)]
pub(super) struct Spec {
    /// The partition's columns.
    pub(super) keys: Vec<usize>,
    /// The functions.
    pub(super) calls: Vec<Call>,
    /// The columns that they read.
    pub(super) arguments: Arguments,
    /// Columns of the input that are passed on, before the results.
    pub(super) passed: Vec<usize>,
    /// How many columns the rows have, without what each one does.
    pub(super) columns: usize,
    pub(super) output: SchemaRef,
}

/// How far back frames with a bound go.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Lookback {
    /// So many rows.
    pub(super) rows: usize,
    /// Rows so much earlier, ms.
    pub(super) range_ms: Option<i64>,
}

impl Lookback {
    /// Whether any earlier row is looked at.
    pub(super) fn is_nothing(self) -> bool {
        self.rows == 0 && self.range_ms.is_none()
    }
}

impl Spec {
    pub(super) fn new(
        graph: &graph::OverAggregate,
        input: &SchemaRef,
        output: SchemaRef,
    ) -> Result<Self, Failure> {
        let columns = input.fields().len() - usize::from(is_changelog(input));
        let numbers = |numbers: &[u32]| -> Vec<usize> { numbers.iter().map(|n| *n as usize).collect() };
        let (keys, passed) = (numbers(&graph.keys), numbers(&graph.passed));
        let order = graph.order_by.iter().map(|by| by.column as usize);
        if let Some(column) = keys
            .iter()
            .chain(&passed)
            .copied()
            .chain(order)
            .find(|c| *c >= columns)
        {
            return Err(Failure::internal(format!(
                "functions OVER column {column}, which does not exist"
            )));
        }
        let mut arguments = Arguments::default();
        let calls = graph
            .calls
            .iter()
            .map(|call| Call::new(call, input, &mut arguments));
        let calls = calls.collect::<Result<Vec<_>, _>>()?;
        let type_of = |column: &usize| input.field(*column).data_type().clone();
        let mut types: Vec<DataType> = passed.iter().map(type_of).collect();
        types.extend(calls.iter().map(|call| call.result.clone()));
        types.extend(is_changelog(&output).then_some(DataType::Int8));
        partial::check(&output, &types)?;
        Ok(Self {
            keys,
            calls,
            arguments,
            passed,
            columns,
            output,
        })
    }

    /// The types of the keys.
    pub(super) fn key_types(&self, input: &SchemaRef) -> Vec<DataType> {
        let key_type = |key: &usize| input.field(*key).data_type().clone();
        self.keys.iter().map(key_type).collect()
    }

    /// Whether keys that are equal are so to the bit.
    pub(super) fn has_plain_keys(&self, input: &SchemaRef) -> bool {
        let mut keys = self.keys.iter();
        !keys.any(|key| input.field(*key).data_type().is_floating())
    }

    /// The key columns of rows.
    pub(super) fn keys_of(&self, batch: &RecordBatch) -> Vec<ArrayRef> {
        let key = |key: &usize| ArrayRef::clone(batch.column(*key));
        self.keys.iter().map(key).collect()
    }

    /// The columns of rows that calls read.
    pub(super) fn arguments_of(&self, batch: &RecordBatch) -> Vec<ArrayRef> {
        let argument = |column: &usize| ArrayRef::clone(batch.column(*column));
        self.arguments.columns.iter().map(argument).collect()
    }

    /// Whether any call looks at which rows order alike.
    pub(super) fn reads_ties(&self) -> bool {
        self.calls.iter().any(|call| call.reads_ties)
    }

    /// Whether any frame begins with the first row of the key.
    pub(super) fn is_unbounded(&self) -> bool {
        self.calls.iter().any(|call| call.frame.reach == Reach::First)
    }

    /// How far back the frames go that have a bound.
    pub(super) fn lookback(&self) -> Lookback {
        let mut lookback = Lookback::default();
        for call in &self.calls {
            match call.frame.reach {
                Reach::First => {}
                Reach::Rows(rows) => lookback.rows = lookback.rows.max(rows),
                Reach::Range(ms) => lookback.range_ms = lookback.range_ms.max(Some(ms)),
            }
        }
        lookback
    }
}
