//! Facts of this machine: addresses, links, queues, limits.

mod cpus;
mod interfaces;

pub use cpus::{Cpus, cpus};
pub use interfaces::{Interface, InterfaceAddress, interface_of, interfaces};
