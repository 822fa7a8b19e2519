//! `server:` directives about asking other servers.

use super::*;
use crate::config::root_hints;
use crate::config::servers::Source;
use crate::dns::name_text;
use crate::number;

pub(super) const OPTIONS: &[OptionSpec] = &inside(
    Clause::Server,
    [
        honoured("do-not-query-localhost", YES_NO, is("yes"), plain!(flag do_not_query_localhost), RELOAD),
        honoured(
            "outgoing-interface",
            &[Kind::Source],
            words("the kernel's choice"),
            list(add_outgoing, show_outgoing),
            RELOAD,
        ),
        honoured(
            "outgoing-range",
            &[Kind::Number(1, i32::MAX as i64)],
            is("4096"),
            plain!(number outgoing.range),
            RESTART,
        )
        .note("fewer than 16 are taken for 16"),
        honoured(
            "num-queries-per-thread",
            &[Kind::Number(1, i32::MAX as i64)],
            is("1024"),
            plain!(number num_queries_per_thread),
            RESTART,
        )
        .note("one worker stands for all threads: fewer than 4096 are taken for 4096"),
        honoured("do-not-query-address", NETBLOCK, words("none"), NEVER, RELOAD),
        honoured("outgoing-port-permit", &[Kind::Ports], is("16384-65535"), PERMIT, RESTART),
        honoured("outgoing-port-avoid", &[Kind::Ports], words("none"), AVOID, RESTART),
        honoured("outgoing-num-tcp", COUNT, is("10"), plain!(number outgoing.num_tcp), RESTART),
        honoured(
            "outgoing-tcp-mss",
            &[Kind::Number(0, 32_767)],
            is("0"),
            plain!(number outgoing.tcp_mss),
            RESTART,
        ),
        honoured("max-reuse-tcp-queries", COUNT, is("200"), plain!(number transport.reuse_queries), RELOAD)
            .note("one after the other and at once; 0 is taken for 1"),
        honoured("tcp-reuse-timeout", COUNT, is("60000"), plain!(number transport.reuse_timeout), RELOAD),
        honoured("tcp-upstream", YES_NO, is("no"), plain!(flag transport.tcp), RELOAD),
        honoured("udp-upstream-without-downstream", YES_NO, is("no"), plain!(flag transport.udp_always), RELOAD),
        refused(
            "tls-upstream",
            YES_NO,
            "no",
            "DNS over TLS to upstream is not there yet, and sending in clear is not what was asked for; write no",
            &["no"],
        )
        .alias(&["ssl-upstream"]),
        inert("pad-queries", YES_NO, "yes", "is about TLS to upstream, which is refused"),
        inert("pad-queries-block-size", AT_LEAST_1, "128", "is about TLS to upstream, which is refused"),
        honoured("prefer-ip4", YES_NO, is("no"), plain!(flag servers.prefer_ip4), RELOAD).checked(checks::prefer_ip4),
        honoured("prefer-ip6", YES_NO, is("no"), plain!(flag servers.prefer_ip6), RELOAD).checked(checks::prefer_ip6),
        honoured("do-nat64", YES_NO, is("no"), plain!(flag servers.nat64), RELOAD),
        honoured("nat64-prefix", NAT64_PREFIX, is("64:ff9b::/96"), NAT64, RELOAD),
        honoured("delay-close", COUNT, is("0"), plain!(number transport.delay_close), RESTART)
            .note("a socket that no question waits at stays open for some seconds in any case"),
        honoured("udp-connect", YES_NO, is("yes"), plain!(flag transport.connect), RESTART),
        honoured("jostle-timeout", COUNT, is("200"), plain!(number jostle_timeout), RELOAD),
        honoured("unknown-server-time-limit", COUNT, is("376"), plain!(number servers.unknown), RELOAD),
        honoured("outbound-msg-retry", COUNT, is("5"), plain!(number iteration.retries), RELOAD),
        honoured("max-sent-count", COUNT, is("32"), plain!(number iteration.sent_count), RELOAD),
        honoured("max-query-restarts", COUNT, is("11"), plain!(number iteration.restarts), RELOAD),
        honoured("target-fetch-policy", &[Kind::FetchPolicy], is("3 2 1 0 0"), field(set_policy, show_policy), RELOAD),
        honoured("qname-minimisation", YES_NO, is("yes"), plain!(flag iteration.minimise), RELOAD),
        honoured("qname-minimisation-strict", YES_NO, is("no"), plain!(flag iteration.minimise_strictly), RELOAD),
        honoured("use-caps-for-id", YES_NO, is("no"), plain!(flag transport.caps), RELOAD),
        honoured("caps-exempt", NAME, words("none"), CAPS_EXEMPT, RELOAD).alias(&["caps-whitelist"]),
        honoured("root-hints", PATH, words("the addresses of 2026, built in"), list(add_hints, show_hints), RELOAD)
            .checked(checks::file)
            .note("in master-file format; what is wrong in it is an error with its line"),
        honoured("unwanted-reply-threshold", COUNT, is("0"), plain!(number unwanted_reply_threshold), RELOAD).note(
            "after so many replies that nobody asked for the cache is cleared, within a second; 0 for never; replies to questions that have had theirs count too, since their ports \
             stay open for a while",
        ),
        honoured("fast-server-num", AT_LEAST_1, is("3"), plain!(number servers.fast_number), RELOAD),
        honoured("fast-server-permil", COUNT, is("0"), plain!(number servers.fast_permil), RELOAD)
            .alias(&["low-rtt-permil", "low-rtt-pct"]),
        inert("low-rtt", TEXT, "none", "Unbound ignores it too"),
        honoured(
            "edns-client-string",
            &[Kind::Netblock, Kind::Text],
            words("none"),
            list(add_client_string, show_client_strings),
            RELOAD,
        )
        .note("the first 255 octets are sent"),
        honoured("edns-client-string-opcode", PORT, is("65001"), plain!(number transport.client_string_code), RELOAD),
        honoured("disable-edns-do", YES_NO, is("no"), plain!(flag transport.no_dnssec_ok), RELOAD)
            .note("a query with DO gets its answer without EDNS"),
        honoured("dns-error-reporting", YES_NO, is("no"), plain!(flag transport.reports_errors), RELOAD)
            .note(
                "reported is why an answer does not validate, and that servers which have named an agent are not reached any more \
                 (extended errors 22 and 23). The same once a minute, 256 reports in that time, counted in num.dns_error_reports",
            )
            .since("1.23"),
    ],
);

