//! Aggregates that users bring as WebAssembly modules: the bytes of each group's state are kept here, and lent to the module.

use std::{ops::Range, sync::Arc};

use arrow_array::{Array, ArrayRef, FixedSizeBinaryArray, Int64Array, cast::AsArray, types::Int64Type};
use arrow_buffer::{BooleanBuffer, Buffer, NullBuffer};
use arrow_schema::DataType;
use weir_functions::wasm::WasmAggregate;
use weir_model::Failure;

use super::{Accumulator, arena::set_values, kept::ids_of};
use crate::operator::keys::Groups;

/// Not among the groups of a batch.
const NONE: u32 = u32::MAX;

/// States of groups, one behind the other, and how many rows each has seen: of none the result is null.
#[derive(Debug)]
pub(super) struct User {
    function: Arc<WasmAggregate>,
    width: usize,
    /// The state of a group without rows.
    initial: Vec<u8>,
    states: Vec<u8>,
    counts: Vec<i64>,
    /// Per group, its number among those of the current batch.
    places: Vec<u32>,
}

/// What the module does with the states of a batch's groups: these, the group of each row among them.
type Change<'a> = &'a dyn Fn(&WasmAggregate, &[u8], &[u32]) -> Result<Vec<u8>, String>;

impl User {
    /// Of this function.
    pub(super) fn new(function: Arc<WasmAggregate>) -> Result<Self, Failure> {
        let initial = function.initial().map_err(Failure::user)?;
        Ok(Self {
            width: function.signature().state_bytes,
            function,
            initial,
            states: Vec::new(),
            counts: Vec::new(),
            places: Vec::new(),
        })
    }

    fn resize(&mut self, total: usize) {
        let total = total.max(self.counts.len());
        for _ in self.counts.len()..total {
            self.states.extend_from_slice(&self.initial);
        }
        self.counts.resize(total, 0);
        self.places.resize(total, NONE);
    }

    fn state(&self, group: u32) -> &[u8] {
        let start = group as usize * self.width;
        &self.states[start..start + self.width]
    }

    /// The states of groups, one behind the other.
    fn states_of(&self, groups: &[u32]) -> Vec<u8> {
        let mut states = Vec::with_capacity(groups.len() * self.width);
        for &group in groups {
            states.extend_from_slice(self.state(group));
        }
        states
    }

    /// States as a column.
    fn bytes(&self, states: Vec<u8>) -> Result<ArrayRef, Failure> {
        let states = FixedSizeBinaryArray::try_new(self.width as i32, Buffer::from_vec(states), None)
            .map_err(|e| Failure::internal(format!("cannot give on the states of an aggregate: {e}")))?;
        Ok(Arc::new(states))
    }

    /// Lends the states of these groups to the module, each once, and takes them back.
    fn change(&mut self, ids: &[u32], change: Change<'_>) -> Result<(), Failure> {
        if ids.is_empty() {
            return Ok(());
        }
        let (mut touched, mut lent) = (Vec::new(), Vec::new());
        let mut rows = Vec::with_capacity(ids.len());
        for &group in ids {
            if self.places[group as usize] == NONE {
                self.places[group as usize] = touched.len() as u32;
                touched.push(group);
                lent.extend_from_slice(self.state(group));
            }
            rows.push(self.places[group as usize]);
        }
        for &group in &touched {
            self.places[group as usize] = NONE;
        }
        let returned = change(&self.function, &lent, &rows).map_err(Failure::user)?;
        for (&group, state) in touched.iter().zip(returned.chunks_exact(self.width)) {
            let start = group as usize * self.width;
            self.states[start..start + self.width].copy_from_slice(state);
        }
        Ok(())
    }

    /// The groups and the arguments of rows without a null.
    fn arguments(
        groups: Groups<'_>,
        column: Option<&ArrayRef>,
    ) -> Result<(Vec<u32>, Vec<ArrayRef>), Failure> {
        let column = column.ok_or_else(|| Failure::internal("a user's aggregate without arguments"))?;
        let (rows, set) = set_values(column)?;
        let ids = ids_of(groups, set.as_deref(), rows.len());
        let arguments = rows
            .as_struct_opt()
            .ok_or_else(|| Failure::internal("the arguments of a user's aggregate are no ROW"))?;
        // A ROW that is not null holds no nulls.
        let arguments = arguments.columns().iter().map(without_nulls);
        Ok((ids, arguments.collect::<Result<_, _>>()?))
    }

