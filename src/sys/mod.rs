//! System calls that no safe crate wraps, the settings of process and socket built on them, and what copies and compares octets.
//!
//! Everything here is called at start or by one thread for its own sockets; the one global state is what `confine` put in force.

#![allow(unsafe_code)]

pub mod allocator;
pub mod bpf;
pub mod child;
pub mod clock;
pub mod confine;
pub mod cpu;
pub mod device;
pub mod ethtool;
pub mod limits;
pub mod memory;
mod memory_groups;
pub mod mmsg;
pub mod netlink;
#[cfg(all(target_arch = "x86_64", target_env = "musl"))]
mod octets;
pub mod owner;
pub mod packet;
pub mod place;
pub mod prefetch;
pub mod privileges;
pub mod signals;
pub mod sockaddr;
pub mod socket;
mod stamps;
mod syscalls;
mod udp_peer;
pub mod upstream;
