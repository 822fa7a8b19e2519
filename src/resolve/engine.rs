//! The questions and what they need; how one begins and how it ends.
//!
//! ```text
//! request ─▶ Choose ─▶ Udp ──reply──▶ answer, or Choose again for an alias's target
//!              ▲        │ ├─ TC ────▶ TcpQueue ─▶ Tcp ──reply──▶ the same
//!              └─ time-out, refused port, error reply ◀───────────┘
//! ```
//!
//! A question that goes on to another server or phase still takes the reply to what was sent before (`tries`). Every
//! question is sent at once, to a silent server too, and repeated for as long as its client may wait: no question
//! depends on whether another one has been answered, so nobody can use up a server for others.

use super::chain::{Chain, QUERY};
use super::digest::Digest;
use super::keys::Keys;
use super::question::{Phase, Questions};
use super::random::Random;
use super::server::Server;
use super::sockets::Sockets;
use super::source::Sources;
use super::table::{ForwardTable, ForwardZone};
use super::tcp::Connections;
use super::timer::Wheel;
use super::trouble::Troubles;
use super::{Options, Request, Response};
use crate::dns::rcode;
use crate::ring::spsc::Producer;
use crate::stats::Upstream;
use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

/// Marks the epoll tags of TCP connections.
pub(super) const TCP_TAG: u64 = 1 << 32;

/// No place among the servers yet.
const VACANT: u32 = u32::MAX;

/// Every question and what it needs.
pub(super) struct Engine {
    pub(super) options: Options,
    pub(super) table: Arc<ForwardTable>,
    /// By zone of the table: its servers, as places in `servers`.
    pub(super) zone_servers: Vec<Vec<u32>>,
    pub(super) servers: Vec<Server>,
    pub(super) questions: Questions,
    pub(super) keys: Keys,
    pub(super) timers: Wheel,
    pub(super) sockets: Sockets,
    pub(super) tcp: Connections,
    pub(super) tcp_queue: VecDeque<u32>,
    /// Questions that need another server.
    pub(super) retry: VecDeque<u32>,
    /// Failed questions whose response waits for room in the ring.
    pub(super) failed: VecDeque<u32>,
    pub(super) random: Random,
    pub(super) poller: OwnedFd,
    pub(super) responses: Producer<Response>,
    pub(super) stats: Arc<Upstream>,
    pub(super) troubles: Arc<Troubles>,
    pub(super) digest: Digest,
    pub(super) query: Box<[u8; QUERY]>,
    #[expect(clippy::vec_box, reason = "they move between here and the questions without an allocation")]
    pub(super) spare_chains: Vec<Box<Chain>>,
    /// Responses were published since this was last taken.
    pub(super) published: bool,
}

/// The bit of a server in the sets of a question.
pub(super) fn bit(place: u8) -> u64 {
    1u64.checked_shl(u32::from(place)).unwrap_or(0)
}

/// The servers of a zone that can be asked from `sources`; of the others the log tells.
fn open_servers(zone: &ForwardZone, sources: &Sources) -> Vec<SocketAddr> {
    let (open, closed): (Vec<_>, Vec<_>) = zone.servers.iter().partition(|server| sources.can_ask(server));
    for server in closed {
        log::warn!(
            "{server} is not asked: outgoing-interface names no address that reaches it; add one of its family or link"
        );
    }
    open
}

impl Engine {
    pub(super) fn new(
        options: Options,
        poller: OwnedFd,
        random: Random,
        responses: Producer<Response>,
        (stats, troubles): (Arc<Upstream>, Arc<Troubles>),
    ) -> Engine {
        let states = options.questions.clamp(1, 1 << 20);
        Engine {
            table: Arc::default(),
            zone_servers: Vec::new(),
            servers: Vec::new(),
            questions: Questions::new(states),
            keys: Keys::new(states),
            timers: Wheel::new(states),
            sockets: Sockets::new(options.sockets.clone()),
            tcp: Connections::new(options.tcp_connections),
            tcp_queue: VecDeque::with_capacity(states),
            retry: VecDeque::with_capacity(states),
            failed: VecDeque::with_capacity(states),
            random,
            poller,
            responses,
            stats,
            troubles,
            digest: Digest::new(),
            query: Box::new([0; QUERY]),
            spare_chains: Vec::new(),
            published: false,
            options,
        }
    }

    /// Puts `table` in place of the present one. What is known of a server that it names too stays; questions in flight
    /// go on with the servers that the new table has for them. Their answers are not to be cached: they may still be the
    /// old servers', and the cache has been emptied already.
    pub(super) fn set_table(&mut self, table: Arc<ForwardTable>, now: Duration) {
        let open: Vec<Vec<SocketAddr>> = table.zones().iter().map(|zone| open_servers(zone, table.sources())).collect();
        self.set_servers(&open);
        self.sockets.set_sources(table.sources());
        self.table = table;
        self.show_troubles();
        for id in 0..self.questions.capacity() as u32 {
            let question = self.questions.get_mut(id);
            question.uncached = true;
            match question.phase {
                Phase::Free | Phase::Failed => {}
                Phase::Probe => self.end_probe(id),
                _ => self.adopt(id),
            }
        }
        self.settle(now);
    }

