//! `server:` directives about where to listen and who may ask.

use super::*;
use crate::config::access::{AccessAction, AccessRule};
use crate::config::address::LONGEST_NAME;
use crate::config::local_zones::LocalZoneType;
use crate::config::model::Interface;
use crate::config::xdp::{Toggle, XdpInterface, XdpMode, XdpUse};

const TAGS: &str = "tags are not used; the lines without tags hold for every client";
const ABSENT: &str = "an address that no interface carries yet is a warning, and served as soon as one does (Unbound \
    does not start); the addresses of an interface given by name are looked up at start";
const VIEWS: &str = "views are not used; the client gets the global answers";
const XDP: &[&str] = &["yes", "no", "require"];
const XDP_USES: [XdpUse; 3] = [XdpUse::Yes, XdpUse::No, XdpUse::Require];
const MODE: &[&str] = &["auto", "native", "generic"];
const MODES: [XdpMode; 3] = [XdpMode::Auto, XdpMode::Native, XdpMode::Generic];
const TOGGLE: &[&str] = &["auto", "yes", "no"];
const TOGGLES: [Toggle; 3] = [Toggle::Auto, Toggle::Yes, Toggle::No];

/// A directive of ours that is decided at the start, by the program unless it is told.
const fn toggle(name: &'static str, field: Field) -> row::Row {
    honoured(name, &[Kind::Choice(TOGGLE)], is("auto"), field, RESTART).since("runbound")
}

/// What the kernel takes for TCP_MAXSEG, and 0.
const MSS: &[Kind] = &[Kind::Number(0, 32_767)];

pub(super) const OPTIONS: &[OptionSpec] = &inside(
    Clause::Server,
    [
        honoured(
            "interface",
            &[Kind::Interface],
            words("127.0.0.1 and ::1"),
            list(add_interface, show_interfaces),
            RESTART,
        )
        .alias(&["ip-address"])
        .note(ABSENT),
        honoured("port", PORT, is("53"), field(set_port, |config, emit| emit(&config.port.to_string())), RESTART),
        honoured("do-ip4", YES_NO, is("yes"), plain!(flag do_ip4), Change::RestartFor("towards clients")),
        honoured("do-ip6", YES_NO, is("yes"), plain!(flag do_ip6), Change::RestartFor("towards clients")),
        honoured("do-udp", YES_NO, is("yes"), plain!(flag do_udp), RESTART),
        honoured("do-tcp", YES_NO, is("yes"), plain!(flag do_tcp), RESTART),
        honoured(
            "access-control",
            &[Kind::Netblock, Kind::Choice(AccessAction::WORDS)],
            words("localhost allow, all else refuse"),
            list(add_access, show_access),
            RELOAD,
        )
        .note(
            "allow_cookie: a question over UDP without a cookie gets TC and REFUSED, one with a wrong one BADCOOKIE and \
             the right one; without answer-cookie none is right. Those over TCP are answered",
        ),
        honoured("so-rcvbuf", BYTES, is("0"), plain!(number so_rcvbuf), RESTART),
        honoured("so-sndbuf", BYTES, is("0"), plain!(number so_sndbuf), RESTART),
        honoured("incoming-num-tcp", COUNT, is("10"), plain!(number incoming_num_tcp), RESTART),
        honoured(
            "tcp-idle-timeout",
            COUNT,
            is("30000"),
            field(set_idle_timeout, |config, emit| emit(&config.tcp_idle_timeout.to_string())),
            RESTART,
        ),
        honoured("xdp", &[Kind::Choice(XDP)], is("yes"), plain!(choice xdp.enable, XDP_USES, XDP), RESTART)
            .since("runbound"),
        honoured("xdp-interface", TEXT, is("auto"), list(add_xdp_interface, show_xdp_interfaces), RESTART)
            .since("runbound"),
        honoured("xdp-physical", YES_NO, is("no"), plain!(flag xdp.physical), RESTART).since("runbound"),
        toggle("xdp-steer", plain!(choice xdp.steer, TOGGLES, TOGGLE)),
        honoured("xdp-mode", &[Kind::Choice(MODE)], is("auto"), plain!(choice xdp.mode, MODES, MODE), RESTART)
            .since("runbound"),
        toggle("xdp-zerocopy", plain!(choice xdp.zerocopy, TOGGLES, TOGGLE)),
        toggle("xdp-busy-poll", plain!(choice xdp.busy_poll, TOGGLES, TOGGLE)),
        toggle("xdp-answers", plain!(choice xdp.answers, TOGGLES, TOGGLE)),
        honoured("xdp-huge-pages", YES_NO, is("no"), plain!(flag xdp.huge_pages), RESTART).since("runbound"),
        not_yet(
            "interface-automatic",
            YES_NO,
            "no",
            "only the addresses of interface: lines are listened on; write 0.0.0.0 and ::0",
            &["no"],
        ),
        not_yet(
            "interface-automatic-ports",
            &[Kind::PortList],
            "none",
            "only the ports of interface: lines are listened on",
            &[""],
        ),
        not_yet(
            "interface-action",
            &[Kind::Interface, Kind::Choice(AccessAction::WORDS)],
            "none",
            "access-control: alone decides",
            &[],
        ),
        not_yet("interface-tag", &[Kind::Interface, Kind::Text], "none", TAGS, &[]).checked(checks::tags),
        not_yet("interface-tag-action", &[Kind::Interface, Kind::Text, Kind::Text], "none", TAGS, &[]),
        not_yet("interface-tag-data", &[Kind::Interface, Kind::Text, Kind::Text], "none", TAGS, &[]),
        not_yet("interface-view", &[Kind::Interface, Kind::Text], "none", VIEWS, &[]),
        not_yet("access-control-tag", &[Kind::Netblock, Kind::Text], "none", TAGS, &[]).checked(checks::tags),
        not_yet(
            "access-control-tag-action",
            &[Kind::Netblock, Kind::Text, Kind::Choice(LocalZoneType::WORDS)],
            "none",
            TAGS,
            &[],
        )
        .checked(checks::tag_action),
        not_yet("access-control-tag-data", &[Kind::Netblock, Kind::Text, Kind::Text], "none", TAGS, &[])
            .checked(checks::tag_data),
        not_yet("access-control-view", &[Kind::Netblock, Kind::Text], "none", VIEWS, &[]).checked(checks::view),
        inert("so-reuseport", YES_NO, "yes", "one worker reads every socket, there is nothing to spread"),
        honoured("ip-transparent", YES_NO, is("no"), plain!(flag ip_transparent), RESTART)
            .note("does what ip-freebind does: the socket option IP_TRANSPARENT itself is not set"),
        honoured("ip-freebind", YES_NO, is("no"), plain!(flag ip_freebind), RESTART)
            .note("absent addresses are bound without it too; with it that is expected, and no warning"),
        honoured("ip-dscp", &[Kind::Number(0, 63)], is("0"), plain!(number dscp), RESTART)
            .note("on answers by every way, over AF_XDP too, and on queries to servers"),
        not_yet("proxy-protocol-port", PORT, "none", "the PROXYv2 header is not read; such queries are malformed", &[]),
        honoured("tcp-mss", MSS, is("0"), plain!(number tcp_mss), RESTART),
        honoured(
            "tcp-connection-limit",
            &[Kind::Netblock, NUMBER],
            words("none"),
            list(add_connection_limit, show_connection_limits),
            RESTART,
        )
        .note("of all clients of the netblock together; one too many is closed at once"),
        honoured("edns-tcp-keepalive", YES_NO, is("no"), plain!(flag clients.keepalive), RESTART),
        honoured(
            "edns-tcp-keepalive-timeout",
            COUNT,
            is("120000"),
            field(set_keepalive_timeout, |config, emit| emit(&config.clients.keepalive_timeout.to_string())),
            RESTART,
        )
            .note("in place of tcp-idle-timeout, with edns-tcp-keepalive"),
        honoured("tcp-auth-query-timeout", COUNT, is("3000"), plain!(number transport.query_timeout), RELOAD),
        changes_nothing("stream-wait-size", BYTES, "4m", "waiting TCP answers have a fixed bound of their own"),
    ],
);

