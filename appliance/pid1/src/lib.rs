//! PID 1 of the appliance: `/init` of its initramfs. The server is a program beside it, its child.
//!
//! The way of its data, in the order of a boot:
//!
//! | file | holds |
//! |---|---|
//! | `mounts`, `modules` | the kernel's file systems; drivers by modalias |
//! | `journal` | where log lines go |
//! | `disks`, `seed`, `userdata`, `drives` | volumes by label; the cloud-init drive and what it asks for; both while the machine runs |
//! | `netconf` | network settings of every source as one plan (pure) |
//! | `network` | the network in force: settings of the first source that says anything, leases, interfaces that come and go |
//! | `apply`, `routes`, `withdraw`, `netlink`, `dhcp`, `dhcp6`, `router`, `links`, `hotplug` | a plan made real and taken back, leases, name servers that routers tell, links and devices that come and go |
//! | `store`, `adopt`, `trial`, `entry`, `forwarders` | the data partition; which configuration is used; files tried, kept and replaced beside the loop; what the server reads; whom to ask |
//! | `tuning` | what is set at boot for speed |
//! | `server` | the server as a child process |
//! | `agent`, `console`, `lookout`, `power`, `watchdog` | services beside it |
//! | `run`, `boot`, `shutdown` | the loop, what comes before it and after it |

mod adopt;
pub mod agent;
mod apply;
mod boot;
pub mod console;
pub mod dhcp;
pub mod dhcp6;
mod disks;
mod drives;
mod entry;
mod forwarders;
mod hotplug;
mod journal;
mod links;
mod lookout;
mod modules;
mod mounts;
pub mod netconf;
pub mod netlink;
mod network;
pub mod power;
pub mod router;
pub mod routes;
mod run;
mod seed;
mod server;
pub mod service;
mod shutdown;
mod store;
mod trial;
mod tuning;
mod userdata;
pub mod watchdog;
mod withdraw;

pub use run::run;
pub use service::{Event, Service, Status};
