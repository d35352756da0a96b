//! Streams of random words by event number, and what is drawn from them.
//!
//! The words are those of Wang Yi's wyrand at any place of its sequence: a step, then one 128-bit product folded.

const STEP: u64 = 0xa076_1d64_78bd_642f;
const FOLD: u64 = 0xe703_7ed1_a0b4_28db;

/// A word for each event number, unlike those of any other field and seed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stream {
    key: u64,
}

impl Stream {
    /// The stream of a field. Fields have different numbers.
    pub(super) fn new(seed: u64, field: u64) -> Self {
        let seed = scramble(seed.wrapping_add(0x9e37_79b9_7f4a_7c15));
        Self {
            key: scramble(seed ^ scramble(field.wrapping_add(1))),
        }
    }

    /// The word of event n.
    #[inline]
    pub(super) fn word(self, n: u64) -> u64 {
        fold(self.key.wrapping_add(n.wrapping_mul(STEP)))
    }

    /// Words without end for event n.
    #[inline]
    pub(super) fn words(self, n: u64) -> Words {
        Words { state: self.word(n) }
    }
}

/// Random words, one after the other.
#[derive(Clone, Debug)]
pub(super) struct Words {
    state: u64,
}

impl Words {
    #[inline]
    pub(super) fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(STEP);
        fold(self.state)
    }
}

#[inline]
fn fold(state: u64) -> u64 {
    let product = u128::from(state) * u128::from(state ^ FOLD);
    (product >> 64) as u64 ^ product as u64
}

/// The finaliser of splitmix64 (Steele, Lea and Flood, 2014).
fn scramble(mut word: u64) -> u64 {
    word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ (word >> 31)
}

/// A number below `bound` (at most 2^32) from the upper half of a word.
#[inline]
pub(super) fn below(word: u64, bound: u64) -> u64 {
    ((word >> 32) * bound) >> 32
}

/// Decides, from the lower half of a word, what happens in all but one of `ratio` cases.
#[derive(Clone, Copy, Debug)]
pub(super) struct Chance {
    threshold: u64,
}

impl Chance {
    pub(super) fn all_but_one_in(ratio: u32) -> Self {
        Self {
            threshold: (1_u64 << 32).div_ceil(u64::from(ratio)),
        }
    }

    #[inline]
    pub(super) fn happens(self, word: u64) -> bool {
        word & 0xffff_ffff >= self.threshold
    }
}

/// A price in cents: 100 times 10 to a power that is uniform from 0 to 6, rounded.
#[inline]
pub(super) fn price(word: u64) -> i64 {
    const LOG2_OF_10: f64 = std::f64::consts::LOG2_10;
    let uniform = (word >> 11) as i64 as f64 * (1.0 / (1_u64 << 53) as f64);
    // Below 2^27, so what follows stays within 32 bits.
    let exponent = (uniform * 6.0 + 2.0) * LOG2_OF_10;
    i64::from((exp2(exponent) + 0.5) as i32)
}

/// 2 to a power from 0 to 31, with a relative error below 1e-9: Taylor's series around the middle of each octave.
#[inline]
fn exp2(power: f64) -> f64 {
    const FACTORS: [f64; 9] = [
        1.0,
        1.0,
        1.0 / 2.0,
        1.0 / 6.0,
        1.0 / 24.0,
        1.0 / 120.0,
        1.0 / 720.0,
        1.0 / 5_040.0,
        1.0 / 40_320.0,
    ];
    let octave = power as i32;
    let x = (power - f64::from(octave) - 0.5) * std::f64::consts::LN_2;
    let series = FACTORS.iter().rev().fold(0.0, |sum, factor| sum * x + factor);
    f64::from_bits(((octave + 1_023) as u64) << 52) * (series * std::f64::consts::SQRT_2)
}

/// So many letters come at once: enough that the compiler makes them with vector instructions.
pub(super) const LETTERS: usize = 48;

/// Letters from `a` to `z`.
///
/// A letter takes 16 bits: of the two letters from a pair of bytes, one has the one byte as its upper bits and the other
/// the other, which makes the letters uniform to one part in 2500 and all but independent.
#[inline]
pub(super) fn letters(words: &mut Words) -> [u8; LETTERS] {
    let mut pairs = [[0_u16; 4]; LETTERS / 8];
    for four in &mut pairs {
        let word = words.next();
        *four = [
            word as u16,
            (word >> 16) as u16,
            (word >> 32) as u16,
            (word >> 48) as u16,
        ];
    }
    let mut out = [0; LETTERS];
    for (two, pair) in out.chunks_exact_mut(2).zip(pairs.as_flattened()) {
        let even = ((u32::from(*pair) * 26) >> 16) as u16;
        let odd = ((u32::from(pair.rotate_left(8)) * 26) >> 16) as u16;
        two.copy_from_slice(&((even | (odd << 8)) + 0x6161).to_le_bytes());
    }
    out
}
