//! `status`, and the lines of `stats` in Unbound's order and names, with our own behind them.

use super::backend::{ForwardZone, Status};
use super::own_lines::{self, bind_word};
use super::reply::Reply;
use crate::number;
use crate::stats::{BUCKETS, Snapshot, ThreadFigures, XdpFigures, XdpMode, bucket_bounds, median};
use domain::base::iana::Rtype;
use std::borrow::Cow;
use std::fmt::Write;
use std::time::{Duration, UNIX_EPOCH};

/// Unbound's names for RCODEs (its `sldns_rcodes`); the rest are RCODE11 and so on.
const RCODES: [&str; 11] = [
    "NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMPL", "REFUSED", "YXDOMAIN", "YXRRSET", "NXRRSET", "NOTAUTH",
    "NOTZONE",
];
/// RCODEs that are shown even when none was given.
const RCODES_ALWAYS: usize = 6;
/// Unbound's names for opcodes (its `sldns_opcodes`); an empty one has none.
const OPCODES: [&str; 6] = ["QUERY", "IQUERY", "STATUS", "", "NOTIFY", "UPDATE"];
/// Unbound counts types below this one by one.
const UNBOUND_TYPES: usize = 256;

/// The servers of a zone: those of `forward-host:`, then address, `@port` when it is not 53, `#name` for TLS.
pub(super) fn servers(zone: &ForwardZone) -> String {
    let mut text = zone.hosts.join(" ");
    for server in &zone.servers {
        let space = if text.is_empty() { "" } else { " " };
        // Writing to a String does not fail.
        let _ = write!(text, "{space}{}", server.address);
        if server.port != 53 {
            let _ = write!(text, "@{}", server.port);
        }
        if let Some(tls_name) = &server.tls_name {
            let _ = write!(text, "#{tls_name}");
        }
    }
    text
}

/// `status`: Unbound's lines, and between them which way queries come in.
pub(super) fn status(status: &Status, figures: &Snapshot, reply: &mut Reply) {
    reply.line(format_args!("version: {}", status.version));
    reply.line(format_args!("verbosity: {}", status.verbosity));
    reply.line(format_args!("threads: {}", figures.threads.len()));
    let modules: String = status.modules.iter().flat_map(|name| [" ", *name]).collect();
    reply.line(format_args!("modules: {} [{modules} ]", status.modules.len()));
    reply.line(format_args!("uptime: {} seconds", figures.up.as_secs()));
    reply.line(format_args!("options: control(namedpipe)"));
    reply.line(format_args!("sandbox: {}", status.sandbox));
    status.tuning.iter().for_each(|line| reply.line(format_args!("tuning: {line}")));
    for address in &status.awaited {
        reply.line(format_args!("awaited: {address}: no interface carries it, it is served as soon as one does"));
    }
    status.unused.iter().for_each(|line| reply.line(format_args!("{line}")));
    status.cut_off.iter().for_each(|line| reply.line(format_args!("link: {line}")));
    status.rivals.iter().for_each(|line| reply.line(format_args!("arp: {line}")));
    status.upstream.iter().for_each(|line| reply.line(format_args!("upstream: {line}")));
    status.anchors.iter().for_each(|line| reply.line(format_args!("anchor: {line}")));
    if let Some(late) = status.late {
        let seconds = late.as_secs();
        reply.line(format_args!(
            "worker: has not answered a command for {seconds} s; what it was asked comes into force when it does"
        ));
    }
    figures.xdp.iter().for_each(|interface| interface_status(interface, reply));
    let total = figures.total();
    let told = if total.told > 0 { format!(" ({} by the program)", total.told) } else { String::new() };
    let (xdp, udp, tcp) = (total.over_xdp(total.xdp_queries), total.udp_queries, total.tcp_queries);
    reply.line(format_args!("queries: xdp {xdp}{told} udp {udp} tcp {tcp}"));
    if total.errors_limited > 0 {
        let limited = total.errors_limited;
        reply.line(format_args!("errors: {limited} got no reply, as error-ratelimit: has it"));
    }
    if total.events_lost > 0 {
        let lost = total.events_lost;
        reply.line(format_args!("log: {lost} lines of queries and replies are lost, more came than are written"));
    }
    reply.line(format_args!("runbound (pid {}) is running...", std::process::id()));
}

fn interface_status(figures: &XdpFigures, reply: &mut Reply) {
    let name = &figures.interface;
    let fallback = figures.fallback.as_deref().map(|why| format!(" ({why})")).unwrap_or_default();
    if figures.mode == XdpMode::Off {
        return reply.line(format_args!("xdp: {name} off{fallback}"));
    }
    reply.line(format_args!(
        "xdp: {name} {} {} queues {} watchdog {}{fallback}",
        figures.mode.word(),
        bind_word(figures),
        figures.queues.len(),
        figures.watchdog().word()
    ));
    if !figures.answers.is_empty() {
        reply.line(format_args!("answers: {name} {}", figures.answers));
    }
}

