//! What the core knows and does, as lines in the form of Unbound's `dump_infra`, `dump_requestlist` and `lookup`
//! (daemon/remote.c and daemon/cachedump.c).

use super::Name;
use super::cache::{Cache, Climb, Key, seconds, write_rrset};
use super::core::Core;
use super::cuts::{Cut, Source};
use super::order::Lines;
use super::question::{Phase, Question};
use super::server::Server;
use super::table::Kind;
use crate::config::{class_word, rtype_word};
use crate::dns::name::suffixes;
use crate::dns::name_text::to_text;
use crate::dns::{class, rtype};
use std::fmt::Write;
use std::time::Duration;

/// Places looked at for one line at most: most of the states are free as a rule.
const PLACES_PER_LINE: usize = 16;

fn line(out: &mut String, text: std::fmt::Arguments<'_>) {
    // A string takes whatever is written to it.
    let _ = writeln!(out, "{text}");
}

/// Lines of what is known of servers, one for each cut that has it, from cut number `from` on, some `lines` of them; where to
/// go on, unless that was the end.
pub fn servers(core: &Core, from: usize, lines: usize, now: Duration) -> Lines {
    let mut text = String::new();
    let (mut left, mut at) = (lines, from);
    let end = core.cuts.len();
    while at < end && left > 0 && at - from < lines * PLACES_PER_LINE {
        // The root's servers are known by their delegation once that has told their addresses and they have been asked.
        let is_asked = |cut: &Cut| cut.seats().iter().any(|seat| core.servers[seat.server].is_known());
        let delegation = |cut: &Cut| core.cuts.get(core.cuts.named(cut.name.as_wire(), now)?);
        let is_known = |cut: &Cut| cut.source == Source::Hints && delegation(cut).is_some_and(is_asked);
        let cut = core.cuts.get(at as u32).filter(|cut| !is_known(cut));
        for (place, server) in
            cut.into_iter().flat_map(|cut| cut.seats().iter().zip(0..).map(|(seat, at)| (at, seat.server)))
        {
            let Some(cut) = cut.filter(|_| core.servers[server].is_known()) else { continue };
            server_line(&core.servers[server], cut, place, now, &mut text);
            left = left.saturating_sub(1);
        }
        at += 1;
    }
    (text, (at < end).then_some(at))
}

fn server_line(server: &Server, cut: &Cut, place: u8, now: Duration, out: &mut String) {
    let known = server.figures(now);
    let at_place = |places: u64| u8::from(places >> place & 1 != 0);
    let [lame, lame_for_others] = [rtype::A, rtype::NS].map(|rtype| at_place(cut.lame(rtype, now)));
    let recursive = at_place(cut.recursive(now));
    let edns = if server.knows_edns(now) { 0 } else { -1 };
    line(
        out,
        format_args!(
            "{} {} ttl {} ping {} var {} rtt {} rto {} tA 0 tAAAA 0 tother {} ednsknown {} edns {edns} delay 0 lame dnssec 0 \
             rec {recursive} A {lame} other {lame_for_others}",
            server.address.ip(),
            to_text(cut.name.as_wire()),
            known.ttl,
            known.ping,
            known.variance,
            known.rtt,
            known.rto,
            known.lost,
            u8::from(known.was_heard),
        ),
    );
}

/// Lines of the questions in flight, from state number `from` on; as [`servers`].
pub fn questions(core: &Core, from: usize, lines: usize, now: Duration) -> Lines {
    let mut text = String::new();
    if from == 0 {
        line(&mut text, format_args!("thread #0\n#   type cl name    seconds    module status"));
    }
    let (mut left, mut at) = (lines, from);
    let end = core.questions.so_far();
    while at < end && left > 0 && at - from < lines * PLACES_PER_LINE {
        let question = core.questions.get(at as u32);
        if !matches!(question.phase, Phase::Free | Phase::Probe) {
            let age = now.saturating_sub(question.started);
            let age = match question.lookup {
                Some(_) => "-".to_owned(),
                None => format!("{}.{:06}", age.as_secs(), age.subsec_micros()),
            };
            let name = to_text(question.target.as_wire());
            let (rtype, class) = (rtype_word(question.qtype), class_word(question.qclass));
            let status = status(core, question);
            line(&mut text, format_args!("{at:3} {rtype:>4} {class:>2} {name} {age} {status}"));
            left -= 1;
        }
        at += 1;
    }
    (text, (at < end).then_some(at))
}

