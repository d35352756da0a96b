//! Groups of rows that no row can be wanted of, by the least and the greatest value of a column in them.

use arrow_array::{Array, ArrayRef};
use arrow_cast::cast;
use arrow_row::{RowConverter, SortField};
use arrow_schema::{DataType, SchemaRef};
use parquet::{
    arrow::arrow_reader::{ArrowReaderMetadata, statistics::StatisticsConverter},
    basic::Type as PhysicalType,
    file::{metadata::RowGroupMetaData, statistics::Statistics},
};

use crate::{CompareOperator, Comparison};

/// For each group of the file, whether a row of it may satisfy all comparisons. What is not known may.
pub(super) fn may_match(
    file: &ArrowReaderMetadata,
    wanted: &SchemaRef,
    comparisons: &[Comparison],
) -> Vec<bool> {
    let groups = file.metadata().row_groups();
    let mut may = vec![true; groups.len()];
    // What a file's place says of a column holds whatever is in it.
    let is_of_file = |comparison: &&Comparison| {
        let field = wanted.field_with_name(&comparison.column);
        field.is_ok_and(|field| field.data_type() == comparison.value.data_type())
    };
    for comparison in comparisons.iter().filter(is_of_file) {
        if let Some(bounds) = Bounds::of(file, comparison) {
            for (group, may) in may.iter_mut().enumerate() {
                *may &= bounds.may_match(group, comparison.operator);
            }
        }
    }
    may
}

/// How the least and the greatest values of a column compare to a value, by group.
struct Bounds {
    /// The value, then the least ones of all groups, then the greatest ones, in a form whose bytes compare as they do.
    rows: arrow_row::Rows,
    known: Vec<bool>,
}

impl Bounds {
    /// None: nothing can be said.
    fn of(file: &ArrowReaderMetadata, comparison: &Comparison) -> Option<Self> {
        let wanted = comparison.value.data_type();
        // What is no number is greater than all that are, and in no statistics.
        if wanted.is_floating() || wanted.is_nested() {
            return None;
        }
        let schema = file.schema();
        let converter =
            StatisticsConverter::try_new(&comparison.column, schema, file.parquet_schema()).ok()?;
        let column = converter.parquet_column_index()?;
        let in_file = converter.arrow_field().data_type();
        let groups = file.metadata().row_groups();
        // Of that type no order was ever agreed on.
        if file.parquet_schema().column(column).physical_type() == PhysicalType::INT96 {
            return None;
        }
        if in_file.is_floating() || !groups.iter().all(|group| is_ordered(group, column, in_file)) {
            return None;
        }
        // Rows are cast in the same way, and no cast that is made changes an order.
        let least = cast(&converter.row_group_mins(groups).ok()?, wanted).ok()?;
        let greatest = cast(&converter.row_group_maxes(groups).ok()?, wanted).ok()?;
        let known = (0..groups.len()).map(|group| least.is_valid(group) && greatest.is_valid(group));
        let known = known.collect();
        let all: [&ArrayRef; 3] = [&comparison.value, &least, &greatest];
        let all = arrow_select::concat::concat(&all.map(|array| array as &dyn Array)).ok()?;
        let converter = RowConverter::new(vec![SortField::new(wanted.clone())]).ok()?;
        let rows = converter.convert_columns(&[all]).ok()?;
        Some(Self { rows, known })
    }

    fn may_match(&self, group: usize, operator: CompareOperator) -> bool {
        if !self.known[group] {
            return true;
        }
        let value = self.rows.row(0);
        let least = self.rows.row(1 + group);
        let greatest = self.rows.row(1 + self.known.len() + group);
        match operator {
            CompareOperator::Eq => least <= value && value <= greatest,
            CompareOperator::Lt => least < value,
            CompareOperator::LtEq => least <= value,
            CompareOperator::Gt => greatest > value,
            CompareOperator::GtEq => greatest >= value,
        }
    }
}

/// Whether what a group says of a column's values is meant in their order: old writers compared bytes as numbers with a sign.
fn is_ordered(group: &RowGroupMetaData, column: usize, data_type: &DataType) -> bool {
    let is_deprecated = group
        .column(column)
        .statistics()
        .is_some_and(Statistics::is_min_max_deprecated);
    !is_deprecated || (data_type.is_signed_integer() || data_type.is_temporal())
}
