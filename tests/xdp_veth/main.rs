//! The XDP program, the AF_XDP queue and what is changed on an interface for them, on a veth pair: needs root, and fails
//! without.
//!
//! The outer tests make a network namespace with both ends of the pair and run the inner, ignored ones in it; the
//! namespace is removed however they end.

mod answers;
mod attachment;
mod changes;
mod memory;
#[path = "../lib/namespace.rs"]
mod namespace;
mod pair;
mod peer;
mod redirect;
mod reuse;
mod tags;
mod wire;
