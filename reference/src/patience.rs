//! The one bounded wait.

use std::time::Duration;

/// A safety net for what ends by an event: an answer, a start, a stop. When it fires that is said,
/// and dockerd is taken to hang. Docker itself kills what does not stop: after 10 seconds, or 15
/// when it ends.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);
