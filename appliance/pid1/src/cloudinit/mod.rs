//! What a cloud-init drive says: found, read, and every key that is not honoured named with its path.
//!
//! | file | holds |
//! |---|---|
//! | `drives` | the disks and media that are there |
//! | `seed` | the drive: NoCloud or ConfigDrive2 |
//! | `document` | YAML and JSON, read so that what nobody asked for can be named |
//! | `userdata` | names, files, our configuration |
//! | `network`, `eni` | network settings in each of their languages |

pub mod document;
pub mod drives;
pub mod eni;
pub mod network;
pub mod seed;
pub mod userdata;

pub use network::network_config;
