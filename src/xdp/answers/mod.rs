//! Answers that the XDP program tells itself (bpf/answers.bpf.h): [`Table`] is main's side of them, [`Slots`] the worker's.

mod layout;
mod memory;
mod slots;
mod table;

pub use layout::{HEAD, Key, LONGEST_BODY, LONGEST_NAME, MOST_TTLS, QueryEdns, Reply, Rotated, SLOTS, WAYS};
pub use slots::{Hits, Slots};
pub use table::{MOST_NETWORKS, Table};

/// What a program answers itself: `enum runbound_answer_gate` of bpf/answers.h.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum AnswerGate {
    /// Nothing.
    Closed,
    /// One query, then nothing.
    Trial,
    /// What it knows.
    Open,
}
