//! Two workers in one process, connected over loopback, with a stand-in for the control plane that a test steers.

use std::{
    collections::{BTreeMap, HashMap},
    net::SocketAddr,
    sync::Arc,
    time::Duration,
};

use parking_lot::Mutex;
use tokio::{
    net::TcpListener,
    sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
    time::timeout,
};
use tokio_stream::wrappers::UnboundedReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::{
    Request, Response, Status, Streaming,
    transport::{Server, server::TcpIncoming},
};
use weir_connector::connector;
use weir_env::{SystemClock, ids};
use weir_proto::{
    control::{
        Assignment, Cancel, Deploy, FromWorker, GroupProgress, GroupsProgress, Hello, SourceSplits, Split,
        Start, TaskReport, TaskState, ToWorker, Welcome,
        control_plane_server::{ControlPlane, ControlPlaneServer},
        from_worker::Message as Up,
        to_worker::Message as Down,
    },
    graph::{JobGraph, operator::Spec},
};

use super::graphs::{Graph, forward, number, numbers, sequence, sequence_at, shuffled};
use crate::{
    Config, Handle,
    runtime::{compute::Compute, subtask::table},
    start,
};

const PATIENCE: Duration = Duration::from_mins(1);

type Commands = UnboundedSender<Result<ToWorker, Status>>;

/// Hands sessions and what workers say to the test.
struct StandIn {
    sessions: Sessions,
    said: UnboundedSender<(String, Up)>,
}

type Sessions = Arc<Mutex<HashMap<String, Commands>>>;

#[tonic::async_trait]
impl ControlPlane for StandIn {
    type SessionStream = UnboundedReceiverStream<Result<ToWorker, Status>>;

    async fn session(
        &self,
        request: Request<Streaming<FromWorker>>,
    ) -> Result<Response<Self::SessionStream>, Status> {
        let mut messages = request.into_inner();
        let (commands, outgoing) = unbounded_channel();
        let (sessions, said) = (Arc::clone(&self.sessions), self.said.clone());
        tokio::spawn(async move {
            let mut worker = String::new();
            while let Ok(Some(FromWorker {
                message: Some(message),
            })) = messages.message().await
            {
                if let Up::Hello(hello) = &message {
                    worker.clone_from(&hello.worker_id);
                    let welcome = Down::Welcome(Welcome {
                        heartbeat_interval_ms: 100,
                    });
                    let _ = commands.send(Ok(ToWorker {
                        message: Some(welcome),
                    }));
                    sessions.lock().insert(worker.clone(), commands.clone());
                }
                let _ = said.send((worker.clone(), message));
            }
        });
        Ok(Response::new(UnboundedReceiverStream::new(outgoing)))
    }
}

/// Two workers and the stand-in that they are connected to.
struct Cluster {
    address: SocketAddr,
    sessions: Sessions,
    said: UnboundedReceiver<(String, Up)>,
    hear: UnboundedSender<(String, Up)>,
    /// The stand-in has a runtime of its own, so that its end breaks its connections as a process's would.
    server: Option<Compute>,
    workers: Vec<Handle>,
    shutdown: CancellationToken,
    /// The latest state of each subtask.
    states: BTreeMap<(u32, u32), TaskReport>,
    /// Rows printed, with the subtask.
    printed: Vec<(u32, String)>,
    heartbeats: usize,
    rows_out: HashMap<u32, u64>,
    hellos: Vec<Hello>,
    /// How far each worker said its aligned sources have come, one after the other.
    least_ms: HashMap<String, Vec<Option<i64>>>,
}

