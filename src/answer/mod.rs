//! The pure decision: access control, local zones, the answer cache.
