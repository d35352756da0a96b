//! Which windows there are.

use super::{Count, refuse};
use crate::error;
use datafusion_common::Result;
use weir_model::Location;

/// Windows of rows by time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Windows {
    /// Of one size, following each other.
    Tumble(Tumble),
    /// Of one size, one beginning with every slide.
    Hop(Hop),
    /// Beginning together, each a step longer than the one before.
    Cumulate(Cumulate),
    /// As long as rows of a key follow each other within a gap.
    Session(Session),
    /// Of so many rows of a key.
    Count(Count),
}

impl Windows {
    /// The word for them in SQL.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Tumble(_) => "TUMBLE",
            Self::Hop(_) => "HOP",
            Self::Cumulate(_) => "CUMULATE",
            Self::Session(_) => "SESSION",
            Self::Count(_) => "COUNT",
        }
    }
}

/// Windows that are as long as rows of a key follow each other within a gap.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Session {
    /// The gap, ms; positive.
    pub gap_ms: i64,
}

/// Windows of one size that follow each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Tumble {
    /// Length, ms; positive.
    pub size_ms: i64,
    /// Start of one of the windows, ms; from 0 to below the size.
    pub offset_ms: i64,
}

/// Windows of one size, one beginning with every slide.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Hop {
    /// Length, ms; not below the slide.
    pub size_ms: i64,
    /// From one start to the next, ms; positive.
    pub slide_ms: i64,
    /// Start of one of the windows, ms; from 0 to below the slide.
    pub offset_ms: i64,
}

/// Windows that begin together and grow by steps up to a size.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Cumulate {
    /// Length of the longest, ms; a multiple of the step.
    pub max_size_ms: i64,
    /// By how much each is longer than the one before, ms; positive.
    pub step_ms: i64,
    /// Start of one of the windows, ms; from 0 to below the size.
    pub offset_ms: i64,
}

impl Windows {
    /// TUMBLE's.
    pub(super) fn tumble(size_ms: i64, offset_ms: i64) -> Self {
        Self::Tumble(Tumble {
            size_ms,
            offset_ms: offset_ms.rem_euclid(size_ms),
        })
    }

    /// HOP's; the size must be a multiple of the slide.
    pub(super) fn hop(size_ms: i64, slide_ms: i64, offset_ms: i64, at: Location) -> Result<Self> {
        if size_ms % slide_ms != 0 {
            return refuse(error::invalid(
                at,
                format!(
                    "the size of a HOP window must be a multiple of its slide, but {size_ms} ms is none of {slide_ms} ms"
                ),
            ));
        }
        Ok(Self::Hop(Hop {
            size_ms,
            slide_ms,
            offset_ms: offset_ms.rem_euclid(slide_ms),
        }))
    }

    /// HOP's in GROUP BY: of any size.
    pub(super) fn group_hop(size_ms: i64, slide_ms: i64, at: Location) -> Result<Self> {
        if slide_ms > size_ms {
            return refuse(error::unsupported(
                at,
                format!(
                    "a HOP window of {size_ms} ms every {slide_ms} ms would leave rows out, which is not supported: filter them out and TUMBLE"
                ),
            ));
        }
        Ok(Self::Hop(Hop {
            size_ms,
            slide_ms,
            offset_ms: 0,
        }))
    }

    /// CUMULATE's; the size must be a multiple of the step.
    pub(super) fn cumulate(max_size_ms: i64, step_ms: i64, offset_ms: i64, at: Location) -> Result<Self> {
        if max_size_ms % step_ms != 0 {
            return refuse(error::invalid(
                at,
                format!(
                    "the size of a CUMULATE window must be a multiple of its step, but {max_size_ms} ms is none of {step_ms} ms"
                ),
            ));
        }
        Ok(Self::Cumulate(Cumulate {
            max_size_ms,
            step_ms,
            offset_ms: offset_ms.rem_euclid(max_size_ms),
        }))
    }
}
