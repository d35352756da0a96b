//! Kafka's protocol on a connection of our own: requests that librdkafka does not make.

use std::{fmt, io, time::Duration};

use bytes::{BufMut, Bytes, BytesMut};
use kafka_protocol::{
    messages::{
        ApiKey, DescribeTransactionsRequest, DescribeTransactionsResponse, EndTxnRequest, EndTxnResponse,
        FetchRequest, FetchResponse, FindCoordinatorRequest, FindCoordinatorResponse, InitProducerIdRequest,
        InitProducerIdResponse, ListTransactionsRequest, ListTransactionsResponse, MetadataRequest,
        MetadataResponse, RequestHeader, ResponseHeader, SaslAuthenticateRequest, SaslAuthenticateResponse,
        SaslHandshakeRequest, SaslHandshakeResponse,
    },
    protocol::{Decodable, Encodable, HeaderVersion, StrBytes},
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use super::{
    cluster::Trouble,
    security::{Login, Security},
};

/// How long a broker has to answer.
const TIMEOUT: Duration = Duration::from_secs(10);
/// An answer that is longer is none.
const MAX_ANSWER_BYTES: i32 = 256 << 20;

/// A request in the version in which it is sent: one that brokers since Kafka 3.0 know.
pub(super) trait Request: Encodable + HeaderVersion {
    const KEY: ApiKey;
    const VERSION: i16;
    type Answer: Decodable + HeaderVersion;
}

macro_rules! requests {
    ($($request:ident, $answer:ident, $key:ident, $version:literal;)*) => {
        $(impl Request for $request {
            const KEY: ApiKey = ApiKey::$key;
            const VERSION: i16 = $version;
            type Answer = $answer;
        })*
    };
}

requests! {
    FindCoordinatorRequest, FindCoordinatorResponse, FindCoordinator, 3;
    // From version 5 on it raises the producer's epoch, which a producer of librdkafka does not expect.
    EndTxnRequest, EndTxnResponse, EndTxn, 3;
    DescribeTransactionsRequest, DescribeTransactionsResponse, DescribeTransactions, 0;
    ListTransactionsRequest, ListTransactionsResponse, ListTransactions, 0;
    InitProducerIdRequest, InitProducerIdResponse, InitProducerId, 4;
    MetadataRequest, MetadataResponse, Metadata, 9;
    // The last that names topics and has no tagged fields.
    FetchRequest, FetchResponse, Fetch, 11;
    SaslHandshakeRequest, SaslHandshakeResponse, SaslHandshake, 1;
    SaslAuthenticateRequest, SaslAuthenticateResponse, SaslAuthenticate, 2;
}

/// A connection to a broker.
pub(super) struct Connection {
    stream: Box<dyn Stream>,
    asked: i32,
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").finish_non_exhaustive()
    }
}

/// Bytes to a broker and back, plain or not.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

impl Connection {
    /// To `host:port`, logged in.
    pub(super) async fn open(address: &str, security: &Security) -> Result<Self, Trouble> {
        let stream = in_time(TcpStream::connect(address)).await?;
        stream.set_nodelay(true)?;
        let stream = match security.tls()? {
            None => Box::new(stream) as Box<dyn Stream>,
            Some(tls) => in_time(tls.handshake(host(address), stream)).await?,
        };
        let mut connection = Self { stream, asked: 0 };
        if let Some(login) = security.login() {
            connection.log_in(login).await?;
        }
        Ok(connection)
    }

    async fn log_in(&mut self, login: &Login) -> Result<(), Trouble> {
        let mechanism = StrBytes::from_string(login.mechanism().to_owned());
        let handshake = SaslHandshakeRequest::default().with_mechanism(mechanism);
        let answer = self.ask(&handshake).await?;
        if answer.error_code != 0 {
            let known: Vec<_> = answer.mechanisms.iter().map(StrBytes::as_str).collect();
            return Err(Trouble::Wrong(format!(
                "the broker takes no login by {}, but by {}",
                login.mechanism(),
                known.join(", ")
            )));
        }
        let mut steps = login.steps()?;
        let mut words = Some(steps.first());
        while let Some(said) = words {
            let request = SaslAuthenticateRequest::default().with_auth_bytes(said.into());
            let answer = self.ask(&request).await?;
            if answer.error_code != 0 {
                let why = answer
                    .error_message
                    .map(|why| why.to_string())
                    .unwrap_or_default();
                return Err(Trouble::Wrong(format!("the broker refuses the login: {why}")));
            }
            words = steps.next(&answer.auth_bytes).map_err(Trouble::Wrong)?;
        }
        Ok(())
    }

    /// Asks and waits for the answer. After an error the connection is of no use.
    pub(super) async fn ask<R: Request>(&mut self, request: &R) -> io::Result<R::Answer> {
        self.asked += 1;
        let frame = frame(request, self.asked)?;
        let mut answer = in_time(async {
            self.stream.write_all(&frame).await?;
            self.stream.flush().await?;
            let size = self.stream.read_i32().await?;
            if !(0..=MAX_ANSWER_BYTES).contains(&size) {
                return Err(io::Error::other(format!("an answer of {size} bytes")));
            }
            let mut answer = vec![0; size as usize];
            self.stream.read_exact(&mut answer).await?;
            Ok(Bytes::from(answer))
        })
        .await?;
        let header =
            ResponseHeader::decode(&mut answer, R::Answer::header_version(R::VERSION)).map_err(bad)?;
        if header.correlation_id != self.asked {
            return Err(io::Error::other("the answer is to another request"));
        }
        R::Answer::decode(&mut answer, R::VERSION).map_err(bad)
    }
}

/// The host of `host:port`.
fn host(address: &str) -> &str {
    let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
    host.trim_start_matches('[').trim_end_matches(']')
}

fn frame<R: Request>(request: &R, number: i32) -> io::Result<BytesMut> {
    let header = RequestHeader::default()
        .with_request_api_key(R::KEY as i16)
        .with_request_api_version(R::VERSION)
        .with_correlation_id(number)
        .with_client_id(Some(StrBytes::from_static_str("weir")));
    let mut frame = BytesMut::new();
    frame.put_i32(0);
    header
        .encode(&mut frame, R::header_version(R::VERSION))
        .map_err(bad)?;
    request.encode(&mut frame, R::VERSION).map_err(bad)?;
    let size = frame.len() as i32 - 4;
    frame[..4].copy_from_slice(&size.to_be_bytes());
    Ok(frame)
}

async fn in_time<T>(work: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    match timeout(TIMEOUT, work).await {
        Ok(done) => done,
        Err(_) => Err(io::Error::new(
            io::ErrorKind::TimedOut,
            format!("no answer within {TIMEOUT:?}"),
        )),
    }
}

fn bad(error: impl ToString) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error.to_string())
}
