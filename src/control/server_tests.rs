#![allow(clippy::unwrap_used)]

use super::super::fake::Fake;
use super::*;
use proptest::prelude::*;
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

/// A directory of its own, removed at the end.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Scratch {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("runbound-control-{}-{number}", std::process::id()));
        std::fs::create_dir(&path).unwrap();
        Scratch(path)
    }

    fn socket(&self) -> PathBuf {
        self.0.join("ctl")
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A server with its backend, driven by hand.
struct Lab {
    scratch: Scratch,
    server: ControlServer,
    backend: Fake,
    now: Instant,
}

impl Lab {
    fn new() -> Lab {
        let scratch = Scratch::new();
        let server = ControlServer::bind(&scratch.socket()).unwrap();
        Lab { scratch, server, backend: Fake::default(), now: Instant::now() }
    }

    fn connect(&self) -> UnixStream {
        let client = UnixStream::connect(self.scratch.socket()).unwrap();
        client.set_nonblocking(true).unwrap();
        client
    }

    fn handle(&mut self) {
        self.server.handle(self.now, &mut self.backend);
    }

    fn later(&mut self, seconds: u64) {
        self.now += Duration::from_secs(seconds);
        self.handle();
    }
}

/// All that comes until the server has ended its side. A child that another test's thread forks has our descriptors until
/// it executes its program, so the end may be late.
fn received_octets_to_end(client: &mut UnixStream) -> Vec<u8> {
    client.set_nonblocking(false).unwrap();
    client.set_read_timeout(Some(Duration::from_secs(120))).unwrap();
    let (octets, ended) = received_octets(client);
    assert!(ended, "the server has not ended its side after {octets:?}");
    octets
}

fn received_to_end(client: &mut UnixStream) -> String {
    String::from_utf8(received_octets_to_end(client)).unwrap()
}

/// What has arrived at a client, and whether the server has ended its side.
fn received(client: &mut UnixStream) -> (String, bool) {
    let (octets, ended) = received_octets(client);
    (String::from_utf8(octets).unwrap(), ended)
}

fn received_octets(client: &mut UnixStream) -> (Vec<u8>, bool) {
    let mut octets = Vec::new();
    let ended = match client.read_to_end(&mut octets) {
        Ok(_) => true,
        Err(error) => error.kind() != io::ErrorKind::WouldBlock,
    };
    (octets, ended)
}

#[test]
fn the_file_has_mode_0660_and_goes_with_the_server() {
    let lab = Lab::new();
    let path = lab.scratch.socket();
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o660);
    drop(lab.server);
    assert!(!path.exists());
}

#[test]
fn a_stale_socket_is_replaced_a_live_one_and_a_file_are_not() {
    let scratch = Scratch::new();
    let path = scratch.socket();
    drop(UnixListener::bind(&path).unwrap());
    assert!(path.exists());
    let server = ControlServer::bind(&path).unwrap();
    let error = ControlServer::bind(&path).err().unwrap().to_string();
    assert!(error.contains(path.to_str().unwrap()) && error.contains(&std::process::id().to_string()), "{error}");
    drop(server);
    std::fs::write(&path, "precious").unwrap();
    assert!(ControlServer::bind(&path).err().unwrap().to_string().contains("no socket"));
    assert_eq!(std::fs::read(&path).unwrap(), b"precious");
    assert!(ControlServer::bind(&scratch.0.join("none/ctl")).is_err());
    assert!(ControlServer::bind(&scratch.0.join("x".repeat(200))).is_err());
}

#[test]
fn the_socket_of_a_successor_is_left_in_place() {
    let scratch = Scratch::new();
    let first = ControlServer::bind(&scratch.socket()).unwrap();
    std::fs::rename(scratch.socket(), scratch.0.join("old")).unwrap();
    let second = ControlServer::bind(&scratch.socket()).unwrap();
    drop(first);
    assert!(scratch.socket().exists());
    drop(second);
}

