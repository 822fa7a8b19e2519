//! The AF_XDP side as main sees it: where to attach, what is attached, and the watchdog over it.

use crate::attach::Target;
use crate::config::{self, Config, Toggle, XdpMode, XdpUse};
use crate::host::Interface;
use crate::stats::{Frames, QueueStats, Watchdog, XdpFigures};
use crate::xdp::{self, Attachment, Mode, Queue, Verdict, VerdictCounts, ZeroCopy};
use std::net::IpAddr;
use std::sync::Arc;

/// One interface with our program on it.
struct Attached {
    target: Target,
    attachment: Attachment,
    queues: Vec<Arc<QueueStats>>,
    generic: bool,
    zero_copy: bool,
    watch: Watch,
    /// The interface was away, and may be back under the same index: its sockets are not bound any more.
    lost: bool,
}

/// An interface the fast path was wanted on and is not.
struct Refused {
    interface: String,
    reason: String,
}

/// All of it.
#[derive(Default)]
pub struct FastPath {
    attached: Vec<Attached>,
    refused: Vec<Refused>,
}

/// Queues for the worker, with the counters it keeps for each.
pub type Queues = Vec<(Queue, Arc<QueueStats>)>;

impl FastPath {
    /// Attaches to every target that can be attached to. Each outcome is one log line.
    ///
    /// # Errors
    /// With `xdp: require`, the first target that cannot.
    pub fn open(config: &Config, targets: &[Target]) -> Result<(FastPath, Queues), String> {
        let mut path = FastPath::default();
        let queues = path.attach_missing(config, targets);
        if config.xdp.enable == XdpUse::Require {
            if let Some(refused) = path.refused.first() {
                return Err(format!("xdp: require: {}", refused.reason));
            }
            if path.attached.is_empty() {
                return Err("xdp: require: no interface carries an address of interface: other than loopback".into());
            }
        }
        Ok((path, queues))
    }

    /// Attaches to the targets that have no program of ours yet. What cannot be attached to is said once for each
    /// reason, however often it is tried.
    pub fn attach_missing(&mut self, config: &Config, targets: &[Target]) -> Queues {
        let mut all = Queues::new();
        let before = std::mem::take(&mut self.refused);
        for target in targets {
            if self.attached.iter().any(|attached| attached.target.interface.index == target.interface.index) {
                continue;
            }
            match open_target(config, target) {
                Ok((attachment, queues)) => self.take_in(config, target, attachment, queues, &mut all),
                Err(reason) => {
                    if before.iter().all(|refused| refused.reason != reason) {
                        log::warn!("XDP is off, kernel sockets serve: {reason}");
                    }
                    self.refused.push(Refused { interface: target.interface.name.clone(), reason });
                }
            }
        }
        all
    }

    /// Says which interfaces, by index, were away for a moment at least: [`FastPath::review`] lets go of them.
    pub fn lose(&mut self, removed: &[u32]) {
        for attached in self.attached.iter_mut().filter(|one| removed.contains(&one.target.interface.index)) {
            attached.lost = true;
        }
    }

    /// Compares what is attached with what should be now: addresses and MACs that changed are put in force, and the names
    /// of interfaces whose program is to go (the interface was removed or recreated, or serves no address) are given.
    pub fn review(&mut self, targets: &[Target]) -> Vec<String> {
        let mut gone = Vec::new();
        for attached in &mut self.attached {
            let index = attached.target.interface.index;
            match targets.iter().find(|target| target.interface.index == index) {
                Some(target) if !attached.lost && attached.attachment.is_attached() => attached.follow(target),
                _ => {
                    let name = attached.attachment.interface();
                    log::warn!("{name}: the interface went away or serves no address any more: XDP is off there");
                    attached.attachment.remove_all_from_map();
                    gone.push(name.to_owned());
                }
            }
        }
        gone
    }

    /// Lets go of an interface's program; its queues must be dropped before.
    pub fn forget(&mut self, interface: &str) {
        self.attached.retain(|attached| attached.attachment.interface() != interface);
    }

