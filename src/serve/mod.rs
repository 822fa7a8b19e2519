//! The loops: worker, kernel sockets, streams, pending questions; start and stop.

pub mod events;
pub mod fast_path;
pub mod listen;
pub mod log;
mod log_file;
pub mod pending;
pub mod program;
pub mod scope;
pub mod stream;
mod stream_connection;
pub mod stream_limits;
pub mod stream_message;
pub mod worker;
