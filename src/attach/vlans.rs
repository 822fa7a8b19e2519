//! VLAN tags on the way down from an address: how frames for it look at each link, when its replies look the same there.
//!
//! A bridge that filters by VLAN puts tags on and takes them off by the table of each port, the one towards the host
//! included (net/bridge/br_vlan.c). A program below the bridge answers a frame as it came, so it may take only what comes in
//! the form that a reply has when it leaves by the bridge.

use crate::host::{Kind, Link, VlanProtocol, VlanTable};
use crate::words::quoted;

/// The VLAN that frames belong to below `link`, when they have `vlan` as their tag (or none) at it: of a bridge that filters,
/// the one inside; of every other link, that of their tag.
///
/// # Errors
/// Why there is none that frames come up from and replies go down to.
pub(super) fn inside(link: &Link, vlan: Option<u16>) -> Result<Option<u16>, String> {
    let service = link.vlan_protocol == Some(VlanProtocol::Dot1ad);
    match (&link.kind, vlan) {
        (Kind::Vlan { .. }, _) if service => Err("frames have a service tag (802.1ad) there".into()),
        (Kind::Vlan { .. }, Some(_)) => Err("frames have two VLAN tags there".into()),
        (Kind::Vlan { id }, None) => Ok(Some(*id)),
        (Kind::Bridge, _) if filters(link) && service => Err("it filters by service tags (802.1ad)".into()),
        (Kind::Bridge, vlan) if filters(link) => towards_host(link, vlan).map(Some),
        (_, vlan) => Ok(vlan),
    }
}

/// The tag that frames of the VLAN inside `link` have at its port; outside of bridges that filter, the one that they have.
///
/// # Errors
/// Why frames that come in there and replies do not look the same, or not all of them pass.
pub(super) fn at_port(link: &Link, port: &Link, inside: Option<u16>) -> Result<Option<u16>, String> {
    if port.port.locked {
        let name = &link.name;
        return Err(format!("{name} lets in there whom it knows alone (locked), and a program would answer everybody"));
    }
    let (Some(id), true) = (inside, filters(link)) else { return Ok(inside) };
    let (bridge, table) = (&link.name, table(port)?);
    match (table.carries(id), table.untags(id), table.pvid()) {
        (false, ..) => {
            Err(format!("it is not in VLAN {id} of {bridge} (`bridge vlan show dev {}`)", quoted(&port.name)))
        }
        (true, false, _) => Ok(Some(id)),
        (true, true, Some(pvid)) if pvid == id => Ok(None),
        (true, true, pvid) => Err(format!(
            "replies leave there without a tag, and what comes without one {}",
            pvid.map_or_else(|| "is dropped".to_owned(), |pvid| format!("is of VLAN {pvid}, not of {id}"))
        )),
    }
}

fn filters(link: &Link) -> bool {
    link.kind == Kind::Bridge && link.vlan_filtering == Some(true)
}

/// The VLAN of what the host sends and receives at the bridge itself with this tag, or without one.
fn towards_host(bridge: &Link, vlan: Option<u16>) -> Result<u16, String> {
    let (name, table) = (&bridge.name, table(bridge)?);
    match (vlan, table.pvid()) {
        (Some(id), _) if !table.carries(id) => {
            Err(format!("the bridge itself is not in VLAN {id}: `bridge vlan add dev {} vid {id} self`", quoted(name)))
        }
        (Some(id), _) if table.untags(id) => {
            Err(format!("frames of VLAN {id} come up to {name} itself without their tag"))
        }
        (Some(id), _) => Ok(id),
        (None, Some(pvid)) if table.untags(pvid) => Ok(pvid),
        (None, Some(pvid)) => {
            Err(format!("frames of VLAN {pvid} come up with their tag, and replies go down without one"))
        }
        (None, None) => Err("what the host sends there without a tag is dropped, the bridge itself has no pvid".into()),
    }
}

fn table(link: &Link) -> Result<&VlanTable, String> {
    link.vlans.as_ref().ok_or_else(|| format!("the VLAN table of {} cannot be read", link.name))
}
