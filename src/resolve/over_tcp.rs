//! A question whose reply did not fit into a datagram goes on over TCP, to the same server.

use super::digest::is_reply_to;
use super::engine::{Engine, TCP_TAG};
use super::question::Phase;
use super::tcp::Progress;
use super::tries::Addressee;
use super::trouble::Failure;
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
        self.stop_waiting(id);
        let question = self.questions.get_mut(id);
        question.asked = asked;
        question.phase = Phase::TcpQueue;
        self.timers.arm(id, (now + TCP_WAIT).min(question.started + self.options.patience));
        self.tcp_queue.push_back(id);
        self.open_tcp(now);
    }

    pub(super) fn open_tcp(&mut self, now: Duration) {
        while !self.tcp.is_full() {
            let Some(id) = self.tcp_queue.pop_front() else { return };
            let server = self.questions.get(id).asked.server;
            let address = self.servers[server as usize].address;
            let random = self.random.u16().map_err(|_| Failure { call: "getrandom", errno: Errno::IO });
            let opened = random.and_then(|message_id| {
                let source = self.sockets.source(&address, &mut self.random).map_err(Failure::of("bind"))?;
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
                    question.phase = Phase::Tcp { connection, id: message_id };
                }
                Err(failure) => {
                    self.refused(server, failure, now);
                    self.stop_waiting(id);
                    self.give_up_tcp(id);
                }
            }
        }
    }

    fn give_up_tcp(&mut self, id: u32) {
        self.rule_out(id, self.questions.get(id).asked.place);
        self.retry.push_back(id);
    }

    /// Something happened at a TCP connection.
    pub(super) fn tcp_event(&mut self, slot: u16, now: Duration) {
        let Some(id) = self.tcp.question(slot) else { return };
        let progress = self.tcp.drive(slot, self.poller.as_fd(), TCP_TAG | u64::from(slot));
        match progress {
            Progress::Waiting => {}
            Progress::Broken | Progress::Failed(_) => {
                if let Progress::Failed(failure) = progress {
                    self.refused(self.questions.get(id).asked.server, failure, now);
                }
                self.stop_waiting(id);
                self.give_up_tcp(id);
            }
            Progress::Reply => {
                let (buffer, len) = self.tcp.take_reply(slot);
                let message = buffer.get(2..len).unwrap_or(&[]);
                let question = self.questions.get(id);
                let is_ours = matches!(question.phase, Phase::Tcp { id, .. } if id == header::id(message));
                let fits = is_ours && is_reply_to(message, question);
                let asked = question.asked;
                self.stop_waiting(id);
                if fits && header::flags(message) & header::flag::TC == 0 {
                    self.stats.replies.add(1);
                    self.judge(id, asked, message, now);
                } else {
                    self.stats.unwanted.add(u64::from(!fits));
                    self.give_up_tcp(id);
                }
                self.tcp.put_back(slot, buffer);
            }
        }
    }
}
