//! The control socket: bound, polled by its owner, removed at the end.

use super::backend::Backend;
use super::command;
use super::connection::Connection;
use crate::stats::Snapshot;
use crate::sys::place::{self, Place, PlaceError};
use rustix::event::{PollFd, PollFlags};
use rustix::fs::{FileType, Mode, Stat};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, sockopt};
use std::fmt;
use std::io;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Clients served at a time, as Unbound has it; more wait in the socket's backlog.
const MAX_CONNECTIONS: usize = 10;
/// Octets held for all clients together: lines of a batch, or a reply not yet taken.
const HELD_MAX: usize = 128 << 20;
/// A line and a short reply, granted to every client however much the others hold.
const HELD_MIN: usize = 256 << 10;
const BACKLOG: i32 = 16;
/// How long the listener is left alone after the system had no descriptor for a client.
const ACCEPT_PAUSE: Duration = Duration::from_secs(1);

/// The server end of the control socket.
///
/// The owner polls [`ControlServer::poll_fds`] until [`ControlServer::deadline`] and then calls [`ControlServer::handle`],
/// which looks at every client itself, so that calling it too often does no harm.
pub struct ControlServer {
    listener: UnixListener,
    path: PathBuf,
    /// Device and inode of the socket file, to remove no other.
    identity: (u64, u64),
    connections: Vec<Connection>,
    accept_paused_until: Option<Instant>,
    /// What `stats` counts from.
    base: Option<Snapshot>,
}

/// Why the control socket cannot be had.
#[derive(Debug)]
pub struct BindError {
    path: PathBuf,
    reason: Reason,
}

#[derive(Debug)]
enum Reason {
    /// A server answers there; its process, when the kernel tells.
    Taken(Option<i32>),
    NotASocket,
    Place(PlaceError),
    System(&'static str, io::Error),
}

impl fmt::Display for BindError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.display();
        write!(f, "control-interface {path}: ")?;
        match &self.reason {
            Reason::Taken(Some(pid)) => {
                write!(f, "process {pid} listens on it; stop that process, or give this server a path of its own")
            }
            Reason::Taken(None) => {
                write!(f, "another server listens on it; stop that server, or give this one a path of its own")
            }
            Reason::NotASocket => {
                write!(f, "a file that is no socket is in the way; move it, or give the socket another path")
            }
            Reason::Place(PlaceError::System(error)) => write!(f, "{error}; check that its directory is there"),
            Reason::Place(error) => error.fmt(f),
            Reason::System(call, error) => {
                write!(f, "{call}: {error}; check that its directory is there and writable, and that the path is short")
            }
        }
    }
}

impl std::error::Error for BindError {}

impl ControlServer {
    /// Binds the socket file `path` with mode 0660 and listens. One left by a server that is gone is replaced.
    pub fn bind(path: &Path) -> Result<ControlServer, BindError> {
        let fail = |reason| BindError { path: path.to_owned(), reason };
        // Where clients are to connect to must fit, however it is bound.
        SocketAddrUnix::new(path).map_err(|error| fail(Reason::System("path", error.into())))?;
        let place = Place::find(path).map_err(|error| fail(Reason::Place(error)))?;
        remove_stale(&place).map_err(fail)?;
        let (listener, stat) = listen(&place).map_err(|(call, error)| fail(Reason::System(call, error)))?;
        Ok(ControlServer {
            listener,
            path: path.to_owned(),
            identity: place::identity(&stat),
            connections: Vec::new(),
            accept_paused_until: None,
            base: None,
        })
    }

