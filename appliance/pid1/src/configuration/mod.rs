//! Which configuration the server reads, and where it is kept.
//!
//! | file | holds |
//! |---|---|
//! | `store` | the data partition |
//! | `adopt`, `trial` | which file is used; files tried, kept and replaced beside the loop |
//! | `entry` | what the server is started with |
//! | `forwarders` | whom to ask |
//! | `archive` | all of it as text, for a channel |

pub mod adopt;
pub mod archive;
pub mod entry;
pub mod forwarders;
pub mod store;
pub mod trial;
