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

/// The worker of each slot, by slot index; none when there are too few slots. `before` are the workers of the job's deployment before.
///
/// A slot stays where it was if that worker has a free one: files of its state are there. With other slots than before it stays only
/// as far as load stays even, so that a job that is rescaled comes to all workers.
///
/// All others go, one by one, to the worker that has the most free ones at that moment; among equals the smaller id, so that the same
/// offers give the same answer.
pub fn place(slots: u32, offers: &[Offer], before: &[WorkerId]) -> Option<Vec<WorkerId>> {
    let mut offers = offers.to_vec();
    offers.sort_by_key(|offer| offer.worker);
    let even = evenly(slots, &mut offers.clone())?;
    let is_rescaled = before.len() != slots as usize;
    let mut placed = vec![None; slots as usize];
    for slot in 0..placed.len() {
        let home = home(slot, slots as usize, before);
        let offer = offers
            .iter_mut()
            .find(|offer| Some(offer.worker) == home && offer.free > 0);
        if let Some(offer) = offer {
            let share = even.iter().filter(|worker| **worker == offer.worker).count();
            let has = placed.iter().filter(|worker| **worker == home).count();
            if !is_rescaled || has < share {
                placed[slot] = home;
                offer.free -= 1;
            }
        }
    }
    let missing = placed.iter().filter(|worker| worker.is_none()).count();
    let mut others = evenly(missing as u32, &mut offers)?.into_iter();
    placed
        .into_iter()
        .map(|worker| worker.or_else(|| others.next()))
        .collect()
}

/// Takes slots one by one.
fn evenly(slots: u32, offers: &mut [Offer]) -> Option<Vec<WorkerId>> {
    (0..slots)
        .map(|_| {
            let best = offers.iter_mut().rev().max_by_key(|offer| offer.free)?;
            best.free = best.free.checked_sub(1)?;
            Some(best.worker)
        })
        .collect()
}

/// Where a slot was, or, of other slots than before, the one that had the middle of its key groups.
fn home(slot: usize, slots: usize, before: &[WorkerId]) -> Option<WorkerId> {
    before.get((2 * slot + 1) * before.len() / (2 * slots)).copied()
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn worker(n: u128) -> WorkerId {
        WorkerId(Uuid::from_u128(n))
    }

    fn check(slots: u32, free: &[u32], expected: Option<&[u128]>) {
        check_again(slots, free, &[], expected);
    }

    /// Places a job anew.
    fn check_again(slots: u32, free: &[u32], before: &[u128], expected: Option<&[u128]>) {
        let before: Vec<_> = before.iter().map(|&n| worker(n)).collect();
        let offers: Vec<_> = free
            .iter()
            .zip(1..)
            .map(|(&free, n)| Offer {
                worker: worker(n),
                free,
            })
            .collect();
        let expected = expected.map(|workers| workers.iter().map(|&n| worker(n)).collect::<Vec<_>>());
        assert_eq!(
            place(slots, &offers, &before),
            expected,
            "{slots} slots on {free:?}"
        );
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
    fn a_slot_stays_on_its_worker_if_that_has_a_free_one() {
        check_again(2, &[2, 2, 2], &[3, 2], Some(&[3, 2]));
        check_again(3, &[1, 9, 9], &[1, 2, 1], Some(&[1, 2, 3]));
        // The fourth worker is lost.
        check_again(3, &[2, 2, 2], &[4, 3, 4], Some(&[1, 3, 2]));
        check_again(2, &[0, 1], &[1, 2], None);
    }

    #[test]
    fn a_job_with_other_slots_than_before_stays_as_far_as_load_stays_even() {
        check_again(2, &[2, 2], &[1], Some(&[1, 2]));
        check_again(4, &[2, 2, 2], &[2, 3], Some(&[2, 1, 3, 1]));
        check_again(2, &[2, 2], &[2, 2, 1, 1], Some(&[2, 1]));
    }

    #[test]
    fn too_few_slots_place_nothing() {
        check(3, &[1, 1], None);
        check(1, &[], None);
        check(1, &[0, 0], None);
        check(0, &[], Some(&[]));
    }
}
