//! A world without a kernel: sockets that only note what is done with them, numbers from a fixed seed.

use crate::dns::cause::Cause;
use crate::resolve::Response;
use crate::resolve::trouble::Failure;
use crate::resolve::world::{Sent, World};
use bytemuck::Zeroable;
use rustix::io::Errno;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

/// An open UDP socket or stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Open {
    /// Tells it from those that had its number before.
    pub serial: usize,
    pub source: SocketAddr,
    pub server: SocketAddr,
}

pub struct ScriptWorld {
    pub udp: BTreeMap<u16, Open>,
    pub streams: BTreeMap<u16, Open>,
    /// What left through UDP sockets, by which and from which port, and what streams were given.
    pub sent: Vec<(u16, u16, Vec<u8>)>,
    /// Whom each of those messages went to.
    pub sent_to: Vec<SocketAddr>,
    pub streamed: BTreeMap<u16, Vec<u8>>,
    /// Ports of other programs.
    pub taken: BTreeSet<u16>,
    /// Answers that there is still room for.
    pub places: usize,
    /// Ticket, code and number of records of each answer.
    pub answers: Vec<(u64, u16, u16)>,
    /// The cause of the last.
    pub cause: Cause,
    /// Random numbers that the kernel has still.
    pub draws: usize,
    /// Seconds since 1970.
    pub wall: u64,
    /// Files of anchors.
    pub files: BTreeMap<PathBuf, String>,
    /// What comes of the next messages; of those after them nothing bad.
    pub outcomes: VecDeque<Sent>,
    response: Box<Response>,
    opened: usize,
    seed: u64,
}

impl ScriptWorld {
    pub fn new() -> ScriptWorld {
        ScriptWorld {
            udp: BTreeMap::new(),
            streams: BTreeMap::new(),
            sent: Vec::new(),
            sent_to: Vec::new(),
            streamed: BTreeMap::new(),
            taken: BTreeSet::new(),
            places: usize::MAX,
            answers: Vec::new(),
            cause: Cause::default(),
            draws: usize::MAX,
            wall: 0,
            files: BTreeMap::new(),
            outcomes: VecDeque::new(),
            response: Box::new(Response::zeroed()),
            opened: 0,
            seed: 1,
        }
    }

    fn open(&mut self, source: SocketAddr, server: SocketAddr) -> Open {
        self.opened += 1;
        Open { serial: self.opened, source, server }
    }
}

impl World for ScriptWorld {
    fn open_udp(&mut self, slot: u16, source: SocketAddr, server: SocketAddr) -> Result<(), Failure> {
        if self.taken.contains(&source.port()) {
            return Err(Failure { call: "bind", errno: Errno::ADDRINUSE });
        }
        let socket = self.open(source, server);
        assert_eq!(self.udp.insert(slot, socket), None, "opened twice");
        Ok(())
    }

    fn send_udp(&mut self, slot: u16, message: &[u8]) -> Sent {
        assert!(self.udp.contains_key(&slot), "sent through a closed socket");
        let sent = self.outcomes.pop_front().unwrap_or(Sent { outcome: Ok(()), earlier: None });
        if sent.outcome.is_ok() {
            self.sent_to.push(self.udp[&slot].server);
            self.sent.push((slot, self.udp[&slot].source.port(), message.to_vec()));
        }
        sent
    }

    fn local(&mut self, slot: u16) -> Option<IpAddr> {
        self.udp.get(&slot).map(|socket| socket.source.ip())
    }

    fn close_udp(&mut self, slot: u16) {
        assert!(self.udp.remove(&slot).is_some(), "closed twice");
    }

    fn open_stream(&mut self, slot: u16, source: SocketAddr, server: SocketAddr) -> Result<(), Failure> {
        let stream = self.open(source, server);
        assert_eq!(self.streams.insert(slot, stream), None, "opened twice");
        self.streamed.insert(slot, Vec::new());
        Ok(())
    }

    fn send_stream(&mut self, slot: u16, octets: &[u8]) {
        self.streamed.get_mut(&slot).expect("an open stream").extend_from_slice(octets);
    }

    fn close_stream(&mut self, slot: u16) {
        assert!(self.streams.remove(&slot).is_some(), "closed twice");
        self.streamed.remove(&slot);
    }

    /// SplitMix64.
    fn draw(&mut self) -> Result<u16, Failure> {
        self.draws = self.draws.checked_sub(1).ok_or(Failure::NO_RANDOM)?;
        self.seed = self.seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.seed ^ self.seed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        Ok((mixed >> 48) as u16)
    }

    fn wall(&mut self) -> u64 {
        self.wall
    }

    fn keep_anchor(&mut self, file: &Path, text: String) {
        self.files.insert(file.to_owned(), text);
    }

    fn room(&mut self) -> Option<&mut Response> {
        (self.places > 0).then_some(&mut *self.response)
    }

    fn publish(&mut self) {
        self.places -= 1;
        let Response { ticket, rcode, counts, cause, .. } = &*self.response;
        self.cause = *cause;
        self.answers.push((*ticket, *rcode, counts.iter().sum()));
    }
}

#[test]
fn what_is_drawn_below_a_bound_stays_below_and_reaches_every_value() {
    let mut world = ScriptWorld::new();
    let mut seen = [false; 7];
    for _ in 0..4096 {
        seen[world.below(7).unwrap() as usize] = true;
    }
    assert_eq!((seen, world.below(0)), ([true; 7], Ok(0)));
}