#[test]
fn a_command_is_answered_and_its_connection_closed() {
    let mut lab = Lab::new();
    let mut client = lab.connect();
    client.write_all(b"UBCT1  verbo").unwrap();
    lab.handle();
    assert_eq!(received(&mut client), (String::new(), false));
    client.write_all(b"sity 4\n").unwrap();
    lab.handle();
    assert_eq!(received_to_end(&mut client), "ok\n");
    assert_eq!(lab.backend.verbosity, 4);
    drop(client);
    lab.handle();
    assert!(lab.server.connections.is_empty());
    assert_eq!(lab.server.deadline(), None);
}

#[test]
fn other_protocols_are_closed_without_a_word() {
    let mut lab = Lab::new();
    let mut client = lab.connect();
    client.write_all(b"GET / HTTP/1.1\r\n").unwrap();
    lab.handle();
    assert_eq!(received(&mut client).0, "");
    assert!(lab.server.connections.is_empty());
}

#[test]
fn a_refused_client_gets_the_reply_though_it_goes_on_sending() {
    let mut lab = Lab::new();
    let mut client = lab.connect();
    client.write_all(&[b"UBCT1 rpz_enable\n".as_slice(), &[b'x'; 50_000]].concat()).unwrap();
    lab.handle();
    client.write_all(&[b'x'; 50_000]).unwrap();
    lab.handle();
    let reply = received_to_end(&mut client);
    assert!(reply.starts_with("error rpz_enable is not supported yet"), "{reply}");
}

#[test]
fn a_cache_is_taken_in_as_it_comes_and_holds_little_meanwhile() {
    let mut lab = Lab::new();
    let mut client = lab.connect();
    client.write_all(b"UBCT1 load_cache\nfirst\nsec").unwrap();
    lab.handle();
    assert_eq!(*lab.backend.loaded.lock().unwrap(), ["first"]);
    lab.later(100);
    client.write_all(b"ond\n").unwrap();
    lab.handle();
    for number in 0..2000 {
        client.write_all(format!("{number:0100}\n").as_bytes()).unwrap();
        lab.handle();
        assert!(lab.server.connections[0].held() < 256 << 10);
    }
    client.write_all(b"EOF\n").unwrap();
    lab.handle();
    assert_eq!(received_to_end(&mut client), "ok\n");
    assert_eq!(lab.backend.loaded.lock().unwrap().len(), 2003);
    lab.backend.loaded.lock().unwrap().clear();
    let mut silent = lab.connect();
    silent.write_all(b"UBCT1 load_cache\nfirst\n").unwrap();
    lab.handle();
    lab.later(121);
    assert_eq!(received_to_end(&mut silent), "", "it took too long");
}

#[test]
fn slow_clients_time_out_and_those_that_go_on_do_not() {
    let mut lab = Lab::new();
    let mut silent = lab.connect();
    let mut batch = lab.connect();
    batch.write_all(b"UBCT1 local_zones\na. static\n").unwrap();
    lab.handle();
    lab.later(9);
    assert_eq!(lab.server.connections.len(), 2);
    lab.later(1);
    assert_eq!(lab.server.connections.len(), 1, "no command within ten seconds");
    assert_eq!(received_to_end(&mut silent), "");
    lab.later(100);
    batch.write_all(b"b. static\n").unwrap();
    lab.handle();
    lab.later(100);
    batch.write_all(b"\x04\n").unwrap();
    lab.handle();
    assert_eq!(received(&mut batch).0, "added 2 zones\n");
    assert_eq!(lab.backend.compilations, 1);
    lab.later(10);
    assert!(lab.server.connections.is_empty(), "it never closed");
}

/// A client that has asked for 200,000 lines, and taken none yet.
fn asked_for_many_zones() -> (Lab, UnixStream) {
    let mut lab = Lab::new();
    for number in 0..200_000 {
        lab.backend.zones.insert(format!("{number:06}.example."), "static".to_owned());
    }
    let mut client = lab.connect();
    client.write_all(b"UBCT1 list_local_zones\n").unwrap();
    lab.handle();
    (lab, client)
}

