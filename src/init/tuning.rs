//! What is set at boot for speed, each step with a line in the log.

use super::mounts::sysctl;
use crate::sys::cpu;
use std::fs;

/// Most octets that a socket may ask to buffer; the kernel's default (208 KiB) is some 200 large answers.
const SOCKET_BUFFERS: &str = "8388608";
/// From this many CPUs on the server has one for its worker alone: the last.
const CPUS_FOR_OWN_CORE: usize = 3;

/// Sets everything.
pub fn tune() {
    // The interface that carries an address speaks ARP for it alone, or queries come in where no XDP program is.
    if sysctl("net/ipv4/conf/all/arp_ignore", "1") && sysctl("net/ipv4/conf/all/arp_announce", "2") {
        log::info!("tuning: arp_ignore = 1, arp_announce = 2: each interface speaks ARP for its own addresses only");
    }
    if sysctl("net/core/rmem_max", SOCKET_BUFFERS) && sysctl("net/core/wmem_max", SOCKET_BUFFERS) {
        log::info!("tuning: sockets may buffer {SOCKET_BUFFERS} octets (so-rcvbuf, so-sndbuf)");
    }
    log::info!("tuning: no huge pages: UMEM lies in ordinary ones");
    interrupts();
}

/// Keeps interrupts off the worker's CPU.
fn interrupts() {
    let cpus = cpu::allowed_cpus();
    let Some((worker, others)) = cpus.split_last().filter(|_| cpus.len() >= CPUS_FOR_OWN_CORE) else {
        log::info!("tuning: {} CPUs: interrupts and the worker share them, nothing spins", cpus.len());
        return;
    };
    let list = others.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
    let mask = others.iter().filter(|&&cpu| cpu < 32).fold(0u32, |mask, cpu| mask | 1 << cpu);
    // For those that come later.
    if cpus.len() <= 32
        && let Err(cause) = fs::write("/proc/irq/default_smp_affinity", format!("{mask:x}"))
    {
        log::debug!("default_smp_affinity: {cause}");
    }
    let (mut moved, mut fixed) = (0, 0);
    for entry in fs::read_dir("/proc/irq").into_iter().flatten().flatten() {
        let path = entry.path().join("smp_affinity_list");
        if path.exists() {
            // The kernel keeps some where they are: timers, queues that it spread itself.
            if fs::write(path, &list).is_ok() { moved += 1 } else { fixed += 1 }
        }
    }
    log::info!(
        "tuning: worker on CPU {worker}, interrupts on {list} ({moved} set, {fixed} stay where the kernel has them)"
    );
}
