//! This worker's side of its session with the control plane.
//!
//! - [`aligned`]: sources that keep together over several workers. Leans on `runtime`.
//! - [`checkpoints`]: what the coordinator says to subtasks, and what they have. Leans on `runtime`.
//! - [`ledger`]: what there is to say about deployments. Pure.
//! - [`printed`]: rows of `print` sinks. Leans on nothing.
//! - [`process`]: what this process uses. Leans on nothing.
//! - [`duty`]: carries out commands and keeps the ledger. Leans on all of the above and on `runtime`.
//!
//! A lost connection disturbs no task: the worker dials again for ever, and its next hello says all that was missed.

pub mod aligned;
pub mod checkpoints;
pub mod duty;
pub mod ledger;
pub mod printed;
pub mod process;

use std::{future::Future, pin::pin, sync::Arc, time::Duration};

use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio_stream::wrappers::UnboundedReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::{Status, Streaming, transport::Endpoint};
use weir_env::Clock;
use weir_proto::control::{
    FromWorker, Hello, ToWorker, control_plane_client::ControlPlaneClient, from_worker, to_worker,
};

use crate::{exchange::MAX_MESSAGE_BYTES, runtime::news::SubtaskEvent};
use duty::Duty;
use process::Usage;

const FIRST_BACKOFF: Duration = Duration::from_millis(100);
/// Well below the time that a control plane waits for workers after its start.
const LONGEST_BACKOFF: Duration = Duration::from_secs(1);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const METRICS_INTERVAL: Duration = Duration::from_secs(1);
/// Until the control plane's welcome says otherwise.
const HEARTBEAT_INTERVAL: Duration = Duration::from_secs(1);

/// What the session is held with.
pub struct Session {
    /// The control plane.
    pub endpoint: Endpoint,
    /// Who this worker is; its deployments are filled in at each connection.
    pub hello: Hello,
    /// Carries out what is asked.
    pub duty: Duty,
    /// News of this worker's subtasks.
    pub events: UnboundedReceiver<SubtaskEvent>,
    /// Time.
    pub clock: Arc<dyn Clock>,
}

impl Session {
    /// Holds a session with the control plane until the shutdown, dialling again whenever it breaks.
    pub async fn run(mut self, shutdown: CancellationToken) {
        let mut backoff = FIRST_BACKOFF;
        while !shutdown.is_cancelled() {
            let connected = tokio::select! {
                connected = self.connect() => connected,
                () = shutdown.cancelled() => return,
            };
            match connected {
                Ok(commands) => {
                    let since = self.clock.elapsed();
                    let reason = tokio::select! {
                        reason = self.talk(commands) => reason,
                        () = shutdown.cancelled() => return,
                    };
                    tracing::warn!(reason, "lost the control plane; tasks go on");
                    if self.clock.elapsed() > since + LONGEST_BACKOFF {
                        backoff = FIRST_BACKOFF;
                    }
                }
                Err(reason) => tracing::debug!(reason, "the control plane does not answer"),
            }
            self.duty.disconnected();
            let clock = Arc::clone(&self.clock);
            tokio::select! {
                () = self.meanwhile(async move { clock.sleep(backoff).await }) => {}
                () = shutdown.cancelled() => return,
            }
            backoff = (backoff * 2).min(LONGEST_BACKOFF);
        }
    }

    /// Dials and says hello. What happens from the hello on is queued behind it.
    async fn connect(&mut self) -> Result<Streaming<ToWorker>, String> {
        let (up, outgoing) = unbounded_channel();
        let hello = Hello {
            deployments: self.duty.deployments(),
            ..self.hello.clone()
        };
        // The receiver is still here.
        let _ = up.send(FromWorker {
            message: Some(from_worker::Message::Hello(hello)),
        });
        self.duty.connected(up);
        let dialled = dial(self.endpoint.clone(), UnboundedReceiverStream::new(outgoing));
        self.meanwhile(dialled).await
    }

    /// Waits, and keeps what happens in the meantime.
    async fn meanwhile<T>(&mut self, future: impl Future<Output = T>) -> T {
        let mut future = pin!(future);
        loop {
            tokio::select! {
                value = &mut future => return value,
                Some(event) = self.events.recv() => self.duty.on_event(event),
            }
        }
    }

    /// Carries out commands and reports until the connection ends; says why it did.
    async fn talk(&mut self, mut commands: Streaming<ToWorker>) -> String {
        let mut usage = Usage::default();
        let mut heartbeat_interval = HEARTBEAT_INTERVAL;
        let mut heartbeat = pause(&self.clock, Duration::ZERO);
        let mut metrics = pause(&self.clock, METRICS_INTERVAL);
        let mut alignment = pause(&self.clock, self.duty.alignment_interval());
        loop {
            tokio::select! {
                command = commands.message() => match command {
                    Ok(Some(ToWorker { message: Some(command) })) => {
                        if let to_worker::Message::Welcome(welcome) = &command {
                            heartbeat_interval = Duration::from_millis(welcome.heartbeat_interval_ms.max(10));
                            heartbeat = pause(&self.clock, Duration::ZERO);
                            tracing::info!("connected to the control plane");
                        }
                        let deploys = matches!(command, to_worker::Message::Deploy(_));
                        self.duty.on_command(command);
                        if deploys {
                            alignment = pause(&self.clock, self.duty.alignment_interval());
                        }
                    }
                    Ok(Some(ToWorker { message: None })) => {
                        tracing::warn!("the control plane said something that this version does not know");
                    }
                    Ok(None) => return "it closed the session".to_owned(),
                    Err(status) => return status.message().to_owned(),
                },
                Some(event) = self.events.recv() => self.duty.on_event(event),
                () = &mut heartbeat => {
                    self.duty.say(from_worker::Message::Heartbeat(usage.measure(self.clock.elapsed())));
                    heartbeat = pause(&self.clock, heartbeat_interval);
                }
                () = &mut metrics => {
                    self.duty.report();
                    metrics = pause(&self.clock, METRICS_INTERVAL);
                }
                () = &mut alignment => {
                    self.duty.report_alignment();
                    alignment = pause(&self.clock, self.duty.alignment_interval());
                }
            }
        }
    }
}

type Pause = std::pin::Pin<Box<dyn Future<Output = ()> + Send>>;

fn pause(clock: &Arc<dyn Clock>, duration: Duration) -> Pause {
    let clock = Arc::clone(clock);
    Box::pin(async move { clock.sleep(duration).await })
}

async fn dial(
    endpoint: Endpoint,
    outgoing: UnboundedReceiverStream<FromWorker>,
) -> Result<Streaming<ToWorker>, String> {
    let connection = endpoint.connect().await.map_err(|e| describe(&e))?;
    let mut client = ControlPlaneClient::new(connection)
        .max_decoding_message_size(MAX_MESSAGE_BYTES)
        .max_encoding_message_size(MAX_MESSAGE_BYTES);
    let response = client
        .session(outgoing)
        .await
        .map_err(|status: Status| status.message().to_owned())?;
    Ok(response.into_inner())
}

/// The whole chain of causes: transport errors hide theirs.
fn describe(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |e| e.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

/// The control plane's endpoint: dead connections are noticed within seconds.
pub fn endpoint(control_plane: &str) -> Result<Endpoint, tonic::transport::Error> {
    Ok(Endpoint::from_shared(control_plane.to_owned())?
        .connect_timeout(CONNECT_TIMEOUT)
        .http2_keep_alive_interval(Duration::from_secs(2))
        .keep_alive_timeout(Duration::from_secs(3))
        .keep_alive_while_idle(true)
        .tcp_nodelay(true))
}
