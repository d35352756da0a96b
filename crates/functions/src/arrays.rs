//! Arrays made of arrays: put together, compared as sets, sorted, cut.

use std::{cmp::Ordering, ops::Range, sync::Arc};

use arrow::array::{DynComparator, make_comparator};
use arrow_array::{Array, ArrayRef, ListArray, cast::AsArray, types::Int64Type};
use arrow_buffer::{NullBufferBuilder, OffsetBuffer, ScalarBuffer};
use arrow_schema::{DataType, SortOptions};
use arrow_select::concat::concat;
use datafusion_common::{Result, exec_err, plan_err};

use crate::{
    call::{Bools, Call},
    collection::{element, range, taken},
    define::{Def, Gives, Takes, def},
};

use Takes::{Any, Int};

const SAME: Gives = Gives::Of(|types| element(&types[0]).map(|_| types[0].clone()));
const ELEMENT: Gives = Gives::Of(|types| element(&types[0]).map(|field| field.data_type().clone()));
/// An array and a value that can be one of its elements.
const WITH_VALUE: Gives = Gives::Of(|types| {
    let of = element(&types[0])?.data_type();
    check_fits(&types[1], of).map(|()| types[0].clone())
});
/// Arrays of one type.
const ALIKE: Gives = Gives::Of(|types| {
    let of = element(&types[0])?.data_type();
    for other in &types[1..] {
        check_fits(element(other)?.data_type(), of)?;
    }
    Ok(types[0].clone())
});

pub(crate) const FUNCTIONS: &[Def] = &[
    def("ARRAY_APPEND", &[Any, Any], WITH_VALUE, append),
    def("ARRAY_CONCAT", &[Any], ALIKE, concatenated).repeats(),
    def("ARRAY_EXCEPT", &[Any, Any], ALIKE, except),
    def("ARRAY_INTERSECT", &[Any, Any], ALIKE, intersect),
    def("ARRAY_MAX", &[Any], ELEMENT, max),
    def("ARRAY_MIN", &[Any], ELEMENT, min),
    def("ARRAY_PREPEND", &[Any, Any], WITH_VALUE, prepend),
    def("ARRAY_REMOVE", &[Any, Any], WITH_VALUE, remove),
    def("ARRAY_SLICE", &[Any, Int, Int], SAME, slice).optional(1),
    def("ARRAY_SORT", &[Any, Any, Any], SAME, sort).optional(2),
    def("ARRAY_UNION", &[Any, Any], ALIKE, union),
];

/// Refuses a value that does not become an element without a CAST.
fn check_fits(value: &DataType, element: &DataType) -> Result<()> {
    let narrower = value.is_signed_integer()
        && element.is_signed_integer()
        && value.primitive_width() <= element.primitive_width();
    if value == element || value.is_null() || narrower {
        return Ok(());
    }
    plan_err!("a value of the type {value} does not fit an ARRAY of the type {element}: add a CAST")
}

/// Values of several columns, one column behind the other.
struct Pool {
    values: ArrayRef,
    /// Where the values of each column begin.
    starts: Vec<usize>,
}

impl Pool {
    /// Of columns as values of one type.
    fn new(columns: &[ArrayRef], data_type: &DataType) -> Result<Self> {
        let columns = columns
            .iter()
            .map(|column| arrow_cast::cast(column, data_type))
            .collect::<std::result::Result<Vec<_>, _>>()?;
        let starts = columns.iter().scan(0, |next, column| {
            *next += column.len();
            Some(*next - column.len())
        });
        let refs: Vec<&dyn Array> = columns.iter().map(AsRef::as_ref).collect();
        Ok(Self {
            starts: starts.collect(),
            values: concat(&refs)?,
        })
    }

    fn comparator(&self, options: SortOptions) -> Result<DynComparator> {
        Ok(make_comparator(&self.values, &self.values, options)?)
    }
}

/// The arrays among the arguments, with a pool of their elements.
struct Arrays {
    arrays: Vec<ListArray>,
    pool: Pool,
}

