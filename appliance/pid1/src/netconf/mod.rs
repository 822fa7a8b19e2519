//! Network settings as one model, whatever their source; those of the kernel's command line, and whom to ask for
//! the time. Everything here is pure.

pub mod cmdline;
pub mod plan;
pub mod time;

pub use plan::{BondPlan, LinkKind, LinkPlan, Network, NetworkPlan, Parsed, RoutePlan};
