//! One operator of a chain, and what is done with a message there.

use std::sync::Arc;

use arrow_array::RecordBatch;
use weir_model::Failure;

use super::{late::LateRows, message::Message, metrics::OperatorCounters, watermark::WatermarkMerger};
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

/// Merges news about time into an operator; returns whether it has ended.
pub(super) fn on_control(
    node: &mut Node,
    input: usize,
    message: &Message,
    context: &mut Context,
    said: &mut Vec<(usize, Message)>,
) -> Result<bool, Failure> {
    let tells_time = node.tells_time();
    let merged = match message {
        Message::Watermark(watermark) => node.merger.advance(input, *watermark),
        Message::Idle => node.merger.idle(input),
        Message::End => node.merger.end(input),
        // Barriers are for the task as a whole.
        Message::Batch(_) | Message::Barrier(_) => return Ok(false),
    };
    if let Some(watermark) = merged.watermark {
        node.counters.set_watermark(watermark);
        let mut reached = watermark;
        if let Some(operator) = &mut node.operator {
            operator.on_watermark(watermark, context)?;
            reached = operator.output_watermark(watermark);
        }
        take_emitted(node, context, said);
        if !tells_time {
            said.push((ROWS, Message::Watermark(reached)));
        }
    }
    if merged.idle {
        if let Some(operator) = &mut node.operator {
            operator.on_idle(context)?;
        }
        take_emitted(node, context, said);
        if !tells_time {
            said.push((ROWS, Message::Idle));
        }
    }
    if merged.end {
        if let Some(operator) = &mut node.operator {
            operator.on_end(context)?;
        }
        take_emitted(node, context, said);
        said.push((ROWS, Message::End));
    }
    Ok(merged.end)
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
