//! Arrays and maps: their parts, their size, what they hold.

use std::sync::Arc;

use arrow::array::{DynComparator, make_comparator};
use arrow_array::{
    Array, ArrayRef, BooleanArray, Int32Array, ListArray, MapArray, UInt32Array,
    builder::{ListBuilder, MapBuilder, MapFieldNames, StringBuilder},
    cast::AsArray,
    types::Int64Type,
};
use arrow_buffer::{OffsetBuffer, ScalarBuffer};
use arrow_schema::{DataType, Field, Fields};
use datafusion_common::{Result, exec_err, plan_err};

use crate::{
    call::Call,
    define::{BOOL, Def, Gives, INT, TEXT, Takes, def},
};

use Takes::{Any, Text};

const ITEM: Gives = Gives::Of(item_type);
const ELEMENT: Gives = Gives::Of(|types| element(&types[0]).map(|field| field.data_type().clone()));
const SAME: Gives = Gives::Of(|types| element(&types[0]).map(|_| types[0].clone()));
const TEXTS: Gives = Gives::Of(|_| Ok(list_of(Field::new("item", DataType::Utf8, true))));
const KEYS: Gives =
    Gives::Of(|types| entries(&types[0]).map(|(key, _)| list_of(Field::new("item", key, true))));
const VALUES: Gives =
    Gives::Of(|types| entries(&types[0]).map(|(_, value)| list_of(Field::new("item", value, true))));
const TEXT_MAP: Gives = Gives::Of(|_| Ok(text_map()));

pub(crate) const FUNCTIONS: &[Def] = &[
    def("$ITEM", &[Any, Any], ITEM, item),
    def("ARRAY_CONTAINS", &[Any, Any], BOOL, contains),
    def("ARRAY_DISTINCT", &[Any], SAME, distinct),
    def("ARRAY_JOIN", &[Any, Text, Text], TEXT, join).optional(1),
    def("ARRAY_POSITION", &[Any, Any], INT, position),
    def("ARRAY_REVERSE", &[Any], SAME, reverse),
    def("CARDINALITY", &[Any], INT, cardinality),
    def("ELEMENT", &[Any], ELEMENT, only_element),
    def("MAP_KEYS", &[Any], KEYS, map_keys),
    def("MAP_VALUES", &[Any], VALUES, map_values),
    def("SPLIT", &[Text, Text], TEXTS, split),
    def("STR_TO_MAP", &[Text, Text, Text], TEXT_MAP, str_to_map).optional(2),
];

fn list_of(field: Field) -> DataType {
    DataType::List(Arc::new(field))
}

fn text_map() -> DataType {
    let fields = Fields::from(vec![
        Field::new("keys", DataType::Utf8, false),
        Field::new("values", DataType::Utf8, true),
    ]);
    DataType::Map(
        Arc::new(Field::new("entries", DataType::Struct(fields), false)),
        false,
    )
}

/// The elements of an array type.
pub(crate) fn element(data_type: &DataType) -> Result<&Arc<Field>> {
    match data_type {
        DataType::List(field) => Ok(field),
        other => plan_err!("an ARRAY is needed, not the type {other}"),
    }
}

/// The keys and values of a map type.
pub(crate) fn entries(data_type: &DataType) -> Result<(DataType, DataType)> {
    if let DataType::Map(entries, _) = data_type
        && let DataType::Struct(fields) = entries.data_type()
        && let [key, value] = fields.as_ref()
    {
        return Ok((key.data_type().clone(), value.data_type().clone()));
    }
    plan_err!("a MAP is needed, not the type {data_type}")
}

fn item_type(types: &[DataType]) -> Result<DataType> {
    match &types[0] {
        DataType::List(field) if types[1].is_signed_integer() => Ok(field.data_type().clone()),
        DataType::List(_) => plan_err!(
            "the index of an ARRAY is a whole number, not the type {}",
            types[1]
        ),
        DataType::Map(..) => {
            let (key, value) = entries(&types[0])?;
            if key == types[1] {
                Ok(value)
            } else {
                plan_err!(
                    "the key of the MAP is of the type {key}, not {}: add a CAST",
                    types[1]
                )
            }
        }
        other => plan_err!("an ARRAY or a MAP is needed before '[', not the type {other}"),
    }
}

/// The values at places of an array, null where there is none.
pub(crate) fn taken(values: &ArrayRef, places: Vec<Option<u32>>) -> Result<ArrayRef> {
    Ok(arrow_select::take::take(
        values,
        &UInt32Array::from(places),
        None,
    )?)
}

/// The elements of a row, as a range of those of all rows; none for a null.
pub(crate) fn range(array: &ListArray, row: usize) -> Option<std::ops::Range<usize>> {
    let offsets = array.value_offsets();
    array
        .is_valid(row)
        .then(|| offsets[row] as usize..offsets[row + 1] as usize)
}

