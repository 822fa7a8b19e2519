//! Records that are made to hurt.
