//! The client's end of the protocol, for what asks the server as unbound-control does: without waiting, or on a thread of
//! its own.

use super::request::{END_OF_TRANSMISSION, MAGIC_VERSION};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::{AsFd, BorrowedFd};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};
use std::io;
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

/// Octets of one read.
const CHUNK: usize = 16 * 1024;

/// A request under way.
pub struct Question {
    socket: UnixStream,
    unsent: Vec<u8>,
    reply: Vec<u8>,
    /// Most octets of a reply.
    most: usize,
}

/// How far a request has come.
#[derive(Debug)]
pub enum Progress {
    /// The reply is not whole yet.
    Waiting,
    /// The whole reply.
    Done(Vec<u8>),
    /// As much of a longer reply as is taken.
    TooLong(Vec<u8>),
    /// There will be none.
    Failed(io::Error),
}

impl Question {
    /// Asks the server whose control socket is at `path`: the command `words`, and behind them lines of `data`, for a
    /// command that reads some. At most so many octets of the reply are taken.
    ///
    /// # Errors
    /// Nobody listens there, or too many wait already.
    pub fn ask(path: &Path, words: &str, data: Option<&[u8]>, most: usize) -> io::Result<Self> {
        let address = SocketAddrUnix::new(path)?;
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let socket = rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
        // A local socket is connected at once or not at all.
        rustix::net::connect(&socket, &address)?;
        let mut question = Self { socket: socket.into(), unsent: request(words, data), reply: Vec::new(), most };
        // A new one takes a short request whole.
        match question.send() {
            Ok(()) | Err(Errno::AGAIN) => Ok(question),
            Err(cause) => Err(cause.into()),
        }
    }

    /// The descriptor to poll, for [`Question::interest`].
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    /// What [`Question::advance`] waits for.
    pub fn interest(&self) -> PollFlags {
        if self.unsent.is_empty() { PollFlags::IN } else { PollFlags::OUT }
    }

    /// Sends what the server takes, and reads what has come.
    pub fn advance(&mut self) -> Progress {
        match self.send().and_then(|()| self.receive()) {
            Ok(progress) => progress,
            Err(Errno::AGAIN) => Progress::Waiting,
            Err(cause) => Progress::Failed(cause.into()),
        }
    }

    /// Waits for the reply, so long for each part of it.
    ///
    /// # Errors
    /// Those of the socket; [`io::ErrorKind::TimedOut`].
    pub fn wait(mut self, patience: Duration) -> io::Result<Answer> {
        let patience = Timespec::try_from(patience).map_err(io::Error::other)?;
        loop {
            match self.advance() {
                Progress::Done(octets) => return Ok(Answer { octets, is_whole: true }),
                Progress::TooLong(octets) => return Ok(Answer { octets, is_whole: false }),
                Progress::Failed(cause) => return Err(cause),
                Progress::Waiting => {}
            }
            match poll(&mut [PollFd::new(&self.socket, self.interest())], Some(&patience)) {
                Ok(0) => return Err(io::ErrorKind::TimedOut.into()),
                Ok(_) | Err(Errno::INTR) => {}
                Err(cause) => return Err(cause.into()),
            }
        }
    }

    fn send(&mut self) -> Result<(), Errno> {
        while !self.unsent.is_empty() {
            match rustix::io::write(&self.socket, &self.unsent) {
                Ok(length) => drop(self.unsent.drain(..length)),
                Err(Errno::INTR) => {}
                // It has replied to the start of the request and closed: that is read next.
                Err(Errno::PIPE) => self.unsent.clear(),
                Err(cause) => return Err(cause),
            }
            if self.unsent.is_empty() {
                // Fails where the other end has closed.
                let _ = self.socket.shutdown(Shutdown::Write);
            }
        }
        Ok(())
    }

