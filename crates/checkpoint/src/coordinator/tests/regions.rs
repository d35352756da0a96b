//! Stories of a region that begins again: the sources are one, the sink is another.

use super::*;

#[test]
fn what_is_under_way_is_given_up_and_the_next_one_covers_all_regions_when_they_run() {
    check(
        SETTINGS,
        &[
            (0, "running", ""),
            (10, "tick", "trigger 1"),
            (11, "snapshot 1 a", ""),
            (12, "region-failed s", "abort 1, failed 1"),
            // Of the region that goes on, about what was given up.
            (12, "snapshot 1 b", ""),
            (30, "tick", ""),
            (40, "running", ""),
            (49, "tick", ""),
            (50, "tick", "trigger 2"),
            (51, "snapshot 2 s", ""),
            (51, "snapshot 2 a", ""),
            (51, "snapshot 2 b", "write 2 [a b s:2]"),
        ],
    );
}

#[test]
fn a_region_that_fails_again_and_again_fails_no_checkpoint() {
    let story = [
        (0, "running", ""),
        (10, "tick", "trigger 1"),
        (11, "region-failed a b", "abort 1, failed 1"),
        (20, "running", ""),
        (30, "tick", "trigger 2"),
        (31, "region-failed a b", "abort 2, failed 2"),
        (40, "running", ""),
        (50, "tick", "trigger 3"),
        // Two of them are too many; these are none.
        (51, "snapshot-failed 3 s", "abort 3, failed 3"),
    ];
    check(SETTINGS, &story);
}

#[test]
fn commits_of_a_region_that_failed_are_waited_for_no_more() {
    check(
        SETTINGS,
        &[
            (0, "running", ""),
            (10, "tick", "trigger 1"),
            (11, "snapshot 1 a", ""),
            (11, "snapshot 1 b", ""),
            (11, "snapshot 1 s", "write 1 [a b s:1]"),
            (12, "written 1", "completed 1, commit 1"),
            (13, "region-failed s", ""),
            (18, "tick", ""),
            (20, "running", ""),
            (30, "tick", "trigger 2"),
        ],
    );
}

#[test]
fn a_manifest_on_its_way_is_waited_for_before_a_region_begins_again() {
    let mut coordinator = check(
        SETTINGS,
        &[
            (0, "running", ""),
            (10, "tick", "trigger 1"),
            (11, "snapshot 1 a", ""),
            (11, "snapshot 1 b", ""),
            (11, "snapshot 1 s", "write 1 [a b s:1]"),
            (12, "region-failed s", ""),
        ],
    );
    assert!(!coordinator.is_settled());
    let story = [
        (13, "written 1", "completed 1, commit 1"),
        (20, "running", ""),
        (30, "tick", "trigger 2"),
    ];
    tell(&mut coordinator, &story);
}

#[test]
fn the_end_of_a_region_is_told_anew_and_the_job_is_done_with_it() {
    check(
        SETTINGS,
        &[
            (0, "running", ""),
            (1, "finished a", ""),
            (1, "finished b", ""),
            (2, "finished s", "write 1 [a! b! s!:end]"),
            (3, "region-failed s", ""),
            (4, "written 1", "completed 1, commit 1"),
            (5, "tick", ""),
            (6, "running", ""),
            (7, "finished s", "write 2 [a! b! s!:end]"),
            (8, "written 2", "completed 2, commit 2"),
            (9, "committed 2 s", "done"),
        ],
    );
}

#[test]
fn a_job_that_stops_with_a_savepoint_that_is_there_begins_again_as_a_whole() {
    let story = [
        (0, "running", ""),
        (1, "savepoint s1 suspend", "trigger 1 to s1"),
        (2, "snapshot 1 a", ""),
        (2, "snapshot 1 b", ""),
        (2, "snapshot 1 s", "write 1 [a b s:1]"),
    ];
    let mut written = check(SETTINGS, &story);
    tell(&mut written.clone(), &[(3, "region-failed a b", "fail-job")]);
    let committing = [
        (3, "written 1", "completed 1, commit 1"),
        (4, "region-failed a b", "fail-job"),
    ];
    tell(&mut written, &committing);
}

#[test]
fn a_savepoint_under_way_fails_with_the_region_and_one_that_waits_is_taken_later() {
    check(
        SETTINGS,
        &[
            (0, "running", ""),
            (1, "savepoint s1 suspend", "trigger 1 to s1"),
            (1, "savepoint s2 go-on", ""),
            (2, "region-failed s", "abort 1, failed 1"),
            (3, "running", "trigger 2 to s2"),
        ],
    );
}
