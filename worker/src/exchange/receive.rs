//! The receiving end of channels from other workers: the `Exchange` service.

use std::{collections::HashMap, sync::Arc, time::Duration};

use futures::{StreamExt, future::BoxFuture, stream::FuturesUnordered};
use parking_lot::Mutex;
use tokio::sync::{
    Notify,
    mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
};
use tokio_stream::wrappers::UnboundedReceiverStream;
use tonic::{Request, Response, Status, Streaming};
use weir_checkpoint::fence::{Verdict, judge};
use weir_env::Clock;
use weir_model::{EventTime, Failure, Generation};
use weir_proto::exchange::{
    self, Batch, ChannelId, Credit, Frame, exchange_server::Exchange, frame::Element,
};

use super::{FROM_HEADER, ipc::Encoded};
use crate::runtime::{
    inbox::{InboxSender, Item},
    message::{Barrier, MESSAGE_BYTES, Message},
};

/// How long a channel that is opened waits for its deployment to arrive here: `Deploy` messages reach workers at
/// different times.
const DEPLOY_PATIENCE: Duration = Duration::from_secs(10);

/// Channels of deployments here whose senders are in other processes.
#[derive(Debug)]
pub struct Inbound {
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct State {
    waiting: HashMap<ChannelId, InboxSender>,
    newest: HashMap<String, Generation>,
}

impl Inbound {
    /// No channels yet.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            clock,
            state: Mutex::default(),
            changed: Notify::new(),
        }
    }

    /// Makes the channels of a deployment known, which fences older deployments of the job.
    pub fn expect(
        &self,
        job: &str,
        generation: Generation,
        channels: impl Iterator<Item = (ChannelId, InboxSender)>,
    ) {
        let mut state = self.state.lock();
        let newest = state.newest.entry(job.to_owned()).or_insert(generation);
        *newest = generation.max(*newest);
        state.waiting.extend(channels);
        drop(state);
        self.changed.notify_waiters();
    }

    /// Forgets the channels of deployments up to and including this generation.
    pub fn forget(&self, job: &str, generation: Generation) {
        self.state
            .lock()
            .waiting
            .retain(|id, _| id.job_id != job || Generation(id.generation) > generation);
    }

    /// The receiving end of a channel, once its deployment is here; an error says why there is none.
    async fn claim(&self, id: &ChannelId) -> Result<InboxSender, String> {
        let arrival = async {
            loop {
                let mut changed = std::pin::pin!(self.changed.notified());
                // Registered before the look, so that an arrival in between is not missed.
                changed.as_mut().enable();
                if let Some(claimed) = self.try_claim(id) {
                    return claimed;
                }
                changed.await;
            }
        };
        tokio::select! {
            claimed = arrival => claimed,
            () = self.clock.sleep(DEPLOY_PATIENCE) => {
                Err(format!("generation {} of job {} was not deployed there", id.generation, id.job_id))
            }
        }
    }

    fn try_claim(&self, id: &ChannelId) -> Option<Result<InboxSender, String>> {
        let mut state = self.state.lock();
        if let Some(sender) = state.waiting.remove(id) {
            return Some(Ok(sender));
        }
        let newest = state.newest.get(&id.job_id).copied();
        match judge(newest, Generation(id.generation)) {
            Verdict::Stale => Some(Err(format!(
                "generation {} of job {} is older than what runs there",
                id.generation, id.job_id
            ))),
            Verdict::Current | Verdict::Newer => None,
        }
    }
}

/// The `Exchange` service of this worker.
#[derive(Clone, Debug)]
pub struct ExchangeService {
    inbound: Arc<Inbound>,
}

impl ExchangeService {
    /// Serves these channels.
    pub fn new(inbound: Arc<Inbound>) -> Self {
        Self { inbound }
    }
}

#[tonic::async_trait]
impl Exchange for ExchangeService {
    type ChannelsStream = UnboundedReceiverStream<Result<Credit, Status>>;

    async fn channels(
        &self,
        request: Request<Streaming<Frame>>,
    ) -> Result<Response<Self::ChannelsStream>, Status> {
        let named = request
            .metadata()
            .get(FROM_HEADER)
            .and_then(|v| v.to_str().ok())
            .map(str::to_owned);
        let peer = named
            .or_else(|| request.remote_addr().map(|a| a.to_string()))
            .unwrap_or_default();
        let (credits, outgoing) = unbounded_channel();
        let connection = Connection::new(Arc::clone(&self.inbound), peer, credits);
        tokio::spawn(connection.run(request.into_inner()));
        Ok(Response::new(UnboundedReceiverStream::new(outgoing)))
    }
}

type Taken = (UnboundedSender<(usize, usize)>, UnboundedReceiver<(usize, usize)>);
type Opened = (ChannelId, Result<InboxSender, String>);

