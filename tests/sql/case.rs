//! One golden case: its script, what it must give, and the comparison.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, Result, bail, ensure};
use weir_tests::{
    changes,
    checkpointed::{self, End, Run},
    local::{self, Refused},
};
use weir_worker::{runtime::align::Patience, state::backend::Kind};

/// One script with its directives.
#[derive(Debug)]
pub(crate) struct Case {
    /// `tumble::keyed`.
    pub(crate) name: String,
    /// The path without `.sql`.
    stem: PathBuf,
    sql: String,
    parallelisms: Vec<u32>,
    late_rows: u64,
    skipped_records: u64,
    compares_changes: bool,
    is_not_checkpointed: bool,
}

/// How a script runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// From its beginning to its end at a parallelism.
    Straight(u32),
    /// In stages, [`ALIGNED`] or [`UNALIGNED`].
    Checkpointed([Run; 3]),
}

/// Three checkpoints at p=2, the third of which is gone on with at p=3; three more and a savepoint, which is gone on with at p=1. Before the
/// savepoint, memory is short all the time.
const ALIGNED: [Run; 3] = [
    Run {
        parallelism: 2,
        backend: Kind::Rocksdb,
        memory_is_short_every: None,
        patience: Patience::Endless,
        end: Some(End::Checkpoint),
    },
    Run {
        parallelism: 3,
        backend: Kind::Rocksdb,
        memory_is_short_every: Some(1),
        patience: Patience::Endless,
        end: Some(End::Savepoint),
    },
    Run {
        parallelism: 1,
        backend: Kind::Memory,
        memory_is_short_every: None,
        patience: Patience::Endless,
        end: None,
    },
];

/// The same with three unaligned checkpoints, which are gone on with at p=3 and p=2. Memory is short now and then.
const UNALIGNED: [Run; 3] = [
    Run {
        memory_is_short_every: Some(3),
        patience: Patience::Until(Duration::ZERO),
        ..ALIGNED[0]
    },
    Run {
        patience: Patience::Until(Duration::from_millis(1)),
        end: Some(End::Checkpoint),
        ..ALIGNED[1]
    },
    Run {
        parallelism: 2,
        backend: Kind::Rocksdb,
        memory_is_short_every: Some(2),
        patience: Patience::Until(Duration::ZERO),
        ..ALIGNED[2]
    },
];

/// How old savepoints, which were taken at p=2, are gone on with.
const SAVEPOINT_RUNS: [(u32, Kind); 4] = [
    (1, Kind::Memory),
    (2, Kind::Rocksdb),
    (3, Kind::Rocksdb),
    (5, Kind::Memory),
];

/// What came out, in the form of the expected files: text by file suffix.
type Outcome = BTreeMap<String, String>;

impl Case {
    /// Reads a script; its expected files are looked for when it is checked.
    pub(crate) fn read(path: PathBuf) -> Result<Self> {
        let sql = fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
        let stem = path.with_extension("");
        let part = |p: Option<&std::ffi::OsStr>| p.and_then(|n| n.to_str()).unwrap_or_default().to_owned();
        let name = format!(
            "{}::{}",
            part(stem.parent().and_then(Path::file_name)),
            part(stem.file_name())
        );
        let number =
            |key| directive(&sql, key).map_or(Ok(0), |v| v.parse().with_context(|| format!("{name}: {key}")));
        let parallelisms = directive(&sql, "parallelism").unwrap_or("1 2 4");
        Ok(Self {
            parallelisms: parallelisms
                .split_whitespace()
                .map(str::parse)
                .collect::<Result<_, _>>()?,
            late_rows: number("late rows")?,
            skipped_records: number("skipped records")?,
            is_not_checkpointed: directive(&sql, "checkpoints").is_some_and(|why| why.starts_with("none")),
            compares_changes: directive(&sql, "changes") == Some("in order"),
            name,
            stem,
            sql,
        })
    }

    /// Runs it at every parallelism and compares; or writes what comes out as what is expected.
    pub(crate) async fn check(&self, bless: bool) -> Result<()> {
        for &parallelism in &self.parallelisms {
            let mut actual = self
                .outcome(Way::Straight(parallelism))
                .await
                .with_context(|| format!("at parallelism {parallelism}"))?;
            if bless && Some(&parallelism) == self.parallelisms.first() {
                self.write_expected(&actual)?;
            }
            let mut expected = self.read_expected()?;
            if Some(&parallelism) != self.parallelisms.first() {
                expected.retain(|suffix, _| !suffix.ends_with("changes.json"));
            }
            if local::rehearsal().is_some() {
                // A restored operator has its keys in another order, and emits their changes so.
                sort_changes(&mut actual);
                sort_changes(&mut expected);
            }
            ensure!(
                actual == expected,
                "{} at parallelism {parallelism} gives something else:\n{}",
                self.stem.with_extension("sql").display(),
                difference(&expected, &actual)
            );
        }
        Ok(())
    }