fn set_port(config: &mut Config, args: &mut Args<'_>) -> Result<(), String> {
    match args.number(0) {
        0 => Err("the port is 0; use 53 or leave the line out".into()),
        port => {
            config.port = port;
            Ok(())
        }
    }
}

fn set_idle_timeout(config: &mut Config, args: &mut Args<'_>) -> Result<(), String> {
    config.tcp_idle_timeout = args.number::<u32>(0).clamp(1, 120_000);
    Ok(())
}

fn set_keepalive_timeout(config: &mut Config, args: &mut Args<'_>) -> Result<(), String> {
    // The longest that the option has a number for.
    config.clients.keepalive_timeout = args.number::<u32>(0).min(6_553_500);
    Ok(())
}

fn add_connection_limit(config: &mut Config, args: &mut Args<'_>) -> Result<(), String> {
    config.clients.connections.extend(args.netblock(0).map(|block| (block, args.number(1))));
    Ok(())
}

fn show_connection_limits(config: &Config, emit: &mut dyn FnMut(&str)) {
    config.clients.connections.iter().for_each(|(block, limit)| emit(&format!("{block} {limit}")));
}

fn show_interfaces(config: &Config, emit: &mut dyn FnMut(&str)) {
    for line in &config.interfaces {
        let port = line.port.map_or(String::new(), |port| format!("@{port}"));
        emit(&format!("{}{port}", line.host));
    }
}

fn show_xdp_interfaces(config: &Config, emit: &mut dyn FnMut(&str)) {
    match &config.xdp.interfaces[..] {
        [] => emit("auto"),
        lines => lines.iter().for_each(|line| emit(&line.name)),
    }
}

fn add_interface(config: &mut Config, args: &mut Args<'_>) -> Result<(), String> {
    if let Some((host, port)) = args.host(0) {
        config.interfaces.push(Interface { host, port, at: args.at });
    }
    Ok(())
}

/// Several lines name several interfaces, the slaves of a bond for instance; `auto` forgets those before.
fn add_xdp_interface(config: &mut Config, args: &mut Args<'_>) -> Result<(), String> {
    match args.text(0) {
        "auto" => config.xdp.interfaces.clear(),
        name if name.is_empty() || name.len() > LONGEST_NAME => {
            return Err(format!("{name:?} is no interface name; write auto or one of \"ip link\""));
        }
        name => config.xdp.interfaces.push(XdpInterface { name: name.to_owned(), at: args.at }),
    }
    Ok(())
}

fn add_access(config: &mut Config, args: &mut Args<'_>) -> Result<(), String> {
    if let (Some(netblock), Some(&action)) = (args.netblock(0), AccessAction::ALL.get(args.choice(1))) {
        config.access_control.push(AccessRule { netblock, action, at: args.at });
    }
    Ok(())
}

fn show_access(config: &Config, emit: &mut dyn FnMut(&str)) {
    for rule in &config.access_control {
        let place = AccessAction::ALL.iter().position(|action| *action == rule.action);
        let word = place.and_then(|place| AccessAction::WORDS.get(place)).unwrap_or(&"");
        emit(&format!("{} {word}", rule.netblock));
    }
}
