//! Messages on their way: sent, and not known to have come.

use std::collections::VecDeque;

/// Messages in the order of their numbers, until all before them have come too.
#[derive(Debug)]
pub(crate) struct InFlight<M> {
    waiting: VecDeque<Waiting<M>>,
    bytes: usize,
    /// The number of the next one.
    next: u64,
}

#[derive(Debug)]
struct Waiting<M> {
    message: M,
    bytes: usize,
    has_come: bool,
}

impl<M> InFlight<M> {
    /// None.
    pub(crate) fn new() -> Self {
        Self {
            waiting: VecDeque::new(),
            bytes: 0,
            next: 0,
        }
    }

    /// How many there are, with those that have come while one before them has not.
    pub(crate) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// How big they are.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// The number of the next one.
    pub(crate) fn next(&self) -> u64 {
        self.next
    }

    /// One more, of so many bytes; its number.
    pub(crate) fn push(&mut self, message: M, bytes: usize) -> u64 {
        self.waiting.push_back(Waiting {
            message,
            bytes,
            has_come: false,
        });
        self.bytes += bytes;
        self.next += 1;
        self.next - 1
    }

    fn first(&self) -> u64 {
        self.next - self.waiting.len() as u64
    }

    /// The message of that number, if it is not known that it and all before it have come.
    pub(crate) fn get(&self, number: u64) -> Option<&M> {
        let place = number.checked_sub(self.first())?;
        Some(&self.waiting.get(usize::try_from(place).ok()?)?.message)
    }

    /// It has come.
    pub(crate) fn done(&mut self, number: u64) {
        let place = number
            .checked_sub(self.first())
            .and_then(|place| usize::try_from(place).ok());
        if let Some(waiting) = place.and_then(|place| self.waiting.get_mut(place)) {
            waiting.has_come = true;
        }
        while let Some(Waiting { bytes, .. }) = self.waiting.pop_front_if(|first| first.has_come) {
            self.bytes -= bytes;
        }
    }

    /// Those that are not known to have come, with their numbers.
    pub(crate) fn rest(&self) -> impl Iterator<Item = (u64, &M)> {
        let numbered = (self.first()..).zip(&self.waiting);
        numbered
            .filter(|(_, waiting)| !waiting.has_come)
            .map(|(number, waiting)| (number, &waiting.message))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_kept_until_all_before_them_have_come() {
        let mut sent = InFlight::new();
        let numbers: Vec<_> = ["a", "b", "c"]
            .into_iter()
            .map(|text| sent.push(text, 10))
            .collect();
        assert_eq!((numbers.as_slice(), sent.next()), (&[0, 1, 2][..], 3));
        sent.done(1);
        assert_eq!((sent.len(), sent.bytes()), (3, 30));
        assert_eq!(sent.rest().collect::<Vec<_>>(), [(0, &"a"), (2, &"c")]);
        sent.done(0);
        assert_eq!(
            (sent.len(), sent.bytes(), sent.get(1), sent.get(2)),
            (1, 10, None, Some(&"c"))
        );
        // Said twice, or of none.
        sent.done(0);
        sent.done(7);
        sent.done(2);
        assert_eq!((sent.len(), sent.bytes(), sent.next()), (0, 0, 3));
    }
}
