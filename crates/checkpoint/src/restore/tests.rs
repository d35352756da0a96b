use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;
use crate::{
    key_group,
    manifest::{CheckpointId, FORMAT, Files, FilesFormat, Kind, PartShape, SplitState, StateFile},
};

const GROUPS: u32 = 16;

fn split(id: &str, ended: bool) -> SplitState {
    SplitState {
        id: id.to_owned(),
        state: format!("{id} read so far"),
        ended,
        watermark_ms: Some(7),
    }
}

fn table(name: &str, types: &[&str]) -> TableShape {
    TableShape {
        name: name.to_owned(),
        schema: String::new(),
        partition: 1,
        key: 2,
        types: types.iter().map(|&t| t.to_owned()).collect(),
        parts: Vec::new(),
    }
}

fn operator(uid: &str) -> OperatorState {
    OperatorState {
        uid: uid.to_owned(),
        name: format!("the {uid}"),
        ..OperatorState::default()
    }
}

/// The state of a subtask with a file of its own.
fn state(task: u32, subtask: u32, parallelism: u32, operators: Vec<OperatorState>) -> SubtaskState {
    SubtaskState {
        task,
        subtask,
        key_groups: key_group::range(subtask, parallelism, GROUPS),
        finished: false,
        operators,
        files: Files {
            format: FilesFormat::Sorted,
            files: vec![StateFile {
                name: "0".to_owned(),
                path: format!("{task}-{subtask}"),
                bytes: 1,
                crc32: 0,
            }],
        },
        in_flight: None,
    }
}

fn manifest(subtasks: Vec<SubtaskState>) -> Manifest {
    Manifest {
        format: FORMAT,
        weir_version: "1".to_owned(),
        kind: Kind::Checkpoint,
        job: "job".to_owned(),
        checkpoint: CheckpointId(1),
        generation: 1,
        created_at_ms: 0,
        max_parallelism: GROUPS,
        subtasks,
    }
}

