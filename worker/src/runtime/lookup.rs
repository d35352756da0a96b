//! Rows of lookup joins on their way to a table outside and back, in order, with all that was said behind them.
//!
//! A lookup join is a node of its chain whose messages leave the chain and come back: rows with their answers, watermarks and
//! the end behind the rows that they came behind. Questions are on their way at once, as many as the join allows and as
//! long as their rows are not too large together; then the task waits, which holds back what feeds it.

use std::{
    future::poll_fn,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Duration,
};

use arrow_array::{Array, ArrayRef};
use arrow_schema::SchemaRef;
use futures::{StreamExt, future::BoxFuture, stream::FuturesOrdered};
use weir_connector::{Found, Lookup, LookupContext, Secrets, connector};
use weir_env::Clock;
use weir_model::Failure;
use weir_proto::graph;

use super::{message::Message, place::Place, subtask::table};
use crate::operator::lookup::{self, LookupJoin};

/// Bytes of rows that may be on their way in one lookup join; one batch may exceed it.
const BYTES_ON_THE_WAY: usize = 16 << 20;

/// What comes back for one message, with the bytes that it was counted as.
type Answer = (usize, Result<Vec<Message>, Failure>);

/// The questions of one lookup join.
struct Questions {
    /// The node that they leave.
    node: usize,
    asker: Arc<Asker>,
    capacity: usize,
    on_the_way: FuturesOrdered<BoxFuture<'static, Answer>>,
    bytes: usize,
}

impl Questions {
    fn is_full(&self) -> bool {
        self.on_the_way.len() >= self.capacity || self.bytes >= BYTES_ON_THE_WAY
    }

    fn push(&mut self, message: Message) {
        let bytes = message.bytes();
        self.bytes += bytes;
        let asker = Arc::clone(&self.asker);
        self.on_the_way
            .push_back(Box::pin(async move { (bytes, asker.answer(message).await) }));
    }
}

/// How the table of one lookup join is asked.
struct Asker {
    join: LookupJoin,
    lookup: Arc<dyn Lookup>,
    clock: Arc<dyn Clock>,
    timeout: Duration,
    /// How often a key without rows is asked for again, and how long after.
    retries: u32,
    retry_delay: Duration,
}

impl Asker {
    async fn answer(&self, message: Message) -> Result<Vec<Message>, Failure> {
        let Message::Batch(batch) = message else {
            return Ok(vec![message]);
        };
        let asking = self.join.ask(batch)?;
        let found = match &asking.keys {
            None => None,
            Some(keys) => Some(tokio::select! {
                biased;
                found = self.find(keys) => found?,
                () = self.clock.sleep(self.timeout) => {
                    return Err(Failure::external(format!(
                        "a lookup took longer than {} ms: see 'table.exec.async-lookup.timeout'",
                        self.timeout.as_millis()
                    )));
                }
            }),
        };
        let batches = self.join.join(&asking, found)?;
        Ok(batches.into_iter().map(Message::Batch).collect())
    }

    /// Asks, and asks again for the keys without rows as often as a hint wants.
    async fn find(&self, keys: &[ArrayRef]) -> Result<Found, Failure> {
        let mut found = self.lookup.lookup(keys).await?;
        let rows = keys.first().map_or(0, Array::len);
        for _ in 0..self.retries {
            let missing = lookup::missing(&found, rows);
            if missing.is_empty() {
                break;
            }
            self.clock.sleep(self.retry_delay).await;
            let again = lookup::some_of(keys, &missing)?;
            let again = self.lookup.lookup(&again).await?;
            found = lookup::merged(&found, &again, &missing)?;
        }
        Ok(found)
    }
}

/// The questions of all lookup joins of a subtask.
pub struct Lookups {
    joins: Vec<Questions>,
    place: Arc<Place>,
}

/// Opens the table of a lookup join, the operator at a position of the chain.
pub struct Opening<'a> {
    /// What the operator does.
    pub spec: &'a graph::LookupJoin,
    /// The schema of the rows that it takes.
    pub input: SchemaRef,
    /// The schema of the rows that it emits.
    pub output: SchemaRef,
    /// Its position.
    pub node: usize,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// What its table names by `${secret:name}`.
    pub secrets: &'a Secrets,
}

impl Lookups {
    /// None yet.
    pub fn new(place: Arc<Place>) -> Self {
        Self {
            joins: Vec::new(),
            place,
        }
    }

