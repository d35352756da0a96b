//! Numbers that depend on a seed, a field and a row alone.
//!
//! The mixing function is the finaliser of SplitMix64 (Steele, Lea, Flood: Fast splittable pseudorandom number
//! generators, 2014).

const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// All the random numbers of one field.
#[derive(Clone, Copy, Debug)]
pub(super) struct FieldRandom(u64);

impl FieldRandom {
    /// Those of the field with that path, for a purpose (values, nulls).
    pub(super) fn new(seed: i64, path: &str, purpose: u64) -> Self {
        let start = mix((seed as u64).wrapping_add(GOLDEN)) ^ purpose;
        Self(path.bytes().fold(mix(start), |key, byte| {
            mix(key.wrapping_add(GOLDEN) ^ u64::from(byte))
        }))
    }

    /// The numbers of a row, one after the other.
    #[inline]
    pub(super) fn of_row(self, row: u64) -> RowRandom {
        RowRandom(mix(self.0 ^ mix(row.wrapping_add(GOLDEN))))
    }
}

/// The random numbers of one field in one row.
#[derive(Clone, Copy, Debug)]
pub(super) struct RowRandom(u64);

impl RowRandom {
    /// 64 random bits.
    #[inline]
    pub(super) fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(GOLDEN);
        mix(self.0)
    }

    /// A number in 0..1.
    #[inline]
    pub(super) fn unit(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// A number in `min..=max`. The bias of less than 2^-63 is of no matter here.
    #[inline]
    pub(super) fn between(&mut self, min: i128, max: i128) -> i128 {
        let span = max.wrapping_sub(min) as u128;
        let offset = match u64::try_from(span) {
            Ok(u64::MAX) => u128::from(self.bits()),
            Ok(span) => (u128::from(self.bits()) * u128::from(span + 1)) >> 64,
            Err(_) => {
                let wide = u128::from(self.bits()) << 64 | u128::from(self.bits());
                span.checked_add(1).map_or(wide, |count| wide % count)
            }
        };
        min.wrapping_add(offset as i128)
    }
}
