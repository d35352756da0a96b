//! Generations fence zombies: a message or a writer of an older deployment is refused.

use weir_model::Generation;

/// What to do with something that bears a generation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It belongs to the newest deployment known.
    Current,
    /// It belongs to a deployment newer than any known: take it as the newest.
    Newer,
    /// It belongs to an older deployment: refuse it.
    Stale,
}

/// Compares a generation with the newest known of the same job, if any is known.
pub fn judge(newest: Option<Generation>, incoming: Generation) -> Verdict {
    match newest {
        Some(newest) if incoming < newest => Verdict::Stale,
        Some(newest) if incoming == newest => Verdict::Current,
        _ => Verdict::Newer,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_older_generation_is_stale_and_an_unknown_job_takes_any() {
        assert_eq!(judge(None, Generation(3)), Verdict::Newer);
        assert_eq!(judge(Some(Generation(3)), Generation(2)), Verdict::Stale);
        assert_eq!(judge(Some(Generation(3)), Generation(3)), Verdict::Current);
        assert_eq!(judge(Some(Generation(3)), Generation(4)), Verdict::Newer);
    }
}