    /// Adds a lookup join; waits until its table can be asked.
    pub async fn open(&mut self, opening: Opening<'_>) -> Result<(), Failure> {
        let Opening {
            spec,
            input,
            output,
            node,
            clock,
            secrets,
        } = opening;
        let join = LookupJoin::new(spec, &input, output)?;
        let table = table(spec.table.as_ref(), secrets)?;
        let factory = connector(&table.connector)
            .and_then(|c| c.lookup(&table))
            .map_err(|e| Failure::user(e.to_string()))?;
        let context = LookupContext {
            keys: spec.table_keys.iter().map(|key| *key as usize).collect(),
            key_types: join.key_types(&input),
            schema: Arc::clone(join.lookup_schema()),
            clock: Arc::clone(&clock),
        };
        let lookup = factory.open(context).await?;
        self.joins.push(Questions {
            node,
            asker: Arc::new(Asker {
                join,
                lookup,
                clock,
                timeout: Duration::from_millis(spec.timeout_ms.max(1)),
                retries: spec.retries,
                retry_delay: Duration::from_millis(spec.retry_delay_ms),
            }),
            capacity: spec.capacity.max(1) as usize,
            on_the_way: FuturesOrdered::new(),
            bytes: 0,
        });
        Ok(())
    }

    /// Whether any join has no room for a further message.
    pub fn is_full(&self) -> bool {
        self.joins.iter().any(Questions::is_full)
    }

    /// Whether nothing is on its way.
    pub fn is_empty(&self) -> bool {
        self.joins.iter().all(|join| join.on_the_way.is_empty())
    }

    /// Sends a message of the lookup join at a position on its way.
    pub fn push(&mut self, node: usize, message: Message) -> Result<(), Failure> {
        let join = self.joins.iter_mut().find(|join| join.node == node);
        join.ok_or_else(|| Failure::internal("a message for a table that was not opened"))?
            .push(message);
        Ok(())
    }

    /// What has come back next, with the position of the lookup join, if it has.
    pub fn try_next(&mut self) -> Result<Option<(usize, Vec<Message>)>, Failure> {
        match self.poll_next(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(next) => next.map(Some),
            Poll::Pending => Ok(None),
        }
    }

