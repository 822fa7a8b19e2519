//! Whole configurations: what real files look like, and what breaks them.

#![allow(clippy::unwrap_used)]

mod any_input;
mod files;
mod includes;
mod readers;
mod table;
mod twice;
mod zones;

use super::options::Clause;
use super::*;
use std::path::PathBuf;

/// Directives of Unbound 1.22 by clause, from its lexer and grammar.
const UNBOUND_1_22: &str = include_str!("../options/unbound-1.22.txt");

const ROOT: &str = "forward-zone:\n name: \".\"\n forward-addr: 192.0.2.53\n";

fn read(text: impl AsRef<[u8]>) -> Result<Loaded, Vec<Diagnostic>> {
    parse_bytes("test.conf", text.as_ref())
}

/// `text` behind `server:`, with a forward-zone for the root.
fn server(text: &str) -> Result<Loaded, Vec<Diagnostic>> {
    read(format!("server:\n{text}\n{ROOT}"))
}

fn config(text: &str) -> Config {
    server(text).unwrap().config
}

fn errors(text: &str) -> Vec<String> {
    server(text).unwrap_err().iter().map(ToString::to_string).collect()
}

/// A folder of its own under the system's temporary one, removed at the end.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("runbound-config-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.join(name);
        std::fs::write(&path, text).unwrap();
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[test]
fn a_carriage_return_is_white_space() {
    let text = format!(
        "# whole\n\nserver: # here\n interface: 192.0.2.1@5300\n  port:\n5353\n module-config: \"iterator\"\n \
         local-zone: 'a.example.' static\n local-data: \"b.a.example. TXT 'c d'\"\n{ROOT}"
    );
    let [line_feeds, both] = [text.clone(), text.replace('\n', "\r\n")].map(|text| read(text).unwrap());
    assert_eq!(line_feeds.config.port, 5353);
    assert_eq!(format!("{both:?}"), format!("{line_feeds:?}"));
    let [line_feeds, both] = ["port: x\nport 1\nname: \"a\n", "port: x\r\nport 1\r\nname: \"a\r\n"].map(errors);
    assert_eq!(both, line_feeds);
}

#[test]
fn every_directive_of_unbound_1_22_is_in_the_table() {
    let mut count = 0;
    for line in UNBOUND_1_22.lines() {
        let (clause, names) = line.split_once(':').unwrap();
        let clause = Clause::from_word(clause).unwrap();
        for name in names.split_ascii_whitespace() {
            assert!(options::find(clause, name).is_some(), "{clause:?} {name}");
            count += 1;
        }
    }
    assert_eq!(count, 374);
    for spec in options::all().filter(|spec| spec.since.is_none()) {
        let start = format!("{}:", spec.clause.word());
        let known =
            UNBOUND_1_22.lines().any(|line| line.starts_with(&start) && line.split(' ').any(|word| word == spec.name));
        assert!(known, "{} is not of 1.22, say since when", spec.name);
    }
}

