//! The QEMU guest agent: the hypervisor asks for the addresses, for a clean disk, for a shutdown.
//!
//! The port (a virtio-serial port named `org.qemu.guest_agent.0`) hangs up while no client is connected at the host's side,
//! and poll(2) tells so for as long as it lasts. Edge-triggered epoll tells it once, and wakes when the next client comes.
//! What the next client sent may be read, and answered, before the hang-up behind the last one is told. So a hang-up ends
//! nothing: what was asked is answered, and a client tells by its sync which answers are its own.

mod commands;
mod exec;
#[cfg(test)]
mod exec_tests;
mod framer;
mod system;
#[cfg(test)]
mod system_tests;
#[cfg(test)]
mod tests;

use crate::configuration::store::DATA;
use crate::service::{Event, Service, Status};
use commands::{Guest, Outcome, Run, Shutdown};
use exec::{Places, Runs};
use framer::{Framer, Piece};
use runbound::host::memory;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::event::{PollFlags, Timespec};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Receiver, TryRecvError};
use std::thread;
use std::time::{Duration, Instant};

const CHUNK: usize = 4096;
/// Chunks read in one turn, so that one talkative host does not keep PID 1.
const CHUNKS_AT_ONCE: usize = 16;
/// With so many octets of replies unread by the host, no further request is read.
const REPLIES_MAX: usize = 64 * 1024;
/// Between two looks whether the disk has its data.
const SYNC_LOOK: Duration = Duration::from_millis(20);
/// How long a freeze waits for the disk: less than Proxmox's and libvirt's patience.
const SYNC_PATIENCE: Duration = Duration::from_secs(5);

/// A freeze under way.
struct Syncing {
    done: Receiver<usize>,
    id: Option<serde_json::Value>,
    /// When to look again.
    look: Instant,
    give_up: Instant,
}

/// The agent at its port.
pub struct Agent {
    port: OwnedFd,
    poller: OwnedFd,
    framer: Framer,
    pieces: VecDeque<Piece>,
    replies: VecDeque<u8>,
    syncing: Option<Syncing>,
    /// Since when there may be more to read although no edge will tell.
    unread: Option<Instant>,
    guest: Box<dyn Guest>,
    runs: Runs,
    /// The server's control socket.
    control: PathBuf,
    /// The configuration's folder.
    data: PathBuf,
}

impl Agent {
    /// The agent, where the hypervisor offers a port for it. `None` with a line in the log otherwise: a virtual machine
    /// without the option, or no virtual machine.
    pub fn open() -> Option<Agent> {
        let Some(path) = system::port(Path::new("/")) else {
            log::info!("guest agent: no port for it; in Proxmox: qm set VMID --agent enabled=1, then stop and start");
            return None;
        };
        let flags = OFlags::RDWR | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let port = rustix::fs::open(&path, flags, Mode::empty());
        match port.and_then(|port| Agent::new(port, Box::new(system::System))) {
            Ok(agent) => {
                log::info!("guest agent: answering at {}", path.display());
                Some(agent)
            }
            Err(cause) => {
                log::warn!("guest agent: {}: {cause}; the hypervisor will not see the addresses", path.display());
                None
            }
        }
    }

    /// An agent at an open, non-blocking port.
    fn new(port: OwnedFd, guest: Box<dyn Guest>) -> Result<Agent, Errno> {
        let poller = epoll::create(CreateFlags::CLOEXEC)?;
        let events = EventFlags::IN | EventFlags::OUT | EventFlags::ET;
        epoll::add(&poller, &port, EventData::new_u64(0), events)?;
        let (framer, replies) = (Framer::new(framer::max_request(memory())), VecDeque::new());
        let pieces = VecDeque::new();
        let (runs, control, data) = (Runs::default(), PathBuf::new(), PathBuf::from(DATA));
        Ok(Agent { port, poller, framer, pieces, replies, syncing: None, unread: None, guest, runs, control, data })
    }

    /// Takes an edge of the port.
    fn told(&mut self, flags: EventFlags) {
        if flags.contains(EventFlags::HUP) {
            self.framer.client_may_be_another();
        }
    }

    /// Reads, answers and writes as far as that goes without waiting.
    fn work(&mut self, now: Instant) -> Vec<Event> {
        let mut events = Vec::new();
        self.unread = None;
        for _ in 0..CHUNKS_AT_ONCE {
            if !self.answer(now, &mut events) {
                return events;
            }
            let mut chunk = [0; CHUNK];
            match rustix::io::read(&self.port, &mut chunk) {
                // Nobody at the other end. What was just answered may be the next client's: the kernel hands out what it sent
                // before it says that it is there.
                Ok(0) => return events,
                Ok(len) => self.pieces.extend(self.framer.feed(chunk.get(..len).unwrap_or_default())),
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return events,
                Err(cause) => {
                    let why = format!("guest agent: reading its port: {cause}; it is closed until the next start");
                    events.push(Event::Close(why));
                    return events;
                }
            }
        }
        self.unread = Some(now);
        events
    }

