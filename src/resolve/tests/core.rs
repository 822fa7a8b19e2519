//! The core alone, with a world that has no kernel: the whole of what goes in and comes out.

use super::super::core::{Command, Core, Input};
use super::super::timer::TICK;
use super::super::trouble::TCP;
use super::super::world::Sent;
use super::super::*;
use super::rig::table;
use super::script::{Message, wire};
use super::world::ScriptWorld;
use crate::dns::{class, get_u16, header, rcode, rtype};
use crate::stats::Upstream;
use rustix::io::Errno;
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// A core in a world without a kernel.
pub struct Alone {
    pub core: Core,
    pub world: ScriptWorld,
    pub now: Duration,
}

impl Alone {
    /// The root zone has these servers.
    pub fn new(options: Options, servers: &[&str]) -> Alone {
        let places: Vec<usize> = (0..servers.len()).collect();
        Alone::with(options, servers, &[(".", &places)])
    }

    pub fn with(options: Options, servers: &[&str], zones: &[(&str, &[usize])]) -> Alone {
        let addresses: Vec<SocketAddr> = servers.iter().map(|server| server.parse().unwrap()).collect();
        let core = Core::new(options, Arc::new(Upstream::default()), Arc::new(Troubles::default()));
        let mut alone = Alone { core, world: ScriptWorld::new(), now: Duration::from_secs(1) };
        alone.put(Input::Command(Command::Table(Arc::new(table(zones, &addresses)))));
        alone
    }

    pub fn put(&mut self, input: Input<'_>) {
        self.core.handle(input, self.now, &mut self.world);
    }

    pub fn ask(&mut self, ticket: u64, name: &str) {
        let mut request: Request = bytemuck::Zeroable::zeroed();
        (request.ticket, request.qtype, request.qclass) = (ticket, rtype::A, class::IN);
        request.set_name(&wire(name));
        assert!(self.core.can_take(self.now));
        self.put(Input::Request(&request));
    }

    /// The query that left last, and the socket it left through.
    pub fn last(&self) -> (u16, Vec<u8>) {
        let (slot, _, query) = self.world.sent.last().expect("something was sent").clone();
        (slot, query)
    }

    /// Has the newest socket to a server report that nobody listens there.
    pub fn refuse(&mut self, server: &str) {
        let server = server.parse().unwrap();
        let to = |slot: &u16| self.world.udp.get(slot).is_some_and(|socket| socket.server == server);
        let (slot, ..) = *self.world.sent.iter().rfind(|(slot, ..)| to(slot)).expect("a query to it");
        self.put(Input::SendFailed { slot, errno: Errno::CONNREFUSED });
    }

    pub fn answer(&mut self, message: Message) {
        let slot = self.last().0;
        self.put(Input::Datagram { slot, octets: &message.0 });
    }

    /// Answers the query that left last with as much as fits, none of it; gives the stream that the question goes on over.
    pub fn cut_off(&mut self) -> u16 {
        let (_, query) = self.last();
        self.answer(Message::reply(&query, 0).flags(header::flag::TC));
        *self.world.streams.keys().next().expect("a stream")
    }

    /// Goes to the next deadline.
    pub fn wait(&mut self) {
        self.now = self.core.due(false).expect("a deadline");
        self.put(Input::Due);
    }
}

pub const SERVER: &str = "192.0.2.53:53";
pub const OTHER: &str = "198.51.100.53:53";

#[test]
fn a_question_is_asked_and_answered_without_a_kernel() {
    let mut alone = Alone::new(Options::default(), &[SERVER]);
    alone.ask(7, "www.example");
    let (slot, query) = alone.last();
    assert_eq!(alone.world.udp[&slot].server, SERVER.parse().unwrap());
    alone.answer(Message::reply(&query, 0).a("www.example", 300, 1));
    assert_eq!((&alone.world.answers[..], alone.core.in_flight()), (&[(7, rcode::NOERROR, 1)][..], 0));
    alone.answer(Message::reply(&query, 0).a("www.example", 300, 2));
    assert_eq!(alone.world.answers.len(), 1, "a second reply is nobody's");
}

#[test]
fn what_is_not_answered_is_sent_again_from_another_port_until_its_patience_ends() {
    let mut alone = Alone::new(Options::default(), &[SERVER]);
    alone.ask(1, "www.example");
    while alone.world.answers.is_empty() {
        alone.wait();
    }
    assert_eq!(alone.world.answers, [(1, rcode::SERVFAIL, 0)]);
    let end = Duration::from_secs(1) + Options::default().patience;
    assert!((end..end + TICK * 2).contains(&alone.now), "{:?}", alone.now);
    let sent = &alone.world.sent;
    let ids: BTreeSet<_> = sent.iter().map(|(_, _, query)| get_u16(query, 0)).collect();
    let ports: BTreeSet<_> = sent.iter().map(|(_, port, _)| port).collect();
    assert!(sent.len() > 3 && ids.len() == sent.len() && ports.len() == sent.len(), "{ids:?} {ports:?}");
}

#[test]
fn a_long_answer_comes_over_a_stream_in_pieces() {
    let mut alone = Alone::new(Options::default(), &[SERVER]);
    alone.ask(1, "www.example");
    let slot = alone.cut_off();
    let query = &alone.world.streamed[&slot];
    assert_eq!(usize::from(get_u16(query, 0).unwrap()), query.len() - 2);
    let reply = Message::reply(&query[2..], 0).a("www.example", 300, 1).0;
    let octets = [&(reply.len() as u16).to_be_bytes(), &reply[..]].concat();
    alone.put(Input::StreamOpen { slot });
    for piece in octets.chunks(3) {
        alone.put(Input::StreamData { slot, octets: piece });
    }
    assert_eq!(alone.world.answers, [(1, rcode::NOERROR, 1)]);
    assert_eq!(alone.world.streams.len(), 1, "it stays for the next question");
    alone.now += Options::default().streams.idle;
    alone.put(Input::Due);
    assert!(alone.world.streams.is_empty(), "it is closed");
}

