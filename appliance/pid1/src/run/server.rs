//! The server as a child process: started, watched, started again when it ends.

use crate::machine::journal;
use crate::service::HEALTHY;
use rustix::event::PollFlags;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{OFlags, fcntl_setfl};
use rustix::io::Errno;
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{Pid, Signal, WaitStatus, kill_process};
use std::io;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Where the initramfs has the server.
const PROGRAM: &str = "/bin/runbound";
/// First and longest pause before the next start.
const FIRST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(30);
/// How long one that is to start anew may take to end: it answers what it has and gives interfaces back, whose drivers may
/// take seconds for that.
const GRACE: Duration = Duration::from_secs(10);
/// How long after its start one may not answer yet.
const STARTING: Duration = Duration::from_secs(10);
/// A longer line is cut.
const LINE: usize = 4096;
/// Octets of one read, and reads at one turn: a server that writes without end does not keep PID 1.
const CHUNK: usize = 4096;
const READS: usize = 16;
/// Reads when it has ended: more than a pipe holds.
const LAST_READS: usize = 64;

/// The server, running or about to.
pub struct Server {
    /// The program.
    program: PathBuf,
    /// The configuration it reads.
    entry: PathBuf,
    child: Option<Child>,
    /// When to start it, while it is down.
    next: Option<Instant>,
    pause: Duration,
    /// It is to be started after an end that nobody wanted.
    ended: bool,
    /// Such starts so far.
    restarts: u32,
    /// Ends one after the other that nobody wanted, each before it was healthy.
    early: u32,
    /// It was told to end so that it starts anew.
    ending: Option<Ending>,
    /// The machine goes down: it is not to be started any more.
    retired: bool,
}

struct Ending {
    /// When it is killed if it still runs; `None` when it was.
    kill_at: Option<Instant>,
}

struct Child {
    pid: Pid,
    since: Instant,
    log: OwnedFd,
    line: Vec<u8>,
}

impl Server {
    /// A server that starts at the first turn.
    pub fn new(entry: &Path, now: Instant) -> Self {
        Self {
            program: PROGRAM.into(),
            entry: entry.to_owned(),
            child: None,
            next: Some(now),
            pause: FIRST,
            ended: false,
            restarts: 0,
            early: 0,
            ending: None,
            retired: false,
        }
    }

    /// Its process id while it runs.
    pub fn pid(&self) -> Option<Pid> {
        self.child.as_ref().map(|child| child.pid)
    }

    /// Starts after an end that nobody wanted.
    pub fn restarts(&self) -> u32 {
        self.restarts
    }

    /// Whether it is about to start, for the first time or because somebody wants it anew, or may not be ready yet.
    pub fn is_starting(&self, now: Instant) -> bool {
        match &self.child {
            Some(child) => self.ending.is_some() || now.saturating_duration_since(child.since) < STARTING,
            None => self.next.is_some_and(|next| next <= now),
        }
    }

