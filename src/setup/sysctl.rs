//! The sysctl snippet: what the interfaces of a pair want, at boot and when they appear; and its end.

mod by_hand;

use super::files::{self, Kind};
use super::veth::{self, Around, HOOK, Pair, VETH};
use super::{Run, SYSCTL_FILE, SetupError};
use crate::host;
use std::fs;
use std::io::ErrorKind;
use std::path::Path;

const TEMPLATE: &str = include_str!("sysctl.conf");
/// The bridge of the reference architecture.
const USUAL_BRIDGE: &str = "br-rb";
/// Of all that it sets.
const KERNELS_DEFAULT: &str = "0";
/// Applies what the files of sysctl.d(5) say.
const APPLY: &str = "/usr/lib/systemd/systemd-sysctl";
/// Where the template has the names of links that must answer ARP for what they do not carry.
const UNNUMBERED: &str = "@UNNUMBERED@";
const CONF: &str = "net/ipv4/conf/";
/// What a link copies when it is made.
const LINKS_DEFAULT: &str = "net/ipv4/conf/default/";

/// Path below /proc/sys, and value.
type Setting = (String, String);

/// What a snippet is about.
struct Names {
    /// Interfaces of the host in the networks of the carriers.
    hosts: Vec<String>,
    /// Those that carry addresses.
    carriers: Vec<String>,
    /// Those that must answer ARP for an address that is on none of them; `None` where links to come are let alone, for which a
    /// host without a pair has no use.
    unnumbered: Option<Vec<String>>,
}

/// What the snippet for `pair` says.
pub(super) fn text(pair: &Pair) -> String {
    let carriers = pair.carriers().into_iter().map(|(name, _)| name).collect();
    of(&Names { hosts: pair.host_names(), carriers, unnumbered: Some(pair.unnumbered.clone()) })
}

fn of(Names { hosts, carriers, unnumbered }: &Names) -> String {
    let links_to_come = unnumbered.is_some();
    let unnumbered = unnumbered.as_deref().unwrap_or_default();
    let paragraphs = TEMPLATE.split_inclusive("\n\n").filter(|text| {
        (links_to_come || !text.contains(LINKS_DEFAULT)) && (!unnumbered.is_empty() || !text.contains(UNNUMBERED))
    });
    paragraphs.flat_map(str::lines).fold(String::new(), |mut text, line| {
        let all = [("@HOST@", hosts.as_slice()), ("@CARRIER@", carriers), (UNNUMBERED, unnumbered)];
        match all.into_iter().find(|(place, _)| line.contains(place)) {
            Some((place, names)) => names.iter().for_each(|name| text.extend([&line.replace(place, name), "\n"])),
            None => text.extend([line, "\n"]),
        }
        text
    })
}

/// Writes it for `pair`; without one for the pair that is installed, or for the names of the reference architecture. What
/// the one before set and this one does not is set back, unless a pair that is up needs it until it goes, without `now`.
pub(super) fn put(run: &mut Run, pair: Option<&Pair>, now: bool) -> Result<(), SetupError> {
    let before = run.text(SYSCTL_FILE);
    let text = if let Some(pair) = pair {
        let text = text(pair);
        veth::put_shown(run, SYSCTL_FILE, &text, Kind::Text)?;
        text
    } else {
        let text = match known(run)? {
            Some((hosts, carriers)) => {
                let unnumbered = Some(unnumbered_now(run, &hosts)?);
                of(&Names { hosts, carriers, unnumbered })
            }
            None => of(&Names { hosts: vec![USUAL_BRIDGE.into()], carriers: vec![VETH.into()], unnumbered: None }),
        };
        let changes = run.changes;
        files::put(run, SYSCTL_FILE, text.as_bytes(), Kind::Text)?;
        if run.changes > changes && run.is_host() && veth::is_up() {
            run.note(&format!(
                "{VETH} is up: to put what is new in it in force now, run as root: sysctl -e -p /{SYSCTL_FILE}"
            ));
        }
        text
    };
    if !run.is_host() {
        return Ok(());
    }
    let gone = gone(&before, &text);
    if now || !veth::is_up() {
        return set_back(run, &gone);
    }
    let left: Vec<String> = gone
        .iter()
        .filter(|(name, value)| is_in_force(name, value))
        .map(|(name, _)| format!("{name}={KERNELS_DEFAULT}"))
        .collect();
    if !left.is_empty() {
        let words = left.join(" ");
        run.note(&format!("{VETH} is up and needs what the snippet said before; once it is down: sysctl -w {words}"));
    }
    Ok(())
}

