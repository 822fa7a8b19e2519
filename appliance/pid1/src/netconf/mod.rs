//! Network settings as one model, whatever their source; and those of the kernel's command line. Everything here is pure.

pub mod cmdline;
pub mod plan;

pub use plan::{BondPlan, LinkKind, LinkPlan, Network, NetworkPlan, Parsed, RoutePlan};