    /// Runs it with checkpoints, stopped and gone on with at other parallelisms, and compares.
    pub(crate) async fn check_checkpointed(&self) -> Result<()> {
        let expected = self.read_expected()?;
        // Which rows are late depends on how they are batched, and they are batched otherwise there.
        if self.is_not_checkpointed || self.late_rows > 0 || expected.contains_key("expected-error") {
            return Ok(());
        }
        let mut expected = expected;
        expected.retain(|suffix, _| !suffix.ends_with("changes.json"));
        for (name, stages) in [("aligned", ALIGNED), ("unaligned", UNALIGNED)] {
            let actual = self
                .outcome(Way::Checkpointed(stages))
                .await
                .with_context(|| format!("with {name} checkpoints"))?;
            ensure!(
                actual == expected,
                "{} with {name} checkpoints, gone on with at other parallelisms, gives something else:\n{}",
                self.stem.with_extension("sql").display(),
                difference(&expected, &actual)
            );
        }
        Ok(())
    }

    /// Goes on from savepoints that older versions left of it, if there are any, and compares.
    pub(crate) async fn check_savepoints(&self) -> Result<()> {
        if !self.stem.is_dir() {
            return Ok(());
        }
        let expected = self.read_expected()?;
        let mut checked = 0;
        for entry in fs::read_dir(&self.stem)? {
            let folder = entry?.path();
            for (parallelism, backend) in SAVEPOINT_RUNS {
                let run = Run {
                    parallelism,
                    backend,
                    ..ALIGNED[2]
                };
                let place = || format!("{} at parallelism {parallelism}", folder.display());
                let printed = checkpointed::go_on(&self.sql, run, &folder)
                    .await
                    .with_context(place)?;
                let actual = self.as_files(printed, false)?;
                ensure!(
                    actual == expected,
                    "{} gives something else:\n{}",
                    place(),
                    difference(&expected, &actual)
                );
                checked += 1;
            }
        }
        ensure!(checked > 0, "no savepoint in {}", self.stem.display());
        Ok(())
    }

    /// Leaves savepoints of this version, one of each backend, in folders whose names begin so.
    pub(crate) async fn keep_savepoints(&self, name: &str) -> Result<()> {
        for (suffix, backend) in [("rocksdb", Kind::Rocksdb), ("memory", Kind::Memory)] {
            let run = Run {
                backend,
                end: Some(End::Savepoint),
                ..ALIGNED[0]
            };
            let folder = self.stem.join(format!("{name}-{suffix}"));
            checkpointed::keep(&self.sql, run, &folder).await?;
        }
        Ok(())
    }

    /// These stages, all at p=1 if it only runs there.
    fn stages(&self, stages: [Run; 3]) -> [Run; 3] {
        stages.map(|run| Run {
            parallelism: if self.parallelisms == [1] {
                1
            } else {
                run.parallelism
            },
            ..run
        })
    }

    async fn outcome(&self, way: Way) -> Result<Outcome> {
        let out = tempfile::tempdir()?;
        let sql = self.sql.replace("{out}", &out.path().display().to_string());
        let ran = match way {
            Way::Straight(parallelism) => local::run(&sql, Some(parallelism)).await,
            Way::Checkpointed(stages) => checkpointed::run(&sql, &self.stages(stages)).await,
        };
        let (mut tables, stats) = match ran {
            Ok(ran) => ran,
            Err(refused) => {
                let root = std::env::current_dir()?.display().to_string();
                let error = describe(&refused).replace(&root, "{root}");
                return Ok(BTreeMap::from([("expected-error".to_owned(), error)]));
            }
        };
        let late = stats.late_rows;
        let skipped: u64 = stats.sources.iter().map(|o| o.skipped_records).sum();
        ensure!(
            late == self.late_rows,
            "{late} rows came late, not {}",
            self.late_rows
        );
        ensure!(
            skipped == self.skipped_records,
            "{skipped} records were skipped, not {}",
            self.skipped_records
        );
        for entry in fs::read_dir(out.path())? {
            let folder = entry?.path();
            let name = folder
                .file_name()
                .and_then(|n| n.to_str())
                .context("a table's folder has a name")?;
            let mut lines = Vec::new();
            add_lines(&folder, "", &mut lines)?;
            tables.insert(name.to_owned(), lines);
        }
        let is_first = way == Way::Straight(self.parallelisms[0]);
        self.as_files(tables, is_first)
    }

    /// One file if there is one table, else one per table; and the changes, if they are compared.
    fn as_files(&self, tables: BTreeMap<String, Vec<String>>, is_first: bool) -> Result<Outcome> {
        let single = tables.len() <= 1;
        let with_changes = self.compares_changes && is_first;
        let mut files = Outcome::new();
        for (table, lines) in tables {
            let prefix = if single {
                String::new()
            } else {
                format!("{table}.")
            };
            if with_changes {
                files.insert(format!("{prefix}changes.json"), text(&lines));
            }
            let mut rows = changes::materialize(lines)?;
            rows.sort_unstable();
            files.insert(format!("{prefix}expected.json"), text(&rows));
        }
        if files.is_empty() {
            files.insert("expected.json".to_owned(), String::new());
        }
        Ok(files)
    }