/// The ports that the lines of both directives leave, whichever of them a client asks for.
const PERMIT: Field = list(|config, args| add_ports(config, args, true), |config, emit| show_ports(config, true, emit));
const AVOID: Field =
    list(|config, args| add_ports(config, args, false), |config, emit| show_ports(config, false, emit));

/// Addresses that no server is asked at.
const NEVER: Field = list(
    |config, args| {
        config.servers.never.extend(args.netblock(0));
        Ok(())
    },
    |config, emit| config.servers.never.iter().for_each(|block| emit(&block.to_string())),
);
const CAPS_EXEMPT: Field = list(
    |config, args| {
        config.transport.caps_exempt.push(args.name.to_vec());
        Ok(())
    },
    |config, emit| show_names(&config.transport.caps_exempt, emit),
);
const NAT64: Field = field(
    |config, args| {
        config.servers.nat64_prefix = args.netblock(0).unwrap_or(config.servers.nat64_prefix);
        Ok(())
    },
    |config, emit| emit(&config.servers.nat64_prefix.to_string()),
);

fn show_names(names: &[Vec<u8>], emit: &mut dyn FnMut(&str)) {
    for name in names {
        let text = name_text::to_text(name);
        emit(text.strip_suffix('.').filter(|text| !text.is_empty()).unwrap_or(&text));
    }
}

fn show_ports(config: &Config, permitted: bool, emit: &mut dyn FnMut(&str)) {
    let mut ports = vec![!permitted; 1 << 16];
    config.outgoing_ports().into_iter().for_each(|port| ports[usize::from(port)] = permitted);
    let mut first = 0;
    for run in ports.chunk_by(|a, b| a == b) {
        let last = first + run.len() - 1;
        match run {
            [false, ..] => (),
            [_] => emit(&first.to_string()),
            _ => emit(&format!("{first}-{last}")),
        }
        first = last + 1;
    }
}

/// Reads the file, where files are looked at.
fn add_hints(config: &mut Config, args: &mut Args<'_>) -> Result<(), String> {
    let file = args.text(0);
    if file.is_empty() {
        return Ok(());
    }
    config.root_hints.files.push(file.into());
    let Some(place) = args.place else { return Ok(()) };
    let path = place.resolve(file);
    let hints = root_hints::read(&path)?;
    config.root_hints.servers.extend(hints.servers);
    args.warning = hints.passed_over.map(|(line, cause)| format!("root-hints: {}:{line}: {cause}", path.display()));
    Ok(())
}

fn show_hints(config: &Config, emit: &mut dyn FnMut(&str)) {
    config.root_hints.files.iter().for_each(|file| emit(&file.to_string_lossy()));
}

fn set_policy(config: &mut Config, args: &mut Args<'_>) -> Result<(), String> {
    let words = args.text(0).split_whitespace();
    config.iteration.fetch_policy = words.filter_map(|word| number::read(word, i32::MIN..=i32::MAX).ok()).collect();
    Ok(())
}

fn show_policy(config: &Config, emit: &mut dyn FnMut(&str)) {
    let numbers: Vec<String> = config.iteration.fetch_policy.iter().map(ToString::to_string).collect();
    emit(&numbers.join(" "));
}

fn add_client_string(config: &mut Config, args: &mut Args<'_>) -> Result<(), String> {
    config.transport.client_strings.extend(args.netblock(0).map(|block| (block, args.text(1).to_owned())));
    Ok(())
}

fn show_client_strings(config: &Config, emit: &mut dyn FnMut(&str)) {
    let strings = &config.transport.client_strings;
    strings.iter().for_each(|(block, string)| emit(&format!("{}/{} {string}", block.address, block.prefix)));
}

fn show_outgoing(config: &Config, emit: &mut dyn FnMut(&str)) {
    config.outgoing.interfaces.iter().for_each(|line| emit(&line.address.to_string()));
}

fn add_outgoing(config: &mut Config, args: &mut Args<'_>) -> Result<(), String> {
    let whole = |block: &Netblock| block.prefix == if block.address.is_ipv4() { 32 } else { 128 };
    let address = match args.host(0) {
        Some((Host::Address(address), _)) => Some(address),
        _ => args.netblock(0).filter(whole).map(|block| block.address.into()),
    };
    match address {
        Some(address) => config.outgoing.interfaces.push(Source { address, at: args.at }),
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
        config.outgoing.port_rules.push((permit, low..=high));
    }
    Ok(())
}
