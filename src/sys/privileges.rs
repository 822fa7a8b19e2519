//! From root to an ordinary user: chroot, groups, user, the capabilities that remain.
//!
//! To be done by main before it starts a thread: capabilities and "no new privileges" belong to a thread and are
//! inherited by those it starts.

use super::place;
use rustix::thread::{self, CapabilitySet, CapabilitySets};
use std::path::Path;
use std::{fmt, fs, io};

/// What AF_XDP needs after start, to attach again when an interface was made anew: settings of the driver (NET_ADMIN), the
/// socket (NET_RAW), and UMEM beyond RLIMIT_MEMLOCK (IPC_LOCK). Loading a program takes BPF too. Not PERFMON: the program
/// compares no pointers.
pub const XDP_CAPABILITIES: CapabilitySet =
    CapabilitySet::NET_ADMIN.union(CapabilitySet::NET_RAW).union(CapabilitySet::IPC_LOCK);

/// A user of this host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// Login name.
    pub name: String,
    /// User ID.
    pub uid: u32,
    /// Primary group.
    pub gid: u32,
    /// Every group the user belongs to, the primary first.
    pub groups: Vec<u32>,
}

/// A step on the way to fewer privileges that failed; the process must not go on.
#[derive(Debug)]
pub struct PrivilegeError {
    /// What was being done, with the user or directory.
    pub step: String,
    /// Why it failed.
    pub cause: io::Error,
}

impl fmt::Display for PrivilegeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.step, self.cause)?;
        if self.cause.kind() == io::ErrorKind::PermissionDenied {
            write!(f, "; start as root")?;
        }
        Ok(())
    }
}

impl std::error::Error for PrivilegeError {}

/// Looks a user up in /etc/passwd and /etc/group: to be done before [`enter_chroot`]. `None`: no such user there.
pub fn find_user(name: &str) -> Option<User> {
    let passwd = fs::read_to_string("/etc/passwd").ok()?;
    let group = fs::read_to_string("/etc/group").unwrap_or_default();
    user_in(&passwd, &group, name)
}

/// The user of this name by the texts of passwd(5) and group(5).
pub fn user_in(passwd: &str, group: &str, name: &str) -> Option<User> {
    // passwd(5): name:password:uid:gid:comment:home:shell
    let (uid, gid): (u32, u32) = passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        if fields.next()? != name {
            return None;
        }
        Some((fields.nth(1)?.parse().ok()?, fields.next()?.parse().ok()?))
    })?;
    // group(5): name:password:gid:member,member
    let member_of = |line: &str| {
        let mut fields = line.split(':').skip(2);
        let gid: u32 = fields.next()?.parse().ok()?;
        fields.next()?.split(',').any(|member| member == name).then_some(gid)
    };
    let mut groups = vec![gid];
    groups.extend(group.lines().filter_map(member_of).filter(|&other| other != gid));
    Some(User { name: name.into(), uid, gid, groups })
}

/// Makes `directory` the root of the file system for this process, and its working directory.
pub fn enter_chroot(directory: &Path) -> Result<(), PrivilegeError> {
    let enter = || {
        rustix::process::fchdir(place::folder(directory)?)?;
        rustix::process::chroot(".")?;
        io::Result::Ok(rustix::process::chdir("/")?)
    };
    enter().map_err(|cause| PrivilegeError { step: format!("chroot {}", directory.display()), cause })
}

/// Becomes `user` for good (a process that is that user already stays it), keeping those of the `keep` capabilities that the process has, and forbids gaining any by
/// exec. Groups and user change in all threads, capabilities in this one and those it starts.
pub fn become_user(user: &User, keep: CapabilitySet) -> Result<(), PrivilegeError> {
    let failed = |step: &str| {
        let step = format!("{step} for user {}", user.name);
        move |cause: io::Error| PrivilegeError { step, cause }
    };
    thread::set_keep_capabilities(!keep.is_empty()).map_err(io::Error::from).map_err(failed("PR_SET_KEEPCAPS"))?;
    if !is_already(user) {
        let groups: &[libc::gid_t] = &user.groups;
        // SAFETY: setgroups reads as many group IDs as it is told; the others take numbers.
        unsafe {
            checked(libc::setgroups(groups.len(), groups.as_ptr())).map_err(failed("setgroups"))?;
            checked(libc::setresgid(user.gid, user.gid, user.gid)).map_err(failed("setresgid"))?;
            checked(libc::setresuid(user.uid, user.uid, user.uid)).map_err(failed("setresuid"))?;
        }
    }
    if user.uid != 0 {
        let kept = thread::capabilities(None).map_err(io::Error::from).map_err(failed("capget"))?.permitted & keep;
        let sets = CapabilitySets { effective: kept, permitted: kept, inheritable: CapabilitySet::empty() };
        thread::set_capabilities(None, sets).map_err(io::Error::from).map_err(failed("capset"))?;
    }
    thread::set_no_new_privs(true).map_err(io::Error::from).map_err(failed("PR_SET_NO_NEW_PRIVS"))
}