#[test]
fn values_reach_their_fields() {
    let config = config(
        "interface: 192.0.2.1@5353\ninterface: eth0\nip-address: ::1\nport: 5300\ndo-ip6: no\nso-rcvbuf: 4m\nusername: \"\"\n\
         access-control: 10.0.0.1/8 allow_snoop\nverbosity: 3 cache-max-ttl: 60 logfile: 'a b.log'\nidentity: \"me\"\n\
         xdp: require xdp-interface: eth0 xdp-interface: auto xdp-interface: eth1 xdp-interface: eth2 xdp-physical: yes\n\
         xdp-steer: no xdp-mode: generic xdp-zerocopy: no xdp-busy-poll: yes xdp-answers: no\n\
         xdp-huge-pages: yes edns-buffer-size: 99999",
    );
    assert_eq!(config.interfaces.len(), 3);
    assert_eq!((config.interfaces[0].port, config.interfaces[0].at.line), (Some(5353), 2));
    assert_eq!(config.interfaces[1].host, Host::Name("eth0".into()));
    assert_eq!((config.port, config.do_ip6, config.so_rcvbuf, config.caches.max_ttl), (5300, false, 4 << 20, 60));
    assert_eq!(config.access_control[0].netblock.to_string(), "10.0.0.0/8");
    assert_eq!(config.access_control[0].action, AccessAction::AllowSnoop);
    assert_eq!((config.verbosity, config.log.file, config.log.use_syslog), (3, PathBuf::from("a b.log"), false));
    assert_eq!((config.identity.name.as_deref(), config.edns_buffer_size), (Some("me"), 65535));
    let at = Location { file: 0, line: 12 };
    let xdp = Xdp {
        enable: XdpUse::Require,
        interfaces: ["eth1", "eth2"].map(|name| XdpInterface { name: name.into(), at }).into(),
        physical: true,
        steer: Toggle::No,
        mode: XdpMode::Generic,
        zerocopy: Toggle::No,
        busy_poll: Toggle::Yes,
        answers: Toggle::No,
        huge_pages: true,
    };
    assert_eq!(config.xdp, xdp);
}

#[test]
fn the_streams_of_a_container_are_taken_for_a_log() {
    for path in ["/dev/stdout", "/dev/stderr", ""] {
        let config = config(&format!("use-syslog: yes\nlogfile: {path:?}"));
        assert_eq!((config.log.file, config.log.use_syslog), (PathBuf::new(), false), "{path}");
    }
}

#[test]
fn errors_name_file_line_cause_and_fix() {
    for (line, expected) in [
        ("port: 53x", "test.conf:2: port: expected a number from 0 to 65535, not \"53x\""),
        ("do-ip4: maybe", "test.conf:2: do-ip4: expected yes or no, not \"maybe\""),
        ("interfaces: 1.2.3.4", "test.conf:2: unknown directive interfaces: (did you mean interface: ?)"),
        ("forward-addr: 1.2.3.4", "test.conf:2: forward-addr: stands in server:; it belongs in forward-zone:"),
        ("access-control: 10.0.0.0/8 permit", "test.conf:2: access-control: expected one of deny, refuse, allow"),
        ("local-zone: a..b static", "test.conf:2: local-zone: the name has an empty label"),
        ("local-zone: a truncate", "test.conf:2: local-zone: the type truncate is for unbound-control"),
        ("local-data: \"a AA 1.2.3.4\"", "test.conf:2: local-data: \"AA\" is no record type"),
        ("port 53", "test.conf:2: expected a directive like \"port: 53\" but found \"port\""),
        ("identity: \"x", "test.conf:2: the value starts with \""),
        ("tls-upstream: yes", "test.conf:2: tls-upstream: DNS over TLS to upstream is not there yet"),
        ("identity: \"a\" b", "test.conf:2: expected a directive"),
    ] {
        let found = errors(line);
        assert!(found[0].starts_with(expected), "{line}: {found:?}");
    }
}

#[test]
fn all_errors_are_told_up_to_a_bound() {
    assert_eq!(errors("port: x\ndo-ip4: x\nfoo: 1\n").len(), 3);
    assert_eq!(errors(&"foo: 1\n".repeat(5000)).len(), 101);
}

#[test]
fn ports_to_ask_from_are_permitted_and_avoided_in_order() {
    let ports = |text: &str| config(text).outgoing_ports();
    assert_eq!(ports(""), (16384..=65535).collect::<Vec<u16>>());
    let fedora = "outgoing-port-permit: 32768-60999\noutgoing-port-avoid: 0-32767\noutgoing-port-avoid: 61000-65535";
    assert_eq!(ports(fedora), (32768..=60999).collect::<Vec<u16>>());
    assert_eq!(ports("outgoing-port-avoid: 0-65535\noutgoing-port-permit: 1053"), [1053]);
    assert_eq!(ports("outgoing-port-permit: 1053\noutgoing-port-avoid: 0-65535"), [0; 0]);
}

