//! Asking a server: which one, sending, and finding the question of a reply.
//!
//! Server selection is Unbound's: of the servers not yet tried in this round, a random one among those whose expected
//! time lies within 400 ms of the fastest. A server that answered with an error (SERVFAIL, REFUSED, nonsense) is not
//! asked again for the same question; one that timed out is, with twice the wait in each round. When none is left, or
//! the client's patience is over, the answer is SERVFAIL.

use super::chain::write_query;
use super::digest::is_reply_to;
use super::engine::{Engine, bit};
use super::question::Phase;
use super::server::BAND;
use super::tries::{Addressee, Try, handle, of_handle};
use super::trouble::{Failure, ICMP, Way};
use crate::dns::{edns, header};
use rustix::io::Errno;
use rustix::net::{SendFlags, send};
use std::os::fd::AsFd;
use std::time::Duration;

/// Queries for one target name altogether (Unbound's max-sent-count).
pub(super) const SENDS: u8 = 32;
/// Pause when every server refused at once: one that is being restarted is back soon.
const PAUSE: Duration = Duration::from_millis(250);
/// Pauses of a question; then nobody is there to ask.
const PAUSES: u8 = 3;

impl Engine {
    /// Sends a question in phase `Choose` to the next server, or ends it.
    pub(super) fn choose(&mut self, id: u32, now: Duration) {
        loop {
            let question = self.questions.get_mut(id);
            let is_over = now >= question.started + self.options.patience;
            if is_over || question.sends >= SENDS {
                question.unheard |= is_over;
                return self.fail(id);
            }
            if let Some(place) = self.select(id) {
                // That a server refused EDNS says nothing of the next one.
                self.questions.get_mut(id).without_edns = false;
                if self.send(id, place, now) {
                    return;
                }
                let question = self.questions.get_mut(id);
                question.tried |= bit(place);
                question.refused |= bit(place);
                continue;
            }
            let question = self.questions.get_mut(id);
            let open = question.tried & !question.failed;
            let all_refused = open & !question.refused == 0;
            if open == 0 || (all_refused && question.pauses >= PAUSES) {
                return self.fail(id);
            }
            (question.tried, question.refused) = (0, 0);
            if all_refused {
                question.pauses += 1;
                question.phase = Phase::Pause;
                return self.timers.arm(id, now + PAUSE);
            }
            question.rounds += 1;
        }
    }

    /// The place within its zone of the server to ask next.
    fn select(&mut self, id: u32) -> Option<u8> {
        let question = self.questions.get(id);
        let servers = self.zone_servers.get(question.zone as usize)?;
        let passed = question.tried | question.failed;
        let open = servers.iter().enumerate().filter_map(|(place, &server)| {
            let is_open = passed & bit(place as u8) == 0;
            is_open.then(|| (place as u8, self.servers[server as usize].wait()))
        });
        let fastest = open.clone().map(|(_, wait)| wait).min()?;
        let mut band = open.filter(|&(_, wait)| wait <= fastest + BAND);
        let many = band.clone().count() as u32;
        let nth = if many > 1 { self.random.below(many).ok()? } else { 0 };
        band.nth(nth as usize).map(|(place, _)| place)
    }

    /// Sends over UDP and waits; false when that is impossible. The question is in phase `Choose`.
    pub(super) fn send(&mut self, id: u32, place: u8, now: Duration) -> bool {
        let Some(sent) = self.transmit(id, place, now) else { return false };
        self.questions.link(id, sent.socket);
        let question = self.questions.get_mut(id);
        question.asked = sent.asked;
        question.tried |= bit(place);
        question.was_sent = true;
        question.sent = now;
        question.wait = self.servers[sent.asked.server as usize].wait_in(question.rounds);
        question.phase = Phase::Udp { socket: sent.socket };
        let due = now + Duration::from_millis(u64::from(question.wait));
        self.timers.arm(id, due.min(question.started + self.options.patience));
        true
    }

    /// Puts a question on the wire; a reply finds it from now on. A try whose place this one needs gives it up once this
    /// one has left, and not before: its reply is all that can come if nothing leaves.
    pub(super) fn transmit(&mut self, id: u32, place: u8, now: Duration) -> Option<Try> {
        let question = self.questions.get(id);
        let server = *self.zone_servers.get(question.zone as usize)?.get(usize::from(place))?;
        let slot = question.tries.slot_for(server);
        let address = self.servers[server as usize].address;
        let picked = self.sockets.pick(server, address, now, &mut self.random, self.poller.as_fd());
        let socket = match picked {
            Ok(socket) => socket,
            Err(failure) => {
                self.met(server, Way::Calls, failure, now);
                return None;
            }
        };
        let sent = self.draw_id(socket, handle(id, slot)).and_then(|message_id| {
            let (len, edns) = self.write_query(id, server, message_id, now);
            match self.push(socket, len, now) {
                Ok(()) => Some(Try { socket, id: message_id, asked: Addressee { server, place, edns }, at: now }),
                Err(errno) => {
                    self.met(server, Way::Calls, Failure { call: "send", errno }, now);
                    self.keys.remove(socket, message_id);
                    None
                }
            }
        });
        let Some(sent) = sent else {
            self.sockets.done(socket);
            return None;
        };
        self.stats.udp_sent.add(1);
        match self.sockets.take_shortage() {
            Some(failure) => self.met(server, Way::Calls, failure, now),
            None if self.servers[server as usize].worked(Way::Calls, now) => self.show_troubles(),
            None => {}
        }
        self.release(id, slot);
        let question = self.questions.get_mut(id);
        question.tries.set(slot, sent);
        question.sends += 1;
        Some(sent)
    }

