//! `server:` directives about TLS, HTTPS and QUIC.

use super::*;

const LISTEN: &str = "no TLS, HTTPS or QUIC is spoken; a port of theirs in interface: lines speaks plain DNS";
const NO_TLS: &str = "means nothing without DNS over TLS";
const NO_HTTPS: &str = "means nothing without DNS over HTTPS";

pub(super) const OPTIONS: &[OptionSpec] = &inside(
    Clause::Server,
    [
        not_yet("tls-service-key", PATH, "none", LISTEN, &[""]).alias(&["ssl-service-key"]),
        not_yet("tls-service-pem", PATH, "none", LISTEN, &[""]).alias(&["ssl-service-pem"]),
        inert("tls-port", REAL_PORT, "853", NO_TLS).alias(&["ssl-port"]),
        inert("tls-cert-bundle", PATH, "none", NO_TLS).alias(&["ssl-cert-bundle"]),
        inert("tls-win-cert", YES_NO, "no", NO_TLS).alias(&["tls-system-cert"]),
        not_yet("tls-additional-port", PORT, "none", LISTEN, &[]).alias(&[
            "tls-additional-ports",
            "additional-tls-port",
            "additional-ssl-port",
        ]),
        inert("tls-session-ticket-keys", PATH, "none", NO_TLS),
        inert("tls-ciphers", TEXT, "none", NO_TLS),
        inert("tls-ciphersuites", TEXT, "none", NO_TLS),
        inert("tls-use-sni", YES_NO, "yes", NO_TLS),
        inert("tls-protocols", TEXT, "TLSv1.2 TLSv1.3", NO_TLS).since("1.25"),
        inert("https-port", REAL_PORT, "443", NO_HTTPS),
        inert("http-endpoint", TEXT, "/dns-query", NO_HTTPS),
        inert("http-max-streams", COUNT, "100", NO_HTTPS),
        inert("http-query-buffer-size", BYTES, "4m", NO_HTTPS),
        inert("http-response-buffer-size", BYTES, "4m", NO_HTTPS),
        inert("http-nodelay", YES_NO, "yes", NO_HTTPS),
        not_yet("http-notls-downstream", YES_NO, "no", LISTEN, &["no"]),
        inert("http-user-agent", TEXT, "the program's version", "no zone is fetched over HTTP"),
        inert("hide-http-user-agent", YES_NO, "no", "no zone is fetched over HTTP"),
        inert("quic-port", PORT, "853", "means nothing without DNS over QUIC"),
        inert("quic-size", BYTES, "8m", "means nothing without DNS over QUIC"),
    ],
);