/// A task: parallelism and operators.
type Chain<'a> = (u32, &'a [(&'a str, Role)]);

/// A graph by its tasks.
fn shape(tasks: &[Chain<'_>]) -> Shape {
    let operator = |(uid, role): &(&str, Role)| OperatorShape {
        uid: (*uid).to_owned(),
        name: format!("the {uid}"),
        role: *role,
        tables: None,
    };
    let task = |(task, (parallelism, operators)): (u32, &Chain<'_>)| TaskShape {
        task,
        parallelism: *parallelism,
        operators: operators.iter().map(operator).collect(),
    };
    Shape {
        max_parallelism: GROUPS,
        tasks: (0..).zip(tasks).map(task).collect(),
    }
}

/// A source (3 splits, one at its end), a keyed operator, and a sink in the same task, by 2.
fn by_two() -> Manifest {
    let source = |splits: &[SplitState], watermark| OperatorState {
        splits: splits.to_vec(),
        watermark_ms: watermark,
        ..operator("source")
    };
    let keyed = |watermark| OperatorState {
        tables: vec![table("groups", &["Utf8", "Int64", "Int64"])],
        watermark_ms: Some(watermark),
        ..operator("keyed")
    };
    let sink = |commits: &[&str]| OperatorState {
        commits: commits.iter().map(|&c| c.to_owned()).collect(),
        ..operator("sink")
    };
    manifest(vec![
        state(
            0,
            0,
            2,
            vec![source(&[split("a", false), split("b", true)], Some(50))],
        ),
        state(0, 1, 2, vec![source(&[split("c", false)], Some(40))]),
        state(1, 0, 2, vec![keyed(30), sink(&["x", "y"])]),
        state(1, 1, 2, vec![keyed(20), sink(&["z"])]),
    ])
}

const SOURCE: &[(&str, Role)] = &[("source", Role::Source)];
const KEYED: &[(&str, Role)] = &[("keyed", Role::Stateful), ("sink", Role::Sink)];

/// Per subtask of a task: the files it reads, and of an operator its splits, commits and watermark.
fn summary(assigned: &[Assigned], task: u32, uid: &str) -> Vec<String> {
    let of_task = assigned.iter().filter(|assigned| assigned.task == task);
    let subtask = |assigned: &Assigned| {
        let files = assigned.states.iter().flat_map(|state| &state.files.files);
        let files: Vec<&str> = files.map(|file| file.path.as_str()).collect();
        let operators = assigned.states.iter().flat_map(|state| &state.operators);
        let operators: Vec<&OperatorState> = operators.filter(|operator| operator.uid == uid).collect();
        let splits = operators.iter().flat_map(|operator| &operator.splits);
        let splits: Vec<&str> = splits.map(|split| split.id.as_str()).collect();
        let commits: Vec<&str> = operators
            .iter()
            .flat_map(|o| &o.commits)
            .map(String::as_str)
            .collect();
        let watermarks: BTreeSet<_> = operators.iter().map(|operator| operator.watermark_ms).collect();
        let watermarks: Vec<_> = watermarks
            .into_iter()
            .flatten()
            .map(|ms| ms.to_string())
            .collect();
        let parts = [
            files.join(" "),
            splits.join(" "),
            commits.join(" "),
            watermarks.join(" "),
        ];
        parts.join("|")
    };
    of_task.map(subtask).collect()
}

#[test]
fn at_the_same_parallelism_every_subtask_gets_exactly_what_it_had() {
    let manifest = by_two();
    let assigned = assign(&manifest, &shape(&[(2, SOURCE), (2, KEYED)]), &FoundSplits::new());
    let states: Vec<SubtaskState> = assigned
        .expect("it fits")
        .into_iter()
        .flat_map(|assigned| assigned.states)
        .collect();
    assert_eq!(states, manifest.subtasks);
}

#[test]
fn at_another_parallelism_rows_splits_and_commits_are_dealt_out() {
    let manifest = by_two();
    let assigned =
        assign(&manifest, &shape(&[(3, SOURCE), (1, KEYED)]), &FoundSplits::new()).expect("it fits");
    assert_eq!(
        summary(&assigned, 0, "source"),
        ["0-0|a b||40", "0-0 0-1|c||40", "0-1|||40"]
    );
    assert_eq!(summary(&assigned, 1, "keyed"), ["1-0 1-1|||20"]);
    assert_eq!(summary(&assigned, 1, "sink"), ["1-0 1-1||x y z|"]);
}

#[test]
fn an_operator_is_found_in_whatever_task_it_was() {
    let manifest = by_two();
    let sink: &[(&str, Role)] = &[("sink", Role::Sink), ("printer", Role::Sink)];
    let keyed: &[(&str, Role)] = &[("source", Role::Source), ("keyed", Role::Stateful)];
    let assigned = assign(&manifest, &shape(&[(2, sink), (2, keyed)]), &FoundSplits::new()).expect("it fits");
    assert_eq!(summary(&assigned, 0, "sink"), ["1-0||x y|", "1-1||z|"]);
    assert_eq!(
        summary(&assigned, 1, "source"),
        ["0-0 1-0|a b||50", "0-1 1-1|c||40"]
    );
    assert_eq!(summary(&assigned, 1, "keyed"), ["0-0 1-0|||30", "0-1 1-1|||20"]);
    assert_eq!(
        summary(&assigned, 1, "sink"),
        ["0-0 1-0|||", "0-1 1-1|||"],
        "commits are another task's"
    );
}

#[test]
fn splits_that_are_found_join_those_that_are_known_which_win() {
    let mut manifest = by_two();
    let shape = shape(&[(2, SOURCE), (2, KEYED)]);
    let found = [
        split("b", false),
        split("c", false),
        split("d", false),
        split("e", false),
        split("f", false),
    ];
    let found = FoundSplits::from([("source".to_owned(), found.to_vec())]);
    let assigned = assign(&manifest, &shape, &found).expect("it fits");
    assert_eq!(
        summary(&assigned, 0, "source"),
        ["0-0|a b d f||50", "0-1|c e||40"]
    );
    let known = &assigned[0].states[0].operators[0].splits[1];
    assert!(known.ended, "what has ended is not read again: {known:?}");

    manifest.subtasks[0].finished = true;
    let assigned = assign(&manifest, &shape, &found).expect("it fits");
    assert_eq!(
        summary(&assigned, 0, "source"),
        ["0-0|a b||50", "0-1|c d e f||40"]
    );
    manifest.subtasks[1].finished = true;
    let assigned = assign(&manifest, &shape, &found).expect("it fits");
    assert_eq!(summary(&assigned, 0, "source"), ["0-0|a b||50", "0-1|c||40"]);
}

#[test]
fn a_source_that_was_not_there_reads_what_is_found() {
    let other: &[(&str, Role)] = &[("other", Role::Source)];
    let found = [split("p", false), split("q", false), split("r", false)];
    let found = FoundSplits::from([("other".to_owned(), found.to_vec())]);
    let assigned = assign(&by_two(), &shape(&[(2, other), (2, KEYED)]), &found).expect("it fits");
    assert_eq!(summary(&assigned, 0, "other"), ["|p r||", "|q||"]);
    assert_eq!(assigned[0].states.len(), 1);
    assert!(!assigned[0].states[0].finished);
}

#[test]
fn a_subtask_has_finished_when_all_before_it_had() {
    let mut manifest = by_two();
    manifest.subtasks[0].finished = true;
    let finished = |assigned: Vec<Assigned>| -> Vec<bool> {
        let sources = assigned.into_iter().filter(|assigned| assigned.task == 0);
        sources
            .map(|assigned| assigned.states.iter().all(|state| state.finished))
            .collect()
    };
    let assign = |manifest: &Manifest, p| {
        assign(manifest, &shape(&[(p, SOURCE), (2, KEYED)]), &FoundSplits::new()).expect("it fits")
    };
    assert_eq!(finished(assign(&manifest, 2)), [true, false]);
    assert_eq!(finished(assign(&manifest, 3)), [false, false, false]);
    let by_three = assign(&manifest, 3);
    let splits = |assigned: &Assigned| assigned.states[0].operators[0].splits.clone();
    let a = by_three.iter().flat_map(splits).find(|split| split.id == "a");
    assert!(a.is_some_and(|split| split.ended), "it was read to its end");
    assert_eq!(
        summary(&by_three, 0, "source")[0],
        "0-0|c a||40",
        "and holds nothing back"
    );
    manifest.subtasks[1].finished = true;
    assert_eq!(finished(assign(&manifest, 3)), [true, true, true]);
}

#[test]
fn another_number_of_key_groups_is_refused() {
    let shape = Shape {
        max_parallelism: 32,
        ..shape(&[(2, KEYED)])
    };
    let refused = assign(&by_two(), &shape, &FoundSplits::new()).expect_err("rows are elsewhere");
    assert_eq!(
        refused.message,
        "the state is spread over 16 key groups, and the job has 32: they stay the same for the life of its state"
    );
    let report = compatibility(&by_two(), &shape);
    assert_eq!(report.operators[0].verdict, Verdict::Cannot);
}

/// The report as lines.
fn report(manifest: &Manifest, shape: &Shape) -> Vec<String> {
    let line = |report: OperatorReport| {
        let why = report.why.map(|why| format!(": {why}")).unwrap_or_default();
        format!("{} {}{why}", report.uid, report.verdict)
    };
    compatibility(manifest, shape)
        .operators
        .into_iter()
        .map(line)
        .collect()
}

#[test]
fn the_report_says_what_is_kept_new_and_dropped() {
    let manifest = by_two();
    let new: &[(&str, Role)] = &[
        ("other", Role::Source),
        ("filter", Role::Stateless),
        ("join", Role::Stateful),
    ];
    let shape = shape(&[(2, KEYED), (2, new)]);
    assert_eq!(
        report(&manifest, &shape),
        [
            "keyed keeps: its columns are compared when it starts",
            "sink keeps",
            "other new: it reads its input from the beginning",
            "join new",
            "source dropped",
        ]
    );
    let report = compatibility(&manifest, &shape);
    assert_eq!(report.refusal(true), None);
    let refusal = report.refusal(false).expect("a source's position would be lost");
    assert_eq!(
        refusal.message,
        "the query has no use for some of the state, which would be lost: the source (source). Allow dropped state if that is meant"
    );
}

#[test]
fn a_sink_that_is_gone_leaves_its_output_behind() {
    let shape = shape(&[(2, SOURCE), (2, &[("keyed", Role::Stateful)])]);
    assert_eq!(
        report(&by_two(), &shape)[2],
        "sink dropped: output that it had prepared will never be seen"
    );
}

#[test]
fn what_had_come_to_its_end_is_no_loss() {
    let mut manifest = by_two();
    manifest.subtasks[0].finished = true;
    manifest.subtasks[1].finished = true;
    assert_eq!(
        report(&manifest, &shape(&[(2, KEYED)])),
        [
            "keyed keeps: its columns are compared when it starts",
            "sink keeps",
        ]
    );
}

#[test]
fn tables_that_do_not_fit_are_named_with_both_of_their_types() {
    let cases: &[(&[TableShape], &str)] = &[
        (&[table("groups", &["Utf8", "Int64", "Int64"])], "keyed keeps"),
        (
            &[table("groups", &["Int32", "Int64", "Int64"])],
            "keyed cannot: the key of its table 'groups' was (Utf8) and is (Int32)",
        ),
        (
            &[table("groups", &["Utf8", "Utf8", "Int64"])],
            "keyed cannot: the rest of the key of its table 'groups' was (Int64) and is (Utf8)",
        ),
        (
            &[table("groups", &["Utf8", "Int64", "Int64", "Float64"])],
            "keyed cannot: what is kept per key of its table 'groups' was (Int64) and is (Int64, Float64)",
        ),
        (&[], "keyed cannot: it has no table 'groups' any more"),
        (
            &[
                table("groups", &["Utf8", "Int64", "Int64"]),
                table("timers", &["Utf8", "Int64"]),
            ],
            "keyed cannot: its table 'timers' is missing in the state",
        ),
    ];
    for (tables, expected) in cases {
        let mut shape = shape(&[(2, SOURCE), (2, KEYED)]);
        shape.tasks[1].operators[0].tables = Some(tables.to_vec());
        assert_eq!(report(&by_two(), &shape)[1], *expected);
    }
}

#[test]
fn an_aggregate_that_is_added_begins_and_one_that_goes_needs_to_be_allowed_to() {
    let named = |names: &[&str]| {
        let parts = names.iter().map(|name| PartShape {
            name: (*name).to_owned(),
            columns: 1,
            may_begin: true,
        });
        let types = ["Utf8", "Int64"].into_iter().chain(names.iter().map(|_| "Int64"));
        TableShape {
            parts: parts.collect(),
            ..table("groups", &types.collect::<Vec<_>>())
        }
    };
    let mut manifest = by_two();
    for operator in manifest.subtasks[2..]
        .iter_mut()
        .flat_map(|state| &mut state.operators)
    {
        for table in &mut operator.tables {
            *table = named(&["SUM(a)", "SUM(b)"]);
        }
    }
    let with = |names: &[&str]| {
        let mut shape = shape(&[(2, SOURCE), (2, KEYED)]);
        shape.tasks[1].operators[0].tables = Some(vec![named(names)]);
        let report = compatibility(&manifest, &shape);
        let keyed = report
            .operators
            .iter()
            .find(|operator| operator.uid == "keyed")
            .cloned();
        (keyed.expect("the operator"), report.refusal(true).is_none())
    };
    let (added, goes_on) = with(&["COUNT(x)", "SUM(b)", "SUM(a)", "MAX(x)"]);
    assert_eq!(added.verdict, Verdict::Keeps);
    assert_eq!(added.why.as_deref(), Some("COUNT(x), MAX(x) begin now"));
    assert!(goes_on && added.loses.is_empty());
    let (removed, goes_on) = with(&["SUM(b)", "MAX(x)"]);
    assert_eq!(removed.verdict, Verdict::Keeps);
    assert_eq!(
        removed.why.as_deref(),
        Some("MAX(x) begins now; SUM(a) is dropped")
    );
    assert_eq!(
        (goes_on, removed.loses.as_slice()),
        (true, &["SUM(a)".to_owned()][..])
    );
    let alone = Report {
        operators: vec![removed],
    };
    let refusal = alone.refusal(false).expect("it would lose a sum");
    assert!(refusal.message.contains("SUM(a) is dropped"), "{refusal}");
    assert_eq!(alone.refusal(true), None);
}

#[test]
fn an_operator_that_had_come_to_its_end_needs_no_tables() {
    let mut manifest = by_two();
    for state in &mut manifest.subtasks[2..] {
        state.finished = true;
        state.operators[0].tables.clear();
    }
    let mut shape = shape(&[(2, SOURCE), (2, KEYED)]);
    shape.tasks[1].operators[0].tables = Some(vec![table("groups", &["Utf8", "Int64", "Int64"])]);
    assert_eq!(report(&manifest, &shape)[1], "keyed keeps");
}

/// A keyed operator by `old`, which knows so many splits and commits per subtask, and by `new`.
fn random(old: u32, splits: &[usize], commits: &[usize], watermarks: &[Option<i64>]) -> Manifest {
    let subtask = |subtask: u32| {
        let at = subtask as usize;
        let split = |n: usize| split(&format!("{subtask}-{n}"), n % 3 == 2);
        let both = OperatorState {
            splits: (0..splits[at]).map(split).collect(),
            commits: (0..commits[at]).map(|n| format!("{subtask}-{n}")).collect(),
            watermark_ms: watermarks[at],
            tables: vec![table("groups", &["Utf8", "Int64", "Int64"])],
            ..operator("both")
        };
        state(0, subtask, old, vec![both])
    };
    manifest((0..old).map(subtask).collect())
}

proptest! {
    #[test]
    fn nothing_is_lost_and_nothing_is_there_twice(
        old in 1_u32..9,
        new in 1_u32..9,
        splits in proptest::collection::vec(0_usize..5, 9),
        commits in proptest::collection::vec(0_usize..3, 9),
        watermarks in proptest::collection::vec(proptest::option::of(0_i64..100), 9),
        found in 0_usize..5,
    ) {
        let manifest = random(old, &splits, &commits, &watermarks);
        let found: Vec<SplitState> = (0..found).map(|n| split(&format!("new-{n}"), false)).collect();
        let found = FoundSplits::from([("both".to_owned(), found)]);
        let shape = shape(&[(new, &[("both", Role::Source)])]);
        let assigned = assign(&manifest, &shape, &found).expect("it fits");

        let mut readers: BTreeMap<u32, Vec<(u32, &str)>> = BTreeMap::new();
        for Assigned { subtask, states, .. } in &assigned {
            let mine = key_group::range(*subtask, new, GROUPS);
            for state in states {
                let groups = state.key_groups.start.max(mine.start)..state.key_groups.end.min(mine.end);
                prop_assert!(!groups.is_empty(), "nothing of {state:?} is for subtask {subtask}");
                for group in groups {
                    readers.entry(group).or_default().push((*subtask, &state.files.files[0].path));
                }
            }
        }
        let owners = key_group::routing(new, GROUPS);
        let had = key_group::routing(old, GROUPS);
        for group in 0..GROUPS {
            let path = format!("0-{}", had[group as usize]);
            prop_assert_eq!(&readers[&group], &vec![(owners[group as usize], path.as_str())]);
        }

        let operators = || assigned.iter().flat_map(|a| &a.states).flat_map(|state| &state.operators);
        let mut dealt: Vec<&SplitState> = operators().flat_map(|operator| &operator.splits).collect();
        let old_states = || manifest.subtasks.iter().flat_map(|state| &state.operators);
        let mut known: Vec<&SplitState> = old_states().flat_map(|operator| &operator.splits).collect();
        known.extend(&found["both"]);
        dealt.sort_by_key(|split| &split.id);
        known.sort_by_key(|split| &split.id);
        prop_assert_eq!(dealt, known);
        let mut dealt: Vec<&String> = operators().flat_map(|operator| &operator.commits).collect();
        let mut known: Vec<&String> = old_states().flat_map(|operator| &operator.commits).collect();
        dealt.sort();
        known.sort();
        prop_assert_eq!(dealt, known);

        let least = old_states().map(|operator| operator.watermark_ms).min();
        for operator in operators().filter(|_| old != new) {
            prop_assert_eq!(Some(operator.watermark_ms), least, "an unknown watermark is before all others");
        }
    }
}