/// `array[n]`, from 1, and `map[key]`; null for what is not there.
fn item(call: &Call<'_>) -> Result<ArrayRef> {
    let (of, at) = (call.column(0)?, call.column(1)?);
    if let Some(array) = of.as_list_opt::<i32>() {
        let at = arrow_cast::cast(&at, &DataType::Int64)?;
        let at = at.as_primitive::<Int64Type>();
        let places = (0..call.rows).map(|row| {
            let range = range(array, row)?;
            let index = usize::try_from(at.is_valid(row).then(|| at.value(row))?)
                .ok()?
                .checked_sub(1)?;
            (index < range.len()).then(|| (range.start + index) as u32)
        });
        return taken(array.values(), places.collect());
    }
    let map = of.as_map();
    let finder = Finder::new(map.keys(), &at)?;
    let offsets = map.value_offsets();
    let places = (0..call.rows).map(|row| {
        let range = map
            .is_valid(row)
            .then(|| offsets[row] as usize..offsets[row + 1] as usize)?;
        finder.find(range, row).map(|place| place as u32)
    });
    taken(map.values(), places.collect())
}

/// Compares elements with a value per row.
struct Finder {
    compare: DynComparator,
    elements: ArrayRef,
    values: ArrayRef,
}

impl Finder {
    fn new(elements: &ArrayRef, values: &ArrayRef) -> Result<Self> {
        if elements.data_type() != values.data_type() {
            return exec_err!(
                "elements of the type {} are not compared with the type {}: add a CAST",
                elements.data_type(),
                values.data_type()
            );
        }
        Ok(Self {
            compare: make_comparator(elements, values, arrow_schema::SortOptions::default())?,
            elements: Arc::clone(elements),
            values: Arc::clone(values),
        })
    }

    /// The first of the elements that is the row's value. A NULL is found, too.
    fn find(&self, mut range: std::ops::Range<usize>, row: usize) -> Option<usize> {
        let null = self.values.is_null(row);
        range.find(|place| {
            self.elements.is_null(*place) == null && (null || (self.compare)(*place, row).is_eq())
        })
    }
}

fn contains(call: &Call<'_>) -> Result<ArrayRef> {
    let (of, value) = (call.column(0)?, call.column(1)?);
    let (array, value) = same_types(&of, &value)?;
    let finder = Finder::new(array.values(), &value)?;
    let found = (0..call.rows).map(|row| Some(finder.find(range(&array, row)?, row).is_some()));
    Ok(Arc::new(found.collect::<BooleanArray>()))
}

/// The place of the first element that is the value, from 1; 0 if none is, null for a NULL.
fn position(call: &Call<'_>) -> Result<ArrayRef> {
    let (of, value) = (call.column(0)?, call.column(1)?);
    let (array, value) = same_types(&of, &value)?;
    let finder = Finder::new(array.values(), &value)?;
    let found = (0..call.rows).map(|row| {
        let range = range(&array, row)?;
        if value.is_null(row) {
            return None;
        }
        let start = range.start;
        Some(
            finder
                .find(range, row)
                .map_or(0, |place| (place - start) as i32 + 1),
        )
    });
    Ok(Arc::new(found.collect::<Int32Array>()))
}

/// An array, and a value as one of its elements would be.
fn same_types(of: &ArrayRef, value: &ArrayRef) -> Result<(ListArray, ArrayRef)> {
    let Some(array) = of.as_list_opt::<i32>() else {
        return exec_err!("an ARRAY is needed, not the type {}", of.data_type());
    };
    let element = array.value_type();
    let value = if value.data_type().is_null()
        || (value.data_type().is_signed_integer() && element.is_signed_integer())
    {
        arrow_cast::cast(value, &element)?
    } else {
        Arc::clone(value)
    };
    Ok((array.clone(), value))
}

/// The rows of an array with elements at other places.
fn rearranged(
    call: &Call<'_>,
    mut places: impl FnMut(&ListArray, std::ops::Range<usize>, &mut Vec<Option<u32>>),
) -> Result<ArrayRef> {
    let of = call.column(0)?;
    let array = of.as_list::<i32>();
    let mut taken_places = Vec::with_capacity(array.values().len());
    let mut offsets = Vec::with_capacity(call.rows + 1);
    offsets.push(0_i32);
    for row in 0..call.rows {
        if let Some(range) = range(array, row) {
            places(array, range, &mut taken_places);
        }
        offsets.push(taken_places.len() as i32);
    }
    let DataType::List(field) = of.data_type() else {
        return exec_err!("an ARRAY is needed, not the type {}", of.data_type());
    };
    Ok(Arc::new(ListArray::try_new(
        Arc::clone(field),
        OffsetBuffer::new(ScalarBuffer::from(offsets)),
        taken(array.values(), taken_places)?,
        array.nulls().cloned(),
    )?))
}

