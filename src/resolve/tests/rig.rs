//! Scripted servers on loopback, a resolver, and a clock that the test owns.

use super::super::*;
use crate::dns::body::{Fixed, for_each_record};
use crate::dns::{class, get_u16, header, put_u16, rtype};
use crate::ring::{doorbell::Doorbell, spsc};
use crate::stats::Upstream;
use std::cell::{Cell, RefCell};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::rc::Rc;
use std::sync::{Arc, mpsc};
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
type Later = Rc<RefCell<Vec<(Duration, Vec<u8>, Rc<UdpSocket>, SocketAddr)>>>;

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

struct Server {
    udp: Rc<UdpSocket>,
    /// None: it takes no TCP.
    tcp: Option<TcpListener>,
    script: Script,
    seen: usize,
    /// Accepted connections and what is still to be written to each.
    streams: Vec<(TcpStream, Vec<u8>)>,
}

/// What came back.
#[derive(Debug, PartialEq, Eq, Clone)]
pub struct Got {
    pub ticket: u64,
    pub rcode: u16,
    pub ttl: u32,
    pub records: Vec<String>,
}

pub struct Rig {
    pub resolver: Resolver,
    pub requests: spsc::Producer<Request>,
    pub responses: spsc::Consumer<Response>,
    pub tables: mpsc::Sender<Arc<ForwardTable>>,
    pub stats: Arc<Upstream>,
    pub troubles: Arc<Troubles>,
    pub now: Duration,
    /// Of the next request.
    pub epoch: u32,
    servers: Vec<Server>,
    names: Vec<Vec<u8>>,
    later: Later,
}

/// Turns of a millisecond without anything moving after which nothing will.
const IDLE: u32 = 3;

pub const ANY_SERVER: Reachable = Reachable { not_localhost: false, ip4: true, ip6: true };

impl Rig {
    /// A resolver whose root zone has one server per script.
    pub fn new(scripts: Vec<Script>) -> Rig {
        let count = scripts.len();
        Rig::with(Options::default(), scripts, &[(".", &(0..count).collect::<Vec<_>>())], 64)
    }

    /// As `new`, the servers listen at `host`, an address with port 0.
    pub fn at(host: &str, scripts: Vec<Script>) -> Rig {
        let servers: Vec<Server> = scripts.into_iter().map(|script| Server::new(host, script)).collect();
        let places: Vec<usize> = (0..servers.len()).collect();
        Rig::with_servers(Options::default(), servers, &[(".", &places)], 64)
    }

    pub fn with(options: Options, scripts: Vec<Script>, zones: &[(&str, &[usize])], ring: usize) -> Rig {
        let servers = scripts.into_iter().map(|script| Server::new("127.0.0.1:0", script)).collect();
        Rig::with_servers(options, servers, zones, ring)
    }

    /// Has the one server asked from these addresses.
    pub fn ask_from(&mut self, own: &[&str]) {
        let own = own.iter().map(|own| own.parse().unwrap()).collect();
        let table = table(&[(".", &[0])], &[self.address(0)]).from_sources(Sources::These(own));
        self.tables.send(Arc::new(table)).unwrap();
    }

    fn with_servers(options: Options, servers: Vec<Server>, zones: &[(&str, &[usize])], ring: usize) -> Rig {
        let (requests, request_end) = spsc::channel_zeroed(4096);
        let (response_end, responses) = spsc::channel_zeroed(ring);
        let (tables, table_end) = mpsc::channel();
        let stats = Arc::new(Upstream::default());
        let troubles = Arc::new(Troubles::default());
        let links = Links {
            requests: request_end,
            responses: response_end,
            bell: Doorbell::new().unwrap(),
            worker_bell: Doorbell::new().unwrap(),
            tables: table_end,
            stats: stats.clone(),
            troubles: troubles.clone(),
        };
        let addresses: Vec<_> = servers.iter().map(|server| server.udp.local_addr().unwrap()).collect();
        let table = Arc::new(table(zones, &addresses));
        let resolver = Resolver::new(options, table, links).unwrap();
        Rig {
            resolver,
            requests,
            responses,
            tables,
            stats,
            troubles,
            now: Duration::ZERO,
            epoch: 0,
            servers,
            names: Vec::new(),
            later: Later::default(),
        }
    }

    pub fn address(&self, server: usize) -> SocketAddr {
        self.servers[server].udp.local_addr().unwrap()
    }

    /// Has a server listen at an address that nobody listens at.
    pub fn serve_at(&mut self, address: SocketAddr, script: Script) {
        self.servers.push(Server::new(&address.to_string(), script));
    }

    /// Has a server refuse TCP, or take it again.
    pub fn set_tcp(&mut self, server: usize, takes: bool) {
        let address = self.address(server);
        // Somebody's connection may leave from that port just now.
        let bind = || std::iter::repeat_with(|| TcpListener::bind(address)).find_map(Result::ok).unwrap();
        self.servers[server].tcp = takes.then(bind);
        self.servers[server].tcp.iter().for_each(|tcp| tcp.set_nonblocking(true).unwrap());
    }

    /// Queries a server has seen.
    pub fn seen(&self, server: usize) -> usize {
        self.servers[server].seen
    }

    pub fn request(&mut self, name: &str, qtype: u16, dnssec_ok: bool) {
        let slot = self.requests.reserve().unwrap();
        (slot.ticket, slot.epoch) = (self.names.len() as u64, self.epoch);
        (slot.qtype, slot.qclass, slot.dnssec_ok) = (qtype, class::IN, dnssec_ok);
        slot.checking_disabled = false;
        slot.set_name(&wire(name));
        self.names.push(wire(name));
        self.requests.publish();
    }

