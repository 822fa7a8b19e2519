//! What is set at boot for speed: each step is a line in the log, and one of the server's `status`.

mod nic;

use crate::machine::mounts::sysctl;
use runbound::host::memory;
use runbound::serve::program::BOOT_STEPS;
use runbound::sys::cpu;
use runbound::whole_file;
use std::fs;
use std::io::Write;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

pub use nic::nic;

/// Most octets that a socket may ask to buffer; the kernel's default (208 KiB) is some 200 large answers.
const SOCKET_BUFFERS: &str = "8388608";
/// From this many CPUs on the server has one for its worker alone: the last.
const CPUS_FOR_OWN_CORE: usize = 3;
/// From so many octets of memory on packet memory lies in huge pages. With less, what they leave unused is missed.
const MEMORY_FOR_HUGE_PAGES: u64 = 500 << 20;
const HUGE_PAGE: u64 = 2 << 20;
/// The part of the memory that may become huge pages; they are taken only when the server asks for them.
const HUGE_PART: u64 = 8;

/// What was done so far: a word for what it is about, and the line.
static STEPS: Mutex<Vec<(String, String)>> = Mutex::new(Vec::new());

/// Sets all that is not about one interface.
pub fn tune() {
    // The interface that carries an address speaks ARP for it alone, or queries come in where no XDP program is.
    if sysctl("net/ipv4/conf/all/arp_ignore", "1") && sysctl("net/ipv4/conf/all/arp_announce", "2") {
        step("arp", "arp_ignore 1, arp_announce 2: each interface speaks ARP for its own addresses only");
    }
    // An address that another machine had, or that a new card has, is known by its old MAC until its neighbours forget it.
    if sysctl("net/ipv4/conf/all/arp_notify", "1") && sysctl("net/ipv6/conf/all/ndisc_notify", "1") {
        step("announcements", "arp_notify 1, ndisc_notify 1: neighbours are told of an interface that comes up");
    }
    if sysctl("net/core/rmem_max", SOCKET_BUFFERS) && sysctl("net/core/wmem_max", SOCKET_BUFFERS) {
        step("buffers", &format!("sockets may buffer {SOCKET_BUFFERS} octets (so-rcvbuf, so-sndbuf)"));
    }
    step("huge pages", &huge_pages());
    step("interrupts", &interrupts());
}

/// Says that a step was done; a later one about the same takes its place in the status.
fn step(about: &str, line: &str) {
    log::info!("tuning: {line}");
    let mut steps = STEPS.lock().unwrap_or_else(PoisonError::into_inner);
    note(&mut steps, about, line);
    let text: String = steps.iter().map(|(_, line)| format!("{line}\n")).collect();
    if let Err(cause) = whole_file::write(Path::new(BOOT_STEPS), 0o644, |file| file.write_all(text.as_bytes())) {
        log::warn!("{BOOT_STEPS}: {cause}; the server's status does not show what was tuned");
    }
}

fn note(steps: &mut Vec<(String, String)>, about: &str, line: &str) {
    match steps.iter_mut().find(|(known, _)| known == about) {
        Some(known) => line.clone_into(&mut known.1),
        None => steps.push((about.to_owned(), line.to_owned())),
    }
}

/// Whether the server is to ask for huge pages.
pub fn wants_huge_pages() -> bool {
    memory() >= MEMORY_FOR_HUGE_PAGES
}

fn huge_pages() -> String {
    let megabytes = memory() >> 20;
    if !wants_huge_pages() {
        return format!("{megabytes} MB of memory: packet memory in ordinary pages");
    }
    let pages = memory() / HUGE_PART / HUGE_PAGE;
    // Not set aside: made of free memory when the server starts, and free memory again when it ends.
    if sysctl("vm/nr_overcommit_hugepages", &pages.to_string()) {
        format!("{megabytes} MB of memory: up to {pages} huge pages for packet memory")
    } else {
        "the kernel has no huge pages: packet memory in ordinary ones".to_owned()
    }
}

/// A number of things, in words.
fn counted(number: usize, thing: &str) -> String {
    format!("{number} {thing}{}", if number == 1 { "" } else { "s" })
}

/// The CPUs that take interrupts: all but the worker's, where it has its own.
fn split(cpus: &[usize]) -> Option<(usize, &[usize])> {
    cpus.split_last().filter(|_| cpus.len() >= CPUS_FOR_OWN_CORE).map(|(&worker, others)| (worker, others))
}

/// Keeps interrupts off the worker's CPU.
fn interrupts() -> String {
    let cpus = cpu::allowed_cpus();
    let Some((worker, others)) = split(&cpus) else {
        return format!("interrupts and the worker share {}, nothing spins", counted(cpus.len(), "CPU"));
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
    format!("worker on CPU {worker}, interrupts on {list} ({moved} set, {fixed} stay where the kernel has them)")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worker_has_a_core_where_there_are_three() {
        assert_eq!(split(&[0, 1]), None);
        assert_eq!(split(&[]), None);
        assert_eq!(split(&[0, 2, 5]), Some((5, &[0, 2][..])));
    }

    #[test]
    fn a_later_step_takes_the_place_of_the_one_before() {
        let mut steps = Vec::new();
        note(&mut steps, "eth0", "eth0: 1 queue");
        note(&mut steps, "eth1", "eth1: 1 queue");
        note(&mut steps, "eth0", "eth0: 2 queues");
        let lines: Vec<&str> = steps.iter().map(|(_, line)| line.as_str()).collect();
        assert_eq!(lines, ["eth0: 2 queues", "eth1: 1 queue"]);
    }
}
