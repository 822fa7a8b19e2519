//! The machine as the kernel shows it: file systems, drivers, volumes, the log, and what is set for speed.
//!
//! | file | holds |
//! |---|---|
//! | `mounts`, `modules` | the kernel's file systems; drivers by modalias |
//! | `disks` | volumes by label |
//! | `kernel_log` | what the kernel said before PID 1 was there |
//! | `journal`, `warnings` | where log lines go; the last warnings, for the screen |
//! | `tuning` | what is set at boot for speed |
//! | `date` | dates for people |

pub mod date;
pub mod disks;
pub mod journal;
pub mod kernel_log;
pub mod modules;
pub mod mounts;
pub mod tuning;
pub mod warnings;
