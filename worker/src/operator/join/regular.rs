//! A join of two inputs that may grow and change for ever: each row meets the rows that the other side holds, and is kept for those to come.

use arrow_array::{Array, ArrayRef, BooleanArray, RecordBatch};
use arrow_buffer::NullBuffer;
use arrow_schema::{Schema, SchemaRef};
use arrow_select::filter::filter_record_batch;
use weir_connector::{RowKind, changelog};
use weir_model::{EventTime, Failure};
use weir_proto::graph::{self, join::Type};

use super::{
    output::{Pairs, Rows},
    side::Side,
    state::State,
};
use crate::{
    expression::Filter,
    operator::{
        Context, Operator,
        keys::{common_types, normal_columns},
    },
    state::{Scope, Snapshot, Table},
};

/// Rows of an emitted batch, about; and pairs that are looked at at once.
pub(super) const EMIT_ROWS: usize = 8192;

/// Joins by equal keys and a condition.
#[derive(Debug)]
pub(in crate::operator) struct Join {
    pub(super) kind: Type,
    /// By port.
    pub(super) keys: [Vec<usize>; 2],
    /// Columns of the left side.
    pub(super) left: usize,
    /// Over all columns of left, then right.
    pub(super) condition: Option<(Filter, SchemaRef)>,
    /// Columns of the result among those of left, then right.
    columns: Vec<usize>,
    null_equals_null: bool,
    /// What chance begins with, once it was asked for.
    pub(super) seed: Option<u64>,
    pub(super) state: State,
    output: SchemaRef,
}

/// Rows that have come, with their keys found.
pub(super) struct Arrived {
    pub(super) port: usize,
    pub(super) batch: RecordBatch,
    pub(super) groups: Vec<u32>,
    /// What each row does; none: all are added.
    pub(super) ops: Option<Vec<i8>>,
}

impl Arrived {
    pub(super) fn op(&self, row: u32) -> i8 {
        self.ops
            .as_ref()
            .map_or(RowKind::Insert.byte(), |ops| ops[row as usize])
    }
}

impl Join {
    pub(in crate::operator) fn new(
        spec: &graph::Join,
        inputs: &[SchemaRef],
        output: SchemaRef,
    ) -> Result<Self, Failure> {
        let [left, right] = inputs else {
            return Err(Failure::internal(format!("a join of {} inputs", inputs.len())));
        };
        let schemas = [rows_of(left), rows_of(right)];
        let columns = |keys: &[u32]| keys.iter().map(|&k| k as usize).collect::<Vec<_>>();
        let keys = [columns(&spec.left_keys), columns(&spec.right_keys)];
        let key_types = common_types([&schemas[0], &schemas[1]], &keys)?;
        let sides = [side(spec, 0, left, &keys[0])?, side(spec, 1, right, &keys[1])?];
        let fields = schemas.iter().flat_map(|s| s.fields().iter().cloned());
        let both = std::sync::Arc::new(Schema::new(fields.collect::<Vec<_>>()));
        let condition = spec
            .filter
            .as_deref()
            .map(|bytes| Filter::decode(bytes, &both))
            .transpose()?;
        Ok(Self {
            kind: spec.r#type(),
            left: schemas[0].fields().len(),
            state: State::new(&key_types, sides)?,
            keys,
            condition: condition.map(|filter| (filter, both)),
            columns: columns(&spec.output),
            null_equals_null: spec.null_equals_null,
            seed: None,
            output,
        })
    }

