//! `server:` directives about DNSSEC and about hardening the iterator.

use super::*;

const UNVALIDATED: &str = "answers are not validated; the forwarder's AD bit is not believed either";
const NO_VALIDATION: &str = "means nothing without validation, of which the trust anchor's warning speaks";
const RECURSION: &str = "is about delegations that are validated, and none is yet";
const ANCHOR_FILE: &str = "the trust anchor does not move without validation";

pub(super) const OPTIONS: &[OptionSpec] = &inside(
    Clause::Server,
    [
        words_not_yet(
            "module-config",
            &[Kind::Modules],
            "validator iterator",
            "local data, cache and forwarders alone make the answers",
            &["iterator", "validator", "subnetcache"],
        ),
        not_yet("auto-trust-anchor-file", PATH, "none", UNVALIDATED, &[""]).checked(checks::file),
        not_yet("trust-anchor-file", PATH, "none", UNVALIDATED, &[""]).checked(checks::file),
        not_yet("trust-anchor", &[Kind::Record], "none", UNVALIDATED, &[]).checked(checks::anchor),
        not_yet("trusted-keys-file", PATH, "none", UNVALIDATED, &[""]).checked(checks::file),
        inert("dlv-anchor", TEXT, "none", "DLV is history, Unbound ignores it too"),
        inert("dlv-anchor-file", PATH, "none", "DLV is history, Unbound ignores it too"),
        inert("trust-anchor-signaling", YES_NO, "yes", NO_VALIDATION),
        inert("root-key-sentinel", YES_NO, "yes", NO_VALIDATION),
        inert("domain-insecure", NAME, "none", NO_VALIDATION),
        inert("val-override-date", &[Kind::Date], "none", NO_VALIDATION),
        inert("val-sig-skew-min", COUNT, "3600", NO_VALIDATION),
        inert("val-sig-skew-max", COUNT, "86400", NO_VALIDATION),
        inert("val-max-restart", COUNT, "5", NO_VALIDATION),
        inert("val-validation-attempts", COUNT, "32", NO_VALIDATION).since("1.26"),
        inert("val-hash-attempts", COUNT, "32", NO_VALIDATION).since("1.26"),
        inert("val-bogus-ttl", COUNT, "60", NO_VALIDATION),
        inert("val-clean-additional", YES_NO, "yes", NO_VALIDATION),
        inert("val-log-level", COUNT, "0", NO_VALIDATION),
        inert("val-permissive-mode", YES_NO, "no", NO_VALIDATION),
        inert("val-nsec3-keysize-iterations", &[Kind::KeyIterations], "1024 150 2048 150 4096 150", NO_VALIDATION),
        not_yet("ignore-cd-flag", YES_NO, "no", "the client's CD bit goes to the forwarder", &["no"]),
        inert("fake-dsa", YES_NO, "no", "is for tests of Unbound"),
        inert("fake-sha1", YES_NO, "no", "is for tests of Unbound"),
        inert("add-holddown", COUNT, "2592000", ANCHOR_FILE),
        inert("del-holddown", COUNT, "2592000", ANCHOR_FILE),
        inert("keep-missing", COUNT, "31622400", ANCHOR_FILE),
        inert("permit-small-holddown", YES_NO, "no", ANCHOR_FILE),
        inert("zonemd-permissive-mode", YES_NO, "no", "no zone is loaded, of which auth-zone's warning speaks"),
        inert("disable-dnssec-lame-check", YES_NO, "no", RECURSION),
        honoured("harden-glue", YES_NO, is("yes"), plain!(flag iteration.harden_glue), RELOAD),
        honoured("harden-unverified-glue", YES_NO, is("no"), plain!(flag iteration.harden_unverified_glue), RELOAD),
        inert("harden-dnssec-stripped", YES_NO, "yes", NO_VALIDATION),
        inert("harden-below-nxdomain", YES_NO, "yes", "needs validated answers; names below NXDOMAIN are asked"),
        honoured("harden-referral-path", YES_NO, is("no"), plain!(flag iteration.harden_referral), RELOAD),
        inert("harden-algo-downgrade", YES_NO, "no", NO_VALIDATION),
        honoured("harden-unknown-additional", YES_NO, is("no"), plain!(flag harden_unknown_additional), RELOAD)
            .note("yes takes records of types that a resolver has no use for out of what stands beside an answer"),
    ],
);
