//! A question whose reply did not fit into a datagram goes on over TCP, to the same server.
//!
//! That TCP fails says nothing of a server's UDP, nor the other way round. The question goes on to the next server, and
//! comes back in its next round. A server whose TCP failed a short while ago is asked over TCP only when no other is left
//! to ask in the round, so that not every long answer waits for it first.

use super::core::{Turn, bit};
use super::digest::is_reply_to;
use super::question::Phase;
use super::tries::Addressee;
use super::trouble::{Failure, TCP, Way};
use super::world::World;
use crate::dns::cause::{Cause, Why};
use crate::dns::header;
use rustix::io::Errno;
use std::time::Duration;

/// Longest wait for a TCP connection and its reply (Unbound's tcp-auth-query-timeout).
const TCP_WAIT: Duration = Duration::from_secs(3);

impl<W: World> Turn<'_, W> {
    /// The reply of `asked` was cut off.
    pub(super) fn queue_tcp(&mut self, id: u32, asked: Addressee) {
        if self.core.streams.are_forbidden() {
            return self.pass_over(id, asked);
        }
        if matches!(self.core.questions.get(id).phase, Phase::TcpQueue | Phase::Tcp { .. }) {
            return;
        }
        if self.core.servers[asked.server].avoids_tcp(self.now) && self.has_other(id, asked.place) {
            self.refused_at_once(id, asked.place);
            return self.go_on(id, asked);
        }
        self.stop_waiting(id);
        self.queue(id, asked);
    }

    /// Whether the servers of the question's zone are asked over TCP alone (`forward-tcp-upstream:`, `stub-tcp-upstream:`).
    pub(super) fn is_asked_over_tcp(&self, id: u32) -> bool {
        let cut = self.core.cuts.get(self.core.questions.get(id).cut);
        let zone = cut.and_then(|cut| self.core.table.zone(cut.source.zone()?));
        zone.is_some_and(|zone| zone.tcp)
    }

    /// Asks the server at a place over TCP from the start; false when it cannot be asked now.
    pub(super) fn begin_over_tcp(&mut self, id: u32, place: u8) -> bool {
        let Some(server) = self.core.seats(id).get(usize::from(place)).map(|seat| seat.server) else { return false };
        let recursion = self.wants_recursion(id, place);
        let question = self.core.questions.get_mut(id);
        question.tried |= bit(place);
        if self.core.streams.are_forbidden() {
            question.failed |= bit(place);
            return false;
        }
        (question.was_sent, question.sends) = (true, question.sends.saturating_add(1));
        self.queue(id, Addressee { server, place, edns: true, recursion });
        true
    }

    /// Has a question that is in phase `Choose` wait for a stream to a server.
    fn queue(&mut self, id: u32, asked: Addressee) {
        let question = self.core.questions.get_mut(id);
        (question.asked, question.phase) = (asked, Phase::TcpQueue);
        self.core.timers.arm(id, (self.now + TCP_WAIT).min(question.started + self.core.options.patience));
        self.core.tcp_queue.push_back(id);
        self.open_tcp();
    }

    /// True when a server other than `place` is asked by a question now, or can be in this round.
    fn has_other(&self, id: u32, place: u8) -> bool {
        let question = self.core.questions.get(id);
        let passed = question.tried | question.failed | bit(place);
        let servers = self.core.seats(id).len() as u8;
        let asks = matches!(question.phase, Phase::Udp { .. }) && question.asked.place != place;
        asks || (0..servers).any(|other| passed & bit(other) == 0)
    }

    pub(super) fn open_tcp(&mut self) {
        while !self.core.streams.is_full() {
            let Some(id) = self.core.tcp_queue.pop_front() else { return };
            match self.connect(id) {
                Ok((stream, message_id, edns)) => {
                    self.core.stats.tcp_sent.add(1);
                    let question = self.core.questions.get_mut(id);
                    question.asked.edns = edns;
                    question.sent = self.now;
                    question.phase = Phase::Tcp { connection: stream, id: message_id };
                    self.core.timers.arm(id, (self.now + TCP_WAIT).min(question.started + self.core.options.patience));
                }
                Err(failure) => self.tcp_failed(id, Some(failure)),
            }
        }
    }

    /// Opens a stream for a question and hands it the query; gives its number, the ID, and whether it carries EDNS.
    fn connect(&mut self, id: u32) -> Result<(u16, u16, bool), Failure> {
        let Addressee { server, recursion, .. } = self.core.questions.get(id).asked;
        let address = self.core.servers[server].address;
        let message_id = self.world.draw()?;
        let source = self.core.sockets.source(&address, self.world)?;
        let (len, edns) = self.write_query(id, (server, recursion), message_id);
        let stream = self.core.streams.open(id, (source, address), self.world)?;
        self.world.send_stream(stream, &(len as u16).to_be_bytes());
        self.world.send_stream(stream, &self.core.query[..len]);
        Ok((stream, message_id, edns))
    }

    /// The connection of a question failed, or could not be made.
    fn tcp_failed(&mut self, id: u32, failure: Option<Failure>) {
        let asked = self.core.questions.get(id).asked;
        if let Some(failure) = failure {
            self.met(asked.server, Way::Tcp, failure);
        }
        self.stop_waiting(id);
        self.blame(id, asked.server, Cause::new(Why::Network));
        self.refused_at_once(id, asked.place);
        self.core.retry.push_back(id);
    }

    fn refused_at_once(&mut self, id: u32, place: u8) {
        let question = self.core.questions.get_mut(id);
        question.tried |= bit(place);
        question.refused |= bit(place);
        question.unheard = true;
    }

    /// A question has waited in vain for `connection`. That a server has accepted it and says nothing may be for the name.
    pub(super) fn note_tcp_timeout(&mut self, id: u32, connection: u16) {
        let question = self.core.questions.get(id);
        if self.core.streams.is_connecting(connection) && self.now >= question.sent + TCP_WAIT {
            self.met(question.asked.server, Way::Tcp, Failure { call: TCP, errno: Errno::TIMEDOUT });
        }
    }

    /// A stream has ended before its reply was there.
    pub(super) fn stream_ended(&mut self, slot: u16, failure: Option<Failure>) {
        if let Some(id) = self.core.streams.question(slot) {
            self.tcp_failed(id, failure);
        }
    }

    /// Octets came over a stream.
    pub(super) fn stream_data(&mut self, slot: u16, octets: &[u8]) {
        let Some(id) = self.core.streams.question(slot) else { return };
        let Some(reply) = self.core.streams.take_reply(slot, octets) else { return };
        let message = reply.get(2..).unwrap_or(&[]);
        let question = self.core.questions.get(id);
        let is_ours = matches!(question.phase, Phase::Tcp { id, .. } if id == header::id(message));
        let fits = is_ours && is_reply_to(message, question);
        let (asked, sent) = (question.asked, question.sent);
        self.stop_waiting(id);
        if fits && self.core.servers[asked.server].worked(Way::Tcp, sent) {
            self.show_troubles();
        }
        if fits && header::flags(message) & header::flag::TC == 0 {
            self.core.stats.replies.add(1);
            self.judge(id, asked, message);
        } else {
            self.core.stats.unwanted.add(u64::from(!fits));
            self.blame(id, asked.server, Cause::new(Why::Unreadable));
            self.rule_out(id, asked.place);
            self.core.retry.push_back(id);
        }
        self.core.streams.put_back(slot, reply);
    }
}
