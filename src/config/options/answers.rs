//! `server:` directives about local data and the shape of answers.

use super::*;
use crate::config::local_zones::LocalZoneType;
use crate::config::record;
use crate::dns::name_text;

const TAGS: &str = "tags are not used; the zone holds for every client";
const RESPONSE_IP: &str = "addresses in answers are not looked at";
const EDE: &str = "beside Unbound's, SERVFAIL has 22 when the servers kept silent (log-servfail: upstream server timeout) or \
                   there is none to ask, 23 when this host or the network refused, as for a closed port or for want of a \
                   route (upstream server not reached), and from the cache 13, whatever it was; a server's own error has none \
                   before that. Also with no, as in Unbound, a client of access-control: allow_cookie is told that a cookie \
                   is wanted";
const DNS64: &str = "acts only with dns64 in module-config, of which there is a warning";

pub(super) const OPTIONS: &[OptionSpec] = &inside(
    Clause::Server,
    [
        honoured(
            "local-zone",
            &[Kind::Name, Kind::Choice(LocalZoneType::WORDS)],
            words("the built-in zones"),
            shown_by("list_local_zones", add_zone),
            RELOAD,
        ),
        honoured("local-data", &[Kind::Record], words("none"), shown_by("list_local_data", add_record), RELOAD),
        honoured("local-data-ptr", &[Kind::Reverse], words("none"), shown_by("list_local_data", add_reverse), RELOAD),
        honoured("unblock-lan-zones", YES_NO, is("no"), plain!(flag unblock_lan_zones), RELOAD),
        honoured("insecure-lan-zones", YES_NO, is("no"), plain!(flag validation.insecure_lan), RELOAD),
        honoured("minimal-responses", YES_NO, is("yes"), plain!(flag minimal_responses), RELOAD),
        honoured("rrset-roundrobin", YES_NO, is("yes"), plain!(flag rrset_roundrobin), RELOAD),
        honoured("error-ratelimit", COUNT, is("100"), plain!(number error_ratelimit), RELOAD).since("runbound").note(
            "error replies (FORMERR, NOTIMP, REFUSED to questions that are never answered) a second; the rest get none, \
             and are counted in runbound.errors_limited; 0 for any number (Unbound has 100 built in)",
        ),
        honoured("deny-any", YES_NO, is("no"), plain!(flag deny_any), RELOAD),
        honoured(
            "edns-buffer-size",
            &[Kind::Number(12, i32::MAX as i64)],
            is("1232"),
            EDNS_BUFFER_SIZE,
            Change::RestartFor("towards upstream"),
        ),
        honoured("max-udp-size", COUNT, is("1232"), MAX_UDP_SIZE, Change::RestartFor("for answers over 4096 octets")),
        honoured("harden-short-bufsize", YES_NO, is("yes"), plain!(flag harden_short_bufsize), RELOAD),
        honoured("harden-large-queries", YES_NO, is("no"), plain!(flag harden_large_queries), RELOAD),
        honoured("identity", TEXT, words("the host name"), plain!(some identity.name), RELOAD),
        honoured("version", TEXT, words("the program's version"), plain!(some identity.version), RELOAD),
        honoured("hide-identity", YES_NO, is("no"), plain!(flag identity.hides_name), RELOAD),
        honoured("hide-version", YES_NO, is("no"), plain!(flag identity.hides_version), RELOAD),
        honoured("hide-trustanchor", YES_NO, is("no"), plain!(flag identity.hides_anchors), RELOAD),
        not_yet("local-zone-tag", &[Kind::Name, Kind::Text], "none", TAGS, &[]).checked(checks::tags),
        not_yet(
            "local-zone-override",
            &[Kind::Name, Kind::Netblock, Kind::Choice(LocalZoneType::WORDS)],
            "none",
            "the zone's own type holds",
            &[],
        )
        .checked(checks::zone_override),
        not_yet("define-tag", TEXT, "none", "tags are not used", &[""]).checked(checks::define_tags),
        not_yet("response-ip", &[Kind::Netblock, Kind::Choice(checks::RESPONSE_ACTIONS)], "none", RESPONSE_IP, &[])
            .checked(checks::response_ip),
        not_yet("response-ip-data", &[Kind::Netblock, Kind::Text], "none", RESPONSE_IP, &[])
            .checked(checks::response_data),
        not_yet("response-ip-tag", &[Kind::Netblock, Kind::Text], "none", RESPONSE_IP, &[]).checked(checks::tags),
        honoured("private-address", NETBLOCK, words("none"), PRIVATE_ADDRESS, RELOAD)
            .note("records that name addresses of these networks are taken out of servers' replies (DNS rebinding)"),
        honoured("private-domain", NAME, words("none"), PRIVATE_DOMAIN, RELOAD)
            .note("at and below these names private-address takes nothing out"),
        inert("dns64-prefix", NAT64_PREFIX, "64:ff9b::/96", DNS64),
        inert("dns64-synthall", YES_NO, "no", DNS64),
        inert("dns64-ignore-aaaa", NAME, "none", DNS64),
        honoured("nsid", &[Kind::Nsid], words("none"), plain!(text identity.nsid), RELOAD),
        honoured("ede", YES_NO, is("no"), plain!(flag ede), RELOAD).note(EDE),
        honoured("ede-serve-expired", YES_NO, is("no"), plain!(flag expired.ede), RELOAD),
        not_yet("pad-responses", YES_NO, "yes", "is about TLS and HTTPS, which are not listened on", &["yes", "no"]),
        inert("pad-responses-block-size", AT_LEAST_1, "468", "is about TLS and HTTPS, which are not listened on"),
        not_yet("send-client-subnet", &[Kind::Netblock], "none", "the client subnet is not sent upstream", &[]),
        not_yet("client-subnet-zone", NAME, "none", "the client subnet is not sent upstream", &[]),
        not_yet("client-subnet-always-forward", YES_NO, "no", "a client's subnet option is not sent upstream", &["no"]),
        inert("client-subnet-opcode", TEXT, "8", "Unbound ignores it too"),
        inert("max-client-subnet-ipv4", COUNT, "24", "no client subnet is sent"),
        inert("max-client-subnet-ipv6", COUNT, "56", "no client subnet is sent"),
        inert("min-client-subnet-ipv4", COUNT, "0", "no client subnet is used"),
        inert("min-client-subnet-ipv6", COUNT, "0", "no client subnet is used"),
        inert("max-ecs-tree-size-ipv4", COUNT, "100", "no client subnet is used"),
        inert("max-ecs-tree-size-ipv6", COUNT, "100", "no client subnet is used"),
        inert(
            "ipsecmod-enabled",
            YES_NO,
            "yes",
            "acts only with ipsecmod in module-config, of which there is a warning",
        ),
        inert("ipsecmod-ignore-bogus", YES_NO, "no", "means nothing without ipsecmod"),
        inert("ipsecmod-hook", PATH, "none", "means nothing without ipsecmod"),
        inert("ipsecmod-max-ttl", COUNT, "3600", "means nothing without ipsecmod"),
        inert("ipsecmod-whitelist", NAME, "none", "means nothing without ipsecmod").alias(&["ipsecmod-allow"]),
        inert("ipsecmod-strict", YES_NO, "no", "means nothing without ipsecmod"),
    ],
);

