//! The commands that edit or list local zones and data, one by one and in batches.

use super::arguments::{name_of, two_arguments};
use super::backend::{Backend, EditError, LocalEditor, NotInForce};
use super::reply::Reply;
use super::request::{Batch, MAX_LINE, text_of};

/// Carries out the commands of this file; `false` when `word` is none of them.
pub(super) fn command(word: &str, arguments: &str, backend: &mut dyn Backend, reply: &mut Reply) -> bool {
    let edit: Edit = match word {
        "local_zone" => add_zone,
        "local_zone_remove" => remove_zone,
        "local_data" => |editor, text| add_data(editor, text, None),
        "local_data_remove" => remove_data,
        "list_local_zones" => {
            backend.list_local_zones(&mut |line| reply.line(format_args!("{line}")));
            return true;
        }
        "list_local_data" => {
            // An empty line behind each record, as Unbound has it.
            backend.list_local_data(&mut |line| reply.line(format_args!("{line}\n")));
            return true;
        }
        _ => return false,
    };
    let mut edited = Ok(());
    let in_force = backend.edit_local(&mut |editor| edited = edit(editor, arguments));
    reply.result(edited.and(in_force.map_err(String::from)));
    true
}

type Edit = fn(&mut dyn LocalEditor, &str) -> Result<(), String>;

/// Carries out one command on every line of a batch. Lines that fail are told and left out, as Unbound does; the rest comes
/// into force together.
pub(super) fn edit_all(batch: Batch, lines: &[u8], backend: &mut dyn Backend, reply: &mut Reply) {
    let mut done = 0u64;
    let in_force = backend.edit_local(&mut |editor| {
        for (line, number) in lines.split(|&octet| octet == b'\n').zip(1..) {
            match edit_line(batch, line, number, editor, reply) {
                Ok(true) => done += 1,
                Ok(false) => {}
                // Why is told once, for the whole.
                Err(_) if editor.refuses_all() => break,
                Err(reason) => reply.error(&reason),
            }
        }
    });
    if let Err(cause) = in_force {
        if matches!(cause, NotInForce::Refused(_)) {
            done = 0;
        }
        reply.error(&String::from(cause));
    }
    match batch {
        Batch::Zones => reply.line(format_args!("added {done} zones")),
        Batch::ZonesRemove => reply.line(format_args!("removed {done} zones")),
        Batch::Datas => reply.line(format_args!("added {done} datas")),
        Batch::DatasRemove => reply.line(format_args!("removed {done} datas")),
    }
}

/// Carries out one line; `false` when it is empty: `list_local_data` puts one behind each record. The `Err` is what the
/// reply says last of it.
fn edit_line(
    batch: Batch,
    line: &[u8],
    number: u64,
    editor: &mut dyn LocalEditor,
    reply: &mut Reply,
) -> Result<bool, String> {
    if line.len() > MAX_LINE {
        return Err(format!("input line {number} is longer than {MAX_LINE} octets and is left out"));
    }
    let text = text_of(line).ok_or_else(|| format!("input line {number} is not UTF-8 text"))?.trim();
    if text.is_empty() {
        return Ok(false);
    }
    let edited = match batch {
        Batch::Zones => add_zone(editor, text),
        Batch::ZonesRemove => remove_zone(editor, text),
        Batch::Datas => return add_data(editor, text, Some(number)).map(|()| true),
        Batch::DatasRemove => remove_data(editor, text),
    };
    edited.map(|()| true).map_err(|reason| {
        reply.error(&reason);
        format!("for input line: {text}")
    })
}

fn add_zone(editor: &mut dyn LocalEditor, text: &str) -> Result<(), String> {
    let (name, kind) = two_arguments(text)?;
    editor.add_zone(&name_of(name)?, kind).map_err(|error| match error {
        EditError::ZoneType => format!("not a zone type. {kind}"),
        EditError::Record(reason) | EditError::Other(reason) => reason,
    })
}

fn remove_zone(editor: &mut dyn LocalEditor, text: &str) -> Result<(), String> {
    editor.remove_zone(&name_of(text)?).map_err(reason_of)
}

fn add_data(editor: &mut dyn LocalEditor, text: &str, number: Option<u64>) -> Result<(), String> {
    editor.add_data(text).map_err(|error| match (error, number) {
        (EditError::Record(reason), None) => format!("parsing local-data '{text}': {reason}"),
        (EditError::Record(reason), Some(number)) => format!("parsing local-data at line {number} '{text}': {reason}"),
        (other, None) => reason_of(other),
        (other, Some(number)) => format!("local-data at line {number} '{text}': {}", reason_of(other)),
    })
}

/// Removes all of a name's data. A record in place of the name would remove too much, and is refused.
fn remove_data(editor: &mut dyn LocalEditor, text: &str) -> Result<(), String> {
    if text.contains([' ', '\t']) {
        return Err(format!("cannot remove the one record '{text}': give its name alone to remove all records of it"));
    }
    editor.remove_data(&name_of(text)?).map_err(reason_of)
}

fn reason_of(error: EditError) -> String {
    match error {
        EditError::ZoneType => "not a zone type.".to_owned(),
        EditError::Record(reason) | EditError::Other(reason) => reason,
    }
}