/// What the settings of the pair that is installed are about: by its hook, by the snippet that was written with it, or by the pair
/// that is up.
fn known(run: &Run) -> Result<Option<Around>, SetupError> {
    let by_hook = veth::installed(&run.text(HOOK));
    let known = by_hook.or_else(|| of_snippet(&run.text(SYSCTL_FILE)));
    if known.is_some() { Ok(known) } else { veth::around(run) }
}

/// What a snippet is about, if it was written for a pair.
fn of_snippet(snippet: &str) -> Option<Around> {
    let settings = settings(snippet);
    if !settings.iter().any(|(name, _)| name.starts_with(LINKS_DEFAULT)) {
        return None;
    }
    let links = |what: &str, value: &str| -> Vec<String> {
        let of = |(name, set): &Setting| {
            let link = name.strip_prefix(CONF)?.strip_suffix(what)?.strip_suffix('/')?;
            (set == value && link != "default").then(|| link.to_owned())
        };
        settings.iter().filter_map(of).collect()
    };
    Some((links("arp_ignore", "1"), links("rp_filter", "2")))
        .filter(|(hosts, carriers)| !hosts.is_empty() && !carriers.is_empty())
}

/// Those of this host that must answer ARP for an address that is on none of them.
fn unnumbered_now(run: &Run, hosts: &[String]) -> Result<Vec<String>, SetupError> {
    if !run.is_host() {
        return Ok(Vec::new());
    }
    let links = host::links().map_err(|cause| SetupError::io(Path::new("the host's links"), &cause))?;
    Ok(veth::unnumbered(&links, hosts))
}

/// What of our settings the snippet `before` has and `after` has not.
fn gone(before: &str, after: &str) -> Vec<Setting> {
    let after = settings(after);
    let is_set = |(_, value): &Setting| value != KERNELS_DEFAULT;
    settings(before)
        .into_iter()
        .filter(|setting| is_set(setting) && is_ours(setting) && !after.contains(setting))
        .collect()
}

