//! Channels between two "workers" over real gRPC on loopback.

use std::{future::Future, net::SocketAddr, sync::Arc, time::Duration};

use arrow_array::{ArrayRef, Int64Array, RecordBatch};
use tokio::{net::TcpListener, runtime::Handle, time::timeout};
use tokio_util::sync::CancellationToken;
use tonic::transport::{Server, server::TcpIncoming};
use weir_env::SystemClock;
use weir_model::{EventTime, Failure, Generation};
use weir_proto::exchange::{ChannelId, exchange_server::ExchangeServer};

use super::{
    ipc,
    receive::{ExchangeService, Inbound},
    remote::{Peers, RemoteSender},
};
use crate::runtime::{
    inbox::{Inbox, Item, inbox},
    message::Message,
};

/// A receiving worker, and the way to it from a sending one.
struct Pair {
    address: SocketAddr,
    inbound: Arc<Inbound>,
    peers: Arc<Peers>,
    stop: CancellationToken,
}

impl Pair {
    async fn new() -> Self {
        let clock = Arc::new(SystemClock::new());
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("a bound address");
        let inbound = Arc::new(Inbound::new(clock.clone()));
        let stop = CancellationToken::new();
        let service = ExchangeServer::new(ExchangeService::new(Arc::clone(&inbound)));
        let server = Server::builder()
            .add_service(service)
            .serve_with_incoming_shutdown(TcpIncoming::from(listener), stop.clone().cancelled_owned());
        tokio::spawn(server);
        let peers = Arc::new(Peers::new("127.0.0.1:1".to_owned(), Handle::current(), clock));
        Self {
            address,
            inbound,
            peers,
            stop,
        }
    }

    fn expect(&self, generation: u64, to_subtask: u32, budget: usize) -> Inbox {
        let (inbox, mut senders) = inbox(1, budget);
        let channel = (channel(generation, to_subtask), senders.remove(0));
        self.inbound
            .expect("job", Generation(generation), [channel].into_iter());
        inbox
    }

    fn open(&self, generation: u64, to_subtask: u32) -> RemoteSender {
        self.peers
            .open(&self.address.to_string(), channel(generation, to_subtask))
    }
}

fn channel(generation: u64, to_subtask: u32) -> ChannelId {
    ChannelId {
        job_id: "job".to_owned(),
        generation,
        edge: 0,
        from_subtask: 0,
        to_subtask,
    }
}

async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    timeout(Duration::from_secs(20), future)
        .await
        .unwrap_or_else(|_| panic!("waited in vain for {what}"))
}

async fn send(sender: &mut RemoteSender, message: Message) -> Result<(), Failure> {
    soon("credit", sender.credit()).await?;
    sender.send(message)
}

async fn receive(inbox: &mut Inbox) -> Result<Message, Failure> {
    soon("a message", async {
        loop {
            match inbox.try_receive()? {
                Some((_, Item::Message(message))) => return Ok(message),
                Some((_, Item::Encoded(encoded))) => {
                    return ipc::decode(encoded, &rows(0).schema()).map(Message::Batch);
                }
                None => inbox.wait().await,
            }
        }
    })
    .await
}

fn rows(n: i64) -> RecordBatch {
    let values: ArrayRef = Arc::new(Int64Array::from_iter_values(0..n));
    RecordBatch::try_from_iter([("n", values)]).expect("one column")
}

#[tokio::test]
async fn messages_arrive_in_order() {
    let pair = Pair::new().await;
    let mut inbox = pair.expect(1, 0, 10_000);
    let mut sender = pair.open(1, 0);
    let sent = [
        Message::Batch(rows(1000)),
        Message::Watermark(EventTime(-7)),
        Message::Idle,
        Message::Batch(rows(3)),
        Message::End,
    ];
    let sending = async {
        for message in &sent {
            send(&mut sender, message.clone()).await.expect("sends");
        }
    };
    let receiving = async {
        for message in &sent {
            assert_eq!(&receive(&mut inbox).await.expect("arrives"), message);
        }
    };
    tokio::join!(sending, receiving);
}

