//! What is wrong with a value within a binary record, and where.

/// Why a record is not read: small, as most are.
#[derive(Debug)]
pub(crate) struct Fault(Box<Parts>);

#[derive(Debug)]
struct Parts {
    path: Vec<String>,
    reason: String,
}

pub(crate) type Outcome<T> = Result<T, Fault>;

/// What a record that is cut off does.
const CUT_OFF: &str = "ends within a value";

/// A fault with that reason.
#[cold]
pub(crate) fn fault<T>(reason: impl Into<String>) -> Outcome<T> {
    Err(Fault(Box::new(Parts {
        path: Vec::new(),
        reason: reason.into(),
    })))
}

/// That there are too few bytes.
#[cold]
pub(crate) fn cut_off<T>() -> Outcome<T> {
    fault(CUT_OFF)
}

impl Fault {
    /// The same in a field of that name.
    #[cold]
    pub(crate) fn within(mut self, name: &str) -> Self {
        self.0.path.insert(0, name.to_owned());
        self
    }

    /// Whether there were too few bytes, and no other fault.
    pub(crate) fn is_cut_off(&self) -> bool {
        self.0.reason == CUT_OFF
    }

    pub(crate) fn reason(self) -> String {
        let Parts { path, reason } = *self.0;
        if path.is_empty() {
            reason
        } else {
            format!("field '{}': {reason}", path.join("."))
        }
    }
}
