//! `guest-exec` of `unbound-control` and `log`: what a host can start here, and nothing is started. The words of the first
//! go to the server's control socket, and what the server answers is the output, but for `backup -`, which is read and
//! packed here; that of the second is the last lines of the log.

use super::commands::Run;
use crate::configuration::archive;
use crate::machine::journal;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use runbound::control::Question;
use runbound::host::memory;
use serde_json::{Value, json};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Receiver, TryRecvError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// Runs whose status the host has not asked for since they ended; the oldest makes way.
const RUNS: usize = 8;
/// Most octets of an answer, as QEMU's agent has it.
const OUTPUT_MAX: usize = 16 << 20;
/// The part of the memory that a backup may take: it is there several times on its way.
const PART: u64 = 32;
/// With little memory no less than a configuration without lists needs.
const BACKUP_MIN: usize = 64 << 10;
/// How long the server may take between two parts of its answer. A reload of a large configuration takes seconds.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a run wrote.
struct Output {
    octets: Vec<u8>,
    failed: bool,
    /// What else there is to know: the standard error output of a program.
    aside: String,
    /// There was no more of it than is taken.
    is_whole: bool,
}

impl Output {
    /// All of an output.
    fn of(octets: Vec<u8>, failed: bool) -> Self {
        Self { octets, failed, aside: String::new(), is_whole: true }
    }
}

/// What runs need.
#[derive(Clone, Copy)]
pub(super) struct Places<'a> {
    /// The server's control socket.
    pub control: &'a Path,
    /// The configuration's folder.
    pub data: &'a Path,
}

/// What was started and is not forgotten.
#[derive(Default)]
pub(super) struct Runs {
    last: i64,
    under_way: Vec<(i64, Receiver<io::Result<Output>>)>,
    /// The last backup, and its number.
    backup: Option<(i64, JoinHandle<()>)>,
}

impl Runs {
    /// Reads the log; or packs a backup, or sends a command to the server, on a thread of its own. Returns the number its
    /// status is asked by.
    pub(super) fn start(&mut self, run: Run, at: Places<'_>) -> Result<Value, String> {
        let (tell, done) = mpsc::channel();
        match run {
            // The host may never ask, here and below.
            Run::Log(lines) => drop(tell.send(Ok(Output::of(journal::last(lines).into(), false)))),
            Run::Backup => {
                self.make_room_for_backup()?;
                let folder = PathBuf::from(at.data);
                let thread = in_background("backup", move || drop(tell.send(Ok(back_up(&folder)))))?;
                self.backup = Some((self.last + 1, thread));
            }
            Run::Control { words, input } => {
                let socket = PathBuf::from(at.control);
                in_background("control", move || drop(tell.send(ask(&socket, &words, input.as_deref()))))?;
            }
        }
        self.last += 1;
        if self.under_way.len() >= RUNS {
            self.under_way.remove(0);
        }
        self.under_way.push((self.last, done));
        Ok(json!({"pid": self.last}))
    }

    /// One at a time is packed, and one that nobody fetched gives way: each may be large.
    fn make_room_for_backup(&mut self) -> Result<(), String> {
        let Some((number, thread)) = &self.backup else { return Ok(()) };
        if !thread.is_finished() {
            return Err(format!("a backup is under way, number {number}"));
        }
        self.under_way.retain(|(run, _)| run != number);
        Ok(())
    }

    /// How far a run has come. One that has ended is forgotten with this.
    pub(super) fn status(&mut self, pid: i64) -> Result<Value, String> {
        let at = self.under_way.iter().position(|(number, _)| *number == pid);
        let at = at.ok_or_else(|| format!("no run has the number {pid}, or its status was asked for before"))?;
        let Some((_, done)) = self.under_way.get(at) else { return Err("gone".into()) };
        let outcome = match done.try_recv() {
            Err(TryRecvError::Empty) => return Ok(json!({"exited": false})),
            Err(TryRecvError::Disconnected) => Err(io::Error::other("the thread ended")),
            Ok(outcome) => outcome,
        };
        self.under_way.remove(at);
        Ok(match outcome {
            Ok(output) => {
                let mut status = json!({"exited": true, "exitcode": i32::from(output.failed)});
                status["out-data"] = BASE64_STANDARD.encode(output.octets).into();
                if !output.aside.is_empty() {
                    status["err-data"] = BASE64_STANDARD.encode(output.aside).into();
                }
                if !output.is_whole {
                    status["out-truncated"] = true.into();
                }
                status
            }
            Err(cause) => {
                let text = format!("error: the server does not answer its control socket: {cause}\n");
                json!({"exited": true, "exitcode": 1, "err-data": BASE64_STANDARD.encode(text)})
            }
        })
    }
}

fn in_background(name: &str, work: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, String> {
    thread::Builder::new().name(name.into()).spawn(work).map_err(|cause| format!("no thread for it: {cause}"))
}

/// The configuration in `folder`, or why not, in the words of a control socket.
fn back_up(folder: &Path) -> Output {
    let most = usize::try_from(memory() / PART).unwrap_or(OUTPUT_MAX).clamp(BACKUP_MIN, OUTPUT_MAX);
    match archive::text(folder, most) {
        Ok((octets, notes)) => {
            let aside = notes.iter().map(|note| format!("note: {note}\n")).collect();
            Output { aside, ..Output::of(octets, false) }
        }
        Err(cause) => Output::of(format!("error {cause}\n").into(), true),
    }
}

fn ask(socket: &Path, words: &str, input: Option<&[u8]>) -> io::Result<Output> {
    let answer = Question::ask(socket, words, input, OUTPUT_MAX)?.wait(PATIENCE)?;
    let failed = answer.octets.starts_with(b"error");
    Ok(Output { is_whole: answer.is_whole, ..Output::of(answer.octets, failed) })
}
