use super::*;

/// A checkpoint that goes well, from its trigger on.
const FIRST: [(u64, &str, &str); 7] = [
    (0, "running", ""),
    (10, "tick", "trigger 1"),
    (11, "snapshot 1 a", ""),
    (11, "snapshot 1 s", ""),
    (12, "snapshot 1 b", "write 1 [a b s:1]"),
    (13, "written 1", "completed 1, commit 1"),
    (14, "committed 1 s", ""),
];

#[test]
fn a_checkpoint_is_taken_at_each_interval_and_committed_when_its_manifest_is_there() {
    let coordinator = check(SETTINGS, &FIRST);
    assert_eq!(coordinator.wake_at(), Some(Duration::from_secs(20)));
    tell(
        &mut coordinator.clone(),
        &[(19, "tick", ""), (20, "tick", "trigger 2")],
    );
}

#[test]
fn nothing_begins_before_all_subtasks_run() {
    check(
        SETTINGS,
        &[
            (5, "tick", ""),
            (50, "savepoint s1 go-on", ""),
            (60, "running", "trigger 1 to s1"),
        ],
    );
}

#[test]
fn without_an_interval_there_are_savepoints_alone() {
    let settings = Settings {
        interval: Duration::ZERO,
        ..SETTINGS
    };
    let coordinator = check(
        settings,
        &[
            (0, "running", ""),
            (1000, "tick", ""),
            (1001, "savepoint s1 go-on", "trigger 1 to s1"),
            (1002, "snapshot 1 a", ""),
            (1002, "snapshot 1 b", ""),
            (1002, "snapshot 1 s", "write 1 [a b s:1]"),
            (1003, "written 1", "completed 1"),
            (9000, "tick", ""),
        ],
    );
    assert_eq!(coordinator.wake_at(), None);
}

#[test]
fn a_checkpoint_that_somebody_asks_for_is_taken_at_once_and_puts_off_the_next() {
    check(
        SETTINGS,
        &[
            (0, "running", ""),
            (4, "checkpoint", "trigger 1"),
            (5, "checkpoint", ""),
            (6, "snapshot 1 a", ""),
            (6, "snapshot 1 b", ""),
            (6, "snapshot 1 s nothing", "write 1 [a b s]"),
            (7, "written 1", "completed 1, commit 1, trigger 2"),
        ],
    );
    check(
        SETTINGS,
        &[
            (0, "running", ""),
            (4, "checkpoint", "trigger 1"),
            (6, "snapshot 1 a", ""),
            (6, "snapshot 1 b", ""),
            (6, "snapshot 1 s nothing", "write 1 [a b s]"),
            (7, "written 1", "completed 1, commit 1"),
            (13, "tick", ""),
            (14, "tick", "trigger 2"),
        ],
    );
}

#[test]
fn reports_that_come_twice_or_of_another_checkpoint_count_for_nothing() {
    check(
        SETTINGS,
        &[
            (0, "running", ""),
            (10, "tick", "trigger 1"),
            (11, "snapshot 1 a", ""),
            (11, "snapshot 1 a", ""),
            (11, "snapshot 7 b", ""),
            (11, "snapshot-failed 7 b", ""),
            (11, "written 1", ""),
            (11, "committed 1 s", ""),
            (12, "snapshot 1 b", ""),
            (12, "snapshot 1 s", "write 1 [a b s:1]"),
            (12, "snapshot 1 s", ""),
            (12, "snapshot-failed 1 s", ""),
            (13, "written 7", ""),
            (13, "written 1", "completed 1, commit 1"),
            (13, "written 1", ""),
            (14, "committed 1 a", ""),
            (14, "committed 7 s", ""),
            (25, "committed 1 s", "trigger 2"),
        ],
    );
}

#[test]
fn the_pause_counts_from_the_end_of_the_last_one() {
    let settings = Settings {
        min_pause: Duration::from_secs(9),
        ..SETTINGS
    };
    let mut coordinator = check(settings, &FIRST);
    tell(&mut coordinator, &[(21, "tick", ""), (22, "tick", "trigger 2")]);
}

