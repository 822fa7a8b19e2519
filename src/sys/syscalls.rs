//! The system calls a running server makes, as a seccomp filter.
//!
//! A call that is not on the list fails with EPERM: should one have been missed, it costs what wanted it and nothing else.
//! A call that only somebody else's code would make in this process ends the process. Found by strace(1) over the
//! end-to-end tests, and by reading what std, musl, libbpf and libxdp do when something fails.

use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule, TargetArch,
};
use std::collections::BTreeMap;

type Rules = BTreeMap<i64, Vec<SeccompRule>>;

/// Nothing in this program makes these, on any path: who does is not this program any more.
const ENDS_THE_PROCESS: &[i64] = &[
    libc::SYS_execve,
    libc::SYS_execveat,
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_kexec_load,
    libc::SYS_kexec_file_load,
    libc::SYS_reboot,
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
    libc::SYS_move_mount,
    libc::SYS_open_tree,
    libc::SYS_fsopen,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_mount_setattr,
    libc::SYS_setns,
    libc::SYS_unshare,
    libc::SYS_userfaultfd,
    libc::SYS_io_uring_setup,
    libc::SYS_perf_event_open,
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_keyctl,
    libc::SYS_iopl,
    libc::SYS_ioperm,
    libc::SYS_swapon,
    libc::SYS_swapoff,
];

/// Calls allowed whatever their arguments.
const ALLOWED: &[i64] = &[
    // Files; which ones is Landlock's to say.
    libc::SYS_open,
    libc::SYS_openat,
    libc::SYS_close,
    libc::SYS_read,
    libc::SYS_readv,
    libc::SYS_pread64,
    libc::SYS_write,
    libc::SYS_writev,
    libc::SYS_pwrite64,
    libc::SYS_lseek,
    libc::SYS_stat,
    libc::SYS_lstat,
    libc::SYS_fstat,
    libc::SYS_newfstatat,
    libc::SYS_statx,
    libc::SYS_access,
    libc::SYS_faccessat,
    libc::SYS_faccessat2,
    libc::SYS_readlink,
    libc::SYS_readlinkat,
    libc::SYS_getdents64,
    libc::SYS_getcwd,
    // Making a folder that is there already must say so.
    libc::SYS_mkdir,
    libc::SYS_mkdirat,
    libc::SYS_rename,
    libc::SYS_renameat,
    libc::SYS_renameat2,
    libc::SYS_unlink,
    libc::SYS_unlinkat,
    libc::SYS_rmdir,
    libc::SYS_chmod,
    libc::SYS_fchmod,
    libc::SYS_fchmodat,
    libc::SYS_ftruncate,
    libc::SYS_fsync,
    libc::SYS_fdatasync,
    libc::SYS_fcntl,
    libc::SYS_flock,
    libc::SYS_dup3,
    libc::SYS_memfd_create,
    // Memory; mmap and mprotect stand below.
    libc::SYS_munmap,
    libc::SYS_mremap,
    libc::SYS_madvise,
    libc::SYS_brk,
    // Threads, signals to oneself, the end.
    libc::SYS_futex,
    libc::SYS_set_robust_list,
    libc::SYS_get_robust_list,
    libc::SYS_set_tid_address,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_sigaltstack,
    libc::SYS_tkill,
    libc::SYS_exit,
    libc::SYS_exit_group,
    libc::SYS_restart_syscall,
    libc::SYS_sched_yield,
    libc::SYS_sched_getaffinity,
    libc::SYS_sched_setaffinity,
    libc::SYS_membarrier,
    // Who, when, how much.
    libc::SYS_getpid,
    libc::SYS_gettid,
    libc::SYS_getuid,
    libc::SYS_geteuid,
    libc::SYS_getgid,
    libc::SYS_getegid,
    libc::SYS_capget,
    libc::SYS_getrlimit,
    libc::SYS_getrusage,
    libc::SYS_uname,
    libc::SYS_sysinfo,
    libc::SYS_getcpu,
    libc::SYS_getrandom,
    libc::SYS_clock_gettime,
    libc::SYS_clock_getres,
    libc::SYS_gettimeofday,
    libc::SYS_time,
    libc::SYS_nanosleep,
    libc::SYS_clock_nanosleep,
    // Waiting.
    libc::SYS_poll,
    libc::SYS_ppoll,
    libc::SYS_epoll_create1,
    libc::SYS_epoll_ctl,
    libc::SYS_epoll_wait,
    libc::SYS_epoll_pwait,
    libc::SYS_epoll_pwait2,
    libc::SYS_eventfd2,
    // Sockets. Not listen: every socket that clients connect to is there by now.
    libc::SYS_bind,
    libc::SYS_connect,
    libc::SYS_accept4,
    libc::SYS_getsockname,
    libc::SYS_getpeername,
    libc::SYS_getsockopt,
    libc::SYS_sendto,
    libc::SYS_sendmsg,
    libc::SYS_sendmmsg,
    libc::SYS_recvfrom,
    libc::SYS_recvmsg,
    libc::SYS_recvmmsg,
    libc::SYS_shutdown,
];

