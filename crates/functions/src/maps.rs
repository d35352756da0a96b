//! Maps made of values, arrays and maps.

use std::sync::Arc;

use arrow::array::make_comparator;
use arrow_array::{Array, ArrayRef, ListArray, MapArray, StructArray, cast::AsArray};
use arrow_buffer::{NullBuffer, NullBufferBuilder, OffsetBuffer, ScalarBuffer};
use arrow_schema::{DataType, Field, Fields, SortOptions};
use arrow_select::concat::concat;
use datafusion_common::{Result, exec_err, plan_err};

use crate::{
    call::Call,
    collection::{element, entries, taken},
    define::{Def, Gives, Takes, def},
};

use Takes::Any;

const ENTRIES: Gives = Gives::Of(|types| {
    let (key, value) = entries(&types[0])?;
    let row = Fields::from(vec![
        Field::new("key", key, false),
        Field::new("value", value, true),
    ]);
    Ok(DataType::List(Arc::new(Field::new(
        "item",
        DataType::Struct(row),
        true,
    ))))
});
const OF_ARRAYS: Gives = Gives::Of(|types| {
    let (keys, values) = (element(&types[0])?, element(&types[1])?);
    Ok(map_type(keys.data_type().clone(), values.data_type().clone()))
});
const SAME: Gives = Gives::Of(|types| {
    entries(&types[0])?;
    match types.iter().find(|other| **other != types[0]) {
        Some(other) => plan_err!(
            "MAP_UNION takes MAPs of one type, not {} and {other}: add a CAST",
            types[0]
        ),
        None => Ok(types[0].clone()),
    }
});
const OF_VALUES: Gives = Gives::Of(|types| {
    if !types.len().is_multiple_of(2) {
        return plan_err!("a MAP is made of pairs: MAP[key, value, key, value]");
    }
    let of = |first: usize| {
        let mut types = types.iter().skip(first).step_by(2).filter(|t| !t.is_null());
        let Some(one) = types.next() else {
            return Ok(DataType::Utf8);
        };
        types.try_fold(one.clone(), |one, other| wider(&one, other))
    };
    Ok(map_type(of(0)?, of(1)?))
});

pub(crate) const FUNCTIONS: &[Def] = &[
    // key, value, key, value and so on
    def("$MAP", &[Any, Any], OF_VALUES, of_values).repeats(),
    def("MAP_ENTRIES", &[Any], ENTRIES, map_entries),
    def("MAP_FROM_ARRAYS", &[Any, Any], OF_ARRAYS, from_arrays),
    def("MAP_UNION", &[Any], SAME, union).repeats(),
];

fn map_type(key: DataType, value: DataType) -> DataType {
    let fields = Fields::from(vec![
        Field::new("keys", key, false),
        Field::new("values", value, true),
    ]);
    DataType::Map(
        Arc::new(Field::new("entries", DataType::Struct(fields), false)),
        false,
    )
}

/// The type that holds values of two types.
fn wider(one: &DataType, other: &DataType) -> Result<DataType> {
    if one == other {
        return Ok(one.clone());
    }
    let rank = |t: &DataType| match t {
        DataType::Int8 => Some(1),
        DataType::Int16 => Some(2),
        DataType::Int32 => Some(3),
        DataType::Int64 => Some(4),
        DataType::Float32 => Some(5),
        DataType::Float64 => Some(6),
        _ => None,
    };
    match (rank(one), rank(other)) {
        (Some(a), Some(b)) if a > b => Ok(one.clone()),
        (Some(_), Some(_)) => Ok(other.clone()),
        _ => {
            plan_err!("a MAP has keys of one type and values of one type, not {one} and {other}: add a CAST")
        }
    }
}

