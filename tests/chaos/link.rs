//! A way between processes that can be cut: a TCP proxy. It can be cut for one of those that speak alone.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};

use anyhow::{Context, Result};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::watch,
    task::JoinHandle,
};

use crate::peer;

const BUFFER_BYTES: usize = 64 << 10;

/// What becomes of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// They go on.
    Open,
    /// They stay where they are; connections stay too.
    Stalled,
    /// Connections break, and new ones do so at once.
    Cut,
}

/// Takes connections at an address and carries their bytes to another.
#[derive(Debug)]
pub(crate) struct Link {
    /// Where it takes connections.
    pub(crate) address: SocketAddr,
    state: watch::Sender<Rule>,
    seen: Arc<Seen>,
    server: JoinHandle<()>,
}

/// What becomes of bytes, of all connections or of those that this process has made.
#[derive(Clone, Copy, Debug)]
struct Rule {
    state: State,
    of: Option<i32>,
}

impl Rule {
    /// For a connection of this process.
    fn state(&self, client: Option<i32>) -> State {
        if self.of.is_none() || self.of == client {
            self.state
        } else {
            State::Open
        }
    }
}

#[derive(Debug, Default)]
struct Seen {
    /// Connections that are open now, by the process that has made them.
    open: Mutex<BTreeMap<Option<i32>, usize>>,
    broken: AtomicUsize,
    held: AtomicUsize,
}

impl Link {
    /// From an address (port 0: any free one) to another.
    pub(crate) async fn new(from: SocketAddr, to: SocketAddr) -> Result<Self> {
        let listener = TcpListener::bind(from)
            .await
            .with_context(|| format!("listening on {from}"))?;
        let address = listener.local_addr()?;
        let (state, states) = watch::channel(Rule {
            state: State::Open,
            of: None,
        });
        let seen = Arc::new(Seen::default());
        let server = tokio::spawn(serve(listener, to, states, Arc::clone(&seen)));
        Ok(Self {
            address,
            state,
            seen,
            server,
        })
    }

    pub(crate) fn set(&self, state: State) {
        self.state.send_replace(Rule { state, of: None });
    }

    /// For the connections of one process alone; those of others are open.
    pub(crate) fn set_for(&self, process: i32, state: State) {
        let of = Some(process);
        self.state.send_replace(Rule { state, of });
    }

    /// Connections that are open now.
    pub(crate) fn connections(&self) -> usize {
        self.seen.open().values().sum()
    }

    /// Those that this process has made.
    pub(crate) fn connections_of(&self, process: i32) -> usize {
        self.seen.open().get(&Some(process)).copied().unwrap_or(0)
    }

    /// Connections that were broken off or refused so far.
    pub(crate) fn broken(&self) -> usize {
        self.seen.broken.load(Relaxed)
    }

    /// Bytes that were held back so far.
    pub(crate) fn held(&self) -> usize {
        self.seen.held.load(Relaxed)
    }
}

impl Seen {
    fn open(&self) -> MutexGuard<'_, BTreeMap<Option<i32>, usize>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn serve(listener: TcpListener, to: SocketAddr, states: watch::Receiver<Rule>, seen: Arc<Seen>) {
    while let Ok((client, from)) = listener.accept().await {
        let (state, seen) = (states.clone(), Arc::clone(&seen));
        tokio::spawn(async move {
            if carry((client, from), to, state, &seen).await.is_none() {
                seen.broken.fetch_add(1, Relaxed);
            }
        });
    }
}