    /// Gives each zone its servers and each server a place: the one it has; else that of one which no zone names any more
    /// and nobody waits for. So there are no more places than servers are named or waited for, whatever addresses, as
    /// link-local ones with ever new interfaces, come and go.
    fn set_servers(&mut self, zones: &[Vec<SocketAddr>]) {
        let mut places: HashMap<SocketAddr, u32> = zones.iter().flatten().map(|&address| (address, VACANT)).collect();
        for (place, server) in self.servers.iter_mut().enumerate() {
            let named = places.get_mut(&server.address);
            server.is_used = named.is_some();
            match named {
                Some(known) => *known = place as u32,
                None => self.sockets.retire_all(place as u32),
            }
        }
        let mut vacant = self.vacant_places();
        for &address in zones.iter().flatten() {
            let Some(place) = places.get_mut(&address).filter(|place| **place == VACANT) else { continue };
            *place = vacant.pop().unwrap_or(self.servers.len() as u32);
            match self.servers.get_mut(*place as usize) {
                Some(server) => *server = Server::new(address),
                None => self.servers.push(Server::new(address)),
            }
        }
        self.zone_servers = zones.iter().map(|zone| zone.iter().map(|address| places[address]).collect()).collect();
        self.sockets.share_out(places.len());
    }

    /// Places of servers that no zone names and no question in flight was sent to.
    fn vacant_places(&self) -> Vec<u32> {
        let mut awaited = vec![false; self.servers.len()];
        for id in 0..self.questions.capacity() as u32 {
            let question = self.questions.get(id);
            let asked = question.phase != Phase::Free;
            if let Some(place) = awaited.get_mut(question.asked.server as usize).filter(|_| asked) {
                *place = true;
            }
        }
        let is_vacant = |&place: &u32| {
            let is_used = self.servers[place as usize].is_used || awaited[place as usize];
            !is_used && self.sockets.has_none_of(place)
        };
        (0..self.servers.len() as u32).filter(is_vacant).collect()
    }

    /// Puts a question in flight into the new table.
    fn adopt(&mut self, id: u32) {
        let question = self.questions.get_mut(id);
        (question.tried, question.failed, question.refused) = (0, 0, 0);
        let Some(zone) = self.table.find(question.target.as_wire()) else { return self.fail(id) };
        question.zone = zone;
        let servers = &self.zone_servers[zone as usize];
        for asked in question.tries.iter_mut().map(|sent| &mut sent.asked).chain([&mut question.asked]) {
            let place = servers.iter().position(|&server| server == asked.server);
            asked.place = place.map_or(u8::MAX, |place| place as u8);
        }
        question.tried = bit(question.asked.place);
    }

    /// True when a response can be published.
    pub(super) fn has_room(&mut self) -> bool {
        self.responses.reserve().is_some()
    }

    /// When the oldest question may be given up for a new one; `None`: none may be.
    pub(super) fn jostle_at(&self) -> Option<Duration> {
        let oldest = self.questions.oldest()?;
        Some(self.questions.get(oldest).started + self.options.jostle)
    }

    /// Sees to it that a state is free, if need be by giving up the oldest question when it has waited for long (as
    /// mesh_make_new_space() in Unbound's mesh.c); false when there is none. That it was given up says nothing of its
    /// servers, so the failure is not to be cached.
    pub(super) fn make_room(&mut self, now: Duration) -> bool {
        if self.questions.is_full()
            && self.jostle_at().is_some_and(|at| now >= at)
            && let Some(id) = self.questions.oldest()
        {
            self.questions.get_mut(id).uncached = true;
            self.fail(id);
            self.publish_failures(now);
        }
        !self.questions.is_full()
    }

    /// Takes a request into a free state.
    pub(super) fn start(&mut self, request: &Request, now: Duration) {
        let Some(id) = self.questions.take() else { return };
        let question = self.questions.get_mut(id);
        question.ticket = request.ticket;
        question.name.set_wire_lower(request.name());
        question.target.set_lower(&question.name);
        (question.qtype, question.qclass) = (request.qtype, request.qclass);
        question.dnssec_ok = request.dnssec_ok;
        question.checking_disabled = request.checking_disabled;
        question.started = now;
        match self.table.find(question.name.as_wire()) {
            Some(zone) => {
                question.zone = zone;
                question.uncached = self.table.is_uncached(zone);
                self.choose(id, now);
            }
            None => self.fail(id),
        }
    }

    /// Ends a question without an answer.
    pub(super) fn fail(&mut self, id: u32) {
        self.recall(id);
        self.stats.failures.add(1);
        self.questions.ended(id);
        self.questions.get_mut(id).phase = Phase::Failed;
        self.failed.push_back(id);
    }

    /// Its response is published: gives the question's state back, unless a silent server is probed with it.
    pub(super) fn finish(&mut self, id: u32, now: Duration) {
        self.recall(id);
        self.questions.ended(id);
        self.published = true;
        if let Some(mut chain) = self.questions.get_mut(id).chain.take() {
            chain.clear();
            self.spare_chains.push(chain);
        }
        if self.questions.get(id).phase == Phase::Failed || !self.probe(id, now) {
            self.questions.give_back(id);
        }
    }

    /// Does what the events of a step have left to do.
    pub(super) fn settle(&mut self, now: Duration) {
        loop {
            self.open_tcp(now);
            let Some(id) = self.retry.pop_front() else { break };
            if self.questions.get(id).phase == Phase::Choose {
                self.choose(id, now);
            }
        }
        self.publish_failures(now);
    }

    /// Responds to failed questions as far as the ring has room.
    fn publish_failures(&mut self, now: Duration) {
        while let Some(&id) = self.failed.front() {
            let Some(response) = self.responses.reserve() else { return };
            let question = self.questions.get(id);
            response.ticket = question.ticket;
            response.rcode = rcode::SERVFAIL;
            response.ttl = question.failure_ttl();
            response.set_body(&[], [0; 3]);
            self.responses.publish();
            self.failed.pop_front();
            self.finish(id, now);
        }
    }
}
