//! Conditions that read what the runtime says of time and chance.

use super::regular::Join;
use crate::operator::Context;

impl Join {
    /// Whether the condition does.
    pub(super) fn is_surrounded(&self) -> bool {
        self.condition
            .as_ref()
            .is_some_and(|(condition, _)| condition.is_surrounded())
    }

    /// Tells it to the condition.
    pub(super) fn surround(&mut self, context: &mut Context) {
        if let Some((condition, _)) = &mut self.condition
            && condition.is_surrounded()
        {
            condition.surround(context.surroundings(&mut self.seed));
        }
    }
}
