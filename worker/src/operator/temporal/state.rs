//! The state of a temporal join: rows that wait for their time, and versions by key. Nothing outside these files holds any.

use arrow_array::RecordBatch;
use arrow_schema::ArrowError;
use weir_model::Failure;

use super::{versions::Versions, waiting::Waiting};
use crate::state::{Scope, Snapshot, Table};

/// Positions of tables.
const VERSIONS: usize = 0;
const WAITING: usize = 1;
const TIMES: usize = 2;

#[derive(Debug)]
pub(super) struct State {
    pub(super) versions: Versions,
    pub(super) waiting: Waiting,
}

impl State {
    pub(super) fn tables(&self) -> Vec<Table> {
        let mut tables = vec![self.versions.table(), self.waiting.table()];
        tables.extend(self.versions.times_table());
        tables
    }

    pub(super) fn track_changes(&mut self) {
        self.versions.track_changes();
        self.waiting.track_changes();
    }

    pub(super) fn snapshot(&mut self, scope: Scope, into: &mut Snapshot) -> Result<(), Failure> {
        self.versions.snapshot(scope, VERSIONS, into)?;
        self.waiting.snapshot(scope, WAITING, into)?;
        if self.versions.has_ttl() {
            self.versions.snapshot_times(scope, TIMES, into)?;
        }
        Ok(())
    }

    pub(super) fn restore(&mut self, table: usize, rows: &RecordBatch) -> Result<(), Failure> {
        match table {
            VERSIONS => self.versions.restore(rows),
            WAITING => {
                self.waiting.restore(rows);
                Ok(())
            }
            _ => self.versions.restore_times(rows),
        }
    }

    pub(super) fn restored(&mut self) -> Result<(), Failure> {
        self.waiting.restored()
    }
}

pub(super) fn broken(error: &ArrowError) -> Failure {
    Failure::internal(format!("the rows of a temporal join cannot be kept: {error}"))
}
