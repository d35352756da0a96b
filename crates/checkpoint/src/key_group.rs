//! Key groups: the unit in which keyed state is spread over subtasks and moved between them.
//!
//! Frozen: a savepoint made by one version is read by another, so neither the hash nor the ranges may ever change. The
//! test vectors below are the contract.

use std::ops::Range;

/// Mixes one 64-bit key part into a hash. Start with `0`; feed the parts of a compound key in order.
///
/// The finalizer of MurmurHash3 (fmix64) over the running hash times an odd constant plus the part: cheap, branch-free
/// and vectorisable; it spreads sequential ids well.
#[inline]
pub fn mix(hash: u64, part: u64) -> u64 {
    let mut h = hash.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(part);
    h ^= h >> 33;
    h = h.wrapping_mul(0xff51_afd7_ed55_8ccd);
    h ^= h >> 33;
    h = h.wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    h ^ (h >> 33)
}

/// Mixes a string or binary key part: its length, then its bytes in little-endian words, the last padded with zeros.
#[inline]
pub fn mix_bytes(hash: u64, bytes: &[u8]) -> u64 {
    let mut h = mix(hash, bytes.len() as u64);
    let (words, rest) = bytes.as_chunks::<8>();
    for word in words {
        h = mix(h, u64::from_le_bytes(*word));
    }
    if !rest.is_empty() {
        let mut last = [0; 8];
        last[..rest.len()].copy_from_slice(rest);
        h = mix(h, u64::from_le_bytes(last));
    }
    h
}

/// What a null key part mixes in.
pub const NULL_PART: u64 = 0x6e75_6c6c_6e75_6c6c;

/// The key group of a hashed key, `0..max_parallelism`.
#[inline]
pub fn of_hash(hash: u64, max_parallelism: u32) -> u32 {
    (hash % u64::from(max_parallelism)) as u32
}

/// The key groups that a subtask owns at a parallelism: contiguous, and as even as can be.
pub fn range(subtask: u32, parallelism: u32, max_parallelism: u32) -> Range<u32> {
    let bound = |i: u32| (u64::from(i) * u64::from(max_parallelism)).div_ceil(u64::from(parallelism)) as u32;
    bound(subtask)..bound(subtask + 1)
}

/// Key group -> subtask for one parallelism. Data, not a formula at the point of use: an in-place rescale swaps it.
pub fn routing(parallelism: u32, max_parallelism: u32) -> Vec<u32> {
    (0..parallelism)
        .flat_map(|s| range(s, parallelism, max_parallelism).map(move |_| s))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_frozen() {
        assert_eq!(mix(0, 0), 0);
        assert_eq!(mix(0, 1), 0xb456_bcfc_34c2_cb2c);
        assert_eq!(mix_bytes(0, b""), 0);
        assert_eq!(mix_bytes(0, b"DE"), mix(mix(0, 2), 0x4544));
        assert_ne!(
            mix_bytes(0, b"a"),
            mix_bytes(0, b"a\0"),
            "the length is part of the key"
        );
    }

    #[test]
    fn ranges_cover_every_key_group_once_and_evenly() {
        for parallelism in 1..=70 {
            let routing = routing(parallelism, 128.max(parallelism));
            assert_eq!(routing.len(), 128);
            assert!(routing.is_sorted());
            let sizes: Vec<_> = (0..parallelism)
                .map(|s| range(s, parallelism, 128).len())
                .collect();
            let (min, max) = (sizes.iter().min(), sizes.iter().max());
            assert!(
                max.zip(min).is_some_and(|(max, min)| max - min <= 1),
                "{parallelism}: {sizes:?}"
            );
        }
    }

    #[test]
    fn sequential_ids_spread_over_all_key_groups() {
        let mut hits = vec![0_u32; 1024];
        for id in 0..1_024_000_u64 {
            hits[of_hash(mix(0, id), 1024) as usize] += 1;
        }
        assert!(
            hits.iter().all(|&n| (800..1200).contains(&n)),
            "{:?}..{:?}",
            hits.iter().min(),
            hits.iter().max()
        );
    }
}
