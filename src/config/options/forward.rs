//! Directives of `forward-zone:` and `stub-zone:`.

use super::*;
use crate::config::servers::{ForwardServer, ZoneClause};

const TLS: &str = "DNS over TLS to upstream is not there yet, and sending in clear is not what was asked for; write no to forward in clear";

pub(super) const OPTIONS: &[OptionSpec] = &inside(
    Clause::ForwardZone,
    [
        honoured("name", NAME, words("none, must be there"), zone(set_name), RELOAD),
        honoured("forward-addr", &[Kind::Server], words("none"), servers(add_server), RELOAD),
        honoured("forward-host", &[Kind::ServerName], words("none"), servers(add_host), RELOAD),
        honoured(
            "forward-first",
            YES_NO,
            is("no"),
            zone(|config, args| set(config, args, |zone| &mut zone.first)),
            RELOAD,
        ),
        honoured(
            "forward-no-cache",
            YES_NO,
            is("no"),
            zone(|config, args| set(config, args, |zone| &mut zone.no_cache)),
            RELOAD,
        ),
        honoured(
            "forward-default",
            YES_NO,
            is("no"),
            zone(|config, args| set(config, args, |zone| &mut zone.default)),
            RELOAD,
        )
        .since("runbound"),
        refused("forward-tls-upstream", YES_NO, "no", TLS, &["no"]).alias(&["forward-ssl-upstream"]),
        honoured(
            "forward-tcp-upstream",
            YES_NO,
            is("no"),
            zone(|config, args| set(config, args, |zone| &mut zone.tcp)),
            RELOAD,
        ),
    ],
);

pub(super) const STUB: &[OptionSpec] = &inside(
    Clause::StubZone,
    [
        honoured("name", NAME, words("none, must be there"), stub(set_name), RELOAD),
        honoured("stub-addr", &[Kind::Server], words("none"), stub(add_server), RELOAD),
        honoured("stub-host", &[Kind::ServerName], words("none"), stub(add_host), RELOAD),
        honoured(
            "stub-prime",
            YES_NO,
            is("no"),
            stub(|config, args| set(config, args, |zone| &mut zone.prime)),
            RELOAD,
        ),
        honoured(
            "stub-first",
            YES_NO,
            is("no"),
            stub(|config, args| set(config, args, |zone| &mut zone.first)),
            RELOAD,
        ),
        honoured(
            "stub-no-cache",
            YES_NO,
            is("no"),
            stub(|config, args| set(config, args, |zone| &mut zone.no_cache)),
            RELOAD,
        ),
        refused("stub-tls-upstream", YES_NO, "no", TLS, &["no"]).alias(&["stub-ssl-upstream"]),
        honoured(
            "stub-tcp-upstream",
            YES_NO,
            is("no"),
            stub(|config, args| set(config, args, |zone| &mut zone.tcp)),
            RELOAD,
        ),
    ],
);

/// A field of the clause that is open.
const fn zone(set: Setter) -> Field {
    Field { adds_up: false, ..servers(set) }
}

/// The same of which several lines add up.
const fn servers(set: Setter) -> Field {
    shown_by("list_forwards", set)
}

/// As [`zone`].
const fn stub(set: Setter) -> Field {
    shown_by("list_stubs", set)
}

/// The clause that is open.
fn open<'a>(config: &'a mut Config, args: &Args<'_>) -> Option<&'a mut ZoneClause> {
    match args.clause {
        Some(Clause::StubZone) => config.stub_zones.last_mut(),
        _ => config.forward_zones.last_mut(),
    }
}

fn set(config: &mut Config, args: &Args<'_>, field: fn(&mut ZoneClause) -> &mut bool) -> Result<(), String> {
    if let Some(zone) = open(config, args) {
        *field(zone) = args.flag(0);
    }
    Ok(())
}

fn set_name(config: &mut Config, args: &mut Args<'_>) -> Result<(), String> {
    match open(config, args) {
        Some(zone) if !zone.name.is_empty() => {
            let kind = if args.clause == Some(Clause::StubZone) { "stub-zone" } else { "forward-zone" };
            Err(format!("the {kind} has a name already; start another {kind}: clause"))
        }
        zone => {
            zone.into_iter().for_each(|zone| zone.name = args.name.to_vec());
            Ok(())
        }
    }
}

fn add_server(config: &mut Config, args: &mut Args<'_>) -> Result<(), String> {
    let server =
        args.server(0).map(|(address, port, name)| ForwardServer { address, port, tls_name: name.into(), at: args.at });
    if let Some(zone) = open(config, args) {
        zone.servers.extend(server);
    }
    Ok(())
}

/// `name@port#name in the certificate`
fn add_host(config: &mut Config, args: &mut Args<'_>) -> Result<(), String> {
    let text = args.text(0);
    let (text, _) = text.split_once('#').unwrap_or((text, ""));
    let (name, port) = text.split_once('@').unwrap_or((text, "53"));
    if port != "53" {
        let word = if args.clause == Some(Clause::StubZone) { "stub" } else { "forward" };
        args.warning =
            Some(format!("{word}-host: {name}@{port}: the port is not supported yet; the server is asked at port 53"));
    }
    let host = (name.to_owned(), args.at);
    if let Some(zone) = open(config, args) {
        zone.hosts.push(host);
    }
    Ok(())
}
