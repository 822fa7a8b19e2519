//! What a scenario needs and runbound does not have: the one table of reasons to skip it.
//!
//! It is judged by what the configuration says.

use crate::used::Used;
use runbound::config::options::{self, OptionSpec, Status};

/// A feature that is not there.
struct Feature {
    reason: &'static str,
    /// Clauses and directives that ask for it, whatever their values.
    directives: &'static [&'static str],
    /// Words of `module-config:` that do.
    modules: &'static [&'static str],
}

/// See the module's text.
const FEATURES: [Feature; 10] = [
    Feature { reason: "auth-zone", directives: &["auth-zone"], modules: &[] },
    Feature { reason: "rpz", directives: &["rpz"], modules: &[] },
    Feature {
        reason: "tags",
        directives: &["define-tag", "local-zone-tag", "access-control-tag", "response-ip-tag", "interface-tag"],
        modules: &[],
    },
    Feature { reason: "respip", directives: &["response-ip", "response-ip-data"], modules: &["respip"] },
    Feature {
        reason: "dns64",
        directives: &["dns64-prefix", "dns64-synthall", "dns64-ignore-aaaa"],
        modules: &["dns64"],
    },
    Feature {
        reason: "subnet",
        directives: &["send-client-subnet", "client-subnet-zone", "client-subnet-always-forward"],
        modules: &["subnetcache"],
    },
    Feature { reason: "ipsec", directives: &["ipsecmod-enabled"], modules: &["ipsecmod"] },
    Feature { reason: "cachedb", directives: &["cachedb"], modules: &["cachedb"] },
    Feature { reason: "python, dynlib", directives: &[], modules: &["python", "dynlib"] },
    Feature { reason: "views", directives: &["view", "access-control-view"], modules: &[] },
];

/// All reasons to skip a scenario; none: it is to be run.
pub fn reasons(used: &Used) -> Vec<String> {
    let modules: Vec<&str> = used.values("module-config").flat_map(str::split_whitespace).collect();
    let is_asked_for = |feature: &&Feature| {
        feature.directives.iter().any(|directive| used.has(directive))
            || feature.modules.iter().any(|module| modules.contains(module))
    };
    let features = FEATURES.iter().filter(is_asked_for).map(|feature| feature.reason);
    let mut reasons: Vec<String> = features.map(str::to_owned).collect();
    if reasons.is_empty() {
        reasons.extend(used.directives().filter_map(|(clause, name, value)| not_yet(clause, name, value)));
        reasons.dedup();
    }
    reasons
}

/// A directive of which the server's own table says that it does nothing yet, unless its value asks for nothing.
fn not_yet(clause: &str, name: &str, value: &str) -> Option<String> {
    let is_meant =
        |spec: &&OptionSpec| spec.clause.word() == clause && (spec.name == name || spec.aliases.contains(&name));
    let asks = match options::all().find(is_meant)?.status {
        Status::NotYet { harmless, .. } | Status::Refused { harmless, .. } => !harmless.contains(&value),
        _ => false,
    };
    asks.then(|| format!("{name} is not there yet"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> String {
        reasons(&Used::of(text)).join(", ")
    }

    #[test]
    fn reasons_are_found_in_the_configuration() {
        for (text, found) in [
            ("forward-zone: name: . forward-addr: 192.0.2.1", ""),
            ("server: module-config: \"dns64 validator iterator\"", "dns64"),
            ("server: module-config: \"validator iterator\"", ""),
            ("server: trust-anchor: \". DS 1 2 3 00\"\nrpz: name: rpz.example", "rpz"),
            ("server: module-config: \"python validator iterator\"", "python, dynlib"),
            ("server: http-notls-downstream: yes", "http-notls-downstream is not there yet"),
            ("server: http-notls-downstream: no", ""),
            ("server: qname-minimisation: yes", ""),
        ] {
            assert_eq!(of(text), found, "{text}");
        }
    }
}