impl Cluster {
    async fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("bound");
        let sessions = Sessions::default();
        let (hear, said) = unbounded_channel();
        let server = serve(listener, Arc::clone(&sessions), hear.clone());
        let shutdown = CancellationToken::new();
        let mut workers = Vec::new();
        for _ in 0..2 {
            let config = Config {
                control_plane: format!("http://{address}"),
                threads: 1,
                ..Config::default()
            };
            let started = start(
                config,
                Arc::new(SystemClock::new()),
                ids::system(),
                shutdown.clone(),
            );
            workers.push(started.await.expect("the worker starts"));
        }
        let mut cluster = Self {
            address,
            sessions,
            said,
            hear,
            server: Some(server),
            workers,
            shutdown,
            states: BTreeMap::new(),
            printed: Vec::new(),
            heartbeats: 0,
            rows_out: HashMap::new(),
            hellos: Vec::new(),
            least_ms: HashMap::new(),
        };
        cluster
            .until("both workers say hello", |c| c.hellos.len() == 2)
            .await;
        cluster
    }

    /// Takes in what workers say until the condition holds.
    async fn until(&mut self, what: &str, condition: impl Fn(&Self) -> bool) {
        let waited = timeout(PATIENCE, async {
            while !condition(self) {
                let (worker, message) = self.said.recv().await.expect("the cluster keeps a sender");
                self.take(worker, message);
            }
        });
        let waited = waited.await;
        assert!(waited.is_ok(), "waited in vain until {what}: {:?}", self.states);
    }

    fn take(&mut self, worker: String, message: Up) {
        match message {
            Up::Hello(hello) => self.hellos.push(hello),
            Up::Heartbeat(heartbeat) => {
                assert!(heartbeat.memory_bytes > 0, "a process has memory");
                self.heartbeats += 1;
            }
            Up::Task(report) => {
                self.states.insert((report.task, report.subtask), report);
            }
            Up::Metrics(metrics) => {
                for operator in metrics.subtasks.into_iter().flat_map(|s| s.operators) {
                    self.rows_out.insert(operator.operator, operator.rows_out);
                }
            }
            Up::Checkpoint(_) | Up::Commit(_) | Up::Restore(_) => {}
            Up::Alignment(progress) => {
                let told = progress.groups.iter().map(|group| group.least_ms);
                self.least_ms.entry(worker).or_default().extend(told);
            }
            Up::Printed(printed) => {
                self.printed
                    .extend(printed.rows.into_iter().map(|row| (printed.subtask, row)));
            }
        }
    }

    fn all_are(&self, state: TaskState, subtasks: usize) -> bool {
        self.states.len() == subtasks && self.states.values().all(|r| r.state() == state)
    }

    fn command(&self, worker: usize, command: Down) {
        let sessions = self.sessions.lock();
        let session = sessions
            .get(&self.workers[worker].id.to_string())
            .expect("the worker is connected");
        session
            .send(Ok(ToWorker {
                message: Some(command),
            }))
            .expect("the session is open");
    }

    /// Deploys to both workers: subtask i of each task to worker i mod 2.
    async fn deploy(&self, graph: &JobGraph, generation: u64) {
        let splits = splits(graph).await;
        for worker in 0..2 {
            let mine = splits
                .iter()
                .filter(|s| s.subtask as usize % 2 == worker)
                .cloned()
                .collect();
            let deploy = Deploy {
                job_id: "job".to_owned(),
                job_name: "test".to_owned(),
                generation,
                attempt: 1,
                graph: Some(graph.clone()),
                assignments: self.assignments(graph),
                splits: mine,
                ..Deploy::default()
            };
            self.command(worker, Down::Deploy(deploy));
        }
    }

    fn assignments(&self, graph: &JobGraph) -> Vec<Assignment> {
        let tasks: BTreeMap<u32, u32> = graph.operators.iter().map(|o| (o.task, o.parallelism)).collect();
        let subtasks = tasks
            .into_iter()
            .flat_map(|(task, parallelism)| (0..parallelism).map(move |s| (task, s)));
        let assign = |(task, subtask): (u32, u32)| {
            let worker = &self.workers[subtask as usize % 2];
            Assignment {
                task,
                subtask,
                worker_id: worker.id.to_string(),
                exchange_address: worker.exchange_address.clone(),
            }
        };
        subtasks.map(assign).collect()
    }

    fn start(&self, generation: u64) {
        for worker in 0..2 {
            self.command(
                worker,
                Down::Start(Start {
                    job_id: "job".to_owned(),
                    generation,
                }),
            );
        }
    }

    fn cancel(&self, generation: u64) {
        for worker in 0..2 {
            self.command(
                worker,
                Down::Cancel(Cancel {
                    job_id: "job".to_owned(),
                    generation,
                    job_has_ended: false,
                }),
            );
        }
    }

    /// The control plane goes and comes back at the same address.
    async fn restart_control_plane(&mut self) {
        self.server = None;
        self.sessions.lock().clear();
        let listener = loop {
            match TcpListener::bind(self.address).await {
                Ok(listener) => break listener,
                Err(_) => tokio::task::yield_now().await,
            }
        };
        self.hellos.clear();
        self.server = Some(serve(listener, Arc::clone(&self.sessions), self.hear.clone()));
        self.until("both workers are back", |c| c.hellos.len() == 2).await;
    }

    async fn shut_down(self) {
        self.shutdown.cancel();
        for worker in self.workers {
            timeout(PATIENCE, worker.join())
                .await
                .expect("the worker shuts down");
        }
    }
}

