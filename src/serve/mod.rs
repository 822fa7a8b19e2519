//! The loops: worker, kernel sockets, streams, pending questions.

pub mod stream_message;
