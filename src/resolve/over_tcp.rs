//! A question whose reply did not fit into a datagram goes on over TCP, to the same server; where the configuration says so
//! it goes over TCP at once.
//!
//! That TCP fails says nothing of a server's UDP, nor the other way round. The question goes on to the next server, and
//! comes back in its next round. A server whose TCP failed a short while ago is asked over TCP only when no other is left
//! to ask in the round, so that not every long answer waits for it first; one whose TCP has failed this question counts as
//! none.
//!
//! Questions share streams (`streams`). One that ends before it has brought anything takes its question with it. If it had
//! brought replies, the server had closed it in between, and if there were several questions any of them may be what it
//! did not like: they go on over others, and where the server is the cause one by one. A stream that has brought no reply
//! since a question was sent over it which has lost its patience is closed, and what else waits there is asked elsewhere.

use super::core::{Turn, bit};
use super::digest::is_reply_to;
use super::question::Phase;
use super::streams::first_message;
use super::tries::Addressee;
use super::trouble::{Failure, TCP, Way};
use super::world::World;
use crate::dns::cause::{Cause, Why};
use crate::dns::header;
use rustix::io::Errno;

/// Questions in line that are looked at when there is room at a stream again.
const LOOK_AT: usize = 64;

impl<W: World> Turn<'_, W> {
    /// Whether a question goes over TCP from the start (`tcp-upstream:`, or `forward-tcp-upstream:` and `stub-tcp-upstream:` of its
    /// zone).
    pub(super) fn is_asked_over_tcp(&self, id: u32) -> bool {
        let cut = self.core.cuts.get(self.core.questions.get(id).cut);
        let zone = cut.and_then(|cut| self.core.table.zone(cut.source.zone()?));
        self.core.streams.options.always || zone.is_some_and(|zone| zone.tcp)
    }

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

    /// Asks the server at a place over TCP although nothing was cut off; false when another is to be asked.
    pub(super) fn begin_over_tcp(&mut self, id: u32, place: u8) -> bool {
        let Some(server) = self.core.seats(id).get(usize::from(place)).map(|seat| seat.server) else { return false };
        let avoids = self.core.servers[server].avoids_tcp(self.now) && self.has_other(id, place);
        let recursion = self.wants_recursion(id, place);
        let question = self.core.questions.get_mut(id);
        if self.core.streams.are_forbidden() {
            question.failed |= bit(place);
            return false;
        }
        if avoids {
            return false;
        }
        (question.was_sent, question.sends) = (true, question.sends.saturating_add(1));
        question.tried |= bit(place);
        self.queue(id, Addressee { server, place, recursion, ..Addressee::NOBODY });
        true
    }

    /// Has a question that is in phase `Choose` go over a stream to a server, or wait for one.
    fn queue(&mut self, id: u32, asked: Addressee) {
        self.core.questions.get_mut(id).asked = asked;
        self.wait_in_line(id);
        if !self.ride(id) {
            self.core.tcp_queue.push_back(id);
        }
    }

    fn wait_in_line(&mut self, id: u32) {
        let until = (self.now + self.core.streams.options.wait).min(self.deadline(id));
        self.core.questions.get_mut(id).phase = Phase::TcpQueue;
        self.core.timers.arm(id, until);
    }

    /// True when a server other than `place` is asked by a question now, or can be in this round. One whose TCP has failed for the
    /// question is none: drawn last in each round, it would be tried over TCP each time, and the others never.
    fn has_other(&self, id: u32, place: u8) -> bool {
        let question = self.core.questions.get(id);
        let passed = question.tried | question.failed | question.tcp_failed | bit(place);
        let servers = self.core.seats(id).len() as u8;
        let asks = matches!(question.phase, Phase::Udp { .. }) && question.asked.place != place;
        asks || (0..servers).any(|other| passed & bit(other) == 0)
    }

    /// Puts questions in line on streams, as far as there is room.
    pub(super) fn open_tcp(&mut self) {
        if !self.core.streams.take_room() {
            return;
        }
        let mut left = Vec::new();
        for _ in 0..self.core.tcp_queue.len().min(LOOK_AT) {
            let Some(id) = self.core.tcp_queue.pop_front() else { break };
            if !self.ride(id) {
                left.push(id);
            }
        }
        left.into_iter().rev().for_each(|id| self.core.tcp_queue.push_front(id));
    }

    /// Sends a question in phase `TcpQueue` over a stream; false when it has to wait for one.
    fn ride(&mut self, id: u32) -> bool {
        match self.stream_for(id).and_then(|slot| slot.map(|slot| self.send_over(slot, id)).transpose()) {
            Ok(sent) => sent.is_some(),
            Err(failure) => {
                self.tcp_failed(id, Some(failure));
                true
            }
        }
    }

    /// A stream for a question: one that is there, or a new one; `None` when it has to wait for one.
    fn stream_for(&mut self, id: u32) -> Result<Option<u16>, Failure> {
        let server = self.core.questions.get(id).asked.server;
        let address = self.core.servers[server].address;
        let one_by_one = self.core.servers[server].is_one_by_one(self.now);
        let found = self.core.streams.find(server, &address, one_by_one);
        if found.is_some() || self.core.streams.has_its_share(server) {
            return Ok(found);
        }
        if !self.core.streams.make_room(self.world) {
            let Some(stalled) = self.core.streams.most_stalled(self.now) else { return Ok(None) };
            self.abandon_stream(stalled);
        }
        let source = self.core.sockets.source(&address, self.world)?;
        self.core.streams.open(server, (source, address), self.now, self.world).map(Some)
    }

    fn send_over(&mut self, slot: u16, id: u32) -> Result<(), Failure> {
        let message_id = self.core.streams.draw_id(slot, self.world)?;
        let Addressee { server, recursion, .. } = self.core.questions.get(id).asked;
        let (len, edns, cookie) = self.write_query(id, (server, recursion), (message_id, None));
        self.core.streams.send(slot, (id, message_id), &self.core.query[..len], self.now, self.world);
        self.core.stats.tcp_sent.add(1);
        let until = (self.now + self.core.streams.options.wait).min(self.deadline(id));
        let question = self.core.questions.get_mut(id);
        (question.asked.edns, question.asked.cookie, question.sent) = (edns, cookie, self.now);
        question.phase = Phase::Tcp { connection: slot, id: message_id };
        self.core.timers.arm(id, until);
        Ok(())
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
        self.core.questions.get_mut(id).tcp_failed |= bit(asked.place);
        self.core.retry.push_back(id);
    }

    fn refused_at_once(&mut self, id: u32, place: u8) {
        let question = self.core.questions.get_mut(id);
        question.tried |= bit(place);
        question.refused |= bit(place);
        question.unheard = true;
    }

    /// A question has waited in vain for the reply with an ID over `connection`; true when nothing else came there either. That a
    /// server has accepted it and says nothing may be for the name.
    pub(super) fn note_tcp_timeout(&mut self, id: u32, (connection, message_id): (u16, u16)) -> bool {
        let wait = self.core.streams.options.wait;
        let question = self.core.questions.get(id);
        let (server, is_over) = (question.asked.server, self.now >= question.sent + wait);
        if self.core.streams.connecting_since(connection).is_some_and(|since| self.now >= since + wait) {
            self.met(server, Way::Tcp, Failure { call: TCP, errno: Errno::TIMEDOUT });
        }
        is_over && self.core.streams.is_stalled(connection, message_id)
    }

    /// Closes a stream that brings nothing; what waits there is asked elsewhere.
    pub(super) fn abandon_stream(&mut self, slot: u16) {
        for id in self.core.streams.end(slot, self.world).waiting {
            self.stop_waiting(id);
            let question = self.core.questions.get_mut(id);
            question.unheard = true;
            let server = question.asked.server;
            self.blame(id, server, Cause::new(Why::Silence));
            self.core.retry.push_back(id);
        }
    }

    /// A stream has ended.
    pub(super) fn stream_ended(&mut self, slot: u16, failure: Option<Failure>) {
        let Some(server) = self.core.streams.server(slot) else { return };
        let ended = self.core.streams.end(slot, self.world);
        if ended.left_some {
            self.core.servers[server].leaves_questions(self.now);
        }
        for id in ended.waiting {
            if ended.once_more {
                self.stop_waiting(id);
                self.wait_in_line(id);
                self.core.tcp_queue.push_back(id);
            } else {
                self.tcp_failed(id, failure);
            }
        }
    }

    /// Octets came over a stream.
    pub(super) fn stream_data(&mut self, slot: u16, octets: &[u8]) {
        self.core.streams.add_input(slot, octets);
    }

    /// Judges what has come over one of the streams, as far as there is room for answers; false when there is nothing, or none.
    pub(super) fn judge_a_stream(&mut self) -> bool {
        if self.world.room().is_none() {
            return false;
        }
        let Some((slot, serial, input)) = self.core.streams.take_input() else { return false };
        let mut done = 0;
        while self.world.room().is_some()
            && self.core.streams.is_there(slot, serial)
            && let Some(message) = first_message(&input[done..])
        {
            let (start, end) = (done + message.start, done + message.end);
            done = end;
            if end - start < header::LEN {
                // Nothing that comes behind it can be trusted to be in step.
                done = input.len();
                self.stream_ended(slot, None);
                break;
            }
            self.stream_reply((slot, serial), &input[start..end]);
        }
        self.core.streams.put_back(slot, serial, input, done);
        true
    }

    fn stream_reply(&mut self, stream: (u16, u32), message: &[u8]) {
        let Some(rider) = self.core.streams.replied(stream, message, self.now) else {
            // What answers nothing that was asked there is no DNS, and what follows is not in step.
            self.core.stats.unwanted.add(1);
            return self.stream_ended(stream.0, None);
        };
        let Some(id) = rider.question else { return self.core.stats.unwanted.add(1) };
        let question = self.core.questions.get(id);
        let fits = is_reply_to(message, question);
        let (asked, sent) = (question.asked, question.sent);
        self.stop_waiting(id);
        if fits && self.core.servers[asked.server].worked(Way::Tcp, sent) {
            self.show_troubles();
        }
        if fits && header::flags(message) & header::flag::TC == 0 {
            self.core.stats.replies.add(1);
            if self.is_asked_over_tcp(id) {
                let took = self.now.saturating_sub(sent).as_millis();
                self.core.servers[asked.server].measured(u32::try_from(took).unwrap_or(u32::MAX));
            }
            self.judge(id, asked, message);
        } else {
            self.core.stats.unwanted.add(u64::from(!fits));
            self.blame(id, asked.server, Cause::new(Why::Unreadable));
            self.rule_out(id, asked.place);
            self.core.retry.push_back(id);
        }
        self.core.streams.rest(stream, self.world);
    }
}
