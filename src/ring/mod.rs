//! SPSC ring, doorbell, and the cursors of the XSK rings.
//!
//! | type | between |
//! |---|---|
//! | [`spsc`] | two threads: messages written and read in place |
//! | [`doorbell`] | a thread that may sleep in `poll(2)` and those that have work for it |
//! | [`xsk`] | this process and the kernel: fill, completion, RX and TX ring of an AF_XDP socket |
//!
//! All three are model-tested for weakly ordered CPUs: every interleaving and every value that the memory model allows.
//!
//! ```sh
//! cd tests/loom && RUSTFLAGS="--cfg loom" cargo test --release
//! ```
#![allow(unsafe_code)]

pub mod doorbell;
pub mod spsc;
mod sync;
pub mod xsk;
