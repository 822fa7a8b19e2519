//! The scripted network: the world of the resolver's core. What it sends waits here until a range or a step answers it.

use crate::compare::Transport;
use runbound::resolve::anchor_file;
use runbound::resolve::{Core, Failure, Input, Response, Sent, World};
use runbound::ring::spsc::Producer;
use rustix::io::Errno;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

/// A query that went out, as long as the core waits for a reply to it.
#[derive(Clone, Debug)]
pub struct Waiting {
    /// Whom it asks.
    pub server: SocketAddr,
    /// How.
    pub transport: Transport,
    /// The message.
    pub octets: Vec<u8>,
    /// It was looked at when it left.
    pub is_known: bool,
    /// A reply came that was not taken, or the core has lost its patience: what is still to come is for the newer ones.
    pub is_past: bool,
    /// Another question than its own was answered: nothing comes any more.
    pub is_vain: bool,
    slot: u16,
    serial: u64,
}

struct Socket {
    server: SocketAddr,
    serial: u64,
    /// What a stream was given.
    octets: Vec<u8>,
}

/// See the module's text.
pub struct Network {
    udp: BTreeMap<u16, Socket>,
    streams: BTreeMap<u16, Socket>,
    /// In the order in which they left.
    pub waiting: Vec<Waiting>,
    responses: Producer<Response>,
    /// Seconds since 1970, when every scenario begins.
    pub wall: u64,
    /// Answers handed to the worker.
    pub answered: usize,
    opened: u64,
    seed: u64,
}

impl Network {
    /// Nothing is open yet.
    pub fn new(responses: Producer<Response>) -> Network {
        let (udp, streams, waiting) = Default::default();
        Network { udp, streams, waiting, responses, wall: 0, answered: 0, opened: 0, seed: 1 }
    }

    /// Forgets the queries whose replies the core does not wait for any more.
    pub fn forget(&mut self, core: &Core) {
        let Network { udp, streams, waiting, .. } = self;
        waiting.retain(|query| {
            let of = if query.transport == Transport::Udp { &*udp } else { &*streams };
            let is_open = of.get(&query.slot).is_some_and(|socket| socket.serial == query.serial);
            let id = u16::from_be_bytes([query.octets[0], query.octets[1]]);
            is_open
                && match query.transport {
                    Transport::Udp => core.awaits(query.slot, id),
                    Transport::Tcp => core.awaits_stream(query.slot, id),
                }
        });
    }

    /// Has replies come to a query.
    pub fn answer(&mut self, place: usize, replies: &[Vec<u8>], core: &mut Core, now: Duration) {
        self.waiting[place].is_past = true;
        let Waiting { transport, slot, serial, .. } = self.waiting[place];
        match transport {
            Transport::Udp => {
                for octets in replies {
                    if self.udp.get(&slot).is_some_and(|socket| socket.serial == serial) {
                        core.handle(Input::Datagram { slot, octets }, now, self);
                    }
                }
            }
            Transport::Tcp => {
                core.handle(Input::StreamOpen { slot }, now, self);
                let framed = replies.iter().flat_map(|reply| [&(reply.len() as u16).to_be_bytes()[..], reply].concat());
                core.handle(Input::StreamData { slot, octets: &framed.collect::<Vec<u8>>() }, now, self);
            }
        }
    }

    /// Has a query come back as an error: nobody listens there.
    pub fn refuse(&mut self, place: usize, core: &mut Core, now: Duration) {
        let Waiting { transport, slot, .. } = self.waiting.remove(place);
        let input = match transport {
            Transport::Udp => Input::SendFailed { slot, errno: Errno::CONNREFUSED },
            Transport::Tcp => {
                let failure = Some(Failure { call: "TCP connect", errno: Errno::CONNREFUSED });
                Input::StreamEnded { slot, failure }
            }
        };
        core.handle(input, now, self);
    }

    fn open(&mut self, server: SocketAddr) -> Socket {
        self.opened += 1;
        Socket { server, serial: self.opened, octets: Vec::new() }
    }
}

impl World for Network {
    fn open_udp(&mut self, slot: u16, _: SocketAddr, server: SocketAddr) -> Result<(), Failure> {
        let socket = self.open(server);
        self.udp.insert(slot, socket);
        Ok(())
    }

    fn send_udp(&mut self, slot: u16, message: &[u8]) -> Sent {
        let Some(Socket { server, serial, .. }) = self.udp.get(&slot) else {
            return Sent { outcome: Err(Errno::BADF), earlier: None };
        };
        let (server, serial, octets) = (*server, *serial, message.to_vec());
        self.waiting.push(Waiting {
            server,
            transport: Transport::Udp,
            octets,
            is_known: false,
            is_past: false,
            is_vain: false,
            slot,
            serial,
        });
        Sent { outcome: Ok(()), earlier: None }
    }

    fn close_udp(&mut self, slot: u16) {
        self.udp.remove(&slot);
    }

    fn open_stream(&mut self, slot: u16, _: SocketAddr, server: SocketAddr) -> Result<(), Failure> {
        let stream = self.open(server);
        self.streams.insert(slot, stream);
        Ok(())
    }

    fn send_stream(&mut self, slot: u16, octets: &[u8]) {
        let Some(stream) = self.streams.get_mut(&slot) else { return };
        stream.octets.extend_from_slice(octets);
        while let Some((len, message)) = stream.octets.split_first_chunk::<2>()
            && let Some(message) = message.get(..usize::from(u16::from_be_bytes(*len)))
        {
            let (server, serial, octets) = (stream.server, stream.serial, message.to_vec());
            stream.octets.drain(..2 + octets.len());
            self.waiting.push(Waiting {
                server,
                transport: Transport::Tcp,
                octets,
                is_known: false,
                is_past: false,
                is_vain: false,
                slot,
                serial,
            });
        }
    }

    fn close_stream(&mut self, slot: u16) {
        self.streams.remove(&slot);
    }

    /// The same numbers in every run: SplitMix64.
    fn draw(&mut self) -> Result<u16, Failure> {
        self.seed = self.seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.seed ^ self.seed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        Ok((mixed >> 48) as u16)
    }

    fn wall(&mut self) -> u64 {
        self.wall
    }

    fn keep_anchor(&mut self, file: &Path, text: String) {
        // One that could not be written is not as a step expects it.
        let _ = anchor_file::write(file, &text);
    }

    fn room(&mut self) -> Option<&mut Response> {
        self.responses.reserve()
    }

    fn publish(&mut self) {
        self.responses.publish();
        self.answered += 1;
    }
}
