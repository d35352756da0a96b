//! A server of the web that a test tells what to answer, on a runtime of its own: it is gone at once when it is stopped.

use std::{
    collections::VecDeque,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::{Request, State},
    http::{HeaderMap, Method, StatusCode},
    response::Response,
};
use futures::{SinkExt, StreamExt, stream};
use locks::Shared;
use tokio::{net::TcpListener, runtime::Runtime, sync::watch};
use tokio_tungstenite::tungstenite::Message;
use weir_env::{Clock, SystemClock};

/// What was asked.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Asked {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("text")
    }
}

/// What is answered.
#[derive(Clone, Debug, Default)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: String,
    pub(crate) after: Duration,
}

impl Answer {
    pub(crate) fn of(status: u16, body: &str) -> Self {
        Self {
            status,
            body: body.to_owned(),
            ..Self::default()
        }
    }

    pub(crate) fn header(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }

    pub(crate) fn after(mut self, after: Duration) -> Self {
        self.after = after;
        self
    }
}

/// What server and test share.
#[derive(Debug)]
pub(crate) struct Site {
    asked: Shared<Vec<Asked>>,
    next: Shared<VecDeque<Answer>>,
    /// What is answered at a path.
    routes: Shared<std::collections::HashMap<String, Answer>>,
    /// What is answered when nothing else is left to be.
    pub(crate) then: Shared<Answer>,
    at_once: AtomicUsize,
    pub(crate) most_at_once: AtomicUsize,
    /// How many events there are.
    pub(crate) events: watch::Sender<i64>,
    /// Streams of events end behind these.
    pub(crate) stream_end: Shared<Option<i64>>,
}

impl Site {
    /// What is answered at a path from now on.
    pub(crate) fn route(&self, path: &str, answer: Answer) {
        self.routes.get().insert(path.to_owned(), answer);
    }
}

/// A lock that is never held for long.
mod locks {
    use std::sync::{Mutex, MutexGuard, PoisonError};

    #[derive(Debug, Default)]
    pub(crate) struct Shared<T>(Mutex<T>);

    impl<T> Shared<T> {
        pub(crate) fn new(value: T) -> Self {
            Self(Mutex::new(value))
        }

        pub(crate) fn get(&self) -> MutexGuard<'_, T> {
            self.0.lock().unwrap_or_else(PoisonError::into_inner)
        }
    }
}

/// A server at a port, which it has again when it is started again.
pub(crate) struct Web {
    pub(crate) site: Arc<Site>,
    address: SocketAddr,
    runtime: Option<Runtime>,
}

impl Web {
    pub(crate) fn start() -> Self {
        let port = weir_tests::cluster::free_port().expect("a port");
        let mut web = Self {
            site: Arc::new(Site {
                asked: Shared::default(),
                next: Shared::default(),
                routes: Shared::default(),
                then: Shared::new(Answer::of(200, "")),
                at_once: AtomicUsize::new(0),
                most_at_once: AtomicUsize::new(0),
                events: watch::channel(0).0,
                stream_end: Shared::default(),
            }),
            address: SocketAddr::from(([127, 0, 0, 1], port)),
            runtime: None,
        };
        web.start_again();
        web
    }

    pub(crate) fn start_again(&mut self) {
        assert!(self.runtime.is_none(), "it runs");
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a runtime");
        let listener = std::net::TcpListener::bind(self.address).expect("the port is free");
        listener.set_nonblocking(true).expect("it may wait");
        let router = Router::new().fallback(answer).with_state(Arc::clone(&self.site));
        runtime.spawn(async move {
            let listener = TcpListener::from_std(listener).expect("a listener");
            let _ = axum::serve(listener, router).await;
        });
        self.runtime = Some(runtime);
    }

    pub(crate) fn stop(&mut self) {
        self.runtime.take().expect("it runs").shutdown_background();
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// What is answered next, one after the other.
    pub(crate) fn answer(&self, answers: impl IntoIterator<Item = Answer>) {
        self.site.next.get().extend(answers);
    }

    /// What was asked since the last call.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        std::mem::take(&mut *self.site.asked.get())
    }
}

