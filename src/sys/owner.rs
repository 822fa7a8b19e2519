//! Which process has a listening address: /proc/net and /proc/*/fd (proc(5)). For error messages.

use std::fs;
use std::net::SocketAddr;

/// The process that listens on the port of `address` over TCP or UDP, as "unbound (pid 12)". `None` when it is not found
/// or may not be looked at.
pub fn of(address: SocketAddr, tcp: bool) -> Option<String> {
    let protocol = if tcp { "tcp" } else { "udp" };
    [protocol.to_owned(), format!("{protocol}6")]
        .iter()
        .filter_map(|table| fs::read_to_string(format!("/proc/net/{table}")).ok())
        .flat_map(|table| listeners(&table, address, tcp))
        .find_map(process_of)
}

/// Inodes of the sockets in a /proc/net table that listen on the port of `address`.
fn listeners(table: &str, address: SocketAddr, tcp: bool) -> Vec<u64> {
    // Columns: slot, local address, remote address, state, queues, timer, retransmits, uid, time-out, inode.
    const TCP_LISTEN: &str = "0A";
    let listens_there = |line: &str| {
        let mut columns = line.split_whitespace().skip(1);
        let (_, port) = columns.next()?.rsplit_once(':')?;
        let state = columns.nth(1)?;
        let inode = columns.nth(5)?.parse().ok()?;
        let same_port = u16::from_str_radix(port, 16) == Ok(address.port());
        (same_port && (!tcp || state == TCP_LISTEN)).then_some(inode)
    };
    table.lines().filter_map(listens_there).collect()
}

fn process_of(inode: u64) -> Option<String> {
    let link = format!("socket:[{inode}]");
    let holds = |pid: &str| {
        let files = fs::read_dir(format!("/proc/{pid}/fd")).ok()?;
        files.flatten().find(|file| fs::read_link(file.path()).is_ok_and(|to| to.as_os_str() == link.as_str()))
    };
    for process in fs::read_dir("/proc").ok()?.flatten() {
        let Ok(pid) = process.file_name().into_string() else { continue };
        if pid.bytes().all(|octet| octet.is_ascii_digit()) && holds(&pid).is_some() {
            let name = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
            return Some(format!("{} (pid {pid})", name.trim_end()));
        }
    }
    None
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_read_by_port_and_state() {
        let table = "\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 3500007F:0035 00000000:0000 0A 00000000:00000000 00:00000000 00000000   101        0 17 1 0 100 0 0 10 0
   1: 0100007F:0035 0100007F:D431 01 00000000:00000000 00:00000000 00000000   101        0 18 1 0 100 0 0 10 0
   2: 0100007F:0016 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 19 1 0 100 0 0 10 0
   3: broken
";
        let address = "127.0.0.1:53".parse().unwrap();
        assert_eq!(listeners(table, address, true), [17]);
        assert_eq!(listeners(table, address, false), [17, 18]);
    }

    #[test]
    fn nobody_has_a_free_port() {
        assert_eq!(of("127.0.0.1:1".parse().unwrap(), true), None);
    }
}
