//! A backend for tests and the fuzz target: it remembers what it was asked.

use super::backend::{
    Backend, CookieChange, EditError, Flushed, ForwardServer, ForwardZone, Load, LocalEditor, NotInForce, Pieces,
    Status, ZoneChange,
};
use crate::dns::Name;
use crate::dns::cookie::Secret;
use crate::stats::{Frames, QueueFigures, Snapshot, SocketDrops, Upstream, Watchdog, WorkerStats, XdpFigures, XdpMode};
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Remembers calls, zones and data.
#[derive(Default)]
pub struct Fake {
    /// Commands that changed or asked for something, in words.
    pub calls: Vec<String>,
    /// Names and types of local zones.
    pub zones: BTreeMap<String, String>,
    /// Records by owner.
    pub data: BTreeMap<String, Vec<String>>,
    /// Counters that `stats` shows.
    pub worker: WorkerStats,
    /// Counters that `stats` shows.
    pub upstream: Upstream,
    /// Whether `stop` came.
    pub stopped: bool,
    /// How often edits came into force.
    pub compilations: usize,
    /// What `reload` and `edit_local` fail with.
    pub broken: Option<String>,
    /// Why edits come into force late.
    pub late: Option<String>,
    /// What was set.
    pub verbosity: u8,
    /// Lines behind `load_cache`.
    pub loaded: Arc<Mutex<Vec<String>>>,
}

impl Fake {
    fn call(&mut self, call: impl Into<String>) -> Result<(), String> {
        self.calls.push(call.into());
        Ok(())
    }
}

struct Editor<'a>(&'a mut Fake);

impl LocalEditor for Editor<'_> {
    fn add_zone(&mut self, name: &Name, kind: &str) -> Result<(), EditError> {
        if !["static", "deny", "transparent", "always_nxdomain"].contains(&kind) {
            return Err(EditError::ZoneType);
        }
        self.0.zones.insert(name.to_string(), kind.to_owned());
        Ok(())
    }

    fn remove_zone(&mut self, name: &Name) -> Result<(), EditError> {
        self.0.zones.remove(&name.to_string());
        Ok(())
    }

    fn add_data(&mut self, record: &str) -> Result<(), EditError> {
        match record.split_once(" A ") {
            Some((name, _)) => {
                self.0.data.entry(name.to_owned()).or_default().push(record.replace(' ', "\t"));
                Ok(())
            }
            None => Err(EditError::Record("the record has no type".to_owned())),
        }
    }

    fn remove_data(&mut self, name: &Name) -> Result<(), EditError> {
        self.0.data.remove(&name.to_string());
        Ok(())
    }
}

impl Backend for Fake {
    fn status(&mut self) -> Status {
        Status {
            version: "0.1.0".to_owned(),
            verbosity: self.verbosity,
            modules: vec!["iterator"],
            extended_statistics: true,
            inhibit_zero: true,
            sandbox: "off".to_owned(),
            tuning: vec!["worker shares 2 CPUs, never spins".to_owned()],
            awaited: vec![std::net::IpAddr::from([192, 0, 2, 77])],
            unused: vec!["xdp-interface: there is no eth9 here".into()],
            cut_off: vec!["veth-rb carries 192.0.2.1 and is not up".to_owned()],
            rivals: vec!["fwbr100i0 answers ARP for 192.0.2.1".to_owned()],
            upstream: vec!["192.0.2.53:53: connect: Network is unreachable".to_owned()],
            anchors: vec!["the keys of example. are not to be had".to_owned()],
            late: self.late.as_ref().map(|_| Duration::from_millis(7900)),
        }
    }

