//! What this process may do: memory, capabilities, and what the kernel is able to.

use super::Subject;
use super::drop_in::drop_in;
use crate::attach::advice;
use crate::attach::finding::{Finding, Level};
use crate::attach::plan::Outcome;
use crate::config::OpenFiles;
use crate::host::UNIT;
use rustix::thread::CapabilitySet;

/// XDP programs as bpf_link.
const KERNEL_BPF_LINK: (u32, u32) = (5, 9);
/// BPF memory is accounted to the control group, no longer to RLIMIT_MEMLOCK.
const KERNEL_BPF_MEMORY: (u32, u32) = (5, 11);

pub(super) fn check(subject: &Subject, found: &mut Vec<Finding>) {
    user_namespace(subject, found);
    if subject.attaches() {
        memlock(subject, found);
    }
    found.extend(open_files(subject));
    capabilities(subject, found);
    if subject.attaches() {
        found.extend(program(subject));
        kernel(subject, found);
    }
}

/// Where every capability may be in force and none of them loads a program.
fn user_namespace(subject: &Subject, found: &mut Vec<Finding>) {
    let wanted = subject.served.iter().any(|served| matches!(served.outcome, Outcome::Kernel { wanted: true, .. }));
    if subject.facts.links.user_namespace && wanted {
        let all = if subject.required { "" } else { " everything all the same" };
        let text = format!(
            "this process is in a user namespace (/proc/self/uid_map), as that of an unprivileged container: the kernel loads no \
             XDP program for it without a BPF token, whatever capabilities its root has; {}{all}. For XDP run runbound on the \
             host or in a virtual machine, or try a privileged container, where the finding bpf tells whether a program can be \
             loaded (docs/proxmox.md), or say xdp: no",
            subject.otherwise()
        );
        found.push(Finding::new(subject.level(), "user-namespace", text));
    }
}

fn has(subject: &Subject, wanted: CapabilitySet) -> bool {
    subject.facts.capabilities.is_some_and(|have| have.contains(wanted))
}

/// The UMEM counts against RLIMIT_MEMLOCK of the user, unless CAP_IPC_LOCK is there (net/xdp/xdp_umem.c). The shell's limit
/// is not the service's.
fn memlock(subject: &Subject, found: &mut Vec<Finding>) {
    let facts = subject.facts;
    let Some(limit) = facts.memlock else {
        found.push(Finding::new(Level::Ok, "memlock", "RLIMIT_MEMLOCK is unlimited"));
        return;
    };
    let limit = format!("RLIMIT_MEMLOCK is {} KiB", limit / 1024);
    found.push(if has(subject, CapabilitySet::IPC_LOCK) {
        Finding::new(Level::Ok, "memlock", format!("{limit}, which CAP_IPC_LOCK makes moot"))
    } else if let Some(unit) = &facts.service {
        let fix = drop_in(unit, "memlock", "LimitMEMLOCK=infinity");
        let text = format!("{limit} in {unit}: with too little for its UMEM an interface is left to kernel sockets");
        Finding::new(Level::Warn, "memlock", text).with_fix(fix)
    } else {
        let unit = match &facts.unit {
            Some(unit) => format!("{UNIT} has LimitMEMLOCK={}", unit.memlock()),
            None => format!("no {UNIT} is installed"),
        };
        let text = format!("{limit} in this shell, a service has its unit's limit; {unit}");
        Finding::new(Level::Info, "memlock", text).with_fix("ulimit -l unlimited")
    });
}

/// A limit of open files with which the server does not start. A shell's is not that of the installed unit.
fn open_files(subject: &Subject) -> Option<Finding> {
    let OpenFiles { least, wanted } = subject.config.open_files();
    let limit = subject.facts.open_files.filter(|limit| *limit < least)?;
    let text = format!("open files are limited to {limit} (RLIMIT_NOFILE), {least} are the least to start with");
    Some(match (&subject.facts.service, &subject.facts.unit) {
        (Some(unit), _) => {
            let fix = drop_in(unit, "open-files", &format!("LimitNOFILE={wanted}"));
            Finding::new(Level::Fail, "open-files", format!("{text}: {unit} does not start")).with_fix(fix)
        }
        (None, Some(_)) => {
            let text = format!("{text}: in this shell; a service has its unit's limit");
            Finding::new(Level::Info, "open-files", text)
        }
        (None, None) => {
            let text = format!("{text}: the server does not start from here; root may raise it");
            Finding::new(Level::Fail, "open-files", text).with_fix(format!("ulimit -n {wanted}"))
        }
    })
}

/// Capabilities, their names for setcap(8), and what each is for.
const FOR_XDP: [(CapabilitySet, &str, &str); 3] = [
    (CapabilitySet::NET_ADMIN, "cap_net_admin", "attach the program"),
    (CapabilitySet::NET_RAW, "cap_net_raw", "open AF_XDP sockets"),
    (CapabilitySet::BPF, "cap_bpf", "load the program"),
];

/// Whether nothing is attached without a capability, by its name in either case.
pub(super) fn is_for_xdp(name: &str) -> bool {
    FOR_XDP.iter().any(|(_, own, _)| own.eq_ignore_ascii_case(name))
}

