//! Aggregates over the rows before each row: OVER.

use datafusion_expr::Window;

use super::{
    lower::{Lower, Rel},
    rank::{call_of, place_of},
};
use crate::error::{self, Result};

impl Lower<'_> {
    /// Each row with aggregates of the rows before it.
    pub(crate) fn over(&mut self, window: &Window) -> Result<Rel> {
        let at = window
            .window_expr
            .iter()
            .filter_map(call_of)
            .find_map(|(_, params)| place_of(params));
        Err(error::unsupported(
            at.unwrap_or(self.at),
            "aggregates OVER a window of rows are not supported yet: aggregate by a window function in FROM",
        ))
    }
}