#[test]
fn a_reply_larger_than_the_socket_holds_comes_in_parts() {
    let (mut lab, mut client) = asked_for_many_zones();
    assert_eq!(lab.server.poll_fds().count(), 2);
    let mut text = String::new();
    let mut rounds = 0;
    loop {
        let (part, ended) = received(&mut client);
        text += &part;
        rounds += 1;
        if ended {
            break;
        }
        lab.handle();
    }
    assert_eq!(text.lines().count(), 200_000);
    assert!(rounds > 1);
}

#[test]
fn a_client_that_does_not_take_its_reply_times_out() {
    let (mut lab, _client) = asked_for_many_zones();
    lab.later(29);
    assert_eq!(lab.server.connections.len(), 1);
    lab.later(1);
    assert!(lab.server.connections.is_empty());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// In whatever pieces any octets come: once the client has ended its side, one more look at it closes it.
    #[test]
    fn no_octets_keep_a_connection_open(
        head in prop_oneof![Just(&b"UBCT1 "[..]), Just(&b"UBCT1 local_datas\n"[..]), Just(&b""[..])],
        pieces in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..3000), 0..6),
    ) {
        let mut lab = Lab::new();
        let mut client = lab.connect();
        client.write_all(head).unwrap();
        for piece in &pieces {
            lab.handle();
            if client.write_all(piece).is_err() {
                break;
            }
        }
        let _ = client.shutdown(std::net::Shutdown::Write);
        lab.handle();
        lab.handle();
        prop_assert!(lab.server.connections.is_empty());
        let reply = received_octets_to_end(&mut client);
        prop_assert!(reply.is_empty() || reply.ends_with(b"\n"));
    }
}

#[test]
fn clients_beyond_the_limit_wait_for_a_place() {
    let mut lab = Lab::new();
    let clients: Vec<UnixStream> = (0..MAX_CONNECTIONS).map(|_| lab.connect()).collect();
    lab.handle();
    let mut last = lab.connect();
    last.write_all(b"UBCT1 reload\n").unwrap();
    lab.handle();
    assert_eq!(lab.server.poll_fds().count(), MAX_CONNECTIONS, "the listener is not polled");
    assert_eq!(received(&mut last), (String::new(), false));
    drop(clients);
    lab.handle();
    assert_eq!(received_to_end(&mut last), "ok\n");
}

/// Serves until told to stop, as the program's main thread does.
fn serve(server: &mut ControlServer, backend: &mut Fake, done: &AtomicBool) {
    while !done.load(Ordering::Relaxed) && !backend.stopped {
        let mut fds: Vec<PollFd<'_>> = server.poll_fds().collect();
        let tick = rustix::event::Timespec { tv_sec: 0, tv_nsec: 20_000_000 };
        rustix::event::poll(&mut fds, Some(&tick)).unwrap();
        server.handle(Instant::now(), backend);
    }
}

/// Runs Debian's client; its output and exit code.
fn unbound_control(config: &Path, arguments: &[&str], input: &str) -> (String, i32) {
    let mut client = Command::new("unbound-control")
        .arg("-c")
        .arg(config)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("unbound-control is not installed: apt-get install unbound");
    client.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = client.wait_with_output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    println!("$ unbound-control {}\n{text}", arguments.join(" "));
    (text, output.status.code().unwrap())
}

