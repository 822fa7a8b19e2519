//! A resolver among scripted servers, and a clock that the test owns.

use super::super::*;
use super::script::{Later, Script, Server, wire};
use crate::dns::body::{Fixed, for_each_record};
use crate::dns::{class, rtype};
use crate::ring::{doorbell::Doorbell, spsc};
use crate::stats::Upstream;
use std::net::SocketAddr;
use std::sync::{Arc, mpsc};
use std::time::Duration;

/// What came back.
#[derive(Debug, PartialEq, Eq, Clone)]
pub struct Got {
    pub ticket: u64,
    pub rcode: u16,
    pub ttl: u32,
    pub records: Vec<String>,
    pub cause: Cause,
    /// The zone whose servers failed.
    pub zone: String,
}

pub struct Rig {
    pub resolver: Resolver,
    pub requests: spsc::Producer<Request>,
    pub responses: spsc::Consumer<Response>,
    pub tables: Tables,
    /// The resolver's.
    pub bell: Doorbell,
    pub stats: Arc<Upstream>,
    pub troubles: Arc<Troubles>,
    pub now: Duration,
    /// Of the next request.
    pub epoch: u32,
    servers: Vec<Server>,
    /// That it may open.
    streams: usize,
    names: Vec<Vec<u8>>,
    later: Later,
}

/// Tables on their way to the resolver.
pub struct Tables(pub mpsc::Sender<Command>);

impl Tables {
    pub fn send(&self, table: Arc<ZoneTable>) -> Result<(), mpsc::SendError<Command>> {
        self.0.send(Command::Table(table))
    }
}

/// Turns of a millisecond without anything moving after which nothing will, and where the kernel may have segments on their way.
const IDLE: u32 = 3;
const IDLE_STREAMS: u32 = 40;

pub const ANY_SERVER: Reachable =
    Reachable { not_localhost: false, ip4: true, ip6: true, never: Networks::NONE, nat64: None };

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
        let (tables, commands) = mpsc::channel();
        let bell = Doorbell::new().unwrap();
        let stats = Arc::new(Upstream::default());
        let troubles = Arc::new(Troubles::default());
        let links = Links {
            requests: request_end,
            responses: response_end,
            bell: bell.clone(),
            worker_bell: Doorbell::new().unwrap(),
            commands,
            stats: stats.clone(),
            troubles: troubles.clone(),
            anchor_files: mpsc::channel().0,
        };
        let addresses: Vec<_> = servers.iter().map(|server| server.udp.local_addr().unwrap()).collect();
        let table = Arc::new(table(zones, &addresses));
        let resolver = Resolver::new(options, table, links).unwrap();
        let streams = resolver.free_streams();
        Rig {
            resolver,
            requests,
            responses,
            tables: Tables(tables),
            bell,
            stats,
            troubles,
            now: Duration::ZERO,
            epoch: 0,
            servers,
            streams,
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
        // The socket keeps its port: once that were free, somebody's connection might leave from there, for good.
        let tcp = self.servers[server].tcp.as_ref().unwrap();
        match takes {
            true => rustix::net::listen(tcp, 128).unwrap(),
            false => rustix::net::shutdown(tcp, rustix::net::Shutdown::Both).unwrap(),
        }
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
        while idle < self.turns() {
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
            if skip
                && idle >= self.turns()
                && let Some(next) = self.next_event()
            {
                (self.now, idle) = (self.now.max(next), 0);
            }
        }
        panic!("{} of {count} responses after many turns: {:?}", got.len(), self.stats);
    }

    fn turns(&self) -> u32 {
        let may_move = self.servers.iter().any(Server::has_streams) || self.resolver.free_streams() != self.streams;
        if may_move { IDLE_STREAMS } else { IDLE }
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

pub fn table(zones: &[(&str, &[usize])], addresses: &[SocketAddr]) -> ZoneTable {
    let zones = zones.iter().map(|(name, servers)| Zone {
        servers: servers.iter().map(|&server| addresses[server]).collect(),
        no_cache: name.starts_with("uncached"),
        ..Zone::forward(wire(name))
    });
    ZoneTable::new(zones.collect(), ANY_SERVER)
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
    let zone = Name::from_wire(response.zone()).map(|zone| zone.to_string()).unwrap_or_default();
    Got { ticket: response.ticket, rcode: response.rcode, ttl: response.ttl, records, cause: response.cause, zone }
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
