//! `guest-exec` of `unbound-control` and `log`: what a host can start here, and nothing is started. The words of the first
//! go to the server's control socket, and what the server answers is the output; that of the second is the last lines of
//! the log.

use super::commands::Run;
use crate::machine::journal;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use runbound::control::Question;
use serde_json::{Value, json};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Receiver, TryRecvError};
use std::thread;
use std::time::Duration;

/// Runs whose status the host has not asked for since they ended; the oldest makes way.
const RUNS: usize = 8;
/// Most octets of an answer, as QEMU's agent has it.
const OUTPUT_MAX: usize = 16 << 20;
/// How long the server may take between two parts of its answer. A reload of a large configuration takes seconds.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a run wrote.
struct Output {
    octets: Vec<u8>,
    failed: bool,
    /// There was no more of it than is taken.
    is_whole: bool,
}

/// What was started and is not forgotten.
#[derive(Default)]
pub(super) struct Runs {
    last: i64,
    under_way: Vec<(i64, Receiver<io::Result<Output>>)>,
}

impl Runs {
    /// Reads the log, or sends a command to the server at `socket`, on a thread of its own; returns the number its status is
    /// asked by.
    pub(super) fn start(&mut self, run: Run, socket: &Path) -> Result<Value, String> {
        let (tell, done) = mpsc::channel();
        match run {
            // The host may never ask, here and below.
            Run::Log(lines) => {
                drop(tell.send(Ok(Output { octets: journal::last(lines).into(), failed: false, is_whole: true })))
            }
            Run::Control { words, input } => {
                let socket = PathBuf::from(socket);
                thread::Builder::new()
                    .name("control".into())
                    .spawn(move || drop(tell.send(ask(&socket, &words, input.as_deref()))))
                    .map_err(|cause| format!("no thread for it: {cause}"))?;
            }
        }
        self.last += 1;
        if self.under_way.len() >= RUNS {
            self.under_way.remove(0);
        }
        self.under_way.push((self.last, done));
        Ok(json!({"pid": self.last}))
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

fn ask(socket: &Path, words: &str, input: Option<&[u8]>) -> io::Result<Output> {
    let answer = Question::ask(socket, words, input, OUTPUT_MAX)?.wait(PATIENCE)?;
    Ok(Output { failed: answer.octets.starts_with(b"error"), octets: answer.octets, is_whole: answer.is_whole })
}
