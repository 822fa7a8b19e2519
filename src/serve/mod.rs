//! The loops: worker, kernel sockets, streams, pending questions.

pub mod stream;
mod stream_connection;
pub mod stream_message;
