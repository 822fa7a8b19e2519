//! The commands: arguments checked, the backend called, Unbound's replies written.

use super::arguments::{name_of, split_word, two_arguments};
use super::backend::{Backend, Flushed, ForwardZone, Load, Pieces};
use super::reply::Reply;
use super::request::Request;
use super::{clients, local, report, zones};
use crate::dns::Name;
use crate::number;
use crate::stats::Snapshot;
use domain::base::iana::Rtype;
use std::net::IpAddr;

/// Commands that take no argument.
const WITHOUT_ARGUMENT: &[&str] = &[
    "stop",
    "reload",
    "reload_keep_cache",
    "stats",
    "stats_noreset",
    "status",
    "flush_stats",
    "list_forwards",
    "list_stubs",
    "list_insecure",
    "list_auth_zones",
    "list_local_zones",
    "list_local_data",
    "local_zones",
    "local_zones_remove",
    "local_datas",
    "local_datas_remove",
    "log_reopen",
    "dump_cache",
    "load_cache",
    "dump_infra",
    "dump_requestlist",
    "flush_requestlist",
    "print_cookie_secrets",
    "activate_cookie_secret",
    "drop_cookie_secret",
];

/// Commands of Unbound that are not carried out, and what to do instead.
const UNSUPPORTED: &[(&[&str], &str)] = &[
    (&["cache_lookup"], "dump_cache has all of it"),
    (&["auth_zone_reload", "auth_zone_transfer", "rpz_enable", "rpz_disable"], "use local zones"),
    (
        &[
            "view_list_local_zones",
            "view_list_local_data",
            "view_local_zone",
            "view_local_zone_remove",
            "view_local_data",
            "view_local_data_remove",
            "view_local_datas",
            "view_local_datas_remove",
        ],
        "there are no views",
    ),
];

/// What comes of a request.
pub(super) enum Reaction {
    /// These octets are the reply.
    Reply(Vec<u8>),
    /// The reply is long and made as it is sent.
    Pieces(Pieces),
    /// Lines are to be read for this, first those in these octets.
    Load(Box<dyn Load>, Vec<u8>),
}

/// Carries out a request, with a reply of at most `room` octets, or a long one. `base` is what `stats` counts from.
pub(super) fn carry_out(
    request: Request,
    backend: &mut dyn Backend,
    base: &mut Option<Snapshot>,
    room: usize,
) -> Reaction {
    let mut reply = Reply::new(room);
    match request {
        Request::Batch(batch, lines) => local::edit_all(batch, &lines, backend, &mut reply),
        Request::Load(octets) => {
            log::debug!("control: load_cache");
            return Reaction::Load(backend.load_cache(), octets);
        }
        Request::Line(line) => {
            log::debug!("control: {:?}", clients::without_secrets(&line));
            match line.trim() {
                "dump_cache" => return Reaction::Pieces(backend.dump_cache()),
                "dump_infra" => return Reaction::Pieces(backend.dump_infra()),
                "ratelimit_list" => return Reaction::Pieces(backend.rates(false)),
                "dump_requestlist" => return Reaction::Pieces(backend.dump_requestlist()),
                line if split_word(line) == ("ratelimit_list", "+a") => return Reaction::Pieces(backend.rates(true)),
                line => command(line, backend, base, &mut reply),
            }
        }
    }
    Reaction::Reply(reply.finish())
}

fn command(line: &str, backend: &mut dyn Backend, base: &mut Option<Snapshot>, reply: &mut Reply) {
    let (word, arguments) = split_word(line);
    if WITHOUT_ARGUMENT.contains(&word) && !arguments.is_empty() {
        return reply.line(format_args!("error command {word} takes no arguments, have '{arguments}'"));
    }
    match word {
        "stop" => {
            backend.stop();
            reply.result(Ok(()));
        }
        "reload" => reply.result(backend.reload(false)),
        "reload_keep_cache" => reply.result(backend.reload(true)),
        "fast_reload" => reply.result(fast_reload(arguments).and_then(|()| backend.reload(true))),
        "backup" => archive(backend.backup(arguments), reply),
        "restore" => archive(backend.restore(arguments), reply),
        "log_reopen" => reply.result(backend.log_reopen()),
        "verbosity" => reply.result(verbosity(arguments).map(|level| backend.set_verbosity(level))),
        "status" => report::status(&backend.status(), &backend.snapshot(), reply),
        "stats" | "stats_noreset" => stats(word == "stats", backend, base, reply),
        "flush_stats" => {
            *base = Some(backend.snapshot());
            reply.result(Ok(()));
        }
        "flush" | "flush_type" | "flush_zone" | "flush_bogus" | "flush_negative" => {
            flush(word, without_cachedb(arguments), backend, reply);
        }
        "flush_infra" => reply.result(server_of(arguments).and_then(|at| backend.flush_infra(at))),
        "flush_requestlist" => reply.result(backend.flush_requestlist()),
        "lookup" => lookup(arguments, backend, reply),
        "list_forwards" => list_forwards(backend, reply),
        "list_stubs" => list_stubs(backend, reply),
        "forward" if arguments.is_empty() => root_forward(backend, reply),
        // There are none, and Unbound prints nothing then.
        "list_auth_zones" => {}
        "get_option" => get_option(arguments, backend, reply),
        _ if zones::command(word, arguments, backend, reply) => {}
        _ if clients::command(word, arguments, backend, reply) => {}
        _ if local::command(word, arguments, backend, reply) => {}
        _ => match UNSUPPORTED.iter().find(|(words, _)| words.contains(&word)) {
            Some((_, instead)) => reply.line(format_args!("error {word} is not supported yet: {instead}")),
            None => reply.line(format_args!("error unknown command '{line}'")),
        },
    }
}