impl Drop for Web {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

async fn answer(State(site): State<Arc<Site>>, request: Request) -> Response {
    let now = site.at_once.fetch_add(1, Ordering::SeqCst) + 1;
    site.most_at_once.fetch_max(now, Ordering::SeqCst);
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, usize::MAX).await.expect("a body");
    let asked = Asked {
        method: parts.method,
        path: parts.uri.to_string(),
        headers: parts.headers,
        body,
    };
    site.asked.get().push(asked.clone());
    let next = site.next.get().pop_front();
    let response = match next {
        None if asked.path.starts_with("/events") => events(&site, &asked),
        next => {
            let at_path = site.routes.get().get(&asked.path).cloned();
            let answer = next.or(at_path).unwrap_or_else(|| site.then.get().clone());
            SystemClock::new().sleep(answer.after).await;
            let mut response = Response::builder().status(answer.status);
            for (name, value) in &answer.headers {
                response = response.header(*name, value);
            }
            response.body(Body::from(answer.body)).expect("a response")
        }
    };
    site.at_once.fetch_sub(1, Ordering::SeqCst);
    response
}

/// A stream of the events behind the one that is named; it goes on as there are more.
fn events(site: &Arc<Site>, asked: &Asked) -> Response {
    let last = asked
        .header("last-event-id")
        .and_then(|id| id.parse::<i64>().ok())
        .unwrap_or(0);
    let end = *site.stream_end.get();
    let of_site = (last, site.events.subscribe());
    let text = stream::unfold(of_site, move |(last, mut events)| async move {
        if end.is_some_and(|end| last >= end) {
            return None;
        }
        let total = *events.wait_for(|total| *total > last).await.ok()?;
        let kind = if (last + 1) % 10 == 0 { "tenth" } else { "message" };
        let text = format!(
            "event: {kind}\nid: {}\ndata: {{\"n\":{}}}\n\n",
            last + 1,
            last + 1
        );
        assert!(total > last);
        Some((Ok::<_, std::io::Error>(text), (last + 1, events)))
    });
    let response = Response::builder().status(StatusCode::OK);
    let response = response.header("content-type", "text/event-stream; charset=utf-8");
    response.body(Body::from_stream(text)).expect("a response")
}

/// A server of WebSockets: takes connections one after the other, says what it was told, and sends numbers.
pub(crate) struct Sockets {
    listener: TcpListener,
}

/// A connection that somebody made.
pub(crate) struct Socket(tokio_tungstenite::WebSocketStream<tokio::net::TcpStream>);

impl Sockets {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await;
        Self {
            listener: listener.expect("a port"),
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("ws://{}/feed", self.listener.local_addr().expect("an address"))
    }

    /// The next connection.
    pub(crate) async fn accept(&self) -> Socket {
        let accepted = tokio::time::timeout(Duration::from_secs(20), async {
            let (stream, _) = self.listener.accept().await.expect("a connection");
            tokio_tungstenite::accept_async(stream)
                .await
                .expect("a handshake")
        });
        Socket(accepted.await.expect("somebody connects"))
    }

    /// Answers the next connection with an error.
    pub(crate) async fn refuse(&self, status: &str) {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let (mut stream, _) = self.listener.accept().await.expect("a connection");
        let mut request = [0; 4096];
        let _ = stream.read(&mut request).await;
        let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n");
        stream.write_all(answer.as_bytes()).await.expect("is sent");
    }
}

impl Socket {
    pub(crate) async fn send(&mut self, message: Message) {
        self.0.send(message).await.expect("is sent");
    }

    /// The next message that is not about the connection.
    pub(crate) async fn text(&mut self) -> String {
        let heard = tokio::time::timeout(Duration::from_secs(20), async {
            loop {
                if let Message::Text(text) = self.0.next().await.expect("a message").expect("a message") {
                    return text.to_string();
                }
            }
        });
        heard.await.expect("a message in time")
    }
}