impl Arrays {
    fn new(call: &Call<'_>, count: usize, others: &[ArrayRef]) -> Result<Self> {
        let of = element(&call.args[0].data_type())?.data_type().clone();
        let mut arrays = Vec::with_capacity(count);
        for index in 0..count {
            let column = call.column(index)?;
            match column.as_list_opt::<i32>() {
                Some(list) => arrays.push(list.clone()),
                None => {
                    return exec_err!(
                        "{} takes an ARRAY, not the type {}",
                        call.name,
                        column.data_type()
                    );
                }
            }
        }
        let values = arrays.iter().map(|array| Arc::clone(array.values()));
        let columns: Vec<ArrayRef> = values.chain(others.iter().map(Arc::clone)).collect();
        Ok(Self {
            arrays,
            pool: Pool::new(&columns, &of)?,
        })
    }

    /// The elements of a row of an array, as places in the pool; none for a null.
    fn range(&self, index: usize, row: usize) -> Option<Range<usize>> {
        let start = self.pool.starts[index];
        range(&self.arrays[index], row).map(|range| range.start + start..range.end + start)
    }

    /// An array per row of the elements at the places that are written; none: a null.
    fn build(
        &self,
        call: &Call<'_>,
        mut write: impl FnMut(usize, &mut Vec<Option<u32>>) -> Option<()>,
    ) -> Result<ArrayRef> {
        let DataType::List(field) = call.result else {
            return exec_err!("{} gives an ARRAY", call.name);
        };
        let mut places = Vec::with_capacity(self.pool.values.len());
        let mut offsets = vec![0_i32];
        let mut nulls = NullBufferBuilder::new(call.rows);
        for row in 0..call.rows {
            let before = places.len();
            let some = write(row, &mut places).is_some();
            if !some {
                places.truncate(before);
            }
            nulls.append(some);
            offsets.push(places.len() as i32);
        }
        Ok(Arc::new(ListArray::try_new(
            Arc::clone(field),
            OffsetBuffer::new(ScalarBuffer::from(offsets)),
            taken(&self.pool.values, places)?,
            nulls.finish(),
        )?))
    }
}

fn extend(places: &mut Vec<Option<u32>>, range: Range<usize>) {
    places.extend(range.map(|place| Some(place as u32)));
}

/// An array and a value for each of its rows, the value's place in the pool being that of the row behind the elements.
fn with_value(call: &Call<'_>) -> Result<Arrays> {
    Arrays::new(call, 1, &[call.column(1)?])
}

fn append(call: &Call<'_>) -> Result<ArrayRef> {
    let arrays = with_value(call)?;
    arrays.build(call, |row, places| {
        extend(places, arrays.range(0, row)?);
        places.push(Some((arrays.pool.starts[1] + row) as u32));
        Some(())
    })
}

fn prepend(call: &Call<'_>) -> Result<ArrayRef> {
    let arrays = with_value(call)?;
    arrays.build(call, |row, places| {
        let elements = arrays.range(0, row)?;
        places.push(Some((arrays.pool.starts[1] + row) as u32));
        extend(places, elements);
        Some(())
    })
}

fn remove(call: &Call<'_>) -> Result<ArrayRef> {
    let arrays = with_value(call)?;
    let compare = arrays.pool.comparator(SortOptions::default())?;
    arrays.build(call, |row, places| {
        let value = arrays.pool.starts[1] + row;
        let others = arrays
            .range(0, row)?
            .filter(|place| compare(*place, value).is_ne());
        places.extend(others.map(|place| Some(place as u32)));
        Some(())
    })
}

fn concatenated(call: &Call<'_>) -> Result<ArrayRef> {
    let arrays = Arrays::new(call, call.count(), &[])?;
    arrays.build(call, |row, places| {
        for index in 0..call.count() {
            extend(places, arrays.range(index, row)?);
        }
        Some(())
    })
}

/// The first of equal elements of two arrays that are wanted: those of the first that are in the second, or not.
fn set(
    call: &Call<'_>,
    wanted: impl Fn(&DynComparator, usize, Range<usize>) -> bool,
    takes_second: bool,
) -> Result<ArrayRef> {
    let arrays = Arrays::new(call, 2, &[])?;
    let compare = arrays.pool.comparator(SortOptions::default())?;
    arrays.build(call, |row, places| {
        let (first, second) = (arrays.range(0, row)?, arrays.range(1, row)?);
        let begin = places.len();
        let mut add = |place: usize| {
            let known = places[begin..].iter().flatten();
            let is_known = known.clone().any(|known| compare(*known as usize, place).is_eq());
            if !is_known {
                places.push(Some(place as u32));
            }
        };
        first
            .filter(|place| wanted(&compare, *place, second.clone()))
            .for_each(&mut add);
        if takes_second {
            second.for_each(&mut add);
        }
        Some(())
    })
}

