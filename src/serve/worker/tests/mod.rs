//! The worker between its rings: the test is the stream thread, the resolver and main.

use super::*;
use crate::answer::cache::{AnswerCache, Flush, Index};
use crate::answer::compile;
use crate::answer::decide::{Event, EventSink, Replied};
use crate::answer::policy::Policy;
use crate::config;
use crate::dns::body::{BodyWriter, Fixed};
use crate::dns::scan::HashKey;
use crate::dns::{Name, class, header, rtype};
use crate::ring::spsc;
use std::net::SocketAddr;
use std::sync::Mutex;

mod epochs;
mod late;
mod lessons;
mod logged;
mod turns;

/// Octets of the cache.
const CACHE: usize = 1 << 20;

/// What was told of the replies.
type Told = Arc<Mutex<Vec<Replied>>>;

struct Recorder(Told);

impl EventSink for Recorder {
    fn event(&mut self, event: Event<'_>, _: SocketAddr, _: &[u8], _: u16, _: u16) {
        if let Event::Reply(replied) = event {
            self.0.lock().unwrap().push(replied);
        }
    }
}

/// What the resolver was asked.
#[derive(Clone, Copy)]
struct Asked {
    ticket: u64,
    epoch: u32,
    name: Name,
}

struct Rig {
    worker: Worker,
    queries: Producer<StreamMessage>,
    replies: Consumer<StreamMessage>,
    requests: Consumer<Request>,
    responses: Producer<Response>,
    commands: Producer<Option<Order>>,
    done: Consumer<Option<Done>>,
    told: Told,
    epoch: u32,
    seconds: u32,
}

fn policy() -> Arc<Policy> {
    policy_with("")
}

/// The same with these lines of its `server:` clause.
fn policy_with(lines: &str) -> Arc<Policy> {
    let forward = "forward-zone:\n name: .\n forward-addr: 198.51.100.1\n";
    let text = format!("server:\n access-control: 192.0.2.0/24 allow\n{lines}{forward}");
    let config = config::parse_bytes("test", text.as_bytes()).unwrap().config;
    Arc::new(compile::policy(&config, HashKey::fixed(1), "host").unwrap())
}

/// A query for A.
fn query(name: &str) -> Vec<u8> {
    let mut message = vec![0, 1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    message.extend_from_slice(Name::from_text(name).unwrap().as_wire());
    message.extend_from_slice(&[0, 1, 0, 1]);
    message
}

impl Rig {
    /// Room for this many queries at once.
    fn new(waiters: usize) -> Rig {
        Rig::with(waiters, Vec::new())
    }

    /// The same with kernel UDP sockets.
    fn with(waiters: usize, udp: Vec<OwnedFd>) -> Rig {
        let (requests, requests_end) = spsc::channel_zeroed(64);
        let (responses, responses_end) = spsc::channel_zeroed(64);
        let (stream_queries, stream_queries_end) = spsc::channel_zeroed(waiters);
        let (stream_replies, stream_replies_end) = spsc::channel_zeroed(waiters);
        let (commands, commands_end) = spsc::channel(4, || None);
        let (done, done_end) = spsc::channel(4, || None);
        let bell = || Doorbell::new().unwrap();
        let links = Links {
            bell: bell(),
            requests,
            responses: responses_end,
            resolver_bell: bell(),
            stream_queries: stream_queries_end,
            stream_replies,
            stream_bell: bell(),
            commands: commands_end,
            done,
            main_bell: bell(),
        };
        let idle = IdleOptions { busy_poll: idle::BusyPoll::No, own_core: false };
        let options = WorkerOptions { questions: 64, waiters, datagram: 4096, idle, class: 0, queue_limit: 0 };
        let stats: Arc<WorkerStats> = Arc::default();
        let told = Told::default();
        let events = Box::new(Recorder(Arc::clone(&told)));
        let answerer = Answerer::new(policy(), AnswerCache::new(CACHE), Arc::clone(&stats), events);
        Rig {
            worker: Worker::new(options, answerer, stats, Vec::new(), udp, links),
            queries: stream_queries,
            replies: stream_replies_end,
            requests: requests_end,
            responses,
            commands,
            done: done_end,
            told,
            epoch: 0,
            seconds: 1,
        }
    }

    fn now(&self) -> Now {
        Now { nanoseconds: u64::from(self.seconds) * 1_000_000_000, seconds: self.seconds }
    }

    fn turn(&mut self) -> bool {
        let now = self.now();
        self.worker.turn(now)
    }

    /// Sends a query for A without giving the worker a turn.
    fn send(&mut self, name: &str) {
        let message = query(name);
        let slot = self.queries.reserve().unwrap();
        slot.set_client("192.0.2.1:53".parse().unwrap());
        slot.set_message(&message);
        self.queries.publish();
    }

    /// Asks, and gives what the resolver is asked for it.
    fn ask(&mut self, name: &str) -> Option<Asked> {
        self.send(name);
        self.turn();
        self.request()
    }

    fn request(&mut self) -> Option<Asked> {
        let request = self.requests.front()?;
        let asked =
            Asked { ticket: request.ticket, epoch: request.epoch, name: Name::from_wire(request.name()).unwrap() };
        self.requests.release();
        Some(asked)
    }

    /// The resolver answers with the address 192.0.2.`last`.
    fn respond(&mut self, asked: Asked, last: u8, ttl: u32) {
        let mut message = [0; 512];
        let mut writer = BodyWriter::new(&mut message, asked.name.as_wire()).unwrap();
        let fixed = Fixed { rtype: rtype::A, class: class::IN, ttl };
        writer.push(0, asked.name.as_wire(), fixed, &[192, 0, 2, last], true).unwrap();
        let (counts, place) = writer.finish();
        let response = self.responses.reserve().unwrap();
        (response.ticket, response.rcode, response.ttl) = (asked.ticket, 0, ttl);
        response.set_body(&message[place], counts);
        self.responses.publish();
    }

    /// The last octets of the replies that have come: that of the address, when there is one.
    fn replies(&mut self) -> Vec<u8> {
        let mut last = Vec::new();
        while let Some(reply) = self.replies.front() {
            let message = reply.message();
            last.push(if header::counts(message)[1] == 0 { 0 } else { *message.last().unwrap() });
            self.replies.release();
        }
        last
    }

    fn command(&mut self, command: Command) {
        *self.commands.reserve().unwrap() = Some(Order { epoch: self.epoch, command });
        self.commands.publish();
    }

    fn done(&mut self) -> Option<Done> {
        let done = self.done.front()?.take();
        self.done.release();
        done
    }
}