#[test]
fn nothing_new_begins_before_sinks_have_committed_and_they_are_asked_again() {
    let mut coordinator = check(SETTINGS, &FIRST[..6]);
    tell(
        &mut coordinator,
        &[
            (17, "tick", ""),
            (18, "tick", "commit 1"),
            (20, "commit-failed 1 s", ""),
            (27, "tick", ""),
            (28, "tick", "commit 1"),
            (29, "interrupted", "commit 1"),
            (30, "savepoint s1 go-on", ""),
            (31, "committed 1 s", "trigger 2 to s1"),
        ],
    );
}

#[test]
fn commits_that_never_come_fail_the_job_with_their_reason() {
    let mut coordinator = check(SETTINGS, &FIRST[..6]);
    tell(
        &mut coordinator,
        &[(14, "commit-failed 1 s", ""), (30, "tick", "commit 1")],
    );
    let actions = coordinator.on(Event::Tick, Duration::from_secs(73));
    let [Action::FailJob(why)] = &actions[..] else {
        panic!("{actions:?}")
    };
    assert_eq!(
        why.message,
        "what checkpoint 1 commits was not done within 60s: broken"
    );
    tell(&mut coordinator, &[(1000, "tick", "")]);
}

#[test]
fn commits_that_are_refused_for_good_fail_the_job_at_once() {
    let mut coordinator = check(SETTINGS, &FIRST[..6]);
    tell(
        &mut coordinator,
        &[(14, "commit-refused 1 s", "fail-job"), (90, "tick", "")],
    );
}

#[test]
fn failures_in_a_row_are_tolerated_up_to_a_number_and_forgotten_by_a_success() {
    check(
        SETTINGS,
        &[
            (0, "running", ""),
            (10, "tick", "trigger 1"),
            (11, "snapshot-failed 1 a", "abort 1, failed 1"),
            (20, "tick", "trigger 2"),
            (21, "snapshot 2 a", ""),
            (21, "snapshot 2 b", ""),
            (21, "snapshot 2 s nothing", "write 2 [a b s]"),
            (22, "written 2", "completed 2, commit 2"),
            (30, "tick", "trigger 3"),
            (89, "tick", ""),
            (90, "tick", "abort 3, failed 3, trigger 4"),
            (91, "snapshot 3 a", ""),
            (91, "snapshot 4 a", ""),
            (91, "snapshot 4 b", ""),
            (91, "snapshot 4 s", "write 4 [a b s:4]"),
            (92, "not-written 4", "abort 4, failed 4, fail-job"),
            (200, "tick", ""),
        ],
    );
}

#[test]
fn a_timeout_says_who_was_not_heard_of() {
    let mut coordinator = check(SETTINGS, &FIRST[..3]);
    let actions = coordinator.on(Event::Tick, Duration::from_secs(70));
    let Action::Failed { record, why } = &actions[1] else {
        panic!("{actions:?}")
    };
    assert_eq!(record.missing, [subtask("b"), subtask("s")]);
    assert_eq!(record.subtasks[0].end_to_end, Duration::from_secs(1));
    assert_eq!(
        why.message,
        "it was not complete within 60s: nothing was heard of subtask 1 of task 0, subtask 0 of task 1"
    );
}

#[test]
fn a_manifest_that_is_on_its_way_is_waited_for() {
    let mut coordinator = check(SETTINGS, &FIRST[..5]);
    assert_eq!(coordinator.wake_at(), None);
    assert!(!coordinator.is_settled());
    tell(
        &mut coordinator,
        &[
            (200, "tick", ""),
            (201, "interrupted", ""),
            (202, "written 1", "completed 1, commit 1"),
        ],
    );
}