fn is_in(compare: &DynComparator, place: usize, mut others: Range<usize>) -> bool {
    others.any(|other| compare(place, other).is_eq())
}

fn except(call: &Call<'_>) -> Result<ArrayRef> {
    set(
        call,
        |compare, place, others| !is_in(compare, place, others),
        false,
    )
}

fn intersect(call: &Call<'_>) -> Result<ArrayRef> {
    set(call, is_in, false)
}

fn union(call: &Call<'_>) -> Result<ArrayRef> {
    set(call, |_, _, _| true, true)
}

/// The element that comes first in an order; nulls are no elements.
fn extreme(call: &Call<'_>, wins: Ordering) -> Result<ArrayRef> {
    let arrays = Arrays::new(call, 1, &[])?;
    let values = &arrays.pool.values;
    let compare = arrays.pool.comparator(SortOptions::default())?;
    let nulls = values.logical_nulls();
    let is_set = |place: &usize| nulls.as_ref().is_none_or(|nulls| nulls.is_valid(*place));
    let best = (0..call.rows).map(|row| {
        let set = arrays.range(0, row)?.filter(is_set);
        let best = set.reduce(|best, place| if compare(place, best) == wins { place } else { best });
        best.map(|place| place as u32)
    });
    taken(values, best.collect())
}

fn max(call: &Call<'_>) -> Result<ArrayRef> {
    extreme(call, Ordering::Greater)
}

fn min(call: &Call<'_>) -> Result<ArrayRef> {
    extreme(call, Ordering::Less)
}

/// `ARRAY_SLICE(array, from [, to])`, both included, from 1, or from the end if negative; 0 is the begin.
fn slice(call: &Call<'_>) -> Result<ArrayRef> {
    let arrays = Arrays::new(call, 1, &[])?;
    let from = call.values::<Int64Type>(1)?;
    let to = if call.count() > 2 {
        Some(call.values::<Int64Type>(2)?)
    } else {
        None
    };
    arrays.build(call, |row, places| {
        let elements = arrays.range(0, row)?;
        let length = elements.len() as i64;
        let place = |offset: i64| match offset {
            0 => 1,
            negative if negative < 0 => negative.saturating_add(length + 1),
            positive => positive,
        };
        let first = place(from.get(row)?);
        let last = match &to {
            Some(to) => place(to.get(row)?),
            None => length,
        };
        let (first, last) = (first.max(1), last.min(length));
        if first <= last {
            let start = elements.start;
            extend(places, start + first as usize - 1..start + last as usize);
        }
        Some(())
    })
}

/// `ARRAY_SORT(array [, ascending [, nulls first]])`: ascending unless said otherwise, nulls first when ascending.
fn sort(call: &Call<'_>) -> Result<ArrayRef> {
    let arrays = Arrays::new(call, 1, &[])?;
    let flag = |index: usize| -> Result<Option<Bools<'_>>> {
        if index < call.count() {
            call.bools(index).map(Some)
        } else {
            Ok(None)
        }
    };
    let (ascending, nulls_first) = (flag(1)?, flag(2)?);
    let comparator = |descending, nulls_first| {
        arrays.pool.comparator(SortOptions {
            descending,
            nulls_first,
        })
    };
    let comparators = [
        [comparator(true, false)?, comparator(true, true)?],
        [comparator(false, false)?, comparator(false, true)?],
    ];
    arrays.build(call, |row, places| {
        let elements = arrays.range(0, row)?;
        let ascending = match &ascending {
            Some(ascending) => ascending.get(row)?,
            None => true,
        };
        let nulls_first = match &nulls_first {
            Some(nulls_first) => nulls_first.get(row)?,
            None => ascending,
        };
        let compare = &comparators[usize::from(ascending)][usize::from(nulls_first)];
        let begin = places.len();
        extend(places, elements);
        places[begin..].sort_by(|a, b| match (a, b) {
            (Some(a), Some(b)) => compare(*a as usize, *b as usize),
            _ => Ordering::Equal,
        });
        Some(())
    })
}

