//! The sink of `http`: rows in requests.

use std::{mem, sync::Arc};

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use async_trait::async_trait;
use bytes::Bytes;
use futures::{StreamExt, future::BoxFuture, stream::FuturesUnordered};
use reqwest::{
    Client, Method, Url,
    header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue},
};
use weir_env::Clock;

use super::{
    options::{BODY, IDEMPOTENCY_HEADER, MAX_IN_FLIGHT, MAX_ROWS, METHOD, SINK_RETRIES},
    read::retries,
    record::{Body, HEADERS, IDEMPOTENCY_KEY, URL},
    target::{Refused, Target, good, parse, shown, unanswered},
};
use crate::{
    ChangelogMode, ConnectorError, OptionError, Sink, SinkContext, SinkFactory, Table,
    format::Format,
    messages::{self, Outgoing, Retries},
    options::{Checked, invalid},
    origin,
};

/// A request has no more bytes than about this.
const MAX_BYTES: usize = 4 << 20;

/// A checked table to write.
#[derive(Clone, Debug)]
pub(super) struct Factory {
    target: Target,
    method: Method,
    body: Body,
    max_rows: usize,
    idempotency_header: Option<HeaderName>,
    max_in_flight: usize,
    max_retries: u32,
    format: Format,
    schema: SchemaRef,
}

impl Factory {
    pub(super) fn new(options: &Checked<'_>, format: Format, table: &Table) -> Result<Self, OptionError> {
        format.check_columns(&origin::in_rows(&table.schema))?;
        let body = Body::named(options.word(BODY));
        let is_json = matches!(format, Format::Json(_) | Format::ChangeJson(_));
        let is_text = is_json || matches!(format, Format::Csv(_));
        match body {
            Body::Array if !is_json => {
                return Err(invalid(BODY, "'array' is of JSON: say 'lines' or 'record'"));
            }
            Body::Lines if !is_text => return Err(invalid(BODY, "'lines' is of text: say 'record'")),
            _ => {}
        }
        let said = table
            .schema
            .fields()
            .iter()
            .find(|field| origin::metadata_key(field).is_some() && !origin::is_read_only(field));
        if let Some(field) = said.filter(|_| body != Body::Record) {
            return Err(invalid(
                BODY,
                format!(
                    "must be 'record' where a column says something of a request: '{}' does",
                    field.name()
                ),
            ));
        }
        let name = options.text(IDEMPOTENCY_HEADER).map(|name| name.trim().parse());
        let method = options.word(METHOD).unwrap_or("POST");
        Ok(Self {
            target: Target::new(options, &["http", "https"])?,
            method: method.parse().map_err(|_| invalid(METHOD, "is no method"))?,
            body,
            max_rows: if body == Body::Record {
                1
            } else {
                options.int_at_least(MAX_ROWS, 1)?.unwrap_or(1) as usize
            },
            idempotency_header: name
                .transpose()
                .map_err(|_| invalid(IDEMPOTENCY_HEADER, "is no name of a header"))?,
            max_in_flight: options.int_at_least(MAX_IN_FLIGHT, 1)?.unwrap_or(1) as usize,
            max_retries: retries(options, SINK_RETRIES)?,
            format,
            schema: Arc::clone(&table.schema),
        })
    }

    fn content_type(&self) -> &'static str {
        match (&self.format, self.body) {
            (Format::Json(_) | Format::ChangeJson(_), Body::Lines) => "application/x-ndjson",
            (Format::Json(_) | Format::ChangeJson(_), _) => "application/json",
            (Format::Csv(_), _) => "text/csv",
            _ => "application/octet-stream",
        }
    }
}

#[async_trait]
impl SinkFactory for Factory {
    fn changelog_mode(&self) -> ChangelogMode {
        self.format.changelog_mode()
    }

