//! Directives of the clauses other than `server:`.

use super::*;
use crate::config::model::{ForwardServer, ForwardZone};

const UNIX: &str = "a unix socket has no use for certificates";
const SEE_CLAUSE: &str = "the warning of the clause covers it";
const DNSTAP: &str = "means nothing without dnstap-enable";
const DNSCRYPT: &str = "means nothing without dnscrypt-enable";
const CACHEDB: &str = "acts only with cachedb in module-config, of which there is a warning";
const TLS: Status = Status::Refused {
    why: "DNS over TLS to upstream is not there yet, and sending in clear is not what was asked for; write no to forward in clear",
    harmless: &["no"],
};

/// Gives a constant list of rows another clause.
const fn all_inside<const N: usize>(mut rows: [OptionSpec; N], clause: Clause) -> [OptionSpec; N] {
    let mut index = 0;
    while index < N {
        rows[index] = rows[index].inside(clause);
        index += 1;
    }
    rows
}

/// Joins the lists into one.
const fn join<const N: usize>(lists: &[&[OptionSpec]]) -> [OptionSpec; N] {
    let mut rows = [lists[0][0]; N];
    let (mut list, mut count) = (0, 0);
    while list < lists.len() {
        let mut index = 0;
        while index < lists[list].len() {
            rows[count] = lists[list][index];
            index += 1;
            count += 1;
        }
        list += 1;
    }
    assert!(count == N);
    rows
}

const LISTS: &[&[OptionSpec]] =
    &[CONTROL, FORWARD, STUB, AUTH, RPZ, VIEW, DNSTAP_ROWS, DNSCRYPT_ROWS, CACHEDB_ROWS, MODULES];
const COUNT_ALL: usize = {
    let (mut list, mut count) = (0, 0);
    while list < LISTS.len() {
        count += LISTS[list].len();
        list += 1;
    }
    count
};
pub(super) const OPTIONS: &[OptionSpec] = &join::<COUNT_ALL>(LISTS);

const CONTROL: &[OptionSpec] = &all_inside(
    [
        honoured("control-enable", YES_NO, "no", set!(flag remote_control.enable)),
        honoured("control-interface", PATH, "none; a path of a unix socket", add_control),
        honoured("control-use-cert", YES_NO, "yes", set!(flag remote_control.use_cert)),
        inert("control-port", PORT, "8953", "is for control over IP, of which control-interface warns"),
        inert("server-key-file", PATH, "none", UNIX),
        inert("server-cert-file", PATH, "none", UNIX),
        inert("control-key-file", PATH, "none", UNIX),
        inert("control-cert-file", PATH, "none", UNIX),
    ],
    Clause::RemoteControl,
);

const FORWARD: &[OptionSpec] = &all_inside(
    [
        honoured("name", NAME, "none, must be there", |config, args| match config.forward_zones.last_mut() {
            Some(zone) if !zone.name.is_empty() => {
                Err("the forward-zone has a name already; start another forward-zone: clause".into())
            }
            zone => {
                zone.into_iter().for_each(|zone| zone.name = args.name.to_vec());
                Ok(())
            }
        }),
        honoured("forward-addr", &[Kind::Server], "none", |config, args| {
            let server = args.server(0).map(|(address, port, name)| ForwardServer {
                address,
                port,
                tls_name: name.into(),
                at: args.at,
            });
            in_zone(config, |zone| zone.servers.extend(server))
        }),
        not_yet("forward-host", TEXT, "none", "the server is not asked; give its address in a forward-addr line", &[]),
        honoured("forward-first", YES_NO, "no", |config, args| in_zone(config, |zone| zone.first = args.flag(0))),
        honoured("forward-no-cache", YES_NO, "no", |config, args| in_zone(config, |zone| zone.no_cache = args.flag(0))),
        honoured("forward-default", YES_NO, "no", |config, args| in_zone(config, |zone| zone.default = args.flag(0)))
            .since("runbound"),
        row("forward-tls-upstream", YES_NO, "no", TLS).alias(&["forward-ssl-upstream"]),
        not_yet(
            "forward-tcp-upstream",
            YES_NO,
            "no",
            "the servers are asked over UDP, and over TCP when an answer was cut",
            &["no"],
        ),
    ],
    Clause::ForwardZone,
);