#[test]
fn as_many_complete_checkpoints_are_kept_as_are_wanted_and_savepoints_do_not_count() {
    let mut coordinator = Coordinator::new(
        SETTINGS,
        Deployment {
            retained: vec![CheckpointId(8), CheckpointId(5)],
            next: CheckpointId(11),
            ..deployment()
        },
    );
    tell(
        &mut coordinator,
        &[
            (0, "running", ""),
            (1, "savepoint s1 go-on", "trigger 11 to s1"),
            (2, "snapshot 11 a", ""),
            (2, "snapshot 11 b", ""),
            (2, "snapshot 11 s", "write 11 [a b s:11]"),
            (3, "written 11", "completed 11"),
            (10, "tick", "trigger 12"),
            (11, "snapshot 12 a", ""),
            (11, "snapshot 12 b", ""),
            (11, "snapshot 12 s", "write 12 [a b s:12]"),
            (12, "written 12", "completed 12, commit 12, discard 5"),
        ],
    );
    assert_eq!(
        coordinator.retained().collect::<Vec<_>>(),
        [CheckpointId(8), CheckpointId(12)]
    );
    assert_eq!(coordinator.next(), CheckpointId(13));
}

#[test]
fn savepoints_wait_for_the_checkpoint_under_way_and_for_each_other() {
    let mut coordinator = check(SETTINGS, &FIRST[..4]);
    tell(
        &mut coordinator,
        &[
            (11, "savepoint s1 go-on", ""),
            (11, "savepoint s2 go-on", ""),
            (12, "snapshot 1 b", "write 1 [a b s:1]"),
            (13, "written 1", "completed 1, commit 1"),
            (14, "committed 1 s", "trigger 2 to s1"),
            // Its failure is not one of a checkpoint.
            (15, "snapshot-failed 2 a", "abort 2, failed 2, trigger 3 to s2"),
            (15, "snapshot-failed 3 a", "abort 3, failed 3"),
            (20, "tick", "trigger 4"),
        ],
    );
}

#[test]
fn a_job_that_stops_with_a_savepoint_commits_it_first() {
    let mut coordinator = check(SETTINGS, &FIRST);
    tell(
        &mut coordinator,
        &[
            (15, "savepoint s1 suspend", "trigger 2 to s1"),
            (15, "savepoint s2 go-on", ""),
            (16, "snapshot 2 a", ""),
            (16, "snapshot 2 b", ""),
            (16, "snapshot 2 s", "write 2 [a b s:2]"),
            (17, "written 2", "completed 2, commit 2"),
            (22, "tick", "commit 2"),
            (23, "committed 2 s", "stop 2, refused s2"),
            (24, "savepoint s3 go-on", "refused s3"),
            (99, "tick", ""),
        ],
    );
}

#[test]
fn a_job_that_was_to_stop_goes_on_when_its_savepoint_fails_unless_event_time_was_ended() {
    check(
        SETTINGS,
        &[
            (0, "running", ""),
            (1, "savepoint s1 suspend", "trigger 1 to s1"),
            (2, "snapshot-failed 1 b", "abort 1, failed 1"),
            (3, "savepoint s1 drain", "trigger 2 to s1"),
            (4, "interrupted", "abort 2, failed 2, fail-job"),
        ],
    );
}

#[test]
fn a_subtask_that_has_finished_is_part_of_every_later_checkpoint() {
    let mut coordinator = check(
        SETTINGS,
        &[
            (0, "running", ""),
            (5, "finished a", ""),
            (10, "tick", "trigger 1"),
            (11, "snapshot 1 b", ""),
            (11, "snapshot 1 s", "write 1 [a! b s:1]"),
            (12, "written 1", "completed 1, commit 1"),
            (13, "committed 1 s", ""),
            (20, "tick", "trigger 2"),
        ],
    );
    assert_eq!(coordinator.under_way().map(|(_, waiting)| waiting.len()), Some(2));
    tell(
        &mut coordinator,
        &[
            (21, "snapshot 2 s", ""),
            (21, "snapshot 2 b", "write 2 [a! b s:2]"),
        ],
    );
}

