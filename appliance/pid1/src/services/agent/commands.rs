//! The commands of the guest agent protocol: a request in, a reply and perhaps a wish out.
//!
//! The protocol is documented by QEMU (`qemu-ga-ref(7)`). What a hypervisor needs to show the addresses, to shut down in
//! order and to take a backup is answered, and `guest-exec` of `unbound-control` and `log`; what would run other programs,
//! read files or change users is not.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use runbound::number;
use serde_json::{Map, Value, json};

/// What the guest is asked about: the system behind the commands.
pub(super) trait Guest {
    /// `guest-network-get-interfaces`.
    fn interfaces(&self) -> Result<Value, String>;
    /// `guest-get-osinfo`.
    fn os_info(&self) -> Value;
    /// The host's name.
    fn host_name(&self) -> String;
    /// Nanoseconds since 1970.
    fn time(&self) -> i64;
}

/// How a `guest-shutdown` is to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shutdown {
    /// `powerdown` and `halt`: a machine that only stands still is of no use to a hypervisor.
    PowerOff,
    /// `reboot`
    Reboot,
}

/// A `guest-exec` of what is known here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Run {
    /// `unbound-control`
    Control {
        /// Command and arguments, as one line of the control protocol.
        words: String,
        /// Standard input.
        input: Option<Vec<u8>>,
    },
    /// `unbound-control backup -`: the configuration as text.
    Backup,
    /// `log`: at most so many of its last lines.
    Log(usize),
}

/// What comes of a request.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Outcome {
    /// To be sent, as one line.
    Reply(Value),
    /// The same behind an octet 0xFF.
    ReplyDelimited(Value),
    /// Every file system is to be synced; then [`synced`] is the reply. Holds the request's `id`.
    Sync(Option<Value>),
    /// To be run; [`done`] is the reply. Holds the request's `id`.
    Run(Run, Option<Value>),
    /// The status of a run, for [`done`] as well.
    RunStatus(i64, Option<Value>),
    /// No reply: that the guest goes is the reply.
    Shutdown(Shutdown),
}

/// Answered; all but `guest-shutdown` with a reply.
const COMMANDS: &[&str] = &[
    "guest-sync-delimited",
    "guest-sync",
    "guest-ping",
    "guest-info",
    "guest-get-time",
    "guest-get-host-name",
    "guest-get-osinfo",
    "guest-network-get-interfaces",
    "guest-fsfreeze-status",
    "guest-fsfreeze-freeze",
    "guest-fsfreeze-freeze-list",
    "guest-fsfreeze-thaw",
    "guest-exec",
    "guest-exec-status",
    SHUTDOWN,
];
const SHUTDOWN: &str = "guest-shutdown";
/// The programs that `guest-exec` knows.
const CONTROL: &str = "unbound-control";
const LOG: &str = "log";
/// The words of [`CONTROL`] that are answered here: the server's socket names files alone.
const BACKUP: [&str; 2] = ["backup", "-"];

/// Commands of QEMU's agent that are left out on purpose: they read or write files, or change users. Each
/// stands for all commands that start with it.
const REFUSED: &[&str] = &["guest-file-", "guest-ssh-", "guest-set-user-password"];

struct Error {
    class: &'static str,
    text: String,
}

fn error(text: impl Into<String>) -> Error {
    Error { class: "GenericError", text: text.into() }
}

/// The reply to octets that are no request.
pub(super) fn complaint(text: &str) -> Value {
    reply_with(Err(error(text)), None)
}

/// The reply to a freeze, once `synced` file systems have their data on disk.
pub(super) fn synced(count: Result<usize, String>, id: Option<Value>) -> Value {
    reply_with(count.map(|count| json!(count)).map_err(error), id)
}

/// The reply to a run that was started, or to the question for its status.
pub(super) fn done(result: Result<Value, String>, id: Option<Value>) -> Value {
    reply_with(result.map_err(error), id)
}

fn reply_with(result: Result<Value, Error>, id: Option<Value>) -> Value {
    let mut reply = Map::new();
    match result {
        Ok(value) => reply.insert("return".into(), value),
        Err(Error { class, text }) => reply.insert("error".into(), json!({"class": class, "desc": text})),
    };
    if let Some(id) = id {
        reply.insert("id".into(), id);
    }
    Value::Object(reply)
}

