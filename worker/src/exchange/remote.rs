//! The sending end of channels to other workers.
//!
//! One connection per peer carries the channels of all jobs. A channel sends only within the credit that its receiver
//! has granted, so what waits in a connection is bounded by the credits, and a blocked channel never blocks its siblings.

use std::{
    collections::HashMap,
    future::poll_fn,
    sync::{Arc, Weak},
    task::{Context, Poll, Waker},
    time::Duration,
};

use parking_lot::Mutex;
use tokio::{
    runtime::Handle,
    sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
};
use tokio_stream::wrappers::UnboundedReceiverStream;
use tonic::{Request, Streaming, metadata::MetadataValue, transport::Endpoint};
use weir_env::Clock;
use weir_model::Failure;
use weir_proto::exchange::{
    self, Batch, ChannelId, Credit, End, Frame, Idle, Open, exchange_client::ExchangeClient, frame::Element,
};

use super::{
    CONNECTION_WINDOW_BYTES, FROM_HEADER, MAX_MESSAGE_BYTES, describe,
    ipc::{Encoded, Encoder},
};
use crate::runtime::message::{MESSAGE_BYTES, Message};

/// How long a worker that does not answer is dialled before its channels fail.
const DIAL_TIMEOUT: Duration = Duration::from_secs(10);
const DIAL_PAUSE: Duration = Duration::from_millis(100);

/// Connections to other workers, made when first needed.
#[derive(Debug)]
pub struct Peers {
    own_address: String,
    runtime: Handle,
    clock: Arc<dyn Clock>,
    by_address: Mutex<HashMap<String, Arc<Peer>>>,
}

#[derive(Debug)]
struct Peer {
    address: String,
    frames: UnboundedSender<Frame>,
    state: Mutex<PeerState>,
}

#[derive(Debug, Default)]
struct PeerState {
    channels: HashMap<ChannelId, Arc<Mutex<Granted>>>,
    broken: Option<Failure>,
}

/// What the receiver of one channel has said.
#[derive(Debug, Default)]
struct Granted {
    /// Bytes that may be sent. One message may overdraw it.
    credit: i64,
    /// It has said anything at all.
    is_open: bool,
    receiver_gone: bool,
    failure: Option<Failure>,
    waiting: Option<Waker>,
}

/// The sending end of one channel to a subtask in another process.
#[derive(Debug)]
pub struct RemoteSender {
    id: ChannelId,
    peer: Arc<Peer>,
    granted: Arc<Mutex<Granted>>,
    encoder: Encoder,
}

impl Peers {
    /// No connections yet. Connections run on `runtime`, which must not be the one of the tasks.
    pub fn new(own_address: String, runtime: Handle, clock: Arc<dyn Clock>) -> Self {
        Self {
            own_address,
            runtime,
            clock,
            by_address: Mutex::default(),
        }
    }

    /// Opens a channel to the worker at `address` (host:port). Sending waits until the receiver has accepted it.
    pub fn open(self: &Arc<Self>, address: &str, id: ChannelId) -> RemoteSender {
        let peer = self.peer(address);
        let granted = Arc::new(Mutex::new(Granted::default()));
        let mut state = peer.state.lock();
        granted.lock().failure.clone_from(&state.broken);
        state.channels.insert(id.clone(), Arc::clone(&granted));
        drop(state);
        // A broken peer has said so through `granted`.
        let _ = peer.frames.send(Frame {
            channel: Some(id.clone()),
            element: Some(Element::Open(Open {})),
        });
        RemoteSender {
            id,
            peer,
            granted,
            encoder: Encoder::default(),
        }
    }

    fn peer(self: &Arc<Self>, address: &str) -> Arc<Peer> {
        let mut peers = self.by_address.lock();
        if let Some(peer) = peers.get(address) {
            return Arc::clone(peer);
        }
        let (frames, outgoing) = unbounded_channel();
        let peer = Arc::new(Peer {
            address: address.to_owned(),
            frames,
            state: Mutex::default(),
        });
        peers.insert(address.to_owned(), Arc::clone(&peer));
        self.runtime.spawn(serve(
            Arc::downgrade(self),
            Arc::downgrade(&peer),
            address.to_owned(),
            outgoing,
        ));
        peer
    }

    fn forget(&self, peer: &Arc<Peer>) {
        let mut peers = self.by_address.lock();
        if peers
            .get(&peer.address)
            .is_some_and(|known| Arc::ptr_eq(known, peer))
        {
            peers.remove(&peer.address);
        }
    }
}

/// Dials the peer, sends its frames and takes its credits until the connection breaks; then its channels fail.
///
/// The connection ends when nobody holds the peer any more.
async fn serve(peers: Weak<Peers>, peer: Weak<Peer>, address: String, outgoing: UnboundedReceiver<Frame>) {
    let Some((own_address, clock)) = peers
        .upgrade()
        .map(|p| (p.own_address.clone(), Arc::clone(&p.clock)))
    else {
        return;
    };
    let reason = match dial(&address, &own_address, clock.as_ref(), outgoing).await {
        Ok(credits) => take_credits(&peer, credits).await,
        Err(reason) => reason,
    };
    let Some(peer) = peer.upgrade() else { return };
    tracing::warn!(peer = address, reason, "connection to another worker ended");
    if let Some(peers) = peers.upgrade() {
        peers.forget(&peer);
    }
    peer.break_off(&Failure::internal(format!(
        "lost the connection to the worker at {address}: {reason}"
    )));
}