    fn snapshot(&mut self) -> Snapshot {
        let eth0 = XdpFigures {
            interface: "eth0".to_owned(),
            mode: XdpMode::Native,
            zerocopy: false,
            queues: vec![
                QueueFigures { rx: 30, tx: 29, watchdog: Watchdog::Watching, ..QueueFigures::default() },
                QueueFigures {
                    number: 1,
                    rx: 10,
                    tx: 10,
                    kernel: SocketDrops { rx_dropped: 3, ..SocketDrops::default() },
                    senseless: 2,
                    watchdog: Watchdog::Tripped,
                },
            ],
            verdicts: vec![("redirected", 40), ("not_udp", 7), ("answered", 5)],
            frames: Frames { total: 4096, free: 2000, fill: 2048, rx: 40, tx: 8, ..Frames::default() },
            answers: "off (log-queries: yes)".to_owned(),
            fallback: Some("the driver has no zero copy".to_owned()),
        };
        Snapshot::collect([&self.worker], &self.upstream, vec![eth0], Duration::from_millis(12_345))
    }

    fn stop(&mut self) {
        self.stopped = true;
    }

    fn reload(&mut self, keep_cache: bool) -> Result<(), String> {
        match &self.broken {
            Some(reason) => Err(reason.clone()),
            None => self.call(format!("reload {keep_cache}")),
        }
    }

    fn backup(&mut self, name: &str) -> Result<Vec<String>, String> {
        self.call(format!("backup {name}")).map(|()| vec!["saved 2 files".to_owned(), "note: one left out".to_owned()])
    }

    fn restore(&mut self, name: &str) -> Result<Vec<String>, String> {
        match &self.broken {
            Some(reason) => Err(reason.clone()),
            None => self.call(format!("restore {name}")).map(|()| vec!["restored 2 files".to_owned()]),
        }
    }

    fn set_verbosity(&mut self, level: u8) {
        self.verbosity = level;
    }

    fn log_reopen(&mut self) -> Result<(), String> {
        self.call("log_reopen")
    }

    fn edit_local(&mut self, edit: &mut dyn FnMut(&mut dyn LocalEditor)) -> Result<(), NotInForce> {
        if let Some(reason) = &self.broken {
            return Err(reason.clone().into());
        }
        self.compilations += 1;
        edit(&mut Editor(self));
        self.late.clone().map_or(Ok(()), |reason| Err(NotInForce::Late(reason)))
    }

    fn list_local_zones(&mut self, emit: &mut dyn FnMut(&str)) {
        self.zones.iter().for_each(|(name, kind)| emit(&format!("{name} {kind}")));
    }

    fn list_local_data(&mut self, emit: &mut dyn FnMut(&str)) {
        self.data.values().flatten().for_each(|record| emit(record));
    }

    fn forwards(&mut self) -> Vec<ForwardZone> {
        let servers = vec![
            ("127.0.0.1", 5392, None),
            ("192.0.2.55", 853, Some("dns.example")),
            ("192.0.2.53", 53, None),
            ("fe80::1%eth0", 53, None),
        ];
        let servers = servers.into_iter().map(|(address, port, tls_name)| ForwardServer {
            address: address.to_owned(),
            port,
            tls_name: tls_name.map(str::to_owned),
        });
        let servers = servers.collect();
        vec![ForwardZone { name: Name::ROOT, hosts: Vec::new(), servers, insecure: false }]
    }

    fn stubs(&mut self) -> Vec<(ForwardZone, bool)> {
        let server = ForwardServer { address: "192.0.2.8".to_owned(), port: 5300, tls_name: None };
        let name = |text| Name::from_text(text).unwrap_or(Name::ROOT);
        let hosts = vec!["ns.example.".to_owned()];
        vec![
            (ForwardZone { name: name("a.example"), hosts, servers: vec![server.clone()], insecure: true }, true),
            (ForwardZone { name: name("b.example"), hosts: Vec::new(), servers: vec![server], insecure: false }, false),
        ]
    }

    fn list_insecure(&mut self, emit: &mut dyn FnMut(&str)) {
        emit("a.example.");
    }

    fn set_insecure(&mut self, name: &Name, insecure: bool) -> Result<(), String> {
        self.call(format!("insecure {name} {insecure}"))
    }