    /// The socket file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What to poll: at most eleven descriptors, level-triggered.
    pub fn poll_fds(&self) -> impl Iterator<Item = PollFd<'_>> {
        let listening = self.connections.len() < MAX_CONNECTIONS && self.accept_paused_until.is_none();
        let listener = listening.then(|| PollFd::new(&self.listener, PollFlags::IN));
        listener.into_iter().chain(self.connections.iter().map(Connection::poll_fd))
    }

    /// When [`ControlServer::handle`] is due even if no descriptor is ready.
    pub fn deadline(&self) -> Option<Instant> {
        self.connections.iter().map(Connection::deadline).chain(self.accept_paused_until).min()
    }

    /// Where the socket file is inside of the chroot that this process has entered.
    pub fn moved(&mut self, path: PathBuf) {
        self.path = path;
    }

    /// Removes the socket file, unless another has its path by then. It may be gone, and its folder with it.
    fn remove(&self) -> io::Result<()> {
        let found = Place::find(&self.path).map_err(io::Error::from).and_then(|place| Ok((place.stat()?, place)));
        match found {
            Ok((stat, place)) if place::identity(&stat) == self.identity => place.remove(),
            Err(cause) if cause.kind() != io::ErrorKind::NotFound => Err(cause),
            _ => Ok(()),
        }
    }

    /// Serves every client as far as that goes without waiting for it. Commands run here, one after the other.
    pub fn handle(&mut self, now: Instant, backend: &mut dyn Backend) {
        for place in 0..self.connections.len() {
            self.advance(place, now, backend);
        }
        self.connections.retain(|connection| !connection.is_closed());
        self.accept_paused_until = self.accept_paused_until.filter(|until| *until > now);
        while self.connections.len() < MAX_CONNECTIONS && self.accept_paused_until.is_none() {
            if !self.accept(now) {
                break;
            }
            self.advance(self.connections.len() - 1, now, backend);
            self.connections.retain(|connection| !connection.is_closed());
        }
    }

    fn advance(&mut self, place: usize, now: Instant, backend: &mut dyn Backend) {
        let held: usize = self.connections.iter().map(Connection::held).sum();
        let Some(connection) = self.connections.get_mut(place) else { return };
        let room = HELD_MAX.saturating_sub(held - connection.held()).max(HELD_MIN);
        let base = &mut self.base;
        connection.advance(now, room, &mut |request| command::carry_out(request, backend, base, room));
    }

    /// Takes one client from the backlog; `false` when there is none to take.
    fn accept(&mut self, now: Instant) -> bool {
        match self.listener.accept() {
            Ok((stream, _)) => match stream.set_nonblocking(true) {
                Ok(()) => {
                    self.connections.push(Connection::new(stream, now));
                    true
                }
                Err(_) => false,
            },
            Err(error) => {
                if !matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) {
                    log::warn!("control-interface {}: accept: {error}; trying again in a second", self.path.display());
                    self.accept_paused_until = Some(now + ACCEPT_PAUSE);
                }
                false
            }
        }
    }
}

impl Drop for ControlServer {
    fn drop(&mut self) {
        if let Err(cause) = self.remove() {
            place::stays_behind("control-interface", &self.path, &cause);
        }
    }
}

/// Removes a socket file on which nobody listens.
fn remove_stale(place: &Place) -> Result<(), Reason> {
    let system = |call| move |error: io::Error| Reason::System(call, error);
    match place.stat() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(system("lstat")(error)),
        Ok(stat) if FileType::from_raw_mode(stat.st_mode) != FileType::Socket => return Err(Reason::NotASocket),
        Ok(_) => {}
    }
    let address = SocketAddrUnix::new(place.call_path()).map_err(|error| system("path")(error.into()))?;
    let probe = stream_socket().map_err(|error| system("socket")(error.into()))?;
    match rustix::net::connect(&probe, &address) {
        Ok(()) => Err(Reason::Taken(sockopt::socket_peercred(&probe).ok().map(|peer| peer.pid.as_raw_nonzero().get()))),
        // Its backlog is full.
        Err(rustix::io::Errno::AGAIN) => Err(Reason::Taken(None)),
        Err(rustix::io::Errno::CONNREFUSED) => place.remove().map_err(system("unlink")),
        Err(error) => Err(system("connect")(error.into())),
    }
}

fn stream_socket() -> rustix::io::Result<rustix::fd::OwnedFd> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)
}

/// Binds and listens; the mode is set in between, when nobody can connect yet.
fn listen(place: &Place) -> Result<(UnixListener, Stat), (&'static str, io::Error)> {
    let failed = |call| move |error: rustix::io::Errno| (call, error.into());
    let address = SocketAddrUnix::new(place.call_path()).map_err(failed("path"))?;
    let socket = stream_socket().map_err(failed("socket"))?;
    rustix::net::bind(&socket, &address).map_err(failed("bind"))?;
    let stat = place.stat().map_err(|error| ("lstat", error))?;
    let mode = Mode::RUSR | Mode::WUSR | Mode::RGRP | Mode::WGRP;
    place.set_mode(&stat, mode).map_err(|error| ("chmod", error))?;
    rustix::net::listen(&socket, BACKLOG).map_err(failed("listen"))?;
    Ok((UnixListener::from(socket), stat))
}

#[cfg(test)]
#[path = "server_tests.rs"]
mod tests;