    /// Answers what was read; `false` while the disk or the host has to do its part first.
    fn answer(&mut self, now: Instant, events: &mut Vec<Event>) -> bool {
        loop {
            self.finish_sync(now);
            self.answer_pieces(now, events);
            if !self.send() || self.syncing.is_some() {
                return false;
            }
            if self.pieces.is_empty() {
                return true;
            }
        }
    }

    fn answer_pieces(&mut self, now: Instant, events: &mut Vec<Event>) {
        while self.syncing.is_none() && self.replies.len() < REPLIES_MAX {
            let outcome = match self.pieces.pop_front() {
                None => return,
                Some(Piece::Request(request)) => commands::execute(&request, self.guest.as_ref()),
                Some(Piece::TooLong) => {
                    let limit = self.framer.limit;
                    Outcome::Reply(commands::complaint(&format!("the request is longer than {limit} octets")))
                }
            };
            match outcome {
                Outcome::Reply(reply) => self.reply(&reply),
                Outcome::ReplyDelimited(reply) => {
                    self.replies.push_back(0xFF);
                    self.reply(&reply);
                }
                Outcome::Run(run, id) => {
                    if run.reloads() {
                        events.push(Event::Reload);
                    }
                    let started = self.runs.start(run, Places { control: &self.control, data: &self.data });
                    self.reply(&commands::done(started, id));
                }
                Outcome::RunStatus(pid, id) => {
                    let status = self.runs.status(pid);
                    self.reply(&commands::done(status, id));
                }
                Outcome::Sync(id) => self.syncing = Some(start_sync(id, now)),
                Outcome::Shutdown(Shutdown::PowerOff) => events.push(Event::PowerOff("guest agent: shutdown".into())),
                Outcome::Shutdown(Shutdown::Reboot) => events.push(Event::Reboot("guest agent: reboot".into())),
            }
        }
    }

    fn finish_sync(&mut self, now: Instant) {
        let Some(syncing) = &mut self.syncing else { return };
        let count = match syncing.done.try_recv() {
            Ok(count) => Ok(count),
            Err(TryRecvError::Empty) if now < syncing.give_up => {
                syncing.look = now + SYNC_LOOK;
                return;
            }
            _ => Err("the disk has not taken its data in time".to_owned()),
        };
        if let Err(cause) = &count {
            log::warn!("guest agent: freeze: {cause}; the hypervisor's backup goes on without it");
        }
        let reply = commands::synced(count, syncing.id.take());
        self.syncing = None;
        self.reply(&reply);
    }

    fn reply(&mut self, reply: &serde_json::Value) {
        self.replies.extend(reply.to_string().as_bytes());
        self.replies.push_back(b'\n');
    }

    /// Writes what the host takes; `false` when it has to take some before more is read.
    fn send(&mut self) -> bool {
        while !self.replies.is_empty() {
            match rustix::io::write(&self.port, self.replies.as_slices().0) {
                Ok(len @ 1..) => drop(self.replies.drain(..len)),
                Err(Errno::INTR) => {}
                // No room, or nobody there yet: the port tells when that changes.
                Ok(_) | Err(_) => break,
            }
        }
        self.replies.len() < REPLIES_MAX
    }
}

impl Run {
    /// Whether the server is to read its configuration anew.
    fn reloads(&self) -> bool {
        let Run::Control { words, .. } = self else { return false };
        matches!(words.split(' ').next(), Some("reload" | "reload_keep_cache" | "fast_reload"))
    }
}

/// Syncs on a thread of its own: a disk that stalls must not stall PID 1.
fn start_sync(id: Option<serde_json::Value>, now: Instant) -> Syncing {
    let (tell, done) = mpsc::channel();
    let thread = thread::Builder::new().name("sync".into()).spawn(move || {
        rustix::fs::sync();
        let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap_or_default();
        // The agent may have given up waiting.
        let _ = tell.send(system::writable(&mounts));
    });
    // Without a thread the channel is closed, and the reply says that it did not work.
    drop(thread);
    Syncing { done, id, look: now + SYNC_LOOK, give_up: now + SYNC_PATIENCE }
}

impl Service for Agent {
    fn name(&self) -> &'static str {
        "guest agent"
    }

    fn fd(&self) -> Option<BorrowedFd<'_>> {
        Some(self.poller.as_fd())
    }

    fn deadline(&self) -> Option<Instant> {
        self.unread.or_else(|| self.syncing.as_ref().map(|syncing| syncing.look))
    }

    fn turn(&mut self, _readiness: PollFlags, now: Instant, status: &Status) -> Vec<Event> {
        self.control.clone_from(&status.control_socket);
        let mut edges = [epoll::Event { flags: EventFlags::empty(), data: EventData::new_u64(0) }; 1];
        // Taken before reading: an edge that comes meanwhile wakes the next poll.
        let at_once = Timespec { tv_sec: 0, tv_nsec: 0 };
        let told = epoll::wait(&self.poller, edges.as_mut_slice(), Some(&at_once)).unwrap_or(0);
        let [epoll::Event { flags, .. }] = edges;
        if told > 0 {
            self.told(flags);
        }
        self.work(now)
    }
}
