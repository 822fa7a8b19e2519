//! What is known of the pair that the last `--install` made where files of it were deleted by hand.

use super::hosts::Place;
use super::left;
use super::lost::{Before, vlan_alone};
use super::{HOOK, PORT, Port, STANZAS, VETH, installed, is_up};
use crate::config::site::{PROXMOX_BRIDGE, VLANS};
use crate::host::{self, Kind, Link, Links};
use crate::number;
use crate::setup::interfaces::Interfaces;
use crate::setup::{Run, SetupError};
use crate::words::quoted;
use std::path::Path;

/// The names of interfaces that a pair's settings are about: those of the host in the same networks, and those that carry addresses.
pub(in crate::setup) type Around = (Vec<String>, Vec<String>);

/// Those of the pair that is installed: by its hook, else by the pair that is up.
pub(in crate::setup) fn around(run: &Run) -> Result<Option<Around>, SetupError> {
    match installed(&run.text(HOOK)) {
        Some(around) => Ok(Some(around)),
        None => Ok(links(run)?.and_then(|links| live(&Interfaces::read(&run.root), &links))),
    }
}

/// This host's links, if a pair that `--install` made is among them.
fn links(run: &Run) -> Result<Option<Links>, SetupError> {
    if !run.is_host() || !is_up() || !left::is_ours()? {
        return Ok(None);
    }
    host::links().map(Some).map_err(|cause| SetupError::io(Path::new("the host's links"), &cause))
}

fn live(interfaces: &Interfaces, links: &Links) -> Option<Around> {
    let port = links.peer(links.by_name(VETH)?)?;
    let bridge = links.master(port).filter(|master| master.kind == Kind::Bridge)?;
    let tagged = |link: &Link| number::read(link.name.strip_prefix(VETH)?.strip_prefix('.')?, VLANS).ok();
    let tagged: Vec<u16> = links.iter().filter_map(tagged).collect();
    let mut carriers: Vec<String> = tagged.iter().map(|vlan| format!("{VETH}.{vlan}")).collect();
    if carriers.is_empty() {
        carriers.push(VETH.into());
    }
    let vlans = if tagged.is_empty() { vlan_alone(port, bridge).into_iter().collect() } else { tagged };
    let stanza = interfaces.bridge(&bridge.name);
    let place = Place { bridge: &bridge.name, stanza: stanza.as_ref(), interfaces, links: Some(links) };
    let hosts = place.hosts(&Port::new(&vlans, None)).into_iter().map(|host| host.name).collect();
    Some((hosts, carriers))
}

/// Says of a pair that is to stay as it is that it does, or what of its files is not there any more and how it comes back.
pub(super) fn say_kept(run: &mut Run) -> Result<(), SetupError> {
    let (stanzas, hook) = (run.text(STANZAS), run.text(HOOK));
    if !stanzas.is_empty() && !hook.is_empty() {
        run.note(&format!("kept {}; --address and --bridge replace it", run.path(STANZAS).display()));
        return Ok(());
    }
    let links = links(run)?;
    if stanzas.is_empty() && hook.is_empty() && links.is_none() {
        return Ok(());
    }
    let again = again(&Before { stanzas: stanzas.clone(), hook: hook.clone(), links: links.as_ref() });
    let losses = [
        (STANZAS, &stanzas, "nothing makes the pair at the next boot".to_owned()),
        (HOOK, &hook, format!("{PORT} becomes no port of the bridge when the pair comes up")),
    ];
    for (file, _, loss) in losses.iter().filter(|(_, text, _)| text.is_empty()) {
        let path = run.path(file).display().to_string();
        run.note(&format!(
            "{path} of the pair {VETH} is not there any more, so {loss}; it is written again by `{again}`"
        ));
    }
    Ok(())
}

/// The command that writes the files again, as far as it is known; the rest is to be put for the words in capitals.
fn again(before: &Before) -> String {
    let written: Vec<String> = before.addresses().iter().map(|own| own.to_string()).collect();
    let vlans: Vec<Option<u16>> = before.addresses().iter().map(|own| before.vlan(own)).collect();
    let with_vlan = |(own, vlan): (&String, &Option<u16>)| match vlan {
        Some(vlan) => format!("--address {own} --vlan {vlan}"),
        None => format!("--address {own}"),
    };
    let mut words: Vec<String> = written.iter().zip(&vlans).map(with_vlan).collect();
    if words.is_empty() {
        let ips = super::pair::value(&before.hook, "ADDRESSES").unwrap_or("ADDRESS").split_whitespace();
        words.extend(ips.map(|ip| format!("--address {ip}/LENGTH")));
    }
    let bridge = before.bridge();
    words.push(bridge.as_ref().map_or("--bridge BRIDGE".into(), |bridge| format!("--bridge {}", quoted(bridge))));
    words.extend((bridge.as_deref() == Some(PROXMOX_BRIDGE)).then(|| "--share-bridge".to_owned()));
    let steered = super::pair::value(&before.hook, "NICS").unwrap_or_default().split_whitespace();
    words.extend(steered.map(|nic| format!("--steer {nic}")));
    format!("runbound --install {}", words.join(" "))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::host::recorded;

    #[test]
    fn a_pair_that_is_up_tells_what_its_files_said() {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let of = |record: &str| {
            let links = recorded::facts(record).links;
            let before = Before { stanzas: String::new(), hook: String::new(), links: Some(&links) };
            (live(&Interfaces::default(), &links).unwrap(), again(&before))
        };
        let (around, command) = of("reference");
        assert_eq!(around, (names(&["br-rb"]), names(&["veth-rb"])));
        assert_eq!(command, "runbound --install --address 192.168.10.250/24 --bridge br-rb");
        let (around, command) = of("vlan_aware");
        assert_eq!(around, (names(&["vmbr0", "vmbr0.10"]), names(&["veth-rb"])));
        assert_eq!(command, "runbound --install --address 192.168.10.250/24 --vlan 10 --bridge vmbr0 --share-bridge");
        let gone = Before {
            stanzas: String::new(),
            hook: "BRIDGE=br-rb\nADDRESSES=\"192.0.2.1\"\nNICS=\"eno1\"\n".into(),
            links: None,
        };
        assert_eq!(again(&gone), "runbound --install --address 192.0.2.1/LENGTH --bridge br-rb --steer eno1");
    }
}
