//! System calls that no safe crate wraps.
