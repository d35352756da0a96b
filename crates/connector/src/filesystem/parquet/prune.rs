//! Groups of rows that no row can be wanted of, by the least and the greatest value of a column in them.

use arrow_cast::cast;
use arrow_schema::{DataType, SchemaRef};
use parquet::{
    arrow::arrow_reader::{ArrowReaderMetadata, statistics::StatisticsConverter},
    basic::Type as PhysicalType,
    file::{metadata::RowGroupMetaData, statistics::Statistics},
};

use crate::{Comparison, filesystem::bounds::Bounds};

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
        if let Some(bounds) = bounds(file, comparison) {
            for (group, may) in may.iter_mut().enumerate() {
                *may &= bounds.may_hold(group);
            }
        }
    }
    may
}

/// What the file's statistics say. None: nothing can be said.
fn bounds(file: &ArrowReaderMetadata, comparison: &Comparison) -> Option<Bounds> {
    let (schema, parquet) = (file.schema(), file.parquet_schema());
    let converter = StatisticsConverter::try_new(&comparison.column, schema, parquet).ok()?;
    let column = converter.parquet_column_index()?;
    let in_file = converter.arrow_field().data_type();
    let groups = file.metadata().row_groups();
    // Of times of 96 bits no order was ever agreed on.
    let has_order = parquet.column(column).physical_type() != PhysicalType::INT96;
    if in_file.is_floating() || !has_order || !groups.iter().all(|group| is_ordered(group, column, in_file)) {
        return None;
    }
    // Rows are cast in the same way, and no cast that is made changes an order.
    let wanted = comparison.value.data_type();
    let least = cast(&converter.row_group_mins(groups).ok()?, wanted).ok()?;
    let greatest = cast(&converter.row_group_maxes(groups).ok()?, wanted).ok()?;
    Bounds::new(comparison, &least, &greatest)
}

/// Whether what a group says of a column's values is meant in their order: old writers compared bytes as numbers with a sign.
fn is_ordered(group: &RowGroupMetaData, column: usize, data_type: &DataType) -> bool {
    let is_deprecated = group
        .column(column)
        .statistics()
        .is_some_and(Statistics::is_min_max_deprecated);
    !is_deprecated || (data_type.is_signed_integer() || data_type.is_temporal())
}
