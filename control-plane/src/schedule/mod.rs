//! Which worker runs which subtasks.
//!
//! A job of parallelism p takes p slots: the subtasks with index i of all its tasks share slot i, so that a slot
//! carries one whole slice of the job and the number of tasks does not matter. A slot is on one worker.

use weir_model::WorkerId;

/// A worker with free slots.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Offer {
    /// The worker.
    pub worker: WorkerId,
    /// Its free slots.
    pub free: u32,
}

/// The worker of each slot, by slot index; none when there are too few slots.
///
/// Each slot goes to the worker that has the most free ones at that moment, so that load stays even over the cluster;
/// among equals the smaller id, so that the same offers give the same answer.
pub fn place(slots: u32, offers: &[Offer]) -> Option<Vec<WorkerId>> {
    let mut offers = offers.to_vec();
    offers.sort_by_key(|offer| offer.worker);
    (0..slots)
        .map(|_| {
            let best = offers.iter_mut().rev().max_by_key(|offer| offer.free)?;
            best.free = best.free.checked_sub(1)?;
            Some(best.worker)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn worker(n: u128) -> WorkerId {
        WorkerId(Uuid::from_u128(n))
    }

    fn check(slots: u32, free: &[u32], expected: Option<&[u128]>) {
        let offers: Vec<_> = free
            .iter()
            .zip(1..)
            .map(|(&free, n)| Offer {
                worker: worker(n),
                free,
            })
            .collect();
        let expected = expected.map(|workers| workers.iter().map(|&n| worker(n)).collect::<Vec<_>>());
        assert_eq!(place(slots, &offers), expected, "{slots} slots on {free:?}");
    }

    #[test]
    fn slots_are_spread_evenly_over_workers() {
        check(2, &[2, 2], Some(&[1, 2]));
        check(4, &[2, 2], Some(&[1, 2, 1, 2]));
        check(3, &[4, 4, 4], Some(&[1, 2, 3]));
        check(2, &[0, 2], Some(&[2, 2]));
        check(3, &[1, 4], Some(&[2, 2, 2]));
        check(4, &[1, 3], Some(&[2, 2, 1, 2]));
    }

    #[test]
    fn too_few_slots_place_nothing() {
        check(3, &[1, 1], None);
        check(1, &[], None);
        check(1, &[0, 0], None);
        check(0, &[], Some(&[]));
    }
}
