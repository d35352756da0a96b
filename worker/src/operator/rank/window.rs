//! The operator that emits the first rows of each key in a window once the window is complete; rows are only appended.

use std::{collections::BTreeMap, sync::Arc};

use arrow_array::{
    Array, ArrayRef, Int64Array, RecordBatch, UInt32Array, cast::AsArray, types::TimestampMillisecondType,
};
use arrow_schema::{DataType, SchemaRef, TimeUnit};
use arrow_select::take::take_record_batch;
use weir_model::{EventTime, Failure};

use super::{
    Shape,
    changelog::{Content, Fresh},
    order::{Keys, Order},
    rows::RowStore,
    top::Tops,
};
use crate::{
    expression::describe_row,
    operator::{Context, Operator, keys::GroupTable},
};

/// Rows of an emitted batch at most.
const EMIT_ROWS: usize = 8192;

/// Emits the first rows of each window.
#[derive(Debug)]
pub(super) struct WindowRank<O: Order> {
    shape: Shape,
    window_end: usize,
    order: O,
    /// By the window's end, ms.
    windows: BTreeMap<i64, Window<<O::Keys as Keys>::Key>>,
    watermark: EventTime,
}

/// The state of one window.
#[derive(Debug)]
struct Window<K> {
    groups: GroupTable,
    tops: Tops<K>,
    rows: RowStore,
}

impl<O: Order> WindowRank<O> {
    pub(super) fn new(shape: Shape, window_end: usize, order: O, input: &SchemaRef) -> Result<Self, Failure> {
        let is_time = |t: &DataType| matches!(t, DataType::Timestamp(TimeUnit::Millisecond, _));
        if window_end >= shape.columns || !is_time(input.field(window_end).data_type()) {
            return Err(Failure::internal("a window's end is not TIMESTAMP(3)"));
        }
        Ok(Self {
            shape,
            window_end,
            order,
            windows: BTreeMap::new(),
            watermark: EventTime::MIN,
        })
    }

    fn update(&mut self, end: i64, batch: &RecordBatch) -> Result<(), Failure> {
        let window = match self.windows.entry(end) {
            std::collections::btree_map::Entry::Occupied(window) => window.into_mut(),
            std::collections::btree_map::Entry::Vacant(place) => place.insert(Window {
                groups: self.shape.groups()?,
                tops: Tops::new(self.shape.limit, self.shape.prefers_later),
                rows: RowStore::default(),
            }),
        };
        let key_columns: Vec<ArrayRef> = self
            .shape
            .keys
            .iter()
            .map(|k| ArrayRef::clone(batch.column(*k)))
            .collect();
        let keys = self.order.keys(batch)?;
        let mut fresh = Fresh::new(batch.columns(), batch.num_rows());
        let groups = window.groups.intern(&key_columns, batch.num_rows())?;
        let content: &mut dyn Content<O::Keys> = &mut window.tops;
        content.update(groups, &keys, None, &mut fresh, &mut window.rows)?;
        content.settle(&mut fresh, &mut window.rows)?;
        window.rows.tidy()
    }

    fn fire(&mut self, context: &mut Context) -> Result<(), Failure> {
        while let Some(first) = self.windows.first_entry() {
            if EventTime(first.key().saturating_sub(1)) > self.watermark {
                break;
            }
            let window = first.remove();
            let (mut slots, mut ranks) = (Vec::new(), Vec::new());
            for list in window.tops.lists() {
                for (place, slot) in list.enumerate().skip(self.shape.offset) {
                    slots.push(slot);
                    ranks.push(place as i64 + 1);
                }
            }
            for (slots, ranks) in slots.chunks(EMIT_ROWS).zip(ranks.chunks(EMIT_ROWS)) {
                let mut columns = window.rows.gather(slots, &[], self.shape.columns)?;
                if self.shape.with_rank {
                    columns.push(Arc::new(Int64Array::from(ranks.to_vec())));
                }
                let batch = RecordBatch::try_new(Arc::clone(&self.shape.output), columns).map_err(|e| {
                    Failure::internal(format!("ranked rows do not have the planned columns: {e}"))
                })?;
                context.emit(batch);
            }
        }
        Ok(())
    }
}

impl<O: Order> Operator for WindowRank<O> {
    fn on_batch(&mut self, _port: usize, batch: RecordBatch, context: &mut Context) -> Result<(), Failure> {
        let ends = batch.column(self.window_end);
        if let Some(row) = ends.nulls().and_then(|n| n.iter().position(|valid| !valid)) {
            return Err(
                Failure::user("the window of a row is null; filter such rows out before")
                    .at(describe_row(&batch, row)),
            );
        }
        let ends = ends.as_primitive::<TimestampMillisecondType>().values();
        let mut by_window: BTreeMap<i64, Vec<u32>> = BTreeMap::new();
        for (row, end) in ends.iter().enumerate() {
            by_window.entry(*end).or_default().push(row as u32);
        }
        for (end, rows) in by_window {
            if EventTime(end.saturating_sub(1)) <= self.watermark {
                context.drop_late(rows);
            } else if rows.len() == batch.num_rows() {
                self.update(end, &batch)?;
            } else {
                let rows = take_record_batch(&batch, &UInt32Array::from(rows))
                    .map_err(|e| Failure::internal(format!("cannot gather the rows of a window: {e}")))?;
                self.update(end, &rows)?;
            }
        }
        Ok(())
    }

    fn on_watermark(&mut self, watermark: EventTime, context: &mut Context) -> Result<(), Failure> {
        self.watermark = self.watermark.max(watermark);
        self.fire(context)
    }

    fn on_end(&mut self, context: &mut Context) -> Result<(), Failure> {
        self.watermark = EventTime::MAX;
        self.fire(context)
    }
}
