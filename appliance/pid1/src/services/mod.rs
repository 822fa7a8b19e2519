//! What the loop of PID 1 turns beside the server and the network.
//!
//! | file | holds |
//! |---|---|
//! | `agent` | the hypervisor's questions and commands |
//! | `console` | the screen |
//! | `clock` | the wall clock, by SNTP |
//! | `hotplug`, `power`, `watchdog` | devices that come and go, the power button, the hardware's watchdog |
//! | `lookout` | what no event tells |

pub mod agent;
pub mod clock;
pub mod console;
pub mod hotplug;
pub mod lookout;
pub mod power;
pub mod watchdog;