/// `stats`: `extended` and `inhibit_zero` as the directives have them.
pub(super) fn stats(figures: &Snapshot, extended: bool, inhibit_zero: bool, reply: &mut Reply) {
    for (number, thread) in figures.threads.iter().enumerate() {
        // What is not a worker's is shown with the first thread, so that the total is the sum.
        let others = if number == 0 { Others::of(figures) } else { Others::default() };
        thread_lines(&format!("thread{number}"), thread, others, reply);
    }
    let total = figures.total();
    thread_lines("total", &total, Others::of(figures), reply);
    let now = figures.now.duration_since(UNIX_EPOCH).unwrap_or_default();
    for (name, time) in [("now", now), ("up", figures.up), ("elapsed", figures.elapsed)] {
        reply.line(format_args!("time.{name}={}", seconds(time)));
    }
    if extended {
        memory_lines(&total, figures, reply);
        histogram_lines(&total.recursion, reply);
        question_lines(&total, inhibit_zero, reply);
        transport_lines(&total, figures, reply);
        answer_lines(&total, inhibit_zero, reply);
        cache_lines(&total, figures, reply);
    }
    own_lines::stats(&total, figures, reply);
}

fn seconds(time: Duration) -> String {
    format!("{}.{:06}", time.as_secs(), time.subsec_micros())
}

/// Figures that Unbound has for each thread and are here no worker's.
#[derive(Clone, Copy, Default)]
struct Others {
    connections: u64,
    overwritten: u64,
    error_reports: u64,
}

impl Others {
    fn of(figures: &Snapshot) -> Others {
        let error_reports = figures.upstream_error_reports;
        Others { connections: figures.stream_connections, overwritten: figures.upstream_overwritten, error_reports }
    }
}

fn thread_lines(thread: &str, figures: &ThreadFigures, others: Others, reply: &mut Reply) {
    let prefix = format!("{thread}.");
    reply.numbers(
        &prefix,
        &[
            ("num.queries", figures.queries),
            ("num.queries_ip_ratelimited", figures.rate_limited),
            ("num.queries_cookie_valid", figures.cookie_valid),
            ("num.queries_cookie_client", figures.cookie_client),
            ("num.queries_cookie_invalid", figures.cookie_invalid),
            ("num.queries_discard_timeout", figures.discarded),
            ("num.queries_replyaddr_limit", 0),
            ("num.queries_wait_limit", figures.wait_limited),
            ("num.cachehits", figures.hits()),
            ("num.cachemiss", figures.misses()),
            ("num.prefetch", figures.prefetched),
            ("num.queries_timed_out", figures.timed_out),
            ("query.queue_time_us.max", figures.queue_time_max),
            ("num.expired", figures.expired),
            ("num.recursivereplies", figures.recursive_replies),
            ("num.dns_error_reports", others.error_reports),
        ],
    );
    let average = ratio(figures.pending_sum, figures.cache_misses);
    reply.line(format_args!("{prefix}requestlist.avg={}", general(average)));
    reply.numbers(
        &prefix,
        &[
            ("requestlist.max", figures.pending_max),
            ("requestlist.overwritten", others.overwritten),
            ("requestlist.exceeded", figures.overload),
            ("requestlist.current.all", figures.pending),
            ("requestlist.current.user", figures.pending),
            ("requestlist.current.replies", figures.pending),
        ],
    );
    let wait = figures.recursion_time_us.checked_div(figures.recursive_replies).unwrap_or(0);
    reply.line(format_args!("{prefix}recursion.time.avg={}", seconds(Duration::from_micros(wait))));
    reply.line(format_args!("{prefix}recursion.time.median={}", general(median(&figures.recursion))));
    reply.line(format_args!("{prefix}tcpusage={}", others.connections));
}

fn ratio(sum: u64, count: u64) -> f64 {
    if count == 0 { 0.0 } else { sum as f64 / count as f64 }
}

fn memory_lines(total: &ThreadFigures, figures: &Snapshot, reply: &mut Reply) {
    reply.numbers(
        "mem.",
        &[
            ("cache.rrset", figures.known.rrset_octets),
            ("cache.message", total.cache_octets.saturating_add(figures.known.message_octets)),
            ("mod.iterator", 0),
            ("mod.validator", 0),
            ("mod.respip", 0),
            ("streamwait", 0),
            ("http.query_buffer", 0),
            ("http.response_buffer", 0),
        ],
    );
}

fn histogram_lines(counts: &[u64; BUCKETS], reply: &mut Reply) {
    let bound = |micros: u64| format!("{:06}.{:06}", micros / 1_000_000, micros % 1_000_000);
    for (bucket, count) in counts.iter().enumerate() {
        let (lower, upper) = bucket_bounds(bucket);
        reply.line(format_args!("histogram.{}.to.{}={count}", bound(lower), bound(upper)));
    }
}

