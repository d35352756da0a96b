//! What an aggregation says of its groups at a checkpoint: at once, or between batches as they were at its beginning.

use arrow_schema::DataType;
use weir_model::Failure;

use super::State;
use crate::state::{Scope, Snapshot, Table, table::Part};

impl State {
    /// The table of its groups, of whose columns these are the accumulators'.
    pub(in crate::operator::group) fn table(&self, aggregates: &[Part]) -> Table {
        let mut parts = aggregates.to_vec();
        parts.extend(self.ttl.as_ref().map(|_| Part::own("$written", DataType::Int64)));
        Table::of_parts("groups", &self.key_types, &[], parts)
    }

    /// Says the groups that have rows, and deletes those that have none any more.
    pub(in crate::operator::group) fn snapshot(
        &mut self,
        scope: Scope,
        into: &mut Snapshot,
    ) -> Result<(), Failure> {
        let written = match scope {
            Scope::All => self.live(),
            Scope::Changes => {
                self.thaw(usize::MAX, into)?;
                for keys in std::mem::take(&mut self.deleted) {
                    into.delete(0, keys)?;
                }
                let written = self.dirty.take();
                return self.say(&written, into);
            }
        };
        self.write_live(&written, into)
    }

    /// Begins a snapshot: groups stay as they are for it until they are told. Returns whether there are any.
    pub(in crate::operator::group) fn freeze(&mut self, into: &mut Snapshot) -> Result<bool, Failure> {
        for keys in std::mem::take(&mut self.deleted) {
            into.delete(0, keys)?;
        }
        self.frozen = self.dirty.freeze();
        Ok(!self.frozen.is_empty())
    }

    /// Says so many groups more of the snapshot that has begun. Returns whether there are more.
    pub(in crate::operator::group) fn thaw(
        &mut self,
        groups: usize,
        into: &mut Snapshot,
    ) -> Result<bool, Failure> {
        if let Some(claimed) = self.claimed.take() {
            into.append(claimed)?;
        }
        let groups = self.frozen.next(groups);
        self.say(&groups, into)?;
        Ok(!self.frozen.is_empty())
    }

    /// These groups are about to be written: what the snapshot that has begun is to say of them is said now.
    pub(super) fn claim(&mut self, groups: &[u32]) -> Result<(), Failure> {
        let claimed = self.frozen.claim(groups.iter().copied());
        self.say_early(&claimed)
    }

    pub(super) fn say_early(&mut self, groups: &[u32]) -> Result<(), Failure> {
        if groups.is_empty() {
            return Ok(());
        }
        let claimed = self.claimed.take();
        // What columns are of is no matter where they are only handed on.
        let table = || Table::new("groups", &self.key_types, &[], &self.state_types());
        let mut claimed = claimed.unwrap_or_else(|| Snapshot::new(vec![table()]));
        self.say(groups, &mut claimed)?;
        self.claimed = Some(claimed);
        Ok(())
    }

    /// Writes those of groups that have rows, and deletes the others.
    fn say(&self, groups: &[u32], into: &mut Snapshot) -> Result<(), Failure> {
        let rows = self.aggregates.rows();
        let has_rows = |group: &u32| rows.get(*group as usize..*group as usize + 1) != [0];
        let (live, dead): (Vec<u32>, Vec<u32>) = groups.iter().partition(|group| has_rows(group));
        if !dead.is_empty() {
            into.delete(0, self.keys.keys_of(&dead)?)?;
        }
        self.write_live(&live, into)
    }

    fn write_live(&self, groups: &[u32], into: &mut Snapshot) -> Result<(), Failure> {
        for groups in groups.chunks(into.chunk_rows()) {
            let mut columns = self.keys.keys_of(groups)?;
            columns.extend(self.state_of(groups)?);
            into.write(0, columns)?;
        }
        Ok(())
    }
}