    async fn check(&self) -> Result<(), OptionError> {
        // Whether rows are taken is only known when some are sent; whether somebody is there, before.
        let checked = async {
            let client = self.target.client(false)?;
            let doing = format!("OPTIONS {}", self.target.name());
            let asked = client
                .request(Method::OPTIONS, self.target.url.clone())
                .timeout(self.target.timeout);
            asked.send().await.map_err(|error| unanswered(&doing, error))
        };
        checked
            .await
            .map(drop)
            .map_err(|error: ConnectorError| OptionError::Unavailable {
                reason: error.message,
            })
    }

    async fn open(&self, context: SinkContext) -> Result<Box<dyn Sink>, ConnectorError> {
        Ok(Box::new(Writer {
            client: self.target.client(false)?,
            outgoing: Outgoing::new(self.format.clone(), &self.schema),
            factory: self.clone(),
            keys: weir_env::ids::system().next().to_string(),
            requests: 0,
            gathered: Gathered::default(),
            sent: FuturesUnordered::new(),
            clock: context.clock,
        }))
    }
}

/// Rows of the next request.
#[derive(Debug, Default)]
struct Gathered {
    body: Vec<u8>,
    rows: usize,
}

/// Writes one subtask's rows.
struct Writer {
    factory: Factory,
    client: Client,
    outgoing: Outgoing,
    /// What keys of requests begin with: of no other writer's.
    keys: String,
    requests: u64,
    gathered: Gathered,
    /// Requests that are on their way.
    sent: FuturesUnordered<BoxFuture<'static, Result<(), ConnectorError>>>,
    clock: Arc<dyn Clock>,
}

#[async_trait]
impl Sink for Writer {
    async fn write(&mut self, batch: RecordBatch) -> Result<(), ConnectorError> {
        let encoded = self.outgoing.encode(&batch);
        encoded.map_err(|error| ConnectorError::internal(format!("rows as messages: {error}")))?;
        for row in 0..self.outgoing.len() {
            if self.factory.body == Body::Record {
                let request = self.request_of(row)?;
                self.send(request).await?;
                continue;
            }
            self.gathered.add(self.outgoing.get(row), self.factory.body);
            if self.gathered.rows >= self.factory.max_rows || self.gathered.body.len() >= MAX_BYTES {
                self.send_gathered().await?;
            }
        }
        Ok(())
    }

    async fn flush(&mut self) -> Result<(), ConnectorError> {
        if self.gathered.rows > 0 {
            self.send_gathered().await?;
        }
        while let Some(answered) = self.sent.next().await {
            answered?;
        }
        Ok(())
    }

    async fn finish(&mut self) -> Result<Vec<String>, ConnectorError> {
        self.flush().await?;
        Ok(Vec::new())
    }
}

impl Gathered {
    fn add(&mut self, record: &[u8], body: Body) {
        self.body.extend_from_slice(match (body, self.rows) {
            (Body::Array, 0) => b"[",
            (Body::Array, _) => b",",
            _ => b"",
        });
        self.body.extend_from_slice(record);
        if body == Body::Lines {
            self.body.push(b'\n');
        }
        self.rows += 1;
    }

    fn take(&mut self, body: Body) -> Vec<u8> {
        if body == Body::Array {
            self.body.push(b']');
        }
        self.rows = 0;
        mem::take(&mut self.body)
    }
}

impl Writer {
    /// The request of one row, with what columns say of it.
    fn request_of(&mut self, row: usize) -> Result<Request, ConnectorError> {
        let url = match messages::text(self.outgoing.texts(URL), row) {
            None => self.factory.target.url.clone(),
            Some(text) => parse(text, &["http", "https"]).ok_or_else(|| {
                ConnectorError::user("the URL of a row is none: it begins with http:// or https://")
            })?,
        };
        let mut headers = HeaderMap::new();
        for (name, value) in messages::entries(self.outgoing.entries(HEADERS), row) {
            let wrong =
                || ConnectorError::user(format!("'{name}' is no header, or its value is no line of text"));
            let key: HeaderName = name.parse().map_err(|_| wrong())?;
            headers.insert(key, HeaderValue::from_bytes(&value).map_err(|_| wrong())?);
        }
        let key = messages::text(self.outgoing.texts(IDEMPOTENCY_KEY), row).map(str::to_owned);
        let body = Bytes::copy_from_slice(self.outgoing.get(row));
        self.request(url, headers, key, body)
    }

