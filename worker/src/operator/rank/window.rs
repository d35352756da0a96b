//! The operator that emits the first rows of each key in a window once the window is complete; rows are only appended.

use std::{
    collections::{BTreeMap, btree_map::Entry},
    fmt::Debug,
    sync::Arc,
};

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
    snapshot::Said,
    top::Tops,
};
use crate::{
    expression::describe_row,
    operator::{
        Context, Operator,
        keys::{GroupTable, normal_columns},
    },
    state::{Dirty, Scope, Snapshot, Table, numbered::Restored, table::Due},
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
    /// Windows that have fired and of which snapshots know rows.
    fired: Vec<Window<<O::Keys as Keys>::Key>>,
    is_tracking: bool,
    watermark: EventTime,
}

/// The state of one window.
#[derive(Debug)]
struct Window<K> {
    groups: GroupTable,
    tops: Tops<K>,
    rows: RowStore,
    /// Groups changed since the last snapshot.
    dirty: Dirty,
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
            fired: Vec::new(),
            is_tracking: false,
            watermark: EventTime::MIN,
        })
    }

    fn window(&mut self, end: i64) -> Result<&mut Window<<O::Keys as Keys>::Key>, Failure> {
        match self.windows.entry(end) {
            Entry::Occupied(window) => Ok(window.into_mut()),
            Entry::Vacant(place) => {
                let mut dirty = Dirty::default();
                if self.is_tracking {
                    dirty.track();
                }
                Ok(place.insert(Window {
                    groups: self.shape.groups()?,
                    tops: Tops::new(self.shape.limit, self.shape.prefers_later),
                    rows: RowStore::default(),
                    dirty,
                }))
            }
        }
    }

    fn update(&mut self, end: i64, batch: &RecordBatch) -> Result<(), Failure> {
        let key_columns: Vec<ArrayRef> = self
            .shape
            .keys
            .iter()
            .map(|k| ArrayRef::clone(batch.column(*k)))
            .collect();
        let keys = self.order.keys(batch)?;
        let mut fresh = Fresh::new(batch.columns(), batch.num_rows());
        let window = self.window(end)?;
        let groups = window.groups.intern(&key_columns, batch.num_rows())?;
        let content: &mut dyn Content<O::Keys> = &mut window.tops;
        content.update(groups, &keys, None, &mut fresh, &mut window.rows)?;
        if window.dirty.is_tracking() {
            window.dirty.mark(content.changed());
        }
        content.settle(&mut fresh, &mut window.rows)?;
        window.rows.tidy()
    }

    /// Takes rows that a snapshot said of a window.
    fn restore_window(&mut self, end: i64, rows: &RecordBatch) -> Result<(), Failure> {
        let Restored { keys, numbers, rows } = self.shape.kept.restored(rows)?;
        let order = self.order.keys(&rows)?;
        let mut fresh = Fresh::new(rows.columns(), rows.num_rows());
        let window = self.window(end)?;
        let groups = window.groups.intern(&keys, rows.num_rows())?;
        let content: &mut dyn Content<O::Keys> = &mut window.tops;
        content.restore(groups, &order, &numbers, &mut fresh, &mut window.rows)?;
        window.rows.tidy()
    }

    fn fire(&mut self, context: &mut Context) -> Result<(), Failure> {
        while let Some(first) = self.windows.first_entry() {
            if EventTime(first.key().saturating_sub(1)) > self.watermark {
                break;
            }
            let mut window = first.remove();
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
            if self.is_tracking && window.tops.clear() {
                window.rows = RowStore::default();
                self.fired.push(window);
            }
        }
        Ok(())
    }
}

/// The rows of each window, by their ends.
fn by_window(ends: &[i64]) -> BTreeMap<i64, Vec<u32>> {
    let mut windows: BTreeMap<i64, Vec<u32>> = BTreeMap::new();
    for (row, end) in (0..).zip(ends) {
        windows.entry(*end).or_default().push(row);
    }
    windows
}

fn take_rows(batch: &RecordBatch, rows: Vec<u32>) -> Result<RecordBatch, Failure> {
    if rows.len() == batch.num_rows() {
        return Ok(batch.clone());
    }
    take_record_batch(batch, &UInt32Array::from(rows))
        .map_err(|e| Failure::internal(format!("cannot gather the rows of a window: {e}")))
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
        for (end, rows) in by_window(ends) {
            if EventTime(end.saturating_sub(1)) <= self.watermark {
                context.drop_late(rows);
            } else {
                self.update(end, &take_rows(&batch, rows)?)?;
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

    fn tables(&self) -> Vec<Table> {
        let end = Due::at(self.shape.kept.place(self.window_end), -1);
        vec![self.shape.kept.table("rows of windows").due(end)]
    }

    fn is_partitioned(&self) -> bool {
        true
    }

    fn partition(&self, _port: usize, batch: &RecordBatch) -> Vec<ArrayRef> {
        normal_columns(batch, &self.shape.keys)
    }

    fn track_changes(&mut self) {
        self.is_tracking = true;
        self.windows.values_mut().for_each(|window| window.dirty.track());
    }

    fn snapshot(&mut self, scope: Scope, into: &mut Snapshot) -> Result<(), Failure> {
        if scope == Scope::All {
            for window in self.windows.values() {
                let mut said = Said::default();
                Content::<O::Keys>::all(&window.tops, &mut said);
                said.tell(&self.shape, &window.groups, &window.rows, into)?;
            }
            return Ok(());
        }
        for mut window in self.fired.drain(..) {
            let all: Vec<u32> = (0..window.groups.len() as u32).collect();
            window.say_news::<O::Keys>(&all, &self.shape, into)?;
        }
        for window in self.windows.values_mut() {
            let changed = window.dirty.take();
            window.say_news::<O::Keys>(&changed, &self.shape, into)?;
        }
        Ok(())
    }

    fn restore(&mut self, _table: usize, rows: &RecordBatch) -> Result<(), Failure> {
        let key = self.shape.keys.iter().position(|key| *key == self.window_end);
        let ends = key
            .map(|key| rows.column(key).as_primitive::<TimestampMillisecondType>())
            .ok_or_else(|| Failure::internal("a window's end is no key of its rows"))?;
        for (end, of_window) in by_window(ends.values()) {
            self.restore_window(end, &take_rows(rows, of_window)?)?;
        }
        Ok(())
    }

    fn restored(&mut self, watermark: EventTime) -> Result<(), Failure> {
        self.watermark = watermark;
        Ok(())
    }
}

impl<K: Clone + Debug + Send> Window<K> {
    /// Says how these groups have changed.
    fn say_news<C: Keys<Key = K>>(
        &mut self,
        groups: &[u32],
        shape: &Shape,
        into: &mut Snapshot,
    ) -> Result<(), Failure> {
        let mut said = Said::default();
        Content::<C>::news(&mut self.tops, groups, &mut said);
        said.tell(shape, &self.groups, &self.rows, into)
    }
}