const EDNS_BUFFER_SIZE: Field = field(
    |config, args| {
        config.edns_buffer_size = args.number::<u32>(0).try_into().unwrap_or(u16::MAX);
        Ok(())
    },
    |config, emit| emit(&config.edns_buffer_size.to_string()),
);

const MAX_UDP_SIZE: Field = field(
    |config, args| {
        config.max_udp_size = args.number::<u32>(0).try_into().unwrap_or(u16::MAX);
        Ok(())
    },
    |config, emit| emit(&config.max_udp_size.to_string()),
);

const PRIVATE_ADDRESS: Field = list(
    |config, args| {
        config.private_addresses.extend(args.netblock(0));
        Ok(())
    },
    |config, emit| config.private_addresses.iter().for_each(|block| emit(&block.to_string())),
);

const PRIVATE_DOMAIN: Field = list(
    |config, args| {
        config.private_domains.push(args.name.to_vec());
        Ok(())
    },
    |config, emit| {
        for name in &config.private_domains {
            let text = name_text::to_text(name);
            emit(text.strip_suffix('.').filter(|text| !text.is_empty()).unwrap_or(&text));
        }
    },
);

fn add_record(config: &mut Config, args: &mut Args<'_>) -> Result<(), String> {
    args.record.read(args.bytes(0))?;
    push_record(config, args)
}

fn add_reverse(config: &mut Config, args: &mut Args<'_>) -> Result<(), String> {
    let text = record::reverse(args.text(0))?;
    args.record.read(text.as_bytes())?;
    push_record(config, args)
}

fn add_zone(config: &mut Config, args: &mut Args<'_>) -> Result<(), String> {
    let Some(kind) = LocalZoneType::from_index(args.choice(1)) else {
        return Ok(());
    };
    match kind {
        LocalZoneType::Truncate => {
            return Err(checks::TRUNCATE.into());
        }
        LocalZoneType::Ipset => {
            args.warning = Some(
                "local-zone: the type ipset is not supported yet; the zone's names are resolved, no set is filled"
                    .into(),
            );
        }
        _ => (),
    }
    match config.local_zones.push(args.name, kind, args.at) {
        true => Ok(()),
        false => Err("the names of all local zones are over 4 GiB".into()),
    }
}

fn push_record(config: &mut Config, args: &mut Args<'_>) -> Result<(), String> {
    match config.local_data.push(args.record, args.at) {
        true => Ok(()),
        false => Err("all local data is over 4 GiB".into()),
    }
}
