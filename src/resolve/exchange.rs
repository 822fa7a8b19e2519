//! Asking a server: which one, sending, waiting, and finding the question of a reply.
//!
//! Server selection is Unbound's: of the servers not yet tried in this round, a random one among those whose expected
//! time lies within 400 ms of the fastest. A server that answered with an error (SERVFAIL, REFUSED, nonsense) is not
//! asked again for the same question; one that timed out is, with twice the wait. When none is left, or the client's
//! patience is over, the answer is SERVFAIL.

use super::chain::write_query;
use super::engine::{Engine, bit};
use super::question::{Phase, Question};
use super::server::BAND;
use super::trouble::Failure;
use crate::dns::{edns, get_u16, header, rcode};
use rustix::io::Errno;
use rustix::net::{SendFlags, send};
use std::os::fd::AsFd;
use std::time::Duration;

/// Rounds through all servers. Each waits twice as long as the one before, so patience ends first but for a fast server.
const ROUNDS: u8 = 8;
/// Queries for one target name altogether (Unbound's max-sent-count).
const SENDS: u8 = 32;
/// Pause when every server refused at once: one that is being restarted is back soon.
const PAUSE: Duration = Duration::from_millis(250);

impl Engine {
    /// Sends a question in phase `Choose` to the next server, or ends it.
    pub(super) fn choose(&mut self, id: u32, now: Duration) {
        loop {
            let question = self.questions.get(id);
            if now >= question.started + self.options.patience || question.sends >= SENDS {
                return self.fail(id);
            }
            if let Some(place) = self.select(id, now) {
                // That a server refused EDNS says nothing of the next one.
                self.questions.get_mut(id).without_edns = false;
                if self.send(id, place, now) {
                    return;
                }
                let question = self.questions.get_mut(id);
                question.tried |= bit(place);
                question.refused = true;
                continue;
            }
            let question = self.questions.get_mut(id);
            question.rounds += 1;
            if question.tried & !question.failed == 0 || question.rounds >= ROUNDS {
                return self.fail(id);
            }
            question.tried = 0;
            if std::mem::take(&mut question.refused) {
                question.phase = Phase::Pause;
                return self.timers.arm(id, now + PAUSE);
            }
        }
    }

    /// The place within its zone of the server to ask next.
    fn select(&mut self, id: u32, now: Duration) -> Option<u8> {
        let question = self.questions.get(id);
        let servers = self.zone_servers.get(question.zone as usize)?;
        let passed = question.tried | question.failed;
        let open = servers.iter().enumerate().filter_map(|(place, &server)| {
            let server = &self.servers[server as usize];
            let fits = passed & bit(place as u8) == 0 && server.is_open(now);
            fits.then_some((place as u8, server.wait()))
        });
        let fastest = open.clone().map(|(_, wait)| wait).min()?;
        let mut band = open.filter(|&(_, wait)| wait <= fastest + BAND);
        let many = band.clone().count() as u32;
        let nth = if many > 1 { self.random.below(many).ok()? } else { 0 };
        band.nth(nth as usize).map(|(place, _)| place)
    }

    /// Sends over UDP; false when that is impossible.
    pub(super) fn send(&mut self, id: u32, place: u8, now: Duration) -> bool {
        let question = self.questions.get(id);
        let server = self.zone_servers[question.zone as usize][usize::from(place)];
        let address = self.servers[server as usize].address;
        let picked = self.sockets.pick(server, address, now, &mut self.random, self.poller.as_fd());
        let socket = match picked {
            Ok(socket) => socket,
            Err(failure) => {
                self.refused(server, failure, now);
                return false;
            }
        };
        let sent = self.draw_id(socket, id).and_then(|message_id| {
            let len = self.write_query(id, server, message_id, now);
            match self.push(socket, len) {
                Ok(()) => Some(message_id),
                Err(errno) => {
                    self.refused(server, Failure { call: "send", errno }, now);
                    self.keys.remove(socket, message_id);
                    None
                }
            }
        });
        let Some(message_id) = sent else {
            self.sockets.done(socket);
            return false;
        };
        self.questions.link(id, socket);
        self.stats.udp_sent.add(1);
        match self.sockets.take_shortage() {
            Some(failure) => self.refused(server, failure, now),
            None if self.servers[server as usize].worked() => self.show_troubles(),
            None => {}
        }
        let server_state = &mut self.servers[server as usize];
        server_state.asked(now);
        let question = self.questions.get_mut(id);
        (question.server, question.place) = (server, place);
        question.tried |= bit(place);
        question.sends += 1;
        question.sent = now;
        // The server's own wait shrinks with every answer to others; a question's never does.
        let doubled = if question.rounds > 0 { question.wait.saturating_mul(2) } else { 0 };
        question.wait = server_state.wait().max(doubled);
        question.phase = Phase::Udp { socket, id: message_id };
        let due = now + Duration::from_millis(u64::from(question.wait));
        self.timers.arm(id, due.min(question.started + self.options.patience));
        true
    }

    /// The system refused a call on the way to a server.
    pub(super) fn refused(&mut self, server: u32, failure: Failure, now: Duration) {
        if self.servers[server as usize].failed(failure, now) {
            self.show_troubles();
        }
    }

