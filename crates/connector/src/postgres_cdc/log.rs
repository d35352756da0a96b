//! The changes of a table, out of the server's log.

use std::collections::HashMap;

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use futures::future::poll_immediate;
use pgwire_replication::{Lsn, ReplicationClient, ReplicationEvent};

use super::{
    message::{Message, Relation, Tuple, Value},
    position::{Position, Within},
    rows::Rows,
    server::Server,
};
use crate::{ConnectorError, RowKind};

/// Changes on their way.
pub(super) struct Log {
    server: Server,
    client: ReplicationClient,
    /// The places of our columns in tables that the log names; none: another table.
    tables: HashMap<u32, Option<Places>>,
    rows: Rows,
    keys: Vec<String>,
    /// How far the rows come that are not taken yet.
    reached: Position,
    /// The transaction that is being read.
    transaction: Option<Transaction>,
    batch_rows: usize,
}

/// Where the values of a row are.
#[derive(Clone, Debug)]
struct Places {
    /// Of each of our columns.
    columns: Vec<usize>,
    /// Of the key.
    keys: Vec<usize>,
}

#[derive(Clone, Copy, Debug)]
struct Transaction {
    ends_at: u64,
    /// How many messages it has had.
    messages: u64,
    /// So many of them were read before.
    known: u64,
    /// The copy has seen it.
    is_seen: bool,
}

impl Log {
    /// Reads on from a position, whose copy is there.
    pub(super) async fn open(
        server: &Server,
        schema: &SchemaRef,
        keys: &[String],
        position: &Position,
        batch_rows: usize,
    ) -> Result<Self, ConnectorError> {
        let from = position.lsn.unwrap_or_default();
        let config = server.replication(from, from);
        let mut client = ReplicationClient::connect(config)
            .await
            .map_err(|error| server.broken(&error))?;
        client
            .wait_started()
            .await
            .map_err(|error| server.broken(&error))?;
        Ok(Self {
            server: server.clone(),
            client,
            tables: HashMap::new(),
            rows: Rows::new(schema)?,
            keys: keys.to_vec(),
            reached: position.clone(),
            transaction: None,
            batch_rows,
        })
    }

    /// The next rows, and how far they come. Cancel-safe.
    pub(super) async fn next(&mut self) -> Result<(RecordBatch, Position), ConnectorError> {
        loop {
            if self.rows.len() >= self.batch_rows {
                return self.take();
            }
            let event = match poll_immediate(self.client.recv()).await {
                Some(event) => event,
                None if self.rows.len() > 0 => return self.take(),
                None => self.client.recv().await,
            };
            match event.map_err(|error| self.server.broken(&error))? {
                Some(event) => self.on_event(event)?,
                None => return Err(ConnectorError::external("PostgreSQL has ended the log")),
            }
        }
    }

    /// How far the log was read where there are no rows that are not taken yet.
    pub(super) fn position(&self) -> Option<&Position> {
        (self.rows.len() == 0).then_some(&self.reached)
    }

    /// What lies before this position will never be asked for again: the server may forget it.
    pub(super) fn forget(&self, position: &Position) {
        if let Some(lsn) = position.lsn {
            self.client.update_applied_lsn(Lsn::from_u64(lsn));
        }
    }

    fn take(&mut self) -> Result<(RecordBatch, Position), ConnectorError> {
        Ok((self.rows.take()?, self.reached.clone()))
    }

    fn on_event(&mut self, event: ReplicationEvent) -> Result<(), ConnectorError> {
        match event {
            ReplicationEvent::Begin { final_lsn, xid, .. } => {
                let ends_at = final_lsn.as_u64();
                let within = self.reached.within.filter(|within| within.ends_at == ends_at);
                let seen = self.reached.seen.as_ref();
                self.transaction = Some(Transaction {
                    ends_at,
                    messages: 0,
                    known: within.map_or(0, |within| within.messages),
                    is_seen: seen.is_some_and(|seen| seen.has(xid, ends_at)),
                });
            }
            ReplicationEvent::XLogData { data, .. } => self.on_message(&data)?,
            ReplicationEvent::Commit { end_lsn, .. } => {
                self.transaction = None;
                self.reached.within = None;
                self.pass(end_lsn.as_u64());
            }
            // All of the log up to there was sent; what is of no use to us is never sent.
            ReplicationEvent::KeepAlive { wal_end, .. } if self.transaction.is_none() => {
                self.pass(wal_end.as_u64());
            }
            _ => {}
        }
        Ok(())
    }

