//! The `runbound` command.

fn main() {}
