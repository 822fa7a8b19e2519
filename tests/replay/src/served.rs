//! What serves a scenario: a worker and the resolver's core, joined by their rings as in the program, on one thread, with a clock
//! that the scenario owns.

use crate::compare::Transport;
use crate::network::Network;
use runbound::answer::cache::{AnswerCache, Flush};
use runbound::answer::clients::Clients;
use runbound::answer::compile;
use runbound::answer::decide::{Answerer, Event, EventSink, Via};
use runbound::answer::keepalive::{IdleTime, Keepalive};
use runbound::config::Config;
use runbound::dns::question::Question;
use runbound::dns::scan::HashKey;
use runbound::dns::{Name, header};
use runbound::resolve::{Cache, Command as CoreCommand, Core, Input, Request, World};
use runbound::ring::doorbell::Doorbell;
use runbound::ring::spsc::{self, Consumer, Producer};
use runbound::serve::fast_path::Queues;
use runbound::serve::program::{Parts, validation};
use runbound::serve::stream_message::StreamMessage;
use runbound::serve::worker::{Command, Done, Links, Order, Worker};
use runbound::stats::WorkerStats;
use runbound::validate::Fakes;
use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, mpsc};
use std::time::Duration;

/// Slots of each ring.
const SLOTS: usize = 64;
/// The port of every client.
const CLIENT_PORT: u16 = 53;
/// Both clocks at the start of a scenario: any moment but 0.
const START: Duration = Duration::from_secs(1);
/// Times that something may follow from something else before it is taken for a circle.
const ROUNDS: usize = 10_000;

/// An answer to a client.
pub struct Answer {
    /// Who asked.
    pub client: IpAddr,
    /// How.
    pub transport: Transport,
    /// The message.
    pub octets: Vec<u8>,
}

struct NoEvents;

impl EventSink for NoEvents {
    fn event(&mut self, _: Event<'_>, _: SocketAddr, _: &[u8], _: u16, _: u16) {}
}

/// See the module's text.
pub struct Served {
    worker: Worker,
    queries: Producer<StreamMessage>,
    replies: Consumer<StreamMessage>,
    requests: Consumer<Request>,
    commands: Producer<Option<Order>>,
    done: Consumer<Option<Done>>,
    epoch: u32,
    core: Core,
    /// What went out.
    pub network: Network,
    /// Answers that nobody looked at yet, the oldest first.
    pub answers: VecDeque<Answer>,
    /// Since the scenario began.
    clock: Duration,
    /// The core's clock is ahead by this: queries time out while the scenario's time stands still.
    ahead: Duration,
    datagram: usize,
    /// That of the one connection that stands for all.
    idle: IdleTime,
}

impl Served {
    /// Begins to serve by `config`, `clock` after the scenario began; `fakes`: which signatures count as valid.
    ///
    /// # Errors
    /// What of the configuration cannot be compiled, or what the system refused.
    pub fn new(config: &Config, fakes: Fakes, clock: Duration) -> Result<Served, String> {
        let refused = |findings: Vec<_>| findings.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
        let policy = Arc::new(compile::policy(config, HashKey::fixed(1), "host").map_err(refused)?);
        let (mut parts, table) = Parts::without_threads(config, &policy);
        parts.resolver.validation = validation::rules(config, fakes);
        let cache = Cache::new(1 << 22, 1 << 22, parts.rules, HashKey::fixed(1))?;
        let (requests, requests_end) = spsc::channel_zeroed(SLOTS);
        let (responses, responses_end) = spsc::channel_zeroed(SLOTS);
        let (queries, stream_queries) = spsc::channel_zeroed(SLOTS);
        let (stream_replies, replies) = spsc::channel_zeroed(SLOTS);
        let (commands, commands_end) = spsc::channel(1, || None);
        let (done, done_end) = spsc::channel(1, || None);
        let bell = || Doorbell::new().map_err(|cause| format!("eventfd: {cause}"));
        let links = Links {
            bell: bell()?,
            requests,
            responses: responses_end,
            resolver_bell: bell()?,
            stream_queries,
            stream_replies,
            stream_bell: bell()?,
            commands: commands_end,
            done,
            main_bell: bell()?,
        };
        let stats: Arc<WorkerStats> = Arc::default();
        let answerer = Answerer::new(policy, AnswerCache::new(parts.cache), Arc::clone(&stats), Box::new(NoEvents));
        let mut answerer = answerer.with_clients(Clients::new(parts.clients, HashKey::fixed(1))?);
        // Cookies have times in them, which are counted from the beginning, as in Unbound's harness.
        answerer.set_wall_clock(0, START.as_secs() as u32);
        let (datagram, table) = (parts.worker.datagram, Arc::new(table));
        let tells = config.clients.keepalive;
        let idle = if tells { IdleTime::told(config.stream_timeout().into()) } else { IdleTime::default() };
        let mut served = Served {
            worker: Worker::new(parts.worker, answerer, stats, Queues::new(), Vec::new(), links),
            queries,
            replies,
            requests: requests_end,
            commands,
            done: done_end,
            epoch: 0,
            core: Core::new(parts.resolver, Arc::default(), Arc::default()).with_cache(cache),
            network: Network::new(responses),
            answers: VecDeque::new(),
            clock,
            ahead: Duration::ZERO,
            datagram,
            idle,
        };
        served.put(Input::Command(CoreCommand::Table(table)));
        Ok(served)
    }

