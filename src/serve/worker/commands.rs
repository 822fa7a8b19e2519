//! What main asks of the worker, and what the worker says back.

use super::{FLUSH_PER_TURN, Now, Worker, XskPort, open_port};
use crate::answer::cache::{Flush, Index};
use crate::answer::policy::Policy;
use crate::serve::fast_path::Queues;
use crate::xdp::Queue;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

/// What main asks of the worker.
#[expect(
    clippy::large_enum_variant,
    reason = "the one slot of a ring: a box would be an allocation for the worker to free"
)]
pub enum Command {
    /// Answer by this policy from now on, and with an index as [`Self::Clear`] does.
    Policy(Arc<Policy>, Option<Index>),
    /// Take these entries out of the cache.
    Flush(Flush),
    /// Take everything out of the cache: find entries by this index, which is empty.
    Clear(Index),
    /// Serve these queues too. The list comes back empty.
    Attach(Queues),
    /// Give back the queues of the interface of an index, in the list that comes with it and has the room.
    Detach(u32, Vec<Queue>),
    /// Count the queries of kernel sockets for these addresses, in order, which XDP is to have.
    Promise(Vec<SocketAddr>),
    /// Count what XDP programs have answered.
    Count,
    /// Say who asks how often, from this place of the table on, as far as the list that comes with it has room.
    Clients(usize, Vec<(IpAddr, u32)>),
}

/// A command and the epoch that it belongs to.
pub struct Order {
    /// Raised with every flush and every reload. An answer to what was asked in an older epoch is not kept.
    pub epoch: u32,
    /// What to do.
    pub command: Command,
}

/// What the worker says back, one for each [`Command`], in order.
pub enum Done {
    /// The policy that is no longer used, to be dropped off the packet path, as the index that found what was in the cache.
    Policy(Arc<Policy>, Option<Index>),
    /// Number of cache entries taken out.
    Flushed(u64),
    /// The same, and the index that found them, to be dropped off the packet path.
    Cleared(u64, Index),
    /// The queues are served; their list, empty, to be dropped off the packet path.
    Attached(Queues),
    /// The queues of the interface.
    Detached(Vec<Queue>),
    /// Those of which the list was used before, to be dropped off the packet path.
    Promised(Vec<SocketAddr>),
    /// It is counted.
    Counted,
    /// Clients that asked this second with how often they did, and where to go on.
    Clients(Option<usize>, Vec<(IpAddr, u32)>),
}

impl Worker {
    /// Carries out what main asked for, as long as there is room to say what came of it. A flush goes on at the next turn.
    pub(super) fn obey(&mut self, now: Now) -> bool {
        let mut worked = false;
        while self.done.reserve().is_some() {
            let done = if self.desk.answerer.cache().is_flushing() {
                worked = true;
                let Some(entries) = self.desk.answerer.cache().flush_on(FLUSH_PER_TURN) else { break };
                // What the walk had not come to yet may have been taught meanwhile.
                self.desk.unteach(now);
                Some(Done::Flushed(entries))
            } else {
                let Some(slot) = self.commands.front() else { break };
                let order = slot.take();
                self.commands.release();
                worked = true;
                order.and_then(|order| self.carry_out(order, now))
            };
            if let (Some(done), Some(slot)) = (done, self.done.reserve()) {
                *slot = Some(done);
                self.done.publish();
                self.main_bell.ring();
            }
        }
        worked
    }

    /// `None`: a flush has begun.
    fn carry_out(&mut self, Order { epoch, command }: Order, now: Now) -> Option<Done> {
        self.desk.misses.set_epoch(epoch);
        Some(match command {
            Command::Policy(policy, empty) => {
                self.desk.unteach(now);
                let old = self.desk.answerer.set_policy(policy);
                Done::Policy(old, empty.map(|index| self.desk.answerer.cache().clear(index).1))
            }
            Command::Flush(flush) => {
                self.desk.answerer.cache().begin_flush(flush);
                return None;
            }
            Command::Clear(index) => {
                self.desk.unteach(now);
                let (entries, index) = self.desk.answerer.cache().clear(index);
                Done::Cleared(entries, index)
            }
            Command::Attach(queues) => Done::Attached(self.attach(queues)),
            Command::Promise(list) => Done::Promised(std::mem::replace(&mut self.desk.promised, list)),
            Command::Clients(from, mut list) => {
                let next = self.desk.answerer.list_clients(from, now.seconds, &mut list);
                Done::Clients(next, list)
            }
            Command::Count => {
                self.desk.count_told(now);
                Done::Counted
            }
            Command::Detach(index, queues) => Done::Detached(self.detach(index, queues, now)),
        })
    }

    /// Gives the list back, empty.
    fn attach(&mut self, mut queues: Queues) -> Queues {
        for (queue, share) in queues.drain(..) {
            let mut port = XskPort::new(queue, share, self.next_port, self.class);
            self.next_port += 1;
            open_port(&mut port);
            // There is room: see MAX_PORTS.
            self.xsks.push(port);
        }
        queues
    }

    /// Gives the list back with the queues of the interface `index`, what they held answered.
    fn detach(&mut self, index: u32, mut queues: Vec<Queue>, now: Now) -> Vec<Queue> {
        while let Some(place) = self.xsks.iter().position(|port| port.interface_index() == index) {
            let mut port = self.xsks.swap_remove(place);
            port.finish(&mut self.desk, now);
            queues.push(port.into_queue());
        }
        queues
    }
}
