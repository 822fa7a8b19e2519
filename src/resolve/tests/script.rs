//! Scripted servers on loopback.

use crate::dns::{Name, class, get_u16, header, put_u16, rtype};
use crate::resolve::streams::first_message;
use std::cell::{Cell, RefCell};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::rc::Rc;
use std::time::Duration;

pub fn wire(text: &str) -> Vec<u8> {
    Name::from_text(text).unwrap().as_wire().to_vec()
}

/// A message under construction, names in full.
#[derive(Clone)]
pub struct Message(pub Vec<u8>);

impl Message {
    /// A reply to `query` with its question and no OPT.
    pub fn reply(query: &[u8], rcode: u16) -> Message {
        let end = crate::dns::question::Question::parse(query).unwrap().end();
        let mut octets = query[..end].to_vec();
        header::set_flags(&mut octets, 0x8180 | rcode);
        header::set_counts(&mut octets, [1, 0, 0, 0]);
        Message(octets)
    }

    pub fn record(mut self, section: usize, owner: &str, rtype: u16, ttl: u32, data: &[u8]) -> Message {
        self.0.extend(wire(owner));
        self.0.extend(rtype.to_be_bytes());
        self.0.extend(class::IN.to_be_bytes());
        self.0.extend(ttl.to_be_bytes());
        self.0.extend((data.len() as u16).to_be_bytes());
        self.0.extend(data);
        let count = get_u16(&self.0, 6 + 2 * section).unwrap();
        put_u16(&mut self.0, 6 + 2 * section, count + 1);
        self
    }

    pub fn a(self, owner: &str, ttl: u32, last: u8) -> Message {
        self.record(0, owner, rtype::A, ttl, &[192, 0, 2, last])
    }

    pub fn cname(self, owner: &str, ttl: u32, target: &str) -> Message {
        self.record(0, owner, rtype::CNAME, ttl, &wire(target))
    }

    pub fn soa(self, owner: &str, ttl: u32, minimum: u32) -> Message {
        let mut data = [wire("ns"), wire("host")].concat();
        data.extend([0; 16]);
        data.extend(minimum.to_be_bytes());
        self.record(1, owner, rtype::SOA, ttl, &data)
    }

    pub fn flags(mut self, set: u16) -> Message {
        let flags = header::flags(&self.0) | set;
        header::set_flags(&mut self.0, flags);
        self
    }
}

/// What a server does with a query.
pub type Script = Box<dyn FnMut(&Query) -> Vec<Vec<u8>>>;

/// A server that says nothing.
pub fn silent() -> Script {
    Box::new(|_| Vec::new())
}

/// One that answers with this address.
pub fn answers(last: u8) -> Script {
    Box::new(move |query| query.answer(last))
}

/// One that answers with this error.
pub fn fails(rcode: u16) -> Script {
    Box::new(move |query| query.fail(rcode))
}

/// A query as a server sees it.
pub struct Query {
    pub octets: Vec<u8>,
    pub tcp: bool,
    pub name: String,
    pub edns: Option<(u16, u16)>,
    /// Where it came from.
    pub from: SocketAddr,
    /// The server's UDP socket, for replies to earlier queries.
    pub socket: Rc<UdpSocket>,
    /// The rig's clock.
    pub now: Duration,
    /// Over TCP: the connection stays open although nothing is said.
    pub hold: Cell<bool>,
    later: Later,
}

/// Replies on their way: when they arrive, from which socket, where to.
pub type Later = Rc<RefCell<Vec<(Duration, Vec<u8>, Rc<UdpSocket>, SocketAddr)>>>;

impl Query {
    fn new(octets: Vec<u8>, (from, tcp): (SocketAddr, bool), server: (&Rc<UdpSocket>, &Later, Duration)) -> Query {
        let (socket, later, now) = server;
        let question = crate::dns::question::Question::parse(&octets).unwrap();
        let name = Name::from_wire(&octets[12..12 + question.name_len]).unwrap().to_string();
        let edns = crate::dns::edns::Edns::parse(&octets, question.end()).ok().map(|edns| (edns.udp_size, edns.bits));
        Query {
            octets,
            tcp,
            name,
            edns,
            from,
            socket: socket.clone(),
            now,
            hold: Cell::new(false),
            later: later.clone(),
        }
    }