#[tokio::test]
async fn a_blocked_channel_does_not_block_its_sibling() {
    let pair = Pair::new().await;
    let (mut blocked_inbox, mut free_inbox) = (pair.expect(1, 0, 20_000), pair.expect(1, 1, 20_000));
    let (mut blocked, mut free) = (pair.open(1, 0), pair.open(1, 1));
    let mut waiting = 0;
    soon("the first credit", blocked.credit())
        .await
        .expect("accepted");
    while blocked.has_credit().expect("open") {
        blocked.send(Message::Batch(rows(500))).expect("sends");
        waiting += 1;
    }
    assert!(
        (2..10).contains(&waiting),
        "{waiting} batches of 4 kB were taken on a credit of 20 kB"
    );
    assert!(
        timeout(Duration::from_millis(50), blocked.credit())
            .await
            .is_err(),
        "nothing was consumed"
    );
    for _ in 0..100 {
        send(&mut free, Message::Batch(rows(500))).await.expect("sends");
        receive(&mut free_inbox).await.expect("arrives");
    }
    for _ in 0..waiting {
        receive(&mut blocked_inbox).await.expect("arrives");
    }
    send(&mut blocked, Message::End)
        .await
        .expect("consuming gives credit back");
    assert_eq!(receive(&mut blocked_inbox).await, Ok(Message::End));
}

#[tokio::test]
async fn a_channel_waits_for_its_deployment_and_an_older_one_is_refused() {
    let pair = Pair::new().await;
    let mut early = pair.open(5, 0);
    assert!(
        timeout(Duration::from_millis(50), early.credit()).await.is_err(),
        "nobody expects it yet"
    );
    let mut inbox = pair.expect(5, 0, 1000);
    send(&mut early, Message::Idle)
        .await
        .expect("the deployment has arrived");
    assert_eq!(receive(&mut inbox).await, Ok(Message::Idle));

    let refused = soon("the refusal", pair.open(4, 0).credit())
        .await
        .expect_err("generation 5 runs");
    assert!(
        refused.message.contains("older than what runs there"),
        "{refused}"
    );
    assert!(refused.message.contains(&pair.address.to_string()), "{refused}");
}

#[tokio::test]
async fn both_ends_of_a_broken_connection_fail_and_name_each_other() {
    let pair = Pair::new().await;
    let mut inbox = pair.expect(1, 0, 1000);
    let mut sender = pair.open(1, 0);
    send(&mut sender, Message::Watermark(EventTime(1)))
        .await
        .expect("sends");
    assert_eq!(receive(&mut inbox).await, Ok(Message::Watermark(EventTime(1))));

    // The sending worker goes: its connection has nobody left who could send.
    let Pair {
        inbound: _inbound,
        peers,
        stop,
        ..
    } = pair;
    drop((sender, peers));
    let failure = receive(&mut inbox).await.expect_err("the sender has gone");
    assert!(failure.message.contains("127.0.0.1:1"), "{failure}");
    stop.cancel();

    // A worker that is not there.
    let clock = Arc::new(SystemClock::new());
    let closed = TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a free port")
        .local_addr()
        .expect("bound");
    let peers = Arc::new(Peers::new("127.0.0.1:1".to_owned(), Handle::current(), clock));
    let mut sender = peers.open(&closed.to_string(), channel(1, 0));
    let failure = soon("the failure", sender.credit())
        .await
        .expect_err("nobody listens");
    assert!(failure.message.contains(&closed.to_string()), "{failure}");
}

#[tokio::test]
async fn a_sender_whose_receiver_has_gone_waits_to_be_cancelled() {
    let pair = Pair::new().await;
    let inbox = pair.expect(1, 0, 100);
    let mut sender = pair.open(1, 0);
    send(&mut sender, Message::Idle).await.expect("sends");
    drop(inbox);
    // Whatever is still within the credit is dropped over there.
    let outcome = timeout(Duration::from_millis(200), async {
        loop {
            sender.credit().await?;
            sender.send(Message::Idle)?;
            tokio::task::yield_now().await;
        }
        #[allow(unreachable_code, reason = "names the type")]
        Ok::<(), Failure>(())
    });
    assert!(outcome.await.is_err(), "it neither fails nor goes on");
}
