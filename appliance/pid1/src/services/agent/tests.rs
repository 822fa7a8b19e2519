use super::commands::{Guest, Outcome, Shutdown, execute};
use super::system::{self, shown};
use super::*;
use proptest::prelude::*;
use runbound::host::{Interface, InterfaceAddress};
use rustix::event::{PollFd, poll};
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;

pub(super) struct Fake;

impl Guest for Fake {
    fn interfaces(&self) -> Result<Value, String> {
        Ok(json!([{"name": "eth0"}]))
    }
    fn os_info(&self) -> Value {
        json!({"id": "runbound"})
    }
    fn host_name(&self) -> String {
        "dns1".into()
    }
    fn time(&self) -> i64 {
        1_795_413_600_000_000_000
    }
}

/// The host's end of the port, and the agent.
pub(super) fn pair() -> (UnixStream, Agent) {
    let (host, guest) = UnixStream::pair().unwrap();
    guest.set_nonblocking(true).unwrap();
    host.set_nonblocking(true).unwrap();
    (host, Agent::new(guest.into(), Box::new(Fake)).unwrap())
}

fn ready(agent: &Agent) -> bool {
    let mut fds = [PollFd::from_borrowed_fd(agent.fd().unwrap(), agent.interest())];
    poll(&mut fds, Some(&Timespec { tv_sec: 0, tv_nsec: 0 })).unwrap() > 0
}

pub(super) fn turn(agent: &mut Agent) -> Vec<Event> {
    agent.turn(PollFlags::IN, Instant::now(), &Status::default())
}

pub(super) fn replies(host: &mut UnixStream) -> Vec<u8> {
    let mut got = Vec::new();
    let mut chunk = [0; 4096];
    while let Ok(len @ 1..) = host.read(&mut chunk) {
        got.extend_from_slice(&chunk[..len]);
    }
    got
}

/// What a client reads for what it sends, and what PID 1 is asked for.
fn exchange(sent: &[u8]) -> (String, Vec<Event>) {
    let (mut host, mut agent) = pair();
    host.write_all(sent).unwrap();
    let events = turn(&mut agent);
    (replies(&mut host).iter().map(|&octet| char::from(octet)).collect(), events)
}

fn answer(request: &str) -> Value {
    match execute(request.as_bytes(), &Fake) {
        Outcome::Reply(reply) => reply,
        other => panic!("{request}: {other:?}"),
    }
}

#[test]
fn proxmox_asks_for_the_addresses() {
    // As its QMP client sends it: a delimited sync and the command in one go.
    let sent = b"{\"execute\":\"guest-sync-delimited\",\"arguments\":{\"id\":123456}}\n\
                 {\"arguments\":{},\"execute\":\"guest-network-get-interfaces\"}\n";
    let (got, events) = exchange(sent);
    assert_eq!(got, "\u{ff}{\"return\":123456}\n{\"return\":[{\"name\":\"eth0\"}]}\n");
    assert_eq!(events, []);
}

#[test]
fn pid_1_is_told_that_the_server_reads_its_configuration() {
    for (word, told) in [("reload", true), ("reload_keep_cache", true), ("fast_reload", true), ("status", false)] {
        let arguments = json!({"path": "unbound-control", "arg": [word, "+v"]});
        let request = json!({"execute": "guest-exec", "arguments": arguments});
        let (_, events) = exchange(format!("{request}\n").as_bytes());
        assert_eq!(events == [Event::Reload], told, "{word}: {events:?}");
    }
}

#[test]
fn libvirt_syncs_behind_what_another_client_left() {
    let (got, _) = exchange(b"{\"execute\":\"guest-ne\xFF{\"execute\":\"guest-sync\",\"arguments\":{\"id\":-7}}\n");
    assert_eq!(got, "{\"return\":-7}\n");
}

#[test]
fn a_shutdown_is_passed_on_and_not_answered() {
    let (got, events) = exchange(b"{\"execute\":\"guest-shutdown\"}\n");
    assert_eq!((got.as_str(), events.as_slice()), ("", &[Event::PowerOff("guest agent: shutdown".into())][..]));
    let mode = |mode| {
        execute(format!("{{\"execute\":\"guest-shutdown\",\"arguments\":{{\"mode\":{mode}}}}}").as_bytes(), &Fake)
    };
    assert_eq!(mode("\"powerdown\""), Outcome::Shutdown(Shutdown::PowerOff));
    assert_eq!(mode("\"halt\""), Outcome::Shutdown(Shutdown::PowerOff));
    assert_eq!(mode("\"reboot\""), Outcome::Shutdown(Shutdown::Reboot));
    for wrong in ["\"maybe\"", "1", "null"] {
        assert!(matches!(mode(wrong), Outcome::Reply(reply) if reply.get("error").is_some()), "{wrong}");
    }
}