fn told(text: &str) -> Vec<(Severity, String)> {
    let found = server(text).unwrap().warnings;
    found.iter().map(|finding| (finding.severity, finding.to_string())).collect()
}

#[test]
fn iso_dates_without_dates_are_told() {
    let [(Severity::Info, line)] = &told("log-time-iso: yes")[..] else { panic!("one line of information") };
    assert!(line.starts_with("test.conf: log-time-iso: yes does nothing without log-time-ascii: yes"), "{line}");
    assert_eq!(told("log-time-iso: yes\nlog-time-ascii: yes"), []);
    assert_eq!(told("log-time-iso: no"), []);
}

#[test]
fn limits_that_count_nobody_are_told() {
    for (lines, part) in [
        ("ip-ratelimit-cookie: 5", "ip-ratelimit-cookie limits nobody"),
        ("wait-limit-cookie-netblock: 192.0.2.0/24 5", "wait-limit-cookie-netblock limits nobody"),
        ("serve-expired: yes\nserve-expired-client-timeout: 2000", "longer than discard-timeout: 1900"),
    ] {
        let [(Severity::Warning, line)] = &told(lines)[..] else { panic!("one warning of {lines}") };
        assert!(line.contains(part), "{line}");
    }
    let fine = "ip-ratelimit-cookie: 5\nanswer-cookie: yes\nserve-expired: yes\ndiscard-timeout: 0\n\
                serve-expired-client-timeout: 2000";
    assert_eq!(told(fine), []);
}

#[test]
fn what_is_not_there_yet_warns_when_it_matters() {
    let warnings =
        |text: &str| -> Vec<String> { server(text).unwrap().warnings.iter().map(ToString::to_string).collect() };
    assert_eq!(
        warnings(
            "serve-expired: no\nmodule-config: \"validator iterator\"\nratelimit: 0\nprefetch: no\nnum-threads: 1"
        ),
        [""; 0]
    );
    let found = read(format!("server:\nmodule-config: \"python respip validator iterator\"\n{ROOT}")).unwrap().warnings;
    let found: Vec<(Severity, &str)> = found.iter().map(|one| (one.severity, &one.message[..50])).collect();
    assert_eq!(found, [(Severity::Warning, "module-config: python, respip is not supported yet")]);
    let found = warnings("send-client-subnet: 10.0.0.0/8\nlocal-zone: a ipset");
    assert_eq!(
        found[0],
        "test.conf:2: send-client-subnet: is not supported yet; the client subnet is not sent upstream"
    );
    assert!(found[1].starts_with("test.conf:3: local-zone: the type ipset is not supported yet"));
    assert_eq!(found.len(), 2);
    let stub =
        read(format!("stub-zone:\n name: a\n stub-addr: 192.0.2.1\n stub-prime: yes\n{ROOT} forward-first: yes\n"));
    assert_eq!(stub.unwrap().warnings, [], "both are there");
    assert_eq!(read("server:\n port: 5300\n").unwrap().warnings, [], "all is asked from the root on");
}

#[test]
fn a_default_zone_gives_way_to_one_of_its_name() {
    let zone = |name: &str, rest: &str| format!("forward-zone:\n name: {name}\n {rest}\n");
    let default = zone(".", "forward-default: yes\n forward-addr: 192.0.2.1");
    let servers = |text: &str| -> Vec<String> {
        let loaded = parse_bytes("test.conf", text.as_bytes()).unwrap();
        assert_eq!(loaded.warnings.len(), 0, "{:?}", loaded.warnings);
        let servers = loaded.config.forward_zones.iter().flat_map(|zone| &zone.servers);
        servers.map(|server| server.address.to_string()).collect()
    };
    let own = zone(".", "forward-addr: 192.0.2.2");
    assert_eq!(servers(&format!("{default}{own}")), ["192.0.2.2"], "wherever it stands");
    assert_eq!(servers(&format!("{own}{default}")), ["192.0.2.2"]);
    let other = zone("example.", "forward-addr: 192.0.2.3");
    assert_eq!(servers(&format!("{default}{other}")), ["192.0.2.1", "192.0.2.3"]);
    assert_eq!(servers(&zone(".", "forward-default: yes")), Vec::<String>::new());
}

