//! Which process has a listening address, or holds an XDP program: /proc/net, /proc/*/fd and /proc/*/fdinfo (proc(5)). For error
//! messages.

use std::ffi::OsStr;
use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// The process that listens at `address`, or at its port on every address, over TCP or UDP, as "unbound (pid 12)".
/// `None` when it is not found or may not be looked at.
pub fn of(address: SocketAddr, tcp: bool) -> Option<String> {
    inodes(address, tcp).into_iter().find_map(process_of)
}

/// Whether any process listens there, seen without a privilege: the tables are open to everybody.
pub fn is_taken(address: SocketAddr, tcp: bool) -> bool {
    !inodes(address, tcp).is_empty()
}

fn inodes(address: SocketAddr, tcp: bool) -> Vec<u64> {
    let protocol = if tcp { "tcp" } else { "udp" };
    [protocol.to_owned(), format!("{protocol}6")]
        .iter()
        .filter_map(|table| fs::read_to_string(format!("/proc/net/{table}")).ok())
        .flat_map(|table| listeners(&table, address, tcp))
        .collect()
}

/// Inodes of the sockets in a /proc/net table that listen at `address` or at its port on every address.
fn listeners(table: &str, address: SocketAddr, tcp: bool) -> Vec<u64> {
    // Columns: slot, local address, remote address, state, queues, timer, retransmits, uid, time-out, inode.
    const TCP_LISTEN: &str = "0A";
    let listens_there = |line: &str| {
        let mut columns = line.split_whitespace().skip(1);
        let (local, port) = columns.next()?.rsplit_once(':')?;
        let state = columns.nth(1)?;
        let inode = columns.nth(5)?.parse().ok()?;
        let same_port = u16::from_str_radix(port, 16) == Ok(address.port());
        let local = ip(local)?;
        let same_address = local.is_unspecified() || address.ip().is_unspecified() || local == address.ip();
        (same_port && same_address && (!tcp || state == TCP_LISTEN)).then_some(inode)
    };
    table.lines().filter_map(listens_there).collect()
}

/// An address of a table: its 32-bit words in hexadecimal, each as it lies in memory.
fn ip(text: &str) -> Option<IpAddr> {
    let word = |at: usize| u32::from_str_radix(text.get(at..at + 8)?, 16).ok().map(u32::swap_bytes);
    match text.len() {
        8 => Some(Ipv4Addr::from(word(0)?).into()),
        32 => {
            let words = [word(0)?, word(8)?, word(16)?, word(24)?];
            let bits = words.iter().fold(0u128, |bits, &word| bits << 32 | u128::from(word));
            let v6 = Ipv6Addr::from_bits(bits);
            Some(v6.to_ipv4_mapped().map_or(v6.into(), IpAddr::V4))
        }
        _ => None,
    }
}

/// A process that holds a BPF program by a link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// As "runbound (pid 12)".
    pub who: String,
    /// The command that ends it: of a service of this host by its unit, since systemd may start again what is killed.
    pub stop: String,
}

/// The process that holds the BPF program of an ID by a link: it alone can take it off. `None` when there is none, for a program
/// may be held by nobody or by a name in a file system, or when it may not be looked at.
pub fn of_program(id: u32) -> Option<Holder> {
    let (pid, who) = process_with(|pid, file, to| {
        let info = || fs::read_to_string(format!("/proc/{pid}/fdinfo/{}", file.to_string_lossy()));
        to.starts_with("anon_inode:bpf") && info().is_ok_and(|info| is_link_of(&info, id))
    })?;
    let cgroup = fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap_or_default();
    Some(Holder { who, stop: stop(&pid, &cgroup) })
}

/// The command that ends a process of a control group (cgroups(7)). What runs in a container is none of this host's services.
fn stop(pid: &str, cgroup: &str) -> String {
    let unit = |line: &str| {
        let path = line.splitn(3, ':').nth(2)?.strip_prefix("/system.slice/")?;
        path.rsplit('/').next().filter(|unit| unit.ends_with(".service")).map(str::to_owned)
    };
    cgroup.lines().find_map(unit).map_or_else(|| format!("kill {pid}"), |unit| format!("systemctl stop {unit}"))
}

/// Whether an open file is a link (bpf_link_show_fdinfo of the kernel's kernel/bpf/syscall.c) with the program of an ID.
fn is_link_of(info: &str, id: u32) -> bool {
    let value = |key: &str| info.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':')).map(str::trim);
    value("link_type").is_some() && value("prog_id") == Some(&id.to_string())
}

