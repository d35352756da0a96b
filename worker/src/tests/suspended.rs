//! Sources that stop for a savepoint, and what they do when it comes to nothing.

use std::{collections::HashMap, sync::Arc, time::Duration};

use tokio::{
    sync::{
        mpsc::{UnboundedReceiver, unbounded_channel},
        watch,
    },
    time::timeout,
};
use weir_connector::RowOutput;
use weir_env::{Clock, SystemClock};

use super::{
    graphs::{Graph, collected, forward, numbers, sequence},
    jobs,
};
use crate::{
    local::splits,
    runtime::{
        align::Patience,
        commands::{After, Commands, Trigger},
        compute::Compute,
        deployment::{Deployment, Location, Order},
        message::Barrier,
        news::{Happened, Stage, SubtaskEvent},
    },
};

const PATIENCE: Duration = Duration::from_mins(1);

async fn until(news: &mut UnboundedReceiver<SubtaskEvent>, what: &str, is_it: impl Fn(&Happened) -> bool) {
    let come = async {
        while let Some(event) = news.recv().await {
            if let Happened::Stage { stage, .. } = &event.happened {
                assert!(!matches!(stage, Stage::Failed(_)), "{stage:?}");
            }
            if is_it(&event.happened) {
                return;
            }
        }
        panic!("the subtask is gone");
    };
    let waited = timeout(PATIENCE, come).await;
    assert!(waited.is_ok(), "waited in vain until {what}");
}

#[tokio::test]
async fn a_source_that_stopped_for_a_savepoint_reads_on_when_that_is_given_up() {
    let mut graph = Graph::new();
    let source = graph.source(0, 1, sequence(1000));
    let sink = graph.print(0, 1, &numbers());
    graph.edge(source, sink, forward());
    let graph = graph.build();

    let root = tempfile::tempdir().expect("a folder");
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let barrier = Arc::new(Barrier {
        checkpoint: 1,
        savepoint_url: None,
    });
    let (commands, heard) = watch::channel(Commands::default());
    commands.send_modify(|commands| {
        commands.trigger = Some(Trigger {
            barrier,
            after: After::Suspend,
        });
    });
    let output = collected();
    let rows = Arc::clone(&output) as Arc<dyn RowOutput>;
    let job = jobs::job(graph.clone(), root.path(), &clock, Patience::Endless, heard, rows);
    let order = Order {
        job,
        placement: HashMap::from([((0, 0), Location::Here)]),
        splits: splits(&graph, &weir_connector::Secrets::default())
            .await
            .expect("the source has splits"),
        restore: HashMap::new(),
    };
    let compute = Compute::new(1).expect("a thread");
    let (events, mut news) = unbounded_channel();
    let deployment = Deployment::bring_up(order, None, &compute.handle(), &events).expect("comes up");
    deployment.start();
    until(&mut news, "the barrier has passed", |happened| {
        matches!(happened, Happened::Snapshot { checkpoint: 1, .. })
    })
    .await;
    assert_eq!(
        output.numbers(),
        [] as [i64; 0],
        "nothing is read behind the barrier"
    );

    commands.send_modify(|commands| commands.aborted = 1);
    until(&mut news, "all is read", |happened| {
        matches!(
            happened,
            Happened::Stage {
                stage: Stage::Finished,
                ..
            }
        )
    })
    .await;
    assert_eq!(output.numbers(), (0..1000).collect::<Vec<i64>>());
}
