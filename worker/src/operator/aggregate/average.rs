//! AVG: a sum and a count; of no values null. Integers truncate towards zero, decimals round half away from zero.

use std::{fmt::Debug, ops::Range, sync::Arc};

use arrow_array::{ArrayRef, Decimal128Array, Float64Array, Int64Array};
use arrow_buffer::i256;
use arrow_schema::DataType;
use weir_model::Failure;

use super::{
    Accumulator,
    count::Count,
    sum::{Addend, OVERFLOW, Sum, as_addends, fits},
};
use crate::operator::{columns, keys::Groups};

/// The sum and the count of values per group.
#[derive(Debug)]
pub(super) struct Average<N> {
    sum_type: DataType,
    sum: Sum<N>,
    count: Count,
    result: DataType,
}

/// A sum that knows its averages.
pub(in crate::operator) trait Divide: Addend {
    /// The averages as a column of the result's type.
    fn averages(
        sums: &[Self],
        counts: &[i64],
        sum_type: &DataType,
        result: &DataType,
    ) -> Result<ArrayRef, Failure>;
}

impl<N: Divide> Average<N> {
    /// Averages of this type from sums of that.
    pub(super) fn new(sum_type: DataType, result: DataType) -> Self {
        Self {
            sum: Sum::new(sum_type.clone()),
            sum_type,
            count: Count::default(),
            result,
        }
    }
}

impl<N: Divide + Debug> Accumulator for Average<N> {
    fn update(&mut self, groups: Groups<'_>, column: Option<&ArrayRef>) -> Result<(), Failure> {
        let column = column.ok_or_else(|| Failure::internal("an AVG without an argument"))?;
        let addends = as_addends(column, &self.sum_type)?;
        self.sum.update(groups, Some(&addends))?;
        self.count.values(groups, column);
        Ok(())
    }

    fn merge(&mut self, groups: Groups<'_>, partial: &[ArrayRef]) -> Result<(), Failure> {
        self.sum.merge(groups, &partial[..1])?;
        self.count.merge(groups, &partial[1..])
    }

    fn partial(&self, groups: Range<usize>) -> Result<Vec<ArrayRef>, Failure> {
        let mut columns = self.sum.partial(groups.clone())?;
        columns.push(self.count.column(groups));
        Ok(columns)
    }

    fn finish(&self, groups: Range<usize>) -> Result<ArrayRef, Failure> {
        N::averages(
            self.sum.get(groups.clone()),
            self.count.get(groups),
            &self.sum_type,
            &self.result,
        )
    }

    fn finish_of(&self, groups: &[u32]) -> Result<ArrayRef, Failure> {
        N::averages(
            &self.sum.gather(groups),
            &self.count.gather(groups),
            &self.sum_type,
            &self.result,
        )
    }

    fn retract(&mut self, groups: Groups<'_>, column: Option<&ArrayRef>) -> Result<(), Failure> {
        let column = column.ok_or_else(|| Failure::internal("an AVG without an argument"))?;
        self.sum.subtract(groups, &as_addends(column, &self.sum_type)?)?;
        self.count.take_back_values(groups, column);
        Ok(())
    }

    fn state_types(&self) -> Vec<DataType> {
        vec![self.sum_type.clone(), DataType::Int64]
    }

    fn state_of(&self, groups: &[u32]) -> Result<Vec<ArrayRef>, Failure> {
        let mut columns = self.sum.state_of(groups)?;
        columns.extend(self.count.state_of(groups)?);
        Ok(columns)
    }

    fn keep(&mut self, groups: &[u32]) -> Result<(), Failure> {
        self.sum.keep(groups)?;
        self.count.keep_only(groups);
        Ok(())
    }

    fn clear(&mut self) {
        self.sum.clear();
        self.count.clear();
    }
}

/// One value per group that has any.
fn per_group<'a, N: Copy, T>(
    sums: &'a [N],
    counts: &'a [i64],
    average: impl Fn(N, i64) -> T + 'a,
) -> impl Iterator<Item = Option<T>> + 'a {
    sums.iter()
        .zip(counts)
        .map(move |(&sum, &count)| (count > 0).then(|| average(sum, count)))
}

impl Divide for i64 {
    fn averages(sums: &[i64], counts: &[i64], _: &DataType, result: &DataType) -> Result<ArrayRef, Failure> {
        let averages: ArrayRef = if result.is_floating() {
            Arc::new(per_group(sums, counts, |sum, n| sum as f64 / n as f64).collect::<Float64Array>())
        } else {
            Arc::new(per_group(sums, counts, |sum, n| sum / n).collect::<Int64Array>())
        };
        columns::cast(&averages, result)
    }
}

impl Divide for f64 {
    fn averages(sums: &[f64], counts: &[i64], _: &DataType, result: &DataType) -> Result<ArrayRef, Failure> {
        let averages: ArrayRef =
            Arc::new(per_group(sums, counts, |sum, n| sum / n as f64).collect::<Float64Array>());
        columns::cast(&averages, result)
    }
}

impl Divide for i128 {
    fn averages(
        sums: &[i128],
        counts: &[i64],
        sum_type: &DataType,
        result: &DataType,
    ) -> Result<ArrayRef, Failure> {
        let (&DataType::Decimal128(_, from), &DataType::Decimal128(precision, to)) = (sum_type, result)
        else {
            return Err(Failure::internal(format!(
                "an average of type {result} from {sum_type}"
            )));
        };
        let averages: Decimal128Array = per_group(sums, counts, |sum, n| {
            rescaled_quotient(sum, n, from, to).filter(|&v| fits(v, precision))
        })
        .map(Option::flatten)
        .collect();
        let averages = averages
            .with_precision_and_scale(precision, to)
            .map_err(|e| Failure::internal(format!("an average of type {result}: {e}")))?;
        Ok(Arc::new(averages))
    }
}

/// The unscaled value of `sum / count` at another scale, rounded half away from zero; none if it is out of range.
fn rescaled_quotient(sum: i128, count: i64, from: i8, to: i8) -> Option<i128> {
    if sum == OVERFLOW {
        return None;
    }
    let power = |digits: i8| i256::from_i128(10).checked_pow(u32::from(digits.max(0).unsigned_abs()));
    let numerator = i256::from_i128(sum).checked_mul(power(to - from)?)?;
    let denominator = i256::from_i128(i128::from(count)).checked_mul(power(from - to)?)?;
    let half = denominator.checked_div(i256::from_i128(2))?;
    let half = if sum < 0 { half.checked_neg()? } else { half };
    numerator.checked_add(half)?.checked_div(denominator)?.to_i128()
}
