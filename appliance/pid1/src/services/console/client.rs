//! Asks the server for its counters over the control socket, without waiting for it.

use runbound::control;
use rustix::fd::{AsFd, BorrowedFd};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

/// Most octets of a reply: extended statistics of a few threads and interfaces have 30,000.
const REPLY_MAX: usize = 512 * 1024;
/// How long a reply may take.
const PATIENCE: Duration = Duration::from_secs(2);

/// A question under way.
pub(super) struct Question {
    socket: UnixStream,
    reply: Vec<u8>,
    deadline: Instant,
}

/// How far a question has come.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Progress {
    /// The reply is not whole yet.
    Waiting,
    /// The whole reply.
    Done(String),
    /// There will be none.
    Failed,
}

impl Question {
    /// Asks the server at `path`; `None` when nobody listens or its backlog is full.
    pub(super) fn ask(path: &Path, now: Instant) -> Option<Question> {
        let address = SocketAddrUnix::new(path).ok()?;
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let socket = rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None).ok()?;
        // A local socket is connected at once or not at all, and an empty one takes the few octets.
        rustix::net::connect(&socket, &address).ok()?;
        let mut socket = UnixStream::from(socket);
        control::send(&mut socket, "stats_noreset", None).ok()?;
        Some(Question { socket, reply: Vec::new(), deadline: now + PATIENCE })
    }

    pub(super) fn fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    pub(super) fn deadline(&self) -> Instant {
        self.deadline
    }

    /// Reads what has come.
    pub(super) fn advance(&mut self, now: Instant) -> Progress {
        let mut chunk = [0; 16 * 1024];
        loop {
            match rustix::io::read(&self.socket, &mut chunk) {
                Ok(0) => return Progress::Done(String::from_utf8_lossy(&self.reply).into_owned()),
                Ok(len) if self.reply.len() + len <= REPLY_MAX => {
                    self.reply.extend_from_slice(chunk.get(..len).unwrap_or_default());
                }
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) if now < self.deadline => return Progress::Waiting,
                _ => return Progress::Failed,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::os::unix::net::UnixListener;

    fn path(name: &str) -> std::path::PathBuf {
        std::env::temp_dir().join(format!("runbound-console-{name}-{}", std::process::id()))
    }

    #[test]
    fn a_reply_is_read_in_parts_to_its_end() {
        let path = path("parts");
        let listener = UnixListener::bind(&path).unwrap();
        let now = Instant::now();
        let mut question = Question::ask(&path, now).unwrap();
        std::fs::remove_file(&path).unwrap();
        let (mut server, _) = listener.accept().unwrap();
        let mut request = [0; 20];
        server.read_exact(&mut request).unwrap();
        assert_eq!(&request, b"UBCT1 stats_noreset\n");
        assert_eq!(question.advance(now), Progress::Waiting);
        server.write_all(b"a=1\nb=").unwrap();
        assert_eq!(question.advance(now), Progress::Waiting);
        server.write_all(b"2\n").unwrap();
        drop(server);
        assert_eq!(question.advance(now), Progress::Done("a=1\nb=2\n".into()));
    }

    #[test]
    fn a_server_that_is_silent_or_not_there_costs_no_wait() {
        let path = path("silent");
        assert!(Question::ask(&path, Instant::now()).is_none());
        let _listener = UnixListener::bind(&path).unwrap();
        let now = Instant::now();
        let mut question = Question::ask(&path, now).unwrap();
        std::fs::remove_file(&path).unwrap();
        assert_eq!(question.advance(now), Progress::Waiting);
        assert_eq!(question.advance(question.deadline()), Progress::Failed);
    }

    #[test]
    fn a_reply_without_end_is_given_up() {
        let path = path("endless");
        let listener = UnixListener::bind(&path).unwrap();
        let mut question = Question::ask(&path, Instant::now()).unwrap();
        std::fs::remove_file(&path).unwrap();
        let (mut server, _) = listener.accept().unwrap();
        server.set_nonblocking(true).unwrap();
        for _ in 0..10_000 {
            // Fails once the socket is full, and when the other end has closed.
            let _ = server.write(&[b'x'; 16 * 1024]);
            if question.advance(Instant::now()) == Progress::Failed {
                return;
            }
            assert!(question.reply.len() <= REPLY_MAX);
        }
        panic!("never given up");
    }
}
