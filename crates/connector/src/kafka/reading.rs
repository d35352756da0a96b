//! How far one partition is read, and its rows that wait to be handed out.

use super::{native::Message, rows::Rows, split::Partition};
use crate::{
    ConnectorError, SourceContext,
    dead_letter::{DeadLetter, ENOUGH_BYTES},
};

/// A partition that is read.
pub(super) struct Reading {
    /// At the position after the last rows that were handed out.
    partition: Partition,
    /// The offset behind the last message that was taken.
    taken_to: Option<i64>,
    rows: Rows,
    skips_bad_records: bool,
    /// Messages that could not be read, and go elsewhere with the rows.
    letters: Vec<DeadLetter>,
    letter_bytes: usize,
    /// It is read to its end; rows may wait still.
    pub(super) is_over: bool,
    /// Its end was said.
    pub(super) has_ended: bool,
}

impl Reading {
    pub(super) fn new(partition: Partition, rows: Rows, skips_bad_records: bool) -> Self {
        Self {
            taken_to: partition.next,
            is_over: partition.is_over(),
            partition,
            rows,
            skips_bad_records,
            letters: Vec::new(),
            letter_bytes: 0,
            has_ended: false,
        }
    }

    pub(super) fn partition(&self) -> &Partition {
        &self.partition
    }

    /// The offset of the next message; none: the first that there is.
    pub(super) fn taken_to(&self) -> Option<i64> {
        self.taken_to
    }

    /// Rows and messages for elsewhere that wait.
    pub(super) fn waiting(&self) -> usize {
        self.rows.len() + self.letters.len()
    }

    /// Whether so much waits that it is handed out at once.
    pub(super) fn is_full(&self, batch_rows: usize) -> bool {
        self.waiting() >= batch_rows.max(1) || self.letter_bytes >= ENOUGH_BYTES
    }

    /// Takes a message: it becomes a row, or is skipped and counted, or goes elsewhere.
    #[inline]
    pub(super) fn take(
        &mut self,
        message: Message<'_>,
        context: &SourceContext,
    ) -> Result<(), ConnectorError> {
        let offset = message.offset();
        if self.is_over || self.taken_to.is_some_and(|next| offset < next) {
            return Ok(());
        }
        if self.partition.end.is_some_and(|end| offset >= end) {
            self.is_over = true;
            return Ok(());
        }
        // A tombstone takes a key back, which is no row of a table without keys.
        if message.value().is_none() && !self.rows.takes_tombstones() {
            context.counters.skipped(u64::from(!self.rows.are_changes()));
        } else if let Err(reason) = self.rows.push(message) {
            self.refuse(message, reason, context)?;
        }
        self.come_to(offset + 1);
        Ok(())
    }

    /// What becomes of a message that cannot be read.
    #[cold]
    fn refuse(
        &mut self,
        message: Message<'_>,
        reason: String,
        context: &SourceContext,
    ) -> Result<(), ConnectorError> {
        let place = format!("{}@{}", self.partition.id(), message.offset());
        if context.dead_letters.is_some() {
            let record = message.value().unwrap_or_default().to_vec();
            self.letter_bytes += record.len();
            self.letters.push(DeadLetter {
                record,
                error: reason,
                place,
            });
        } else if !self.skips_bad_records {
            return Err(ConnectorError::user(reason).at(place));
        }
        context.counters.skipped(1);
        Ok(())
    }

    /// There are no messages before this offset that were not taken: markers of transactions may have been, or what was deleted.
    pub(super) fn come_to(&mut self, offset: i64) {
        self.taken_to = self.taken_to.max(Some(offset));
        if self.partition.end.is_some_and(|end| offset >= end) {
            self.is_over = true;
        }
    }

    /// Goes on elsewhere.
    pub(super) fn jump(&mut self, offset: i64) {
        self.taken_to = Some(offset);
        if self.partition.end.is_some_and(|end| offset >= end) {
            self.is_over = true;
        }
    }

    /// The rows that wait, which are handed out by this, and what goes elsewhere with them.
    pub(super) fn hand_out(
        &mut self,
        context: &SourceContext,
    ) -> Result<arrow_array::RecordBatch, ConnectorError> {
        let Partition { topic, partition, .. } = &self.partition;
        let batch = self.rows.take(topic, *partition).map_err(|error| {
            ConnectorError::internal(format!("columns of messages do not make a batch: {error}"))
        })?;
        self.partition.next = self.taken_to;
        if let Some(dead_letters) = &context.dead_letters {
            dead_letters.put(self.letters.drain(..));
            self.letter_bytes = 0;
        }
        Ok(batch)
    }

    /// Where to go on, with what was handed out behind.
    pub(super) fn position(&self) -> Partition {
        let next = match self.waiting() {
            0 => self.taken_to,
            _ => self.partition.next,
        };
        Partition {
            next,
            ..self.partition.clone()
        }
    }
}