/// Carries a connection until it ends. None: the link was cut.
async fn carry(
    (client, from): (TcpStream, SocketAddr),
    to: SocketAddr,
    mut rules: watch::Receiver<Rule>,
    seen: &Seen,
) -> Option<()> {
    let process = peer::process(from);
    // Nobody answers who cannot be heard.
    let passes = rules.wait_for(|rule| rule.state(process) != State::Stalled);
    let now = passes.await.ok()?.state(process);
    if now == State::Cut {
        return None;
    }
    let Ok(server) = TcpStream::connect(to).await else {
        return Some(());
    };
    // Without these rows are only slower.
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    *seen.open().entry(process).or_default() += 1;
    let ended = tokio::select! {
        () = pump(from_client, to_server, (rules.clone(), process), seen) => Some(()),
        () = pump(from_server, to_client, (rules.clone(), process), seen) => Some(()),
        _ = rules.wait_for(|rule| rule.state(process) == State::Cut) => None,
    };
    *seen.open().entry(process).or_default() -= 1;
    ended
}

async fn pump(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    (mut rules, process): (watch::Receiver<Rule>, Option<i32>),
    seen: &Seen,
) {
    let mut buffer = vec![0; BUFFER_BYTES];
    while let Ok(read @ 1..) = from.read(&mut buffer).await {
        if rules.borrow().state(process) == State::Stalled {
            seen.held.fetch_add(read, Relaxed);
        }
        let passes = rules.wait_for(|rule| rule.state(process) != State::Stalled);
        if passes.await.is_err() || to.write_all(&buffer[..read]).await.is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const ANY: SocketAddr = SocketAddr::V4(std::net::SocketAddrV4::new(std::net::Ipv4Addr::LOCALHOST, 0));

    async fn linked() -> (Link, TcpListener) {
        let listener = TcpListener::bind(ANY).await.expect("a port");
        let address = listener.local_addr().expect("an address");
        (Link::new(ANY, address).await.expect("a link"), listener)
    }

    #[tokio::test]
    async fn a_stalled_link_holds_bytes_back_until_it_is_open_again() {
        let (link, listener) = linked().await;
        let mut client = TcpStream::connect(link.address).await.expect("connects");
        let (mut server, _) = listener.accept().await.expect("a connection");
        client.write_all(b"a").await.expect("written");
        assert_eq!(server.read_u8().await.expect("a byte"), b'a');
        link.set(State::Stalled);
        client.write_all(b"b").await.expect("written");
        let nothing = tokio::time::timeout(Duration::from_millis(100), server.read_u8()).await;
        assert!(nothing.is_err(), "{nothing:?}");
        assert_eq!(link.held(), 1);
        link.set(State::Open);
        assert_eq!(server.read_u8().await.expect("a byte"), b'b');
        assert_eq!((link.connections(), link.broken()), (1, 0));
    }

    #[tokio::test]
    async fn a_cut_link_breaks_connections_and_refuses_others() {
        let (link, listener) = linked().await;
        let mut client = TcpStream::connect(link.address).await.expect("connects");
        let (mut server, _) = listener.accept().await.expect("a connection");
        link.set(State::Cut);
        assert!(client.read_u8().await.is_err() && server.read_u8().await.is_err());
        let mut other = TcpStream::connect(link.address).await.expect("connects");
        assert!(other.read_u8().await.is_err());
        link.set(State::Open);
        let mut other = TcpStream::connect(link.address).await.expect("connects");
        let (mut server, _) = listener.accept().await.expect("a connection");
        server.write_all(b"c").await.expect("written");
        assert_eq!(other.read_u8().await.expect("a byte"), b'c');
        assert_eq!(link.broken(), 2);
    }

    #[tokio::test]
    async fn a_link_that_is_cut_for_one_process_carries_the_bytes_of_others() {
        let (link, listener) = linked().await;
        let mut client = TcpStream::connect(link.address).await.expect("connects");
        let (mut server, _) = listener.accept().await.expect("a connection");
        let own = std::process::id() as i32;
        link.set_for(1, State::Cut);
        client.write_all(b"a").await.expect("written");
        assert_eq!(server.read_u8().await.expect("a byte"), b'a');
        assert_eq!((link.connections_of(own), link.connections_of(1)), (1, 0));
        link.set_for(own, State::Cut);
        assert!(client.read_u8().await.is_err() && server.read_u8().await.is_err());
    }
}