fn process_of(inode: u64) -> Option<String> {
    let link = format!("socket:[{inode}]");
    process_with(|_, _, to| to == link).map(|(_, who)| who)
}

/// The first process with an open file that `fits`, from its pid, the file's number and what that leads to: its pid, and its name
/// with that.
fn process_with(fits: impl Fn(&str, &OsStr, &str) -> bool) -> Option<(String, String)> {
    let holds = |pid: &str| {
        let files = fs::read_dir(format!("/proc/{pid}/fd")).ok()?;
        let fits = |file: &fs::DirEntry| {
            fs::read_link(file.path()).is_ok_and(|to| to.to_str().is_some_and(|to| fits(pid, &file.file_name(), to)))
        };
        files.flatten().find(fits)
    };
    for process in fs::read_dir("/proc").ok()?.flatten() {
        let Ok(pid) = process.file_name().into_string() else { continue };
        if pid.bytes().all(|octet| octet.is_ascii_digit()) && holds(&pid).is_some() {
            let name = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
            let who = format!("{} (pid {pid})", name.trim_end());
            return Some((pid, who));
        }
    }
    None
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_read_by_address_port_and_state() {
        let table = "\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 3500007F:0035 00000000:0000 0A 00000000:00000000 00:00000000 00000000   101        0 17 1 0 100 0 0 10 0
   1: 0100007F:0035 0100007F:D431 01 00000000:00000000 00:00000000 00000000   101        0 18 1 0 100 0 0 10 0
   2: 0100007F:0016 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 19 1 0 100 0 0 10 0
   3: broken
";
        let inodes = |address: &str, tcp| listeners(table, address.parse().unwrap(), tcp);
        assert_eq!(inodes("127.0.0.53:53", true), [17]);
        assert_eq!(inodes("127.0.0.53:53", false), [17]);
        assert_eq!(inodes("127.0.0.1:53", true), [0; 0]);
        assert_eq!(inodes("127.0.0.1:53", false), [18]);
        assert_eq!(inodes("0.0.0.0:53", false), [17, 18]);
        assert_eq!(inodes("192.0.2.1:22", true), [0; 0]);
    }

    #[test]
    fn wildcards_and_both_families() {
        let line = |local: &str| format!("head\n 0: {local}:0035 0:0 07 0:0 0:0 0 101 0 17 1\n");
        let found = |local: &str, address: &str| !listeners(&line(local), address.parse().unwrap(), false).is_empty();
        assert!(found("00000000", "192.0.2.1:53"));
        assert!(found("00000000000000000000000000000000", "192.0.2.1:53"));
        assert!(found("0000000000000000FFFF0000010200C0", "192.0.2.1:53"));
        assert!(found("B80D0120000000000000000001000000", "[2001:db8::1]:53"));
        assert!(!found("B80D0120000000000000000001000000", "[2001:db8::2]:53"));
        assert!(!found("XX", "192.0.2.1:53"));
    }

    #[test]
    fn a_link_is_told_from_a_program() {
        let link =
            "pos:\t0\nflags:\t02000002\nlink_type:\txdp\nlink_id:\t5\nprog_tag:\t1a2b\nprog_id:\t42\nifindex:\t7\n";
        assert!(is_link_of(link, 42) && !is_link_of(link, 4) && !is_link_of(link, 5));
        assert!(!is_link_of("prog_type:\t6\nprog_jited:\t1\nprog_id:\t42\n", 42), "the program itself");
    }

    #[test]
    fn a_service_of_this_host_is_stopped_by_its_unit() {
        assert_eq!(stop("7", "0::/system.slice/runbound.service\n"), "systemctl stop runbound.service");
        let template = "1:name=systemd:/\n0::/system.slice/system-dns.slice/dns@a.service\n";
        assert_eq!(stop("7", template), "systemctl stop dns@a.service");
        for other in ["", "0::/user.slice/user-0.slice/session-1.scope", "0::/lxc/101/ns/system.slice/a.service"] {
            assert_eq!(stop("7", other), "kill 7", "{other}");
        }
    }

    #[test]
    fn nobody_has_a_free_port() {
        assert_eq!(of("127.0.0.1:1".parse().unwrap(), true), None);
    }
}
