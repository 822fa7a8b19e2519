//! Another XDP program where ours is to go: of two servers on one interface the second serves by kernel sockets.

use super::refused::{Because, Refusal};
use crate::attach::{self, Target};
use crate::host::{self, AttachedProgram, Holder};
use std::io;

/// # Errors
/// Another program is in the way, so that the kernel would refuse this one; or it cannot be told. Nothing was changed.
pub(super) fn make_way(target: &Target, there: io::Result<Option<(String, AttachedProgram)>>) -> Result<(), Refusal> {
    let name = &target.interface;
    let (reason, program) = match there {
        Ok(None) => return Ok(()),
        Ok(Some((link, program))) => {
            let holder = host::of_program(program.id);
            (format!("{name}: {}", says(&link, program, holder.as_ref())), Some(program.id))
        }
        Err(cause) => {
            let reason = format!(
                "{name}: whether another XDP program is there cannot be read: {cause}; nothing is changed there before it can"
            );
            (reason, None)
        }
    };
    Err(Refusal { because: Because::Occupied(program), ..reason.into() })
}

/// Whose the program is, and how it goes: the kernel lets nobody but its holder take off what is held by a link.
fn says(link: &str, program: AttachedProgram, holder: Option<&Holder>) -> String {
    let (id, hook) = (program.id, program.hook());
    match holder {
        Some(Holder { who, stop }) => format!(
            "another XDP program is on {link}: id {id}, which {who} holds and takes off when it ends (`{stop}`); {}",
            attach::share(who)
        ),
        None => format!(
            "another XDP program is on {link}: id {id} (`bpftool prog show id {id}` tells which); a running runbound, or another \
             program that holds it by a link, takes it off when it is stopped; `ip link set dev {link} {hook} off` removes one \
             that nobody holds so"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tags::tests::target;
    use super::*;

    const THERE: AttachedProgram = AttachedProgram { id: u32::MAX, generic: false };

    #[test]
    fn nothing_is_changed_unless_it_is_known_that_no_other_program_is_there() {
        let card = target(false);
        assert!(make_way(&card, Ok(None)).is_ok());
        let unread = io::Error::from_raw_os_error(libc::ENOBUFS);
        for (there, program, says) in [
            (Ok(Some(("bond0".to_owned(), THERE))), Some(THERE.id), "is on bond0: id 4294967295"),
            (Err(unread), None, "cannot be read: No buffer space available"),
        ] {
            let refusal = make_way(&card, there).expect_err("refused");
            assert!(refusal.reason.contains(says), "{}", refusal.reason);
            assert_eq!((refusal.because, refusal.disturbs), (Because::Occupied(program), false));
        }
    }

    #[test]
    fn the_commands_work_for_what_is_there() {
        let holder = Holder { who: "runbound (pid 12)".into(), stop: "systemctl stop runbound.service".into() };
        let held = says("veth-rb", THERE, Some(&holder));
        assert!(
            held.contains("runbound (pid 12) holds") && held.contains("`systemctl stop runbound.service`"),
            "{held}"
        );
        assert!(!held.contains("ip link"), "the kernel refuses that: {held}");
        let generic = says("veth-rb", AttachedProgram { generic: true, ..THERE }, None);
        assert!(generic.contains("`ip link set dev veth-rb xdpgeneric off`"), "{generic}");
    }
}