fn serve(listener: TcpListener, sessions: Sessions, said: UnboundedSender<(String, Up)>) -> Compute {
    let server = Compute::new(1).expect("a thread starts");
    let listener = listener.into_std().expect("the listener leaves this runtime");
    server.handle().spawn(async move {
        let listener = TcpListener::from_std(listener).expect("the listener enters this runtime");
        Server::builder()
            .add_service(ControlPlaneServer::new(StandIn { sessions, said }))
            .serve_with_incoming(TcpIncoming::from(listener))
            .await
            .expect("the stand-in serves");
    });
    server
}

/// Splits as the control plane hands them out.
async fn splits(graph: &JobGraph) -> Vec<SourceSplits> {
    let mut all = Vec::new();
    for operator in &graph.operators {
        let Some(Spec::Source(source)) = &operator.spec else {
            continue;
        };
        let table = table(source.table.as_ref(), &weir_connector::Secrets::default())
            .expect("the source has a table");
        let factory = connector(&table.connector)
            .and_then(|c| c.source(&table))
            .expect("the table is valid");
        let splits = factory
            .splits(operator.parallelism)
            .await
            .expect("there are splits");
        for subtask in 0..operator.parallelism {
            let of_subtask = splits
                .iter()
                .skip(subtask as usize)
                .step_by(operator.parallelism as usize);
            let splits = of_subtask
                .map(|s| Split {
                    id: s.id.clone(),
                    state: s.state.clone(),
                })
                .collect();
            all.push(SourceSplits {
                operator: operator.id,
                subtask,
                splits,
            });
        }
    }
    all
}

