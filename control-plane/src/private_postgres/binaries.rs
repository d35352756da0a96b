//! Finds the programs of an installed PostgreSQL.

use std::{
    collections::BTreeSet,
    env,
    path::{Path, PathBuf},
    process::Command,
};

use super::PrivatePostgresError;

/// Folders in which packagers put the programs; `*` stands for any one name.
const USUAL: [&str; 8] = [
    "/usr/lib/postgresql/*/bin",
    "/usr/pgsql-*/bin",
    "/opt/homebrew/opt/postgresql*/bin",
    "/usr/local/opt/postgresql*/bin",
    "/usr/local/pgsql/bin",
    "/usr/lib/postgresql*/bin",
    "/opt/local/lib/postgresql*/bin",
    "/Applications/Postgres.app/Contents/Versions/*/bin",
];

/// The programs of one installed version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Binaries {
    /// Where they are.
    pub(super) folder: PathBuf,
    /// Major version.
    pub(super) version: u32,
}

impl Binaries {
    pub(super) fn program(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }
}

/// The newest installed version; with data, the one that made it.
pub(super) fn find(data: Option<(&Path, u32)>) -> Result<Binaries, PrivatePostgresError> {
    choose(
        candidates().filter_map(|folder| installed(&folder)).collect(),
        data,
    )
}

fn choose(found: Vec<Binaries>, data: Option<(&Path, u32)>) -> Result<Binaries, PrivatePostgresError> {
    let Some((folder, version)) = data else {
        // The first of equals: PATH goes before the usual folders.
        return found
            .into_iter()
            .rev()
            .max_by_key(|b| b.version)
            .ok_or(PrivatePostgresError::NotInstalled);
    };
    let versions: BTreeSet<_> = found.iter().map(|binaries| binaries.version).collect();
    match found.into_iter().find(|binaries| binaries.version == version) {
        Some(binaries) => Ok(binaries),
        None if versions.is_empty() => Err(PrivatePostgresError::NotInstalled),
        None => Err(PrivatePostgresError::OtherVersion {
            folder: folder.to_owned(),
            data: version,
            installed: versions
                .iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>()
                .join(", "),
        }),
    }
}

/// Folders to look into, the likeliest first.
fn candidates() -> impl Iterator<Item = PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let path: Vec<_> = env::split_paths(&path).collect();
    path.into_iter()
        .chain(pg_config())
        .chain(USUAL.iter().flat_map(|pattern| expand(pattern)))
}

fn pg_config() -> Option<PathBuf> {
    let output = Command::new("pg_config").arg("--bindir").output().ok()?;
    let folder = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| PathBuf::from(folder.trim()))
}

fn installed(folder: &Path) -> Option<Binaries> {
    let postgres = folder.join("postgres");
    if !postgres.is_file() || !folder.join("initdb").is_file() {
        return None;
    }
    let output = Command::new(postgres).arg("--version").output().ok()?;
    let version = major(&String::from_utf8(output.stdout).ok()?)?;
    Some(Binaries {
        folder: folder.to_owned(),
        version,
    })
}

/// The major version in `postgres (PostgreSQL) 15.8 (Debian 15.8-0)`.
fn major(text: &str) -> Option<u32> {
    let number = text.split_once("(PostgreSQL) ")?.1;
    number.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

/// The paths that exist for a pattern with at most one `*`.
fn expand(pattern: &str) -> Vec<PathBuf> {
    let Some((before, after)) = pattern.split_once('*') else {
        return vec![PathBuf::from(pattern)];
    };
    let Some((folder, prefix)) = before.rsplit_once('/') else {
        return vec![];
    };
    let Ok(entries) = std::fs::read_dir(folder) else {
        return vec![];
    };
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    names
        .filter(|name| name.starts_with(prefix))
        .map(|name| PathBuf::from(format!("{folder}/{name}{after}")))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(version: u32) -> Binaries {
        Binaries {
            folder: PathBuf::from(format!("/usr/lib/postgresql/{version}/bin")),
            version,
        }
    }

    #[test]
    fn versions_are_read_as_packagers_write_them() {
        assert_eq!(
            major("postgres (PostgreSQL) 15.8 (Debian 15.8-0+deb12u1)\n"),
            Some(15)
        );
        assert_eq!(major("postgres (PostgreSQL) 18beta1\n"), Some(18));
        assert_eq!(major("something else"), None);
    }

    #[test]
    fn without_data_the_newest_is_taken_and_with_data_the_one_that_made_it() {
        assert_eq!(choose(vec![at(13), at(16), at(15)], None).expect("found"), at(16));
        let folder = Path::new("/data/postgres");
        assert_eq!(
            choose(vec![at(13), at(16)], Some((folder, 13))).expect("found"),
            at(13)
        );
    }

    #[test]
    fn a_version_that_is_not_installed_is_named_with_those_that_are() {
        let error =
            choose(vec![at(16), at(15)], Some((Path::new("/data/postgres"), 13))).expect_err("refused");
        let text = error.to_string();
        assert!(
            text.contains("made by PostgreSQL 13") && text.contains("installed is 15, 16"),
            "{text}"
        );
        assert!(matches!(
            choose(vec![], None),
            Err(PrivatePostgresError::NotInstalled)
        ));
        assert!(matches!(
            choose(vec![], Some((Path::new("/data"), 13))),
            Err(PrivatePostgresError::NotInstalled)
        ));
    }
}
