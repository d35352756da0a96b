//! A function with its frame, as the job graph has it.

use std::fmt::Debug;

use arrow_array::ArrayRef;
use arrow_schema::{DataType, SchemaRef};
use weir_model::Failure;
use weir_proto::{
    graph::{
        self, AggregateFunction,
        over_call::{self, Frame as GraphFrame},
        over_function::Kind,
    },
    schema,
};

use super::{
    accumulated::Accumulated,
    count::Count,
    distinct::Distinct,
    frame::{Frame, Reach},
    lag::Lag,
    number::Number,
    pick::{Pick, Picks},
    rows::Rows,
    sum,
};
use crate::operator::aggregate::Shape;

/// A function of the rows in a row's frame. It may carry what the rows of each key have come to.
pub(super) trait Function: Debug + Send {
    /// The results of the wanted rows, in their order.
    fn compute(&mut self, rows: &Rows) -> Result<ArrayRef, Failure>;

    /// Keeps only these keys, which are numbered in this order from now on.
    fn keep(&mut self, groups: &[u32]) -> Result<(), Failure>;

    /// The types of the columns that hold what it carries of a key, if its frame begins with the first row.
    fn state_types(&self) -> Vec<DataType>;

    /// What it carries of some keys, a row each; leaves it as it is.
    fn state_of(&self, groups: &[u32]) -> Result<Vec<ArrayRef>, Failure>;

    /// Takes what it carried of keys, of which it carries nothing yet. So many keys there are in all.
    fn restore(&mut self, groups: &[u32], total: usize, state: &[ArrayRef]) -> Result<(), Failure>;
}

/// What an operator must know of a call; the function itself is made when it is needed.
#[derive(Clone, Debug)]
pub(super) struct Call {
    graph: graph::OverCall,
    /// Its frame; of LAG, the rows that it looks back over.
    pub(super) frame: Frame,
    /// Whether it looks at which rows order alike.
    pub(super) reads_ties: bool,
    /// The type of its results.
    pub(super) result: DataType,
}

/// The columns that calls read, each once.
#[derive(Debug, Default)]
pub(super) struct Arguments {
    /// Columns of the input.
    pub(super) columns: Vec<usize>,
}

impl Arguments {
    fn add(&mut self, column: Option<u32>, input: &SchemaRef) -> Result<(), Failure> {
        let Some(column) = column.map(|column| column as usize) else {
            return Ok(());
        };
        if column >= input.fields().len() {
            return Err(Failure::internal(format!(
                "a function OVER column {column}, which does not exist"
            )));
        }
        if !self.columns.contains(&column) {
            self.columns.push(column);
        }
        Ok(())
    }

    fn place(&self, column: Option<u32>) -> Option<usize> {
        let column = column? as usize;
        self.columns.iter().position(|known| *known == column)
    }
}

impl Call {
    pub(super) fn new(
        graph: &graph::OverCall,
        input: &SchemaRef,
        arguments: &mut Arguments,
    ) -> Result<Self, Failure> {
        let reach = match graph.frame {
            None => Reach::First,
            Some(GraphFrame::RowsPreceding(rows)) => Reach::Rows(usize::try_from(rows).unwrap_or(usize::MAX)),
            Some(GraphFrame::RangePrecedingMs(ms)) => Reach::Range(ms),
        };
        let mut frame = Frame {
            reach,
            with_peers: graph.with_peers,
        };
        let mut reads_ties = graph.with_peers;
        let result = match &graph.function {
            Some(over_call::Function::Aggregate(aggregate)) => {
                arguments.add(aggregate.column, input)?;
                result_type(&aggregate.result)?
            }
            Some(over_call::Function::Own(own)) => {
                arguments.add(own.column, input)?;
                arguments.add(own.default_column, input)?;
                reads_ties |= matches!(own.kind(), Kind::Rank | Kind::DenseRank);
                if own.kind() == Kind::Lag {
                    frame.reach = Reach::Rows(usize::try_from(own.offset).unwrap_or(usize::MAX));
                }
                result_type(&own.result)?
            }
            None => {
                return Err(Failure::internal(
                    "a function OVER that this version does not know",
                ));
            }
        };
        Ok(Self {
            graph: graph.clone(),
            frame,
            reads_ties,
            result,
        })
    }

    /// The function, which carries nothing yet.
    pub(super) fn function(
        &self,
        input: &SchemaRef,
        arguments: &Arguments,
    ) -> Result<Box<dyn Function>, Failure> {
        match &self.graph.function {
            Some(over_call::Function::Aggregate(aggregate)) => self.aggregate(aggregate, input, arguments),
            Some(over_call::Function::Own(own)) => self.own(own, input, arguments),
            None => Err(Failure::internal("a call without a function")),
        }
    }