#[test]
fn addresses_keep_their_zones() {
    let text = format!(
        "server: interface: fe80::1%eth0@5353\n outgoing-interface: fe80::1%2\n outgoing-interface: 192.0.2.9/32\n \
         access-control: fe80::%eth0/10 allow\n do-not-query-address: fe80::7%eth0\n\
         forward-zone: name: a forward-addr: fe80::1%eth0 forward-addr: fe80::2%2@54\n{ROOT}"
    );
    let loaded = read(text).unwrap();
    let config = loaded.config;
    assert_eq!(config.interfaces[0].host.to_string(), "fe80::1%eth0");
    let own: Vec<String> = config.outgoing.interfaces.iter().map(|line| line.address.to_string()).collect();
    assert_eq!(own, ["fe80::1%2", "192.0.2.9"]);
    let servers = config.forward_zones[0].servers.iter();
    let servers: Vec<String> = servers.map(|server| format!("{} {}", server.address, server.port)).collect();
    assert_eq!(servers, ["fe80::1%eth0 53", "fe80::2%2 54"]);
    let broken = |line: &str| read(format!("{line}\n{ROOT}")).unwrap_err()[0].to_string();
    for address in ["192.0.2.1%eth0", "fe80::1%", &format!("fe80::1%{}", "a".repeat(128))] {
        assert!(
            broken(&format!("forward-zone: name: a\n forward-addr: {address}"))
                .starts_with("test.conf:2: forward-addr")
        );
        assert!(broken(&format!("server: interface: {address}")).starts_with("test.conf:1: interface: expected"));
    }
}

/// Where Unbound refuses a file, it is refused, with the line.
#[test]
fn values_are_checked_whatever_becomes_of_them() {
    for (line, expected) in [
        ("module-config: \"validater iterator\"", "module-config: there is no module \"validater\""),
        ("module-config: \"validator\"", "module-config: \"validator\" is no order"),
        ("access-control-tag: 10.0.0.0/8 \"ads\"", "access-control-tag: the tag \"ads\" is not defined"),
        ("access-control-tag-action: 10.0.0.0/8 ads deny", "access-control-tag-action: the tag \"ads\" is not defined"),
        ("access-control-view: 10.0.0.0/8 inside", "access-control-view: there is no view \"inside\""),
        ("local-zone-override: a.b 10.0.0.0/8 deny", "local-zone-override: there is no local-zone a.b."),
        ("response-ip-data: 10.0.0.0/8 \"A 192.0.2.1\"", "response-ip-data: there is no line response-ip: 10.0.0.0/8"),
        ("target-fetch-policy: \"a b\"", "target-fetch-policy: expected numbers such as"),
        ("trust-anchor: \". DS garbage\"", "trust-anchor: DS: expected decimal number; "),
        (
            "trust-anchor: \"nonsense\"",
            "trust-anchor: the record has no type; write \"name A 192.0.2.1\"; an anchor is a DS or DNSKEY record",
        ),
        ("trust-anchor: \"a A 192.0.2.1\"", "trust-anchor: a trust anchor is a DS or a DNSKEY record"),
        ("msg-cache-slabs: 3", "msg-cache-slabs: expected a power of two"),
        ("nsid: foo", "nsid: expected pairs of hexadecimal digits"),
    ] {
        let found = errors(line);
        assert!(found[0].starts_with(&format!("test.conf:2: {expected}")), "{line}: {found:?}");
    }
    assert!(server("define-tag: \"ads kids\"\naccess-control-tag: 10.0.0.0/8 \"kids ads\"").is_ok());
    assert!(server("access-control-view: 10.0.0.0/8 v\nview:\n name: v").is_ok());
    assert!(errors("view:\n view-first: yes")[0].starts_with("test.conf:2: the view has no name"));
    assert!(errors("stub-zone:\n name: a\n name: b")[0].starts_with("test.conf:4: name: the stub-zone has a name"));
}

