//! `server:` directives about asking other servers.

use super::*;
use crate::config::model::Source;
use crate::number;

const RECURSION: &str = "is about asking authoritative servers, and only forwarders are asked";
const NAT64: &str = "IPv4 forwarders are asked over IPv4 alone";

pub(super) const OPTIONS: &[OptionSpec] = &[
    honoured("do-not-query-localhost", YES_NO, "yes", set!(flag do_not_query_localhost)),
    honoured("outgoing-interface", &[Kind::Source], "the kernel's choice", add_outgoing),
    honoured("outgoing-range", &[Kind::Number(1, i32::MAX as i64)], "4096", set!(number outgoing_range)),
    honoured(
        "num-queries-per-thread",
        &[Kind::Number(1, i32::MAX as i64)],
        "1024",
        set!(number num_queries_per_thread),
    )
    .note("one worker stands for all threads: fewer than 4096 are taken for 4096"),
    not_yet(
        "do-not-query-address",
        NETBLOCK,
        "none",
        "a forwarder with such an address is asked all the same; remove its line",
        &[],
    ),
    honoured("outgoing-port-permit", &[Kind::Ports], "16384-65535", |config, args| add_ports(config, args, true)),
    honoured("outgoing-port-avoid", &[Kind::Ports], "none", |config, args| add_ports(config, args, false)),
    honoured("outgoing-num-tcp", COUNT, "10", set!(number outgoing_num_tcp)),
    inert("outgoing-tcp-mss", COUNT, "0", "the kernel's maximum segment size works for every path it knows"),
    inert("max-reuse-tcp-queries", COUNT, "200", "a TCP question to upstream has a connection of its own"),
    inert("tcp-reuse-timeout", COUNT, "60000", "a TCP question to upstream has a connection of its own"),
    not_yet(
        "tcp-upstream",
        YES_NO,
        "no",
        "forwarders are asked over UDP, and over TCP when an answer was cut",
        &["no"],
    ),
    not_yet("udp-upstream-without-downstream", YES_NO, "no", "do-udp: no holds for upstream as well", &["no"]),
    row(
        "tls-upstream",
        YES_NO,
        "no",
        Status::Refused {
            why: "DNS over TLS to upstream is not there yet, and sending in clear is not what was asked for; write no",
            harmless: &["no"],
        },
    )
    .alias(&["ssl-upstream"]),
    inert("pad-queries", YES_NO, "yes", "is about TLS to upstream, which is refused"),
    inert("pad-queries-block-size", COUNT, "128", "is about TLS to upstream, which is refused"),
    inert("prefer-ip4", YES_NO, "no", "forwarders are taken by how fast they answer"),
    inert("prefer-ip6", YES_NO, "no", "forwarders are taken by how fast they answer"),
    not_yet("do-nat64", YES_NO, "no", NAT64, &["no"]),
    inert("nat64-prefix", NETBLOCK, "64:ff9b::/96", "means nothing without do-nat64"),
    inert("delay-close", COUNT, "0", "a late answer to a closed port harms nobody but a counter"),
    inert("udp-connect", YES_NO, "yes", "upstream sockets are always connected"),
    honoured("jostle-timeout", COUNT, "200", set!(number jostle_timeout)),
    inert("unknown-server-time-limit", COUNT, "376", "time-outs of forwarders adapt by themselves"),
    inert("outbound-msg-retry", COUNT, "5", "the next forwarder is asked on a time-out"),
    inert("max-sent-count", COUNT, "32", RECURSION),
    inert("max-query-restarts", COUNT, "11", RECURSION),
    inert("target-fetch-policy", TEXT, "3 2 1 0 0", RECURSION),
    inert("qname-minimisation", YES_NO, "yes", "forwarders get whole names, as from Unbound"),
    inert("qname-minimisation-strict", YES_NO, "no", "forwarders get whole names, as from Unbound"),
    not_yet("use-caps-for-id", YES_NO, "no", "letter case is not randomised; port and id are", &["no"]),
    inert("caps-exempt", NAME, "none", "means nothing without use-caps-for-id").alias(&["caps-whitelist"]),
    inert("root-hints", PATH, "built in", "the root servers are not asked, a forward-zone for \".\" is needed"),
    not_yet(
        "unwanted-reply-threshold",
        COUNT,
        "0",
        "wrong answers are dropped and counted, the cache is never flushed for them",
        &["0"],
    ),
    inert("fast-server-num", COUNT, "3", "forwarders are taken by how fast they answer"),
    inert("fast-server-permil", COUNT, "0", "forwarders are taken by how fast they answer")
        .alias(&["low-rtt-permil", "low-rtt-pct"]),
    inert("low-rtt", TEXT, "none", "Unbound ignores it too"),
    not_yet("edns-client-string", &[Kind::Netblock, Kind::Text], "none", "no such option is sent upstream", &[]),
    inert("edns-client-string-opcode", COUNT, "65001", "means nothing without edns-client-string"),
    not_yet("disable-edns-do", YES_NO, "no", "the client's DO bit goes upstream", &["no"]),
    inert("max-transfer-size", BYTES, "none", "no zone is transferred").since("1.26"),
    inert("max-transfer-time", COUNT, "none", "no zone is transferred").since("1.26"),
    not_yet("dns-error-reporting", YES_NO, "no", "no errors are reported to agents", &["no"]).since("1.23"),
];

fn add_outgoing(config: &mut Config, args: &mut Args<'_>) -> Result<(), String> {
    let whole = |block: &Netblock| block.prefix == if block.address.is_ipv4() { 32 } else { 128 };
    let address = match args.host(0) {
        Some((Host::Address(address), _)) => Some(address),
        _ => args.netblock(0).filter(whole).map(|block| block.address.into()),
    };
    match address {
        Some(address) => config.outgoing_interfaces.push(Source { address, at: args.at }),
        None => {
            args.warning = Some(
                "outgoing-interface: random addresses of a netblock are not supported yet; the line is left out".into(),
            )
        }
    }
    Ok(())
}

fn add_ports(config: &mut Config, args: &mut Args<'_>, permit: bool) -> Result<(), String> {
    let text = args.text(0);
    let (low, high) = text.split_once('-').unwrap_or((text, text));
    if let (Ok(low), Ok(high)) = (number::read(low, 0..=u16::MAX), number::read(high, 0..=u16::MAX)) {
        config.outgoing_port_rules.push((permit, low..=high));
    }
    Ok(())
}