#[test]
fn plain_questions() {
    assert_eq!(answer(r#"{"execute":"guest-ping"}"#), json!({"return": {}}));
    assert_eq!(answer(r#"{"execute":"guest-ping","id":{"n":1}}"#), json!({"return": {}, "id": {"n": 1}}));
    assert_eq!(answer(r#"{"execute":"guest-get-host-name"}"#), json!({"return": {"host-name": "dns1"}}));
    assert_eq!(answer(r#"{"execute":"guest-get-osinfo"}"#), json!({"return": {"id": "runbound"}}));
    assert_eq!(answer(r#"{"execute":"guest-get-time"}"#), json!({"return": 1_795_413_600_000_000_000u64}));
    assert_eq!(answer(r#"{"execute":"guest-fsfreeze-status"}"#), json!({"return": "thawed"}));
    assert_eq!(answer(r#"{"execute":"guest-fsfreeze-thaw"}"#), json!({"return": 0}));
}

#[test]
fn what_guest_info_lists_is_answered() {
    let info = answer(r#"{"execute":"guest-info"}"#);
    let commands = info["return"]["supported_commands"].as_array().unwrap();
    assert!(commands.len() > 10);
    for command in commands {
        let name = command["name"].as_str().unwrap();
        let request = json!({"execute": name, "arguments": {"id": 1}}).to_string();
        match execute(request.as_bytes(), &Fake) {
            Outcome::Reply(reply) if name.starts_with("guest-exec") => {
                assert!(reply["error"]["desc"].as_str().unwrap().starts_with("the argument"), "{reply}");
            }
            Outcome::Reply(reply) | Outcome::ReplyDelimited(reply) => assert!(reply.get("return").is_some(), "{name}"),
            Outcome::Sync(_) => assert!(name.starts_with("guest-fsfreeze-freeze")),
            Outcome::Shutdown(_) => assert_eq!(command["success-response"], false),
            Outcome::Run(..) | Outcome::RunStatus(..) => panic!("{name} without arguments"),
        }
    }
}

#[test]
fn programs_and_files_are_refused() {
    for name in ["guest-file-open", "guest-file-read", "guest-set-user-password"] {
        let reply = answer(&json!({"execute": name, "arguments": {"path": "/bin/sh"}}).to_string());
        assert_eq!(reply["error"]["class"], "CommandNotFound");
        assert!(reply["error"]["desc"].as_str().unwrap().contains("disabled"), "{reply}");
    }
    assert_eq!(answer(r#"{"execute":"nonsense"}"#)["error"]["class"], "CommandNotFound");
}

#[test]
fn what_is_no_request_gets_an_error_and_the_next_line_its_answer() {
    for wrong in [
        "hello",
        "[]",
        "1",
        "{}",
        "{\"execute\":1}",
        "{\"execute\":\"guest-ping\",\"arguments\":[]}",
        "{\"execute\":\"guest-sync\"}",
        "{\"execute\":\"guest-sync\",\"arguments\":{\"id\":1.5}}",
        "{\"execute\":\"guest-ping\"",
    ] {
        let (got, _) = exchange(format!("{wrong}\n{{\"execute\":\"guest-ping\"}}\n").as_bytes());
        let lines: Vec<&str> = got.lines().collect();
        assert_eq!(lines.len(), 2, "{wrong}: {got}");
        assert!(lines[0].starts_with("{\"error\":{\"class\":\"GenericError\",\"desc\":\""), "{wrong}: {got}");
        assert_eq!(lines[1], "{\"return\":{}}");
    }
    let deep = format!("{}{}", "[".repeat(8000), "]".repeat(8000));
    assert!(exchange(format!("{deep}\n").as_bytes()).0.contains("error"));
    let (mut host, mut agent) = pair();
    agent.framer.limit = 1000;
    host.write_all(&[&[b'x'; 1001][..], b"\n{\"execute\":\"guest-ping\"}\n"].concat()).unwrap();
    turn(&mut agent);
    let got = String::from_utf8(replies(&mut host)).unwrap();
    assert!(got.contains("longer than 1000 octets") && got.ends_with("{\"return\":{}}\n"), "{got}");
}

#[test]
fn a_freeze_syncs_and_later_requests_wait_for_it() {
    let (mut host, mut agent) = pair();
    host.write_all(b"{\"execute\":\"guest-fsfreeze-freeze\",\"id\":9}\n{\"execute\":\"guest-ping\"}\n").unwrap();
    let start = Instant::now();
    let mut got = Vec::new();
    while got.iter().filter(|&&octet| octet == b'\n').count() < 2 {
        assert!(start.elapsed() < 4 * SYNC_PATIENCE, "no answer to the freeze");
        turn(&mut agent);
        got.extend(replies(&mut host));
        thread::sleep(Duration::from_millis(5));
    }
    let lines: Vec<Value> =
        got.trim_ascii().split(|&octet| octet == b'\n').map(|line| serde_json::from_slice(line).unwrap()).collect();
    assert_eq!(lines[0]["id"], 9);
    assert!(lines[0]["return"].is_u64() || lines[0]["error"]["desc"].is_string(), "{lines:?}");
    assert_eq!(lines[1], json!({"return": {}}));
}

#[test]
fn a_disk_that_stalls_is_told_and_not_waited_for() {
    let (mut host, mut agent) = pair();
    let (_never, done) = mpsc::channel();
    let now = Instant::now();
    agent.syncing = Some(Syncing { done, id: None, look: now, give_up: now + SYNC_PATIENCE });
    agent.work(now);
    assert_eq!(agent.deadline(), Some(now + SYNC_LOOK));
    assert!(replies(&mut host).is_empty());
    agent.work(now + SYNC_PATIENCE);
    assert!(String::from_utf8(replies(&mut host)).unwrap().contains("\"error\""));
    assert_eq!(agent.deadline(), None);
}

#[test]
fn a_host_that_goes_away_does_not_make_the_loop_spin() {
    let (host, mut agent) = pair();
    assert!(ready(&agent), "the first edge is the port's being writable");
    turn(&mut agent);
    assert!(!ready(&agent), "nothing to do");
    drop(host);
    assert!(ready(&agent));
    turn(&mut agent);
    assert!(!ready(&agent), "a hang-up is told once");
    assert_eq!(agent.deadline(), None);
}

#[test]
fn a_reply_waits_until_its_client_is_said_to_be_there() {
    // Where the kernel has not said so yet, a port takes nothing and reads as ended, behind what the client sent.
    let (mut host, mut agent) = pair();
    turn(&mut agent);
    while rustix::io::write(&agent.port, &[b' '; 4096]).is_ok() {}
    host.write_all(b"{\"execute\":\"guest-sync\",\"arguments\":{\"id\":7}}\n").unwrap();
    host.shutdown(std::net::Shutdown::Write).unwrap();
    turn(&mut agent);
    assert!(!replies(&mut host).contains(&b'7'), "there was no room for it");
    turn(&mut agent);
    assert!(String::from_utf8(replies(&mut host)).unwrap().contains("{\"return\":7}"));
}

/// The hang-up behind a client may be told at any time while the next one asks: before it, within its request, and between
/// its request and its answer, for which there may be no room yet.
#[test]
fn a_thousand_commands_get_a_thousand_answers_however_late_hang_ups_are_told() {
    let (mut host, mut agent) = pair();
    turn(&mut agent);
    let fill = vec![b' '; 4096];
    for number in 0..1000 {
        let request = format!("{{\"execute\":\"guest-sync\",\"arguments\":{{\"id\":{number}}}}}\n");
        let cut = number * 7 % request.len();
        let hang_up = |agent: &mut Agent, place| {
            if number % 4 == place {
                agent.told(EventFlags::HUP);
                agent.told(EventFlags::OUT);
            }
        };
        hang_up(&mut agent, 0);
        host.write_all(&request.as_bytes()[..cut]).unwrap();
        turn(&mut agent);
        hang_up(&mut agent, 1);
        let full = number % 3 == 0;
        while full && rustix::io::write(&agent.port, &fill).is_ok() {}
        host.write_all(&request.as_bytes()[cut..]).unwrap();
        turn(&mut agent);
        hang_up(&mut agent, 2);
        let mut got = replies(&mut host);
        turn(&mut agent);
        got.extend(replies(&mut host));
        let answer = format!("{{\"return\":{number}}}\n");
        assert!(
            got.trim_ascii_start() == answer.as_bytes(),
            "{number}: {:?}",
            String::from_utf8_lossy(got.trim_ascii())
        );
    }
}

/// As fast as they go: a client that writes without waiting, beside one that reads what has come.
#[test]
fn a_thousand_commands_in_one_go_are_answered_in_their_order() {
    let (mut host, mut agent) = pair();
    let request = |number| format!("{{\"execute\":\"guest-ping\",\"id\":{number}}}\n");
    let mut unsent: Vec<u8> = (0..1000).flat_map(|number| request(number).into_bytes()).collect();
    let answers: String = (0..1000).map(|number| format!("{{\"id\":{number},\"return\":{{}}}}\n")).collect();
    let mut got = Vec::new();
    while got.len() < answers.len() {
        let before = (unsent.len(), got.len());
        if let Ok(length) = host.write(&unsent) {
            unsent.drain(..length);
        }
        turn(&mut agent);
        got.extend(replies(&mut host));
        assert!(before != (unsent.len(), got.len()) || ready(&agent) || agent.unread.is_some(), "it stands still");
    }
    assert!(got == answers.as_bytes());
}

#[test]
fn a_host_that_does_not_read_bounds_the_replies() {
    let (mut host, mut agent) = pair();
    let request = b"{\"execute\":\"guest-info\"}\n".repeat(100);
    let mut sent = 0;
    for _ in 0..2000 {
        match host.write(&request) {
            Ok(len) => sent += len,
            Err(_) => break,
        }
        turn(&mut agent);
        assert!(agent.replies.len() < 2 * REPLIES_MAX && agent.pieces.len() < 2 * CHUNK);
    }
    assert!(sent > 0);
    // Once it reads, it gets an answer to each request that was sent as a whole.
    let mut lines = 0;
    loop {
        let got = replies(&mut host);
        let before = lines;
        lines += got.iter().filter(|&&octet| octet == b'\n').count();
        turn(&mut agent);
        if lines == before && agent.replies.is_empty() && !ready(&agent) && agent.unread.is_none() {
            break;
        }
    }
    assert_eq!(lines, sent / (request.len() / 100));
}

#[test]
fn interfaces_are_shown_as_the_protocol_has_them() {
    let mut eth0 = Interface {
        name: "eth0".into(),
        altnames: Vec::new(),
        index: 2,
        mac: Some([0xbc, 0x24, 0x11, 0, 1, 2]),
        mtu: 1500,
        up: true,
        loopback: false,
        addresses: vec![
            InterfaceAddress { ip: "192.0.2.10".parse().unwrap(), prefix: 24 },
            InterfaceAddress { ip: "2001:db8::10".parse().unwrap(), prefix: 64 },
        ],
        rx_queues: 1,
    };
    let expected = json!({
        "name": "eth0",
        "hardware-address": "bc:24:11:00:01:02",
        "ip-addresses": [
            {"ip-address": "192.0.2.10", "ip-address-type": "ipv4", "prefix": 24},
            {"ip-address": "2001:db8::10", "ip-address-type": "ipv6", "prefix": 64},
        ],
        "statistics": {"rx-bytes": 1},
    });
    assert_eq!(shown(&eth0, Some(json!({"rx-bytes": 1}))), expected);
    eth0.addresses.clear();
    eth0.mac = None;
    assert_eq!(shown(&eth0, None), json!({"name": "eth0"}));
}

#[test]
fn this_machine_has_a_loopback_interface_with_counters() {
    let found = system::System.interfaces().unwrap();
    let lo = found.as_array().unwrap().iter().find(|entry| entry["name"] == "lo").unwrap();
    assert_eq!(lo["hardware-address"], "00:00:00:00:00:00");
    assert_eq!(lo["ip-addresses"][0]["ip-address"], "127.0.0.1");
    assert!(lo["statistics"]["rx-bytes"].is_u64());
}

#[test]
fn the_port_is_found_by_its_name() {
    let root = std::env::temp_dir().join(format!("runbound-agent-{}", std::process::id()));
    for (port, name) in [("vport0p1", "com.redhat.spice.0\n"), ("vport0p2", "org.qemu.guest_agent.0\n")] {
        let folder = root.join("sys/class/virtio-ports").join(port);
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("name"), name).unwrap();
    }
    let found = system::port(&root);
    std::fs::remove_dir_all(&root).unwrap();
    assert_eq!(found, Some(root.join("dev/vport0p2")));
    assert_eq!(system::port(&root), None);
}

#[test]
fn file_systems_on_writable_devices_count_once() {
    let mounts = "rootfs / rootfs rw 0 0\n/dev/vdb /data ext4 rw,relatime 0 0\n/dev/vdb /mnt ext4 rw 0 0\n\
                  /dev/sr0 /cidata iso9660 ro,relatime 0 0\nproc /proc proc rw 0 0\nbroken\n";
    assert_eq!(system::writable(mounts), 1);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn whatever_the_host_sends_the_agent_lives(parts in proptest::collection::vec(
        prop_oneof![
            proptest::collection::vec(any::<u8>(), 0..200),
            Just(b"{\"execute\":\"guest-info\"}\n".to_vec()),
            Just(b"{\"execute\":\"guest-exec\",\"arguments\":{\"path\":\"/bin/sh\"}}".to_vec()),
            Just(vec![b'['; 3000]),
            Just(b"\xFF\n".to_vec()),
        ],
        0..20,
    )) {
        let (mut host, mut agent) = pair();
        for part in parts {
            host.write_all(&part).unwrap();
            turn(&mut agent);
            replies(&mut host);
        }
        host.write_all(b"\xFF{\"execute\":\"guest-sync\",\"arguments\":{\"id\":42}}\n").unwrap();
        turn(&mut agent);
        let got = replies(&mut host);
        prop_assert!(got.ends_with(b"{\"return\":42}\n"), "{:?}", String::from_utf8_lossy(&got));
    }
}