    /// What comes back next; waits for ever if nothing is on its way. Cancel-safe.
    pub async fn next(&mut self) -> Result<(usize, Vec<Message>), Failure> {
        poll_fn(|context| self.poll_next(context)).await
    }

    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Result<(usize, Vec<Message>), Failure>> {
        for join in &mut self.joins {
            if let Poll::Ready(Some((bytes, answer))) = join.on_the_way.poll_next_unpin(context) {
                join.bytes -= bytes;
                if answer.is_err() {
                    self.place.enter(join.node);
                }
                return Poll::Ready(answer.map(|messages| (join.node, messages)));
            }
        }
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use arrow_array::{Int64Array, RecordBatch, cast::AsArray, types::Int64Type};
    use arrow_schema::{DataType, Field, Schema};
    use async_trait::async_trait;
    use futures::FutureExt;
    use parking_lot::Mutex;
    use tokio::sync::oneshot;
    use weir_connector::ConnectorError;
    use weir_env::ManualClock;
    use weir_model::{EventTime, FailureClass};
    use weir_proto::{graph::join::Type, schema};

    use super::*;
    use crate::expression::testing;

    fn numbers(name: &str) -> SchemaRef {
        Arc::new(Schema::new(vec![Field::new(name, DataType::Int64, true)]))
    }

    fn batch(keys: &[i64]) -> Message {
        let keys: ArrayRef = Arc::new(Int64Array::from(keys.to_vec()));
        Message::Batch(RecordBatch::try_new(numbers("k"), vec![keys]).expect("one column"))
    }

    /// Answers when it is let: each positive key has one row, its tenfold.
    #[derive(Debug, Default)]
    struct Held {
        questions: Mutex<Vec<(Vec<i64>, oneshot::Sender<()>)>>,
    }

    impl Held {
        fn asked(&self) -> Vec<Vec<i64>> {
            self.questions
                .lock()
                .iter()
                .map(|(keys, _)| keys.clone())
                .collect()
        }

        fn release(&self, question: usize) {
            self.questions
                .lock()
                .remove(question)
                .1
                .send(())
                .expect("it waits");
        }
    }

    #[async_trait]
    impl Lookup for Held {
        async fn lookup(&self, keys: &[ArrayRef]) -> Result<Found, ConnectorError> {
            let keys = keys[0].as_primitive::<Int64Type>().values().to_vec();
            let (release, released) = oneshot::channel();
            self.questions.lock().push((keys.clone(), release));
            if released.await.is_err() {
                return Err(ConnectorError::external("the table is away"));
            }
            let has_row = |(_, key): &(u32, i64)| *key > 0;
            let (of, values): (Vec<u32>, Vec<i64>) = (0_u32..).zip(keys).filter(has_row).unzip();
            let values: ArrayRef = Arc::new(Int64Array::from_iter_values(values.iter().map(|v| v * 10)));
            let rows = RecordBatch::try_new(numbers("v"), vec![values]).expect("one column");
            Ok(Found { rows, keys: of })
        }
    }

    fn lookups(held: &Arc<Held>, clock: &ManualClock, capacity: usize, retries: u32) -> Lookups {
        let right = testing::named("v", &testing::column("v", &numbers("v")));
        let spec = graph::LookupJoin {
            r#type: Type::Left.into(),
            table_keys: vec![0],
            input_keys: vec![0],
            lookup_schema: schema::encode(&numbers("v")).expect("encodes"),
            right: vec![right],
            output: vec![0, 1],
            ..graph::LookupJoin::default()
        };
        let fields = ["k", "v"].map(|name| Field::new(name, DataType::Int64, true));
        let output = Arc::new(Schema::new(fields.to_vec()));
        let asker = Asker {
            join: LookupJoin::new(&spec, &numbers("k"), output).expect("fits"),
            lookup: Arc::clone(held) as _,
            clock: Arc::new(clock.clone()),
            timeout: Duration::from_secs(10),
            retries,
            retry_delay: Duration::from_secs(1),
        };
        let mut lookups = Lookups::new(Arc::new(Place::new(0, vec![(7, "lookup".to_owned())])));
        lookups.joins.push(Questions {
            node: 0,
            asker: Arc::new(asker),
            capacity,
            on_the_way: FuturesOrdered::new(),
            bytes: 0,
        });
        lookups
    }

    /// What has come back next: `1:10 2:20`, or what was said.
    fn came(lookups: &mut Lookups) -> Option<String> {
        let (_, messages) = lookups.try_next().expect("works")?;
        let texts = messages.iter().map(|message| match message {
            Message::Batch(batch) => {
                let column = |i: usize| batch.column(i).as_primitive::<Int64Type>();
                let pairs = column(0).iter().zip(column(1));
                let text = |n: Option<i64>| n.map_or("null".to_owned(), |n| n.to_string());
                pairs
                    .map(|(k, v)| format!("{}:{}", text(k), text(v)))
                    .collect::<Vec<_>>()
                    .join(" ")
            }
            Message::Watermark(at) => at.to_string(),
            Message::Barrier(barrier) => format!("|{}", barrier.checkpoint),
            Message::Idle => "idle".to_owned(),
            Message::End => "end".to_owned(),
        });
        Some(texts.collect::<Vec<_>>().join(", "))
    }

    #[test]
    fn answers_come_back_in_order_with_what_was_said_behind_them() {
        let (held, clock) = (Arc::<Held>::default(), ManualClock::new());
        let mut lookups = lookups(&held, &clock, 3, 0);
        lookups.push(0, batch(&[1, -2])).expect("is open");
        lookups
            .push(0, Message::Watermark(EventTime(7)))
            .expect("is open");
        assert!(!lookups.is_full());
        lookups.push(0, batch(&[3])).expect("is open");
        assert!(lookups.is_full());
        assert_eq!(came(&mut lookups), None);
        assert_eq!(held.asked(), [vec![1, -2], vec![3]], "both are on their way");
        held.release(1);
        assert_eq!(came(&mut lookups), None, "the first one is not there yet");
        held.release(0);
        assert_eq!(came(&mut lookups).as_deref(), Some("1:10 -2:null"));
        assert_eq!(came(&mut lookups).as_deref(), Some("7"));
        assert_eq!(came(&mut lookups).as_deref(), Some("3:30"));
        assert!(lookups.is_empty());
        assert!(lookups.next().now_or_never().is_none(), "nothing is on its way");
    }

    #[test]
    fn a_lookup_that_takes_too_long_or_fails_is_a_failure_of_the_outside() {
        let (held, clock) = (Arc::<Held>::default(), ManualClock::new());
        let mut lookups = lookups(&held, &clock, 3, 0);
        lookups.push(0, batch(&[1])).expect("is open");
        assert_eq!(came(&mut lookups), None);
        clock.advance(Duration::from_secs(10));
        let failure = lookups.try_next().expect_err("too long");
        assert_eq!(failure.class, FailureClass::External);
        assert!(failure.message.contains("longer than 10000 ms"), "{failure}");
        assert_eq!(
            lookups.place.locate(failure).operator_name.as_deref(),
            Some("lookup")
        );
        lookups.push(0, batch(&[1])).expect("is open");
        assert_eq!(came(&mut lookups), None);
        held.questions.lock().clear();
        let failure = lookups.try_next().expect_err("away");
        assert_eq!(
            (failure.class, failure.message.as_str()),
            (FailureClass::External, "the table is away")
        );
    }

    #[test]
    fn keys_without_rows_are_asked_for_again_as_a_hint_wants() {
        let (held, clock) = (Arc::<Held>::default(), ManualClock::new());
        let mut lookups = lookups(&held, &clock, 3, 2);
        lookups.push(0, batch(&[-1, 2, -3])).expect("is open");
        for question in [vec![-1, 2, -3], vec![-1, -3], vec![-1, -3]] {
            assert_eq!(came(&mut lookups), None);
            assert_eq!(held.asked(), [question]);
            held.release(0);
            // The answer, then the wait before the next question.
            if let Some(rows) = came(&mut lookups) {
                assert_eq!(rows, "-1:null 2:20 -3:null");
                return;
            }
            clock.advance(Duration::from_secs(1));
        }
        panic!("the last question was not the last");
    }
}