fn reverse(call: &Call<'_>) -> Result<ArrayRef> {
    rearranged(call, |_, range, places| {
        places.extend(range.rev().map(|place| Some(place as u32)));
    })
}

/// Keeps the first of equal elements.
fn distinct(call: &Call<'_>) -> Result<ArrayRef> {
    let of = call.column(0)?;
    let values = of.as_list::<i32>().values();
    let compare = make_comparator(values, values, arrow_schema::SortOptions::default())?;
    rearranged(call, |_, range, places| {
        let first = places.len();
        for place in range {
            let known = places[first..]
                .iter()
                .flatten()
                .any(|earlier| compare(*earlier as usize, place).is_eq());
            if !known {
                places.push(Some(place as u32));
            }
        }
    })
}

/// `ARRAY_JOIN(texts, separator [, for nulls])`; nulls are left out unless something stands for them.
fn join(call: &Call<'_>) -> Result<ArrayRef> {
    let (of, separator) = (call.column(0)?, call.text(1)?);
    let instead = if call.count() > 2 {
        Some(call.text(2)?)
    } else {
        None
    };
    let array = of.as_list::<i32>();
    let Some(elements) = array.values().as_string_opt::<i32>() else {
        return exec_err!(
            "ARRAY_JOIN takes an ARRAY<STRING>, not the type {}",
            of.data_type()
        );
    };
    call.texts(|row, out| {
        let (range, separator) = (range(array, row)?, separator.get(row)?);
        let instead = match &instead {
            Some(instead) => Some(instead.get(row)?),
            None => None,
        };
        let texts = range.filter_map(|place| {
            if elements.is_null(place) {
                instead
            } else {
                Some(elements.value(place))
            }
        });
        for (nth, text) in texts.enumerate() {
            if nth > 0 {
                out.push_str(separator);
            }
            out.push_str(text);
        }
        Some(())
    })
}

fn cardinality(call: &Call<'_>) -> Result<ArrayRef> {
    let of = call.column(0)?;
    let offsets = match of.data_type() {
        DataType::List(_) => of.as_list::<i32>().value_offsets().to_vec(),
        DataType::Map(..) => of.as_map().value_offsets().to_vec(),
        other => return exec_err!("CARDINALITY takes an ARRAY or a MAP, not the type {other}"),
    };
    Ok(call.numbers::<arrow_array::types::Int32Type>(|row| {
        of.is_valid(row).then(|| offsets[row + 1] - offsets[row])
    }))
}

/// The one element of an array; null for none.
fn only_element(call: &Call<'_>) -> Result<ArrayRef> {
    let of = call.column(0)?;
    let array = of.as_list::<i32>();
    let mut places = Vec::with_capacity(call.rows);
    for row in 0..call.rows {
        places.push(match range(array, row) {
            Some(range) if range.len() == 1 => Some(range.start as u32),
            Some(range) if range.len() > 1 => {
                return exec_err!("ELEMENT takes an ARRAY of one element, not of {}", range.len());
            }
            _ => None,
        });
    }
    taken(array.values(), places)
}

fn map_part(call: &Call<'_>, part: fn(&MapArray) -> &ArrayRef) -> Result<ArrayRef> {
    let of = call.column(0)?;
    let map = of.as_map();
    let DataType::List(field) = call.result else {
        return exec_err!("{} gives an ARRAY", call.name);
    };
    Ok(Arc::new(ListArray::try_new(
        Arc::clone(field),
        map.offsets().clone(),
        Arc::clone(part(map)),
        map.nulls().cloned(),
    )?))
}

fn map_keys(call: &Call<'_>) -> Result<ArrayRef> {
    map_part(call, MapArray::keys)
}

fn map_values(call: &Call<'_>) -> Result<ArrayRef> {
    map_part(call, MapArray::values)
}

/// `SPLIT(text, separator)`; an empty separator stands between all characters.
fn split(call: &Call<'_>) -> Result<ArrayRef> {
    let (text, separator) = (call.text(0)?, call.text(1)?);
    let mut lists = ListBuilder::new(StringBuilder::new());
    for row in 0..call.rows {
        let (Some(text), Some(separator)) = (text.get(row), separator.get(row)) else {
            lists.append(false);
            continue;
        };
        if separator.is_empty() {
            for c in text.chars() {
                lists.values().append_value(c.encode_utf8(&mut [0; 4]));
            }
        } else {
            for part in text.split(separator) {
                lists.values().append_value(part);
            }
        }
        lists.append(true);
    }
    Ok(Arc::new(lists.finish()))
}

