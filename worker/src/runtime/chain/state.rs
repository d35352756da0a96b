//! The state of a chain's operators, as checkpoints have it and as it is given back.

use arrow_array::RecordBatch;
use weir_model::{EventTime, Failure};

use super::Chain;
use crate::{
    operator::Operator,
    runtime::node::Node,
    state::{
        Change, Scope, Snapshot, Table,
        backend::spill::Spill,
        rehearse::Make,
        spill::{Spilled, SpilledWindows},
    },
};

/// What operators have said of a checkpoint, by position, and which of them have more to say.
#[derive(Default)]
pub(super) struct Frozen {
    said: Vec<Snapshot>,
    left: Vec<usize>,
}

impl Frozen {
    fn changes(self) -> Vec<Vec<Change>> {
        self.said.into_iter().map(Snapshot::into_changes).collect()
    }
}

impl Chain {
    /// The tables of each operator's state.
    pub fn tables(&self) -> Vec<Vec<Table>> {
        let tables = |node: &Node| node.operator.as_ref().map(|operator| operator.tables());
        self.nodes
            .iter()
            .map(|node| tables(node).unwrap_or_default())
            .collect()
    }

    /// Lets an operator have more state than there is memory, if it can; whether it may begin without it, too.
    pub fn spill(&mut self, index: usize, make: Make, spill: Spill) -> bool {
        let node = &mut self.nodes[index];
        let Some(operator) = node
            .operator
            .take_if(|operator| operator.is_partitioned() || operator.is_windowed())
        else {
            return false;
        };
        if operator.is_windowed() {
            node.operator = Some(Box::new(SpilledWindows::new(make, operator, spill)));
            self.writes = true;
            return false;
        }
        node.operator = Some(Box::new(Spilled::new(make, operator, spill)));
        true
    }

    /// Lets operators note what changes in their state from now on.
    pub fn track_changes(&mut self) {
        let operators = self.nodes.iter_mut().filter_map(|node| node.operator.as_mut());
        operators.for_each(|operator| operator.track_changes());
    }

    /// Lets operators begin to say what has changed in their state. What was frozen before must have been said to its end.
    ///
    /// Where one of them writes of its own accord, all say all of it: it would wait for the others, and they for it.
    pub fn freeze(&mut self) -> Result<(), Failure> {
        let writes = self.writes;
        self.frozen = Some(self.ask(|operator, said| {
            if writes {
                return operator.snapshot(Scope::Changes, said).map(|()| false);
            }
            operator.freeze(said)
        })?);
        Ok(())
    }

    /// Whether operators have something left to say of what was frozen, or it was not asked for yet.
    pub fn is_frozen(&self) -> bool {
        self.frozen.is_some()
    }

    /// Lets operators say so many rows more of what was frozen. Once all is said, by operator, it is returned.
    pub fn thaw(&mut self, rows: usize) -> Result<Option<Vec<Vec<Change>>>, Failure> {
        let Some(frozen) = &mut self.frozen else {
            return Ok(None);
        };
        if let Some(&index) = frozen.left.last() {
            self.place.enter(index);
            if let Some(operator) = &mut self.nodes[index].operator
                && operator.thaw(rows, &mut frozen.said[index])?
            {
                self.place.leave();
                return Ok(None);
            }
            self.place.leave();
            frozen.left.pop();
        }
        if !frozen.left.is_empty() {
            return Ok(None);
        }
        Ok(self.frozen.take().map(Frozen::changes))
    }

    /// What is in each operator's state, or has changed there.
    pub fn snapshot(&mut self, scope: Scope) -> Result<Vec<Vec<Change>>, Failure> {
        let asked = self.ask(|operator, said| operator.snapshot(scope, said).map(|()| false))?;
        Ok(asked.changes())
    }

    /// Lets each operator with state say something of it; `ask` returns whether it has more to say.
    fn ask(
        &mut self,
        ask: impl Fn(&mut dyn Operator, &mut Snapshot) -> Result<bool, Failure>,
    ) -> Result<Frozen, Failure> {
        let mut asked = Frozen::default();
        for (index, node) in self.nodes.iter_mut().enumerate() {
            let tables = node.operator.as_ref().map(|operator| operator.tables());
            let mut said = Snapshot::new(tables.unwrap_or_default());
            if let Some(operator) = node.operator.as_mut().filter(|_| !said.tables().is_empty()) {
                self.place.enter(index);
                if ask(operator.as_mut(), &mut said)? {
                    asked.left.push(index);
                }
            }
            asked.said.push(said);
        }
        self.place.leave();
        Ok(asked)
    }

    /// Gives an operator rows of a table of the state that it begins with.
    pub fn restore(&mut self, index: usize, table: usize, rows: &RecordBatch) -> Result<(), Failure> {
        self.place.enter(index);
        match self.nodes.get_mut(index).and_then(|node| node.operator.as_mut()) {
            Some(operator) => operator.restore(table, rows),
            None => Err(Failure::internal("rows of state for an operator that has none")),
        }
    }

    /// All rows were given; event time had come here at each operator, where it had come anywhere.
    pub fn restored(&mut self, watermarks: &[Option<EventTime>]) -> Result<(), Failure> {
        for (index, (node, watermark)) in self.nodes.iter_mut().zip(watermarks).enumerate() {
            let watermark = watermark.unwrap_or(EventTime::MIN);
            node.merger.restore(watermark);
            self.place.enter(index);
            if let Some(operator) = &mut node.operator {
                operator.restored(watermark)?;
            }
        }
        self.place.leave();
        Ok(())
    }
}
