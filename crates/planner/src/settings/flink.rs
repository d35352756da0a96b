//! Settings of Flink's that Weir takes without effect, since they do not change what a job computes, and those that it refuses.

/// What a value must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Takes {
    /// `true` or `false`.
    Bool,
    /// A duration.
    Duration,
    /// A whole number, not negative.
    Whole,
    /// One of these, in any case.
    OneOf(&'static [&'static str]),
    /// Anything.
    Text,
}

use Takes::{Bool, Duration, OneOf, Text, Whole};

/// They change how a job runs in Flink, but not what it computes.
pub(super) const WITHOUT_EFFECT: &[(&str, Takes)] = &[
    ("execution.buffer-timeout", Duration),
    ("execution.buffer-timeout.enabled", Bool),
    ("execution.runtime-mode", OneOf(&["STREAMING"])),
    ("pipeline.auto-generate-uids", Bool),
    ("pipeline.classpaths", Text),
    ("pipeline.jars", Text),
    ("pipeline.object-reuse", Bool),
    ("pipeline.operator-chaining", Bool),
    ("pipeline.operator-chaining.enabled", Bool),
    ("table.builtin-catalog-name", Text),
    ("table.builtin-database-name", Text),
    ("table.display.max-column-width", Whole),
    ("table.dml-sync", Bool),
    ("table.dynamic-table-options.enabled", OneOf(&["true"])),
    // Rows keep their order, which ALLOW_UNORDERED allows.
    (
        "table.exec.async-lookup.output-mode",
        OneOf(&["ORDERED", "ALLOW_UNORDERED"]),
    ),
    ("table.exec.disabled-operators", Text),
    ("table.exec.interval-join.min-cleanup-interval", Duration),
    ("table.exec.legacy-cast-behaviour", OneOf(&["DISABLED"])),
    ("table.exec.mini-batch.allow-latency", Duration),
    ("table.exec.mini-batch.enabled", Bool),
    ("table.exec.mini-batch.size", Whole),
    ("table.exec.operator-fusion-codegen.enabled", Bool),
    ("table.exec.rank.topn-cache-size", Whole),
    ("table.exec.simplify-operator-name-enabled", Bool),
    ("table.exec.sink.keyed-shuffle", Text),
    ("table.exec.uid.format", Text),
    ("table.exec.uid.generation", Text),
    ("table.exec.window-agg.buffer-size-limit", Whole),
    (
        "table.optimizer.agg-phase-strategy",
        OneOf(&["AUTO", "ONE_PHASE", "TWO_PHASE"]),
    ),
    ("table.optimizer.bushy-join-reorder-threshold", Whole),
    ("table.optimizer.distinct-agg.split.bucket-num", Whole),
    ("table.optimizer.distinct-agg.split.enabled", Bool),
    ("table.optimizer.incremental-agg-enabled", Bool),
    ("table.optimizer.join-reorder-enabled", Bool),
    ("table.optimizer.multiple-input-enabled", Bool),
    ("table.optimizer.reuse-optimize-block-with-digest-enabled", Bool),
    ("table.optimizer.reuse-sink-enabled", Bool),
    ("table.optimizer.reuse-source-enabled", Bool),
    ("table.optimizer.reuse-sub-plan-enabled", Bool),
    ("table.optimizer.source.predicate-pushdown-enabled", Bool),
    ("table.optimizer.source.report-statistics-enabled", Bool),
    ("table.optimizer.union-all-as-breakpoint-enabled", Bool),
    ("table.plan.force-recompile", Bool),
    ("table.plan.restore.catalog-objects", Text),
    ("table.sql-dialect", OneOf(&["DEFAULT"])),
];

/// What settings of a cluster, of checkpoints and of clients begin with: no part of what a job computes.
pub(super) const FAMILIES: &[&str] = &[
    "akka.",
    "client.",
    "cluster.",
    "env.",
    // Those that say where and how. Others of that family are spelt wrong, and would be missed.
    "execution.checkpointing.checkpoints-after-tasks-finish",
    "execution.checkpointing.cleaner.",
    "execution.checkpointing.create-subdir",
    "execution.checkpointing.data-inline-threshold",
    "execution.checkpointing.dir",
    "execution.checkpointing.file-merging.",
    "execution.checkpointing.force-unaligned",
    "execution.checkpointing.incremental",
    "execution.checkpointing.interval-during-backlog",
    "execution.checkpointing.local-",
    "execution.checkpointing.savepoint-dir",
    "execution.checkpointing.snapshot-compression",
    "execution.checkpointing.storage",
    "execution.checkpointing.unaligned.",
    "execution.checkpointing.write-buffer-size",
    "fs.",
    "high-availability",
    "jobmanager.",
    "kubernetes.",
    "metrics.",
    "rest.",
    "restart-strategy",
    "security.",
    "sql-client.",
    "state.backend",
    "state.checkpoint",
    "state.savepoints.",
    "table.catalog-store.",
    "table.resources.",
    "taskmanager.",
    "web.",
    "yarn.",
];

/// They would change results.
pub(super) const UNSUPPORTED: &[&str] = &[
    "table.exec.deduplicate.insert-update-after-sensitive-enabled",
    "table.exec.deduplicate.mini-batch.compact-changes-enabled",
    "table.exec.sink.upsert-materialize",
    "table.exec.source.cdc-events-duplicate",
    "table.optimizer.nondeterministic-update.strategy",
    "pipeline.max-parallelism",
];

impl Takes {
    /// What it must be, in words.
    pub(super) fn words(self) -> String {
        match self {
            Self::Bool => "true or false".to_owned(),
            Self::Duration => "a duration such as '200 ms', '5 s' or '1 min'".to_owned(),
            Self::Whole => "a whole number".to_owned(),
            Self::OneOf([one]) => format!("{one}, which is what Weir does"),
            Self::OneOf(some) => some.join(", "),
            Self::Text => "a text".to_owned(),
        }
    }

    /// Whether a value is one.
    pub(super) fn takes(self, value: &str) -> bool {
        match self {
            Self::Bool => ["true", "false"].iter().any(|b| value.eq_ignore_ascii_case(b)),
            Self::Duration => super::parse_duration(value).is_some(),
            Self::Whole => value.trim().parse::<u64>().is_ok(),
            Self::OneOf(some) => some.iter().any(|one| value.eq_ignore_ascii_case(one)),
            Self::Text => true,
        }
    }
}
