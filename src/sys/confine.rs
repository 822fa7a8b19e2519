//! What a process that is taken over could still reach: files by Landlock, system calls by seccomp.
//!
//! Both bind the calling thread and those it starts, for good; so main applies them before it starts a thread.

use landlock::{
    ABI, Access, AccessFs, BitFlags, CompatLevel, Compatible, LandlockStatus, PathBeneath, PathFd, Ruleset,
    RulesetAttr, RulesetCreated, RulesetCreatedAttr, RulesetStatus, Scope, make_bitflags,
};
use std::path::PathBuf;
use std::sync::OnceLock;

use super::syscalls;

/// The newest set of rights that rules are written for (Linux 6.15); an older kernel enforces what it knows of it.
const RIGHTS: ABI = ABI::V7;

/// Folders that stay open, each with all below it. One that does not exist is passed over.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Folders {
    /// Files are read and listed.
    pub read: Vec<PathBuf>,
    /// Files are made and written to.
    pub write: Vec<PathBuf>,
    /// Files are removed.
    pub remove: Vec<PathBuf>,
    /// Files and folders are read, made, written, renamed and removed.
    pub own: Vec<PathBuf>,
}

/// What is in force, set once.
static SUMMARY: OnceLock<String> = OnceLock::new();

/// What is in force, in a few words for people.
pub fn summary() -> &'static str {
    SUMMARY.get().map_or("off", String::as_str)
}

/// Whether files are closed to this process that its user could open.
pub fn files_are_closed() -> bool {
    summary().starts_with("Landlock")
}

/// Puts all of it in force as far as this kernel has it. `xdp`: the calls that attaching XDP takes stay allowed.
///
/// # Errors
/// What could not be put in force, a line each; the rest is.
pub fn confine(folders: &Folders, xdp: bool) -> Result<(), Vec<String>> {
    let mut missing = Vec::new();
    let mut in_force = Vec::new();
    match close_files(folders) {
        Ok(text) => in_force.push(text),
        Err(cause) => missing.push(format!("files are not closed by Landlock: {cause}")),
    }
    // The last: afterwards neither Landlock nor another filter can be put in force.
    match syscalls::filter(xdp) {
        Ok(allowed) => in_force.push(format!("seccomp ({allowed} system calls)")),
        Err(cause) => missing.push(format!("system calls are not filtered by seccomp: {cause}")),
    }
    if !in_force.is_empty() {
        // Nobody else sets it.
        let _ = SUMMARY.set(in_force.join(", "));
    }
    if missing.is_empty() { Ok(()) } else { Err(missing) }
}

/// Landlock: files outside of `folders` can no more be opened, nor any file be executed; signals and abstract sockets
/// reach this process alone. Gives what is in force.
fn close_files(folders: &Folders) -> Result<String, String> {
    let said = |error: landlock::RulesetError| error.to_string();
    let ruleset = Ruleset::default().set_compatibility(CompatLevel::BestEffort);
    let ruleset = ruleset.handle_access(AccessFs::from_all(RIGHTS)).map_err(said)?;
    let mut rules = ruleset.scope(Scope::from_all(RIGHTS)).map_err(said)?.create().map_err(said)?;
    let read = make_bitflags!(AccessFs::{ReadFile | ReadDir});
    let write = make_bitflags!(AccessFs::{WriteFile | MakeReg});
    let remove = make_bitflags!(AccessFs::{RemoveFile});
    let own = read | write | remove | make_bitflags!(AccessFs::{Truncate | MakeDir | RemoveDir | Refer});
    for (paths, rights) in
        [(&folders.read, read), (&folders.write, write), (&folders.remove, remove), (&folders.own, own)]
    {
        for path in paths {
            rules = open(rules, path, rights)?;
        }
    }
    let status = rules.restrict_self().map_err(said)?;
    match (status.ruleset, status.landlock) {
        (RulesetStatus::NotEnforced, LandlockStatus::NotEnabled) => {
            Err("this kernel has it switched off; add landlock to the lsm= of its command line".into())
        }
        (RulesetStatus::NotEnforced, _) => Err("this kernel does not have it (Linux 5.13 or newer does)".into()),
        (_, LandlockStatus::Available { effective_abi, .. }) => {
            Ok(format!("Landlock (version {})", effective_abi as u32))
        }
        _ => Ok("Landlock".into()),
    }
}