const STUB: &[OptionSpec] = &all_inside(
    [
        inert("name", NAME, "none", SEE_CLAUSE),
        inert("stub-addr", &[Kind::Server], "none", SEE_CLAUSE),
        inert("stub-host", TEXT, "none", SEE_CLAUSE),
        inert("stub-prime", YES_NO, "no", SEE_CLAUSE),
        inert("stub-first", YES_NO, "no", SEE_CLAUSE),
        inert("stub-no-cache", YES_NO, "no", SEE_CLAUSE),
        inert("stub-tls-upstream", YES_NO, "no", SEE_CLAUSE).alias(&["stub-ssl-upstream"]),
        inert("stub-tcp-upstream", YES_NO, "no", SEE_CLAUSE),
    ],
    Clause::StubZone,
);

const AUTH: &[OptionSpec] = &all_inside(
    [
        inert("name", NAME, "none", SEE_CLAUSE),
        inert("primary", TEXT, "none", SEE_CLAUSE).alias(&["master"]),
        inert("url", TEXT, "none", SEE_CLAUSE),
        inert("allow-notify", TEXT, "none", SEE_CLAUSE),
        inert("zonefile", PATH, "none", SEE_CLAUSE),
        inert("for-downstream", YES_NO, "yes", SEE_CLAUSE),
        inert("for-upstream", YES_NO, "yes", SEE_CLAUSE),
        inert("fallback-enabled", YES_NO, "no", SEE_CLAUSE),
        inert("zonemd-check", YES_NO, "no", SEE_CLAUSE),
        inert("zonemd-reject-absence", YES_NO, "no", SEE_CLAUSE),
    ],
    Clause::AuthZone,
);

const RPZ: &[OptionSpec] = &all_inside(
    [
        inert("name", NAME, "none", SEE_CLAUSE),
        inert("primary", TEXT, "none", SEE_CLAUSE).alias(&["master"]),
        inert("url", TEXT, "none", SEE_CLAUSE),
        inert("allow-notify", TEXT, "none", SEE_CLAUSE),
        inert("zonefile", PATH, "none", SEE_CLAUSE),
        inert("for-downstream", YES_NO, "no", SEE_CLAUSE),
        inert("tags", TEXT, "none", SEE_CLAUSE),
        inert(
            "rpz-action-override",
            &[Kind::Choice(&["nxdomain", "nodata", "passthru", "drop", "cname", "disabled"])],
            "none",
            SEE_CLAUSE,
        ),
        inert("rpz-cname-override", TEXT, "none", SEE_CLAUSE),
        inert("rpz-log", YES_NO, "no", SEE_CLAUSE),
        inert("rpz-log-name", TEXT, "none", SEE_CLAUSE),
        inert("rpz-signal-nxdomain-ra", YES_NO, "no", SEE_CLAUSE),
    ],
    Clause::Rpz,
);

const VIEW: &[OptionSpec] = &all_inside(
    [
        inert("name", TEXT, "none", SEE_CLAUSE),
        inert("local-zone", &[Kind::Name, Kind::Text], "none", SEE_CLAUSE),
        inert("local-data", &[Kind::Record], "none", SEE_CLAUSE),
        inert("local-data-ptr", &[Kind::Reverse], "none", SEE_CLAUSE),
        inert("view-first", YES_NO, "no", SEE_CLAUSE),
        inert("response-ip", &[Kind::Netblock, Kind::Text], "none", SEE_CLAUSE),
        inert("response-ip-data", &[Kind::Netblock, Kind::Text], "none", SEE_CLAUSE),
    ],
    Clause::View,
);

const DNSTAP_ROWS: &[OptionSpec] = &all_inside(
    [
        not_yet("dnstap-enable", YES_NO, "no", "no messages are copied out", &["no"]),
        inert("dnstap-bidirectional", YES_NO, "yes", DNSTAP),
        inert("dnstap-socket-path", PATH, "none", DNSTAP),
        inert("dnstap-ip", TEXT, "none", DNSTAP),
        inert("dnstap-tls", YES_NO, "yes", DNSTAP),
        inert("dnstap-tls-server-name", TEXT, "none", DNSTAP),
        inert("dnstap-tls-cert-bundle", PATH, "none", DNSTAP),
        inert("dnstap-tls-client-key-file", PATH, "none", DNSTAP),
        inert("dnstap-tls-client-cert-file", PATH, "none", DNSTAP),
        inert("dnstap-send-identity", YES_NO, "no", DNSTAP),
        inert("dnstap-send-version", YES_NO, "no", DNSTAP),
        inert("dnstap-identity", TEXT, "the host name", DNSTAP),
        inert("dnstap-version", TEXT, "the program's version", DNSTAP),
        inert("dnstap-log-resolver-query-messages", YES_NO, "no", DNSTAP),
        inert("dnstap-log-resolver-response-messages", YES_NO, "no", DNSTAP),
        inert("dnstap-log-client-query-messages", YES_NO, "no", DNSTAP),
        inert("dnstap-log-client-response-messages", YES_NO, "no", DNSTAP),
        inert("dnstap-log-forwarder-query-messages", YES_NO, "no", DNSTAP),
        inert("dnstap-log-forwarder-response-messages", YES_NO, "no", DNSTAP),
        inert("dnstap-sample-rate", COUNT, "0", DNSTAP),
    ],
    Clause::Dnstap,
);

