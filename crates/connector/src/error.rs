//! What connectors report, classified.

use weir_model::{ErrorCode, Failure, FailureClass, Problem};

/// A failure while reading or writing.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{message}")]
pub struct ConnectorError {
    /// Whose fault it is: the data's (`User`), the other system's (`External`) or ours (`Internal`).
    pub class: FailureClass,
    /// What happened and what to do next.
    pub message: String,
    /// Where: `access.log:17`.
    pub place: Option<String>,
}

impl ConnectorError {
    /// Bad data or a bad query.
    pub fn user(message: impl Into<String>) -> Self {
        Self {
            class: FailureClass::User,
            message: message.into(),
            place: None,
        }
    }

    /// The other system does not do what is asked of it.
    pub fn external(message: impl Into<String>) -> Self {
        Self {
            class: FailureClass::External,
            message: message.into(),
            place: None,
        }
    }

    /// A defect of ours.
    pub fn internal(message: impl Into<String>) -> Self {
        Self {
            class: FailureClass::Internal,
            message: message.into(),
            place: None,
        }
    }

    /// The same error at a place.
    pub fn at(mut self, place: impl Into<String>) -> Self {
        self.place = Some(place.into());
        self
    }
}

impl From<ConnectorError> for Failure {
    fn from(error: ConnectorError) -> Self {
        let ConnectorError {
            class,
            message,
            place,
        } = error;
        Self {
            place,
            ..Self::new(class, message)
        }
    }
}

/// What is wrong with a table's definition: found when the DDL is read, before anything runs.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OptionError {
    /// No connector of that name.
    #[error("no connector named '{name}'")]
    UnknownConnector {
        /// The name given.
        name: String,
        /// The nearest right name.
        suggestion: Option<String>,
    },
    /// The connector does not know the option.
    #[error("connector '{connector}' has no option '{option}'")]
    Unknown {
        /// The connector.
        connector: String,
        /// The option given.
        option: String,
        /// The nearest right name.
        suggestion: Option<String>,
    },
    /// A required option is missing.
    #[error("connector '{connector}' needs the option '{option}': {meaning}")]
    Missing {
        /// The connector.
        connector: String,
        /// The missing option.
        option: String,
        /// What it says.
        meaning: String,
    },
    /// An option's value is not acceptable.
    #[error("option '{option}': {reason}")]
    Invalid {
        /// The option.
        option: String,
        /// What is wrong with the value and what would be right.
        reason: String,
        /// The nearest right value.
        suggestion: Option<String>,
    },
    /// What the table reads is not there.
    #[error("{reason}")]
    Unavailable {
        /// What is missing and where it was looked for.
        reason: String,
    },
    /// The connector does not read, or does not write.
    #[error("{reason}")]
    Unsupported {
        /// What it cannot do.
        reason: String,
    },
}

impl OptionError {
    /// The REST error; the caller adds the place in the SQL.
    pub fn problem(self) -> Problem {
        let code = match &self {
            Self::UnknownConnector { .. } => ErrorCode::UnknownConnector,
            Self::Unknown { .. } => ErrorCode::UnknownOption,
            Self::Missing { .. } => ErrorCode::MissingOption,
            Self::Invalid { .. } => ErrorCode::InvalidOption,
            Self::Unavailable { .. } => ErrorCode::SourceUnavailable,
            Self::Unsupported { .. } => ErrorCode::SqlInvalid,
        };
        let problem = Problem::new(code, self.to_string());
        match self {
            Self::UnknownConnector {
                suggestion: Some(name),
                ..
            }
            | Self::Unknown {
                suggestion: Some(name),
                ..
            }
            | Self::Invalid {
                suggestion: Some(name),
                ..
            } => problem.suggest(name),
            _ => problem,
        }
    }
}