    fn pass(&mut self, lsn: u64) {
        self.reached.lsn = self.reached.lsn.max(Some(lsn));
        if self.reached.seen.as_ref().is_some_and(|seen| lsn > seen.until) {
            self.reached.seen = None;
        }
    }

    fn on_message(&mut self, data: &[u8]) -> Result<(), ConnectorError> {
        let message = Message::parse(data)
            .ok_or_else(|| ConnectorError::external("PostgreSQL's log has a message that cannot be read"))?;
        if let Message::Relation(relation) = message {
            return self.on_relation(&relation);
        }
        let Some(transaction) = &mut self.transaction else {
            return Ok(());
        };
        transaction.messages += 1;
        let Transaction {
            ends_at,
            messages,
            known,
            is_seen,
        } = *transaction;
        if is_seen || messages <= known {
            return Ok(());
        }
        self.on_change(message)?;
        self.reached.within = Some(Within { ends_at, messages });
        Ok(())
    }

    fn on_relation(&mut self, relation: &Relation) -> Result<(), ConnectorError> {
        let is_ours = relation.schema == self.server.schema && relation.name == self.server.table;
        let place = |name: &str| {
            let place = relation.columns.iter().position(|column| column == name);
            place.ok_or_else(|| {
                ConnectorError::user(format!(
                    "{} has no column '{name}' any more",
                    self.server.table_sql()
                ))
            })
        };
        let places = if is_ours {
            let keys = self.keys.iter().map(|key| place(key)).collect::<Result<_, _>>()?;
            let columns = self.rows.names().map(place).collect::<Result<_, _>>()?;
            Some(Places { columns, keys })
        } else {
            None
        };
        self.tables.insert(relation.id, places);
        Ok(())
    }

    fn on_change(&mut self, message: Message<'_>) -> Result<(), ConnectorError> {
        match message {
            Message::Insert { relation, new } => self.add(relation, RowKind::Insert, &new),
            Message::Update { relation, old, new } => {
                let new = merged(new, old.as_ref());
                if let Some(old) = &old
                    && let Some(Some(places)) = self.tables.get(&relation)
                    && places.keys.iter().any(|key| old.get(*key) != new.get(*key))
                {
                    self.add(relation, RowKind::Delete, old)?;
                }
                self.add(relation, RowKind::UpdateAfter, &new)
            }
            Message::Delete { relation, old } => self.add(relation, RowKind::Delete, &old),
            Message::Truncate(relations) => {
                let is_ours = |id: &u32| matches!(self.tables.get(id), Some(Some(_)));
                if !relations.iter().any(is_ours) {
                    return Ok(());
                }
                Err(ConnectorError::user(format!(
                    "{} was truncated, which does not say which rows are no more: drop the slot '{}' and begin anew, and use DELETE instead",
                    self.server.table_sql(),
                    self.server.slot
                )))
            }
            Message::Relation(_) | Message::Other => Ok(()),
        }
    }

    fn add(&mut self, relation: u32, kind: RowKind, tuple: &Tuple<'_>) -> Result<(), ConnectorError> {
        match self.tables.get(&relation) {
            Some(Some(places)) => {
                let value = |place: &usize| tuple.get(*place).copied().unwrap_or(Value::Null);
                self.rows.add(kind, places.columns.iter().map(value))
            }
            Some(None) => Ok(()),
            None => Err(ConnectorError::external(
                "PostgreSQL's log has a change of a table that it did not name",
            )),
        }
    }
}

/// The row as it is now, with what was not said again as it was before.
fn merged<'a>(new: Tuple<'a>, old: Option<&Tuple<'a>>) -> Tuple<'a> {
    let before = |place: usize| old.and_then(|old| old.get(place)).copied();
    let value = |(place, value): (usize, Value<'a>)| match value {
        Value::Unchanged => before(place).filter(|old| *old != Value::Null).unwrap_or(value),
        value => value,
    };
    new.into_iter().enumerate().map(value).collect()
}
