//! Functions of chance. Whoever runs an expression keeps a [`Chance`] per call, and says with what it begins where the call does not.
//!
//! RAND and RAND_INTEGER give what Java's `java.util.Random` gives: its documentation states the generator, a linear congruential one
//! of 48 bits, so that numbers from a seed are Flink's.

use arrow_array::{
    ArrayRef,
    types::{Float64Type, Int32Type, Int64Type},
};
use arrow_schema::DataType;
use datafusion_common::{Result, exec_err, internal_err};
use datafusion_expr::ColumnarValue;

use crate::{
    call::{Call, Values},
    define::{DOUBLE, Def, INT, TEXT, Takes, def},
};

use Takes::Int;

pub(crate) const FUNCTIONS: &[Def] = &[
    def("RAND", &[Int], DOUBLE, unseeded).optional(1).volatile(),
    def("RAND_INTEGER", &[Int, Int], INT, unseeded)
        .optional(1)
        .volatile(),
    def("UUID", &[], TEXT, unseeded).volatile(),
];

fn unseeded(call: &Call<'_>) -> Result<ArrayRef> {
    internal_err!("{} stands where no runtime gives it chance", call.name)
}

/// One call of a function of chance: what it gave last decides what it gives next.
#[derive(Clone, Debug)]
pub struct Chance {
    function: &'static str,
    numbers: Option<Random>,
    bits: Option<Bits>,
}

impl Chance {
    /// The state of a call; none if the function is none of chance.
    pub fn of(function: &str) -> Option<Self> {
        let def = FUNCTIONS.iter().find(|def| def.name == function)?;
        Some(Self {
            function: def.name,
            numbers: None,
            bits: None,
        })
    }

    /// A value per row. `start` is what the call begins with, unless its arguments say so.
    ///
    /// # Errors
    /// For a bound that is not above 0.
    pub fn values(&mut self, args: &[ColumnarValue], rows: usize, start: u64) -> Result<ArrayRef> {
        let result = match self.function {
            "RAND" => DataType::Float64,
            "RAND_INTEGER" => DataType::Int32,
            _ => DataType::Utf8,
        };
        let call = Call {
            name: self.function,
            args,
            rows,
            result: &result,
        };
        match (self.function, args.len()) {
            ("RAND", given) => self.unit_numbers(&call, (given == 1).then_some(0), start),
            ("RAND_INTEGER", 1) => self.whole_numbers(&call, None, 0, start),
            ("RAND_INTEGER", _) => self.whole_numbers(&call, Some(0), 1, start),
            _ => self.uuids(&call, start),
        }
    }

    fn unit_numbers(&mut self, call: &Call<'_>, seed: Option<usize>, start: u64) -> Result<ArrayRef> {
        let mut source = Source::new(call, seed, &mut self.numbers, start)?;
        Ok(call.numbers::<Float64Type>(|row| source.of_row(row).map(Random::unit)))
    }

    fn whole_numbers(
        &mut self,
        call: &Call<'_>,
        seed: Option<usize>,
        bound: usize,
        start: u64,
    ) -> Result<ArrayRef> {
        let bounds = call.values::<Int64Type>(bound)?;
        let mut source = Source::new(call, seed, &mut self.numbers, start)?;
        call.try_numbers::<Int32Type>(|row| {
            let (Some(bound), Some(random)) = (bounds.get(row), source.of_row(row)) else {
                return Ok(None);
            };
            match i32::try_from(bound) {
                Ok(bound) if bound > 0 => Ok(Some(random.below(bound))),
                _ => exec_err!("RAND_INTEGER takes a bound from 1 to 2147483647, not {bound}"),
            }
        })
    }

