//! PID 1 of the appliance: the same program, started by the kernel from an initramfs that says so.

pub mod netconf;
pub mod service;

pub use service::{Event, Service, Status};
