//! Failures, classified once where they arise; the control plane acts on the class alone.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{OperatorId, SubtaskIndex};

/// Whose fault a failure is, which decides what to do about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum FailureClass {
    /// The query or its data: bad input, a failed cast. Running again gives the same failure.
    User,
    /// A system that Weir reads from or writes to. Worth trying again, with backoff.
    External,
    /// Weir itself or its machines: a lost worker, a broken connection, a bug. Worth trying again, with backoff.
    Internal,
}

impl FailureClass {
    /// Whether running again may help.
    pub fn is_retryable(self) -> bool {
        !matches!(self, Self::User)
    }
}

/// Why a task or a job stopped.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Failure {
    /// Whose fault it is.
    pub class: FailureClass,
    /// What happened and what to do next, for a person.
    pub message: String,
    /// Where in the input: `access.log:17`, for instance.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<String>,
    /// The operator in which it happened.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operator: Option<OperatorId>,
    /// That operator's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operator_name: Option<String>,
    /// The subtask in which it happened.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subtask: Option<SubtaskIndex>,
}

impl Failure {
    /// A failure of this class that has no place yet.
    pub fn new(class: FailureClass, message: impl Into<String>) -> Self {
        Self {
            class,
            message: message.into(),
            place: None,
            operator: None,
            operator_name: None,
            subtask: None,
        }
    }

    /// The fault of the query or its data.
    pub fn user(message: impl Into<String>) -> Self {
        Self::new(FailureClass::User, message)
    }

    /// The fault of a system outside.
    pub fn external(message: impl Into<String>) -> Self {
        Self::new(FailureClass::External, message)
    }

    /// The fault of Weir or its machines.
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(FailureClass::Internal, message)
    }

    /// The same failure at a place in the input.
    pub fn at(mut self, place: impl Into<String>) -> Self {
        self.place = Some(place.into());
        self
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        if let Some(place) = &self.place {
            write!(f, " (at {place})")?;
        }
        match (&self.operator_name, self.subtask) {
            (Some(name), Some(subtask)) => write!(f, " in {name}, subtask {subtask}"),
            (Some(name), None) => write!(f, " in {name}"),
            _ => Ok(()),
        }
    }
}

impl std::error::Error for Failure {}
