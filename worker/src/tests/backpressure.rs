//! Checkpoints of a job whose sink is slower than its source.

use std::{
    collections::HashMap,
    sync::{Arc, Condvar, Mutex},
    time::Duration,
};

use tokio::{
    sync::{mpsc::unbounded_channel, watch},
    task::block_in_place,
    time::timeout,
};
use weir_connector::RowOutput;
use weir_env::{Clock, SystemClock};

use super::{graphs::shuffled, jobs};
use crate::{
    local::splits,
    runtime::{
        align::Patience,
        commands::{After, Commands, Trigger},
        compute::Compute,
        deployment::{Deployment, Location, Order},
        message::Barrier,
        news::Happened,
    },
};

const WAIT: Duration = Duration::from_mins(1);
const SINKS: u32 = 2;
/// As many as wait in the channels to the sinks when the source can't go on, or a few less: 128 in a batch, 64 KiB in a channel.
const QUEUED: u64 = 14_000;

/// Lets each subtask print as many batches as the test says.
#[derive(Debug, Default)]
struct Gate {
    allowed: Mutex<[u32; SINKS as usize]>,
    changed: Condvar,
}

impl Gate {
    fn allow(&self, batches: u32) {
        let mut allowed = self.allowed.lock().expect("no writer panicked");
        allowed.iter_mut().for_each(|of| *of = of.saturating_add(batches));
        self.changed.notify_all();
    }
}

impl RowOutput for Gate {
    fn print(&self, _table: &str, subtask: u32, _lines: &[u8], _rows: usize) {
        let is_shut = |allowed: &mut [u32; SINKS as usize]| allowed[subtask as usize] == 0;
        // Other tasks of the thread go on.
        block_in_place(|| {
            let allowed = self.allowed.lock().expect("no writer panicked");
            let mut allowed = self
                .changed
                .wait_while(allowed, is_shut)
                .expect("no writer panicked");
            allowed[subtask as usize] -= 1;
        });
    }
}

/// Begins a checkpoint when the channels to the sinks are full, and lets these go on batch by batch until it is taken. Returns how many
/// batches each had to print, and the bytes in flight.
async fn checkpoint_behind_a_slow_sink(patience: Patience) -> (u32, u64) {
    let mut graph = shuffled(10_000_000, 1, SINKS);
    graph.settings().batch_rows = 256;
    let graph = graph.build();
    let root = tempfile::tempdir().expect("a folder");
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let (commands, heard) = watch::channel(Commands::default());
    let gate = Arc::new(Gate::default());
    let splits = splits(&graph, &weir_connector::Secrets::default())
        .await
        .expect("the source has splits");
    let output = Arc::clone(&gate) as Arc<dyn RowOutput>;
    let order = Order {
        job: jobs::job(graph, root.path(), &clock, patience, heard, output),
        placement: [(0, 0), (1, 0), (1, 1)]
            .map(|place| (place, Location::Here))
            .into(),
        splits,
        restore: HashMap::new(),
    };
    let compute = Compute::new(2).expect("threads");
    let (events, mut news) = unbounded_channel();
    let deployment = Deployment::bring_up(order, None, &compute.handle(), &events).expect("comes up");
    deployment.start();
    let read = || deployment.counters[0].operators[0].read().rows_out;
    let full = timeout(WAIT, async {
        while read() < QUEUED {
            clock.sleep(Duration::from_millis(1)).await;
        }
    });
    assert!(full.await.is_ok(), "only {} rows wait", read());

    let barrier = Arc::new(Barrier {
        checkpoint: 1,
        savepoint_url: None,
    });
    let after = After::GoOn;
    commands.send_modify(|commands| commands.trigger = Some(Trigger { barrier, after }));
    let (mut batches, mut bytes, mut waiting) = (0, 0, SINKS + 1);
    let taken = timeout(WAIT, async {
        while waiting > 0 {
            gate.allow(1);
            batches += 1;
            clock.sleep(Duration::from_millis(20)).await;
            while let Ok(event) = news.try_recv() {
                if let Happened::Snapshot { taken, .. } = event.happened {
                    bytes += taken.expect("is taken").bytes_in_flight;
                    waiting -= 1;
                }
            }
        }
    });
    assert!(
        taken.await.is_ok(),
        "the checkpoint is not taken after {batches} batches"
    );
    deployment.cancel();
    gate.allow(u32::MAX);
    (batches, bytes)
}

#[tokio::test]
async fn an_unaligned_checkpoint_does_not_wait_for_the_rows_that_a_slow_sink_has_yet_to_take() {
    let (aligned, bytes) = checkpoint_behind_a_slow_sink(Patience::Endless).await;
    assert_eq!(bytes, 0);
    let (unaligned, bytes) = checkpoint_behind_a_slow_sink(Patience::Until(Duration::ZERO)).await;
    assert!(
        unaligned < aligned / 2,
        "{unaligned} batches had to be printed, and {aligned} when barriers wait behind them"
    );
    assert!(bytes > 8 * QUEUED / 2, "only {bytes} bytes were overtaken");
}