    /// Time since the scenario began.
    pub fn clock(&self) -> Duration {
        self.clock
    }

    /// Time until the core has something to do; `None`: it waits for nothing.
    pub fn timeout(&mut self) -> Option<Duration> {
        let waits = !self.requests.is_empty();
        self.core.due(waits).map(|due| due.saturating_sub(self.core_now()))
    }

    fn core_now(&self) -> Duration {
        START + self.clock + self.ahead
    }

    fn put(&mut self, input: Input<'_>) {
        let now = self.core_now();
        self.network.wall = self.clock.as_secs();
        self.core.handle(input, now, &mut self.network);
    }

    /// A client asks.
    ///
    /// # Errors
    /// When the worker does not take what came before.
    pub fn ask(&mut self, client: IpAddr, transport: Transport, message: &[u8]) -> Result<(), String> {
        let slot = self.queries.reserve().ok_or("the worker takes no more queries")?;
        slot.token = u64::from(transport == Transport::Tcp);
        slot.set_client(SocketAddr::new(client, CLIENT_PORT));
        slot.set_via(match transport {
            Transport::Udp => Via::Datagram(self.datagram),
            Transport::Tcp => Via::Stream,
        });
        slot.set_message(message);
        slot.set_keepalive(match transport {
            Transport::Udp => Keepalive::Silent,
            Transport::Tcp => self.idle.after(message),
        });
        self.queries.publish();
        self.settle()
    }

    /// Does all that follows from what has come, at the present time.
    ///
    /// # Errors
    /// When there is no end of it.
    pub fn settle(&mut self) -> Result<(), String> {
        let now = (START + self.clock).as_nanos() as u64;
        for _ in 0..ROUNDS {
            let mut worked = self.worker.turn_at(now);
            worked |= self.take_requests();
            worked |= self.take_replies();
            if !worked {
                self.network.forget(&self.core);
                return Ok(());
            }
        }
        Err("the worker and the resolver do not come to rest".into())
    }

    fn take_requests(&mut self) -> bool {
        let now = self.core_now();
        let mut worked = false;
        while self.network.room().is_some()
            && self.core.can_take(now)
            && let Some(request) = self.requests.front()
        {
            self.core.handle(Input::Request(request), now, &mut self.network);
            self.requests.release();
            worked = true;
        }
        worked
    }

    fn take_replies(&mut self) -> bool {
        let mut worked = false;
        while let Some(reply) = self.replies.front() {
            worked = true;
            // An empty one says that none comes.
            if !reply.message().is_empty() {
                let transport = if reply.token == 0 { Transport::Udp } else { Transport::Tcp };
                let (client, octets) = (reply.client().ip(), reply.message().to_vec());
                self.answers.push_back(Answer { client, transport, octets });
            }
            self.replies.release();
        }
        worked
    }

