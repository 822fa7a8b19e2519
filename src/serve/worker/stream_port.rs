//! The streams: queries come framed from the stream thread, replies go back to it.

use super::Now;
use super::desk::{Desk, Incoming, Outcome};
use super::misses::Route;
use crate::ring::doorbell::Doorbell;
use crate::ring::spsc::{Consumer, Producer};
use crate::serve::stream_message::StreamMessage;
use crate::stats::WorkerStats;
use std::net::SocketAddr;
use std::sync::Arc;

/// Queries answered before the other sources have their turn.
const QUERIES_PER_TURN: usize = 64;

pub(super) struct StreamPort {
    queries: Consumer<StreamMessage>,
    replies: Producer<StreamMessage>,
    bell: Doorbell,
    stats: Arc<WorkerStats>,
}

impl StreamPort {
    pub(super) fn new(
        queries: Consumer<StreamMessage>,
        replies: Producer<StreamMessage>,
        bell: Doorbell,
        stats: Arc<WorkerStats>,
    ) -> StreamPort {
        StreamPort { queries, replies, bell, stats }
    }

    pub(super) fn has_work(&mut self) -> bool {
        !self.queries.is_empty()
    }

    /// Wakes the stream thread, if it sleeps, for the replies of a turn.
    pub(super) fn ring(&self) {
        self.bell.ring();
    }

    /// Answers some queries, each in its own slot, and copies the reply to a slot of the replies; true when there were any.
    /// Without room for a reply they stay where they are.
    pub(super) fn serve(&mut self, desk: &mut Desk, now: Now) -> bool {
        let mut served = 0;
        while served < QUERIES_PER_TURN
            && self.replies.reserve().is_some()
            && let Some(query) = self.queries.front()
        {
            served += 1;
            let (token, client, via, keepalive) = (query.token, query.client(), query.via(), query.keepalive());
            let local = query.local().filter(|_| desk.answerer.logs_destinations());
            let (message, len) = query.buffer();
            let incoming = Incoming { message, len, client, via, local, keepalive, ahead: None };
            // The stream thread counts its replies, so it is told of those that do not come.
            let reply = match desk.serve(incoming, now, || Route::Stream { token, via, keepalive }) {
                Outcome::Reply(len) => Some(len),
                Outcome::Drop => Some(0),
                Outcome::Waits => None,
            };
            if let Some(len) = reply {
                send(&mut self.replies, &self.stats, (token, client), &query.buffer().0[..len]);
            }
            self.queries.release();
        }
        if served > 0 {
            self.stats.places.tcp_queries.add(served as u64);
            self.ring();
            desk.misses.ring();
        }
        served > 0
    }

    /// Sends a late reply; an empty one says that none comes. False when there is no room for it, which there is for every
    /// query that came.
    pub(super) fn send_late(&mut self, token: u64, client: SocketAddr, reply: &[u8]) -> bool {
        send(&mut self.replies, &self.stats, (token, client), reply)
    }
}

fn send(
    replies: &mut Producer<StreamMessage>,
    stats: &WorkerStats,
    (token, client): (u64, SocketAddr),
    reply: &[u8],
) -> bool {
    let Some(slot) = replies.reserve() else { return false };
    slot.token = token;
    slot.set_client(client);
    slot.set_message(reply);
    replies.publish();
    stats.places.tcp_replies.add(u64::from(!reply.is_empty()));
    true
}
