//! The pure decision: access control, local zones, the answer cache.
//!
//! [`decide::Answerer::decide`] is where a query becomes an answer: it reads the query in a buffer and writes the reply
//! over it, whatever socket the buffer came from.

pub mod acl;
mod admit;
mod alias;
mod answerer;
pub mod cache;
pub mod clients;
pub mod compile;
mod cookies;
pub mod decide;
mod error_rate;
mod errors;
pub mod keepalive;
mod local;
pub mod policy;
mod repeatable;
mod reply;
mod scans;
#[cfg(test)]
mod tests;
pub mod view;
pub mod zones;

pub use repeatable::Repeatable;
pub use reply::{CookieOption, shorten};
