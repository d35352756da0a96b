//! Windowed aggregates whose results come early, and change.

use weir_model::Location;

use super::{Updates, WindowAggregate, lower::Lower, window::RelWindow};
use crate::{
    error::{self, Result},
    logical::window::Windows,
    settings::emit::Emit,
};

impl Lower<'_> {
    /// When results of an aggregate by these windows come; none: once, at the window's end.
    pub(super) fn emit(&self, window: &RelWindow) -> Result<Option<Emit>> {
        let emit = self.operators.emit;
        match window.windows {
            Windows::Session(_) if emit.is_some() => Err(error::unsupported(
                window.at,
                "sessions give no early or late results: take the settings 'table.exec.emit.*' out, or aggregate by windows of a fixed size",
            )),
            _ => Ok(emit),
        }
    }
}

/// What makes the results of a windowed aggregate changes, if they are.
pub(super) fn updates(aggregate: &WindowAggregate, at: Location) -> Option<Updates> {
    aggregate.emit.map(|_| Updates {
        by: format!(
            "{} with early or late results (table.exec.emit)",
            aggregate.windows.word()
        ),
        at,
    })
}