    fn receive(&mut self) -> Result<Progress, Errno> {
        let mut chunk = [0; CHUNK];
        loop {
            let length = match rustix::io::read(&self.socket, &mut chunk) {
                Ok(0) => return Ok(Progress::Done(std::mem::take(&mut self.reply))),
                Ok(length) => length,
                Err(Errno::INTR) => continue,
                Err(cause) => return Err(cause),
            };
            let room = self.most - self.reply.len();
            self.reply.extend_from_slice(chunk.get(..length.min(room)).unwrap_or_default());
            if length > room {
                return Ok(Progress::TooLong(std::mem::take(&mut self.reply)));
            }
        }
    }
}

/// What the server answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Its octets.
    pub octets: Vec<u8>,
    /// It was not longer than what is taken.
    pub is_whole: bool,
}

/// The octets of a request.
fn request(words: &str, data: Option<&[u8]>) -> Vec<u8> {
    let mut octets = [MAGIC_VERSION, words.as_bytes(), b"\n"].concat();
    if let Some(data) = data {
        octets.extend_from_slice(data);
        octets.extend_from_slice(END_OF_TRANSMISSION);
        octets.push(b'\n');
    }
    octets
}

#[cfg(test)]
mod tests {
    use super::super::request::{Batch, Request, RequestReader, Step};
    use super::*;
    use std::io::{Read, Write};
    use std::os::unix::net::UnixListener;

    /// A question, and the server's end of it.
    fn asked(name: &str, data: Option<&[u8]>, most: usize) -> (Question, UnixStream) {
        let path = std::env::temp_dir().join(format!("runbound-client-{name}-{}", std::process::id()));
        let listener = UnixListener::bind(&path).unwrap();
        let question = Question::ask(&path, "status", data, most).unwrap();
        std::fs::remove_file(&path).unwrap();
        (question, listener.accept().unwrap().0)
    }

    #[test]
    fn what_is_sent_is_the_request_that_the_server_reads() {
        let read = |words: &str, data: Option<&[u8]>| RequestReader::default().feed(&request(words, data), 1 << 20);
        assert_eq!(read("status", None), Step::Run(Request::Line("status".into())));
        let lines = b"a. static\nb. deny\n";
        assert_eq!(read("local_zones", Some(lines)), Step::Run(Request::Batch(Batch::Zones, lines.to_vec())));
    }

    #[test]
    fn a_reply_is_read_in_parts_to_its_end() {
        let (mut question, mut server) = asked("parts", None, 1000);
        assert!(matches!(question.advance(), Progress::Waiting));
        let mut request = String::new();
        server.read_to_string(&mut request).unwrap();
        assert_eq!(request, "UBCT1 status\n");
        server.write_all(b"a=1\nb=").unwrap();
        assert!(matches!(question.advance(), Progress::Waiting));
        server.write_all(b"2\n").unwrap();
        drop(server);
        assert!(matches!(question.advance(), Progress::Done(reply) if reply == b"a=1\nb=2\n"));
    }

    #[test]
    fn a_long_request_is_sent_as_the_server_takes_it() {
        let data = vec![b'x'; 4 << 20];
        let (question, mut server) = asked("long", Some(&data), 1000);
        let taker = std::thread::spawn(move || {
            let mut octets = Vec::new();
            server.read_to_end(&mut octets).unwrap();
            server.write_all(b"ok\n").unwrap();
            octets.len()
        });
        let answer = question.wait(Duration::from_secs(60)).unwrap();
        assert_eq!(answer, Answer { octets: b"ok\n".to_vec(), is_whole: true });
        assert_eq!(taker.join().unwrap(), b"UBCT1 status\n".len() + data.len() + 2);
    }

    #[test]
    fn a_reply_without_end_is_cut_and_a_silent_server_given_up() {
        let (question, mut server) = asked("endless", None, 100);
        server.write_all(&[b'x'; 101]).unwrap();
        assert_eq!(
            question.wait(Duration::from_secs(60)).unwrap(),
            Answer { octets: vec![b'x'; 100], is_whole: false }
        );
        let (question, _server) = asked("silent", None, 100);
        assert_eq!(question.wait(Duration::from_millis(1)).unwrap_err().kind(), io::ErrorKind::TimedOut);
        assert!(Question::ask(Path::new("/nobody/listens"), "status", None, 1).is_err());
    }
}
