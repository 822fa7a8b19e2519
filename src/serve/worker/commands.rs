//! What main asks of the worker, and what the worker says back.

use super::{Worker, XskPort, open_port};
use crate::answer::policy::Policy;
use crate::dns::{Name, name};
use crate::serve::fast_path::Queues;
use crate::xdp::Queue;
use std::sync::Arc;

/// What main asks of the worker.
#[expect(
    clippy::large_enum_variant,
    reason = "a slot of a ring of sixteen: a box would be an allocation for the worker to free"
)]
pub enum Command {
    /// Answer by this policy from now on.
    Policy(Arc<Policy>),
    /// Take a name out of the cache: one type, or all of them; or everything at and below it.
    Forget {
        /// The name, lower case.
        name: Name,
        /// One type only.
        qtype: Option<u16>,
        /// Everything below it too.
        below: bool,
    },
    /// Take out what says that something does not exist, or failed.
    ForgetNegative,
    /// Serve these queues too. The list comes back empty.
    Attach(Queues),
    /// Give back the queues of the interface of an index, in the list that comes with it and has the room.
    Detach(u32, Vec<Queue>),
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
    /// The policy that is no longer used, to be dropped off the packet path.
    Policy(Arc<Policy>),
    /// Number of cache entries taken out.
    Forgotten(u64),
    /// The queues are served; their list, empty, to be dropped off the packet path.
    Attached(Queues),
    /// The queues of the interface.
    Detached(Vec<Queue>),
}

impl Worker {
    /// Carries out what main asked for, as long as there is room to say what came of it.
    pub(super) fn obey(&mut self) -> bool {
        let mut worked = false;
        while let Some(slot) = self.commands.front() {
            let Some(answer) = self.done.reserve() else { break };
            let Some(Order { epoch, command }) = slot.take() else {
                self.commands.release();
                continue;
            };
            self.misses.set_epoch(epoch);
            let done = match command {
                Command::Policy(policy) => Done::Policy(self.answerer.set_policy(policy)),
                Command::Forget { name: wanted, below: true, .. } if wanted == Name::ROOT => {
                    Done::Forgotten(self.answerer.cache().clear())
                }
                Command::Forget { name: wanted, qtype, below } => {
                    Done::Forgotten(self.answerer.cache().forget_where(|name, kept_type| {
                        let at =
                            if below { name::is_at_or_below(name, wanted.as_wire()) } else { name == wanted.as_wire() };
                        at && qtype.is_none_or(|qtype| qtype == kept_type)
                    }))
                }
                Command::ForgetNegative => Done::Forgotten(self.answerer.cache().forget_negative()),
                Command::Attach(mut queues) => {
                    for (queue, stats) in queues.drain(..) {
                        let mut port = XskPort::new(queue, stats, self.next_port);
                        self.next_port += 1;
                        open_port(&mut port);
                        // There is room: see MAX_PORTS.
                        self.xsks.push(port);
                    }
                    Done::Attached(queues)
                }
                Command::Detach(index, mut queues) => {
                    while let Some(place) = self.xsks.iter().position(|port| port.interface_index() == index) {
                        queues.push(self.xsks.swap_remove(place).into_queue());
                    }
                    Done::Detached(queues)
                }
            };
            *answer = Some(done);
            self.done.publish();
            self.commands.release();
            worked = true;
        }
        if worked {
            self.main_bell.ring();
        }
        worked
    }
}