/// `ok` with what was done, then what else there is to know.
fn archive(done: Result<Vec<String>, String>, reply: &mut Reply) {
    match done {
        Ok(lines) => reply.line(format_args!("ok {}", lines.join("\n"))),
        Err(reason) => reply.result(Err(reason)),
    }
}

/// The options of `fast_reload` (`+v`, `+p`, `+d`) change how Unbound's threads go about it; here they make no difference.
fn fast_reload(options: &str) -> Result<(), String> {
    match options
        .split_whitespace()
        .find(|word| word.strip_prefix('+').is_none_or(|letters| letters.chars().any(|letter| !"vpd".contains(letter))))
    {
        Some(unknown) => Err(format!("unknown option '{unknown}'")),
        None => Ok(()),
    }
}

/// The range is that of the directive.
fn verbosity(text: &str) -> Result<u8, String> {
    number::read(text, 0..=u8::MAX).map_err(|error| format!("in verbosity number syntax: {error}"))
}

fn stats(reset: bool, backend: &mut dyn Backend, base: &mut Option<Snapshot>, reply: &mut Reply) {
    let status = backend.status();
    let now = backend.snapshot();
    let shown = match base {
        Some(base) => now.clone().since(base),
        None => now.clone(),
    };
    report::stats(&shown, status.extended_statistics, status.inhibit_zero, reply);
    if reset {
        *base = Some(now);
    }
}

/// `+c` asks to flush an external cache as well: there is none.
fn without_cachedb(arguments: &str) -> &str {
    match split_word(arguments) {
        ("+c", rest) => rest,
        _ => arguments,
    }
}

fn flush(word: &str, arguments: &str, backend: &mut dyn Backend, reply: &mut Reply) {
    let removed = match word {
        "flush_type" => return reply.result(flush_type(arguments, backend)),
        "flush" => return reply.result(name_of(arguments).and_then(|name| backend.flush(&name, None))),
        "flush_zone" => name_of(arguments).and_then(|name| backend.flush_zone(&name)),
        "flush_negative" => backend.flush_negative(),
        _ => backend.flush_bogus(),
    };
    match removed {
        Ok(Flushed { rrsets, messages, keys }) => {
            reply.line(format_args!("ok removed {rrsets} rrsets, {messages} messages and {keys} key entries"));
        }
        Err(reason) => reply.result(Err(reason)),
    }
}

fn flush_type(arguments: &str, backend: &mut dyn Backend) -> Result<(), String> {
    let (name, rtype) = two_arguments(arguments)?;
    let name = name_of(name)?;
    let rtype = rtype.parse::<Rtype>().map_err(|_| format!("parsing RRset type: '{rtype}'"))?;
    backend.flush(&name, Some(rtype.to_int()))
}

/// `all`, or the address of servers.
fn server_of(text: &str) -> Result<Option<IpAddr>, String> {
    match text {
        "all" => Ok(None),
        _ => text.parse::<IpAddr>().map(Some).map_err(|_| format!("parsing ip addr: '{text}'")),
    }
}

fn lookup(name: &str, backend: &mut dyn Backend, reply: &mut Reply) {
    match name_of(name).and_then(|name| backend.lookup(&name)) {
        // The text has its line ends.
        Ok(text) => reply.line(format_args!("{}", text.trim_end())),
        Err(reason) => reply.result(Err(reason)),
    }
}

fn list_stubs(backend: &mut dyn Backend, reply: &mut Reply) {
    for (zone, is_primed) in backend.stubs() {
        let prime = if is_primed { "prime" } else { "noprime" };
        reply.line(format_args!("{} IN stub {prime} {}{}", zone.name, plus_i(&zone), report::servers(&zone)));
    }
}

fn list_forwards(backend: &mut dyn Backend, reply: &mut Reply) {
    for zone in backend.forwards() {
        reply.line(format_args!("{} IN forward {}{}", zone.name, plus_i(&zone), report::servers(&zone)));
    }
}

/// How a zone below which nothing is validated is marked.
fn plus_i(zone: &ForwardZone) -> &'static str {
    if zone.insecure { "+i " } else { "" }
}

fn root_forward(backend: &mut dyn Backend, reply: &mut Reply) {
    match backend.forwards().iter().find(|zone| zone.name == Name::ROOT) {
        Some(zone) => reply.line(format_args!("{}", report::servers(zone))),
        None => reply.line(format_args!("off (using root hints)")),
    }
}

fn get_option(name: &str, backend: &mut dyn Backend, reply: &mut Reply) {
    let name = name.strip_suffix(':').unwrap_or(name);
    if let Err(reason) = backend.option(name, &mut |value| reply.line(format_args!("{value}"))) {
        reply.result(Err(reason));
    }
}

#[cfg(test)]
#[path = "command_tests.rs"]
mod tests;
