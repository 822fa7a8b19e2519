use super::*;
use proptest::prelude::*;

fn figures() -> Figures {
    let path = |interface: &str, mode: &str, bind: &str, queues| Path {
        interface: interface.into(),
        mode: mode.into(),
        bind: bind.into(),
        queues,
        watchdog: "watching".into(),
        fallback: String::new(),
    };
    Figures {
        version: "0.1.0".into(),
        hostname: "dns1.example.net".into(),
        uptime: Duration::from_secs(3 * 86_400 + 4 * 3600 + 12 * 60 + 33),
        addresses: vec![
            ("eth0".into(), vec!["192.168.10.250/24".into(), "2001:db8::250/64".into()]),
            ("eth1".into(), vec!["10.0.0.2/24".into()]),
        ],
        gateways: vec!["192.168.10.1 (eth0)".into(), "fe80::1 (eth0)".into()],
        forwards: "9.9.9.9 149.112.112.112".into(),
        clock: "2026-11-23 06:00:00 UTC, set 2026-11-23 05:51 by 192.0.2.1".into(),
        starting: false,
        network_source: "cloud-init drive /dev/sr0".into(),
        storage: "/dev/vdb1 (ext4)".into(),
        memory: Some((91 << 20, 192 << 20)),
        pid: Some(97),
        restarts: 0,
        server: Some(Server {
            up: Duration::from_secs(3 * 86_400),
            queries: 123_456_789,
            rate: Some(12_345.4),
            hit_rate: Some(0.9312),
            xdp_share: Some(0.997),
            paths: vec![
                path("eth0", "native", "copy", 2),
                Path {
                    fallback: "the driver has no native XDP; set xdp-mode: generic to use it".into(),
                    ..path("eth1", "off", "", 0)
                },
            ],
            upstream: Upstream { replies: 812, timeouts: 3, failures: 0, in_flight: 5 },
        }),
        warnings: vec![
            "upstream 192.0.2.53 does not answer; asking the next".into(),
            "/data/unbound.conf:17: use-caps-for-id: is not supported yet; remove the line or live without it for now"
                .into(),
        ],
    }
}

#[test]
fn a_running_appliance() {
    let expected = "\
runbound 0.1.0               dns1.example.net                up 3 days 04:12:33
--- no login here; on Proxmox: qm guest exec VMID -- unbound-control status ---
Address   eth0   192.168.10.250/24  2001:db8::250/64
          eth1   10.0.0.2/24
Gateway   192.168.10.1 (eth0)  fe80::1 (eth0)
Path      eth0   AF_XDP native, copy, 2 queues
          eth1   kernel sockets only (the driver has no native XDP; set
          xdp-mode: generic to use it)
          kernel sockets (not by XDP, slower): 0.3 % of the last queries

Queries   12,345/s, 123,456,789 in 3 days 00:00:00
Hit rate  93.1 %
Upstream  ok: 812 replies, 3 timeouts, 0 failures in 10 s; 5 in flight
Forwards  9.9.9.9 149.112.112.112
Memory    91 of 192 MB used; server: 0 restarts
Clock     2026-11-23 06:00:00 UTC, set 2026-11-23 05:51 by 192.0.2.1
Network   cloud-init drive /dev/sr0
Config    /dev/vdb1 (ext4)

Last warnings
  upstream 192.0.2.53 does not answer; asking the next
  /data/unbound.conf:17: use-caps-for-id: is not supported yet; remove the line
  or live without it for now";
    assert_eq!(draw(&figures()).join("\n"), expected);
}

#[test]
fn what_is_missing_is_said() {
    let mut figures = Figures { version: "0.1.0".into(), ..Figures::default() };
    let screen = draw(&figures).join("\n");
    assert!(screen.contains("Address   none: no interface has one yet"), "{screen}");
    assert!(screen.contains("Server    down"), "{screen}");
    assert!(screen.contains("No warnings"), "{screen}");
    assert!(screen.contains("Gateway   none\n"), "{screen}");
    figures.starting = true;
    assert!(draw(&figures).join("\n").contains("Server    starting\n"), "no failure flashes at the boot");
    figures.pid = Some(3);
    assert!(draw(&figures).join("\n").contains("Server    starting\n"));
    figures.starting = false;
    assert!(draw(&figures).join("\n").contains("not answering its control socket"));
    figures.server = Some(Server::default());
    figures.restarts = 1;
    let screen = draw(&figures).join("\n");
    assert!(screen.contains("Path      kernel sockets (not by XDP, slower)\n"), "{screen}");
    assert!(screen.contains("Queries   -/s") && screen.contains("Upstream  idle"), "{screen}");
    assert!(screen.contains("server: 1 restart\n"), "{screen}");
}

#[test]
fn the_health_of_upstream_is_one_word() {
    let health = |replies, timeouts, failures, in_flight| {
        let text = upstream_text(&Upstream { replies, timeouts, failures, in_flight });
        text.split(':').next().unwrap_or_default().to_owned()
    };
    assert_eq!(health(0, 0, 0, 0), "idle");
    assert_eq!(health(0, 0, 0, 1), "waiting");
    assert_eq!(health(100, 5, 0, 0), "ok");
    assert_eq!(health(100, 50, 0, 0), "LOSSY");
    assert_eq!(health(0, 9, 0, 3), "NO ANSWER");
}

#[test]
fn a_stalled_fast_path_says_so() {
    let mut figures = figures();
    figures.server.as_mut().unwrap().paths[0].watchdog = "tripped".into();
    let words = draw(&figures).join(" ");
    let words: Vec<&str> = words.split_whitespace().collect();
    assert!(words.join(" ").contains("2 queues, stalled: the kernel sockets carry the traffic"), "{words:?}");
    figures.server.as_mut().unwrap().paths[0] = Path { bind: "zerocopy".into(), queues: 1, ..Path::default() };
    assert!(draw(&figures).join("\n").contains("zero-copy, 1 queue\n"));
}

#[test]
fn the_newest_warnings_have_the_room() {
    let mut figures = figures();
    figures.warnings = (0..40).map(|number| format!("warning {number}")).collect();
    let screen = draw(&figures);
    assert_eq!(screen.len(), LINES);
    assert_eq!(screen.last().map(String::as_str), Some("  warning 39"));
}

proptest! {
    #[test]
    fn whatever_the_figures_the_screen_is_plain_and_bounded(
        texts in proptest::collection::vec(".{0,200}", 6),
        many in 0usize..40,
        seconds in any::<u64>(),
        number in any::<u64>(),
    ) {
        let mut figures = figures();
        figures.hostname = texts[0].clone();
        figures.storage = texts[1].clone();
        figures.network_source = format!("\u{1b}[2J{}", texts[2]);
        figures.uptime = Duration::from_secs(seconds);
        figures.memory = Some((number, seconds));
        figures.addresses = vec![(texts[3].clone(), vec![texts[4].clone(); many]); many];
        figures.warnings = vec![texts[5].clone(); many];
        let server = figures.server.as_mut().unwrap();
        server.queries = number;
        server.paths = vec![Path { fallback: texts[5].clone(), ..Path::default() }; many];
        let screen = draw(&figures);
        prop_assert!(screen.len() <= LINES);
        for line in screen {
            prop_assert!(line.len() <= COLUMNS && line.bytes().all(|octet| (0x20..0x7f).contains(&octet)), "{line:?}");
        }
    }
}