    /// Emits rows that match nothing, because a key of theirs is null; returns the others.
    fn without_null_keys(
        &mut self,
        arrived: RecordBatch,
        port: usize,
        context: &mut Context,
    ) -> Result<RecordBatch, Failure> {
        let nulls = |&key: &usize| arrived.column(key).logical_nulls();
        let valid = self.keys[port].iter().map(nulls).fold(None, |all, column| {
            NullBuffer::union(all.as_ref(), column.as_ref())
        });
        let Some(valid) = valid.filter(|v| v.null_count() > 0 && !self.null_equals_null) else {
            return Ok(arrived);
        };
        let valid = BooleanArray::new(valid.into_inner(), None);
        if self.keeps_unmatched(port) {
            let rows = arrow::compute::not(&valid).and_then(|null| filter_record_batch(&arrived, &null));
            let (batch, ops) = split(&rows.map_err(|e| broken(&e))?);
            let rows = Arrived {
                port,
                groups: Vec::new(),
                batch,
                ops,
            };
            let mut pairs = Pairs::default();
            self.push_unmatched(&rows, &vec![0; rows.batch.num_rows()], &mut pairs);
            self.emit(&rows, &mut pairs, context)?;
        }
        filter_record_batch(&arrived, &valid).map_err(|e| broken(&e))
    }

    pub(super) fn emit(
        &mut self,
        arrived: &Arrived,
        pairs: &mut Pairs,
        context: &mut Context,
    ) -> Result<(), Failure> {
        if pairs.len() == 0 {
            return Ok(());
        }
        let (_, other) = self.state.sides(arrived.port);
        let rows = Rows {
            port: arrived.port,
            left: self.left,
            batch: &arrived.batch,
            other,
        };
        context.emit(pairs.batch(&self.output, &self.columns, &rows)?);
        Ok(())
    }

    /// Pairs each row with the other side's; returns how many each matches.
    fn pair(&mut self, arrived: &Arrived, context: &mut Context) -> Result<Vec<u32>, Failure> {
        let mut matches = vec![0; arrived.groups.len()];
        let mut pairs = Pairs::default();
        let (mut come, mut kept) = (Vec::new(), Vec::new());
        for (row, &group) in (0_u32..).zip(&arrived.groups) {
            let (_, other) = self.state.sides(arrived.port);
            for match_ in other.rows(group).filter(|row| other.is_live(*row)) {
                come.push(row);
                kept.push(match_);
            }
            if come.len() >= EMIT_ROWS {
                self.look(arrived, &mut come, &mut kept, &mut matches, &mut pairs)?;
                self.emit(arrived, &mut pairs, context)?;
            }
        }
        self.look(arrived, &mut come, &mut kept, &mut matches, &mut pairs)?;
        self.push_unmatched(arrived, &matches, &mut pairs);
        self.emit(arrived, &mut pairs, context)?;
        Ok(matches)
    }

    /// Looks at candidates: those that pass the condition become pairs.
    fn look(
        &mut self,
        arrived: &Arrived,
        come: &mut Vec<u32>,
        kept: &mut Vec<u32>,
        matches: &mut [u32],
        pairs: &mut Pairs,
    ) -> Result<(), Failure> {
        if come.is_empty() {
            return Ok(());
        }
        self.keep_passing(arrived, come, kept)?;
        for &row in come.iter() {
            matches[row as usize] += 1;
        }
        self.push_matched(arrived, come, kept, pairs);
        come.clear();
        kept.clear();
        Ok(())
    }

    /// Keeps the rows that are added, and forgets those that are taken back.
    fn keep(&mut self, arrived: &Arrived, matches: &[u32]) -> Result<(), Failure> {
        let (side, _) = self.state.sides(arrived.port);
        let Some(ops) = &arrived.ops else {
            return side.insert(arrived.batch.clone(), &arrived.groups, matches);
        };
        let pick = |added: bool| {
            let rows: Vec<bool> = ops.iter().map(|&op| changelog::adds(op) == added).collect();
            let of = |values: &[u32]| {
                let picked = values.iter().zip(&rows).filter(|(_, keep)| **keep);
                picked.map(|(value, _)| *value).collect::<Vec<u32>>()
            };
            let (groups, matches) = (of(&arrived.groups), of(matches));
            let batch = filter_record_batch(&arrived.batch, &BooleanArray::from(rows));
            batch
                .map(|batch| (batch, groups, matches))
                .map_err(|e| broken(&e))
        };
        let (batch, groups, matches) = pick(true)?;
        side.insert(batch, &groups, &matches)?;
        let (batch, groups, _) = pick(false)?;
        if groups.is_empty() {
            return Ok(());
        }
        side.remove(&batch, &groups)
    }
}