/// `STR_TO_MAP(text [, between entries, between key and value])`: `,` and `=` unless given, as regular expressions.
fn str_to_map(call: &Call<'_>) -> Result<ArrayRef> {
    let text = call.text(0)?;
    let constant = |index: usize, otherwise: &str| -> Result<regex::Regex> {
        let pattern = if call.count() > index {
            if !call.is_constant(index) {
                return exec_err!("the separators of STR_TO_MAP must be texts in single quotes");
            }
            call.text(index)?.get(0).unwrap_or_default().to_owned()
        } else {
            otherwise.to_owned()
        };
        crate::regexp::compile(&pattern).map_err(datafusion_common::DataFusionError::Execution)
    };
    let (entry, pair) = (constant(1, ",")?, constant(2, "=")?);
    let names = MapFieldNames {
        entry: "entries".into(),
        key: "keys".into(),
        value: "values".into(),
    };
    let mut maps = MapBuilder::new(Some(names), StringBuilder::new(), StringBuilder::new());
    let mut found: Vec<(&str, Option<&str>)> = Vec::new();
    for row in 0..call.rows {
        let Some(text) = text.get(row) else {
            maps.append(false)?;
            continue;
        };
        found.clear();
        for part in entry.split(text) {
            let mut halves = pair.splitn(part, 2);
            let (key, value) = (halves.next().unwrap_or_default(), halves.next());
            // The last of equal keys counts.
            match found.iter_mut().find(|(known, _)| *known == key) {
                Some(known) => known.1 = value,
                None => found.push((key, value)),
            }
        }
        for (key, value) in &found {
            maps.keys().append_value(key);
            maps.values().append_option(*value);
        }
        maps.append(true)?;
    }
    Ok(Arc::new(maps.finish()))
}

#[cfg(test)]
mod tests {
    use datafusion_common::ScalarValue;

    use super::*;
    use crate::testing::{call, check, int, text as s};

    fn texts(values: &[Option<&str>]) -> ScalarValue {
        let mut lists = ListBuilder::new(StringBuilder::new());
        for value in values {
            lists.values().append_option(*value);
        }
        lists.append(true);
        ScalarValue::List(Arc::new(lists.finish()))
    }

    #[test]
    fn arrays_are_taken_apart() {
        let array = texts(&[Some("a"), None, Some("b"), Some("a")]);
        check("$ITEM", &[array.clone(), int(3)], Some("b"));
        check("$ITEM", &[array.clone(), int(5)], None);
        check("$ITEM", &[array.clone(), int(0)], None);
        check("ARRAY_JOIN", &[array.clone(), s("-")], Some("a-b-a"));
        check("ARRAY_JOIN", &[array.clone(), s("-"), s("?")], Some("a-?-b-a"));
        let reversed = texts(&[Some("a"), Some("b"), None, Some("a")]);
        assert_eq!(call("ARRAY_REVERSE", std::slice::from_ref(&array)), Ok(reversed));
        let distinct = texts(&[Some("a"), None, Some("b")]);
        assert_eq!(call("ARRAY_DISTINCT", std::slice::from_ref(&array)), Ok(distinct));
        let is = |name, value: ScalarValue, expected: ScalarValue| {
            assert_eq!(call(name, &[array.clone(), value]), Ok(expected), "{name}");
        };
        is("ARRAY_CONTAINS", s("b"), ScalarValue::Boolean(Some(true)));
        is(
            "ARRAY_CONTAINS",
            s(None::<&str>),
            ScalarValue::Boolean(Some(true)),
        );
        is("ARRAY_CONTAINS", s("x"), ScalarValue::Boolean(Some(false)));
        is("ARRAY_POSITION", s("b"), ScalarValue::Int32(Some(3)));
        is("ARRAY_POSITION", s("x"), ScalarValue::Int32(Some(0)));
        assert_eq!(
            call("CARDINALITY", std::slice::from_ref(&array)),
            Ok(ScalarValue::Int32(Some(4)))
        );
        assert!(call("ELEMENT", &[array]).is_err());
        check("ELEMENT", &[texts(&[Some("x")])], Some("x"));
    }

    #[test]
    fn texts_become_arrays_and_maps() {
        let split = |t: &str, by: &str| call("SPLIT", &[s(t), s(by)]);
        assert_eq!(split("a;b;", ";"), Ok(texts(&[Some("a"), Some("b"), Some("")])));
        assert_eq!(split("äb", ""), Ok(texts(&[Some("ä"), Some("b")])));
        let map = call("STR_TO_MAP", &[s("k1=v1,k2,k1=v3")]).expect("a map");
        check("$ITEM", &[map.clone(), s("k1")], Some("v3"));
        check("$ITEM", &[map.clone(), s("k2")], None);
        assert_eq!(call("MAP_KEYS", std::slice::from_ref(&map)).map(|_| ()), Ok(()));
        check(
            "ARRAY_JOIN",
            &[call("MAP_VALUES", &[map]).expect("values"), s("|")],
            Some("v3"),
        );
    }
}