    /// Something stood in the way to a server.
    pub(super) fn met(&mut self, server: u32, way: Way, failure: Failure, now: Duration) {
        if self.servers[server as usize].failed(way, failure, now) {
            self.show_troubles();
        }
    }

    /// Has `status` show what stands in the way now.
    pub(super) fn show_troubles(&self) {
        let servers = self.servers.iter().filter(|server| server.is_used);
        self.troubles.set(servers.flat_map(|server| server.troubles().map(|failure| (server.address, failure))));
    }

    fn draw_id(&mut self, socket: u16, handle: u32) -> Option<u16> {
        for _ in 0..64 {
            let id = self.random.u16().ok()?;
            if self.keys.insert(socket, id, handle) {
                return Some(id);
            }
        }
        None
    }

    /// Writes the query of a question to `query`; gives its length, and whether it carries an OPT record.
    pub(super) fn write_query(&mut self, id: u32, server: u32, message_id: u16, now: Duration) -> (usize, bool) {
        let question = self.questions.get(id);
        let has_edns = !question.without_edns && self.servers[server as usize].knows_edns(now);
        let bits = if question.dnssec_ok { edns::DO } else { 0 };
        let edns = has_edns.then_some((self.options.edns_size, bits));
        let asked = (question.qtype, question.qclass);
        let disabled = question.checking_disabled;
        (write_query(&mut self.query, message_id, disabled, &question.target, asked, edns), has_edns)
    }

    /// Puts the written query on the wire. A full buffer is not told: the query counts as lost, the time-out repeats it.
    /// An error that does not come again was that of queries before this one, which the socket had still to report.
    fn push(&mut self, socket: u16, len: usize, now: Duration) -> Result<(), Errno> {
        let mut reported = None;
        let outcome = loop {
            let fd = self.sockets.fd(socket).ok_or(Errno::BADF)?;
            match send(fd, &self.query[..len], SendFlags::DONTWAIT | SendFlags::NOSIGNAL) {
                Ok(_) | Err(Errno::AGAIN | Errno::NOBUFS | Errno::NOMEM) => break Ok(()),
                Err(Errno::INTR) => {}
                // No ICMP error is told by this one.
                Err(Errno::PERM) => break Err(Errno::PERM),
                Err(errno) if reported.is_none() => reported = Some(errno),
                Err(errno) => break Err(errno),
            }
        };
        if let Some(errno) = reported.filter(|&errno| outcome != Err(errno)) {
            self.socket_failed(socket, errno, now);
        }
        outcome
    }

    /// What was sent through a socket came back as an ICMP error, as from a host where nobody listens: every question
    /// that waits at its server by it needs another one. Replies that had left before are still taken.
    pub(super) fn socket_failed(&mut self, socket: u16, errno: Errno, now: Duration) {
        if let Some(server) = self.sockets.server(socket) {
            self.met(server, Way::Udp, Failure { call: ICMP, errno }, now);
        }
        while let Some(id) = self.questions.first(socket) {
            self.stop_waiting(id);
            let question = self.questions.get_mut(id);
            question.refused |= bit(question.asked.place);
            question.unheard = true;
            self.retry.push_back(id);
        }
    }

    pub(super) fn rule_out(&mut self, id: u32, place: u8) {
        self.questions.get_mut(id).failed |= bit(place);
    }

    /// A datagram came through `socket`.
    pub(super) fn datagram(&mut self, socket: u16, message: &[u8], now: Duration) {
        let found = if message.len() < header::LEN { None } else { self.keys.get(socket, header::id(message)) };
        let found = found.map(of_handle).filter(|&(id, _)| is_reply_to(message, self.questions.get(id)));
        let Some((id, Try { asked, at, .. })) = found.and_then(|(id, slot)| Some((id, self.release(id, slot)?))) else {
            return self.stats.unwanted.add(1);
        };
        self.stats.replies.add(1);
        self.note_answer(asked.server, at, now);
        if self.questions.get(id).phase == Phase::Probe {
            self.end_probe(id);
        } else if header::flags(message) & header::flag::TC != 0 {
            self.queue_tcp(id, asked, now);
        } else {
            self.judge(id, asked, message, now);
        }
    }

    /// `server` has answered over UDP what was sent at `sent`.
    fn note_answer(&mut self, server: u32, sent: Duration, now: Duration) {
        let known = &mut self.servers[server as usize];
        let was_refused = known.worked(Way::Udp, sent);
        let was_away = known.heard(sent, now);
        if was_refused || was_away {
            self.show_troubles();
        }
        if was_away {
            self.wake(server, sent, now);
        }
    }
}