    async fn send_gathered(&mut self) -> Result<(), ConnectorError> {
        let body = self.gathered.take(self.factory.body).into();
        let request = self.request(self.factory.target.url.clone(), HeaderMap::new(), None, body)?;
        self.send(request).await
    }

    fn request(
        &mut self,
        url: Url,
        mut headers: HeaderMap,
        key: Option<String>,
        body: Bytes,
    ) -> Result<Request, ConnectorError> {
        self.requests += 1;
        if let Some(name) = &self.factory.idempotency_header {
            let key = key.unwrap_or_else(|| format!("{}-{}", self.keys, self.requests));
            let key = key
                .parse()
                .map_err(|_| ConnectorError::user("an idempotency key is no line of text"))?;
            headers.insert(name.clone(), key);
        }
        if !headers.contains_key(CONTENT_TYPE) && !self.factory.target.headers.contains_key(CONTENT_TYPE) {
            headers.insert(
                CONTENT_TYPE,
                HeaderValue::from_static(self.factory.content_type()),
            );
        }
        Ok(Request {
            doing: format!("{} {}", self.factory.method, shown(&url)),
            request: (self.factory.method.clone(), url, headers, body),
        })
    }

    /// Begins a request as soon as there may be one more.
    async fn send(&mut self, request: Request) -> Result<(), ConnectorError> {
        while self.sent.len() >= self.factory.max_in_flight
            && let Some(answered) = self.sent.next().await
        {
            answered?;
        }
        let retries = Retries::new(self.factory.max_retries, Arc::clone(&self.clock));
        let sending = request.send(
            self.client.clone(),
            self.factory.target.timeout,
            retries,
            Arc::clone(&self.clock),
        );
        self.sent.push(Box::pin(sending));
        Ok(())
    }
}

/// A request that is made until it is answered well, or badly.
struct Request {
    doing: String,
    request: (Method, Url, HeaderMap, Bytes),
}

impl Request {
    async fn send(
        self,
        client: Client,
        timeout: std::time::Duration,
        mut retries: Retries,
        clock: Arc<dyn Clock>,
    ) -> Result<(), ConnectorError> {
        let (method, url, headers, body) = self.request;
        loop {
            let request = client.request(method.clone(), url.clone());
            let request = request
                .headers(headers.clone())
                .body(body.clone())
                .timeout(timeout);
            let answered = match request.send().await {
                Ok(response) => good(&self.doing, response, clock.now_ms()).await.map(drop),
                Err(error) => Err(unanswered(&self.doing, error).into()),
            };
            match answered {
                Ok(()) => return Ok(()),
                Err(Refused {
                    error,
                    wait: Some(wait),
                }) => retries.after_at_least(error, wait).await?,
                Err(Refused { error, wait: None }) => retries.after(error).await?,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_gathered_as_the_body_says() {
        let check = |body: Body, expected: &str| {
            let mut gathered = Gathered::default();
            for round in 0..2 {
                for record in ["{\"n\":1}", "{\"n\":2}"] {
                    gathered.add(record.as_bytes(), body);
                }
                assert_eq!(gathered.rows, 2);
                assert_eq!(gathered.take(body), expected.as_bytes(), "round {round}");
                assert_eq!(gathered.rows, 0);
            }
        };
        check(Body::Array, "[{\"n\":1},{\"n\":2}]");
        check(Body::Lines, "{\"n\":1}\n{\"n\":2}\n");
    }
}
