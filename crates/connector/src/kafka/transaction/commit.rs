//! What a checkpoint says of a transaction, and committing it.

use kafka_protocol::ResponseError;
use serde::{Deserialize, Serialize};

use super::{
    cluster::{Cluster, Trouble},
    ids::Transaction,
    log::{self, End},
};
use crate::ConnectorError;

/// A transaction whose rows are all in their topic, to be committed when its checkpoint is there.
///
/// Producer id and epoch make it unlike any other that there ever was: each has a producer of its own, and a new producer raises the epoch.
/// So a commit, however late, cannot end another transaction than the one that it means.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Prepared {
    pub(super) transactional_id: String,
    pub(super) producer_id: i64,
    pub(super) epoch: i16,
    /// Whose rows it has; none: those up to the end of the job.
    pub(super) checkpoint: Option<u64>,
    /// Where the last of its records is.
    pub(super) topic: String,
    pub(super) partition: i32,
    pub(super) offset: i64,
}

/// What has become of a transaction that the coordinator does not know any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Found {
    Ended(End),
    /// Its records are in the log without an end.
    Open,
    /// The log does not begin before them.
    Expired,
    /// They are not where they were.
    Missing,
}

impl Prepared {
    /// As it stands in a checkpoint.
    pub(super) fn parse(text: &str) -> Result<Self, ConnectorError> {
        serde_json::from_str(text).map_err(|error| {
            ConnectorError::internal(format!("'{text}' is no prepared transaction: {error}"))
        })
    }

    /// Commits it, unless it was committed before. An error if it was aborted: its rows are lost.
    ///
    /// The coordinator knows the last transaction of an id only. Where it answers that it knows another one, or none, the log of the
    /// topic decides, which has a marker behind the rows of each transaction.
    pub(super) async fn commit(&self, cluster: &Cluster) -> Result<(), ConnectorError> {
        let ended = cluster
            .commit(&self.transactional_id, self.producer_id, self.epoch)
            .await;
        let refused = match ended {
            Ok(()) => return Ok(()),
            Err(Trouble::Refused(
                error @ (ResponseError::ProducerFenced
                | ResponseError::InvalidProducerEpoch
                | ResponseError::InvalidProducerIdMapping
                | ResponseError::InvalidTxnState
                | ResponseError::TransactionalIdNotFound
                | ResponseError::UnknownProducerId),
            )) => error,
            Err(trouble) => return Err(trouble.into_error(&self.doing("cannot commit"))),
        };
        let found = self.find(cluster).await.map_err(|trouble| {
            trouble.into_error(&self.doing("cannot find out whether the cluster has committed"))
        })?;
        match found {
            Found::Ended(End::Committed) => Ok(()),
            Found::Expired => {
                tracing::warn!(
                    transaction = ?self,
                    "the topic no longer has the rows of a transaction that is to be committed: it is taken for committed"
                );
                Ok(())
            }
            Found::Ended(End::Aborted) => Err(self.lost(&format!(
                "it was aborted ({refused}), as one is that is open for longer than `transaction.timeout.ms`"
            ))),
            Found::Open => Err(self.lost(&format!("the cluster is about to abort it ({refused})"))),
            Found::Missing => Err(self.lost(&format!(
                "the coordinator does not know it any more ({refused}), and its last record is not where it was"
            ))),
        }
    }

    /// That the broker has ended it although it was not committed.
    pub(super) fn lost(&self, why: &str) -> ConnectorError {
        let rows = match self.checkpoint {
            Some(checkpoint) => format!("rows of checkpoint {checkpoint}"),
            None => "the last rows".to_owned(),
        };
        let Self {
            transactional_id,
            topic,
            ..
        } = self;
        ConnectorError::external(format!(
            "{rows} for topic '{topic}' may be missing: of their transaction '{transactional_id}', {why}; begin from an earlier \
             checkpoint or savepoint"
        ))
    }

    fn doing(&self, what: &str) -> String {
        format!(
            "{what} transaction '{}' of topic '{}'",
            self.transactional_id, self.topic
        )
    }

    /// Looks in the log for what ended it, from its last record on.
    async fn find(&self, cluster: &Cluster) -> Result<Found, Trouble> {
        let mut offset = self.offset;
        loop {
            let data = cluster.fetch(&self.topic, self.partition, offset).await?;
            if data.log_start_offset > self.offset {
                return Ok(Found::Expired);
            }
            let batches = log::batches(data.records.as_deref().unwrap_or_default());
            if offset == self.offset
                && !batches
                    .first()
                    .is_some_and(|batch| batch.last >= self.offset && self.is_own(batch))
            {
                return Ok(Found::Missing);
            }
            let behind = batches.iter().filter(|batch| batch.first > self.offset);
            let mut ends = behind.filter(|batch| batch.producer_id == self.producer_id);
            if let Some(end) = ends.find_map(|batch| batch.ends) {
                return Ok(Found::Ended(end));
            }
            match batches.last() {
                Some(last) => offset = last.last + 1,
                None => return Ok(Found::Open),
            }
        }
    }

    fn is_own(&self, batch: &log::Batch) -> bool {
        let transaction = Transaction {
            producer_id: batch.producer_id,
            epoch: batch.epoch,
        };
        transaction == self.transaction() && batch.first <= self.offset
    }

    pub(super) fn transaction(&self) -> Transaction {
        Transaction {
            producer_id: self.producer_id,
            epoch: self.epoch,
        }
    }
}
