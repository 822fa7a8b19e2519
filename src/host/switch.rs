//! The ports of this host's Open vSwitch and their VLANs. The kernel has them in flows alone, so that its database is asked, as an
//! administrator would: by `ovs-vsctl`, which reads and changes nothing.

use crate::number;
use std::collections::HashMap;
use std::process::{Command, Stdio};

/// Where Debian has it; whatever else is in a path of the environment is not run.
const PROGRAM: &str = "/usr/bin/ovs-vsctl";
/// Seconds that it waits for the database at most.
const PATIENCE: &str = "--timeout=3";
/// VLANs that may stand there: 0 is what is in none.
const VLANS: std::ops::RangeInclusive<u16> = 0..=4094;

/// A port (ovs-vswitchd.conf.db(5), Port: VLAN Configuration).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SwitchPort {
    /// Its name: that of its interface, but for a bond.
    pub name: String,
    /// The bridge it is of.
    pub bridge: String,
    /// `tag`.
    pub tag: Option<u16>,
    /// `trunks`; none for all.
    pub trunks: Vec<u16>,
    /// How it treats them.
    pub mode: SwitchMode,
}

/// How a port of an Open vSwitch treats VLANs (`vlan_mode`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SwitchMode {
    /// In the VLAN of its tag alone, whose frames have none there.
    Access,
    /// In those of its trunks, whose frames have their tag.
    Trunk,
    /// The same, and in that of its tag, whose frames have none there.
    NativeUntagged,
    /// The same, and in that of its tag, to which frames without one belong that come in.
    NativeTagged,
    /// Another one.
    Other,
}

impl SwitchPort {
    /// The VLAN of what comes in without a tag: 0 for none.
    pub fn native(&self) -> u16 {
        let native = self.tag.filter(|_| self.mode != SwitchMode::Trunk);
        native.unwrap_or(0)
    }

    /// Whether frames of a VLAN come in and go out there.
    pub fn carries(&self, vlan: u16) -> bool {
        let among = self.trunks.is_empty() || self.trunks.contains(&vlan);
        match self.mode {
            SwitchMode::Access => vlan == self.native(),
            SwitchMode::Trunk => among,
            SwitchMode::NativeUntagged | SwitchMode::NativeTagged | SwitchMode::Other => among || vlan == self.native(),
        }
    }

    /// Whether frames of a VLAN leave there without a tag.
    pub fn untags(&self, vlan: u16) -> bool {
        vlan == 0 || vlan == self.native() && matches!(self.mode, SwitchMode::Access | SwitchMode::NativeUntagged)
    }
}

/// All ports, by what the database of this host says.
///
/// # Errors
/// Why it cannot be read, in one line.
pub(super) fn ports() -> Result<Vec<SwitchPort>, String> {
    let words = [
        PATIENCE,
        "--format=csv",
        "--data=bare",
        "--no-headings",
        "--",
        "--columns=name,ports",
        "list",
        "bridge",
        "--",
        "--columns=_uuid,name,tag,trunks,vlan_mode",
        "list",
        "port",
    ];
    let done = Command::new(PROGRAM).args(words).env("LC_ALL", "C").stdin(Stdio::null()).output();
    let done = done.map_err(|cause| format!("{PROGRAM}: {cause}"))?;
    if !done.status.success() {
        let said = String::from_utf8_lossy(&done.stderr);
        return Err(said.lines().next_back().unwrap_or("ovs-vsctl failed without a word").to_owned());
    }
    Ok(read(&String::from_utf8_lossy(&done.stdout)))
}

/// The ports of both tables, between which stands an empty line: bridges as `name,UUID UUID`, ports as
/// `UUID,name,tag,trunk trunk,mode`.
fn read(tables: &str) -> Vec<SwitchPort> {
    let (bridges, ports) = tables.split_once("\n\n").unwrap_or_default();
    let of = |line: &'_ str| line.split_once(',').map(|(name, ports)| (name.to_owned(), ports.to_owned()));
    let bridges: Vec<(String, String)> = bridges.lines().filter_map(of).collect();
    let pairs = bridges.iter().flat_map(|(name, ports)| ports.split(' ').map(move |port| (port, name)));
    let bridge_of: HashMap<&str, &String> = pairs.collect();
    let vlan = |text: &str| number::read(text, VLANS).ok();
    let port = |line: &str| {
        let fields: Vec<&str> = line.split(',').collect();
        let &[id, name, tag, trunks, mode] = &fields[..] else { return None };
        let tag = vlan(tag);
        let mode = match mode {
            "" if tag.is_some() => SwitchMode::Access,
            "access" => SwitchMode::Access,
            "" | "trunk" => SwitchMode::Trunk,
            "native-untagged" => SwitchMode::NativeUntagged,
            "native-tagged" => SwitchMode::NativeTagged,
            _ => SwitchMode::Other,
        };
        let trunks = trunks.split(' ').filter_map(vlan).collect();
        Some(SwitchPort { name: name.to_owned(), bridge: (*bridge_of.get(id)?).clone(), tag, trunks, mode })
    };
    ports.lines().filter_map(port).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// As ovs-vsctl 3.1 prints them.
    const TABLES: &str = "\
vmbr0,1eeea5ff-89e5-4a71-bec2-be665f2aa6b3 2a31fe7e-222b-40d3-83b2-5a20ae1e027b 859b320d-dd06-4107-9e66-6e10a3d76d88 aaa334de-5c8a
vmbr1,472c816a-2327-49e0-8906-35e176af9908

472c816a-2327-49e0-8906-35e176af9908,vmbr1,,,
859b320d-dd06-4107-9e66-6e10a3d76d88,veth-bnd,10,,
aaa334de-5c8a,nat,1,,native-untagged
2a31fe7e-222b-40d3-83b2-5a20ae1e027b,vmbr0,,,
1eeea5ff-89e5-4a71-bec2-be665f2aa6b3,tr,,10 20,
00000000-0000,of-no-bridge,7,,
";

    #[test]
    fn the_tables_of_the_database_become_ports() {
        let ports = read(TABLES);
        let names: Vec<String> = ports.iter().map(|port| format!("{} {}", port.bridge, port.name)).collect();
        assert_eq!(names, ["vmbr1 vmbr1", "vmbr0 veth-bnd", "vmbr0 nat", "vmbr0 vmbr0", "vmbr0 tr"]);
        let [_, access, native, own, trunk] = &ports[..] else { panic!("{ports:?}") };
        assert!(access.carries(10) && access.untags(10) && !access.carries(0) && access.native() == 10);
        assert!(native.carries(1) && native.untags(1) && native.carries(30) && !native.untags(30));
        assert!(own.carries(0) && own.untags(0) && own.carries(10) && own.native() == 0);
        assert!(trunk.carries(10) && !trunk.untags(10) && !trunk.carries(0) && !trunk.carries(30));
        for cut in 0..TABLES.len() {
            let _ = read(&TABLES[..cut]);
        }
    }
}