    /// Has `status` show what stands in the way now.
    pub(super) fn show_troubles(&self) {
        let used = |place: usize| self.zone_servers.iter().flatten().any(|&server| server as usize == place);
        let servers = self.servers.iter().enumerate().filter(|(place, _)| used(*place));
        self.troubles.set(servers.filter_map(|(_, server)| Some((server.address, server.trouble()?))));
    }

    fn draw_id(&mut self, socket: u16, question: u32) -> Option<u16> {
        for _ in 0..64 {
            let id = self.random.u16().ok()?;
            if self.keys.insert(socket, id, question) {
                return Some(id);
            }
        }
        None
    }

    pub(super) fn write_query(&mut self, id: u32, server: u32, message_id: u16, now: Duration) -> usize {
        let question = self.questions.get_mut(id);
        question.sent_edns = !question.without_edns && self.servers[server as usize].knows_edns(now);
        let bits = if question.dnssec_ok { edns::DO } else { 0 };
        let edns = question.sent_edns.then_some((self.options.edns_size, bits));
        let asked = (question.qtype, question.qclass);
        write_query(&mut self.query, message_id, question.checking_disabled, &question.target, asked, edns)
    }

    /// Puts the written query on the wire. A full buffer is not told: the query counts as lost, the time-out repeats it.
    fn push(&mut self, socket: u16, len: usize) -> Result<(), Errno> {
        let mut told = false;
        loop {
            let fd = self.sockets.fd(socket).ok_or(Errno::BADF)?;
            match send(fd, &self.query[..len], SendFlags::DONTWAIT | SendFlags::NOSIGNAL) {
                Ok(_) | Err(Errno::AGAIN | Errno::NOBUFS | Errno::NOMEM) => return Ok(()),
                Err(Errno::INTR) => {}
                // What the socket reports belongs to the queries before this one.
                Err(Errno::CONNREFUSED) if !told => {
                    told = true;
                    self.socket_failed(socket);
                }
                Err(errno) => return Err(errno),
            }
        }
    }

    /// The host of a socket's server said that nobody listens: every question sent through it needs another server.
    pub(super) fn socket_failed(&mut self, socket: u16) {
        while let Some(id) = self.questions.first(socket) {
            self.recall(id);
            self.questions.get_mut(id).refused = true;
            self.retry.push_back(id);
        }
    }

    /// Undoes the sending of a question: afterwards it is in phase `Choose` and no reply finds it.
    pub(super) fn recall(&mut self, id: u32) {
        self.timers.cancel(id);
        let question = self.questions.get_mut(id);
        match std::mem::replace(&mut question.phase, Phase::Choose) {
            Phase::Udp { socket, id: message_id } => {
                self.questions.unlink(id, socket);
                self.keys.remove(socket, message_id);
                self.sockets.done(socket);
            }
            Phase::Tcp { connection, .. } => self.tcp.close(connection),
            Phase::TcpQueue => self.tcp_queue.retain(|&queued| queued != id),
            _ => {}
        }
    }

    /// The timer of a question went off.
    pub(super) fn expire(&mut self, id: u32, now: Duration) {
        let question = self.questions.get(id);
        let (server, wait, phase) = (question.server, question.wait, question.phase);
        self.recall(id);
        match phase {
            Phase::Udp { .. } => {
                self.stats.timeouts.add(1);
                self.servers[server as usize].lost(wait);
            }
            Phase::Tcp { .. } | Phase::TcpQueue => {
                self.stats.timeouts.add(1);
                self.rule_out(id);
            }
            _ => {}
        }
        self.choose(id, now);
    }

    pub(super) fn rule_out(&mut self, id: u32) {
        let question = self.questions.get_mut(id);
        question.failed |= bit(question.place);
    }

    /// A datagram came through `socket`.
    pub(super) fn datagram(&mut self, socket: u16, message: &[u8], now: Duration) {
        let found = if message.len() < header::LEN { None } else { self.keys.get(socket, header::id(message)) };
        let Some(id) = found.filter(|&id| is_reply_to(message, self.questions.get(id))) else {
            return self.stats.unwanted.add(1);
        };
        let question = self.questions.get(id);
        self.servers[question.server as usize].heard(now.saturating_sub(question.sent));
        self.recall(id);
        self.stats.replies.add(1);
        if header::flags(message) & header::flag::TC != 0 {
            return self.queue_tcp(id, now);
        }
        self.judge(id, message, now);
    }
}

/// True when `message` is a reply to a query and repeats the question, octet for octet. Only an error may leave the
/// question out. The ID and the sender have been compared already.
pub(super) fn is_reply_to(message: &[u8], question: &Question) -> bool {
    let flags = header::flags(message);
    if flags & header::flag::QR == 0 || header::opcode_of(flags) != header::opcode::QUERY {
        return false;
    }
    match header::counts(message)[0] {
        0 => !matches!(flags & 0xf, rcode::NOERROR | rcode::NXDOMAIN | rcode::YXDOMAIN),
        1 => {
            let name = question.target.as_wire();
            let end = header::LEN + name.len();
            message.get(header::LEN..end) == Some(name)
                && get_u16(message, end) == Some(question.qtype)
                && get_u16(message, end + 2) == Some(question.qclass)
        }
        _ => false,
    }
}
