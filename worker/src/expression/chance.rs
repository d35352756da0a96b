//! Calls of functions of chance, which remember how far they have come.

use std::{
    fmt,
    hash::{Hash, Hasher},
    sync::Arc,
};

use arrow_array::{RecordBatch, cast::AsArray, new_empty_array, types::UInt64Type};
use arrow_schema::{FieldRef, Schema};
use datafusion_common::Result;
use datafusion_expr::ColumnarValue;
use datafusion_physical_expr::PhysicalExpr;
use parking_lot::Mutex;
use weir_functions::chance::{Bits, Chance};

/// A call. Its last child is a column of one number, with which the calls of an operator begin.
#[derive(Debug)]
pub(super) struct Draw {
    function: String,
    children: Vec<Arc<dyn PhysicalExpr>>,
    field: FieldRef,
    /// Which of the calls that begin with the same number.
    number: u64,
    /// What it gives next: the same for copies of the call.
    chance: Arc<Mutex<Chance>>,
}

impl Draw {
    /// A call with these arguments, the column of the number last.
    pub(super) fn new(
        function: &str,
        chance: Chance,
        children: Vec<Arc<dyn PhysicalExpr>>,
        field: FieldRef,
        number: u64,
    ) -> Self {
        Self {
            function: function.to_owned(),
            children,
            field,
            number,
            chance: Arc::new(Mutex::new(chance)),
        }
    }
}

impl PartialEq for Draw {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.chance, &other.chance)
    }
}

impl Eq for Draw {}

impl Hash for Draw {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (&self.function, self.number).hash(state);
    }
}

impl fmt::Display for Draw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.fmt_sql(f)
    }
}

impl PhysicalExpr for Draw {
    fn return_field(&self, _: &Schema) -> Result<FieldRef> {
        Ok(Arc::clone(&self.field))
    }

    fn evaluate(&self, batch: &RecordBatch) -> Result<ColumnarValue> {
        let rows = batch.num_rows();
        let Some((seed, args)) = self.children.split_last().filter(|_| rows > 0) else {
            return Ok(ColumnarValue::Array(new_empty_array(self.field.data_type())));
        };
        let seeds = seed.evaluate(batch)?.into_array(rows)?;
        let seed = seeds.as_primitive::<UInt64Type>().value(0);
        let args = args
            .iter()
            .map(|arg| arg.evaluate(batch))
            .collect::<Result<Vec<_>>>()?;
        let start = Bits(seed.wrapping_add(self.number)).next();
        let values = self.chance.lock().values(&args, rows, start)?;
        Ok(ColumnarValue::Array(values))
    }

    fn children(&self) -> Vec<&Arc<dyn PhysicalExpr>> {
        self.children.iter().collect()
    }

    fn with_new_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn PhysicalExpr>>,
    ) -> Result<Arc<dyn PhysicalExpr>> {
        Ok(Arc::new(Self {
            function: self.function.clone(),
            children,
            field: Arc::clone(&self.field),
            number: self.number,
            chance: Arc::clone(&self.chance),
        }))
    }

    fn is_volatile_node(&self) -> bool {
        true
    }

    fn fmt_sql(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}(", self.function)?;
        let args = self.children.len().saturating_sub(1);
        for (i, arg) in self.children[..args].iter().enumerate() {
            if i > 0 {
                f.write_str(", ")?;
            }
            arg.fmt_sql(f)?;
        }
        f.write_str(")")
    }
}
