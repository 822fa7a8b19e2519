//! The side thread that asks upstream servers.