#[test]
fn dates_are_shown_in_seconds() {
    let spec = options::of_the_server("val-override-date").unwrap();
    let shown = |line: &str| spec.values(&config(line)).concat();
    let lines = ["", "val-override-date: 20090824074640", "val-override-date: 1251100000", "val-override-date: -1"];
    assert_eq!(lines.map(shown), ["0", "1251100000", "1251100000", "4294967295"]);
}

#[test]
fn a_file_that_a_line_names_must_be_there() {
    let folder = Folder::new("named");
    let there = folder.write("hints", include_str!("../testdata/root.hints"));
    let key = folder.write("key", include_str!("../testdata/root.key"));
    let with = |line: String| load(&folder.write("main.conf", &format!("server:\n {line}\n{ROOT}")));
    for directive in ["root-hints", "trust-anchor-file", "auto-trust-anchor-file", "trusted-keys-file"] {
        let file = if directive == "auto-trust-anchor-file" { &key } else { &there };
        assert!(with(format!("{directive}: {}", file.display())).is_ok());
        let name = file.file_name().unwrap().display();
        assert!(with(format!("directory: {}\n {directive}: {name}", folder.0.display())).is_ok());
        let errors = with(format!("{directive}: {}.gone", there.display())).unwrap_err();
        assert!(errors[0].to_string().contains(&format!(":2: {directive}: there is no file ")), "{errors:?}");
        let can_be_empty = errors[0].to_string().contains("an empty one begins with the root's keys that are built in");
        assert_eq!(can_be_empty, directive == "auto-trust-anchor-file", "{errors:?}");
    }
    assert!(with("root-hints: \"\"".into()).is_ok());
    let hints = with(format!("root-hints: {}", there.display())).unwrap().config.root_hints;
    assert_eq!((hints.servers.len(), hints.files), (2, vec![there.clone()]));
    let broken = folder.write("broken", ". NS a.\na. A 192.0.2\n");
    let errors = with(format!("root-hints: {}", broken.display())).unwrap_err();
    let expected = format!(":2: root-hints: {}:2: \"192.0.2\" is no address of an A record", broken.display());
    assert!(errors[0].to_string().contains(&expected), "{errors:?}");
    assert!(with(format!("auth-zone:\n name: a\n zonefile: {}.gone", there.display())).is_err());
    assert!(with(format!("auth-zone:\n name: a\n zonefile: {}.gone\n url: x", there.display())).is_ok());
}

#[test]
fn one_error_hides_no_other_finding() {
    let text = "server:\n port: x\n send-client-subnet: 10.0.0.0/8\n interface: 192.0.2.1\nremote-control:\n \
                control-enable: yes\nforward-zone:\n name: a.\n forward-addr: 192.0.2.1\nforward-zone:\n name: A\n \
                forward-addr: 192.0.2.2\n";
    let reading = read_bytes("test.conf", text.as_bytes());
    let found: Vec<(u32, &str)> =
        reading.findings.iter().map(|finding| (finding.line, &finding.message[..17])).collect();
    assert_eq!(
        found,
        [(2, "port: expected a "), (3, "send-client-subne"), (5, "control-enable: y"), (10, "forward-zone: a. "),]
    );
    assert_eq!(reading.config.interfaces.len(), 1, "the host is looked at for what could be read");
    assert_eq!(read(text).unwrap_err().len(), 1, "what stops the start");
    for clause in ["name: a..b\n forward-addr: 192.0.2.1", "name: .\n forward-addr: nobody"] {
        let found = read_bytes("test.conf", format!("forward-zone:\n {clause}\n").as_bytes()).findings;
        assert_eq!(found.len(), 1, "what follows from an error is none: {found:?}");
    }
}
