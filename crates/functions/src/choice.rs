//! Tests and conversions of single values.

use crate::define::Def;

pub(crate) const FUNCTIONS: &[Def] = &[];