#[test]
fn a_stream_that_ends_early_sends_the_question_elsewhere() {
    for failure in [None, Some(Failure { call: TCP, errno: Errno::CONNRESET })] {
        let mut alone = Alone::new(Options::default(), &[SERVER, OTHER]);
        alone.ask(1, "www.example");
        let first = alone.last().0;
        let slot = alone.cut_off();
        let asked = alone.world.streams[&slot].server;
        assert_eq!(alone.world.udp[&first].server, asked);
        alone.put(Input::StreamEnded { slot, failure });
        let (second, query) = alone.last();
        assert_ne!(alone.world.udp[&second].server, asked);
        assert!(alone.world.streams.is_empty());
        alone.answer(Message::reply(&query, 0).a("www.example", 300, 1));
        assert_eq!(alone.world.answers, [(1, rcode::NOERROR, 1)]);
    }
}

#[test]
fn what_comes_back_as_an_error_moves_on_at_once_and_failures_wait_for_room() {
    let mut alone = Alone::new(Options::default(), &[SERVER]);
    alone.world.places = 0;
    alone.ask(1, "www.example");
    for _ in 0..100 {
        alone.refuse(SERVER);
        if alone.core.wants_room() {
            break;
        }
        alone.wait();
    }
    assert!(alone.core.wants_room() && alone.now < Duration::from_secs(2), "{:?}", alone.now);
    assert_eq!(alone.core.in_flight(), 1);
    alone.world.places = 1;
    alone.put(Input::Due);
    assert_eq!((&alone.world.answers[..], alone.core.in_flight()), (&[(1, rcode::SERVFAIL, 0)][..], 0));
}

#[test]
fn a_request_is_not_taken_while_one_that_has_failed_waits_for_room() {
    let options = Options { questions: 4, ..Options::default() };
    let mut alone = Alone::with(options, &[SERVER, OTHER], &[(".", &[0]), ("other", &[1])]);
    for (ticket, name) in [(1, "a.example"), (2, "b.example"), (3, "c.other"), (4, "d.example")] {
        alone.ask(ticket, name);
    }
    assert!(!alone.core.can_take(alone.now), "no state is free");
    alone.now += Options::default().jostle;
    assert!(alone.core.can_take(alone.now), "two of them may be given up by now");
    alone.world.places = 0;
    for _ in 0..10 {
        alone.refuse(OTHER);
        if alone.core.wants_room() {
            break;
        }
        alone.now += Duration::from_millis(250);
        alone.put(Input::Due);
    }
    assert!(alone.core.wants_room() && !alone.core.can_take(alone.now), "the third holds its state");
    alone.world.places = 2;
    alone.put(Input::Due);
    alone.ask(5, "e.example");
    assert_eq!(alone.world.answers, [(3, rcode::SERVFAIL, 0)]);
    alone.ask(6, "f.example");
    assert_eq!(alone.world.answers[1..], [(4, rcode::SERVFAIL, 0)], "the oldest of those that may be given up");
}

#[test]
fn the_longest_reply_comes_over_a_stream() {
    let mut alone = Alone::new(Options::default(), &[SERVER]);
    alone.ask(1, "www.example");
    let slot = alone.cut_off();
    let query = alone.world.streamed[&slot].clone();
    let mut reply = Message::reply(&query[2..], 0);
    while reply.0.len() <= 65535 - 29 {
        let number = reply.0.len() as u32;
        reply = reply.record(0, "www.example", rtype::A, 300, &number.to_be_bytes());
    }
    let octets = [&(reply.0.len() as u16).to_be_bytes(), &reply.0[..]].concat();
    for piece in octets.chunks(16 * 1024) {
        alone.put(Input::StreamData { slot, octets: piece });
    }
    let records = (reply.0.len() - 29) / 27;
    assert_eq!(alone.world.answers, [(1, rcode::NOERROR, records as u16)]);
}

#[test]
fn what_a_socket_reports_late_is_of_the_queries_before() {
    let sockets = SocketOptions { ports: vec![20000], ..SocketOptions::default() };
    let mut alone = Alone::new(Options { sockets, ..Options::default() }, &[SERVER]);
    alone.ask(1, "a.example");
    alone.world.outcomes.push_back(Sent { outcome: Ok(()), earlier: Some(Errno::CONNREFUSED) });
    alone.ask(2, "b.example");
    let names = |alone: &Alone| -> Vec<u8> { alone.world.sent.iter().map(|(_, _, query)| query[13]).collect() };
    assert_eq!(names(&alone), *b"ab");
    alone.wait();
    assert_eq!(names(&alone), *b"aba", "the first goes on after its pause, the second waits for its answer");
}

#[test]
fn what_keeps_a_query_from_leaving_is_told_and_sends_it_elsewhere() {
    for (draws, outcome, told) in
        [(usize::MAX, Err(Errno::PERM), "send"), (1, Ok(()), "getrandom"), (3, Ok(()), "getrandom")]
    {
        let mut alone = Alone::new(Options::default(), &[SERVER, OTHER]);
        (alone.world.draws, alone.world.outcomes) = (draws, [Sent { outcome, earlier: None }].into());
        alone.ask(1, "www.example");
        let troubles = alone.core.troubles.list();
        assert_eq!(troubles.first().map(|(_, failure)| failure.call), Some(told), "{draws}: {troubles:?}");
        assert_eq!(alone.world.sent.len(), usize::from(draws > 3), "the other server is asked if anything can leave");
    }
}
