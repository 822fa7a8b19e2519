//! The XDP program, the AF_XDP queue and what is changed on an interface for them, on a veth pair: needs root, and fails
//! without.
//!
//! The outer tests make a network namespace with both ends of the pair and run the inner, ignored ones in it; the
//! namespace is removed however they end.
#![allow(unsafe_code)]

use std::io;
use std::net::IpAddr;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::thread::sleep;
use std::time::{Duration, Instant};

use runbound::host::Changes;
use runbound::sys::ethtool::{self, Feature};
use runbound::wire::{parse_udp_frame, reply_in_place};
use runbound::xdp::{self, Attachment, Kind, Mode, Options, Place, Queue, RxBatch, Verdict, XdpError, ZeroCopy};

const SERVER: &str = "vxa";
const CLIENT: &str = "vxb";
const PATIENCE: Duration = Duration::from_secs(10);

#[test]
fn only_what_is_ours_is_redirected() {
    in_namespace("xdp-verdicts", "inner_verdicts");
}

#[test]
fn nothing_stays_attached_after_kill() {
    in_namespace("xdp-kill", "inner_kill");
}

#[test]
fn another_program_is_named() {
    in_namespace("xdp-busy", "inner_busy");
}

#[test]
fn a_renamed_interface_is_set_back() {
    in_namespace("xdp-renamed", "inner_renamed");
}

/// Runs an inner test of this file in a fresh namespace that has a veth pair.
fn in_namespace(namespace: &str, inner: &str) {
    // SAFETY: no arguments.
    assert_eq!(unsafe { libc::geteuid() }, 0, "network namespaces and XDP need root: run the tests as root");
    struct Namespace<'a>(&'a str);
    impl Drop for Namespace<'_> {
        fn drop(&mut self) {
            let _ = Command::new("ip").args(["netns", "del", self.0]).status();
        }
    }
    // `ip netns add` sets up its mounts the first time, and two of them at once trip over each other.
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _turn = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    run(&["ip", "netns", "add", namespace]);
    let _guard = Namespace(namespace);
    let own = std::env::current_exe().expect("own path");
    let inside = ["netns", "exec", namespace];
    let status = Command::new("ip")
        .args(inside)
        .arg(own)
        .args(["--exact", inner, "--ignored", "--nocapture", "--test-threads=1"])
        .status()
        .expect("ip runs");
    assert!(status.success(), "{inner} failed");
}

fn run(command: &[&str]) {
    let status = Command::new(command[0]).args(&command[1..]).status().expect("command runs");
    assert!(status.success(), "{command:?}");
}

fn make_pair() {
    run(&["ip", "link", "add", SERVER, "type", "veth", "peer", "name", CLIENT]);
    for end in [SERVER, CLIENT] {
        run(&["ip", "link", "set", end, "up"]);
    }
}

fn fact(name: &str) -> String {
    std::fs::read_to_string(format!("/sys/class/net/{SERVER}/{name}")).expect("sysfs").trim().to_owned()
}

fn mac() -> [u8; 6] {
    let bytes: Vec<u8> = fact("address").split(':').map(|hex| u8::from_str_radix(hex, 16).expect("hex")).collect();
    bytes.try_into().expect("six bytes")
}

fn place(address: &str, vlan: Option<u16>) -> Place {
    Place { address: address.parse().expect("address"), mac: mac(), vlan }
}

fn options() -> Options {
    Options {
        interface: SERVER.into(),
        index: fact("ifindex").parse().expect("number"),
        mtu: fact("mtu").parse().expect("number"),
        places: vec![place("192.0.2.1", None), place("2001:db8::1", None), place("192.0.2.10", Some(10))],
        port: 53,
        mode: Mode::Native,
        zero_copy: ZeroCopy::Auto,
        frames: 256,
        huge_pages: false,
    }
}

/// The program on the interface, and the socket of its one receive queue.
fn open(options: &Options) -> Result<(Attachment, Vec<Queue>), XdpError> {
    let attachment = xdp::attach(options)?;
    let queues = xdp::open_queues(options, &attachment, 1)?;
    Ok((attachment, queues))
}

/// A raw socket on the client's end of the pair.
struct Wire(OwnedFd);

