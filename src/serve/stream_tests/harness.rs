//! A stream server whose worker, and whose clock, is the test.

use super::super::*;
use crate::answer::keepalive::Keepalive;
use crate::ring::spsc;
use crate::sys::socket::{TcpOptions, tcp_listener};
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::sync::atomic::AtomicU64;
use std::thread::JoinHandle;
use std::time::Duration;

/// Only a failing test waits as long.
pub(super) const PATIENCE: Duration = Duration::from_secs(120);

pub(super) struct Harness {
    address: SocketAddr,
    clock: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
    bell: Doorbell,
    worker_bell: Doorbell,
    queries: Consumer<StreamMessage>,
    replies: Producer<StreamMessage>,
    pub(super) last_client: Option<SocketAddr>,
    pub(super) last_local: Option<SocketAddr>,
    pub(super) last_keepalive: Keepalive,
    pub(super) tells_destinations: Arc<AtomicBool>,
    pub(super) stats: Arc<Streams>,
    thread: Option<JoinHandle<io::Result<()>>>,
}

impl Harness {
    pub(super) fn new(options: StreamOptions) -> Self {
        Self::with_rings(options, 64, 256)
    }

    pub(super) fn with_rings(options: StreamOptions, queries: usize, replies: usize) -> Self {
        let listener =
            tcp_listener("127.0.0.1:0".parse().unwrap(), &TcpOptions { backlog: 64, ..TcpOptions::default() }).unwrap();
        let address = rustix::net::getsockname(&listener).unwrap().try_into().unwrap();
        let (to_worker, queries) = spsc::channel_zeroed(queries);
        let (replies, from_worker) = spsc::channel_zeroed(replies);
        let (bell, worker_bell) = (Doorbell::new().unwrap(), Doorbell::new().unwrap());
        let server =
            StreamServer::new(options, vec![listener], to_worker, from_worker, bell.clone(), worker_bell.clone());
        let (clock, stop) = (Arc::new(AtomicU64::new(1_000_000)), Arc::new(AtomicBool::new(false)));
        let (stats, tells_destinations) = (server.stats(), server.tells_destinations());
        let thread = std::thread::spawn({
            let (clock, stop) = (Arc::clone(&clock), Arc::clone(&stop));
            move || server.run_by_clock(&stop, || clock.load(Ordering::SeqCst))
        });
        Harness {
            address,
            clock,
            stop,
            bell,
            worker_bell,
            queries,
            replies,
            last_client: None,
            last_local: None,
            last_keepalive: Keepalive::Silent,
            tells_destinations,
            stats,
            thread: Some(thread),
        }
    }

    pub(super) fn connect(&self) -> TcpStream {
        let client = TcpStream::connect(self.address).unwrap();
        client.set_read_timeout(Some(PATIENCE)).unwrap();
        client.set_write_timeout(Some(PATIENCE)).unwrap();
        client
    }

    /// The next query if one is there: its token and message.
    pub(super) fn try_take(&mut self) -> Option<(u64, Vec<u8>)> {
        let query = self.queries.front().map(|query| {
            (self.last_client, self.last_local) = (Some(query.client()), query.local());
            self.last_keepalive = query.keepalive();
            (query.token, query.message().to_vec())
        });
        self.queries.release();
        query
    }

    /// The next query, waited for.
    pub(super) fn take(&mut self) -> (u64, Vec<u8>) {
        loop {
            self.worker_bell.arm();
            let query = self.try_take();
            if query.is_none() {
                let mut bell = [PollFd::from_borrowed_fd(self.worker_bell.fd(), PollFlags::IN)];
                let timeout = Timespec { tv_sec: PATIENCE.as_secs() as i64, tv_nsec: 0 };
                assert_eq!(poll(&mut bell, Some(&timeout)), Ok(1), "no query came");
            }
            self.worker_bell.disarm();
            if let Some(query) = query {
                return query;
            }
        }
    }

    pub(super) fn reply(&mut self, token: u64, message: &[u8]) {
        let place = self.replies.reserve().expect("the reply ring has room for every query taken");
        place.token = token;
        place.set_message(message);
        self.replies.publish();
        self.bell.ring();
    }

    /// One query there and back.
    pub(super) fn round_trip(&mut self, client: &mut TcpStream, id: u8) {
        client.write_all(&framed(&query(id))).unwrap();
        let (token, message) = self.take();
        assert_eq!(message, query(id));
        self.reply(token, &message);
        assert_eq!(receive(client), query(id));
    }

    pub(super) fn advance(&self, milliseconds: u64) {
        self.clock.fetch_add(milliseconds, Ordering::SeqCst);
        self.bell.ring();
    }
}

impl Drop for Harness {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        self.bell.ring();
        let ended = self.thread.take().unwrap().join();
        if !std::thread::panicking() {
            ended.unwrap().unwrap();
        }
    }
}

pub(super) fn query(id: u8) -> Vec<u8> {
    vec![id; 12 + id as usize]
}

pub(super) fn framed(message: &[u8]) -> Vec<u8> {
    [&(message.len() as u16).to_be_bytes(), message].concat()
}

pub(super) fn receive(client: &mut TcpStream) -> Vec<u8> {
    let mut len = [0; 2];
    client.read_exact(&mut len).unwrap();
    let mut message = vec![0; u16::from_be_bytes(len) as usize];
    client.read_exact(&mut message).unwrap();
    message
}

/// The server closed the connection, and sent nothing more before.
pub(super) fn assert_closed(client: &mut TcpStream) {
    match client.read(&mut [0; 16]) {
        Ok(0) => {}
        Err(cause) if cause.kind() == ErrorKind::ConnectionReset => {}
        other => panic!("not closed: {other:?}"),
    }
}
