//! The checkpoint protocol in a cluster of one thread: control plane, workers, store and sinks with a clock of their own, where messages
//! are lost, late and doubled, and everything may die at any step.
//!
//! Decisions are the product's: the coordinator, what subtasks begin with, what is garbage, who may still speak. The same seed gives the
//! same run. `WEIR_SIM_SEEDS=10000` runs more of them, `WEIR_SIM_SEED=7` that one alone.

mod chance;
mod deploy;
mod flow;
mod folder;
mod messages;
mod outside;
mod plane;
mod task;
mod worker;
mod world;

use std::{collections::BTreeMap, env, panic};

use world::World;

fn number(name: &str) -> Option<u64> {
    env::var(name).ok()?.parse().ok()
}

#[test]
fn no_row_is_lost_and_none_is_there_twice_whatever_fails() {
    let seeds = match number("WEIR_SIM_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("WEIR_SIM_SEEDS").unwrap_or(500),
    };
    let is_one = seeds.end - seeds.start == 1;
    let mut seen: BTreeMap<&str, u64> = BTreeMap::new();
    for seed in seeds {
        let make = if is_one { World::traced } else { World::new };
        let run = panic::catch_unwind(|| make(seed).run());
        let world = run
            .unwrap_or_else(|_| panic!("seed {seed} fails: see above, and run it by WEIR_SIM_SEED={seed}"));
        for (what, times) in world.seen {
            *seen.entry(what).or_default() += times;
        }
    }
    println!("{seen:#?}");
    for fault in [
        "a message is lost",
        "a message comes twice",
        "a message is late",
        "a worker dies",
        "a worker dies in the middle of a commit",
        "a worker is frozen for so long that it is given up",
        "the control plane dies",
        "the control plane dies between two actions",
        "the control plane dies before it deploys",
        "a commit fails",
        "a snapshot cannot be stored",
        "a manifest's answer is lost",
        "a manifest comes too late",
        "a manifest is found that nobody had heard of",
        "a deployment is taken over",
        "a stale report is refused",
        "committed at a restore",
        "committed again at a restore",
        "deployed at another parallelism",
        "checkpoints fail the job",
        "the job is stopped with a savepoint",
        "the job fails when it might have stopped",
        "the job is not stopped, for want of its savepoint",
        "a stop is asked for again",
        "a savepoint",
        "something was deleted",
    ] {
        assert!(
            is_one || seen.contains_key(fault),
            "it never happened that {fault}"
        );
    }
}

#[test]
fn a_seed_gives_the_same_run_each_time() {
    for seed in [1, 2] {
        let [one, two] = [(); 2].map(|()| World::traced(seed).run().trace.expect("a trace"));
        assert!(one.len() > 1000, "little happened: {}", one.len());
        assert!(one == two, "two runs of seed {seed} differ");
    }
}