    fn take_in(
        &mut self,
        config: &Config,
        target: &Target,
        attachment: Attachment,
        queues: Vec<Queue>,
        all: &mut Queues,
    ) {
        let generic = config.xdp.mode == XdpMode::Generic;
        let zero_copy = queues.iter().all(|queue| queue.zero_copy() == ZeroCopy::Yes);
        let addresses: Vec<String> = target.addresses.iter().map(IpAddr::to_string).collect();
        log::info!(
            "{}: XDP serves {} port {}: {}, {}, {} of {} receive queues",
            target.interface.name,
            addresses.join(" "),
            target.port,
            if generic { "generic mode" } else { "native mode" },
            if zero_copy { "zero-copy" } else { "copy" },
            queues.len(),
            queues.len(),
        );
        let stats: Vec<Arc<QueueStats>> = queues.iter().map(|_| Arc::default()).collect();
        all.extend(queues.into_iter().zip(stats.iter().map(Arc::clone)));
        let target = target.clone();
        let watch = Watch::default();
        self.attached.push(Attached { target, attachment, queues: stats, generic, zero_copy, watch, lost: false });
    }

    /// True when a program is attached wherever one is wanted.
    pub fn is_complete(&self) -> bool {
        self.refused.is_empty()
    }

    /// True when no program is attached.
    pub fn is_empty(&self) -> bool {
        self.attached.is_empty()
    }

    /// Looks whether what the programs redirect arrives; to be called a few times a second.
    pub fn watch(&mut self) {
        for attached in &mut self.attached {
            let Ok(verdicts) = attached.attachment.verdicts() else { continue };
            let received = attached.queues.iter().map(|queue| queue.rx.get()).sum();
            if attached.watch.trips(verdicts.get(Verdict::Redirected), received) {
                attached.attachment.remove_all_from_map();
                log::warn!(
                    "{}: the XDP program redirects queries and no socket receives them ({}): taken out, kernel sockets \
                     serve; run xdp-mode: native on another interface (a veth pair works), or set xdp: no",
                    attached.attachment.interface(),
                    dropped(&attached.queues),
                );
            }
        }
    }

    /// Takes every socket out of the maps: the first step of every way out.
    pub fn close(&self) {
        for attached in &self.attached {
            attached.attachment.remove_all_from_map();
        }
    }

    /// What the control socket shows.
    pub fn figures(&self) -> Vec<XdpFigures> {
        let attached = self.attached.iter().map(Attached::figures);
        let refused = self.refused.iter().map(|refused| XdpFigures {
            interface: refused.interface.clone(),
            fallback: Some(refused.reason.clone()),
            ..XdpFigures::default()
        });
        attached.chain(refused).collect()
    }
}

fn open_target(config: &Config, target: &Target) -> Result<(Attachment, Vec<Queue>), String> {
    let Interface { name, index, mac, mtu, .. } = &target.interface;
    let Some(mac) = *mac else {
        return Err(format!("{name}: no Ethernet interface, so XDP has no frames to look at there"));
    };
    let options = xdp::Options {
        interface: name.clone(),
        index: *index,
        mac,
        mtu: *mtu,
        addresses: target.addresses.clone(),
        port: target.port,
        vlans: Vec::new(),
        mode: if config.xdp.mode == config::XdpMode::Generic { Mode::Generic } else { Mode::Native },
        zero_copy: match config.xdp.zerocopy {
            Toggle::Auto => ZeroCopy::Auto,
            Toggle::Yes => ZeroCopy::Yes,
            Toggle::No => ZeroCopy::No,
        },
        frames: xdp::DEFAULT_FRAMES,
    };
    xdp::open(&options).map_err(|error| error.to_string())
}

