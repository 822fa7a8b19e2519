//! Forward zones, local zones and their data.

use super::super::{default_zones, load};
use super::*;

#[test]
fn forward_zones_keep_their_servers() {
    let text = "forward-zone: name: Example.COM forward-addr: 192.0.2.1 forward-addr: 2001:db8::1@853#dns.example forward-no-cache: yes\n";
    let config = read(format!("{text}{ROOT}")).unwrap().config;
    assert_eq!(config.forward_zones.len(), 2);
    let zone = &config.forward_zones[0];
    assert_eq!((&zone.name[..], zone.no_cache, zone.at.line), (&b"\x07example\x03com\0"[..], true, 1));
    assert_eq!((zone.servers[1].port, zone.servers[1].tls_name.as_str()), (853, "dns.example"));

    let broken = |text: &str| read(format!("{text}\n{ROOT}")).unwrap_err()[0].to_string();
    assert!(broken("forward-zone:\n forward-addr: 192.0.2.1").contains("test.conf:1: the forward-zone has no name"));
    assert!(broken("forward-zone:\n name: a\n name: b").contains("has a name already"));
    assert!(
        broken("forward-zone:\n name: a\n forward-addr: 192.0.2.1\n forward-tls-upstream: yes")
            .contains("test.conf:4: forward-tls-upstream")
    );
    assert!(read("server:\n").unwrap().warnings.is_empty(), "the root's servers are asked");
}

/// As from Unbound: such a zone answers SERVFAIL. Names of servers are looked up.
#[test]
fn a_zone_without_any_server_is_a_warning() {
    for kind in ["forward", "stub"] {
        let warnings = |lines: &str| -> Vec<String> {
            let loaded = read(format!("{ROOT}{kind}-zone:\n name: a\n{lines}")).unwrap();
            loaded.warnings.iter().map(ToString::to_string).collect()
        };
        let none = warnings("");
        let expected = format!("test.conf:4: the {kind}-zone a. has no {kind}-addr");
        assert!(none.len() == 1 && none[0].starts_with(&expected) && none[0].contains("SERVFAIL"), "{none:?}");
        assert_eq!(warnings(&format!(" {kind}-host: dns.example\n")), [""; 0]);
        assert_eq!(warnings(&format!(" {kind}-host: dns.example\n {kind}-addr: 192.0.2.1\n")), [""; 0]);
        let port = warnings(&format!(" {kind}-host: dns.example@5300#tls.example\n"));
        assert!(port.len() == 1 && port[0].contains("-host: dns.example@5300: the port is not"), "{port:?}");
        let local = warnings(&format!(" {kind}-addr: 127.0.0.1\n"));
        assert!(local.len() == 1 && local[0].contains("is never asked"), "{local:?}");
        let never = "server:\n do-not-query-address: 198.51.100.0/24\n";
        let never = warnings(&format!(" {kind}-addr: 192.0.2.1\n {kind}-addr: 198.51.100.1\n{never}"));
        let why = "never asked; do-not-query-address: 198.51.100.0/24 of server: names it";
        assert!(never.len() == 1 && never[0].contains(why), "{never:?}");
    }
}

#[test]
fn redirect_zones_hold_data_at_their_top_alone() {
    assert!(server("local-zone: a redirect\nlocal-data: 'A A 192.0.2.1'\nlocal-data: 'a AAAA ::1'").is_ok());
    assert!(server("local-zone: a redirect\nlocal-zone: b.a static\nlocal-data: 'c.b.a A 192.0.2.1'").is_ok());
    assert!(
        errors("local-zone: a redirect\nlocal-data: 'b.a A 192.0.2.1'")[0]
            .starts_with("test.conf:3: local-data: b.a. is below")
    );
    let cname = errors("local-zone: a redirect\nlocal-data: 'a CNAME b'\nlocal-data: 'a A 192.0.2.1'");
    assert!(cname[0].contains("a CNAME stands alone"), "{cname:?}");
    assert!(server("local-data: 'a CNAME b'\nlocal-data: 'a A 192.0.2.1'").is_ok());
}

#[test]
fn a_block_list_costs_names_and_twelve_bytes_a_line() {
    let lines: String =
        (0..10_000).map(|number| format!("local-zone: \"host-{number}.example.com.\" always_nxdomain\n")).collect();
    let config = config(&lines);
    assert_eq!(config.local_zones.len(), 10_000);
    let names: usize = config.local_zones.iter().map(|zone| zone.name.len()).sum();
    assert!(config.local_zones.heap_bytes() <= names + 12 * 10_000);
    let last = config.local_zones.iter().next_back().unwrap();
    assert_eq!((last.name, last.at.line), (&b"\x09host-9999\x07example\x03com\0"[..], 10_001));
}

/// Times a million lines: `cargo test --release -- --ignored --nocapture million`.
#[test]
#[ignore = "a measurement, not a test"]
fn measure_a_million_zones() {
    let folder = Folder::new("million");
    let lines: String = (0..1_000_000)
        .map(|number| format!("local-zone: \"ads{number}.tracker-{}.example.com\" always_nxdomain\n", number % 977))
        .collect();
    let data: String = (0..1_000_000)
        .map(|number| format!("local-data: \"ads{number}.tracker-{}.example.com A 0.0.0.0\"\n", number % 977))
        .collect();
    let redirects = lines.replace("always_nxdomain", "redirect");
    for (name, text) in
        [("always_nxdomain", &lines), ("data", &data), ("redirect and data", &format!("{redirects}{data}"))]
    {
        let path = folder.write("million.conf", &format!("server:\n{text}{ROOT}"));
        let start = std::time::Instant::now();
        let config = load(&path).unwrap().config;
        let time = start.elapsed();
        let bytes = config.local_zones.heap_bytes() + config.local_data.heap_bytes();
        println!("{name}: {time:?}, {} MB of file, {} MB in arenas", text.len() >> 20, bytes >> 20);
        let start = std::time::Instant::now();
        assert_eq!(default_zones::missing_from(&config).len(), 102);
        println!("{name}: default zones {:?}", start.elapsed());
    }
}
