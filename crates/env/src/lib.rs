//! What the cluster's logic takes from the world besides its inputs: time and ids.
//!
//! Everything else asks for them through these small traits, so that the same logic runs in a seeded simulation; the
//! lint configuration bans the direct calls elsewhere.
//!
//! - [`clock`]: wall time, monotonic time and sleeping. Leans on nothing.
//! - [`failpoint`]: steps at which tests end the process. Leans on nothing.
//! - [`ids`]: new job and worker ids. Leans on `clock`.

pub mod clock;
pub mod failpoint;
pub mod ids;

pub use clock::{Clock, ManualClock, SystemClock};
pub use failpoint::failpoint;
pub use ids::Ids;
