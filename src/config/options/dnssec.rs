//! `server:` directives about DNSSEC and about hardening the iterator.

use super::*;

pub(super) const OPTIONS: &[OptionSpec] = &inside(
    Clause::Server,
    [
        honoured("module-config", &[Kind::Modules], is("validator iterator"), anchors::MODULES, RELOAD).note(
            "validator, iterator and subnetcache; without validator, or without an anchor, nothing is validated; of other \
             modules there is a warning",
        ),
        honoured("auto-trust-anchor-file", PATH, words("none"), anchors::AUTO_FILE, RELOAD).checked(checks::state_file).note(
            "for a file that is torn or empty, or may not be read, the root's keys that are built in stand in, with a warning, \
             and it is written anew, unless it is of another zone (Unbound does not start); one with keys of which none is valid is \
             no anchor, with a warning; a second line for a zone does nothing, with a warning",
        ),
        honoured("trust-anchor-file", PATH, words("none"), anchors::ANCHOR_FILE, RELOAD)
            .checked(checks::file)
            .note("a bad line costs itself alone, with a warning, unless nothing is left"),
        honoured("trust-anchor", &[Kind::Record], words("none"), anchors::ANCHOR, RELOAD),
        honoured("trusted-keys-file", PATH, words("none"), anchors::KEY_FILE, RELOAD).checked(checks::file).note(
            "trust-anchors and managed-keys clauses are read beside trusted-keys; all of them stay as they are; a bad key \
             costs itself alone, with a warning, unless nothing is left",
        ),
        inert("dlv-anchor", TEXT, "none", "DLV is history, Unbound ignores it too"),
        inert("dlv-anchor-file", PATH, "none", "DLV is history, Unbound ignores it too"),
        honoured("trust-anchor-signaling", YES_NO, is("yes"), plain!(flag validation.signals), RELOAD),
        honoured("root-key-sentinel", YES_NO, is("yes"), plain!(flag validation.sentinel), RELOAD),
        honoured("domain-insecure", NAME, words("none"), anchors::INSECURE, RELOAD),
        honoured("val-override-date", &[Kind::Date], words("none"), anchors::DATE, RELOAD),
        honoured("val-sig-skew-min", COUNT, is("3600"), plain!(number validation.skew_min), RELOAD),
        honoured("val-sig-skew-max", COUNT, is("86400"), plain!(number validation.skew_max), RELOAD),
        honoured("val-max-restart", COUNT, is("5"), plain!(number validation.max_restart), RELOAD),
        inert("val-validation-attempts", COUNT, "32", "one question may cost 200 signatures").since("1.26"),
        inert("val-hash-attempts", COUNT, "32", "one question may cost 600 hashes").since("1.26"),
        honoured("val-bogus-ttl", COUNT, is("60"), plain!(number validation.bogus_ttl), RELOAD),
        honoured("val-clean-additional", YES_NO, is("yes"), plain!(flag validation.clean_additional), RELOAD),
        honoured("val-log-level", COUNT, is("0"), plain!(number validation.log_level), RELOAD)
            .note("1: a line for each failure; 2: with its reason and the server, as log-servfail has it, too"),
        honoured("val-permissive-mode", YES_NO, is("no"), plain!(flag validation.permissive), RELOAD),
        honoured(
            "val-nsec3-keysize-iterations",
            &[Kind::KeyIterations],
            is("1024 150 2048 150 4096 150"),
            anchors::ITERATIONS,
            RELOAD,
        ),
        honoured("ignore-cd-flag", YES_NO, is("no"), plain!(flag validation.ignore_cd), RELOAD),
        inert("fake-dsa", YES_NO, "no", "is for tests of Unbound"),
        inert("fake-sha1", YES_NO, "no", "is for tests of Unbound"),
        honoured("add-holddown", COUNT, is("2592000"), plain!(number validation.add_holddown), RELOAD),
        honoured("del-holddown", COUNT, is("2592000"), plain!(number validation.del_holddown), RELOAD),
        honoured("keep-missing", COUNT, is("31622400"), plain!(number validation.keep_missing), RELOAD),
        honoured("permit-small-holddown", YES_NO, is("no"), plain!(flag validation.small_holddown), RELOAD),
        inert("zonemd-permissive-mode", YES_NO, "no", "no zone is loaded, of which auth-zone's warning speaks"),
        honoured("disable-dnssec-lame-check", YES_NO, is("no"), plain!(flag validation.no_lame_check), RELOAD),
        honoured("harden-glue", YES_NO, is("yes"), plain!(flag iteration.harden_glue), RELOAD),
        honoured("harden-unverified-glue", YES_NO, is("no"), plain!(flag iteration.harden_unverified_glue), RELOAD),
        honoured("harden-dnssec-stripped", YES_NO, is("yes"), plain!(flag validation.harden_stripped), RELOAD),
        honoured("harden-below-nxdomain", YES_NO, is("yes"), plain!(flag validation.harden_below_nxdomain), RELOAD),
        honoured("harden-referral-path", YES_NO, is("no"), plain!(flag iteration.harden_referral), RELOAD),
        honoured("harden-algo-downgrade", YES_NO, is("no"), plain!(flag validation.harden_downgrade), RELOAD),
        honoured("harden-unknown-additional", YES_NO, is("no"), plain!(flag harden_unknown_additional), RELOAD)
            .note("yes takes records of types that a resolver has no use for out of what stands beside an answer"),
    ],
);