impl Wire {
    fn open() -> Self {
        let name = std::ffi::CString::new(CLIENT).expect("name");
        // SAFETY: plain system calls with structures of the sizes passed along.
        unsafe {
            let fd = libc::socket(libc::AF_PACKET, libc::SOCK_RAW | libc::SOCK_CLOEXEC, 0x0003u16.to_be().into());
            assert!(fd >= 0, "{}", io::Error::last_os_error());
            let socket = OwnedFd::from_raw_fd(fd);
            let mut address: libc::sockaddr_ll = std::mem::zeroed();
            address.sll_family = libc::AF_PACKET as u16;
            address.sll_protocol = 0x0003u16.to_be();
            address.sll_ifindex = libc::if_nametoindex(name.as_ptr()) as i32;
            let size = size_of::<libc::sockaddr_ll>() as u32;
            assert_eq!(libc::bind(fd, (&raw const address).cast(), size), 0, "{}", io::Error::last_os_error());
            let timeout = libc::timeval { tv_sec: 10, tv_usec: 0 };
            let size = size_of::<libc::timeval>() as u32;
            libc::setsockopt(fd, libc::SOL_SOCKET, libc::SO_RCVTIMEO, (&raw const timeout).cast(), size);
            Self(socket)
        }
    }

    fn send(&self, frame: &[u8]) {
        // SAFETY: a live socket and a buffer of the length passed along.
        let sent = unsafe { libc::send(self.0.as_raw_fd(), frame.as_ptr().cast(), frame.len(), 0) };
        assert_eq!(sent, frame.len() as isize, "{}", io::Error::last_os_error());
    }

    /// The next frame to `mac` that arrives at this end.
    fn receive_for(&self, mac: [u8; 6]) -> Vec<u8> {
        loop {
            let mut frame = vec![0u8; 2048];
            // SAFETY: a live socket and a buffer of the length passed along.
            let length = unsafe { libc::recv(self.0.as_raw_fd(), frame.as_mut_ptr().cast(), frame.len(), 0) };
            assert!(length > 0, "no frame: {}", io::Error::last_os_error());
            frame.truncate(length as usize);
            if frame[..6] == mac {
                return frame;
            }
        }
    }
}

const CLIENT_MAC: [u8; 6] = [2, 0, 0, 0, 0, 9];

