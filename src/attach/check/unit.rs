//! What the installed unit forbids or does not give: address families and capabilities. Inside a service its own findings
//! tell what is in force; here a shell learns it before the start.

use super::drop_in::drop_in;
use super::{Subject, process};
use crate::attach::finding::{Finding, Level};
use crate::host::{UNIT, Unit, Words};
use std::collections::BTreeSet;
use std::net::SocketAddr;

pub(super) fn check(subject: &Subject, found: &mut Vec<Finding>) {
    let installed = subject.facts.unit.as_ref().filter(|_| subject.facts.service.is_none());
    families(subject, installed, found);
    if let Some(unit) = installed {
        capabilities(subject, unit, found);
        identity(subject, unit, found);
    }
}

/// What a unit lets pass of its capabilities.
struct Given {
    bounds: Option<Words>,
    ambient: Words,
    as_root: bool,
}

impl Given {
    fn by(unit: &Unit) -> Given {
        let none = || Words::Only(BTreeSet::new());
        Given {
            bounds: unit.words("CapabilityBoundingSet", Some(none())),
            ambient: unit.words("AmbientCapabilities", Some(none())).unwrap_or_else(none),
            as_root: matches!(unit.value("User"), None | Some("root" | "0")),
        }
    }

    fn is_bounded(&self, name: &str) -> bool {
        self.bounds.as_ref().is_some_and(|words| !words.allow(name))
    }

    /// root has all that the bounding set leaves.
    fn is_ungiven(&self, name: &str) -> bool {
        !self.as_root && !self.ambient.allow(name)
    }

    fn lacks(&self, name: &str) -> bool {
        self.is_bounded(name) || self.is_ungiven(name)
    }
}

/// A file that was another server's may have it become a user of that, below a root of that.
fn identity(subject: &Subject, unit: &Unit, found: &mut Vec<Finding>) {
    let (config, given) = (subject.config, Given::by(unit));
    let user = unit.value("User").unwrap_or("root");
    let wanted = config.username.as_str();
    if !wanted.is_empty() && wanted != user && given.lacks("CAP_SETGID") {
        let text = format!(
            "username: {UNIT} starts the server as {user}, which may not become {wanted}, so that it does not start there; write \
             username: \"{user}\""
        );
        found.push(Finding::new(Level::Warn, "username", text));
    }
    if !config.chroot.as_os_str().is_empty() && given.lacks("CAP_SYS_CHROOT") {
        let text = format!(
            "chroot: {UNIT} starts the server as {user}, which may not change its root, so that it does not start there; write \
             chroot: \"\": the unit's ProtectSystem= and the server's sandbox close the host's files as well"
        );
        found.push(Finding::new(Level::Warn, "path", text));
    }
}

const AF_XDP: &str = "AF_XDP";

/// How much the want of address families or capabilities, by their names, matters.
fn level(subject: &Subject, names: &[&str]) -> Level {
    let stops = names.iter().any(|name| *name == AF_XDP || process::is_for_xdp(name));
    if stops { subject.level() } else { Level::Warn }
}

/// The address families that will be asked for, and what for.
fn needed_families(subject: &Subject) -> Vec<(&'static str, &'static str)> {
    let any = |wanted: fn(&SocketAddr) -> bool| subject.listen.iter().any(wanted);
    let config = subject.config;
    let mut needed = vec![("AF_NETLINK", "the interfaces cannot be read")];
    if subject.attaches() {
        needed.push((AF_XDP, subject.otherwise()));
    }
    if any(SocketAddr::is_ipv4) {
        needed.push(("AF_INET", "IPv4 addresses cannot be listened at"));
    }
    if any(SocketAddr::is_ipv6) {
        needed.push(("AF_INET6", "IPv6 addresses cannot be listened at"));
    }
    if config.log.use_syslog || config.remote_control.enable {
        needed.push(("AF_UNIX", "there is neither control socket nor syslog"));
    }
    needed
}

fn families(subject: &Subject, installed: Option<&Unit>, found: &mut Vec<Finding>) {
    let before = found.len();
    let needed = needed_families(subject);
    for (family, without) in &needed {
        if !subject.facts.refused_families.contains(family) {
            continue;
        }
        let (who, fix) = match &subject.facts.service {
            Some(unit) => {
                let fix = drop_in(unit, "families", &format!("RestrictAddressFamilies={family}"));
                (format!("{unit} forbids it (RestrictAddressFamilies=), or the kernel has none such"), Some(fix))
            }
            None => ("the kernel has none such, or what started this shell forbids it".to_owned(), None),
        };
        let text = format!("{family} is refused: {who}; {without}");
        found.push(Finding { level: level(subject, &[*family]), name: "address-families", text, fix });
    }
    let allowed = installed.and_then(|unit| unit.words("RestrictAddressFamilies", None));
    let forbidden: Vec<_> =
        needed.iter().filter(|(family, _)| allowed.as_ref().is_some_and(|words| !words.allow(family))).collect();
    if !forbidden.is_empty() {
        let names: Vec<&str> = forbidden.iter().map(|(family, _)| *family).collect();
        let without: Vec<&str> = forbidden.iter().map(|(_, without)| *without).collect();
        let text =
            format!("RestrictAddressFamilies= of {UNIT} does not let {} pass: {}", names.join(" "), without.join(", "));
        let fix = drop_in(UNIT, "families", &format!("RestrictAddressFamilies={}", names.join(" ")));
        found.push(Finding::new(level(subject, &names), "address-families", text).with_fix(fix));
    }
    if found.len() == before {
        let names: Vec<&str> = needed.iter().map(|(family, _)| *family).collect();
        found.push(Finding::new(Level::Ok, "address-families", format!("to be had: {}", names.join(", "))));
    }
}

fn capabilities(subject: &Subject, unit: &Unit, found: &mut Vec<Finding>) {
    let mut needed: Vec<(&str, &str)> =
        process::needed(subject).into_iter().map(|(_, name, purpose)| (name, purpose)).collect();
    if subject.attaches() && unit.memlock() != "infinity" {
        needed.push(("cap_ipc_lock", "lock more memory than LimitMEMLOCK="));
    }
    if needed.is_empty() {
        return;
    }
    let given = Given::by(unit);
    let mut missing = Vec::new();
    let mut settings = BTreeSet::new();
    for (name, purpose) in &needed {
        let name = name.to_ascii_uppercase();
        if given.is_bounded(&name) {
            settings.insert("CapabilityBoundingSet");
        }
        if given.is_ungiven(&name) {
            settings.insert("AmbientCapabilities");
        }
        if given.lacks(&name) {
            missing.push((name, *purpose));
        }
    }
    if missing.is_empty() {
        found.push(Finding::new(Level::Ok, "unit-capabilities", format!("{UNIT} gives what is needed")));
        return;
    }
    let names: Vec<&str> = missing.iter().map(|(name, _)| name.as_str()).collect();
    let purposes: Vec<&str> = missing.iter().map(|(_, purpose)| *purpose).collect();
    let lines: Vec<String> = settings.iter().map(|setting| format!("{setting}={}", names.join(" "))).collect();
    let text = format!("{UNIT} does not give {}, needed to {}", names.join(" "), purposes.join(", "));
    let fix = drop_in(UNIT, "capabilities", &lines.join("\\n"));
    found.push(Finding::new(level(subject, &names), "unit-capabilities", text).with_fix(fix));
}