    /// What it writes.
    pub fn fd(&self) -> Option<BorrowedFd<'_>> {
        self.child.as_ref().map(|child| child.log.as_fd())
    }

    /// When to be turned.
    pub fn deadline(&self) -> Option<Instant> {
        self.next.or(self.ending.as_ref().and_then(|ending| ending.kill_at))
    }

    /// How often it died soon after its start, one time after the other, since it was given another configuration.
    pub fn early_ends(&self) -> u32 {
        self.early
    }

    /// Starts it when it is time, kills it when it does not end in time; relays what it wrote. Whether it was started.
    pub fn turn(&mut self, readiness: PollFlags, now: Instant) -> bool {
        if let Some(child) = self.child.as_mut().filter(|_| !readiness.is_empty()) {
            child.relay(READS, journal::relay);
        }
        self.kill_when_due(now);
        if self.child.is_none() && self.next.is_some_and(|next| now >= next) {
            self.next = None;
            return self.start(now);
        }
        false
    }

    fn start(&mut self, now: Instant) -> bool {
        match spawn(&self.program, &self.entry, now) {
            Ok(child) => {
                self.restarts += u32::from(std::mem::take(&mut self.ended));
                log::info!("server started, process {}", child.pid.as_raw_nonzero());
                self.child = Some(child);
            }
            Err(cause) => {
                log::error!("the server cannot be started: {cause}");
                self.again(now);
            }
        }
        self.child.is_some()
    }

    /// A child was reaped: when it is the server, it is to be started again.
    pub fn reaped(&mut self, pid: Pid, status: WaitStatus, now: Instant) {
        let Some(mut child) = self.child.take_if(|child| child.pid == pid) else { return };
        child.relay(LAST_READS, journal::relay);
        child.end(journal::relay);
        if self.retired {
            return;
        }
        if self.ending.take().is_some() {
            self.next = Some(now);
            return;
        }
        // One that ends in order was told to, as by unbound-control stop.
        self.ended = status.exit_status() != Some(0);
        let age = now.saturating_duration_since(child.since);
        if age >= HEALTHY {
            (self.pause, self.early) = (FIRST, 0);
        } else {
            self.early = self.early.saturating_add(1);
        }
        let how = match (status.exit_status(), status.terminating_signal()) {
            (Some(code), _) => format!("with status {code}"),
            (_, Some(signal)) => format!("by signal {signal}"),
            _ => "in an unknown way".to_owned(),
        };
        log::warn!("the server ended {how} after {} s; it starts again in {} s", age.as_secs(), self.pause.as_secs());
        self.again(now);
    }

    fn again(&mut self, now: Instant) {
        self.next = Some(now + self.pause);
        self.pause = (self.pause * 2).min(LONGEST);
    }

    /// What it reads from its next start on.
    pub fn reads(&mut self, entry: &Path) {
        self.entry = entry.to_owned();
    }

    /// Ends it so that it starts anew, at once.
    pub fn restart(&mut self, now: Instant) {
        self.pause = FIRST;
        if self.pid().is_none() {
            self.next = Some(now);
        }
        self.renew(now);
    }

    /// Ends it so that it starts anew; it is killed when it has not ended after [`GRACE`]. One that is down starts when it
    /// would.
    pub fn renew(&mut self, now: Instant) {
        self.forgive();
        if self.pid().is_some() {
            self.ending.get_or_insert(Ending { kill_at: Some(now + GRACE) });
            self.signal(Signal::TERM);
        }
    }

    fn kill_when_due(&mut self, now: Instant) {
        let Some(ending) = &mut self.ending else { return };
        if ending.kill_at.take_if(|at| now >= *at).is_some() {
            log::warn!("the server does not end within {} s for its restart; killed", GRACE.as_secs());
            self.signal(Signal::KILL);
        }
    }

    /// What it died of so far counts no more: it gets another configuration.
    pub fn forgive(&mut self) {
        self.early = 0;
    }

    /// Sends it a signal while it runs.
    pub fn signal(&self, signal: Signal) {
        if let Some(pid) = self.pid()
            && let Err(cause) = kill_process(pid, signal)
        {
            log::warn!("signal to the server: {cause}");
        }
    }

    /// It is not to be started any more.
    pub fn retire(&mut self) {
        self.retired = true;
        self.next = None;
    }
}

fn spawn(program: &Path, entry: &Path, now: Instant) -> io::Result<Child> {
    let (log, write) = pipe_with(PipeFlags::CLOEXEC)?;
    fcntl_setfl(&log, OFlags::NONBLOCK)?;
    let child = Command::new(program)
        .arg0("runbound")
        .arg("-c")
        .arg(entry)
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(write.try_clone()?)
        .stderr(write)
        .spawn()?;
    let pid =
        i32::try_from(child.id()).ok().and_then(Pid::from_raw).ok_or_else(|| io::Error::other("no process id"))?;
    Ok(Child { pid, since: now, log, line: Vec::new() })
}

impl Child {
    /// Takes in what the server wrote, so many reads of it, and passes on each whole line.
    fn relay(&mut self, reads: usize, mut put: impl FnMut(&str)) {
        let mut buffer = [0u8; CHUNK];
        for _ in 0..reads {
            match rustix::io::read(&self.log, &mut buffer) {
                Err(Errno::INTR) => {}
                Ok(0) | Err(_) => return,
                Ok(length) => {
                    for &octet in buffer.get(..length).unwrap_or_default() {
                        if octet == b'\n' {
                            put(&String::from_utf8_lossy(&self.line));
                            self.line.clear();
                        } else if self.line.len() < LINE {
                            self.line.push(octet);
                        }
                    }
                }
            }
        }
    }

    /// Passes on a last line that was not ended.
    fn end(&self, mut put: impl FnMut(&str)) {
        if !self.line.is_empty() {
            put(&String::from_utf8_lossy(&self.line));
        }
    }
}

#[cfg(test)]
#[path = "server_tests.rs"]
mod tests;