    /// Version 4 of RFC 9562.
    fn uuids(&mut self, call: &Call<'_>, start: u64) -> Result<ArrayRef> {
        let bits = self.bits.get_or_insert(Bits(start));
        call.texts(|_, text| {
            let high = (bits.next() & !0xf000) | 0x4000;
            let low = (bits.next() >> 2) | (1 << 63);
            for (digit, shift) in (0..16).rev().enumerate() {
                if digit == 8 || digit == 12 {
                    text.push('-');
                }
                text.push(hexadecimal(high >> (shift * 4)));
            }
            for (digit, shift) in (0..16).rev().enumerate() {
                if digit == 0 || digit == 4 {
                    text.push('-');
                }
                text.push(hexadecimal(low >> (shift * 4)));
            }
            Some(())
        })
    }
}

fn hexadecimal(bits: u64) -> char {
    char::from(b"0123456789abcdef"[(bits & 0xf) as usize])
}

/// Where a call's numbers come from.
enum Source<'a> {
    /// One sequence for all rows.
    Sequence(&'a mut Random),
    /// A seed per row, whose first number it is.
    PerRow(Values<'a, arrow_array::types::Int64Type>, Random),
}

impl<'a> Source<'a> {
    fn new(call: &Call<'a>, seed: Option<usize>, kept: &'a mut Option<Random>, start: u64) -> Result<Self> {
        let seed = match seed {
            None => start as i64,
            Some(argument) => {
                let seeds = call.values::<Int64Type>(argument)?;
                match seeds.get(0) {
                    Some(seed) if call.is_constant(argument) => seed,
                    _ => return Ok(Self::PerRow(seeds, Random::new(0))),
                }
            }
        };
        Ok(Self::Sequence(kept.get_or_insert_with(|| Random::new(seed))))
    }

    fn of_row(&mut self, row: usize) -> Option<&mut Random> {
        match self {
            Self::Sequence(random) => Some(random),
            Self::PerRow(seeds, random) => {
                *random = Random::new(seeds.get(row)?);
                Some(random)
            }
        }
    }
}

/// `java.util.Random`.
#[derive(Clone, Debug)]
struct Random(u64);

impl Random {
    const MULTIPLIER: u64 = 0x5_DEEC_E66D;
    const MASK: u64 = (1 << 48) - 1;

    fn new(seed: i64) -> Self {
        Self((seed as u64 ^ Self::MULTIPLIER) & Self::MASK)
    }

    /// Up to 32 bits.
    fn bits(&mut self, count: u32) -> u64 {
        self.0 = self.0.wrapping_mul(Self::MULTIPLIER).wrapping_add(0xB) & Self::MASK;
        self.0 >> (48 - count)
    }

    /// A number in 0..1.
    fn unit(&mut self) -> f64 {
        let (high, low) = (self.bits(26), self.bits(27));
        ((high << 27) + low) as f64 / (1_u64 << 53) as f64
    }

    /// A whole number in 0..bound; the bound is above 0.
    fn below(&mut self, bound: i32) -> i32 {
        let bound = i64::from(bound);
        let mut drawn = self.bits(31) as i64;
        if bound & (bound - 1) == 0 {
            return ((bound * drawn) >> 31) as i32;
        }
        // Numbers beyond the last multiple of the bound would make some results likelier than others.
        while drawn - drawn % bound + (bound - 1) > i64::from(i32::MAX) {
            drawn = self.bits(31) as i64;
        }
        (drawn % bound) as i32
    }
}

/// SplitMix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators, 2014).
#[derive(Clone, Copy, Debug, Default)]
pub struct Bits(pub u64);

impl Bits {
    /// 64 random bits.
    #[inline]
    #[allow(clippy::should_implement_trait, reason = "it never ends")]
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::HashSet, sync::Arc};

    use arrow_array::{Array, Int64Array, cast::AsArray};
    use datafusion_common::ScalarValue;

    use super::*;

    fn constant(value: i64) -> ColumnarValue {
        ColumnarValue::Scalar(ScalarValue::Int64(Some(value)))
    }

    fn column(values: Vec<Option<i64>>) -> ColumnarValue {
        ColumnarValue::Array(Arc::new(Int64Array::from(values)))
    }

    fn call(function: &str, args: &[ColumnarValue], rows: usize, start: u64) -> ArrayRef {
        let mut chance = Chance::of(function).expect("a function of chance");
        chance.values(args, rows, start).expect("values")
    }

    #[test]
    fn numbers_from_a_seed_are_javas() {
        // What the documentation of java.util.Random lets one compute by hand of its seed 42.
        let whole = call("RAND_INTEGER", &[constant(42), constant(10)], 4, 0);
        assert_eq!(whole.as_primitive::<Int32Type>().values().to_vec(), [0, 3, 8, 4]);
        let units = call("RAND", &[constant(42)], 1, 0);
        let unit = units.as_primitive::<Float64Type>().value(0);
        assert!((unit - 0.727_563_680_032_868_1).abs() < 1e-15, "{unit}");
    }

    #[test]
    fn a_constant_seed_begins_a_sequence_and_a_column_of_seeds_begins_one_per_row() {
        let sequence = call("RAND", &[constant(7)], 2, 0);
        let sequence = sequence.as_primitive::<Float64Type>();
        assert!(sequence.value(0) < sequence.value(1) || sequence.value(0) > sequence.value(1));
        let each = call("RAND", &[column(vec![Some(7), None, Some(7)])], 3, 0);
        let each = each.as_primitive::<Float64Type>();
        assert_eq!(each.value(0).to_bits(), sequence.value(0).to_bits());
        assert_eq!(each.value(2).to_bits(), sequence.value(0).to_bits());
        assert!(each.is_null(1));
    }

    #[test]
    fn a_call_goes_on_where_it_stopped() {
        let at_once = call("RAND_INTEGER", &[constant(1000)], 6, 5);
        let mut chance = Chance::of("RAND_INTEGER").expect("a function of chance");
        let mut parts = Vec::new();
        for rows in [2, 4] {
            let part = chance.values(&[constant(1000)], rows, 5).expect("values");
            parts.extend_from_slice(part.as_primitive::<Int32Type>().values());
        }
        assert_eq!(at_once.as_primitive::<Int32Type>().values().to_vec(), parts);
        let other = call("RAND_INTEGER", &[constant(1000)], 6, 6);
        assert_ne!(other.as_primitive::<Int32Type>().values().to_vec(), parts);
    }

    #[test]
    fn whole_numbers_stay_below_their_bound_and_reach_all_of_it() {
        for bound in [1, 2, 3, 8, 10] {
            let values = call("RAND_INTEGER", &[constant(bound)], 1000, 9);
            let found: HashSet<i32> = values
                .as_primitive::<Int32Type>()
                .values()
                .iter()
                .copied()
                .collect();
            assert_eq!(found, (0..bound as i32).collect(), "of {bound}");
        }
        let values = call("RAND_INTEGER", &[constant(i64::from(i32::MAX))], 100, 9);
        assert!(
            values
                .as_primitive::<Int32Type>()
                .values()
                .iter()
                .all(|v| *v >= 0)
        );
        let mut chance = Chance::of("RAND_INTEGER").expect("a function of chance");
        assert!(chance.values(&[constant(0)], 1, 0).is_err());
        assert!(
            chance
                .values(&[column(vec![None])], 1, 0)
                .expect("null")
                .is_null(0)
        );
    }

    #[test]
    fn uuids_are_of_version_4_and_all_different() {
        let uuids = call("UUID", &[], 1000, 3);
        let uuids = uuids.as_string::<i32>();
        let mut all = HashSet::new();
        for uuid in uuids.iter().flatten() {
            let parts: Vec<usize> = uuid.split('-').map(str::len).collect();
            assert_eq!(parts, [8, 4, 4, 4, 12], "{uuid}");
            assert_eq!(&uuid[14..15], "4", "{uuid}");
            assert!(["8", "9", "a", "b"].contains(&&uuid[19..20]), "{uuid}");
            assert!(all.insert(uuid.to_owned()), "{uuid} twice");
        }
        assert_eq!(all.len(), 1000);
    }
}