/// The capabilities that are needed here, their names for setcap(8), and what each is for.
pub(super) fn needed(subject: &Subject) -> Vec<(CapabilitySet, &'static str, &'static str)> {
    let low_port =
        subject.listen.iter().any(|listen| listen.port() != 0 && listen.port() < subject.facts.first_free_port);
    let mut needed = if subject.attaches() { FOR_XDP.to_vec() } else { Vec::new() };
    if low_port {
        needed.push((CapabilitySet::NET_BIND_SERVICE, "cap_net_bind_service", "bind a port below 1024"));
    }
    needed
}

/// The capability that the verifier asks for on some kernels, by its name for setcap(8).
const PERFMON: &str = "cap_perfmon";

/// The file of this program, as a word of a command.
fn own_file(subject: &Subject) -> String {
    let own = subject.facts.own_file.as_ref().and_then(|path| path.to_str());
    own.map_or_else(|| "\"$(command -v runbound)\"".to_owned(), |own| advice::quoted(own).into_owned())
}

fn capabilities(subject: &Subject, found: &mut Vec<Finding>) {
    let Some(mut have) = subject.facts.capabilities else { return };
    if have.contains(CapabilitySet::SYS_ADMIN) {
        // It stands for both, as before they were split from it (linux/capability.h).
        have |= CapabilitySet::BPF | CapabilitySet::PERFMON;
    }
    let needed = needed(subject);
    let missing: Vec<_> = needed.iter().filter(|(capability, ..)| !have.contains(*capability)).collect();
    let names: Vec<&str> = needed.iter().map(|(_, name, _)| *name).collect();
    let with_perfmon: Vec<&str> = names.iter().copied().chain(subject.attaches().then_some(PERFMON)).collect();
    let setcap = format!("setcap {}+ep {}", with_perfmon.join(","), own_file(subject));
    for (capability, name, purpose) in &missing {
        // A service that cannot bind its port does not start; a shell's rights are not the service's.
        let is_services = subject.facts.service.is_some();
        let name = name.to_ascii_uppercase();
        let required = subject.required && is_for_xdp(&name);
        let stops = is_services && *capability == CapabilitySet::NET_BIND_SERVICE
            || required && (is_services || subject.facts.unit.is_none());
        let level = if stops { Level::Fail } else { Level::Warn };
        let why = if required { format!(" ({})", subject.otherwise()) } else { String::new() };
        let text = format!("{name} is missing, needed to {purpose}{why}; in a unit it goes into AmbientCapabilities=");
        found.push(Finding::new(level, "capability", text).with_fix(setcap.clone()));
    }
    if subject.attaches() && !have.contains(CapabilitySet::PERFMON) {
        let text = "CAP_PERFMON is missing: XDP serves without it on Linux 6.1, 6.12 and 6.18; other kernels may want it to load \
                    the program (docs/hardening.md)";
        found.push(Finding::new(Level::Info, "capability", text));
    }
    if missing.is_empty() && !needed.is_empty() {
        found.push(Finding::new(Level::Ok, "capability", format!("in force: {}", names.join(", "))));
    }
}

/// What a filter or a security module makes of the capabilities.
fn program(subject: &Subject) -> Option<Finding> {
    Some(match subject.facts.program? {
        Ok(()) => Finding::new(Level::Ok, "bpf", "bpf(2) loads an XDP program for this process"),
        Err(cause) => {
            let text = format!(
                "bpf(2) loads no XDP program for this process ({cause}) though the capabilities are in force: what forbids it is a \
                 seccomp filter or a security module (of a container; of a unit with SystemCallErrorNumber=, whose \
                 SystemCallFilter= must let bpf pass), or the kernel has no bpf(2); {}",
                subject.otherwise()
            );
            Finding::new(subject.level(), "bpf", text)
        }
    })
}

/// What newer kernels have and this program uses, with the version that brought it.
const FEATURES: [((u32, u32), &str); 3] = [
    ((5, 4), "need_wakeup of AF_XDP sockets"),
    ((5, 8), "CAP_BPF and CAP_PERFMON"),
    (KERNEL_BPF_LINK, "bpf_link for XDP"),
];

fn kernel(subject: &Subject, found: &mut Vec<Finding>) {
    let Some(version @ (major, minor)) = subject.facts.kernel else { return };
    let lacks: Vec<String> = FEATURES
        .iter()
        .filter(|(since, _)| version < *since)
        .map(|((major, minor), what)| format!("{what} ({major}.{minor})"))
        .collect();
    let (level, text) = if !lacks.is_empty() {
        (subject.level(), format!("Linux {major}.{minor} lacks {}: {}", lacks.join(", "), subject.otherwise()))
    } else if version < KERNEL_BPF_MEMORY {
        let text = format!("Linux {major}.{minor} counts BPF maps against RLIMIT_MEMLOCK (since 5.11 it does not)");
        (Level::Warn, text)
    } else {
        found.push(Finding::new(Level::Ok, "kernel", format!("Linux {major}.{minor}")));
        return;
    };
    found.push(Finding::new(level, "kernel", format!("{text}; install a newer kernel")));
}