/// A query of 12 bytes from 192.0.2.9:1234 to 192.0.2.1:53, untagged.
fn query_v4() -> Vec<u8> {
    let mut frame = Vec::from(mac());
    frame.extend(CLIENT_MAC);
    frame.extend([8, 0, 0x45, 0, 0, 40, 0, 1, 0, 0, 64, 17, 0xb6, 0xb9, 192, 0, 2, 9, 192, 0, 2, 1]);
    frame.extend([0x04, 0xd2, 0, 53, 0, 20, 0, 0, 1, 2, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
    frame
}

/// The same from [2001:db8::9] to [2001:db8::1].
fn query_v6() -> Vec<u8> {
    let mut frame = Vec::from(mac());
    frame.extend(CLIENT_MAC);
    frame.extend([0x86, 0xdd, 0x60, 0, 0, 0, 0, 20, 17, 64]);
    for last in [9, 1] {
        frame.extend([0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, last]);
    }
    frame.extend([0x04, 0xd2, 0, 53, 0, 20, 0, 0, 1, 2, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
    frame
}

fn tagged(mut frame: Vec<u8>, id: u8) -> Vec<u8> {
    frame.splice(12..12, [0x81, 0, 0, id]);
    frame
}

fn with(mut frame: Vec<u8>, at: usize, bytes: &[u8]) -> Vec<u8> {
    frame[at..at + bytes.len()].copy_from_slice(bytes);
    frame
}

/// Every kind of frame and what the program must say about it.
fn cases() -> Vec<(&'static str, Vec<u8>, Verdict)> {
    use Verdict::{Address, IpShape, Mac, NotIp, NotUdp, Port, Redirected, Short, Vlan};
    let (v4, v6) = (query_v4, query_v6);
    let mut options = with(with(v4(), 14, &[0x46]), 16, &[0, 44]);
    options.splice(34..34, [1, 1, 1, 0]);
    vec![
        ("IPv4", v4(), Redirected),
        ("IPv6", v6(), Redirected),
        ("an address of our VLAN", tagged(with(v4(), 33, &[10]), 10), Redirected),
        ("an address of our VLAN without a tag", with(v4(), 33, &[10]), Vlan),
        ("an address of another interface in our VLAN", tagged(v4(), 10), Vlan),
        ("the same, IPv6", tagged(v6(), 10), Vlan),
        ("a priority tag", tagged(v4(), 0), Vlan),
        ("don't-fragment flag", with(v4(), 20, &[0x40, 0]), Redirected),
        ("padding behind", [v4(), vec![0; 6]].concat(), Redirected),
        ("another VLAN", tagged(with(v4(), 33, &[10]), 11), Vlan),
        ("two tags", tagged(tagged(v4(), 10), 10), Vlan),
        ("802.1ad", with(tagged(v4(), 10), 12, &[0x88, 0xa8]), NotIp),
        ("ARP", with(v4(), 12, &[0x08, 0x06]), NotIp),
        ("foreign MAC", with(v4(), 0, &[2, 9, 9, 9, 9, 9]), Mac),
        ("broadcast", with(v4(), 0, &[0xff; 6]), Mac),
        ("IPv4 options", options, IpShape),
        ("first fragment", with(v4(), 20, &[0x20, 0]), IpShape),
        ("last fragment", with(v4(), 20, &[0, 3]), IpShape),
        ("IPv6 in an IPv4 frame", with(v4(), 14, &[0x60]), IpShape),
        ("TCP", with(v4(), 23, &[6]), NotUdp),
        ("IPv6 fragment header", with(v6(), 20, &[44]), NotUdp),
        ("another address", with(v4(), 33, &[7]), Address),
        ("another IPv6 address", with(v6(), 53, &[7]), Address),
        ("another port", with(v4(), 36, &[0, 54]), Port),
        ("UDP length beyond the frame", with(v4(), 38, &[0, 200]), Short),
        ("UDP length below a DNS header", with(v4(), 38, &[0, 19]), Short),
        ("IP length below the UDP length", with(v4(), 16, &[0, 39]), Short),
        ("IP length below its header", with(v4(), 16, &[0, 19]), Short),
        ("IPv6 length below the UDP length", with(v6(), 18, &[0, 19]), Short),
        ("cut behind the IP header", v4()[..36].to_vec(), Short),
    ]
}

fn wait_for(what: &str, mut condition: impl FnMut() -> bool) {
    let started = Instant::now();
    while !condition() {
        assert!(started.elapsed() < PATIENCE, "waited in vain: {what}");
        sleep(Duration::from_millis(2));
    }
}

fn count(attachment: &Attachment, verdict: Verdict) -> u64 {
    attachment.verdicts().expect("counters").get(verdict)
}

fn has_program() -> bool {
    let shown = Command::new("ip").args(["-d", "link", "show", SERVER]).output().expect("ip runs");
    String::from_utf8_lossy(&shown.stdout).contains("prog/xdp")
}

#[test]
#[ignore = "run by only_what_is_ours_is_redirected in a namespace"]
fn inner_verdicts() {
    make_pair();
    let wire = Wire::open();
    let (attachment, mut queues) = open(&options()).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(queues.len(), 1);
    let queue = &mut queues[0];
    assert!(attachment.is_attached() && has_program());

    wire.send(&query_v4());
    wait_for("a verdict before the socket is in the map", || count(&attachment, Verdict::NoSocket) == 1);
    queue.insert_into_map().expect("into the map");
    one_frame_on_trial(&attachment, queue, &wire);

    let mut redirected = 1;
    for (name, frame, verdict) in cases() {
        let before = count(&attachment, verdict);
        wire.send(&frame);
        wait_for(name, || count(&attachment, verdict) > before);
        if verdict == Verdict::Redirected {
            redirected += 1;
            assert_eq!(reply_to_one(queue, &wire), frame[6..12], "{name}");
        }
        assert_eq!(count(&attachment, Verdict::Redirected), redirected, "{name}");
    }
    all_frames_come_back(queue);
    late_answer(queue, &wire);
    flood(queue, &wire);
    assert_eq!(queue.senseless(), 0);

    addresses_can_change(&attachment, queue, &wire);
    queue.remove_from_map();
    let before = count(&attachment, Verdict::NoSocket);
    wire.send(&query_v4());
    wait_for("the kernel's turn again", || count(&attachment, Verdict::NoSocket) > before);

    drop(queues);
    assert!(has_program(), "the link is the attachment's");
    drop(attachment);
    assert!(!has_program());
}

/// The first frame comes; what follows is the kernel's until the gate is opened.
fn one_frame_on_trial(attachment: &Attachment, queue: &mut Queue, wire: &Wire) {
    let before = count(attachment, Verdict::NoSocket);
    wire.send(&query_v4());
    reply_to_one(queue, wire);
    wire.send(&query_v4());
    wait_for("a verdict while the gate is closed", || count(attachment, Verdict::NoSocket) == before + 1);
    assert!(!queue.has_work());
    assert_eq!(attachment.redirected(0).expect("a counter"), 1);
    queue.open_gate().expect("opened");
}

/// Answers one query in its frame, and returns to which MAC the answer came on the other end.
fn reply_to_one(queue: &mut Queue, wire: &Wire) -> [u8; 6] {
    let mut batch = RxBatch::new();
    wait_for("a frame", || queue.receive(&mut batch) == 1);
    let frame = batch.pop().expect("one frame");
    assert_eq!(queue.count().held, 1);
    let received = frame.len();
    let data = queue.data(&frame);
    let view = parse_udp_frame(&data[..received]).expect("the program let it through");
    assert_eq!((view.client().port(), view.local().port(), view.payload().len()), (1234, 53, 12));
    let start = view.payload().start;
    data[start + 2] |= 0x80;
    data[start + 12..start + 16].copy_from_slice(b"more");
    let len = reply_in_place(data, &view, 16);
    assert!(queue.transmit(frame, len));
    queue.submit();
    let reply = wire.receive_for(CLIENT_MAC);
    let view_back = parse_udp_frame(&reply).expect("our own answer");
    assert_eq!((view_back.client().port(), view_back.local().port()), (53, 1234));
    assert_eq!(&reply[view_back.payload()][12..], b"more");
    queue.reclaim();
    reply[..6].try_into().expect("six bytes")
}

fn all_frames_come_back(queue: &mut Queue) {
    wait_for("all frames at home", || {
        queue.reclaim();
        let count = queue.count();
        count.elsewhere() == 0 && count.free + count.fill == count.total
    });
}

fn late_answer(queue: &mut Queue, wire: &Wire) {
    let query = query_v4();
    let view = parse_udp_frame(&query).expect("a good query");
    let frame = queue.alloc().expect("a spare frame");
    let start = view.return_path().header_len();
    let data = queue.data(&frame);
    data[start..start + 4].copy_from_slice(b"late");
    let len = runbound::wire::write_headers(data, view.return_path(), 4);
    assert!(queue.transmit(frame, len));
    queue.submit();
    let reply = wire.receive_for(CLIENT_MAC);
    assert_eq!(&reply[start..start + 4], b"late");
    all_frames_come_back(queue);
}

/// More frames than the rings hold, good and bad ends alike: each is answered, freed or dropped by the kernel; none is
/// lost. Frames that are too long to send are refused.
fn flood(queue: &mut Queue, wire: &Wire) {
    let mut batch = RxBatch::new();
    for round in 0..2000u32 {
        wire.send(&query_v4());
        if round % 37 != 0 {
            continue;
        }
        queue.receive(&mut batch);
        for (number, frame) in batch.drain(..).enumerate() {
            match number % 3 {
                0 => queue.free(frame),
                1 => assert!(!queue.transmit(frame, 4000), "longer than the MTU"),
                _ => assert!(queue.transmit(frame, 54)),
            }
        }
        queue.submit();
        queue.reclaim();
    }
    wait_for("the RX ring runs dry", || {
        queue.receive(&mut batch);
        batch.drain(..).for_each(|frame| queue.free(frame));
        queue.reclaim();
        !queue.has_work()
    });
    all_frames_come_back(queue);
}

fn addresses_can_change(attachment: &Attachment, queue: &mut Queue, wire: &Wire) {
    let other: IpAddr = "192.0.2.7".parse().expect("address");
    attachment.put(&place("192.0.2.7", None)).expect("added");
    wire.send(&with(query_v4(), 33, &[7]));
    let mut batch = RxBatch::new();
    wait_for("a frame for the new address", || queue.receive(&mut batch) == 1);
    batch.drain(..).for_each(|frame| queue.free(frame));
    attachment.put(&place("192.0.2.7", Some(10))).expect("moved");
    let before = count(attachment, Verdict::Vlan);
    wire.send(&with(query_v4(), 33, &[7]));
    wait_for("the address is in a VLAN now", || count(attachment, Verdict::Vlan) > before);
    attachment.remove(other).expect("removed");
    let before = count(attachment, Verdict::Address);
    wire.send(&with(query_v4(), 33, &[7]));
    wait_for("the address is the kernel's again", || count(attachment, Verdict::Address) > before);
}

#[test]
#[ignore = "run by nothing_stays_attached_after_kill in a namespace"]
fn inner_kill() {
    struct Killed(Child);
    impl Drop for Killed {
        fn drop(&mut self) {
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }
    make_pair();
    let own = std::env::current_exe().expect("own path");
    let child = Command::new(own)
        .args(["--exact", "inner_holds_until_killed", "--ignored"])
        .stdout(Stdio::null())
        .spawn()
        .expect("child runs");
    let child = Killed(child);
    wait_for("the child to attach", has_program);
    drop(child);
    wait_for("the kernel to detach", || !has_program());
    let (_attachment, queues) = open(&options()).unwrap_or_else(|error| panic!("again at once: {error}"));
    assert_eq!(queues.len(), 1);
}

#[test]
#[ignore = "run by inner_kill"]
fn inner_holds_until_killed() {
    let (_attachment, mut queues) = open(&options()).unwrap_or_else(|error| panic!("{error}"));
    queues[0].insert_into_map().expect("into the map");
    sleep(PATIENCE * 3);
}

#[test]
#[ignore = "run by another_program_is_named in a namespace"]
fn inner_busy() {
    make_pair();
    let (first, _queues) = open(&options()).unwrap_or_else(|error| panic!("{error}"));
    let error = open(&options()).expect_err("one program an interface");
    assert_eq!(error.kind, Kind::Busy);
    let text = error.to_string();
    assert!(text.contains("runbound") && text.contains("ip link set dev vxa xdp off"), "{text}");
    drop(first);
    run(&["ip", "link", "del", SERVER]);
    let (error, gone) = {
        run(&["ip", "link", "add", "name", SERVER, "type", "bridge"]);
        run(&["ip", "link", "set", SERVER, "up"]);
        (open(&options()).expect_err("a bridge has no native XDP"), has_program())
    };
    assert_eq!(error.kind, Kind::NoDriverSupport, "{error}");
    assert!(!gone);
    let generic = Options { mode: Mode::Generic, ..options() };
    let (attachment, queues) = open(&generic).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!((attachment.mode(), queues[0].zero_copy()), (Mode::Generic, ZeroCopy::No));
}

#[test]
#[ignore = "run by a_renamed_interface_is_set_back in a namespace"]
fn inner_renamed() {
    make_pair();
    let rename = |old: &str, new: &str| {
        run(&["ip", "link", "set", old, "down"]);
        run(&["ip", "link", "set", old, "name", new]);
    };
    let keeps_tags = |name: &str| !ethtool::feature(name, Feature::RxVlan).expect("ethtool");
    let folder = std::env::temp_dir().join(format!("runbound-renamed-{}", std::process::id()));
    let mut changes = Changes::of_this_host(&folder);
    changes.keep_vlan_tags(SERVER).expect("rxvlan off");
    let journal = folder.join(format!("changes.{}", std::process::id()));
    std::fs::copy(journal, folder.join("changes.1")).expect("a journal");
    rename(SERVER, "vxc");
    rename(CLIENT, SERVER);
    assert!(keeps_tags("vxc") && !keeps_tags(SERVER));
    changes.undo(SERVER);
    assert!(!keeps_tags("vxc"), "set back under its new name");
    // What a process that was killed left.
    ethtool::set_feature("vxc", Feature::RxVlan, false).expect("ethtool");
    drop(changes);
    drop(Changes::of_this_host(&folder));
    assert!(!keeps_tags("vxc"), "set back by the next start");
    std::fs::remove_dir_all(&folder).expect("a folder");
}