impl Operator for Join {
    fn is_timed(&self) -> bool {
        self.state.expires() || self.is_surrounded()
    }

    fn timer_ms(&self) -> Option<i64> {
        self.state.timer_ms()
    }

    fn on_processing_time(&mut self, context: &mut Context) -> Result<(), Failure> {
        self.state.set_now(context.now_ms);
        self.state.sweep()
    }

    fn on_batch(&mut self, port: usize, batch: RecordBatch, context: &mut Context) -> Result<(), Failure> {
        self.surround(context);
        self.state.set_now(context.now_ms);
        let batch = self.without_null_keys(batch, port, context)?;
        if batch.num_rows() == 0 {
            return Ok(());
        }
        let keys: Vec<_> = self.keys[port].iter().map(|&k| batch.column(k).clone()).collect();
        let groups = self.state.groups(&keys, batch.num_rows())?;
        let (batch, ops) = split(&batch);
        let arrived = Arrived {
            port,
            batch,
            groups,
            ops,
        };
        let matches = self.pair(&arrived, context)?;
        self.keep(&arrived, &matches)?;
        self.state.compact().map(drop)
    }

    fn tables(&self) -> Vec<Table> {
        self.state.tables()
    }

    fn track_changes(&mut self) {
        self.state.track_changes();
    }

    fn snapshot(&mut self, scope: Scope, into: &mut Snapshot) -> Result<(), Failure> {
        self.state.snapshot(scope, into)
    }

    fn restore(&mut self, table: usize, rows: &RecordBatch) -> Result<(), Failure> {
        self.state.restore(table, rows).map(drop)
    }

    fn is_partitioned(&self) -> bool {
        true
    }

    fn partition(&self, port: usize, batch: &RecordBatch) -> Vec<ArrayRef> {
        normal_columns(batch, &self.keys[port])
    }

    fn restored(&mut self, _: EventTime) -> Result<(), Failure> {
        self.state.restored();
        Ok(())
    }
}

fn side(spec: &graph::Join, port: usize, input: &SchemaRef, keys: &[usize]) -> Result<Side, Failure> {
    Side::new(
        rows_of(input),
        keys,
        counts_matches(spec.r#type(), port),
        changelog::is_changelog(input),
        [spec.left_ttl_ms, spec.right_ttl_ms][port],
    )
}

/// Whether it matters how many rows of the other side a row of this port matches.
fn counts_matches(kind: Type, port: usize) -> bool {
    match kind {
        Type::Full => true,
        Type::Left | Type::Semi | Type::Anti | Type::Mark => port == 0,
        Type::Right => port == 1,
        Type::Inner => false,
    }
}

/// A schema without the column that says what rows do.
fn rows_of(schema: &SchemaRef) -> SchemaRef {
    let fields = schema.fields();
    let rows = fields.len() - usize::from(changelog::is_changelog(schema));
    std::sync::Arc::new(Schema::new(fields[..rows].to_vec()))
}

/// Rows, and what they do.
fn split(batch: &RecordBatch) -> (RecordBatch, Option<Vec<i8>>) {
    let Some(ops) = changelog::ops(batch) else {
        return (batch.clone(), None);
    };
    let ops = ops.values().to_vec();
    let rows: Vec<usize> = (0..batch.num_columns() - 1).collect();
    let batch = batch.project(&rows).expect("all columns but the last are there");
    (batch, Some(ops))
}

pub(super) fn broken(error: &arrow_schema::ArrowError) -> Failure {
    Failure::internal(format!("rows of a join cannot be picked: {error}"))
}