    /// One turn of resolver and servers; true when any of them had something to do.
    pub fn turn(&mut self) -> bool {
        self.resolver.step(self.now);
        let (later, now) = (&self.later, self.now);
        let served = self.servers.iter_mut().map(|one| one.serve(later, now)).fold(false, |any, one| any | one);
        let due: Vec<_> = later.borrow_mut().extract_if(.., |(at, ..)| *at <= now).collect();
        for (_, reply, socket, to) in &due {
            // Nobody may be there any more.
            let _ = socket.send_to(reply, to);
        }
        let served = served || !due.is_empty();
        self.resolver.poll(Duration::from_millis(u64::from(!served))) | served
    }

    /// Turns until nothing moves: on a busy machine the kernel may take some milliseconds from one socket to another.
    fn settle(&mut self) {
        let mut idle = 0;
        while idle < IDLE {
            idle = if self.turn() { 0 } else { idle + 1 };
        }
    }

    /// Turns until `count` responses are there. `skip`: the clock jumps to the next deadline when nothing moves.
    pub fn collect(&mut self, count: usize, skip: bool) -> Vec<Got> {
        let (mut got, mut idle) = (Vec::new(), 0);
        for _ in 0..5_000 {
            idle = if self.turn() { 0 } else { idle + 1 };
            self.take_into(&mut got);
            if got.len() >= count {
                return got;
            }
            if let (IDLE, true, Some(next)) = (idle, skip, self.next_event()) {
                (self.now, idle) = (self.now.max(next), 0);
            }
        }
        panic!("{} of {count} responses after many turns: {:?}", got.len(), self.stats);
    }

    fn take_into(&mut self, got: &mut Vec<Got>) {
        while let Some(response) = self.responses.front() {
            let name = &self.names[response.ticket as usize];
            got.push(read(response, name));
            self.responses.release();
        }
    }

    /// When something happens next if nothing is asked.
    fn next_event(&mut self) -> Option<Duration> {
        let arrivals = self.later.borrow().iter().map(|(at, ..)| *at).min();
        self.resolver.deadline().into_iter().chain(arrivals).min()
    }

    /// Lets the time pass until `end`; gives what came, and when.
    pub fn pass(&mut self, end: Duration) -> Vec<(Duration, Got)> {
        let (mut came, mut got) = (Vec::new(), Vec::new());
        loop {
            self.settle();
            self.take_into(&mut got);
            came.extend(got.drain(..).map(|got| (self.now, got)));
            match self.next_event() {
                Some(next) if next <= end => self.now = self.now.max(next),
                _ => break,
            }
        }
        self.now = self.now.max(end);
        came
    }

    pub fn ask(&mut self, name: &str, qtype: u16) -> Got {
        self.request(name, qtype, false);
        self.collect(1, false).remove(0)
    }

    /// As `ask`, time flies while nothing happens.
    pub fn ask_patiently(&mut self, name: &str) -> Got {
        self.request(name, rtype::A, false);
        self.collect(1, true).remove(0)
    }
}

pub fn table(zones: &[(&str, &[usize])], addresses: &[SocketAddr]) -> ForwardTable {
    let zones = zones.iter().map(|(name, servers)| ForwardZone {
        name: wire(name),
        servers: servers.iter().map(|&server| addresses[server]).collect(),
        no_cache: name.starts_with("uncached"),
    });
    ForwardTable::new(zones.collect(), ANY_SERVER)
}

impl Server {
    fn new(host: &str, script: Script) -> Server {
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

    fn serve(&mut self, later: &Later, now: Duration) -> bool {
        let before = self.seen;
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
            self.streams.push((stream, Vec::new()));
        }
        let (script, udp) = (&mut self.script, &self.udp);
        self.streams.retain_mut(|(stream, out)| {
            if let Ok(len @ 2..) = stream.read(&mut buffer) {
                let from = stream.peer_addr().unwrap();
                let query = Query::new(buffer[2..len].to_vec(), (from, true), (udp, later, now));
                for reply in script(&query) {
                    out.extend((reply.len() as u16).to_be_bytes());
                    out.extend(reply);
                }
                if out.is_empty() && !query.hold.get() {
                    return false;
                }
            }
            if let Ok(len) = stream.write(out) {
                out.drain(..len);
            }
            true
        });
        self.seen != before
    }
}

fn read(response: &Response, name: &[u8]) -> Got {
    let start = 12 + name.len() + 4;
    let mut message = vec![0; start];
    message[12..12 + name.len()].copy_from_slice(name);
    message.extend_from_slice(response.body());
    let mut records = Vec::new();
    for_each_record(&message, start, response.counts, |section, owner, fixed, data| {
        records.push(show(section, owner, fixed, data));
        Some(())
    })
    .expect("a well-formed body");
    Got { ticket: response.ticket, rcode: response.rcode, ttl: response.ttl, records }
}

fn show(section: usize, owner: &Name, fixed: Fixed, data: &[u8]) -> String {
    let data = match fixed.rtype {
        rtype::A => format!("A {}", data[3]),
        rtype::CNAME => format!("CNAME {}", Name::from_wire(data).unwrap()),
        rtype::DNAME => format!("DNAME {}", Name::from_wire(data).unwrap()),
        rtype::NS => format!("NS {}", Name::from_wire(data).unwrap()),
        rtype::SOA => "SOA".into(),
        rtype::RRSIG => "RRSIG".into(),
        other => format!("TYPE{other} {}", data.len()),
    };
    format!("{section} {owner} {} {data}", fixed.ttl)
}
