//! The pure decision: access control, local zones, the answer cache.

pub mod acl;
pub mod cache;
pub mod zones;