    fn result(&self, groups: &[u32]) -> Result<ArrayRef, Failure> {
        let states = self.states_of(groups);
        let results = self.function.finish(&states).map_err(Failure::user)?;
        let set = BooleanBuffer::collect_bool(groups.len(), |i| self.counts[groups[i] as usize] > 0);
        let set = Some(NullBuffer::new(set)).filter(|set| set.null_count() > 0);
        let data = results.to_data().into_builder().nulls(set).build();
        data.map(arrow_array::make_array)
            .map_err(|e| Failure::internal(format!("cannot null the result of an aggregate: {e}")))
    }
}

/// States out of a column.
fn states(column: &ArrayRef) -> Result<&FixedSizeBinaryArray, Failure> {
    column
        .as_fixed_size_binary_opt()
        .ok_or_else(|| Failure::internal("the states of a user's aggregate are no bytes"))
}

fn without_nulls(column: &ArrayRef) -> Result<ArrayRef, Failure> {
    let data = column.to_data().into_builder().nulls(None).build();
    data.map(arrow_array::make_array)
        .map_err(|e| Failure::internal(format!("cannot read the arguments of an aggregate: {e}")))
}

impl Accumulator for User {
    fn update(&mut self, groups: Groups<'_>, column: Option<&ArrayRef>) -> Result<(), Failure> {
        self.resize(groups.total);
        let (ids, arguments) = Self::arguments(groups, column)?;
        for &group in &ids {
            self.counts[group as usize] += 1;
        }
        self.change(&ids, &|f, states, rows| f.accumulate(states, rows, &arguments))
    }

    fn retract(&mut self, groups: Groups<'_>, column: Option<&ArrayRef>) -> Result<(), Failure> {
        self.resize(groups.total);
        let (ids, arguments) = Self::arguments(groups, column)?;
        for &group in &ids {
            self.counts[group as usize] -= 1;
        }
        self.change(&ids, &|f, states, rows| f.retract(states, rows, &arguments))
    }

    fn merge(&mut self, groups: Groups<'_>, partial: &[ArrayRef]) -> Result<(), Failure> {
        self.resize(groups.total);
        let counts = partial[1].as_primitive::<Int64Type>();
        let states = states(&partial[0])?;
        let (mut ids, mut others) = (Vec::new(), Vec::new());
        for row in 0..counts.len() {
            if counts.is_valid(row) && counts.value(row) > 0 {
                let group = groups.ids.map_or(0, |ids| ids[row]);
                self.counts[group as usize] += counts.value(row);
                ids.push(group);
                others.extend_from_slice(states.value(row));
            }
        }
        self.change(&ids, &|f, states, rows| f.merge(states, rows, &others))
    }

    fn partial(&self, groups: Range<usize>) -> Result<Vec<ArrayRef>, Failure> {
        let states = self.states[groups.start * self.width..groups.end * self.width].to_vec();
        let counts = Int64Array::from(self.counts[groups].to_vec());
        Ok(vec![self.bytes(states)?, Arc::new(counts)])
    }

    fn finish(&self, groups: Range<usize>) -> Result<ArrayRef, Failure> {
        let groups: Vec<u32> = groups.map(|group| group as u32).collect();
        self.result(&groups)
    }

    fn finish_of(&self, groups: &[u32]) -> Result<ArrayRef, Failure> {
        self.result(groups)
    }

    fn state_types(&self) -> Vec<DataType> {
        vec![DataType::FixedSizeBinary(self.width as i32), DataType::Int64]
    }

    fn state_of(&self, groups: &[u32]) -> Result<Vec<ArrayRef>, Failure> {
        let counts = groups.iter().map(|&group| self.counts[group as usize]);
        let counts = Arc::new(counts.collect::<Int64Array>());
        Ok(vec![self.bytes(self.states_of(groups))?, counts])
    }

    fn restore(&mut self, groups: Groups<'_>, state: &[ArrayRef]) -> Result<(), Failure> {
        // Not merged: what the module makes of two states need not be one of them.
        self.resize(groups.total);
        let (states, counts) = (states(&state[0])?, state[1].as_primitive::<Int64Type>());
        for row in 0..groups.rows {
            let group = groups.ids.map_or(0, |ids| ids[row] as usize);
            self.counts[group] = counts.value(row);
            let start = group * self.width;
            self.states[start..start + self.width].copy_from_slice(states.value(row));
        }
        Ok(())
    }

    fn keep(&mut self, groups: &[u32]) -> Result<(), Failure> {
        self.states = self.states_of(groups);
        self.counts = groups.iter().map(|&group| self.counts[group as usize]).collect();
        self.places = vec![NONE; groups.len()];
        Ok(())
    }

    fn clear(&mut self) {
        self.states.clear();
        self.counts.clear();
        self.places.clear();
    }
}
