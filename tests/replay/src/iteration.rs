//! The reason "iteration": recursion from the root, from the servers of a stub-zone, or behind a forward-zone that failed. All
//! that is known of it stands here, and goes with it.

use crate::used::Used;
use runbound::config::{self, Config, Diagnostic};
use runbound::resolve::ForwardTable;

/// The reason's name.
pub const REASON: &str = "iteration";

/// Whether the configuration asks for it.
pub fn is_asked_for(used: &Used) -> bool {
    used.has("stub-zone") || used.values("forward-first").any(|value| value == "yes")
}

/// Whether a finding says that a configuration leaves questions to nobody. A scenario without such a question can be run.
pub fn is_finding(finding: &Diagnostic, config: &Config) -> bool {
    config::validate(config).contains(finding)
}

/// Whether a question for `name` (wire form, lower case) is left to nobody.
pub fn is_left_to_nobody(name: &[u8], table: &ForwardTable) -> bool {
    table.find(name).is_none()
}
