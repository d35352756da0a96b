//! Puts and deletes as one block of bytes.

/// What stands for the length of a value where a key is deleted.
const DELETED: u32 = u32::MAX;

/// Puts and deletes. Of those of one key the last one counts.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    bytes: Vec<u8>,
    entries: Vec<Entry>,
    is_sorted: bool,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    /// The first bytes of the key, so that most comparisons need no look at it.
    head: u64,
    start: usize,
    key: u32,
    value: u32,
}

impl Batch {
    /// Sets the value of a key.
    pub fn put(&mut self, key: &[u8], value: &[u8]) {
        self.push(key, length(value));
        self.bytes.extend_from_slice(value);
    }

    /// Removes a key, if it is there.
    pub fn delete(&mut self, key: &[u8]) {
        self.push(key, DELETED);
    }

    fn push(&mut self, key: &[u8], value: u32) {
        // A byte that is nobody's: of two entries the later one starts later, though nothing be in them.
        self.bytes.push(0);
        let mut head = [0; 8];
        let known = key.len().min(head.len());
        head[..known].copy_from_slice(&key[..known]);
        self.entries.push(Entry {
            head: u64::from_be_bytes(head),
            start: self.bytes.len(),
            key: length(key),
            value,
        });
        self.bytes.extend_from_slice(key);
        self.is_sorted = false;
    }

    /// What another batch does, after this one.
    pub fn append(&mut self, other: &Self) {
        let moved = self.bytes.len();
        self.bytes.extend_from_slice(&other.bytes);
        let entries = other.entries.iter().map(|entry| Entry {
            start: entry.start + moved,
            ..*entry
        });
        self.entries.extend(entries);
        self.is_sorted = false;
    }

    /// Sorts it by key, and keeps the last write of each.
    pub fn sort(&mut self) {
        if self.is_sorted {
            return;
        }
        let Self { bytes, entries, .. } = self;
        // Later ones first among those of one key: they are the ones that are kept.
        entries.sort_unstable_by(|a, b| {
            let keys = || a.key(bytes).cmp(b.key(bytes));
            let order = a.head.cmp(&b.head).then_with(keys);
            order.then(b.start.cmp(&a.start))
        });
        entries.dedup_by(|later, kept| later.head == kept.head && later.key(bytes) == kept.key(bytes));
        self.is_sorted = true;
    }

    /// Keys with their values, or none where they are deleted: sorted once it is sorted, in the order of writing before.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], Option<&[u8]>)> + Clone {
        let entry = |entry: &Entry| (entry.key(&self.bytes), entry.value(&self.bytes));
        self.entries.iter().map(entry)
    }

    /// How many puts and deletes.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// How large it is, in bytes.
    pub fn bytes(&self) -> usize {
        self.bytes.len()
    }

    /// Forgets all of it, and keeps the room for more.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.entries.clear();
    }
}

impl Entry {
    fn key<'a>(&self, bytes: &'a [u8]) -> &'a [u8] {
        &bytes[self.start..self.start + self.key as usize]
    }

    fn value<'a>(&self, bytes: &'a [u8]) -> Option<&'a [u8]> {
        let start = self.start + self.key as usize;
        (self.value != DELETED).then(|| &bytes[start..start + self.value as usize])
    }
}

fn length(bytes: &[u8]) -> u32 {
    let length = u32::try_from(bytes.len()).ok();
    let length = length.filter(|length| *length != DELETED);
    length.expect("a row of state is smaller than 4 GiB")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_write_of_a_key_counts() {
        let mut batch = Batch::default();
        batch.put(b"b", b"1");
        batch.put(b"a longer key", b"2");
        batch.delete(b"b");
        batch.put(b"a longer kez", b"");
        let mut more = Batch::default();
        more.put(b"b", b"3");
        more.delete(b"a longer key");
        more.delete(b"");
        more.put(b"", b"");
        batch.append(&more);
        assert_eq!(batch.len(), 8);
        batch.sort();
        let entries: Vec<_> = batch.iter().collect();
        let expected: [(&[u8], Option<&[u8]>); 4] = [
            (b"", Some(b"")),
            (b"a longer key", None),
            (b"a longer kez", Some(b"")),
            (b"b", Some(b"3")),
        ];
        assert_eq!(entries, expected);
    }
}