#[test]
fn debians_unbound_control_works() {
    let mut lab = Lab::new();
    let config = lab.scratch.0.join("unbound.conf");
    let path = lab.scratch.socket();
    let text = format!("remote-control:\n control-enable: yes\n control-interface: {}\n", path.display());
    std::fs::write(&config, text + " control-use-cert: no\n").unwrap();
    let many: String = (0..100_000).map(|number| format!("{number}.example. always_nxdomain\n")).collect();
    let done = AtomicBool::new(false);
    let zones: usize = std::thread::scope(|scope| {
        let server = scope.spawn(|| {
            serve(&mut lab.server, &mut lab.backend, &done);
            lab.backend.zones.len()
        });
        let client = || {
            let run = |arguments: &[&str], input: &str| unbound_control(&config, arguments, input);
            for (arguments, input, output, code) in [
                (&["local_data", "a.example.", "A", "192.0.2.1"][..], "", "ok\n", 0),
                (&["list_local_data"], "", "a.example.\tA\t192.0.2.1\n\n", 0),
                (&["local_zone", "b.example", "bad"], "", "error not a zone type. bad\n", 1),
                (&["local_datas"], "b. A 192.0.2.2\nc. A 192.0.2.3\n", "added 2 datas\n", 0),
                (&["local_datas_remove"], "b.\nc.\n", "removed 2 datas\n", 0),
                (&["local_zones_remove"], "b.\n", "removed 1 zones\n", 0),
                (&["local_data_remove", "a.example."], "", "ok\n", 0),
                (&["local_zone", "b.example.", "always_nxdomain"], "", "ok\n", 0),
                (&["list_local_zones"], "", "b.example. always_nxdomain\n", 0),
                (&["local_zone_remove", "b.example."], "", "ok\n", 0),
                (&["local_zones"], &many, "added 100000 zones\n", 0),
                (&["flush_type", "a.example", "AAAA"], "", "ok\n", 0),
                (&["flush", "a.example"], "", "ok\n", 0),
                (&["flush_zone", "example"], "", "ok removed 4 rrsets, 3 messages and 2 key entries\n", 0),
                (&["flush_negative"], "", "ok removed 0 rrsets, 5 messages and 0 key entries\n", 0),
                (&["flush_bogus"], "", "ok removed 0 rrsets, 0 messages and 0 key entries\n", 0),
                (
                    &["list_forwards"],
                    "",
                    ". IN forward 127.0.0.1@5392 192.0.2.55@853#dns.example 192.0.2.53 fe80::1%eth0\n",
                    0,
                ),
                (&["forward"], "", "127.0.0.1@5392 192.0.2.55@853#dns.example 192.0.2.53 fe80::1%eth0\n", 0),
                (&["insecure_add", "b.example"], "", "ok\n", 0),
                (&["insecure_remove", "b.example"], "", "ok\n", 0),
                (&["list_insecure"], "", "a.example.\n", 0),
                (&["list_auth_zones"], "", "", 0),
                (&["get_option", "port"], "", "53\n", 0),
                (&["log_reopen"], "", "ok\n", 0),
                (&["flush_stats"], "", "ok\n", 0),
                (&["reload_keep_cache"], "", "ok\n", 0),
                (&["fast_reload", "+v"], "", "ok\n", 0),
                (&["verbosity", "3"], "", "ok\n", 0),
                (&["reload"], "", "ok\n", 0),
                (&["nonsense"], "", "error unknown command 'nonsense'\n", 1),
            ] {
                assert_eq!(run(arguments, input), (output.to_owned(), code), "{arguments:?}");
            }
            let (status, code) = run(&["status"], "");
            assert!(status.starts_with("version: 0.1.0\nverbosity: 3\n") && code == 0, "{status}");
            for command in ["stats_noreset", "stats"] {
                let (stats, code) = run(&[command], "");
                assert!(stats.contains("total.num.queries=0\n") && code == 0);
            }
            let (loaded, code) = run(&["load_cache"], &format!("{many}EOF\n"));
            assert_eq!((loaded.as_str(), code), ("ok\n", 0));
            let (dumped, code) = run(&["dump_cache"], "");
            assert!(dumped.starts_with("START_RRSET_CACHE\n") && dumped.ends_with("EOF\n") && code == 0, "{dumped}");
            assert_eq!(run(&["stop"], ""), ("ok\n".to_owned(), 0));
        };
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(client));
        done.store(true, Ordering::Relaxed);
        let zones = server.join().unwrap();
        outcome.unwrap();
        zones
    });
    assert_eq!(zones, 100_000);
    drop(lab.server);
    drop(UnixListener::bind(&path).unwrap());
    let (text, code) = unbound_control(&config, &["status"], "");
    assert_eq!((text.as_str(), code), ("unbound is stopped\n", 3), "as after a crash");
}