#[cfg(test)]
mod tests {
    use arrow_array::{builder::Int32Builder, builder::ListBuilder};
    use datafusion_common::ScalarValue;

    use super::*;
    use crate::testing::{call, int};

    fn numbers(values: &[Option<i32>]) -> ScalarValue {
        let mut lists = ListBuilder::new(Int32Builder::new());
        for value in values {
            lists.values().append_option(*value);
        }
        lists.append(true);
        ScalarValue::List(Arc::new(lists.finish()))
    }

    fn small(value: i32) -> ScalarValue {
        ScalarValue::Int32(Some(value))
    }

    fn gives(name: &str, args: &[ScalarValue], expected: &[Option<i32>]) {
        assert_eq!(call(name, args), Ok(numbers(expected)), "{name} of {args:?}");
    }

    #[test]
    fn arrays_are_put_together() {
        let (a, b) = (numbers(&[Some(1), None]), numbers(&[Some(2)]));
        gives("ARRAY_APPEND", &[a.clone(), small(3)], &[Some(1), None, Some(3)]);
        gives(
            "ARRAY_APPEND",
            &[a.clone(), ScalarValue::Null],
            &[Some(1), None, None],
        );
        gives("ARRAY_PREPEND", &[a.clone(), small(3)], &[Some(3), Some(1), None]);
        gives(
            "ARRAY_CONCAT",
            &[a.clone(), b.clone(), a.clone()],
            &[Some(1), None, Some(2), Some(1), None],
        );
        let null = ScalarValue::try_from(&b.data_type()).expect("a null");
        assert!(call("ARRAY_CONCAT", &[a.clone(), null]).expect("null").is_null());
        let reason = call("ARRAY_APPEND", &[a, int(3)]).expect_err("a BIGINT");
        assert!(reason.contains("add a CAST"), "{reason}");
    }

    #[test]
    fn arrays_are_sets_too() {
        let a = numbers(&[Some(1), Some(2), None, Some(2), Some(3)]);
        let b = numbers(&[Some(3), None, Some(4), Some(4)]);
        let pair = [a.clone(), b.clone()];
        gives("ARRAY_UNION", &pair, &[Some(1), Some(2), None, Some(3), Some(4)]);
        gives("ARRAY_INTERSECT", &pair, &[None, Some(3)]);
        gives("ARRAY_EXCEPT", &pair, &[Some(1), Some(2)]);
        gives("ARRAY_REMOVE", &[a.clone(), small(2)], &[Some(1), None, Some(3)]);
        gives(
            "ARRAY_REMOVE",
            &[b, ScalarValue::Null],
            &[Some(3), Some(4), Some(4)],
        );
        assert_eq!(call("ARRAY_MAX", std::slice::from_ref(&a)), Ok(small(3)));
        assert_eq!(call("ARRAY_MIN", &[a]), Ok(small(1)));
        assert_eq!(
            call("ARRAY_MIN", &[numbers(&[None])]),
            Ok(ScalarValue::Int32(None))
        );
    }

    #[test]
    fn arrays_are_sorted_and_cut() {
        let a = numbers(&[Some(2), None, Some(3), Some(1)]);
        let yes = |value| ScalarValue::Boolean(Some(value));
        gives(
            "ARRAY_SORT",
            std::slice::from_ref(&a),
            &[None, Some(1), Some(2), Some(3)],
        );
        gives(
            "ARRAY_SORT",
            &[a.clone(), yes(false)],
            &[Some(3), Some(2), Some(1), None],
        );
        gives(
            "ARRAY_SORT",
            &[a.clone(), yes(true), yes(false)],
            &[Some(1), Some(2), Some(3), None],
        );
        let cut = |from: i64, to: i64, expected: &[Option<i32>]| {
            gives("ARRAY_SLICE", &[a.clone(), int(from), int(to)], expected);
        };
        cut(2, 3, &[None, Some(3)]);
        cut(0, 1, &[Some(2)]);
        cut(-2, -1, &[Some(3), Some(1)]);
        cut(-9, 9, &[Some(2), None, Some(3), Some(1)]);
        cut(3, 2, &[]);
        cut(7, 9, &[]);
        gives("ARRAY_SLICE", &[a.clone(), int(3)], &[Some(3), Some(1)]);
    }
}
