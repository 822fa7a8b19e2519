//! A question whose reply did not fit into a datagram goes on over TCP, to the same server.
//!
//! That TCP fails says nothing of a server's UDP, nor the other way round. The question goes on to the next server, and
//! comes back in its next round. A server whose TCP failed a short while ago is asked over TCP only when no other is left
//! to ask in the round, so that not every long answer waits for it first.

use super::digest::is_reply_to;
use super::engine::{Engine, TCP_TAG, bit};
use super::question::Phase;
use super::tcp::Progress;
use super::tries::Addressee;
use super::trouble::{Failure, TCP, Way};
use crate::dns::header;
use rustix::io::Errno;
use std::os::fd::AsFd;
use std::time::Duration;

/// Longest wait for a TCP connection and its reply (Unbound's tcp-auth-query-timeout).
const TCP_WAIT: Duration = Duration::from_secs(3);

impl Engine {
    /// The reply of `asked` was cut off.
    pub(super) fn queue_tcp(&mut self, id: u32, asked: Addressee, now: Duration) {
        if self.tcp.are_forbidden() {
            return self.pass_over(id, asked, now);
        }
        if matches!(self.questions.get(id).phase, Phase::TcpQueue | Phase::Tcp { .. }) {
            return;
        }
        if self.servers[asked.server as usize].avoids_tcp(now) && self.has_other(id, asked.place) {
            self.refused_at_once(id, asked.place);
            return self.go_on(id, asked, now);
        }
        self.stop_waiting(id);
        let question = self.questions.get_mut(id);
        question.asked = asked;
        question.phase = Phase::TcpQueue;
        self.timers.arm(id, (now + TCP_WAIT).min(question.started + self.options.patience));
        self.tcp_queue.push_back(id);
        self.open_tcp(now);
    }

    /// True when a server other than `place` is asked by a question now, or can be in this round.
    fn has_other(&self, id: u32, place: u8) -> bool {
        let question = self.questions.get(id);
        let passed = question.tried | question.failed | bit(place);
        let servers = self.zone_servers.get(question.zone as usize).map_or(0, Vec::len) as u8;
        let asks = matches!(question.phase, Phase::Udp { .. }) && question.asked.place != place;
        asks || (0..servers).any(|other| passed & bit(other) == 0)
    }

    pub(super) fn open_tcp(&mut self, now: Duration) {
        while !self.tcp.is_full() {
            let Some(id) = self.tcp_queue.pop_front() else { return };
            let server = self.questions.get(id).asked.server;
            let address = self.servers[server as usize].address;
            let random = self.random.u16().map_err(|_| Failure::NO_RANDOM);
            let opened = random.and_then(|message_id| {
                let source = self.sockets.source(&address, &mut self.random)?;
                let (len, edns) = self.write_query(id, server, message_id, now);
                let query = &self.query[..len];
                let tag = |slot| TCP_TAG | u64::from(slot);
                Ok((self.tcp.open((source, address), id, query, self.poller.as_fd(), tag)?, message_id, edns))
            });
            match opened {
                Ok((connection, message_id, edns)) => {
                    self.stats.tcp_sent.add(1);
                    let question = self.questions.get_mut(id);
                    question.asked.edns = edns;
                    question.sent = now;
                    question.phase = Phase::Tcp { connection, id: message_id };
                    self.timers.arm(id, (now + TCP_WAIT).min(question.started + self.options.patience));
                }
                Err(failure) => self.tcp_failed(id, Some(failure), now),
            }
        }
    }

    /// The connection of a question failed, or could not be made.
    fn tcp_failed(&mut self, id: u32, failure: Option<Failure>, now: Duration) {
        let asked = self.questions.get(id).asked;
        if let Some(failure) = failure {
            self.met(asked.server, Way::Tcp, failure, now);
        }
        self.stop_waiting(id);
        self.refused_at_once(id, asked.place);
        self.retry.push_back(id);
    }

    fn refused_at_once(&mut self, id: u32, place: u8) {
        let question = self.questions.get_mut(id);
        question.tried |= bit(place);
        question.refused |= bit(place);
        question.unheard = true;
    }

    /// A question has waited in vain for `connection`. That a server has accepted it and says nothing may be for the name.
    pub(super) fn note_tcp_timeout(&mut self, id: u32, connection: u16, now: Duration) {
        let question = self.questions.get(id);
        if self.tcp.is_connecting(connection) && now >= question.sent + TCP_WAIT {
            self.met(question.asked.server, Way::Tcp, Failure { call: TCP, errno: Errno::TIMEDOUT }, now);
        }
    }

    /// Something happened at a TCP connection.
    pub(super) fn tcp_event(&mut self, slot: u16, now: Duration) {
        let Some(id) = self.tcp.question(slot) else { return };
        let progress = self.tcp.drive(slot, self.poller.as_fd(), TCP_TAG | u64::from(slot));
        match progress {
            Progress::Waiting => {}
            Progress::Broken => self.tcp_failed(id, None, now),
            Progress::Failed(failure) => self.tcp_failed(id, Some(failure), now),
            Progress::Reply => {
                let (buffer, len) = self.tcp.take_reply(slot);
                let message = buffer.get(2..len).unwrap_or(&[]);
                let question = self.questions.get(id);
                let is_ours = matches!(question.phase, Phase::Tcp { id, .. } if id == header::id(message));
                let fits = is_ours && is_reply_to(message, question);
                let (asked, sent) = (question.asked, question.sent);
                self.stop_waiting(id);
                if fits && self.servers[asked.server as usize].worked(Way::Tcp, sent) {
                    self.show_troubles();
                }
                if fits && header::flags(message) & header::flag::TC == 0 {
                    self.stats.replies.add(1);
                    self.judge(id, asked, message, now);
                } else {
                    self.stats.unwanted.add(u64::from(!fits));
                    self.rule_out(id, asked.place);
                    self.retry.push_back(id);
                }
                self.tcp.put_back(slot, buffer);
            }
        }
    }
}
