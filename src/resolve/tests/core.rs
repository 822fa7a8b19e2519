//! The core alone, with a world that has no kernel: the whole of what goes in and comes out.

use super::super::core::{Command, Core, Input};
use super::super::timer::TICK;
use super::super::trouble::TCP;
use super::super::*;
use super::rig::table;
use super::script::{Message, wire};
use super::world::ScriptWorld;
use crate::dns::{class, get_u16, rcode, rtype};
use crate::stats::Upstream;
use rustix::io::Errno;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

struct Alone {
    core: Core,
    world: ScriptWorld,
    now: Duration,
}

impl Alone {
    fn new(options: Options, servers: &[&str]) -> Alone {
        let addresses: Vec<SocketAddr> = servers.iter().map(|server| server.parse().unwrap()).collect();
        let places: Vec<usize> = (0..addresses.len()).collect();
        let core = Core::new(options, Arc::new(Upstream::default()), Arc::new(Troubles::default()));
        let mut alone = Alone { core, world: ScriptWorld::new(), now: Duration::from_secs(1) };
        alone.put(Input::Command(Command::Table(Arc::new(table(&[(".", &places)], &addresses)))));
        alone
    }

    fn put(&mut self, input: Input<'_>) {
        self.core.handle(input, self.now, &mut self.world);
    }

    fn ask(&mut self, ticket: u64, name: &str) {
        let mut request: Request = bytemuck::Zeroable::zeroed();
        (request.ticket, request.qtype, request.qclass) = (ticket, rtype::A, class::IN);
        request.set_name(&wire(name));
        assert!(self.core.can_take(self.now));
        self.put(Input::Request(&request));
    }

    /// The query that left last, and the socket it left through.
    fn last(&self) -> (u16, Vec<u8>) {
        self.world.sent.last().expect("something was sent").clone()
    }

    fn answer(&mut self, message: Message) {
        let slot = self.last().0;
        self.put(Input::Datagram { slot, octets: &message.0 });
    }

    /// Goes to the next deadline.
    fn wait(&mut self) {
        self.now = self.core.due(false).expect("a deadline");
        self.put(Input::Due);
    }
}

const SERVER: &str = "192.0.2.53:53";

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
    let mut ids: Vec<_> = alone.world.sent.iter().map(|(slot, query)| (slot, get_u16(query, 0))).collect();
    let sent = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert!(sent > 3 && ids.len() == sent, "{ids:?}");
}

#[test]
fn a_long_answer_comes_over_a_stream_in_pieces() {
    let mut alone = Alone::new(Options::default(), &[SERVER]);
    alone.ask(1, "www.example");
    let (_, query) = alone.last();
    alone.answer(Message::reply(&query, 0).flags(crate::dns::header::flag::TC));
    let (&slot, query) = alone.world.streamed.iter().next().expect("a stream");
    assert_eq!(usize::from(get_u16(query, 0).unwrap()), query.len() - 2);
    let reply = Message::reply(&query[2..], 0).a("www.example", 300, 1).0;
    let octets = [&(reply.len() as u16).to_be_bytes(), &reply[..], b"and more"].concat();
    alone.put(Input::StreamOpen { slot });
    for piece in octets.chunks(3) {
        alone.put(Input::StreamData { slot, octets: piece });
    }
    assert_eq!(alone.world.answers, [(1, rcode::NOERROR, 1)]);
    assert!(alone.world.streams.is_empty(), "it is closed");
}

#[test]
fn a_stream_that_ends_early_sends_the_question_elsewhere() {
    for failure in [None, Some(Failure { call: TCP, errno: Errno::CONNRESET })] {
        let mut alone = Alone::new(Options::default(), &[SERVER, "198.51.100.53:53"]);
        alone.ask(1, "www.example");
        let (first, query) = alone.last();
        alone.answer(Message::reply(&query, 0).flags(crate::dns::header::flag::TC));
        let slot = *alone.world.streams.keys().next().expect("a stream");
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
        let slot = alone.last().0;
        alone.put(Input::SendFailed { slot, errno: Errno::CONNREFUSED });
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
fn a_request_is_not_taken_while_the_one_that_would_make_way_waits_for_room() {
    let options = Options { questions: 2, ..Options::default() };
    let mut alone = Alone::new(options, &[SERVER]);
    alone.ask(1, "a.example");
    alone.ask(2, "b.example");
    assert!(!alone.core.can_take(alone.now));
    alone.now += Options::default().jostle;
    alone.ask(3, "c.example");
    assert_eq!(alone.world.answers, [(2, rcode::SERVFAIL, 0)], "the older of those that may be given up");
    alone.world.places = 0;
    alone.now += Options::default().patience;
    alone.put(Input::Due);
    assert!(alone.core.wants_room() && !alone.core.can_take(alone.now), "their answers are not yet told");
    alone.world.places = 2;
    alone.put(Input::Due);
    assert!(alone.core.can_take(alone.now) && alone.world.answers.len() == 3);
}
