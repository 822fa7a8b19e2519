//! Directives of `forward-zone:`.

use super::*;
use crate::config::model::{ForwardServer, ForwardZone};

const TLS: &str = "DNS over TLS to upstream is not there yet, and sending in clear is not what was asked for; write no to forward in clear";

pub(super) const OPTIONS: &[OptionSpec] = &inside(
    Clause::ForwardZone,
    [
        honoured("name", NAME, words("none, must be there"), zone(set_name), RELOAD),
        honoured("forward-addr", &[Kind::Server], words("none"), servers(add_server), RELOAD),
        not_yet(
            "forward-host",
            &[Kind::ServerName],
            "none",
            "the server is not asked; give its address in a forward-addr line",
            &[],
        )
        .checked(checks::forward_host),
        not_yet(
            "forward-first",
            YES_NO,
            "no",
            "there is no recursion to fall back on: when the servers of the zone fail, the answer is SERVFAIL",
            &["no"],
        ),
        honoured(
            "forward-no-cache",
            YES_NO,
            is("no"),
            zone(|config, args| in_zone(config, |zone| zone.no_cache = args.flag(0))),
            RELOAD,
        ),
        honoured(
            "forward-default",
            YES_NO,
            is("no"),
            zone(|config, args| in_zone(config, |zone| zone.default = args.flag(0))),
            RELOAD,
        )
        .since("runbound"),
        refused("forward-tls-upstream", YES_NO, "no", TLS, &["no"]).alias(&["forward-ssl-upstream"]),
        not_yet(
            "forward-tcp-upstream",
            YES_NO,
            "no",
            "the servers are asked over UDP, and over TCP when an answer was cut",
            &["no"],
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

fn set_name(config: &mut Config, args: &mut Args<'_>) -> Result<(), String> {
    match config.forward_zones.last_mut() {
        Some(zone) if !zone.name.is_empty() => {
            Err("the forward-zone has a name already; start another forward-zone: clause".into())
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
    in_zone(config, |zone| zone.servers.extend(server))
}

fn in_zone(config: &mut Config, change: impl FnOnce(&mut ForwardZone)) -> Result<(), String> {
    if let Some(zone) = config.forward_zones.last_mut() {
        change(zone);
    }
    Ok(())
}
