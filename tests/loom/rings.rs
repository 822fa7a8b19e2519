//! The rings of the program and their model tests, and nothing else of it.

#[path = "../../src/ring/mod.rs"]
pub mod ring;
