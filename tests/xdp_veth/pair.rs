//! A veth pair, and our program on the server's end.

use runbound::xdp::{self, Attachment, Mode, Options, Place, Programs, Queue, XdpError, ZeroCopy};
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

pub const SERVER: &str = "vxa";
pub const CLIENT: &str = "vxb";
/// How long a condition is waited for: a slow machine needs a small part of it.
pub const PATIENCE: Duration = Duration::from_secs(60);

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

fn fact(end: &str, name: &str) -> String {
    std::fs::read_to_string(format!("/sys/class/net/{end}/{name}")).expect("sysfs").trim().to_owned()
}

pub fn mac() -> [u8; 6] {
    let bytes: Vec<u8> =
        fact(SERVER, "address").split(':').map(|hex| u8::from_str_radix(hex, 16).expect("hex")).collect();
    bytes.try_into().expect("six bytes")
}

pub fn place(address: &str, vlan: Option<u16>) -> Place {
    Place { address: address.parse().expect("address"), mac: mac(), vlan }
}

pub fn options() -> Options {
    options_of(SERVER)
}

pub fn options_of(end: &str) -> Options {
    Options {
        interface: end.into(),
        index: fact(end, "ifindex").parse().expect("number"),
        mtu: fact(end, "mtu").parse().expect("number"),
        peer: xdp::Peer::None,
        driver: None,
        reply_mtu: 1500,
        places: vec![place("192.0.2.1", None), place("2001:db8::1", None), place("192.0.2.10", Some(10))],
        own: ["192.0.2.1", "192.0.2.255", "2001:db8::1"].map(|address| address.parse().expect("address")).into(),
        port: 53,
        mode: Mode::Native,
        zero_copy: ZeroCopy::Auto,
        frames: 256,
        huge_pages: false,
    }
}

/// A program loaded for this alone on the interface.
pub fn attach(options: &Options) -> Result<Attachment, XdpError> {
    xdp::attach(options, Programs::default().take(SERVER)?)
}

/// The program on the interface, and the socket of its one receive queue.
pub fn open(options: &Options) -> Result<(Attachment, Vec<Queue>), XdpError> {
    open_with(&mut Programs::default(), options)
}

/// The same with one of `programs`.
pub fn open_with(programs: &mut Programs, options: &Options) -> Result<(Attachment, Vec<Queue>), XdpError> {
    let attachment = xdp::attach(options, programs.take(SERVER)?)?;
    let queues = xdp::open_queues(options, &attachment, 1)?;
    Ok((attachment, queues))
}

pub fn has_program() -> bool {
    has_program_at(SERVER)
}

pub fn has_program_at(end: &str) -> bool {
    let shown = Command::new("ip").args(["-d", "link", "show", end]).output().expect("ip runs");
    String::from_utf8_lossy(&shown.stdout).contains("prog/xdp")
}

pub fn wait_for(what: &str, mut condition: impl FnMut() -> bool) {
    let started = Instant::now();
    while !condition() {
        assert!(started.elapsed() < PATIENCE, "waited in vain: {what}");
        sleep(Duration::from_millis(2));
    }
}
