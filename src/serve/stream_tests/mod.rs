//! The stream server over loopback. The test is the worker, and the clock.
#![allow(clippy::unwrap_used)]

mod harness;
mod limits;
mod messages;
