//! Tests that need what this machine lacks.

use std::env;

use anyhow::{Result, ensure};

/// Names of what may be left out in CI, with commas between them.
const MAY_SKIP: &str = "WEIR_MAY_SKIP";

/// Says that something is left out, and why. In CI (`CI` is set) it is an error, unless `WEIR_MAY_SKIP` has its name.
pub fn skip(name: &str, why: &str) -> Result<()> {
    let known = env::var(MAY_SKIP).unwrap_or_default();
    ensure!(
        is_allowed(name, env::var_os("CI").is_some(), &known),
        "'{name}' is left out, which {MAY_SKIP} does not allow: {why}"
    );
    println!("SKIPPED: {why}");
    Ok(())
}

fn is_allowed(name: &str, is_ci: bool, known: &str) -> bool {
    !is_ci || known.split(',').any(|known| known == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ci_leaves_out_what_it_names_alone() {
        assert!(is_allowed("s3", false, ""));
        assert!(is_allowed("disk", true, "other,disk"));
        assert!(!is_allowed("s3", true, "disk"));
        assert!(!is_allowed("s3", true, ""));
    }
}
