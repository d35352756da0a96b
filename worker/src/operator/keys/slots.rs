//! Open addressing with linear probing over 16-byte slots at most half full: a hit is mostly one cache line, and the
//! probes of neighbouring rows overlap in the processor since no row waits for the one before.

/// Marks a slot without a group.
const EMPTY: u32 = u32::MAX;
const FIRST_SLOTS: usize = 64;
/// Tables below this many slots quadruple, larger ones double.
const FAST_GROWTH_SLOTS: usize = 1 << 16;

/// Words to groups. A word is a key itself, or the hash of a key that the caller compares.
#[derive(Debug)]
pub(super) struct Slots {
    /// A power of two of them.
    slots: Vec<Slot>,
    used: usize,
}

#[derive(Clone, Copy, Debug)]
struct Slot {
    word: u64,
    group: u32,
}

const NO_SLOT: Slot = Slot {
    word: 0,
    group: EMPTY,
};

/// Spreads a word: a 64 x 64 -> 128 bit product folded, so that every bit of the word reaches the low bits.
#[inline]
fn spread(word: u64) -> u64 {
    let product = u128::from(word ^ 0x9e37_79b9_7f4a_7c15) * 0xd6e8_feb8_6659_fd93;
    (product as u64) ^ ((product >> 64) as u64)
}

impl Slots {
    pub(super) fn new() -> Self {
        Self {
            slots: vec![NO_SLOT; FIRST_SLOTS],
            used: 0,
        }
    }

    /// The group of a word for which `same` holds, or what `new` makes.
    #[inline]
    pub(super) fn find_or_insert(
        &mut self,
        word: u64,
        same: impl Fn(u32) -> bool,
        new: impl FnOnce() -> u32,
    ) -> u32 {
        let mask = self.slots.len() - 1;
        let mut at = spread(word) as usize & mask;
        loop {
            let slot = self.slots[at];
            if slot.group == EMPTY {
                let group = new();
                self.insert(at, Slot { word, group });
                return group;
            }
            if slot.word == word && same(slot.group) {
                return slot.group;
            }
            at = (at + 1) & mask;
        }
    }

    /// Makes a word that leads to a group lead to another one.
    pub(super) fn redirect(&mut self, word: u64, from: u32, to: u32) {
        let mask = self.slots.len() - 1;
        let mut at = spread(word) as usize & mask;
        while self.slots[at].group != EMPTY {
            if self.slots[at].group == from {
                self.slots[at].group = to;
                return;
            }
            at = (at + 1) & mask;
        }
    }

    #[cold]
    #[inline(never)]
    fn insert(&mut self, at: usize, slot: Slot) {
        assert!(slot.group != EMPTY, "a table holds fewer than 2^32 - 1 groups");
        self.slots[at] = slot;
        self.used += 1;
        if self.used * 2 > self.slots.len() {
            self.grow();
        }
    }

    fn grow(&mut self) {
        let size = self.slots.len()
            * if self.slots.len() < FAST_GROWTH_SLOTS {
                4
            } else {
                2
            };
        let old = std::mem::replace(&mut self.slots, vec![NO_SLOT; size]);
        let mask = size - 1;
        for slot in old.into_iter().filter(|s| s.group != EMPTY) {
            let mut at = spread(slot.word) as usize & mask;
            while self.slots[at].group != EMPTY {
                at = (at + 1) & mask;
            }
            self.slots[at] = slot;
        }
    }

    /// Forgets all; gives memory back when little of it was used.
    pub(super) fn clear(&mut self) {
        if self.used * 16 < self.slots.len() {
            *self = Self::new();
        } else {
            self.slots.fill(NO_SLOT);
            self.used = 0;
        }
    }
}
