//! What is found out about a link at which nothing comes in, and what that takes.

use super::is_global;
use crate::host::Link;
use std::net::Ipv4Addr;

/// Tells by which link the host sends to an address; `None` by none, or where that is not known.
pub type Way<'a> = &'a dyn Fn(Ipv4Addr) -> Option<String>;

/// What a look at the links does not tell.
#[derive(Clone, Copy)]
pub struct Outside<'a> {
    /// By which link the host sends.
    pub way: Way<'a>,
    /// The bridge that a link of this name was a port of, when it was seen last.
    pub bridge: &'a dyn Fn(&str) -> Option<String>,
}

/// Why, and what ends it.
pub(super) type Cause = (String, Option<String>);

/// Whether a link has an address that others than its neighbours may use.
pub(super) fn has_address(link: &Link) -> bool {
    link.addresses.iter().any(|address| is_global(address.ip))
}