/// Adds a rule for `path`. What cannot be opened now is not there, or closed to this user by its permissions.
fn open(rules: RulesetCreated, path: &PathBuf, rights: BitFlags<AccessFs>) -> Result<RulesetCreated, String> {
    match PathFd::new(path) {
        Ok(fd) => rules.add_rule(PathBeneath::new(fd, rights)).map_err(|error| format!("{}: {error}", path.display())),
        Err(_) => Ok(rules),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use rustix::io::Errno;
    use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with};
    use std::os::unix::process::ExitStatusExt;
    use std::path::Path;
    use std::process::{Command, ExitStatus};
    use std::{env, fs, io};

    const CHILD: &str = "RUNBOUND_TEST_CONFINED";

    /// Runs the test called `name` in a process of its own, because confinement cannot be undone. There `CHILD` is
    /// `value`.
    fn in_a_child(name: &str, value: &Path) -> ExitStatus {
        let program = env::current_exe().unwrap();
        let mut command = Command::new(program);
        let done = command.args(["--exact", "--nocapture", name]).env(CHILD, value).output().unwrap();
        if done.status.signal().is_none() {
            let told = String::from_utf8_lossy(&done.stdout);
            println!("{told}{}", String::from_utf8_lossy(&done.stderr));
            assert!(told.contains("\nrunning 1 test\n"), "{name} is no test's name");
        }
        done.status
    }

    fn kind<T>(done: io::Result<T>) -> Option<io::ErrorKind> {
        done.err().map(|error| error.kind())
    }

    #[test]
    fn only_the_named_folders_stay_open() {
        let Some(top) = env::var_os(CHILD).map(PathBuf::from) else {
            let top = env::temp_dir().join(format!("runbound-confine-{}", std::process::id()));
            let status = in_a_child("sys::confine::tests::only_the_named_folders_stay_open", &top);
            fs::remove_dir_all(top).unwrap();
            return assert!(status.success());
        };
        for name in ["read", "write", "remove", "own", "closed"] {
            fs::create_dir_all(top.join(name)).unwrap();
            fs::write(top.join(name).join("file"), name).unwrap();
        }
        let folders = Folders {
            read: vec![top.join("read"), top.join("missing")],
            write: vec![top.join("write")],
            remove: vec![top.join("remove")],
            own: vec![top.join("own")],
        };
        assert_eq!(summary(), "off");
        confine(&folders, true).unwrap();
        assert!(files_are_closed() && summary().contains("seccomp"), "{}", summary());
        let denied = Some(io::ErrorKind::PermissionDenied);
        let append = |name: &str| fs::OpenOptions::new().append(true).create(true).open(top.join(name));

        assert_eq!(fs::read_to_string(top.join("read/file")).unwrap(), "read");
        assert_eq!(fs::read_dir(top.join("read")).unwrap().count(), 1);
        assert_eq!(kind(append("read/file")), denied);
        assert_eq!(kind(append("read/new")), denied);
        assert_eq!(kind(fs::remove_file(top.join("read/file"))), denied);

        append("write/file").unwrap();
        append("write/new").unwrap();
        assert_eq!(kind(fs::read(top.join("write/file"))), denied);
        assert_eq!(kind(fs::remove_file(top.join("write/file"))), denied);

        assert_eq!(kind(fs::read(top.join("remove/file"))), denied);
        fs::remove_file(top.join("remove/file")).unwrap();

        fs::write(top.join("own/new"), "1").unwrap();
        fs::rename(top.join("own/new"), top.join("own/file")).unwrap();
        assert_eq!(fs::read_to_string(top.join("own/file")).unwrap(), "1");
        fs::remove_file(top.join("own/file")).unwrap();

        fs::create_dir_all(top.join("own")).unwrap();
        fs::create_dir(top.join("own/folder")).unwrap();
        fs::remove_dir(top.join("own/folder")).unwrap();
        assert_eq!(kind(fs::create_dir(top.join("write/folder"))), denied);
        let mut options = fs::OpenOptions::new();
        let journal = options.read(true).write(true).create(true).truncate(true).open(top.join("own/journal")).unwrap();
        rustix::fs::flock(&journal, rustix::fs::FlockOperation::NonBlockingLockExclusive).unwrap();
        journal.set_len(0).unwrap();
        drop(journal);
        fs::remove_file(top.join("own/journal")).unwrap();

        assert_eq!(kind(fs::read(top.join("closed/file"))), denied);
        assert_eq!(kind(fs::read("/etc/passwd")), denied);
    }

    #[test]
    fn calls_the_server_has_no_use_for_are_refused() {
        if env::var_os(CHILD).is_none() {
            assert!(
                in_a_child("sys::confine::tests::calls_the_server_has_no_use_for_are_refused", Path::new("1"))
                    .success()
            );
            return;
        }
        // The thread that prints the result is not confined; this one is, and those it starts.
        let before = socket_with(AddressFamily::INET, SocketType::STREAM, SocketFlags::CLOEXEC, None).unwrap();
        confine(&Folders::default(), false).unwrap();
        let open = |family, kind| socket_with(family, kind, SocketFlags::CLOEXEC, None).map(drop);
        open(AddressFamily::INET, SocketType::STREAM).unwrap();
        open(AddressFamily::INET6, SocketType::DGRAM).unwrap();
        open(AddressFamily::NETLINK, SocketType::RAW).unwrap();
        assert_eq!(open(AddressFamily::INET, SocketType::RAW), Err(Errno::PERM));
        assert_eq!(open(AddressFamily::PACKET, SocketType::RAW), Err(Errno::PERM));
        assert_eq!(open(AddressFamily::XDP, SocketType::RAW), Err(Errno::PERM));
        let of = |family, kind, protocol: i32| {
            // SAFETY: three numbers; the descriptor that may come of it is closed with the process.
            let done = unsafe { libc::socket(family, kind, protocol) };
            if done < 0 { io::Error::last_os_error().raw_os_error() } else { None }
        };
        let (stream, datagram, refused) = (libc::SOCK_STREAM, libc::SOCK_DGRAM, Some(libc::EPERM));
        for (family, kind, protocol) in [
            (libc::AF_INET, stream, 262), // MPTCP
            (libc::AF_INET6, stream, libc::IPPROTO_SCTP),
            (libc::AF_INET, datagram, 136), // UDP-Lite
            (libc::AF_INET6, datagram, 136),
            (libc::AF_INET, datagram, libc::IPPROTO_ICMP),
            (libc::AF_UNIX, stream, 0),
            (libc::AF_NETLINK, libc::SOCK_RAW, libc::NETLINK_NETFILTER),
            (libc::AF_NETLINK, libc::SOCK_RAW, libc::NETLINK_SOCK_DIAG),
            (libc::AF_ALG, libc::SOCK_SEQPACKET, 0),
        ] {
            assert_eq!(of(family, kind, protocol), refused, "{family} {kind} {protocol}");
        }
        let set = |level, option| {
            let one: libc::c_int = 1;
            let size = size_of::<libc::c_int>() as libc::socklen_t;
            let fd = std::os::fd::AsRawFd::as_raw_fd(&before);
            // SAFETY: the option's value is an int that lives across the call, and its size is given.
            let done = unsafe { libc::setsockopt(fd, level, option, (&raw const one).cast(), size) };
            if done < 0 { io::Error::last_os_error().raw_os_error() } else { None }
        };
        assert_eq!(set(libc::SOL_SOCKET, libc::SO_RCVBUF), None);
        for (level, option) in [
            (libc::IPPROTO_IP, libc::IP_TRANSPARENT),
            (libc::IPPROTO_IPV6, libc::IPV6_TRANSPARENT),
            (libc::IPPROTO_IP, 64), // IPT_SO_SET_REPLACE
            (libc::SOL_SOCKET, libc::SO_ATTACH_FILTER),
            (libc::SOL_SOCKET, libc::SO_ATTACH_BPF),
            (libc::SOL_SOCKET, libc::SO_ATTACH_REUSEPORT_EBPF),
            (libc::SOL_SOCKET, libc::SO_BINDTODEVICE),
            (libc::SOL_SOCKET, libc::SO_MARK),
            (libc::IPPROTO_TCP, libc::TCP_REPAIR),
            (libc::IPPROTO_TCP, libc::TCP_ULP),
            (libc::SOL_XDP, 4),
        ] {
            assert_eq!(set(level, option), refused, "{level} {option}");
        }
        assert_eq!(rustix::net::listen(&before, 1), Err(Errno::PERM));
        assert_eq!(
            rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::USR1),
            Err(Errno::PERM)
        );
        std::thread::Builder::new()
            .name("late".into())
            .spawn(|| assert_eq!(rustix::pipe::pipe().err(), Some(Errno::PERM)))
            .unwrap()
            .join()
            .unwrap();
    }

    #[test]
    fn of_bpf_only_what_attaching_takes_stays_open() {
        if env::var_os(CHILD).is_none() {
            assert!(
                in_a_child("sys::confine::tests::of_bpf_only_what_attaching_takes_stays_open", Path::new("1"))
                    .success()
            );
            return;
        }
        confine(&Folders::default(), true).unwrap();
        // SAFETY: without attributes there is nothing the kernel could read or write.
        let refused = |command: i32| unsafe {
            libc::syscall(libc::SYS_bpf, command, std::ptr::null::<u8>(), 0) < 0
                && io::Error::last_os_error().raw_os_error() == Some(libc::EPERM)
        };
        // Making maps, loading programs and BTF, pinning, attaching the old way, test runs, others' objects, queries, tracing,
        // freezing, replacing, statistics, iterating, binding maps.
        for command in
            [0, 5, 18, 22, 35, 6, 7, 8, 9, 10, 11, 12, 13, 14, 16, 17, 19, 20, 21, 23, 29, 30, 31, 32, 33, 34, 36]
        {
            assert!(refused(command), "bpf command {command}");
        }
    }

    #[test]
    fn executing_a_program_ends_the_process() {
        if env::var_os(CHILD).is_none() {
            let status = in_a_child("sys::confine::tests::executing_a_program_ends_the_process", Path::new("1"));
            assert_eq!(status.signal(), Some(libc::SIGSYS), "{status}");
            return;
        }
        confine(&Folders::default(), true).unwrap();
        let words: [*const libc::c_char; 2] = [c"/bin/true".as_ptr(), std::ptr::null()];
        // SAFETY: path and words are strings that live on, the list ends in a null pointer.
        unsafe { libc::execv(words[0], words.as_ptr()) };
    }
}