    /// Has replies come to the query at `place` of those that wait.
    ///
    /// # Errors
    /// As of [`Self::settle`].
    pub fn answer(&mut self, place: usize, replies: &[Vec<u8>]) -> Result<(), String> {
        let now = self.core_now();
        self.network.answer(place, replies, &mut self.core, now);
        self.settle()
    }

    /// Has the query at `place` come back as an error.
    ///
    /// # Errors
    /// As of [`Self::settle`].
    pub fn refuse(&mut self, place: usize) -> Result<(), String> {
        let now = self.core_now();
        self.network.refuse(place, &mut self.core, now);
        self.settle()
    }

    /// Has the core give up waiting for the query at `place`: its clock goes on until the question is asked again, or ends.
    /// `is_vain`: nobody has to say so, and whatever is asked meanwhile may be answered.
    ///
    /// # Errors
    /// When nothing comes of it, and as of [`Self::settle`].
    pub fn time_out(&mut self, place: usize, is_vain: bool) -> Result<(), String> {
        self.network.waiting[place].is_past = true;
        let query = self.network.waiting[place].octets.clone();
        for _ in 0..ROUNDS {
            let answered = self.network.answered;
            if !self.wait()? || self.network.answered > answered {
                return Ok(());
            }
            if self.network.waiting.iter().any(|new| !new.is_known && (is_vain || asks_on(&new.octets, &query))) {
                return Ok(());
            }
        }
        Err("it is never asked again".into())
    }

    /// Goes on to the core's next deadline, the scenario's clock standing still; false when there is none.
    ///
    /// # Errors
    /// As of [`Self::settle`].
    pub fn wait(&mut self) -> Result<bool, String> {
        let Some(timeout) = self.timeout() else { return Ok(false) };
        self.ahead += timeout;
        self.put(Input::Due);
        self.settle()?;
        Ok(true)
    }

    /// Has time pass. With nothing in flight it does so at once, as in Unbound's harness: what falls due meanwhile is done at
    /// the end.
    ///
    /// # Errors
    /// As of [`Self::settle`].
    pub fn pass(&mut self, time: Duration) -> Result<(), String> {
        let end = self.clock + time;
        for _ in 0..ROUNDS {
            match self.timeout() {
                Some(timeout) if self.clock + timeout < end && self.in_flight() > 0 => self.clock += timeout,
                _ => {
                    self.clock = end;
                    self.put(Input::Due);
                    return self.settle();
                }
            }
            self.put(Input::Due);
            self.settle()?;
        }
        Err("the resolver's deadlines have no end".into())
    }

    /// Takes what is kept for a name and type out of the caches, as main has the resolver do it and then the worker.
    ///
    /// # Errors
    /// When the worker does not, and as of [`Self::settle`].
    pub fn forget(&mut self, name: &[u8], qtype: u16) -> Result<(), String> {
        let name = Name::from_wire(name).ok_or("it is no name")?;
        let (flushed, _) = mpsc::channel();
        self.put(Input::Command(CoreCommand::FlushName(Box::new(name), Some(qtype), flushed)));
        self.epoch += 1;
        let command = Command::Flush(Flush::Name { name, qtype: Some(qtype), below: false });
        *self.commands.reserve().ok_or("the worker takes no commands")? = Some(Order { epoch: self.epoch, command });
        self.commands.publish();
        self.settle()?;
        let done = self.done.front().and_then(Option::take);
        self.done.release();
        done.map(drop).ok_or_else(|| "the worker has not flushed".to_owned())
    }

    /// Takes it that the servers at an address answered in `ms` milliseconds.
    pub fn note_rtt(&mut self, server: IpAddr, ms: u32) {
        self.core.note_rtt(server, ms);
    }

    /// Questions in flight.
    pub fn in_flight(&self) -> usize {
        self.core.in_flight()
    }
}

/// Whether a query is for what another was for, or for more of its name.
fn asks_on(query: &[u8], before: &[u8]) -> bool {
    let name = |query: &[u8]| {
        let end = header::LEN + Question::parse(query)?.name_len;
        Name::from_wire(query.get(header::LEN..end)?)
    };
    match (name(query), name(before)) {
        (Some(name), Some(before)) => name.is_at_or_below(before.as_wire()),
        _ => false,
    }
}
