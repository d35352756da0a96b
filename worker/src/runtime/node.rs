//! One operator of a chain, and what is done with a message there.

use std::sync::Arc;

use arrow_array::RecordBatch;
use weir_model::Failure;

use super::{
    late::LateRows,
    message::Message,
    metrics::OperatorCounters,
    watermark::{Merged, WatermarkMerger},
};
use crate::operator::{Context, Operator};

/// Where a message goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// To an operator of the chain: on a port, as one of the inputs that its event time is merged from.
    Node {
        /// Position in the chain.
        node: usize,
        /// Input port of the operator.
        port: usize,
        /// Which of the operator's inputs.
        input: usize,
    },
    /// Out of the chain.
    Leaf(usize),
    /// Out of the chain to a table outside, from the lookup join at this position, to which it [comes back](super::chain::Chain::answer).
    Table(usize),
}

/// The output of an operator with the rows that it emits. Behind it are those of each port's late rows.
pub const ROWS: usize = 0;

/// Who takes what an operator puts out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outlet {
    /// The output whose rows it takes; what is said of time is for all.
    pub output: usize,
    /// Where they go.
    pub target: Target,
}

/// One operator of a chain.
pub struct Node {
    /// The steps; none for sources, lookup joins and sinks, whose rows pass as they are.
    pub operator: Option<Box<dyn Operator>>,
    /// Whether what passes goes to a table outside first, and to the targets when it has come back.
    pub is_lookup: bool,
    /// Whether rows that pass were counted as read before.
    pub is_source: bool,
    /// Event time of its inputs.
    pub merger: WatermarkMerger,
    /// Who takes what it emits.
    pub outlets: Vec<Outlet>,
    /// By input port, where its late rows go; shorter if those of the last ports go nowhere.
    pub late: Vec<Option<LateRows>>,
    /// Its counters.
    pub counters: Arc<OperatorCounters>,
}

impl Node {
    /// Whether its operator asks for the time.
    pub(super) fn is_timed(&self) -> bool {
        self.operator.as_ref().is_some_and(|operator| operator.is_timed())
    }

    /// Whether its operator's own watermarks take the place of its input's.
    pub(super) fn tells_time(&self) -> bool {
        self.operator
            .as_ref()
            .is_some_and(|operator| operator.tells_time())
    }
}

/// Runs an operator on rows. Late ones that go elsewhere are said first.
pub(super) fn on_batch(
    node: &mut Node,
    port: usize,
    batch: RecordBatch,
    context: &mut Context,
    said: &mut Vec<(usize, Message)>,
) -> Result<(), Failure> {
    let Some(operator) = &mut node.operator else {
        if node.is_lookup {
            said.push((ROWS, Message::Batch(batch)));
        } else {
            context.emit(batch);
        }
        return Ok(());
    };
    let Some(Some(late)) = node.late.get(port) else {
        return operator.on_batch(port, batch, context);
    };
    operator.on_batch(port, late.visible(&batch)?, context)?;
    if !context.late.is_empty() {
        let rows = late.take(&batch, std::mem::take(&mut context.late), node.merger.watermark())?;
        said.push((ROWS + 1 + port, Message::Batch(rows)));
    }
    Ok(())
}

/// What an operator is told of time, as far as that is not done.
#[derive(Clone, Copy, Debug)]
pub struct Telling {
    /// What is left.
    rest: Merged,
    /// It has been told the first of that, and has more to emit.
    is_told: bool,
}

/// Merges news about time into an operator's.
pub(super) fn merge(node: &mut Node, input: usize, message: &Message) -> Telling {
    let rest = match message {
        Message::Watermark(watermark) => node.merger.advance(input, *watermark),
        Message::Idle => node.merger.idle(input),
        Message::End => node.merger.end(input),
        // Barriers are for the task as a whole.
        Message::Batch(_) | Message::Barrier(_) => Merged::default(),
    };
    Telling { rest, is_told: false }
}

/// Tells an operator of time; what is left is for when the rows that it has emitted have left.
pub(super) fn tell(
    node: &mut Node,
    mut telling: Telling,
    context: &mut Context,
    said: &mut Vec<(usize, Message)>,
) -> Result<Option<Telling>, Failure> {
    let tells_time = node.tells_time();
    if let Some(watermark) = telling.rest.watermark {
        node.counters.set_watermark(watermark);
        let on =
            |operator: &mut dyn Operator, context: &mut Context| operator.on_watermark(watermark, context);
        if call(node, &mut telling, context, said, on)? {
            return Ok(Some(telling));
        }
        let operator = node.operator.as_ref();
        let reached = operator.map_or(watermark, |operator| operator.output_watermark(watermark));
        if !tells_time {
            said.push((ROWS, Message::Watermark(reached)));
        }
        telling.rest.watermark = None;
    }
    if telling.rest.idle {
        if call(node, &mut telling, context, said, |operator, context| {
            operator.on_idle(context)
        })? {
            return Ok(Some(telling));
        }
        if !tells_time {
            said.push((ROWS, Message::Idle));
        }
        telling.rest.idle = false;
    }
    if telling.rest.end {
        if call(node, &mut telling, context, said, |operator, context| {
            operator.on_end(context)
        })? {
            return Ok(Some(telling));
        }
        said.push((ROWS, Message::End));
    }
    Ok(None)
}

/// Calls an operator, or lets it go on; returns whether it has more to emit.
fn call(
    node: &mut Node,
    telling: &mut Telling,
    context: &mut Context,
    said: &mut Vec<(usize, Message)>,
    on: impl FnOnce(&mut dyn Operator, &mut Context) -> Result<(), Failure>,
) -> Result<bool, Failure> {
    let Some(operator) = &mut node.operator else {
        return Ok(false);
    };
    if telling.is_told {
        operator.go_on(context)?;
    } else {
        on(operator.as_mut(), context)?;
    }
    telling.is_told = operator.has_more();
    take_emitted(node, context, said);
    Ok(telling.is_told)
}

/// Takes what an operator has emitted, and counts it.
pub(super) fn take_emitted(node: &Node, context: &mut Context, said: &mut Vec<(usize, Message)>) {
    node.counters.add_late(std::mem::take(&mut context.late_rows));
    context.late.clear();
    for batch in context.emitted.drain(..) {
        node.counters.add_out(batch.num_rows());
        said.push((ROWS, Message::Batch(batch)));
    }
    if let Some(watermark) = context.watermark.take() {
        node.counters.set_watermark(watermark);
        said.push((ROWS, Message::Watermark(watermark)));
    }
}
