//! The sysctl snippet: what the interfaces of a pair want, at boot and when they appear; and its end.

use super::files::{self, Kind};
use super::veth::{self, HOOK, Pair, VETH};
use super::{Run, SYSCTL_FILE, SetupError};
use std::fs;
use std::path::Path;

const TEMPLATE: &str = include_str!("sysctl.conf");
/// The bridge of the reference architecture.
const USUAL_BRIDGE: &str = "br-rb";
/// Of all that it sets.
const KERNELS_DEFAULT: &str = "0";
/// Applies what the files of sysctl.d(5) say.
const APPLY: &str = "/usr/lib/systemd/systemd-sysctl";

/// What the snippet for `pair` says.
pub(super) fn text(pair: &Pair) -> String {
    let carriers: Vec<String> = pair.carriers().into_iter().map(|(name, _)| name).collect();
    of(&pair.hosts(), &carriers)
}

/// `hosts`: interfaces of the host in the networks of those that carry addresses, `carriers`.
fn of(hosts: &[String], carriers: &[String]) -> String {
    TEMPLATE.lines().fold(String::new(), |mut text, line| {
        let names = [("@HOST@", hosts), ("@CARRIER@", carriers)].into_iter().find(|(place, _)| line.contains(place));
        match names {
            Some((place, names)) => names.iter().for_each(|name| text.extend([&line.replace(place, name), "\n"])),
            None => text.extend([line, "\n"]),
        }
        text
    })
}

/// Writes it for `pair`; without one for the pair that is installed, or for the names of the reference architecture.
pub(super) fn put(run: &mut Run, pair: Option<&Pair>) -> Result<(), SetupError> {
    if let Some(pair) = pair {
        return veth::put_shown(run, SYSCTL_FILE, &text(pair), Kind::Text);
    }
    let hook = fs::read_to_string(run.path(HOOK)).unwrap_or_default();
    let (hosts, carriers) = veth::installed(&hook).unwrap_or((vec![USUAL_BRIDGE.into()], vec![VETH.into()]));
    files::put(run, SYSCTL_FILE, of(&hosts, &carriers).as_bytes(), Kind::Text)
}

/// Puts the snippet in force that is there, or would be.
pub(super) fn apply(run: &mut Run, pair: &Pair) -> Result<(), SetupError> {
    for (name, value) in settings(&text(pair)) {
        let path = Path::new("/proc/sys").join(name);
        if fs::read_to_string(&path).is_ok_and(|now| now.trim() != value) {
            set(run, &path, &value)?;
        }
    }
    Ok(())
}

fn set(run: &mut Run, path: &Path, value: &str) -> Result<(), SetupError> {
    run.step(("set", "set"), &format!("{} to {value}", path.display()), || {
        fs::write(path, value).map_err(|cause| SetupError::io(path, &cause))
    })
}

/// Path below /proc/sys and value of each line of a snippet.
fn settings(snippet: &str) -> Vec<(String, String)> {
    let lines = snippet.lines().filter(|line| !line.starts_with('#'));
    let setting = |line: &str| {
        let (name, value) = line.trim_start_matches('-').split_once('=')?;
        let name = name.trim();
        let path = if name.contains('/') { name.to_owned() } else { name.replace('.', "/") };
        Some((path, value.trim().to_owned()))
    };
    lines.filter_map(setting).collect()
}

/// Removes it. Where a setting is in force as the snippet has it, the kernel's default takes its place, and what other files
/// of sysctl.d(5) say of it.
pub(super) fn remove(run: &mut Run) -> Result<(), SetupError> {
    let snippet = fs::read_to_string(run.path(SYSCTL_FILE)).unwrap_or_default();
    files::remove(run, SYSCTL_FILE)?;
    if !run.is_host() {
        return Ok(());
    }
    let mut prefixes = Vec::new();
    for (name, value) in settings(&snippet) {
        let path = Path::new("/proc/sys").join(&name);
        if fs::read_to_string(&path).is_ok_and(|now| now.trim() == value) {
            set(run, &path, KERNELS_DEFAULT)?;
            prefixes.push(format!("--prefix=/{name}"));
        }
    }
    if !prefixes.is_empty() && Path::new(APPLY).exists() {
        let words: Vec<&str> = prefixes.iter().map(String::as_str).collect();
        run.command(APPLY, &words, "`sysctl --system` does the same")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_a_line_for_each_interface() {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let text = of(&names(&["vmbr0", "vmbr0.10"]), &names(&["veth-rb"]));
        let of = |link: &str, name: &str, value: &str| (format!("net/ipv4/conf/{link}/{name}"), value.to_owned());
        let expected = [
            of("vmbr0", "arp_ignore", "1"),
            of("vmbr0.10", "arp_ignore", "1"),
            of("vmbr0", "arp_announce", "2"),
            of("vmbr0.10", "arp_announce", "2"),
            of("default", "arp_ignore", "1"),
            of("default", "arp_announce", "2"),
            of("veth-rb", "rp_filter", "2"),
        ];
        assert_eq!(settings(&text), expected);
        assert!(!text.contains('@') && text.contains("\n-net/ipv4/conf/vmbr0.10/arp_ignore = 1\n"), "{text}");
        assert_eq!(settings("-net.ipv4.conf.br-rb.arp_ignore = 1"), [of("br-rb", "arp_ignore", "1")]);
    }
}
