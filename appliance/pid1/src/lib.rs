//! PID 1 of the appliance: `/init` of its initramfs. The server is a program beside it, its child.
//!
//! The folders, in the order of their imports, which is nearly that of a boot; each tells of its files. docs/architecture.md
//! has what each may import.
//!
//! | folder | holds |
//! |---|---|
//! | `machine` | the kernel's file systems, drivers, volumes, the log, tuning |
//! | `netconf` | network settings as one model (pure) |
//! | `cloudinit` | the cloud-init drive and what it asks for |
//! | `service` (a file) | what the loop turns |
//! | `configuration` | the data partition, which configuration is used, what the server is started with |
//! | `network` | the settings made real: addresses, routes, leases, what routers tell |
//! | `services` | guest agent, console, power button, watchdog, devices that come |
//! | `run` | boot, the server as a child, the loop, the end |

mod cloudinit;
mod configuration;
mod machine;
pub mod netconf;
pub mod network;
mod run;
pub mod service;
mod services;

pub use run::run;