    pub fn reply(&self) -> Message {
        Message::reply(&self.octets, 0)
    }

    pub fn fail(&self, rcode: u16) -> Vec<Vec<u8>> {
        vec![Message::reply(&self.octets, rcode).0]
    }

    /// Sends `replies` after `delay`.
    pub fn later(&self, delay: Duration, replies: Vec<Vec<u8>>) -> Vec<Vec<u8>> {
        let arrivals = replies.into_iter().map(|reply| (self.now + delay, reply, self.socket.clone(), self.from));
        self.later.borrow_mut().extend(arrivals);
        Vec::new()
    }

    pub fn answer(&self, last: u8) -> Vec<Vec<u8>> {
        vec![self.reply().a(&self.name, 300, last).0]
    }
}

/// An accepted connection, what has come of queries, and what is still to be written.
type Connection = (TcpStream, Vec<u8>, Vec<u8>);

/// One of them, on UDP and TCP.
pub struct Server {
    pub udp: Rc<UdpSocket>,
    /// None: it takes no TCP.
    pub tcp: Option<TcpListener>,
    script: Script,
    pub seen: usize,
    streams: Vec<Connection>,
}

impl Server {
    /// At `host`, an address with port 0 or a port that is free.
    pub fn new(host: &str, script: Script) -> Server {
        // The same port for both: draw until one is free in TCP too.
        let (udp, tcp) = std::iter::repeat_with(|| {
            let udp = UdpSocket::bind(host).unwrap();
            let tcp = TcpListener::bind(udp.local_addr().unwrap());
            (udp, tcp)
        })
        .find_map(|(udp, tcp)| Some((udp, tcp.ok()?)))
        .unwrap();
        udp.set_nonblocking(true).unwrap();
        tcp.set_nonblocking(true).unwrap();
        Server { udp: Rc::new(udp), tcp: Some(tcp), script, seen: 0, streams: Vec::new() }
    }

    /// Somebody has a connection to it.
    pub fn has_streams(&self) -> bool {
        !self.streams.is_empty()
    }

    /// Serves what has come; whether anything had.
    pub fn serve(&mut self, later: &Later, now: Duration) -> bool {
        let (before, mut moved) = (self.seen, false);
        let mut buffer = [0; 65535];
        while let Ok((len, from)) = self.udp.recv_from(&mut buffer) {
            self.seen += 1;
            for reply in (self.script)(&Query::new(buffer[..len].to_vec(), (from, false), (&self.udp, later, now))) {
                self.udp.send_to(&reply, from).unwrap();
            }
        }
        while let Some(Ok((stream, _))) = self.tcp.as_ref().map(TcpListener::accept) {
            self.seen += 1;
            stream.set_nonblocking(true).unwrap();
            self.streams.push((stream, Vec::new(), Vec::new()));
        }
        let (script, udp) = (&mut self.script, &self.udp);
        self.streams.retain_mut(|(stream, input, out)| {
            let from = stream.peer_addr();
            match stream.read(&mut buffer) {
                Ok(0) => return false,
                Ok(len) => {
                    input.extend_from_slice(&buffer[..len]);
                    moved = true;
                }
                Err(_) => {}
            }
            while let Some(place) = first_message(input) {
                let octets = input[place.clone()].to_vec();
                input.drain(..place.end);
                let query = Query::new(octets, (*from.as_ref().unwrap(), true), (udp, later, now));
                let replies = script(&query);
                if replies.is_empty() && !query.hold.get() {
                    return false;
                }
                for reply in replies {
                    out.extend((reply.len() as u16).to_be_bytes());
                    out.extend(reply);
                }
            }
            if let Ok(len) = stream.write(out) {
                out.drain(..len);
            }
            true
        });
        moved || self.seen != before
    }
}
