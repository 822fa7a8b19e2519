//! PID 1 of the appliance: the same program, started by the kernel from an initramfs that says so.

pub mod agent;
pub mod console;
pub mod power;
pub mod service;
pub mod watchdog;

pub use service::{Event, Service, Status};
