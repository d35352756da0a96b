//! The service that workers connect to.
//!
//! - [`report`]: workers' words about checkpoints as a coordinator hears them. Pure. Leans on nothing.
//! - [`session`]: one worker's session from hello to loss. Leans on `report`, `cluster`, `checkpoint`, `db`, `metrics`.

use std::pin::Pin;

use futures::{Stream, StreamExt as _};
use tokio::{net::TcpListener, sync::mpsc};
use tokio_stream::wrappers::{ReceiverStream, TcpListenerStream};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tonic::{Request, Response, Status, Streaming};
use weir_proto::control::{
    FromWorker, ToWorker,
    control_plane_server::{ControlPlane, ControlPlaneServer},
};

use crate::context::Context;

pub mod report;
pub mod session;

/// Commands that may wait for a worker to take them.
const QUEUE: usize = 1024;

/// Bytes of one message from a worker at most: a second's printed rows are the largest.
const MESSAGE_BYTES: usize = 16 * 1024 * 1024;

/// Serves workers until shutdown. Sessions that are open then end without their workers counting as lost.
pub async fn serve(context: Context, listener: TcpListener) -> Result<(), tonic::transport::Error> {
    let sessions = TaskTracker::new();
    let shutdown = context.shutdown.clone();
    let service = ControlPlaneServer::new(Service {
        context,
        sessions: sessions.clone(),
    })
    .max_decoding_message_size(MESSAGE_BYTES);
    tonic::transport::Server::builder()
        .add_service(service)
        .serve_with_incoming_shutdown(TcpListenerStream::new(listener), shutdown.cancelled_owned())
        .await?;
    sessions.close();
    sessions.wait().await;
    Ok(())
}

#[derive(Debug)]
struct Service {
    context: Context,
    sessions: TaskTracker,
}

#[tonic::async_trait]
impl ControlPlane for Service {
    type SessionStream = Pin<Box<dyn Stream<Item = Result<ToWorker, Status>> + Send>>;

    async fn session(
        &self,
        request: Request<Streaming<FromWorker>>,
    ) -> Result<Response<Self::SessionStream>, Status> {
        let (commands, queue) = mpsc::channel(QUEUE);
        let close = CancellationToken::new();
        let line = crate::cluster::workers::Line {
            commands,
            close: close.clone(),
        };
        // The answer's headers must not wait for the hello: a client may send that only after it has them.
        self.sessions
            .spawn(session::run(self.context.clone(), request.into_inner(), line));
        let shutdown = self.context.shutdown.clone();
        let end = async move {
            tokio::select! {
                () = close.cancelled() => {}
                () = shutdown.cancelled() => {}
            }
        };
        Ok(Response::new(Box::pin(
            ReceiverStream::new(queue).take_until(Box::pin(end)),
        )))
    }
}