#[test]
fn one_that_finishes_before_the_barrier_needs_no_snapshot_and_one_that_finishes_behind_it_does() {
    check(
        SETTINGS,
        &[
            (0, "running", ""),
            (10, "tick", "trigger 1"),
            (11, "finished a", ""),
            (11, "finished b after 1", ""),
            (11, "snapshot 1 s", ""),
            (12, "snapshot 1 b", "write 1 [a! b s:1]"),
            (13, "written 1", "completed 1, commit 1"),
            (14, "committed 1 s", ""),
            (20, "tick", "trigger 2"),
            (21, "snapshot 2 s", "write 2 [a! b! s:2]"),
        ],
    );
}

#[test]
fn when_all_have_finished_a_last_checkpoint_is_written_and_committed_before_the_job_is_done() {
    let mut coordinator = check(SETTINGS, &FIRST);
    tell(
        &mut coordinator,
        &[
            (15, "finished a after 1", ""),
            (15, "finished b after 1", ""),
            (15, "finished b after 1", ""),
            (15, "finished s after 1", "write 2 [a! b! s!:end]"),
            (16, "written 2", "completed 2, commit 2"),
            (17, "committed 2 s", "done"),
            (50, "tick", ""),
            (51, "savepoint s1 go-on", "refused s1"),
        ],
    );
}

#[test]
fn a_checkpoint_that_is_under_way_when_all_finish_is_the_last_one_if_none_passed_its_barrier() {
    let mut coordinator = check(SETTINGS, &FIRST);
    tell(
        &mut coordinator,
        &[
            (20, "tick", "trigger 2"),
            (20, "savepoint s1 go-on", ""),
            (21, "finished a after 1", ""),
            (21, "finished b after 1", ""),
            (21, "finished s after 1", "write 2 [a! b! s!:end]"),
            (22, "written 2", "completed 2, commit 2"),
            (23, "committed 2 s", "write 3 [a! b! s!]"),
            (24, "written 3", "completed 3, done"),
        ],
    );
}

#[test]
fn what_a_finished_sink_has_committed_is_not_to_be_committed_again() {
    check(
        SETTINGS,
        &[
            (0, "running", ""),
            (5, "finished s", ""),
            (10, "tick", "trigger 1"),
            (11, "snapshot 1 a", ""),
            (11, "snapshot 1 b", "write 1 [a b s!:end]"),
            (12, "written 1", "completed 1, commit 1"),
            (13, "committed 1 s", ""),
            (20, "tick", "trigger 2"),
            (21, "snapshot 2 a", ""),
            (21, "snapshot 2 b", "write 2 [a b s!]"),
            (22, "written 2", "completed 2, commit 2"),
            (30, "tick", "trigger 3"),
        ],
    );
}

#[test]
fn a_last_checkpoint_that_fails_is_tried_again_as_often_as_is_tolerated() {
    check(
        SETTINGS,
        &[
            (0, "running", ""),
            (1, "finished a", ""),
            (1, "finished b", ""),
            (1, "finished s", "write 1 [a! b! s!:end]"),
            (2, "not-written 1", "abort 1, failed 1"),
            (3, "tick", "write 2 [a! b! s!:end]"),
            (4, "not-written 2", "abort 2, failed 2, fail-job"),
        ],
    );
}

#[test]
fn without_checkpoints_a_job_is_done_at_once_unless_something_waits_for_its_commit() {
    let settings = Settings {
        interval: Duration::ZERO,
        ..SETTINGS
    };
    check(
        settings,
        &[
            (1, "finished a", ""),
            (1, "finished b", ""),
            (1, "finished s nothing", "done"),
        ],
    );
    check(
        settings,
        &[
            (1, "finished a", ""),
            (1, "finished b", ""),
            (1, "finished s", "write 1 [a! b! s!:end]"),
            (2, "written 1", "completed 1, commit 1"),
            (3, "committed 1 s", "done"),
        ],
    );
}