    fn expected_path(&self, suffix: &str) -> PathBuf {
        PathBuf::from(format!("{}.{suffix}", self.stem.display()))
    }

    /// The suffixes of the expected files that are there.
    fn expected_suffixes(&self) -> Result<Vec<String>> {
        let folder = self.stem.parent().context("a script lies in a folder")?;
        let prefix = format!(
            "{}.",
            self.stem.file_name().and_then(|n| n.to_str()).unwrap_or_default()
        );
        let mut found = Vec::new();
        for entry in fs::read_dir(folder)? {
            let name = entry?.file_name();
            let suffix = name.to_str().and_then(|n| n.strip_prefix(&prefix));
            let is_ours = |s: &&str| s.contains("expected") || s.ends_with("changes.json");
            found.extend(suffix.filter(is_ours).map(str::to_owned));
        }
        Ok(found)
    }

    fn read_expected(&self) -> Result<Outcome> {
        let suffixes = self.expected_suffixes()?;
        ensure!(!suffixes.is_empty(), "{} says nowhere what it expects", self.name);
        suffixes
            .into_iter()
            .map(|s| Ok((s.clone(), fs::read_to_string(self.expected_path(&s))?)))
            .collect()
    }

    fn write_expected(&self, actual: &Outcome) -> Result<()> {
        for stale in self.expected_suffixes()? {
            fs::remove_file(self.expected_path(&stale))?;
        }
        for (suffix, text) in actual {
            fs::write(self.expected_path(suffix), text)?;
        }
        Ok(())
    }
}

/// The text after `-- key:`.
fn directive<'a>(sql: &'a str, key: &str) -> Option<&'a str> {
    let prefix = format!("-- {key}:");
    sql.lines()
        .find_map(|line| line.strip_prefix(&prefix))
        .map(str::trim)
}

/// Every line of a `filesystem` sink's files, behind the partition that it lies in.
fn add_lines(folder: &Path, partition: &str, lines: &mut Vec<String>) -> Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().and_then(|n| n.to_str()).unwrap_or(".");
        if path.is_dir() && name.contains('=') {
            add_lines(&path, &format!("{partition}{name}/"), lines)?;
            continue;
        }
        if name.starts_with(['.', '_']) || path.is_dir() {
            bail!("{} is left over in a result", path.display());
        }
        let text = fs::read_to_string(&path)?;
        lines.extend(text.lines().map(|line| match partition {
            "" => line.to_owned(),
            partition => format!("{partition} {line}"),
        }));
    }
    Ok(())
}

fn sort_changes(outcome: &mut Outcome) {
    for (_, changes) in outcome
        .iter_mut()
        .filter(|(suffix, _)| suffix.ends_with("changes.json"))
    {
        let mut lines: Vec<String> = changes.lines().map(str::to_owned).collect();
        lines.sort_unstable();
        *changes = text(&lines);
    }
}

fn text(lines: &[String]) -> String {
    lines.iter().fold(String::new(), |text, line| text + line + "\n")
}

fn describe(refused: &Refused) -> String {
    let mut text = String::new();
    match refused {
        Refused::Planning(problem) => {
            text += problem.code.as_str();
            if let Some(at) = problem.location {
                let _ = write!(text, " at {}:{}", at.line, at.column);
            }
            let _ = writeln!(text, "\n{}", problem.detail);
            if let Some(name) = &problem.suggestion {
                let _ = writeln!(text, "suggests {name}");
            }
        }
        Refused::Running(failure) => {
            let _ = write!(text, "failure {:?}", failure.class);
            if let Some(place) = &failure.place {
                let _ = write!(text, " at {place}");
            }
            if let Some(operator) = &failure.operator_name {
                let _ = write!(text, " in {operator}");
            }
            let _ = writeln!(text, "\n{}", failure.message);
        }
    }
    text
}

/// Both sides, line by line, with what only one of them has marked.
fn difference(expected: &Outcome, actual: &Outcome) -> String {
    let mut text = String::new();
    let files: std::collections::BTreeSet<_> = expected.keys().chain(actual.keys()).collect();
    for file in files {
        let _ = writeln!(text, "{file}:");
        let lines = |side: &Outcome| {
            side.get(file)
                .map(|t| t.lines().map(str::to_owned).collect::<Vec<_>>())
        };
        let (wanted, got) = (
            lines(expected).unwrap_or_default(),
            lines(actual).unwrap_or_default(),
        );
        let mut rest = got.clone();
        for line in &wanted {
            match rest.iter().position(|l| l == line) {
                Some(index) => drop(rest.remove(index)),
                None => drop(writeln!(text, "  expected only: {line}")),
            }
        }
        for line in rest {
            let _ = writeln!(text, "  came only:     {line}");
        }
        let _ = writeln!(text, "  ({} lines expected, {} came)", wanted.len(), got.len());
    }
    text
}