    fn own(
        &self,
        own: &graph::OverFunction,
        input: &SchemaRef,
        arguments: &Arguments,
    ) -> Result<Box<dyn Function>, Failure> {
        let argument = || {
            arguments
                .place(own.column)
                .ok_or_else(|| Failure::internal(format!("{} without an argument", own.kind().as_str_name())))
        };
        let pick = |picks: Picks, argument: usize| {
            let value = input.field(arguments.columns[argument]).data_type();
            Pick::new(picks, argument, self.frame, value.clone())
        };
        Ok(match own.kind() {
            Kind::RowNumber => Box::new(Count::new(None, self.frame)),
            Kind::Rank => Box::new(Number::new(false)),
            Kind::DenseRank => Box::new(Number::new(true)),
            Kind::FirstValue => Box::new(pick(Picks::First, argument()?)),
            Kind::LastValue => Box::new(pick(Picks::Last, argument()?)),
            Kind::Lag => {
                let offset = usize::try_from(own.offset).unwrap_or(usize::MAX);
                Box::new(Lag::new(argument()?, offset, arguments.place(own.default_column)))
            }
        })
    }

    fn aggregate(
        &self,
        aggregate: &graph::Aggregate,
        input: &SchemaRef,
        arguments: &Arguments,
    ) -> Result<Box<dyn Function>, Failure> {
        let argument = arguments.place(aggregate.column);
        let given = |argument: usize| input.field(arguments.columns[argument]).data_type();
        let plain: Box<dyn Function> = match (aggregate.function(), argument) {
            (AggregateFunction::CountStar, _) => Box::new(Count::new(None, self.frame)),
            // A ROW of arguments.
            _ if aggregate.packed => return self.accumulated(aggregate, input, argument),
            (AggregateFunction::Min, Some(argument)) => {
                let value = given(argument).clone();
                return Ok(Box::new(Pick::new(Picks::Least, argument, self.frame, value)));
            }
            (AggregateFunction::Max, Some(argument)) => {
                let value = given(argument).clone();
                return Ok(Box::new(Pick::new(Picks::Greatest, argument, self.frame, value)));
            }
            _ if aggregate.distinct && self.frame.reach != Reach::First => {
                return self.accumulated(aggregate, input, argument);
            }
            (AggregateFunction::Count, Some(argument)) => Box::new(Count::new(Some(argument), self.frame)),
            (AggregateFunction::Sum, Some(argument)) => sum::sum(argument, self.frame, &self.result)?,
            (AggregateFunction::Avg, Some(argument)) => {
                sum::average(argument, self.frame, given(argument), &self.result)?
            }
            _ => return self.accumulated(aggregate, input, argument),
        };
        match argument {
            Some(argument) if aggregate.distinct => {
                Ok(Box::new(Distinct::new(plain, argument, given(argument).clone())?))
            }
            _ => Ok(plain),
        }
    }

    fn accumulated(
        &self,
        aggregate: &graph::Aggregate,
        input: &SchemaRef,
        argument: Option<usize>,
    ) -> Result<Box<dyn Function>, Failure> {
        let shape = Shape::of_raw(aggregate, input)?;
        Ok(Box::new(Accumulated::new(shape, argument, self.frame)?))
    }
}

/// The functions of calls, in their order, which carry nothing yet.
pub(super) fn functions(
    calls: &[Call],
    input: &SchemaRef,
    arguments: &Arguments,
) -> Result<Vec<Box<dyn Function>>, Failure> {
    calls.iter().map(|call| call.function(input, arguments)).collect()
}

/// What is carried of these keys, in this order; nothing yet of those that have not been seen.
pub(super) fn of<T: Copy>(carried: &[T], groups: &[u32], nothing: T) -> Vec<T> {
    let of = |group: &u32| carried.get(*group as usize).copied().unwrap_or(nothing);
    groups.iter().map(of).collect()
}

/// Takes what was carried of these keys, of so many in all.
pub(super) fn restore<T: Copy>(carried: &mut Vec<T>, groups: &[u32], total: usize, values: &[T], nothing: T) {
    carried.resize(total, nothing);
    for (group, value) in groups.iter().zip(values) {
        carried[*group as usize] = *value;
    }
}

fn result_type(result: &[u8]) -> Result<DataType, Failure> {
    let result = schema::decode(result)
        .map_err(|e| Failure::internal(format!("the result of a function OVER cannot be read: {e}")))?;
    match result.fields().as_ref() {
        [field] => Ok(field.data_type().clone()),
        fields => Err(Failure::internal(format!(
            "a function OVER with {} results",
            fields.len()
        ))),
    }
}