#[test]
fn a_deployment_that_ends_gives_up_what_gathers_and_waits_for_a_manifest_on_its_way() {
    let mut gathering = check(SETTINGS, &FIRST[..3]);
    tell(
        &mut gathering,
        &[
            (11, "savepoint s1 go-on", ""),
            (12, "ended", "refused s1, failed 1"),
            (13, "snapshot 1 b", ""),
        ],
    );
    assert!(gathering.is_settled());
    let mut written = check(SETTINGS, &FIRST[..5]);
    tell(&mut written, &[(13, "ended", "")]);
    assert!(!written.is_settled());
    tell(&mut written.clone(), &[(14, "not-written 1", "failed 1")]);
    // Its commits are for the deployment that begins with it.
    tell(
        &mut written,
        &[(14, "written 1", "completed 1"), (99, "tick", "")],
    );
    assert!(written.is_settled());
    assert_eq!(written.retained().collect::<Vec<_>>(), [CheckpointId(1)]);
}

#[test]
fn lost_words_end_a_checkpoint_without_counting_as_its_failure() {
    check(
        SETTINGS,
        &[
            (0, "running", ""),
            (10, "tick", "trigger 1"),
            (11, "interrupted", "abort 1, failed 1"),
            (20, "tick", "trigger 2"),
            (21, "interrupted", "abort 2, failed 2"),
            (30, "tick", "trigger 3"),
        ],
    );
}

/// The manifest that a story ends with.
fn manifest_of(settings: Settings, story: &[(u64, &str, &str)]) -> Manifest {
    let mut coordinator = Coordinator::new(settings, deployment());
    let mut last = None;
    for (seconds, line, _) in story {
        for action in coordinator.on(event(line), Duration::from_secs(*seconds)) {
            if let Action::WriteManifest { manifest, .. } = action {
                last = Some(manifest);
            }
        }
    }
    last.expect("the story has a manifest")
}

/// Takes over with what is found, and says what it does at once.
fn taken_over(found: &Found<'_>, next: u64) -> (Coordinator, String) {
    let mut coordinator = Coordinator::new(
        SETTINGS,
        Deployment {
            next: CheckpointId(next),
            ..deployment()
        },
    );
    let actions = coordinator.take_over(found, Duration::from_secs(1));
    let actions: Vec<String> = actions.iter().map(said).collect();
    (coordinator, actions.join(", "))
}

#[test]
fn a_control_plane_that_takes_over_gives_up_what_was_under_way_and_commits_again_what_was_complete() {
    let last = manifest_of(SETTINGS, &FIRST);
    let found = Found {
        pending: vec![CheckpointId(2)],
        last: Some(&last),
        stops: false,
    };
    let (mut coordinator, actions) = taken_over(&found, 3);
    assert_eq!(actions, "abort 2, commit 1");
    tell(
        &mut coordinator,
        &[
            (2, "running", ""),
            (3, "finished a after 2", ""),
            (3, "snapshot 2 b", ""),
            (6, "tick", "commit 1"),
            (30, "committed 1 s", "trigger 3"),
        ],
    );
}

#[test]
fn a_stop_and_an_end_are_brought_to_their_end_by_the_one_that_takes_over() {
    let stop = manifest_of(SETTINGS, &FIRST);
    let found = Found {
        last: Some(&stop),
        stops: true,
        ..Found::default()
    };
    let (mut coordinator, actions) = taken_over(&found, 2);
    assert_eq!(actions, "commit 1");
    tell(
        &mut coordinator,
        &[(2, "running", ""), (3, "committed 1 s", "stop 1")],
    );

    let last = manifest_of(
        SETTINGS,
        &[
            (1, "finished a", ""),
            (1, "finished b", ""),
            (1, "finished s", ""),
        ],
    );
    let found = Found {
        last: Some(&last),
        ..Found::default()
    };
    let (mut coordinator, actions) = taken_over(&found, 2);
    assert_eq!(actions, "commit 1");
    tell(
        &mut coordinator,
        &[
            (2, "finished a", ""),
            (2, "finished b", ""),
            (2, "finished s", ""),
            (3, "committed 1 s", "done"),
        ],
    );
}