/// Carries out one request.
pub(super) fn execute(request: &[u8], guest: &dyn Guest) -> Outcome {
    let mut members = match serde_json::from_slice(request) {
        Ok(Value::Object(members)) => members,
        Ok(_) => return Outcome::Reply(complaint("a request is a JSON object")),
        Err(cause) => return Outcome::Reply(complaint(&format!("JSON: {cause}"))),
    };
    let id = members.remove("id");
    let command = match members.remove("execute") {
        Some(Value::String(command)) => command,
        _ => return Outcome::Reply(reply_with(Err(error("the member 'execute' names the command, as a string")), id)),
    };
    let arguments = match members.remove("arguments") {
        None => Map::new(),
        Some(Value::Object(arguments)) => arguments,
        Some(_) => return Outcome::Reply(reply_with(Err(error("the member 'arguments' is a JSON object")), id)),
    };
    match command.as_str() {
        "guest-sync-delimited" => Outcome::ReplyDelimited(reply_with(sync_id(&arguments), id)),
        "guest-fsfreeze-freeze" | "guest-fsfreeze-freeze-list" => Outcome::Sync(id),
        SHUTDOWN => match shutdown_mode(&arguments) {
            Ok(mode) => Outcome::Shutdown(mode),
            Err(cause) => Outcome::Reply(reply_with(Err(cause), id)),
        },
        "guest-exec" => match run(&arguments) {
            Ok(run) => Outcome::Run(run, id),
            Err(cause) => Outcome::Reply(reply_with(Err(cause), id)),
        },
        "guest-exec-status" => match arguments.get("pid").and_then(Value::as_i64) {
            Some(pid) => Outcome::RunStatus(pid, id),
            None => Outcome::Reply(reply_with(Err(error("the argument 'pid' is an integer")), id)),
        },
        command => Outcome::Reply(reply_with(answer(command, &arguments, guest), id)),
    }
}

fn run(arguments: &Map<String, Value>) -> Result<Run, Error> {
    let path = arguments.get("path").and_then(Value::as_str).ok_or_else(|| error("the argument 'path' is a string"))?;
    let program = path.rsplit('/').next().unwrap_or_default();
    if program != CONTROL && program != LOG {
        return Err(error(format!("this guest runs no programs; {CONTROL} and {LOG} alone are answered")));
    }
    let words: Vec<&str> = match arguments.get("arg") {
        None => Vec::new(),
        Some(Value::Array(words)) => words.iter().filter_map(Value::as_str).collect(),
        Some(_) => return Err(error("the argument 'arg' is a list of strings")),
    };
    if program == LOG {
        return log_lines(&words).map(Run::Log);
    }
    if words.first().is_none_or(|word| word.starts_with('-')) {
        return Err(error(format!("{CONTROL} takes a command here and no options, such as: {CONTROL} status")));
    }
    if words.iter().any(|word| word.contains(char::is_control)) {
        return Err(error("an argument holds a control character"));
    }
    if words == BACKUP {
        return Ok(Run::Backup);
    }
    let input = match arguments.get("input-data").map(Value::as_str) {
        None => None,
        Some(text) => {
            let octets = text.and_then(|text| BASE64_STANDARD.decode(text).ok());
            Some(octets.ok_or_else(|| error("the argument 'input-data' is base64"))?)
        }
    };
    Ok(Run::Control { words: words.join(" "), input })
}

/// How many lines are asked for: all that are kept, unless there is a number.
fn log_lines(words: &[&str]) -> Result<usize, Error> {
    let number = match words {
        [] => return Ok(usize::MAX),
        [number] => number::read(number, 0..=usize::MAX).ok(),
        _ => None,
    };
    number.ok_or_else(|| error(format!("{LOG} takes a number of lines or nothing, such as: {LOG} 50")))
}

fn answer(command: &str, arguments: &Map<String, Value>, guest: &dyn Guest) -> Result<Value, Error> {
    match command {
        "guest-sync" => sync_id(arguments),
        "guest-ping" => Ok(json!({})),
        "guest-info" => Ok(info()),
        "guest-get-time" => Ok(json!(guest.time())),
        "guest-get-host-name" => Ok(json!({"host-name": guest.host_name()})),
        "guest-get-osinfo" => Ok(guest.os_info()),
        "guest-network-get-interfaces" => guest.interfaces().map_err(error),
        // Nothing is ever held frozen: a freeze is a sync, and every write of the configuration is whole or not there.
        "guest-fsfreeze-status" => Ok(json!("thawed")),
        "guest-fsfreeze-thaw" => Ok(json!(0)),
        _ => Err(unknown(command)),
    }
}

fn unknown(command: &str) -> Error {
    let text = if REFUSED.iter().any(|refused| command.starts_with(refused)) {
        format!("{command} is disabled: this guest has no users and shows no files to the host")
    } else {
        let shown: String = command.chars().take(64).collect();
        format!("{shown} is not known; guest-info lists the commands")
    };
    Error { class: "CommandNotFound", text }
}

fn info() -> Value {
    let command = |name: &&str| json!({"name": name, "enabled": true, "success-response": *name != SHUTDOWN});
    json!({
        "version": env!("CARGO_PKG_VERSION"),
        "supported_commands": COMMANDS.iter().map(command).collect::<Vec<_>>(),
    })
}

/// The integer that proves to a client that the reply is to its own request.
fn sync_id(arguments: &Map<String, Value>) -> Result<Value, Error> {
    match arguments.get("id") {
        Some(id) if id.is_i64() || id.is_u64() => Ok(id.clone()),
        Some(_) => Err(error("the argument 'id' is an integer")),
        None => Err(error("the argument 'id' is missing")),
    }
}

fn shutdown_mode(arguments: &Map<String, Value>) -> Result<Shutdown, Error> {
    match arguments.get("mode").map(Value::as_str) {
        None | Some(Some("powerdown" | "halt")) => Ok(Shutdown::PowerOff),
        Some(Some("reboot")) => Ok(Shutdown::Reboot),
        Some(_) => Err(error("the argument 'mode' is one of powerdown, reboot, halt")),
    }
}
