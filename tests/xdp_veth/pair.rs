//! A namespace with a veth pair, and our program on the server's end.

use runbound::xdp::{self, Attachment, Mode, Options, Place, Queue, XdpError, ZeroCopy};
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::thread::sleep;
use std::time::{Duration, Instant};

pub const SERVER: &str = "vxa";
pub const CLIENT: &str = "vxb";
pub const PATIENCE: Duration = Duration::from_secs(10);

/// Runs the inner test of this path in a fresh namespace that has a veth pair.
pub fn in_namespace(namespace: &str, inner: &str) {
    let root = rustix::process::geteuid().is_root();
    assert!(root, "network namespaces and XDP need root: run the tests as root");
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
    let output = Command::new("ip")
        .args(inside)
        .arg(own)
        .args(["--exact", inner, "--ignored", "--nocapture", "--test-threads=1"])
        .stderr(Stdio::inherit())
        .output()
        .expect("ip runs");
    let told = String::from_utf8_lossy(&output.stdout);
    // A name that is no test's would run none, and succeed.
    assert!(output.status.success() && told.contains("1 passed"), "{inner} failed: {told}");
}

pub fn run(command: &[&str]) {
    let status = Command::new(command[0]).args(&command[1..]).status().expect("command runs");
    assert!(status.success(), "{command:?}");
}

pub fn make_pair() {
    run(&["ip", "link", "add", SERVER, "type", "veth", "peer", "name", CLIENT]);
    for end in [SERVER, CLIENT] {
        run(&["ip", "link", "set", end, "up"]);
    }
}

fn fact(name: &str) -> String {
    std::fs::read_to_string(format!("/sys/class/net/{SERVER}/{name}")).expect("sysfs").trim().to_owned()
}

pub fn mac() -> [u8; 6] {
    let bytes: Vec<u8> = fact("address").split(':').map(|hex| u8::from_str_radix(hex, 16).expect("hex")).collect();
    bytes.try_into().expect("six bytes")
}

pub fn place(address: &str, vlan: Option<u16>) -> Place {
    Place { address: address.parse().expect("address"), mac: mac(), vlan }
}

pub fn options() -> Options {
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
pub fn open(options: &Options) -> Result<(Attachment, Vec<Queue>), XdpError> {
    let attachment = xdp::attach(options)?;
    let queues = xdp::open_queues(options, &attachment, 1)?;
    Ok((attachment, queues))
}

pub fn has_program() -> bool {
    let shown = Command::new("ip").args(["-d", "link", "show", SERVER]).output().expect("ip runs");
    String::from_utf8_lossy(&shown.stdout).contains("prog/xdp")
}

pub fn wait_for(what: &str, mut condition: impl FnMut() -> bool) {
    let started = Instant::now();
    while !condition() {
        assert!(started.elapsed() < PATIENCE, "waited in vain: {what}");
        sleep(Duration::from_millis(2));
    }
}