/// A map per row of the entries at places of keys and values; of equal keys the last one counts, in the place of the first.
fn build(
    call: &Call<'_>,
    (keys, values): (&ArrayRef, &ArrayRef),
    mut write: impl FnMut(usize, &mut Vec<u32>) -> Result<Option<()>>,
) -> Result<ArrayRef> {
    let DataType::Map(entry, _) = call.result else {
        return exec_err!("{} gives a MAP", call.name);
    };
    let (key, value) = entries(call.result)?;
    let (keys, values) = (arrow_cast::cast(keys, &key)?, arrow_cast::cast(values, &value)?);
    let compare = make_comparator(&keys, &keys, SortOptions::default())?;
    let (mut chosen_keys, mut chosen_values) = (Vec::new(), Vec::new());
    let mut offsets = vec![0_i32];
    let mut nulls = NullBufferBuilder::new(call.rows);
    let mut places = Vec::new();
    for row in 0..call.rows {
        places.clear();
        nulls.append(write(row, &mut places)?.is_some());
        let begin = chosen_keys.len();
        for &place in &places {
            if keys.is_null(place as usize) {
                return exec_err!("a key of a MAP is NULL");
            }
            let known = chosen_keys[begin..].iter().position(|known: &Option<u32>| {
                known.is_some_and(|k| compare(k as usize, place as usize).is_eq())
            });
            if let Some(known) = known {
                chosen_values[begin + known] = Some(place);
            } else {
                chosen_keys.push(Some(place));
                chosen_values.push(Some(place));
            }
        }
        offsets.push(chosen_keys.len() as i32);
    }
    let DataType::Struct(fields) = entry.data_type() else {
        return exec_err!("{} gives a MAP", call.name);
    };
    let columns = vec![taken(&keys, chosen_keys)?, taken(&values, chosen_values)?];
    let entries = StructArray::try_new(fields.clone(), columns, None)?;
    let offsets = OffsetBuffer::new(ScalarBuffer::from(offsets));
    Ok(Arc::new(MapArray::try_new(
        Arc::clone(entry),
        offsets,
        entries,
        nulls.finish(),
        false,
    )?))
}

/// `MAP[key, value, ...]`: the columns of keys one behind the other, as are those of values.
fn of_values(call: &Call<'_>) -> Result<ArrayRef> {
    let (key, value) = entries(call.result)?;
    let columns = |first: usize, data_type: &DataType| -> Result<ArrayRef> {
        let columns = (first..call.count())
            .step_by(2)
            .map(|index| Ok(arrow_cast::cast(&call.column(index)?, data_type)?))
            .collect::<Result<Vec<_>>>()?;
        let refs: Vec<&dyn Array> = columns.iter().map(AsRef::as_ref).collect();
        Ok(concat(&refs)?)
    };
    let (keys, values) = (columns(0, &key)?, columns(1, &value)?);
    let pairs = call.count() / 2;
    build(call, (&keys, &values), |row, places| {
        places.extend((0..pairs).map(|pair| (pair * call.rows + row) as u32));
        Ok(Some(()))
    })
}

fn from_arrays(call: &Call<'_>) -> Result<ArrayRef> {
    let (keys, values) = (call.column(0)?, call.column(1)?);
    let (keys, values) = (keys.as_list::<i32>(), values.as_list::<i32>());
    // The values in the order of the keys, so that a place is that of both.
    let mut order = Vec::with_capacity(keys.values().len());
    let mut starts = Vec::with_capacity(call.rows);
    let mut key_places = Vec::with_capacity(keys.values().len());
    for row in 0..call.rows {
        starts.push(order.len());
        if keys.is_null(row) || values.is_null(row) {
            continue;
        }
        let (k, v) = (keys.value_length(row), values.value_length(row));
        if k != v {
            return exec_err!("MAP_FROM_ARRAYS takes as many values as keys, not {v} for {k}");
        }
        let (k_start, v_start) = (keys.value_offsets()[row], values.value_offsets()[row]);
        key_places.extend((k_start..k_start + k).map(|place| Some(place as u32)));
        order.extend((v_start..v_start + v).map(|place| Some(place as u32)));
    }
    starts.push(order.len());
    let (paired_keys, paired) = (taken(keys.values(), key_places)?, taken(values.values(), order)?);
    build(call, (&paired_keys, &paired), |row, places| {
        if keys.is_null(row) || values.is_null(row) {
            return Ok(None);
        }
        places.extend((starts[row]..starts[row + 1]).map(|place| place as u32));
        Ok(Some(()))
    })
}

