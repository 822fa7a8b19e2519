//! System calls that no safe crate wraps.

#![allow(unsafe_code)]

pub mod upstream;