/// linux/sockios.h, linux/prctl.h, linux/if_xdp.h: not in the libc crate for musl, or of another type there.
const SIOCGIFINDEX: u64 = 0x8933;
const SIOCETHTOOL: u64 = 0x8946;
const PR_GET_AUXV: u64 = 0x4155_5856;
const SOL_XDP: u64 = 283;
/// The kind of a socket without SOCK_NONBLOCK and SOCK_CLOEXEC.
const SOCK_KIND: u64 = 0xf;
/// Every CLONE_NEW* flag that clone(2) takes.
const CLONE_NAMESPACES: u64 = 0x7e02_0000;

/// Families, kinds and protocols of the sockets that a running server opens. Protocol 0 is the usual one of family and
/// kind: not MPTCP, UDP-Lite, SCTP or ICMP.
const SOCKETS: [(i32, i32, i32); 9] = [
    (libc::AF_INET, libc::SOCK_STREAM, 0),
    (libc::AF_INET, libc::SOCK_DGRAM, 0),
    (libc::AF_INET6, libc::SOCK_STREAM, 0),
    (libc::AF_INET6, libc::SOCK_DGRAM, 0),
    (libc::AF_INET, libc::SOCK_DGRAM, libc::IPPROTO_UDP),
    // if_nametoindex(3) asks through one.
    (libc::AF_UNIX, libc::SOCK_DGRAM, 0),
    // getifaddrs(3) and the links, by two libraries; NETLINK_ROUTE is protocol 0.
    (libc::AF_NETLINK, libc::SOCK_RAW, libc::NETLINK_ROUTE),
    (libc::AF_NETLINK, libc::SOCK_DGRAM, libc::NETLINK_ROUTE),
    // Last: only with XDP.
    (libc::AF_XDP, libc::SOCK_RAW, 0),
];

/// Levels and options that a running server sets: that TCP upstream does not wait with small messages, buffers of the watch
/// over interfaces, and what libbpf asks of netlink. All that listens has its options by now. Above all not IP_TRANSPARENT, SO_BINDTODEVICE,
/// SO_ATTACH_FILTER, SO_ATTACH_BPF, TCP_REPAIR, nor those of netfilter and multicast.
const OPTIONS: [(i32, i32); 9] = [
    (libc::IPPROTO_TCP, libc::TCP_NODELAY),
    (libc::IPPROTO_TCP, libc::TCP_MAXSEG),
    (libc::IPPROTO_IP, libc::IP_TOS),
    (libc::IPPROTO_IPV6, libc::IPV6_TCLASS),
    (libc::SOL_SOCKET, libc::SO_RCVBUF),
    (libc::SOL_SOCKET, libc::SO_SNDBUF),
    (libc::SOL_SOCKET, libc::SO_RCVBUFFORCE),
    (libc::SOL_NETLINK, libc::NETLINK_EXT_ACK),
    (libc::SOL_NETLINK, libc::NETLINK_CAP_ACK),
];

/// linux/if_xdp.h: rings, UMEM and the size of a batch. SOL_XDP has no more options that are set.
const XDP_OPTIONS: [u64; 6] = [
    2, // XDP_RX_RING
    3, // XDP_TX_RING
    4, // XDP_UMEM_REG
    5, // XDP_UMEM_FILL_RING
    6, // XDP_UMEM_COMPLETION_RING
    9, // XDP_MAX_TX_SKB_BUDGET
];

/// linux/bpf.h: filling and emptying maps, attaching a program. All programs and maps are there by now: none is made or
/// loaded (a filter could not tell of what kind it is), nor pinned, looked for among others', replaced or traced.
const BPF_COMMANDS: [u64; 6] = [
    1,  // BPF_MAP_LOOKUP_ELEM
    2,  // BPF_MAP_UPDATE_ELEM
    3,  // BPF_MAP_DELETE_ELEM
    4,  // BPF_MAP_GET_NEXT_KEY
    15, // BPF_OBJ_GET_INFO_BY_FD
    28, // BPF_LINK_CREATE
];