/// A line that somebody added to the file is not ours to set back: the kernel's default of it may be another.
fn is_ours((name, value): &Setting) -> bool {
    let what = |name: &str| name.rsplit('/').next().map(str::to_owned);
    name.starts_with(CONF) && settings(TEMPLATE).iter().any(|(own, set)| set == value && what(own) == what(name))
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
fn settings(snippet: &str) -> Vec<Setting> {
    let lines = snippet.lines().filter(|line| !line.starts_with('#'));
    let setting = |line: &str| {
        let (name, value) = line.trim_start_matches('-').split_once('=')?;
        let name = name.trim();
        let path = if name.contains('/') { name.to_owned() } else { name.replace('.', "/") };
        Some((path, value.trim().to_owned()))
    };
    lines.filter_map(setting).collect()
}

fn is_in_force(name: &str, value: &str) -> bool {
    fs::read_to_string(Path::new("/proc/sys").join(name)).is_ok_and(|now| now.trim() == value)
}

/// What the snippet says, or where it was deleted by hand, what it said of the pair that is there.
pub(super) fn installed(run: &Run) -> Result<String, SetupError> {
    let snippet = run.text(SYSCTL_FILE);
    if !snippet.is_empty() {
        return Ok(snippet);
    }
    let names = |(hosts, carriers)| Names { hosts, carriers, unnumbered: Some(Vec::new()) };
    Ok(known(run)?.map(names).as_ref().map(of).unwrap_or_default())
}

/// Removes it. Where a setting is in force as `snippet` has it, the kernel's default takes its place, and what other files
/// of sysctl.d(5) say of it; also on links that copied it.
pub(super) fn remove(run: &mut Run, snippet: &str) -> Result<(), SetupError> {
    let gone_now = files::remove_ours(run, SYSCTL_FILE)?;
    if gone_now && run.is_host() {
        set_back(run, &gone(snippet, ""))?;
    }
    by_hand::say_left(run);
    Ok(())
}

/// Sets back what of `gone` is in force. The file that said it is not there any more, or says it no longer.
fn set_back(run: &mut Run, gone: &[Setting]) -> Result<(), SetupError> {
    let found: Vec<Setting> = gone.iter().filter(|(name, value)| is_in_force(name, value)).cloned().collect();
    for (name, _) in &found {
        set(run, &Path::new("/proc/sys").join(name), KERNELS_DEFAULT)?;
    }
    apply_others(run, &found)?;
    set_back_copies(run, &found)
}

/// A link copies `default` when it is made, and a write to `default` does not reach one that had a setting of its own or an
/// address. The kernel does not tell a copy from the same value written: what equals the snippet is taken for a copy, and
/// what somebody else's file says of that link is applied again.
fn set_back_copies(run: &mut Run, found: &[Setting]) -> Result<(), SetupError> {
    let mut copies = Vec::new();
    for (name, value) in found {
        let Some(what) = name.strip_prefix(LINKS_DEFAULT) else { continue };
        let now = fs::read_to_string(Path::new("/proc/sys").join(name)).unwrap_or_default();
        let now = if run.dry_run { KERNELS_DEFAULT } else { now.trim() };
        // Another file may say the same for links to come; then they are right as they are.
        if now != value {
            let links = links_with(&Path::new("/proc/sys").join(CONF), what, value).into_iter();
            let names = links.map(|link| format!("{CONF}{link}/{what}"));
            copies.extend(
                names.filter(|name| found.iter().all(|(own, _)| own != name)).map(|name| (name, now.to_owned())),
            );
        }
    }
    if copies.is_empty() {
        return Ok(());
    }
    let list: Vec<String> =
        copies.iter().map(|(name, now)| format!("{}={now}", name.trim_start_matches(CONF))).collect();
    // Which of them follow when `default` is written, only the write shows.
    let some = if run.dry_run { "those that do not follow it by themselves of the " } else { "" };
    let line = format!("{some}links that copied the snippet's default, in /proc/sys/{CONF}: {}", list.join(" "));
    run.step(("set back", "set back"), &line, || copies.iter().try_for_each(|(name, now)| write_if_there(name, now)))?;
    apply_others(run, &copies)
}

/// Names of the links below `conf` whose setting `what` is `value`, in order.
fn links_with(conf: &Path, what: &str, value: &str) -> Vec<String> {
    let entries = fs::read_dir(conf).into_iter().flatten().flatten();
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    let has = |name: &String| {
        fs::read_to_string(conf.join(name).join(what)).is_ok_and(|now| now.trim() == value)
            && !["all", "default"].contains(&name.as_str())
    };
    let mut links: Vec<String> = names.filter(has).collect();
    links.sort();
    links
}

/// A link may go at any moment, and then there is nothing to set.
fn write_if_there(name: &str, value: &str) -> Result<(), SetupError> {
    let path = Path::new("/proc/sys").join(name);
    match fs::write(&path, value) {
        Err(cause) if cause.kind() != ErrorKind::NotFound => Err(SetupError::io(&path, &cause)),
        _ => Ok(()),
    }
}

/// Applies what the files of sysctl.d(5) say of `settings`.
fn apply_others(run: &mut Run, settings: &[Setting]) -> Result<(), SetupError> {
    if settings.is_empty() || !Path::new(APPLY).exists() {
        return Ok(());
    }
    let prefixes: Vec<String> = settings.iter().map(|(name, _)| format!("--prefix=/{name}")).collect();
    let words: Vec<&str> = prefixes.iter().map(String::as_str).collect();
    run.command(APPLY, &words, "`sysctl --system` does the same")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
#[path = "sysctl_tests.rs"]
mod tests;
