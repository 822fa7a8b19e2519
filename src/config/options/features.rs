//! Directives of the clauses that belong to one feature of Unbound each: `dnstap:`, `dnscrypt:`, `cachedb:`, `ipset:`,
//! `python:`, `dynlib:`.

use super::*;

const NO_DNSTAP: &str = "means nothing without dnstap-enable";
const NO_DNSCRYPT: &str = "means nothing without dnscrypt-enable";
const NO_CACHEDB: &str = "acts only with cachedb in module-config, of which there is a warning";
const NO_IPSET: &str = "acts only for a local-zone of type ipset, of which there is a warning";

pub(super) const DNSTAP: &[OptionSpec] = &inside(
    Clause::Dnstap,
    [
        not_yet("dnstap-enable", YES_NO, "no", "no messages are copied out", &["no"]),
        inert("dnstap-bidirectional", YES_NO, "yes", NO_DNSTAP),
        inert("dnstap-socket-path", PATH, "none", NO_DNSTAP),
        inert("dnstap-ip", TEXT, "none", NO_DNSTAP),
        inert("dnstap-tls", YES_NO, "yes", NO_DNSTAP),
        inert("dnstap-tls-server-name", TEXT, "none", NO_DNSTAP),
        inert("dnstap-tls-cert-bundle", PATH, "none", NO_DNSTAP),
        inert("dnstap-tls-client-key-file", PATH, "none", NO_DNSTAP),
        inert("dnstap-tls-client-cert-file", PATH, "none", NO_DNSTAP),
        inert("dnstap-send-identity", YES_NO, "no", NO_DNSTAP),
        inert("dnstap-send-version", YES_NO, "no", NO_DNSTAP),
        inert("dnstap-identity", TEXT, "the host name", NO_DNSTAP),
        inert("dnstap-version", TEXT, "the program's version", NO_DNSTAP),
        inert("dnstap-log-resolver-query-messages", YES_NO, "no", NO_DNSTAP),
        inert("dnstap-log-resolver-response-messages", YES_NO, "no", NO_DNSTAP),
        inert("dnstap-log-client-query-messages", YES_NO, "no", NO_DNSTAP),
        inert("dnstap-log-client-response-messages", YES_NO, "no", NO_DNSTAP),
        inert("dnstap-log-forwarder-query-messages", YES_NO, "no", NO_DNSTAP),
        inert("dnstap-log-forwarder-response-messages", YES_NO, "no", NO_DNSTAP),
        inert("dnstap-sample-rate", COUNT, "0", NO_DNSTAP),
    ],
);

pub(super) const DNSCRYPT: &[OptionSpec] = &inside(
    Clause::Dnscrypt,
    [
        not_yet("dnscrypt-enable", YES_NO, "no", "no DNSCrypt is spoken", &["no"]),
        inert("dnscrypt-port", REAL_PORT, "0", NO_DNSCRYPT),
        inert("dnscrypt-provider", TEXT, "none", NO_DNSCRYPT),
        inert("dnscrypt-provider-cert", PATH, "none", NO_DNSCRYPT),
        inert("dnscrypt-provider-cert-rotated", PATH, "none", NO_DNSCRYPT),
        inert("dnscrypt-secret-key", PATH, "none", NO_DNSCRYPT),
        inert("dnscrypt-shared-secret-cache-size", BYTES, "4m", NO_DNSCRYPT),
        inert("dnscrypt-shared-secret-cache-slabs", SLABS, "4", NO_DNSCRYPT),
        inert("dnscrypt-nonce-cache-size", BYTES, "4m", NO_DNSCRYPT),
        inert("dnscrypt-nonce-cache-slabs", SLABS, "4", NO_DNSCRYPT),
    ],
);

pub(super) const CACHEDB: &[OptionSpec] = &inside(
    Clause::Cachedb,
    [
        inert("backend", TEXT, "testframe", NO_CACHEDB),
        inert("secret-seed", TEXT, "default", NO_CACHEDB),
        inert("cachedb-no-store", YES_NO, "no", NO_CACHEDB),
        inert("cachedb-check-when-serve-expired", YES_NO, "yes", NO_CACHEDB),
        inert("redis-server-host", TEXT, "127.0.0.1", NO_CACHEDB),
        inert("redis-server-port", REAL_PORT, "6379", NO_CACHEDB),
        inert("redis-server-path", PATH, "none", NO_CACHEDB),
        inert("redis-server-password", TEXT, "none", NO_CACHEDB),
        inert("redis-timeout", AT_LEAST_1, "100", NO_CACHEDB),
        inert("redis-command-timeout", COUNT, "0", NO_CACHEDB),
        inert("redis-connect-timeout", COUNT, "0", NO_CACHEDB),
        inert("redis-expire-records", YES_NO, "no", NO_CACHEDB),
        inert("redis-logical-db", COUNT, "0", NO_CACHEDB),
        inert("redis-replica-server-host", TEXT, "none", NO_CACHEDB).since("1.23"),
        inert("redis-replica-server-port", PORT, "6379", NO_CACHEDB).since("1.23"),
        inert("redis-replica-server-path", PATH, "none", NO_CACHEDB).since("1.23"),
        inert("redis-replica-server-password", TEXT, "none", NO_CACHEDB).since("1.23"),
        inert("redis-replica-timeout", COUNT, "100", NO_CACHEDB).since("1.23"),
        inert("redis-replica-command-timeout", COUNT, "0", NO_CACHEDB).since("1.23"),
        inert("redis-replica-connect-timeout", COUNT, "0", NO_CACHEDB).since("1.23"),
        inert("redis-replica-logical-db", COUNT, "0", NO_CACHEDB).since("1.23"),
    ],
);

pub(super) const IPSET: &[OptionSpec] =
    &inside(Clause::Ipset, [inert("name-v4", TEXT, "none", NO_IPSET), inert("name-v6", TEXT, "none", NO_IPSET)]);

pub(super) const PYTHON: &[OptionSpec] = &inside(
    Clause::Python,
    [inert("python-script", PATH, "none", "acts only with python in module-config, of which there is a warning")],
);

pub(super) const DYNLIB: &[OptionSpec] = &inside(
    Clause::Dynlib,
    [inert("dynlib-file", PATH, "none", "acts only with dynlib in module-config, of which there is a warning")],
);