/// Puts the filter in force for this thread and those it starts, and sets no_new_privs. Gives how many calls are allowed.
///
/// # Errors
/// Why the kernel did not take it.
pub(super) fn filter(xdp: bool) -> Result<usize, String> {
    let said = |error: &dyn std::fmt::Display| error.to_string();
    let ends = ENDS_THE_PROCESS.iter().map(|&call| (call, Vec::new())).collect();
    let rules = allowed(xdp).map_err(|error| said(&error))?;
    let count = rules.len();
    // Of two filters the harsher verdict holds.
    for (rules, others, these) in [
        (ends, SeccompAction::Allow, SeccompAction::KillProcess),
        (rules, SeccompAction::Errno(libc::EPERM as u32), SeccompAction::Allow),
    ] {
        let filter = SeccompFilter::new(rules, others, these, TargetArch::x86_64);
        let program: BpfProgram = filter.and_then(TryInto::try_into).map_err(|error| said(&error))?;
        seccompiler::apply_filter(&program).map_err(|error| said(&error))?;
    }
    Ok(count)
}

/// The calls that are allowed, with what their arguments must be.
fn allowed(xdp: bool) -> Result<Rules, seccompiler::BackendError> {
    use SeccompCmpOp::{Eq, MaskedEq};
    let mut rules: Rules = ALLOWED.iter().map(|&call| (call, Vec::new())).collect();
    let mut on = |call: i64, conditions: &[(u8, SeccompCmpOp, u64)]| -> Result<(), seccompiler::BackendError> {
        let condition = |(index, op, value): &(u8, SeccompCmpOp, u64)| {
            SeccompCondition::new(*index, SeccompCmpArgLen::Dword, op.clone(), *value)
        };
        let conditions = conditions.iter().map(condition).collect::<Result<Vec<_>, _>>()?;
        rules.entry(call).or_default().push(SeccompRule::new(conditions)?);
        Ok(())
    };
    // No memory that is both data and code.
    let executable = libc::PROT_EXEC as u64;
    on(libc::SYS_mmap, &[(2, MaskedEq(executable), 0)])?;
    on(libc::SYS_mprotect, &[(2, MaskedEq(executable), 0)])?;
    let thread = libc::CLONE_THREAD as u64;
    on(libc::SYS_clone, &[(0, MaskedEq(thread | CLONE_NAMESPACES), thread)])?;
    on(libc::SYS_tgkill, &[(0, Eq, std::process::id().into())])?;
    on(libc::SYS_prctl, &[(0, Eq, libc::PR_SET_NAME as u64)])?;
    on(libc::SYS_prctl, &[(0, Eq, PR_GET_AUXV)])?;

    let sockets = if xdp { &SOCKETS[..] } else { &SOCKETS[..SOCKETS.len() - 1] };
    for &(family, kind, protocol) in sockets {
        let (family, kind, protocol) = (family as u64, kind as u64, protocol as u64);
        on(libc::SYS_socket, &[(0, Eq, family), (1, MaskedEq(SOCK_KIND), kind), (2, Eq, protocol)])?;
    }
    for (level, option) in OPTIONS {
        on(libc::SYS_setsockopt, &[(1, Eq, level as u64), (2, Eq, option as u64)])?;
    }
    if xdp {
        for command in BPF_COMMANDS {
            on(libc::SYS_bpf, &[(0, Eq, command)])?;
        }
        for option in XDP_OPTIONS {
            on(libc::SYS_setsockopt, &[(1, Eq, SOL_XDP), (2, Eq, option)])?;
        }
        on(libc::SYS_ioctl, &[(1, Eq, SIOCETHTOOL)])?;
    }
    for request in [libc::FIONBIO as u64, libc::FIOCLEX as u64, SIOCGIFINDEX] {
        on(libc::SYS_ioctl, &[(1, Eq, request)])?;
    }
    Ok(rules)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_call_is_both_allowed_and_deadly() {
        for xdp in [false, true] {
            let rules = allowed(xdp).expect("rules");
            assert!(ENDS_THE_PROCESS.iter().all(|call| !rules.contains_key(call)));
            assert_eq!(rules.contains_key(&libc::SYS_bpf), xdp);
            assert!(!rules.contains_key(&libc::SYS_listen) && !rules.contains_key(&libc::SYS_clone3));
        }
    }

    #[test]
    fn the_page_names_as_many_calls_as_there_are() {
        let page = include_str!("../../docs/hardening.md");
        let count = allowed(true).expect("rules").len();
        assert!(page.contains(&format!("seccomp ({count} system calls)")), "docs/hardening.md: {count} system calls");
    }
}
