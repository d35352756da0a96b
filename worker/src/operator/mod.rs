//! Operators: synchronous callbacks over batches and watermarks.
//!
//! The runtime owns threads, channels, watermark merging, end of input and metrics, once for all operators; an operator
//! sees merged watermarks and rows, and emits rows. Nothing in here waits, does I/O or reads a clock.

use arrow_array::RecordBatch;
use weir_model::{EventTime, Failure};

/// A step of a task.
///
/// Calls come in the channel's order: any number of `on_batch` and `on_watermark`, then `on_watermark(EventTime::MAX)`
/// if the input has event time, then `on_end` once.
pub trait Operator: Send {
    /// Rows arrived on an input port.
    fn on_batch(&mut self, port: usize, batch: RecordBatch, context: &mut Context) -> Result<(), Failure>;

    /// The merged event time of the input has risen to `watermark`: no rows with an earlier or equal time are expected.
    ///
    /// The runtime forwards the watermark after the rows that are emitted in here.
    fn on_watermark(&mut self, watermark: EventTime, context: &mut Context) -> Result<(), Failure> {
        let _ = (watermark, context);
        Ok(())
    }

    /// The input is idle: nothing more to do until the next call. A stateless pre-aggregation hands on what it holds.
    fn on_idle(&mut self, context: &mut Context) -> Result<(), Failure> {
        let _ = context;
        Ok(())
    }

    /// All input has ended.
    fn on_end(&mut self, context: &mut Context) -> Result<(), Failure> {
        let _ = context;
        Ok(())
    }
}

/// What an operator can reach during a call.
#[derive(Debug, Default)]
pub struct Context {
    /// Batches emitted, in order; the runtime takes them after the call.
    pub emitted: Vec<RecordBatch>,
    /// Rows that came too late and were not used, counted since the runtime last took the number.
    pub late_rows: u64,
}

impl Context {
    /// Hands rows to the next operator. Empty batches go nowhere.
    pub fn emit(&mut self, batch: RecordBatch) {
        if batch.num_rows() > 0 {
            self.emitted.push(batch);
        }
    }
}
