//! What a scenario needs and runbound does not have: the one table of reasons to skip it.
//!
//! It is judged by what the configuration says and what the steps do.

use crate::scenario::{Scenario, What};
use crate::used::Used;
use runbound::config::options::{self, OptionSpec, Status};

/// A feature, and how a scenario shows that it needs it.
struct Feature {
    reason: &'static str,
    /// Clauses and directives of the configuration that ask for it, whatever their values.
    directives: &'static [&'static str],
    /// Words of `module-config:` that do.
    modules: &'static [&'static str],
    /// Beside those.
    also: fn(&Scenario, &Used) -> bool,
}

/// See the module's text.
const FEATURES: [Feature; 12] = [
    Feature { reason: "auth-zone", directives: &["auth-zone"], modules: &[], also: |_, _| false },
    Feature { reason: "rpz", directives: &["rpz"], modules: &[], also: |_, _| false },
    Feature {
        reason: "tags",
        directives: &["define-tag", "local-zone-tag", "access-control-tag", "response-ip-tag", "interface-tag"],
        modules: &[],
        also: |_, _| false,
    },
    Feature {
        reason: "respip",
        directives: &["response-ip", "response-ip-data"],
        modules: &["respip"],
        also: |_, _| false,
    },
    Feature {
        reason: "dns64",
        directives: &["dns64-prefix", "dns64-synthall", "dns64-ignore-aaaa"],
        modules: &["dns64"],
        also: |_, _| false,
    },
    Feature {
        reason: "subnet",
        directives: &["send-client-subnet", "client-subnet-zone", "client-subnet-always-forward"],
        modules: &["subnetcache", "subnet"],
        also: |_, _| false,
    },
    Feature { reason: "ipsec", directives: &["ipsecmod-enabled"], modules: &["ipsecmod"], also: |_, _| false },
    Feature { reason: "cachedb", directives: &["cachedb"], modules: &["cachedb"], also: |_, _| false },
    Feature { reason: "views", directives: &["view", "access-control-view"], modules: &[], also: |_, _| false },
    Feature {
        reason: "validation",
        directives: &[
            "trust-anchor",
            "trust-anchor-file",
            "trusted-keys-file",
            "auto-trust-anchor-file",
        ],
        modules: &[],
        also: |scenario, _| scenario.files.iter().any(|file| file.is_autotrust),
    },
    Feature {
        reason: ITERATION,
        directives: &["stub-zone"],
        modules: &[],
        also: |_, used| used.values("forward-first").any(|value| value == "yes"),
    },
    Feature {
        reason: "files written",
        directives: &[],
        modules: &[],
        also: |scenario, _| scenario.steps.iter().any(|step| matches!(step.what, What::CheckFile(_))),
    },
];

/// Recursion from the root, from a stub-zone's servers or behind a forward-zone. A question that no forward-zone is for needs it,
/// too, which shows only when it is asked.
pub const ITERATION: &str = "iteration";

/// Why `scenario` is skipped: all reasons; none: it is to be run.
pub fn reasons(scenario: &Scenario, used: &Used) -> Vec<String> {
    let modules: Vec<&str> = used.values("module-config").flat_map(str::split_whitespace).collect();
    let is_needed = |feature: &&Feature| {
        feature.directives.iter().any(|directive| used.has(directive))
            || feature.modules.iter().any(|module| modules.contains(module))
            || (feature.also)(scenario, used)
    };
    let mut reasons: Vec<String> =
        FEATURES.iter().filter(is_needed).map(|feature| feature.reason.to_owned()).collect();
    if reasons.is_empty() {
        reasons.extend(used.directives().filter_map(|(clause, name, value)| not_yet(clause, name, value)));
        reasons.sort();
        reasons.dedup();
    }
    reasons
}

/// A directive of which the server's own table says that it does nothing yet, by its name, unless the value asks for nothing.
fn not_yet(clause: &str, name: &str, value: &str) -> Option<String> {
    let is_meant = |spec: &&OptionSpec| spec.clause.word() == clause && (spec.name == name || spec.aliases.contains(&name));
    let spec = options::all().find(is_meant)?;
    let asks = match spec.status {
        Status::NotYet { harmless, .. } | Status::Refused { harmless, .. } => !harmless.contains(&value),
        Status::WordsNotYet { harmless, .. } => value.split_whitespace().any(|word| !harmless.contains(&word)),
        _ => false,
    };
    asks.then(|| format!("no {name} yet"))
}