/// What a question waits for.
fn status(core: &Core, question: &Question) -> String {
    let server = || core.servers.get(question.asked.server).map(|server| server.address.ip());
    match question.phase {
        Phase::Udp { .. } | Phase::Tcp { .. } | Phase::TcpQueue => match server() {
            Some(server) => format!("iterator wait for {server}"),
            None => "iterator wait for (empty_list)".to_owned(),
        },
        Phase::Await => format!("iterator wants {} addresses of name servers", question.awaited),
        Phase::Pause => "iterator wait for (empty_list)".to_owned(),
        Phase::Failed => "iterator is module_finished".to_owned(),
        Phase::Choose | Phase::Free | Phase::Probe => "iterator is module_state_initial".to_owned(),
    }
}

/// Which servers `name` would be asked of.
pub fn lookup(core: &mut Core, name: &Name, now: Duration) -> String {
    let name = name.to_lower();
    let mut text = String::new();
    line(&mut text, format_args!("The following name servers are used for lookup of {}", to_text(name.as_wire())));
    let zone = core.table.find(name.as_wire());
    let zone = zone.and_then(|place| Some((core.table.zone(place)?.kind, *core.zone_cuts.get(place as usize)?)));
    if let Some((Kind::Forward, cut)) = zone {
        line(&mut text, format_args!("forwarding request:"));
        cut_lines(core, cut, now, &mut text);
        return text;
    }
    let stub = zone.and_then(|(kind, cut)| Some((kind, cut, core.cuts.get(cut)?.name)));
    let least = stub.as_ref().map_or(0, |(_, _, name)| name.as_wire().len());
    for from in suffixes(name.as_wire()).take_while(|from| from.len() >= least.max(1)) {
        let Core { cache: Some(cache), .. } = &mut *core else { break };
        if !delegation_lines(cache, from, now, &mut text) {
            continue;
        }
        match core.cuts.named(from, now) {
            Some(cut) => cut_lines(core, cut, now, &mut text),
            None => line(&mut text, format_args!("Nobody has asked there since these were learnt.")),
        }
        return text;
    }
    match stub {
        Some((Kind::Stub { prime: false }, cut, _)) => {
            line(&mut text, format_args!("The noprime stub servers are used:"));
            cut_lines(core, cut, now, &mut text);
        }
        Some((_, cut, _)) => {
            line(&mut text, format_args!("The stub is primed with servers:"));
            cut_lines(core, cut, now, &mut text);
        }
        None => line(&mut text, format_args!("no delegation from cache; goes to configured roots")),
    }
    text
}

/// The NS RRset of a zone and the addresses of its name servers, as far as they are kept; false when it is not.
fn delegation_lines(cache: &mut Cache, zone: &[u8], now: Duration, out: &mut String) -> bool {
    let climb = Climb { name: zone, rtype: rtype::NS, class: class::IN, strictly_above: false, no_expired_above: None };
    let Some(set) = cache.closest(&climb, now).filter(|set| set.owner().len() == zone.len()) else { return false };
    write_rrset(&set, seconds(now), out);
    let names: Vec<Name> = set.records().filter_map(Name::from_wire).collect();
    for (name, rtype) in names.iter().flat_map(|name| [(name, rtype::A), (name, rtype::AAAA)]) {
        if let Some(set) = cache.rrsets.get(&Key::new(name.as_wire(), rtype, class::IN), now) {
            write_rrset(&set, seconds(now), out);
        }
    }
    true
}

/// How many servers a cut has, and what is known of each.
fn cut_lines(core: &mut Core, cut: u32, now: Duration, out: &mut String) {
    let Core { cuts, servers, .. } = core;
    let Some(cut) = cuts.get_mut(cut) else { return };
    let open = cut.unknown(now).count();
    let (names, addresses) = (cut.names().count(), cut.seats().len());
    line(
        out,
        format_args!(
            "Delegation with {names} names, of which {} can be examined to query further addresses.\nIt provides {addresses} \
             IP addresses.",
            open
        ),
    );
    for (place, seat) in cut.seats().iter().enumerate() {
        let server = &servers[seat.server];
        let ip = server.address.ip().to_string();
        if !server.is_known() {
            line(out, format_args!("{ip:<16}\tnot in infra cache."));
            continue;
        }
        let known = server.figures(now);
        let lame = if cut.lame(rtype::NS, now) >> place & 1 != 0 { "LAME " } else { "" };
        let edns = if server.knows_edns(now) { "EDNS 0" } else { "noEDNS" };
        let probed = if known.was_heard { "probed" } else { "assumed" };
        line(
            out,
            format_args!(
                "{ip:<16}\t{lame}rto {} msec, ttl {}, ping {} var {} rtt {}, tA 0, tAAAA 0, tother {}, {edns} {probed}.",
                known.rto, known.ttl, known.ping, known.variance, known.rtt, known.lost
            ),
        );
    }
}