/// What `works` says in this thread without a capability, which is in force again afterwards. False when it cannot be tried.
pub fn without(capability: CapabilitySet, works: impl FnOnce() -> bool) -> bool {
    let Ok(before) = thread::capabilities(None) else { return false };
    let fewer = CapabilitySets { effective: before.effective - capability, ..before };
    if thread::set_capabilities(None, fewer).is_err() {
        return false;
    }
    let said = works();
    // It stays permitted, so the kernel has nothing to refuse.
    said & thread::set_capabilities(None, before).is_ok()
}

/// Started as that user, by a service manager for one: nothing to change, and no privilege to change it with.
fn is_already(user: &User) -> bool {
    let uids = [rustix::process::getuid(), rustix::process::geteuid()];
    let gids = [rustix::process::getgid(), rustix::process::getegid()];
    user.uid != 0 && uids.iter().all(|uid| uid.as_raw() == user.uid) && gids.iter().all(|gid| gid.as_raw() == user.gid)
}

fn checked(done: libc::c_int) -> io::Result<()> {
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const PASSWD: &str = "root:x:0:0:root:/root:/bin/sh\nbroken:x\nunbound:x:102:65534::/var/lib/unbound:/bin/false\n";
    const GROUP: &str = "root:x:0:\nssl:x:12:other,unbound\nnogroup:x:65534:unbound\nshort\nadm:x:4:unboundx\n";

    #[test]
    fn users_are_found_with_their_groups() {
        let user = user_in(PASSWD, GROUP, "unbound").unwrap();
        assert_eq!(user, User { name: "unbound".into(), uid: 102, gid: 65534, groups: vec![65534, 12] });
        assert_eq!(user_in(PASSWD, GROUP, "root").unwrap().groups, [0]);
    }

    #[test]
    fn unknown_and_broken_users_are_none() {
        for name in ["nobody", "broken", "", "unbound:x"] {
            assert_eq!(user_in(PASSWD, GROUP, name), None);
        }
    }

    #[test]
    fn a_missing_chroot_names_the_directory() {
        let error = enter_chroot(Path::new("/no/such/directory")).unwrap_err();
        assert!(error.to_string().contains("/no/such/directory"), "{error}");
    }

    #[test]
    fn a_capability_is_away_while_it_is_tried_without() {
        let has = || thread::capabilities(None).unwrap().effective.contains(CapabilitySet::NET_ADMIN);
        assert!(has(), "giving up a capability needs one: run the tests as root");
        assert!(without(CapabilitySet::NET_ADMIN, || !has()));
        assert!(has(), "in force again");
        assert!(!without(CapabilitySet::NET_ADMIN, || false) && has());
    }

    /// In a child of its own, because it cannot be undone.
    #[test]
    fn a_user_keeps_the_capabilities_asked_for_and_no_others() {
        assert!(rustix::process::getuid().is_root(), "changing the user needs root: run the tests as root");
        let user = User { name: "test".into(), uid: 65534, gid: 65534, groups: vec![65534] };
        // SAFETY: the child calls nothing that waits for a lock of another thread, and leaves with _exit.
        let child = unsafe { libc::fork() };
        if child == 0 {
            let again = become_user(&user, CapabilitySet::NET_ADMIN)
                .and_then(|()| become_user(&user, CapabilitySet::NET_ADMIN));
            let code = match again {
                Err(_) => 1,
                Ok(()) if !rustix::process::geteuid().as_raw().eq(&65534) => 2,
                Ok(()) => match thread::capabilities(None) {
                    Ok(sets) if sets.effective == sets.permitted && sets.effective == CapabilitySet::NET_ADMIN => 0,
                    Ok(sets) if sets.effective.is_empty() => 4,
                    _ => 3,
                },
            };
            // SAFETY: ends the child.
            unsafe { libc::_exit(code) };
        }
        let mut status = 0;
        // SAFETY: waits for the child above; status is a valid int.
        assert_eq!(unsafe { libc::waitpid(child, &mut status, 0) }, child);
        assert_eq!(libc::WEXITSTATUS(status), 0);
    }
}
