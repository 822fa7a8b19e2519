//! Lines of `stats` that are not Unbound's, behind those that are.

use super::reply::Reply;
use crate::stats::{Snapshot, ThreadFigures, XdpFigures, XdpMode};

/// All of them, whatever `extended-statistics:` says.
pub(super) fn stats(total: &ThreadFigures, figures: &Snapshot, reply: &mut Reply) {
    path_lines(total, figures, reply);
    figures.xdp.iter().for_each(|interface| interface_lines(interface, reply));
    outcome_lines(total, figures, reply);
}

/// By which way queries came and replies left.
fn path_lines(total: &ThreadFigures, figures: &Snapshot, reply: &mut Reply) {
    let attached = figures.xdp.iter().filter(|interface| interface.mode != XdpMode::Off).count() as u64;
    reply.numbers(
        "xdp.",
        &[
            ("interfaces", attached),
            ("queries", total.over_xdp(total.xdp_queries)),
            ("replies", total.over_xdp(total.xdp_replies)),
            ("strays", total.xdp_strays),
            ("bad_checksums", total.xdp_bad_checksums),
            ("answers.queries", total.told),
            ("answers.slots", total.taught),
            ("kernel.udp.queries", total.udp_queries),
            ("kernel.udp.replies", total.udp_replies),
            ("kernel.tcp.queries", total.tcp_queries),
            ("kernel.tcp.replies", total.tcp_replies),
            ("reply_no_room", total.reply_no_room),
        ],
    );
}

/// What became of queries where Unbound has no counter for it.
fn outcome_lines(total: &ThreadFigures, figures: &Snapshot, reply: &mut Reply) {
    reply.numbers(
        "runbound.",
        &[
            ("worker.allocations", figures.worker_allocations),
            ("worker.events_lost", total.events_lost),
            ("dropped", total.dropped),
            ("errors_limited", total.errors_limited),
            ("tcp.refused", figures.streams_refused),
            ("coalesced", total.coalesced),
            ("cache.evicted", total.cache_evicted),
            ("upstream.replies", figures.upstream_replies),
            ("upstream.timeouts", figures.upstream_timeouts),
            ("upstream.failures", figures.upstream_failures),
            ("upstream.in_flight", figures.upstream_in_flight),
        ],
    );
}

fn interface_lines(figures: &XdpFigures, reply: &mut Reply) {
    let prefix = format!("xdp.interface.{}.", figures.interface);
    reply.line(format_args!("{prefix}mode={}", figures.mode.word()));
    if figures.mode != XdpMode::Off {
        reply.line(format_args!("{prefix}bind={}", bind_word(figures)));
    }
    reply.numbers(
        &prefix,
        &[
            ("queues", figures.queues.len() as u64),
            ("rx", figures.sum(|queue| queue.rx)),
            ("tx", figures.sum(|queue| queue.tx)),
            ("rx_dropped", figures.sum(|queue| queue.kernel.rx_dropped)),
            ("rx_ring_full", figures.sum(|queue| queue.kernel.rx_ring_full)),
            ("fill_ring_empty", figures.sum(|queue| queue.kernel.fill_ring_empty)),
            ("invalid_descs", figures.sum(|queue| queue.kernel.invalid_descs)),
            ("senseless", figures.sum(|queue| queue.senseless)),
        ],
    );
    for (reason, count) in &figures.verdicts {
        let kind = if ["redirected", "answered"].contains(reason) { "" } else { "passed." };
        reply.line(format_args!("{prefix}{kind}{reason}={count}"));
    }
    let frames = &figures.frames;
    reply.numbers(
        &format!("{prefix}frames."),
        &[
            ("total", frames.total),
            ("free", frames.free),
            ("fill", frames.fill),
            ("rx", frames.rx),
            ("tx", frames.tx),
            ("completion", frames.completion),
            ("driver", frames.driver),
            ("lost", frames.lost),
            ("twice", frames.twice),
        ],
    );
    for queue in &figures.queues {
        reply.line(format_args!("{prefix}queue.{}.rx={}", queue.number, queue.rx));
        reply.line(format_args!("{prefix}queue.{}.watchdog={}", queue.number, queue.watchdog.word()));
    }
    reply.line(format_args!("{prefix}watchdog={}", figures.watchdog().word()));
    if !figures.answers.is_empty() {
        reply.line(format_args!("{prefix}answers={}", figures.answers));
    }
    if let Some(why) = &figures.fallback {
        reply.line(format_args!("{prefix}fallback={why}"));
    }
}

/// How sockets were bound.
pub(super) fn bind_word(figures: &XdpFigures) -> &'static str {
    if figures.zerocopy { "zerocopy" } else { "copy" }
}