async fn dial(
    address: &str,
    own_address: &str,
    clock: &dyn Clock,
    outgoing: UnboundedReceiver<Frame>,
) -> Result<Streaming<Credit>, String> {
    let endpoint = Endpoint::from_shared(format!("http://{address}"))
        .map_err(|e| format!("'{address}' is not an address: {e}"))?
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .initial_stream_window_size(CONNECTION_WINDOW_BYTES)
        .http2_keep_alive_interval(Duration::from_secs(2))
        .keep_alive_timeout(Duration::from_secs(5))
        .tcp_nodelay(true)
        .connect_timeout(DIAL_TIMEOUT);
    let from: MetadataValue<_> = own_address
        .parse()
        .map_err(|e| format!("'{own_address}' is not an address: {e}"))?;
    let started = clock.elapsed();
    let connection = loop {
        match endpoint.connect().await {
            Ok(connection) => break connection,
            Err(e) if clock.elapsed() > started + DIAL_TIMEOUT => {
                return Err(format!("it does not answer: {e}"));
            }
            Err(_) => clock.sleep(DIAL_PAUSE).await,
        }
    };
    let mut client = ExchangeClient::new(connection)
        .max_decoding_message_size(MAX_MESSAGE_BYTES)
        .max_encoding_message_size(MAX_MESSAGE_BYTES);
    let mut request = Request::new(UnboundedReceiverStream::new(outgoing));
    request.metadata_mut().insert(FROM_HEADER, from);
    match client.channels(request).await {
        Ok(response) => Ok(response.into_inner()),
        Err(status) => Err(status.message().to_owned()),
    }
}

async fn take_credits(peer: &Weak<Peer>, mut credits: Streaming<Credit>) -> String {
    loop {
        match credits.message().await {
            Ok(Some(credit)) => match peer.upgrade() {
                Some(peer) => peer.on_credit(credit),
                None => return "nobody uses it any more".to_owned(),
            },
            Ok(None) => return "it closed the connection".to_owned(),
            Err(status) => return status.message().to_owned(),
        }
    }
}

impl Peer {
    fn on_credit(&self, credit: Credit) {
        let Credit {
            channel: Some(id),
            bytes,
            closed,
        } = credit
        else {
            return;
        };
        let Some(granted) = self.state.lock().channels.get(&id).map(Arc::clone) else {
            return;
        };
        let mut granted = granted.lock();
        granted.credit += bytes as i64;
        granted.is_open = true;
        match closed {
            // The receiver's own failure is the one to report: this end waits to be cancelled.
            Some(reason) if reason.is_empty() => granted.receiver_gone = true,
            Some(reason) => {
                let refused = format!("the worker at {} refused a channel: {reason}", self.address);
                granted.failure.get_or_insert(Failure::internal(refused));
            }
            None => {}
        }
        let waiting = granted.waiting.take();
        drop(granted);
        if let Some(waiting) = waiting {
            waiting.wake();
        }
    }

    fn break_off(&self, failure: &Failure) {
        let channels = {
            let mut state = self.state.lock();
            state.broken = Some(failure.clone());
            std::mem::take(&mut state.channels)
        };
        for granted in channels.into_values() {
            let mut granted = granted.lock();
            granted.failure.get_or_insert_with(|| failure.clone());
            let waiting = granted.waiting.take();
            drop(granted);
            if let Some(waiting) = waiting {
                waiting.wake();
            }
        }
    }
}

impl RemoteSender {
    /// Whether a message may be sent now.
    pub fn has_credit(&self) -> Result<bool, Failure> {
        let granted = self.granted.lock();
        granted
            .failure
            .clone()
            .map_or(Ok(granted.credit > 0 && !granted.receiver_gone), Err)
    }

    /// Whether the receiver has accepted the channel: what is sent before is lost.
    pub fn is_open(&self) -> bool {
        self.granted.lock().is_open
    }

    /// Returns when a message may be sent; never if the receiver has gone, as its own failure is what is reported.
    pub async fn credit(&mut self) -> Result<(), Failure> {
        poll_fn(|context| self.poll_credit(context)).await
    }

    fn poll_credit(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        let mut granted = self.granted.lock();
        if let Some(failure) = &granted.failure {
            return Poll::Ready(Err(failure.clone()));
        }
        if granted.credit > 0 && !granted.receiver_gone {
            return Poll::Ready(Ok(()));
        }
        granted.waiting = Some(context.waker().clone());
        Poll::Pending
    }

    /// Sends; call it when there is credit, or when the channel is open for what is not to wait.
    pub fn send(&mut self, message: Message) -> Result<(), Failure> {
        let (element, bytes) = match message {
            Message::Batch(batch) => {
                let encoded = self.encoder.encode(&batch)?;
                let bytes = encoded.bytes();
                let Encoded { header, body } = encoded;
                (Element::Batch(Batch { header, body }), bytes)
            }
            Message::Watermark(at) => (Element::WatermarkMs(at.0), MESSAGE_BYTES),
            Message::Idle => (Element::Idle(Idle {}), MESSAGE_BYTES),
            Message::End => (Element::End(End {}), MESSAGE_BYTES),
            Message::Barrier(barrier) => {
                let barrier = exchange::Barrier {
                    checkpoint: barrier.checkpoint,
                    savepoint_url: barrier.savepoint_url.clone(),
                };
                (Element::Barrier(barrier), MESSAGE_BYTES)
            }
        };
        self.granted.lock().credit -= bytes as i64;
        let frame = Frame {
            channel: Some(self.id.clone()),
            element: Some(element),
        };
        self.peer.frames.send(frame).map_err(|_| {
            let broken = self.peer.state.lock().broken.clone();
            broken.unwrap_or_else(|| {
                Failure::internal(format!(
                    "the connection to the worker at {} is gone ({})",
                    self.peer.address,
                    describe(&self.id)
                ))
            })
        })
    }
}

impl Drop for RemoteSender {
    fn drop(&mut self) {
        self.peer.state.lock().channels.remove(&self.id);
    }
}