/// The entries of all maps, those of later maps taking the place of earlier ones.
fn union(call: &Call<'_>) -> Result<ArrayRef> {
    let maps = (0..call.count())
        .map(|index| call.column(index))
        .collect::<Result<Vec<_>>>()?;
    let maps: Vec<&MapArray> = maps.iter().map(AsArray::as_map).collect();
    let all = |part: fn(&MapArray) -> &ArrayRef| {
        concat(&maps.iter().map(|map| part(map).as_ref()).collect::<Vec<_>>())
    };
    let (keys, values) = (all(MapArray::keys)?, all(MapArray::values)?);
    build(call, (&keys, &values), |row, places| {
        let mut start = 0_u32;
        for map in &maps {
            if map.is_null(row) {
                return Ok(None);
            }
            let offsets = map.value_offsets();
            places.extend((offsets[row] as u32..offsets[row + 1] as u32).map(|place| start + place));
            start += map.keys().len() as u32;
        }
        Ok(Some(()))
    })
}

/// An array of rows of a key and its value.
fn map_entries(call: &Call<'_>) -> Result<ArrayRef> {
    let of = call.column(0)?;
    let map = of.as_map();
    let DataType::List(item) = call.result else {
        return exec_err!("{} gives an ARRAY", call.name);
    };
    let DataType::Struct(fields) = item.data_type() else {
        return exec_err!("{} gives an ARRAY of ROWs", call.name);
    };
    let columns = vec![Arc::clone(map.keys()), Arc::clone(map.values())];
    let rows = StructArray::try_new(fields.clone(), columns, None::<NullBuffer>)?;
    Ok(Arc::new(ListArray::try_new(
        Arc::clone(item),
        map.offsets().clone(),
        Arc::new(rows),
        map.nulls().cloned(),
    )?))
}

#[cfg(test)]
mod tests {
    use datafusion_common::ScalarValue;

    use crate::testing::{call, check, int, text as s};

    fn json(value: ScalarValue, expected: &str) {
        check("JSON_STRING", &[value], Some(expected));
    }

    #[test]
    fn maps_are_made_of_values_arrays_and_maps() {
        let map = call(
            "$MAP",
            &[
                s("a"),
                int(1),
                s("b"),
                ScalarValue::Int32(Some(2)),
                s("a"),
                int(3),
            ],
        )
        .expect("a map");
        json(map.clone(), r#"{"a":3,"b":2}"#);
        let other = call("$MAP", &[s("c"), int(9), s("b"), int(8)]).expect("a map");
        json(
            call("MAP_UNION", &[map.clone(), other]).expect("a map"),
            r#"{"a":3,"b":8,"c":9}"#,
        );
        json(
            call("MAP_ENTRIES", &[map]).expect("an array"),
            r#"[{"key":"a","value":3},{"key":"b","value":2}]"#,
        );
        let keys = call("SPLIT", &[s("x,y"), s(",")]).expect("an array");
        let values = call("SPLIT", &[s("1,2"), s(",")]).expect("an array");
        json(
            call("MAP_FROM_ARRAYS", &[keys.clone(), values]).expect("a map"),
            r#"{"x":"1","y":"2"}"#,
        );
        let three = call("SPLIT", &[s("1,2,3"), s(",")]).expect("an array");
        assert!(call("MAP_FROM_ARRAYS", &[keys, three]).is_err());
        assert!(call("$MAP", &[s("a"), int(1), s("b"), s("x")]).is_err());
        assert!(call("$MAP", &[s(None::<&str>), int(1)]).is_err());
    }
}
