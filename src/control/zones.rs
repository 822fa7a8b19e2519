//! The commands that change whom is asked, what is not validated, and single directives.

use super::arguments::{name_of, split_word, two_arguments};
use super::backend::{Backend, ZoneChange};
use super::reply::Reply;

/// Carries out the commands of this file; `false` when `word` is none of them.
pub(super) fn command(word: &str, arguments: &str, backend: &mut dyn Backend, reply: &mut Reply) -> bool {
    let done = match word {
        "forward" => forward(arguments, backend),
        "forward_add" => add(arguments, "it", backend, false),
        "forward_remove" => remove(arguments, "i", backend, false),
        "stub_add" => add(arguments, "ipt", backend, true),
        "stub_remove" => remove(arguments, "i", backend, true),
        "insecure_add" => name_of(arguments).and_then(|name| backend.set_insecure(&name, true)),
        "insecure_remove" => name_of(arguments).and_then(|name| backend.set_insecure(&name, false)),
        "list_insecure" => {
            backend.list_insecure(&mut |name| reply.line(format_args!("{name}")));
            return true;
        }
        "set_option" => set_option(arguments, backend),
        _ => return false,
    };
    reply.result(done);
    true
}

fn forward(arguments: &str, backend: &mut dyn Backend) -> Result<(), String> {
    match arguments {
        "off" => backend.forward_root(None),
        _ => backend.forward_root(Some(arguments.split_whitespace().collect())),
    }
}

/// Options with `+` and one letter each, of which these are known; what follows them.
fn options<'a>(arguments: &'a str, known: &str) -> Result<(&'a str, String), String> {
    let (mut rest, mut letters) = (arguments, String::new());
    while rest.starts_with('+') {
        let (word, after) = two_arguments(rest)?;
        rest = after;
        letters.push_str(&word[1..]);
    }
    match letters.chars().find(|letter| !known.contains(*letter)) {
        Some(letter) => Err(format!(": unknown option {letter}")),
        None => Ok((rest, letters)),
    }
}

/// `+i` has the zone not validated, `+p` has a stub zone primed.
fn add(arguments: &str, known: &str, backend: &mut dyn Backend, stub: bool) -> Result<(), String> {
    let (rest, letters) = options(arguments, known)?;
    if letters.contains('t') {
        return Err("DNS over TLS to upstream is not there yet, and sending in clear is not what was asked for".into());
    }
    let (name, servers) = two_arguments(rest)?;
    let (name, servers) = (name_of(name)?, Some(servers.split_whitespace().collect()));
    backend.change_zone(ZoneChange { stub, name, servers, prime: letters.contains('p') })?;
    if letters.contains('i') { backend.set_insecure(&name, true) } else { Ok(()) }
}

fn remove(arguments: &str, known: &str, backend: &mut dyn Backend, stub: bool) -> Result<(), String> {
    let (rest, letters) = options(arguments, known)?;
    let name = name_of(split_word(rest).0)?;
    backend.change_zone(ZoneChange { stub, name, servers: None, prime: false })?;
    if letters.contains('i') { backend.set_insecure(&name, false) } else { Ok(()) }
}

/// `name: value`; the colon may be left out.
fn set_option(arguments: &str, backend: &mut dyn Backend) -> Result<(), String> {
    let (name, value) = two_arguments(arguments)?;
    let name = name.strip_suffix(':').unwrap_or(name);
    let value = value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).unwrap_or(value);
    backend.set_option(name, value).map_err(|why| format!("setting option: {why}"))
}