fn question_lines(total: &ThreadFigures, inhibit_zero: bool, reply: &mut Reply) {
    let mut shown = |name: std::fmt::Arguments<'_>, count: u64| {
        if count != 0 || !inhibit_zero {
            reply.line(format_args!("num.query.{name}={count}"));
        }
    };
    for (rtype, &count) in (0u16..).zip(&total.qtype[..UNBOUND_TYPES]) {
        shown(format_args!("type.{}", Rtype::from_int(rtype)), count);
    }
    shown(format_args!("type.other"), total.qtype[UNBOUND_TYPES..].iter().sum());
    shown(format_args!("class.IN"), total.class_in);
    shown(format_args!("class.CH"), total.class_ch);
    shown(format_args!("class.other"), total.class_other);
    for (opcode, &count) in total.opcode.iter().enumerate() {
        match OPCODES.get(opcode) {
            Some(name) if !name.is_empty() => shown(format_args!("opcode.{name}"), count),
            _ => shown(format_args!("opcode.OPCODE{opcode}"), count),
        }
    }
}

fn transport_lines(total: &ThreadFigures, figures: &Snapshot, reply: &mut Reply) {
    reply.numbers(
        "num.query.",
        &[
            ("tcp", total.query_tcp),
            ("tcpout", figures.upstream_tcp),
            ("udpout", figures.upstream_udp),
            ("tls", 0),
            ("tls.resume", 0),
            ("ipv6", total.query_ipv6),
            ("https", 0),
            // Messages with QR set are dropped before they count as queries.
            ("flags.QR", 0),
            ("flags.AA", total.query_aa),
            ("flags.TC", total.query_tc),
            ("flags.RD", total.query_rd),
            ("flags.RA", total.query_ra),
            ("flags.Z", total.query_z),
            ("flags.AD", total.query_ad),
            ("flags.CD", total.query_cd),
            ("edns.present", total.query_edns),
            ("edns.DO", total.query_do),
        ],
    );
}

/// A response code's name as Unbound has it.
pub fn rcode_word(code: u16) -> Cow<'static, str> {
    RCODES.get(usize::from(code)).map_or_else(|| format!("RCODE{code}").into(), |&word| word.into())
}

fn answer_lines(total: &ThreadFigures, inhibit_zero: bool, reply: &mut Reply) {
    for (rcode, &count) in total.rcode.iter().enumerate() {
        if inhibit_zero && rcode >= RCODES_ALWAYS && count == 0 {
            continue;
        }
        reply.line(format_args!("num.answer.rcode.{}={count}", rcode_word(rcode as u16)));
    }
    if !inhibit_zero || total.nodata != 0 {
        reply.line(format_args!("num.answer.rcode.nodata={}", total.nodata));
    }
}

fn cache_lines(total: &ThreadFigures, figures: &Snapshot, reply: &mut Reply) {
    reply.numbers(
        "",
        &[
            ("num.query.ratelimited", figures.upstream_rate_limited),
            ("num.answer.secure", total.secure),
            ("num.answer.bogus", total.bogus),
            ("num.rrset.bogus", figures.upstream_bogus_rrsets),
            ("num.valops", figures.upstream_signatures),
            ("num.query.aggressive.NOERROR", figures.upstream_denied_data),
            ("num.query.aggressive.NXDOMAIN", figures.upstream_denied_names),
            ("unwanted.queries", total.unwanted),
            ("unwanted.replies", figures.upstream_unwanted),
            ("msg.cache.count", total.cache_entries.saturating_add(figures.known.messages)),
            ("rrset.cache.count", figures.known.rrsets),
            ("infra.cache.count", figures.known.servers),
            ("key.cache.count", figures.known.zones),
            ("msg.cache.max_collisions", 0),
            ("rrset.cache.max_collisions", 0),
            ("num.query.authzone.up", 0),
            ("num.query.authzone.down", 0),
        ],
    );
}

/// A number as C's `%g` prints it: six digits, no zeros at the end, an exponent when it is far from one.
fn general(number: f64) -> String {
    let scientific = format!("{number:.5e}");
    let Some((digits, exponent)) = scientific.split_once('e') else { return scientific };
    let exponent: i32 = number::read(exponent, -400..=400).unwrap_or(0);
    let trimmed = |digits: &str| match digits.contains('.') {
        true => digits.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => digits.to_owned(),
    };
    if (-4..6).contains(&exponent) {
        let decimals = usize::try_from(5 - exponent).unwrap_or(0);
        return trimmed(&format!("{number:.decimals$}"));
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{}e{sign}{:02}", trimmed(digits), exponent.abs())
}

#[cfg(test)]
#[path = "report_tests.rs"]
mod tests;
