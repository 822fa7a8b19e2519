//! The decision as a client sees it: queries in, replies out.

mod any_input;
mod errors;
mod local;
mod logged;
mod options;
mod repeatable;
mod rig;
mod upstream;