/// One connection from another worker: takes its frames apart, never waiting for a task.
struct Connection {
    inbound: Arc<Inbound>,
    peer: String,
    credits: UnboundedSender<Result<Credit, Status>>,
    /// Open channels by id, and the other way round by the tag that their credits bear.
    channels: HashMap<ChannelId, (usize, InboxSender)>,
    tags: HashMap<usize, ChannelId>,
    next_tag: usize,
    opening: FuturesUnordered<BoxFuture<'static, Opened>>,
    /// What tasks have taken, to be granted again: tags and bytes.
    taken: Taken,
}

impl Connection {
    fn new(inbound: Arc<Inbound>, peer: String, credits: UnboundedSender<Result<Credit, Status>>) -> Self {
        Self {
            inbound,
            peer,
            credits,
            channels: HashMap::new(),
            tags: HashMap::new(),
            next_tag: 0,
            opening: FuturesUnordered::new(),
            taken: unbounded_channel(),
        }
    }

    async fn run(mut self, mut frames: Streaming<Frame>) {
        let reason = loop {
            tokio::select! {
                frame = frames.message() => match frame {
                    Ok(Some(frame)) => self.on_frame(frame),
                    Ok(None) => break "it closed the connection".to_owned(),
                    Err(status) => break status.message().to_owned(),
                },
                Some((tag, bytes)) = self.taken.1.recv() => {
                    if let Some(id) = self.tags.get(&tag) {
                        self.grant(id.clone(), bytes, None);
                    }
                }
                Some((id, claimed)) = self.opening.next(), if !self.opening.is_empty() => self.on_opened(id, claimed),
            }
        };
        let failure = Failure::internal(format!(
            "lost the connection from the worker at {}: {reason}",
            self.peer
        ));
        // Channels that had ended were removed.
        for (_, sender) in self.channels.into_values() {
            sender.fail(failure.clone());
        }
    }

    fn on_frame(&mut self, frame: Frame) {
        let Frame {
            channel: Some(id),
            element: Some(element),
        } = frame
        else {
            return;
        };
        if let Element::Open(_) = element {
            let inbound = Arc::clone(&self.inbound);
            self.opening.push(Box::pin(async move {
                let claimed = inbound.claim(&id).await;
                (id, claimed)
            }));
            return;
        }
        let Some((tag, sender)) = self.channels.get(&id) else {
            return;
        };
        let tag = *tag;
        let ended = matches!(element, Element::End(_));
        let Some((item, bytes)) = item(element) else {
            return;
        };
        if sender.deliver(item, bytes).is_err() {
            self.close(&id, tag);
            self.grant(id, 0, Some(String::new()));
        } else if ended {
            self.close(&id, tag);
        }
    }

    fn on_opened(&mut self, id: ChannelId, claimed: Result<InboxSender, String>) {
        // Receivers go without a word: their channels are swept when others come.
        let gone: Vec<_> = self
            .channels
            .iter()
            .filter(|(_, (_, s))| s.is_gone())
            .map(|(i, (t, _))| (i.clone(), *t))
            .collect();
        for (gone, tag) in gone {
            self.close(&gone, tag);
            self.grant(gone, 0, Some(String::new()));
        }
        match claimed {
            Err(reason) => self.grant(id, 0, Some(reason)),
            Ok(sender) => match sender.grant_to(self.next_tag, self.taken.0.clone()) {
                Err(_) => self.grant(id, 0, Some(String::new())),
                Ok(budget) => {
                    self.tags.insert(self.next_tag, id.clone());
                    self.channels.insert(id.clone(), (self.next_tag, sender));
                    self.next_tag += 1;
                    self.grant(id, budget, None);
                }
            },
        }
    }

    fn close(&mut self, id: &ChannelId, tag: usize) {
        self.channels.remove(id);
        self.tags.remove(&tag);
    }

    fn grant(&self, id: ChannelId, bytes: usize, closed: Option<String>) {
        // The stream may have broken; then its end is seen in the frames.
        let _ = self.credits.send(Ok(Credit {
            channel: Some(id),
            bytes: bytes as u64,
            closed,
        }));
    }
}

/// What a frame puts into its channel, and the bytes that its sender counted it as.
fn item(element: Element) -> Option<(Item, usize)> {
    let message = match element {
        Element::Batch(Batch { header, body }) => {
            let encoded = Encoded { header, body };
            let bytes = encoded.bytes();
            return Some((Item::Encoded(encoded), bytes));
        }
        Element::WatermarkMs(at) => Message::Watermark(EventTime(at)),
        Element::Idle(_) => Message::Idle,
        Element::End(_) => Message::End,
        Element::Barrier(exchange::Barrier {
            checkpoint,
            savepoint_url,
        }) => Message::Barrier(Arc::new(Barrier {
            checkpoint,
            savepoint_url,
        })),
        Element::Open(_) => return None,
    };
    Some((Item::Message(message), MESSAGE_BYTES))
}
