//! Facts of this machine: interfaces and their addresses.

mod interfaces;

pub use interfaces::{Interface, InterfaceAddress, interfaces};

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Interfaces as a test wants them, numbered from 1.
    pub(crate) fn recorded(facts: &[(&str, &[&str])]) -> Vec<Interface> {
        let interface = |(number, (name, addresses)): (usize, &(&str, &[&str]))| Interface {
            name: (*name).to_owned(),
            index: number as u32 + 1,
            mac: Some([2, 0, 0, 0, 0, number as u8]),
            mtu: 1500,
            up: true,
            loopback: *name == "lo",
            addresses: addresses
                .iter()
                .map(|address| InterfaceAddress { ip: address.parse().unwrap(), prefix: 24 })
                .collect(),
            rx_queues: 1,
        };
        facts.iter().enumerate().map(interface).collect()
    }
}