const DNSCRYPT_ROWS: &[OptionSpec] = &all_inside(
    [
        not_yet("dnscrypt-enable", YES_NO, "no", "no DNSCrypt is spoken", &["no"]),
        inert("dnscrypt-port", PORT, "0", DNSCRYPT),
        inert("dnscrypt-provider", TEXT, "none", DNSCRYPT),
        inert("dnscrypt-provider-cert", PATH, "none", DNSCRYPT),
        inert("dnscrypt-provider-cert-rotated", PATH, "none", DNSCRYPT),
        inert("dnscrypt-secret-key", PATH, "none", DNSCRYPT),
        inert("dnscrypt-shared-secret-cache-size", BYTES, "4m", DNSCRYPT),
        inert("dnscrypt-shared-secret-cache-slabs", COUNT, "4", DNSCRYPT),
        inert("dnscrypt-nonce-cache-size", BYTES, "4m", DNSCRYPT),
        inert("dnscrypt-nonce-cache-slabs", COUNT, "4", DNSCRYPT),
    ],
    Clause::Dnscrypt,
);

const CACHEDB_ROWS: &[OptionSpec] = &all_inside(
    [
        inert("backend", TEXT, "testframe", CACHEDB),
        inert("secret-seed", TEXT, "default", CACHEDB),
        inert("cachedb-no-store", YES_NO, "no", CACHEDB),
        inert("cachedb-check-when-serve-expired", YES_NO, "yes", CACHEDB),
        inert("redis-server-host", TEXT, "127.0.0.1", CACHEDB),
        inert("redis-server-port", PORT, "6379", CACHEDB),
        inert("redis-server-path", PATH, "none", CACHEDB),
        inert("redis-server-password", TEXT, "none", CACHEDB),
        inert("redis-timeout", COUNT, "100", CACHEDB),
        inert("redis-command-timeout", COUNT, "0", CACHEDB),
        inert("redis-connect-timeout", COUNT, "0", CACHEDB),
        inert("redis-expire-records", YES_NO, "no", CACHEDB),
        inert("redis-logical-db", COUNT, "0", CACHEDB),
        inert("redis-replica-server-host", TEXT, "none", CACHEDB).since("1.23"),
        inert("redis-replica-server-port", PORT, "6379", CACHEDB).since("1.23"),
        inert("redis-replica-server-path", PATH, "none", CACHEDB).since("1.23"),
        inert("redis-replica-server-password", TEXT, "none", CACHEDB).since("1.23"),
        inert("redis-replica-timeout", COUNT, "100", CACHEDB).since("1.23"),
        inert("redis-replica-command-timeout", COUNT, "0", CACHEDB).since("1.23"),
        inert("redis-replica-connect-timeout", COUNT, "0", CACHEDB).since("1.23"),
        inert("redis-replica-logical-db", COUNT, "0", CACHEDB).since("1.23"),
    ],
    Clause::Cachedb,
);

const MODULES: &[OptionSpec] = &[
    inert("name-v4", TEXT, "none", "acts only for a local-zone of type ipset, of which there is a warning")
        .inside(Clause::Ipset),
    inert("name-v6", TEXT, "none", "acts only for a local-zone of type ipset, of which there is a warning")
        .inside(Clause::Ipset),
    inert("python-script", PATH, "none", "acts only with python in module-config, of which there is a warning")
        .inside(Clause::Python),
    inert("dynlib-file", PATH, "none", "acts only with dynlib in module-config, of which there is a warning")
        .inside(Clause::Dynlib),
];

fn in_zone(config: &mut Config, change: impl FnOnce(&mut ForwardZone)) -> Result<(), String> {
    if let Some(zone) = config.forward_zones.last_mut() {
        change(zone);
    }
    Ok(())
}

fn add_control(config: &mut Config, args: &mut Args<'_>) -> Result<(), String> {
    let path = args.text(0);
    if path.starts_with('/') {
        config.remote_control.sockets.push((path.into(), args.at));
    } else {
        args.warning = Some(format!(
            "control-interface: {path:?} is an IP address or name, and control over IP is not supported yet; it is left out, give the path of a unix socket"
        ));
    }
    Ok(())
}
