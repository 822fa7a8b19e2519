//! The loops: worker, kernel sockets, streams, pending questions.

pub mod pending;
pub mod stream_message;
pub mod worker;