/// Deploys, waits until everything is up, starts.
async fn run(cluster: &mut Cluster, graph: &JobGraph, generation: u64, subtasks: usize) {
    cluster.states.clear();
    cluster.deploy(graph, generation).await;
    cluster
        .until("all subtasks are deployed", |c| {
            c.all_are(TaskState::Deployed, subtasks)
        })
        .await;
    cluster.start(generation);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_over_two_workers_gives_the_rows_of_one() {
    let mut cluster = Cluster::new().await;
    // At most 1000 rows of a sink subtask are shown per interval.
    let graph = shuffled(1500, 2, 3).build();
    run(&mut cluster, &graph, 1, 5).await;
    cluster
        .until("the job finishes", |c| c.all_are(TaskState::Finished, 5))
        .await;
    let mut rows: Vec<i64> = cluster
        .printed
        .iter()
        .map(|(_, line)| number(line, "n"))
        .collect();
    rows.sort_unstable();
    assert_eq!(rows, (0..1500).collect::<Vec<_>>());
    cluster.until("there are heartbeats", |c| c.heartbeats >= 4).await;
    cluster.shut_down().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn watermarks_cross_workers_and_windows_fire_complete() {
    let mut cluster = Cluster::new().await;
    let mut graph = Graph::new();
    let source = graph.timed_source(0, 3, sequence(20_000));
    let [local, global] = graph.count_per_second([0, 1], [3, 2]);
    let schema = graph.output(global);
    let sink = graph.print(1, 2, &schema);
    graph.edge(source, local, forward());
    graph.edge(global, sink, forward());
    run(&mut cluster, &graph.build(), 1, 5).await;
    cluster
        .until("the job finishes", |c| c.all_are(TaskState::Finished, 5))
        .await;
    let counts: Vec<i64> = cluster
        .printed
        .iter()
        .map(|(_, line)| number(line, "rows"))
        .collect();
    assert_eq!(counts, [1000; 20]);
    cluster.shut_down().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tasks_go_on_while_the_control_plane_restarts_and_are_listed_to_the_new_one() {
    let mut cluster = Cluster::new().await;
    let graph = shuffled(1_000_000_000_000, 2, 2).build();
    run(&mut cluster, &graph, 7, 4).await;
    cluster
        .until("rows flow", |c| c.rows_out.get(&2).is_some_and(|&rows| rows > 0))
        .await;
    let before = cluster.rows_out[&2];
    cluster.restart_control_plane().await;
    for hello in &cluster.hellos {
        assert_eq!(hello.deployments.len(), 1);
        assert_eq!(hello.deployments[0].generation, 7);
        assert!(
            hello.deployments[0]
                .tasks
                .iter()
                .all(|t| t.state() == TaskState::Running),
            "{hello:?}"
        );
    }
    cluster.until("rows went on", |c| c.rows_out[&2] > before).await;
    cluster.cancel(7);
    cluster
        .until("all are cancelled", |c| c.all_are(TaskState::Cancelled, 4))
        .await;
    cluster.restart_control_plane().await;
    assert!(
        cluster.hellos.iter().all(|h| h.deployments.is_empty()),
        "a cancelled deployment is forgotten"
    );
    cluster.shut_down().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_end_during_a_lost_connection_is_told_by_the_next_hello() {
    let mut cluster = Cluster::new().await;
    let graph = shuffled(3000, 2, 2).build();
    run(&mut cluster, &graph, 1, 4).await;
    let started = |c: &Cluster| c.states.values().all(|r| r.state() != TaskState::Deployed);
    cluster.until("all have started", started).await;
    cluster.restart_control_plane().await;
    // Whether it ended before or after the loss: the next hello says so.
    for _ in 0..100 {
        let tasks: Vec<_> = cluster
            .hellos
            .iter()
            .flat_map(|h| &h.deployments)
            .flat_map(|d| &d.tasks)
            .map(TaskReport::state)
            .collect();
        if tasks.len() == 4 && tasks.iter().all(|s| *s == TaskState::Finished) {
            return cluster.shut_down().await;
        }
        cluster.restart_control_plane().await;
    }
    panic!("the end was never told: {:?}", cluster.hellos);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stale_deployment_is_refused_and_the_newer_one_is_left_alone() {
    let mut cluster = Cluster::new().await;
    let graph = shuffled(1_000_000_000_000, 2, 2).build();
    run(&mut cluster, &graph, 5, 4).await;
    cluster
        .until("all run", |c| c.all_are(TaskState::Running, 4))
        .await;
    cluster.states.clear();
    cluster.deploy(&graph, 4).await;
    cluster
        .until("the stale one is refused", |c| c.all_are(TaskState::Failed, 4))
        .await;
    assert!(
        cluster.states.values().all(|r| r.generation == 4),
        "{:?}",
        cluster.states
    );
    cluster.states.clear();
    // Sent once more, the newest one answers with its states.
    cluster.deploy(&graph, 5).await;
    cluster
        .until("the newest still runs", |c| c.all_are(TaskState::Running, 4))
        .await;
    cluster.shut_down().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_loss_of_a_worker_fails_the_tasks_that_talk_to_it() {
    let mut cluster = Cluster::new().await;
    // The second worker is one that is not there.
    let mut graph = Graph::new();
    let source = graph.source(0, 1, sequence(1_000_000_000_000));
    let sink = graph.print(1, 2, &numbers());
    graph.edge(source, sink, super::graphs::hash(&[0]));
    let graph = graph.build();
    let closed = TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a free port")
        .local_addr()
        .expect("bound");
    let mut assignments = cluster.assignments(&graph);
    for assignment in assignments.iter_mut().filter(|a| a.subtask == 1) {
        assignment.worker_id = "another".to_owned();
        assignment.exchange_address = closed.to_string();
    }
    let splits = splits(&graph).await;
    let deploy = Deploy {
        job_id: "job".to_owned(),
        generation: 1,
        attempt: 1,
        graph: Some(graph),
        assignments,
        splits,
        ..Deploy::default()
    };
    cluster.command(0, Down::Deploy(deploy));
    cluster
        .until("both are deployed", |c| c.all_are(TaskState::Deployed, 2))
        .await;
    cluster.command(
        0,
        Down::Start(Start {
            job_id: "job".to_owned(),
            generation: 1,
        }),
    );
    let lost = |c: &Cluster| {
        c.states
            .get(&(0, 0))
            .is_some_and(|r| r.state() == TaskState::Failed)
    };
    cluster.until("the source fails", lost).await;
    let failure = cluster.states[&(0, 0)]
        .failure
        .clone()
        .expect("a failed task says why");
    assert!(failure.message.contains(&closed.to_string()), "{failure:?}");
    cluster.cancel(1);
    cluster
        .until("the sink is cancelled", |c| {
            c.states[&(1, 0)].state() == TaskState::Cancelled
        })
        .await;
    cluster.shut_down().await;
}

/// What the control plane says of the sources of other workers.
fn elsewhere(least_ms: Option<i64>) -> Down {
    Down::Alignment(GroupsProgress {
        job_id: "job".to_owned(),
        generation: 1,
        groups: vec![GroupProgress {
            group: "g".to_owned(),
            least_ms,
        }],
    })
}

#[tokio::test]
async fn sources_wait_for_those_of_other_workers_until_these_hold_nobody_back() {
    let mut cluster = Cluster::new().await;
    let mut graph = Graph::new();
    graph.settings().batch_rows = 10;
    let source = graph.timed_source(0, 2, sequence_at(60_000, 40_000));
    graph.align(source, "g", 50);
    let schema = graph.output(source);
    let sink = graph.print(0, 2, &schema);
    graph.edge(source, sink, forward());
    cluster.deploy(&graph.build(), 1).await;
    cluster
        .until("both are up", |c| c.all_are(TaskState::Deployed, 2))
        .await;
    for worker in 0..2 {
        cluster.command(worker, elsewhere(Some(10_000)));
    }
    cluster.start(1);
    let stands = |said: &Vec<Option<i64>>| match said.as_slice() {
        [.., a, b, c] => a.is_some() && a == b && b == c,
        _ => false,
    };
    cluster
        .until("both stand still", |c| {
            c.least_ms.len() == 2 && c.least_ms.values().all(stands)
        })
        .await;
    for said in cluster.least_ms.values() {
        let last = said.last().copied().flatten().expect("it stands at a time");
        assert!(
            (10_000..10_100).contains(&last),
            "{last} ms, where others are at 10000 and 50 ms more are allowed"
        );
    }
    // One is released by word, the other because nobody gives it word any more.
    cluster.command(0, elsewhere(None));
    cluster.restart_control_plane().await;
    cluster
        .until("both finish", |c| c.all_are(TaskState::Finished, 2))
        .await;
    cluster.shut_down().await;
}