fn dropped(queues: &[Arc<QueueStats>]) -> String {
    let sum = |field: fn(&QueueStats) -> u64| queues.iter().map(|queue| field(queue)).sum::<u64>();
    format!(
        "rx_dropped {}, rx_ring_full {}, fill_ring_empty {}",
        sum(|queue| queue.rx_dropped.get()),
        sum(|queue| queue.rx_ring_full.get()),
        sum(|queue| queue.fill_ring_empty.get())
    )
}

impl Attached {
    /// Puts addresses and a MAC that changed in force.
    fn follow(&mut self, target: &Target) {
        let name = &target.interface.name;
        let said = |what: String, done: std::io::Result<()>| match done {
            Ok(()) => log::info!("{name}: XDP {what}"),
            Err(cause) => log::warn!("{name}: XDP {what}: {cause}; kernel sockets serve it"),
        };
        for &address in target.addresses.iter().filter(|address| !self.target.addresses.contains(address)) {
            said(format!("serves {address} too"), self.attachment.add_address(address));
        }
        for &address in self.target.addresses.iter().filter(|address| !target.addresses.contains(address)) {
            said(format!("serves {address} no more"), self.attachment.remove_address(address));
        }
        if let Some(mac) = target.interface.mac
            && self.target.interface.mac != Some(mac)
        {
            said("follows the new MAC address".to_owned(), self.attachment.set_mac_and_port(mac, target.port));
        }
        self.target = target.clone();
    }

    fn figures(&self) -> XdpFigures {
        let verdicts: VerdictCounts = self.attachment.verdicts().unwrap_or_default();
        let sum = |field: fn(&QueueStats) -> u64| self.queues.iter().map(|queue| field(queue)).sum::<u64>();
        XdpFigures {
            interface: self.attachment.interface().to_owned(),
            mode: if self.generic { crate::stats::XdpMode::Generic } else { crate::stats::XdpMode::Native },
            zerocopy: self.zero_copy,
            queues: self.queues.len() as u64,
            rx: sum(|queue| queue.rx.get()),
            tx: sum(|queue| queue.tx.get()),
            verdicts: Verdict::ALL.iter().map(|&verdict| (verdict.name(), verdicts.get(verdict))).collect(),
            frames: Frames {
                total: sum(|queue| queue.frames_total.get()),
                free: sum(|queue| queue.frames_free.get()),
                fill: sum(|queue| queue.frames_fill.get()),
                rx: sum(|queue| queue.frames_rx.get()),
                tx: sum(|queue| queue.frames_tx.get()),
                completion: sum(|queue| queue.frames_completion.get()),
            },
            watchdog: if self.watch.tripped { Watchdog::Tripped } else { Watchdog::Watching },
            fallback: self.watch.tripped.then(|| "redirected queries did not arrive; kernel sockets serve".to_owned()),
        }
    }
}

/// Compares what the program redirected with what the sockets received. Under overload a socket drops some of what
/// comes and receives the rest, so only a socket that receives nothing at all counts, twice in a row.
#[derive(Default)]
struct Watch {
    redirected: u64,
    received: u64,
    silent: u32,
    tripped: bool,
}

impl Watch {
    /// True at the moment it trips.
    fn trips(&mut self, redirected: u64, received: u64) -> bool {
        let silent = redirected > self.redirected && received == self.received;
        let moved = received != self.received;
        (self.redirected, self.received) = (redirected, received);
        if silent {
            self.silent += 1;
        } else if moved {
            self.silent = 0;
        }
        let trips = self.silent >= 2 && !self.tripped;
        self.tripped |= trips;
        trips
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_watchdog_wants_silence_twice() {
        let mut watch = Watch::default();
        assert!(!watch.trips(100, 90), "some lost under load");
        assert!(!watch.trips(200, 90));
        assert!(!watch.trips(200, 90), "nothing new says nothing");
        assert!(watch.trips(201, 90));
        assert!(!watch.trips(300, 90), "said once");
        let mut watch = Watch::default();
        assert!(!watch.trips(10, 0));
        assert!(!watch.trips(20, 5), "late, but it works");
        assert!(!watch.trips(30, 5));
    }
}
