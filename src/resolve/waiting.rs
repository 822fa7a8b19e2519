//! What a question waits for, and how the waiting ends: by a time-out, by a server that is back, or for good.

use super::core::{Core, Turn, bit};
use super::question::Phase;
use super::timer::TICK;
use super::tries::Try;
use super::world::World;
use crate::dns::cause::{Cause, Why};
use crate::dns::flaw::Flaw;
use std::time::Duration;

/// Longest wait for the answer to a probe.
const PROBE_WAIT: Duration = Duration::from_millis(900);
/// Questions sent anew per tick to a server that is back: what its socket's buffer holds with ease.
const WOKEN_PER_TICK: u32 = 64;

impl<W: World> Turn<'_, W> {
    /// Ends the waiting for the last query: afterwards the question is in phase `Choose`. Replies to what was sent over
    /// UDP still find it.
    pub(super) fn stop_waiting(&mut self, id: u32) {
        self.core.timers.cancel(id);
        let question = self.core.questions.get_mut(id);
        match question.phase {
            Phase::Free | Phase::Failed | Phase::Choose => return,
            Phase::Udp { socket } => self.core.questions.unlink(id, socket),
            Phase::Tcp { connection, id } => self.core.streams.forget(connection, id, self.world),
            Phase::TcpQueue => self.core.tcp_queue.retain(|&queued| queued != id),
            Phase::Pause | Phase::Probe | Phase::Await => {}
        }
        self.core.questions.get_mut(id).phase = Phase::Choose;
    }

    /// As [`Self::stop_waiting`], and no reply finds the question any more.
    pub(super) fn recall(&mut self, id: u32) {
        self.stop_waiting(id);
        while let Some(slot) = self.core.questions.get(id).tries.first() {
            self.release(id, slot, false);
        }
    }

    /// Empties a slot of a question's tries. `answered`: nothing is to come for it any more.
    pub(super) fn release(&mut self, id: u32, slot: usize, answered: bool) -> Option<Try> {
        let sent = self.core.questions.get_mut(id).tries.take(slot)?;
        self.core.keys.remove(sent.socket, sent.id);
        self.core.sockets.done((sent.socket, sent.serial), answered, self.now, self.world);
        Some(sent)
    }

    /// The timer of a question went off.
    pub(super) fn expire(&mut self, id: u32) {
        let phase = self.core.questions.get(id).phase;
        let stalled = match phase {
            Phase::Tcp { connection, id: message } => {
                self.note_tcp_timeout(id, (connection, message)).then_some(connection)
            }
            _ => None,
        };
        self.stop_waiting(id);
        stalled.into_iter().for_each(|stream| self.abandon_stream(stream));
        match phase {
            Phase::Udp { .. } => self.count_loss(id),
            Phase::Tcp { .. } | Phase::TcpQueue => {
                self.core.stats.timeouts.add(1);
                let question = self.core.questions.get_mut(id);
                question.unheard = true;
                let server = question.asked.server;
                self.blame(id, server, Cause::new(Why::Silence));
            }
            Phase::Probe => {
                self.count_loss(id);
                return self.end_probe(id);
            }
            Phase::Await if self.core.questions.get(id).held.is_some() => {
                return self.unprovable(id, Flaw::Unreachable);
            }
            _ => {}
        }
        self.choose(id);
    }

    fn count_loss(&mut self, id: u32) {
        let question = self.core.questions.get_mut(id);
        if !self.core.options.iteration.strict {
            question.show_more_after_time_out();
        }
        // A question that was woken has not waited in vain.
        if self.now >= question.sent + Duration::from_millis(u64::from(question.wait)) {
            self.core.stats.timeouts.add(1);
            question.unheard = true;
            self.doubt_the_case(id);
            let question = self.core.questions.get(id);
            let (sent, first) = ((question.sent, question.wait), question.rounds == 0);
            let server = question.asked.server;
            self.blame(id, server, Cause::new(Why::Silence));
            if self.core.servers[server].lost(sent, first, self.now) {
                self.show_troubles();
            }
        }
    }

    /// `server` was away and has answered what was sent at `sent`. What it was sent before and what still waits at it is
    /// lost with its absence: it is sent anew at once, a few per tick so that the server is not flooded.
    pub(super) fn wake(&mut self, server: u32, sent: Duration) {
        let (mut woken, sends) = (0, self.core.options.iteration.sends);
        for socket in self.core.sockets.of(server) {
            let mut next = self.core.questions.first(socket);
            while let Some(id) = next {
                next = self.core.questions.after(id);
                let question = self.core.questions.get_mut(id);
                let at = self.now + TICK * (woken / WOKEN_PER_TICK);
                let due = question.sent + Duration::from_millis(u64::from(question.wait));
                let is_there = question.asked.server == server && question.sent < sent;
                if is_there && at < due && question.sends < sends {
                    (question.tried, question.rounds) = (question.tried & !bit(question.asked.place), 0);
                    self.core.timers.arm(id, at);
                    woken += 1;
                }
            }
        }
    }

    /// Sends a question that was just answered to a silent server of its zone, so that no client has to wait for what
    /// comes of it; false when none is to be probed.
    pub(super) fn probe(&mut self, id: u32) -> bool {
        let is_alone = self.core.seats(id).len() < 2;
        if is_alone || self.is_asked_over_tcp(id) || self.core.questions.is_full() {
            return false;
        }
        self.place_to_probe(id).is_some_and(|place| self.send_probe(id, place))
    }

    /// The place within its cut of a silent server that it is time for: the caller sends it something.
    fn place_to_probe(&mut self, id: u32) -> Option<u8> {
        let Core { cuts, questions, servers, .. } = &mut *self.core;
        let mut seats = cuts.get(questions.get(id).cut)?.seats().iter().zip(0u8..);
        seats.find(|(seat, _)| servers[seat.server].wants_probe(self.now)).map(|(_, place)| place)
    }

    /// As [`Self::probe`], for a question that goes elsewhere: a copy of it is sent.
    pub(super) fn probe_beside(&mut self, id: u32) {
        let Some(place) = self.place_to_probe(id) else { return };
        let Some(copy) = self.core.questions.take_lookup(Some(id), true) else { return };
        let question = self.core.questions.get(id);
        let (name, qtype, qclass, cut) = (question.target, question.qtype, question.qclass, question.cut);
        let probe = self.core.questions.get_mut(copy);
        (probe.name, probe.target, probe.qtype, probe.qclass, probe.started) = (name, name, qtype, qclass, self.now);
        self.go_to_cut(copy, cut);
        if !self.send_probe(copy, place) {
            self.give_back(copy);
        }
    }

    fn send_probe(&mut self, id: u32, place: u8) -> bool {
        let Some(sent) = self.transmit(id, place) else { return false };
        let question = self.core.questions.get_mut(id);
        (question.asked, question.sent, question.rounds) = (sent.asked, self.now, 0);
        question.wait = PROBE_WAIT.as_millis() as u32;
        question.phase = Phase::Probe;
        self.core.timers.arm(id, self.now + PROBE_WAIT);
        true
    }

    pub(super) fn end_probe(&mut self, id: u32) {
        self.recall(id);
        self.give_back(id);
    }
}
