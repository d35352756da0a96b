//! Operators that are short of memory, for tests of them.

use arrow_array::RecordBatch;
use tokio::runtime::{Builder, Runtime};
use weir_model::{EventTime, Failure};

use super::{Backend, CheckpointId, Kind, MAX_PARALLELISM, OperatorTables, Persist, World};
use crate::{
    operator::{Context, Operator},
    state::{
        MemoryBudget, Snapshot,
        rehearse::Make,
        spill::{Spilled, SpilledWindows},
    },
};

/// So many calls are between two checkpoints: they are taken now and then behind rows, now and then behind a watermark.
const CALLS: u64 = 3;

/// An operator that lets go of its state after some batches, and takes part in checkpoints.
struct Short {
    operator: Box<dyn Operator>,
    calls: u64,
    backend: Backend,
    _runtime: Runtime,
    _world: World,
}

/// The operator that `make` makes, which lets go of its state after so many batches. Its database is its own.
pub(crate) fn spilled(make: Make, every: u32) -> Box<dyn Operator> {
    let mut operator = make().expect("an operator");
    let world = World {
        memory: MemoryBudget::new(64 << 20).short_every(every).into(),
        ..World::new()
    };
    let mut config = world.config(Kind::Rocksdb, 1, 0, 1);
    config.operators = vec![OperatorTables {
        uid: "a".to_owned(),
        name: "the operator".to_owned(),
        tables: operator.tables(),
    }];
    assert_eq!(config.key_groups, 0..MAX_PARALLELISM);
    let runtime = Builder::new_multi_thread().worker_threads(1).build();
    let runtime = runtime.expect("a runtime");
    let backend = runtime.block_on(Backend::open(config)).expect("opens");
    let spill = backend.spill(0).expect("has tables");
    let spill = spill.expect("a state that is partitioned by key");
    operator.track_changes();
    let operator: Box<dyn Operator> = if operator.is_windowed() {
        Box::new(SpilledWindows::new(make, operator, spill))
    } else {
        assert!(operator.is_partitioned(), "it can let go of its state");
        Box::new(Spilled::new(make, operator, spill))
    };
    Box::new(Short {
        operator,
        calls: 0,
        backend,
        _runtime: runtime,
        _world: world,
    })
}

impl Short {
    fn finish(&mut self, context: &mut Context) -> Result<(), Failure> {
        while self.operator.has_more() {
            self.operator.go_on(context)?;
        }
        self.calls += 1;
        if self.calls.is_multiple_of(CALLS) {
            let mut said = Snapshot::new(self.operator.tables());
            if self.operator.freeze(&mut said)? {
                while self.operator.thaw(usize::MAX, &mut said)? {}
            }
            let changes = vec![said.into_changes()];
            // It is written whether somebody waits for it or not.
            drop(
                self.backend
                    .persist(CheckpointId(self.calls), changes, Persist::Checkpoint),
            );
        }
        Ok(())
    }
}

impl Operator for Short {
    fn on_batch(&mut self, port: usize, batch: RecordBatch, context: &mut Context) -> Result<(), Failure> {
        self.operator.on_batch(port, batch, context)?;
        self.finish(context)
    }

    fn on_watermark(&mut self, watermark: EventTime, context: &mut Context) -> Result<(), Failure> {
        self.operator.on_watermark(watermark, context)?;
        self.finish(context)
    }

    fn timer_ms(&self) -> Option<i64> {
        self.operator.timer_ms()
    }

    fn on_processing_time(&mut self, context: &mut Context) -> Result<(), Failure> {
        self.operator.on_processing_time(context)
    }

    fn on_end(&mut self, context: &mut Context) -> Result<(), Failure> {
        self.operator.on_end(context)?;
        self.finish(context)
    }
}