    fn option(&mut self, name: &str, emit: &mut dyn FnMut(&str)) -> Result<(), String> {
        match name {
            "port" => {
                emit("53");
                Ok(())
            }
            _ => Err("unknown option".to_owned()),
        }
    }

    fn change_zone(&mut self, change: ZoneChange<'_>) -> Result<(), String> {
        let ZoneChange { stub, name, servers, prime } = change;
        self.call(format!("zone stub {stub} {name} {servers:?} prime {prime}"))
    }

    fn forward_root(&mut self, servers: Option<Vec<&str>>) -> Result<(), String> {
        self.call(format!("forward {servers:?}"))
    }

    fn set_option(&mut self, name: &str, value: &str) -> Result<(), String> {
        match &self.broken {
            Some(reason) => Err(reason.clone()),
            None => self.call(format!("set {name} to {value}")),
        }
    }

    fn flush(&mut self, name: &Name, rtype: Option<u16>) -> Result<(), String> {
        self.call(format!("flush {name} {rtype:?}"))
    }

    fn flush_zone(&mut self, zone: &Name) -> Result<Flushed, String> {
        self.call(format!("flush_zone {zone}")).map(|()| Flushed { rrsets: 4, messages: 3, keys: 2 })
    }

    fn flush_negative(&mut self) -> Result<Flushed, String> {
        Ok(Flushed { rrsets: 0, messages: 5, keys: 0 })
    }

    fn flush_bogus(&mut self) -> Result<Flushed, String> {
        Ok(Flushed::default())
    }

    fn flush_infra(&mut self, at: Option<IpAddr>) -> Result<(), String> {
        self.call(format!("flush_infra {at:?}"))
    }

    fn flush_requestlist(&mut self) -> Result<(), String> {
        self.call("flush_requestlist")
    }

    fn dump_cache(&mut self) -> Pieces {
        let pieces = ["START_RRSET_CACHE\n", "", "END_RRSET_CACHE\nSTART_MSG_CACHE\nEND_MSG_CACHE\nEOF\n"];
        Box::new(pieces.into_iter().map(|piece| Ok(piece.to_owned())))
    }

    fn dump_infra(&mut self) -> Pieces {
        Box::new([Ok("192.0.2.1 . ttl 3\n".to_owned()), Err("it is\nlate".to_owned())].into_iter())
    }

    fn dump_requestlist(&mut self) -> Pieces {
        Box::new(std::iter::empty())
    }

    fn rates(&mut self, all: bool) -> Pieces {
        Box::new([Ok(format!("example.com. 7 limit {}\n", if all { 10 } else { 5 }))].into_iter())
    }

    fn load_cache(&mut self) -> Box<dyn Load> {
        Box::new(Loaded(Arc::clone(&self.loaded)))
    }

    fn list_rates(&mut self, all: bool, emit: &mut dyn FnMut(&str)) -> Result<(), String> {
        emit(if all { "192.0.2.1 3 limit 5" } else { "192.0.2.2 7 limit 5" });
        self.call("list_rates")
    }

    fn cookie_secrets(&mut self) -> Vec<Secret> {
        vec![Secret([1; 16]), Secret([2; 16])]
    }

    fn change_secrets(&mut self, change: CookieChange) -> Result<(), String> {
        self.call(format!("{change:?}"))
    }

    fn lookup(&mut self, name: &Name) -> Result<String, String> {
        Ok(format!("The following name servers are used for lookup of {name}\n"))
    }
}

/// Remembers the lines that came.
struct Loaded(Arc<Mutex<Vec<String>>>);

impl Load for Loaded {
    fn take(&mut self, lines: &str) -> Result<bool, String> {
        let Ok(mut loaded) = self.0.lock() else { return Err("a test has ended".to_owned()) };
        loaded.extend(lines.lines().map(str::to_owned));
        match loaded.iter().any(|line| line == "bad") {
            true => Err("line 1: expected START_RRSET_CACHE, not \"bad\"".to_owned()),
            false => Ok(loaded.iter().any(|line| line == "EOF")),
        }
    }
}
