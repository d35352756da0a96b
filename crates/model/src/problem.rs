//! REST errors: RFC 9457 problem documents with a stable code.

use std::fmt;

use serde::{Deserialize, Serialize};

macro_rules! error_codes {
    ($($(#[$doc:meta])* $name:ident = $code:literal, $status:literal;)*) => {
        /// What went wrong, as a stable word that programs may match on.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
        pub enum ErrorCode {
            $($(#[$doc])* #[serde(rename = $code)] $name,)*
        }

        impl ErrorCode {
            /// The HTTP status that goes with it.
            pub fn status(self) -> u16 {
                match self { $(Self::$name => $status,)* }
            }

            /// The word on the wire.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$name => $code,)* }
            }
        }
    };
}

error_codes! {
    /// The SQL text does not parse.
    SqlSyntax = "sql_syntax", 400;
    /// The SQL names a table, column or function that does not exist.
    SqlUnknownName = "sql_unknown_name", 400;
    /// Types in the SQL do not fit together.
    SqlType = "sql_type", 400;
    /// The SQL is valid Flink SQL that Weir does not run yet.
    SqlUnsupported = "sql_unsupported", 400;
    /// The SQL is well-formed but cannot be a job: no INSERT, a sink that does not fit ...
    SqlInvalid = "sql_invalid", 400;
    /// No connector or format of that name.
    UnknownConnector = "unknown_connector", 400;
    /// An option that the connector does not know.
    UnknownOption = "unknown_option", 400;
    /// A required option is missing.
    MissingOption = "missing_option", 400;
    /// An option's value is not acceptable.
    InvalidOption = "invalid_option", 400;
    /// What the table reads or writes is not there: a file that does not exist, for instance.
    SourceUnavailable = "source_unavailable", 400;
    /// A field of the request is out of bounds: parallelism 0, for instance.
    InvalidRequest = "invalid_request", 400;
    /// The request's body is not JSON or misses a field.
    InvalidJson = "invalid_json", 400;
    /// The request's content type is not `application/json`.
    UnsupportedMediaType = "unsupported_media_type", 415;
    /// The request's body is larger than the limit.
    PayloadTooLarge = "payload_too_large", 413;
    /// No job of that id.
    JobNotFound = "job_not_found", 404;
    /// No such path.
    NotFound = "not_found", 404;
    /// The path exists, the method does not.
    MethodNotAllowed = "method_not_allowed", 405;
    /// The job's phase does not allow the request: deleting a running job, for instance.
    JobConflict = "job_conflict", 409;
    /// No savepoint of that id.
    SavepointNotFound = "savepoint_not_found", 404;
    /// The job has no checkpoint of that number.
    CheckpointNotFound = "checkpoint_not_found", 404;
    /// What becomes of the savepoint does not allow the request: deleting one that is being taken, for instance.
    SavepointConflict = "savepoint_conflict", 409;
    /// The state of the savepoint does not fit the SQL.
    StateIncompatible = "state_incompatible", 409;
    /// The control plane was not told where checkpoints and savepoints go.
    CheckpointsDisabled = "checkpoints_disabled", 409;
    /// The store of checkpoints and savepoints does not answer, or has not what it should have.
    StateUnavailable = "state_unavailable", 503;
    /// The request took longer than the server allows.
    Timeout = "timeout", 504;
    /// The metadata store does not answer.
    StoreUnavailable = "store_unavailable", 503;
    /// A defect in Weir.
    Internal = "internal", 500;
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A place in a SQL text. Both count from 1; the column counts characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Location {
    /// Line, from 1.
    pub line: u64,
    /// Column in characters, from 1.
    pub column: u64,
}

/// The body of every error response, `application/problem+json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Problem {
    /// The stable code.
    pub code: ErrorCode,
    /// The HTTP status.
    pub status: u16,
    /// One sentence for a person: what is wrong and what to do next.
    pub detail: String,
    /// Where in the SQL, if it is about SQL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub location: Option<Location>,
    /// The nearest right name, if a name was wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suggestion: Option<String>,
    /// The request's id, as in the server's log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
}

impl Problem {
    /// A problem with a code and a sentence.
    pub fn new(code: ErrorCode, detail: impl Into<String>) -> Self {
        Self {
            code,
            status: code.status(),
            detail: detail.into(),
            location: None,
            suggestion: None,
            request_id: None,
        }
    }

    /// The same problem at a place in the SQL.
    pub fn at(mut self, location: Location) -> Self {
        self.location = Some(location);
        self
    }

    /// The same problem with the nearest right name.
    pub fn suggest(mut self, name: impl Into<String>) -> Self {
        self.suggestion = Some(name.into());
        self
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.detail)?;
        if let Some(Location { line, column }) = self.location {
            write!(f, " (line {line}, column {column})")?;
        }
        if let Some(name) = &self.suggestion {
            write!(f, "; did you mean '{name}'?")?;
        }
        Ok(())
    }
}

impl std::error::Error for Problem {}
