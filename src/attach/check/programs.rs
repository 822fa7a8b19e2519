//! XDP programs where ours is to go: of two servers on one interface the second serves by kernel sockets.

use super::Subject;
use super::addresses::is_runbound;
use crate::attach::finding::{Finding, Level};
use crate::host::{AttachedProgram, Holder, Link};
use rustix::thread::CapabilitySet;

/// What is to be done where `who` holds a program on an interface that ours is to go to.
pub fn share(who: &str) -> &'static str {
    if is_runbound(who) {
        "one runbound can have the addresses of both, an `interface:` line each, or one of the two gets another interface"
    } else {
        "an interface of its own, as a veth pair, has room for ours"
    }
}

/// One program a link, and none where a link above has one (EBUSY and EEXIST of net/core/dev.c).
pub(super) fn check(subject: &Subject, link: &Link, found: &mut Vec<Finding>) {
    if let Some(program) = link.program.filter(|program| is_ours(subject, *program)) {
        let mode = mode(program);
        let text = format!("{}: XDP program {} in {mode} mode; a runbound is running", link.name, program.id);
        found.push(Finding::new(Level::Info, "xdp-program", text));
    }
    for (holder, program) in in_the_way(subject, link) {
        let text = format!(
            "{}: XDP program {} is attached in {} mode: ours cannot go to {}, {}",
            holder.name,
            program.id,
            mode(program),
            link.name,
            subject.otherwise()
        );
        let (whose, fix) = whose(subject, &holder.name, program);
        found.push(Finding { fix, ..Finding::new(subject.level(), "xdp-program", format!("{text}; {whose}")) });
    }
}

/// The programs that keep ours from a link, each with the link that it is on.
pub(super) fn in_the_way<'a>(
    subject: &'a Subject,
    link: &'a Link,
) -> impl Iterator<Item = (&'a Link, AttachedProgram)> {
    let there = std::iter::once(link).chain(subject.facts.links.uppers(link));
    let programs = there.filter_map(|holder| Some((holder, holder.program?)));
    programs.filter(move |(holder, program)| holder.index != link.index || !is_ours(subject, *program))
}

/// Whether it is that of the runbound that serves our addresses now, as far as it can be told.
fn is_ours(subject: &Subject, program: AttachedProgram) -> bool {
    subject.running && holder(subject, program).is_none_or(|holder| subject.is_served_by(&holder.who))
}

fn holder<'a>(subject: &'a Subject, program: AttachedProgram) -> Option<&'a Holder> {
    subject.facts.holders.iter().find(|(held, _)| *held == program.id).map(|(_, holder)| holder)
}

fn mode(program: AttachedProgram) -> &'static str {
    if program.generic { "generic" } else { "native" }
}

/// Who has a program, and the command that takes it off: of one that is held by a link, its holder alone does, when it ends.
fn whose(subject: &Subject, name: &str, program: AttachedProgram) -> (String, Option<String>) {
    let id = program.id;
    let hook = program.hook();
    let sees_all = subject.facts.capabilities.is_none_or(|have| have.contains(CapabilitySet::SYS_PTRACE));
    match holder(subject, program) {
        Some(Holder { who, stop }) => {
            (format!("{who} holds it until it ends, as by the command below; {}", share(who)), Some(stop.clone()))
        }
        None if !sees_all => ("who holds it, and so how it goes, this check says when root runs it".to_owned(), None),
        None => {
            let whose = format!(
                "`bpftool prog show id {id}` tells which it is; what is held by a link goes with its holder alone"
            );
            (whose, Some(format!("ip link set dev {name} {hook} off")))
        }
    }
}
