//! Facts and configuration become a plan: where XDP programs go, and what would keep queries from them. Pure, so that
//! recorded facts test it.

mod advice;
mod answers;
mod arp;
mod candidates;
mod cause;
mod chain;
mod check;
mod cut_off;
mod finding;
mod gate;
mod passage;
mod plan;
mod required;
mod rivals;
mod silent;
mod tags;
mod taken;
mod unused;
mod vlan_place;
mod vlans;

pub use advice::add_address;
pub use answers::{NO_PROGRAM, UNTOLD, peer_is_taken, without_answers};
pub use candidates::Spot;
pub use cause::{Outside, Way};
pub use chain::Chain;
pub use check::{findings, share, wanted};
pub use cut_off::{CutOff, cut_off, duplicates};
pub use finding::{Finding, Level};
pub use plan::{Decision, Outcome, Place, Plan, Target, describe, plan};
pub use required::unmet;
pub use rivals::{Rival, grouped as grouped_rivals, rivals};
pub use tags::{PAGE_MTU, Tags, longest};
pub use unused::Unused;

use std::net::IpAddr;

/// Link-local and loopback addresses are not what a wildcard listener means to serve from outside.
fn is_global(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => !v4.is_loopback() && !v4.is_link_local(),
        IpAddr::V6(v6) => !v6.is_loopback() && !v6.is_unicast_link_local(),
    }
}
