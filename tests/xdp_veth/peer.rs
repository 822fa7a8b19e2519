//! The program for the other end of a pair: it counts our replies, stops nothing, and goes with who attached it.
#![allow(unsafe_code)]

use crate::namespace::Namespace;
use crate::pair::*;
use crate::wire::*;
use runbound::xdp::{self, Kind, Options, Peer, PeerAttachment, PeerPrograms, XdpError};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::process::Command;

/// The pair as the server sees it, which is to answer from port 53.
fn options_here() -> Options {
    Options { peer: Peer::Here { name: CLIENT.into(), mtu: 1500 }, ..options() }
}

fn attach_peer(programs: &mut PeerPrograms) -> Result<PeerAttachment, XdpError> {
    programs.attach(&options_here(), options_of(CLIENT).index)
}

#[test]
fn replies_are_counted_and_all_goes_on() {
    Namespace::new("xdp-peer").run_test("peer::inner_counts");
}

#[test]
#[ignore = "run by replies_are_counted_and_all_goes_on in a namespace"]
fn inner_counts() {
    make_pair();
    let (here, there) = (Wire::open_at(SERVER), Wire::open());
    let mut programs = PeerPrograms::default();
    programs.complete(1).expect("loaded");
    let attached = attach_peer(&mut programs).unwrap_or_else(|error| panic!("{error}"));
    // From port 53 in place of 1234, and the other way round.
    let v4 = || with(query_v4(), 34, &[0, 53, 0x04, 0xd2]);
    let v6 = || with(query_v6(), 54, &[0, 53, 0x04, 0xd2]);
    let cases = [
        ("IPv4", v4(), 1),
        ("IPv6", v6(), 1),
        ("IPv4 of a VLAN", tagged(v4(), 10), 1),
        ("IPv6 of a VLAN", tagged(v6(), 10), 1),
        ("two tags", tagged(tagged(v4(), 10), 10), 0),
        ("to our port", query_v4(), 0),
        ("to our port, IPv6", query_v6(), 0),
        ("TCP", with(v4(), 23, &[6]), 0),
        ("IPv6 with a header more", with(v6(), 20, &[44]), 0),
        ("ARP", with(v4(), 12, &[8, 6]), 0),
        ("cut within its UDP header", v4()[..41].to_vec(), 0),
        ("cut within its IP header", v4()[..30].to_vec(), 0),
    ];
    let mut seen = 0;
    // Packet sockets are not given each of these.
    here.send(&tagged(v4(), 10)[..16]);
    here.send(&v4()[..14]);
    for (what, frame, counts) in cases {
        here.send(&frame);
        // It goes on. The kernel takes a tag out of a frame before packet sockets see it.
        while !there.receive_for(mac()).ends_with(&frame[frame.len() - 12..]) {}
        seen += counts;
        assert_eq!(attached.replies().expect("a counter"), seen, "{what}");
    }
    assert!(attached.is_attached() && has_program_at(CLIENT) && !has_program());
    let error = attach_peer(&mut programs).expect_err("it is in use");
    assert_eq!(error.kind, Kind::NoProgram);
    drop(attached);
    assert!(!has_program_at(CLIENT));
    let again = attach_peer(&mut programs).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(again.replies().expect("a counter"), 0, "it counts anew");
    run(&["ip", "link", "del", SERVER]);
    assert!(!again.is_attached());
}

#[test]
fn a_refusal_at_the_other_end_is_told() {
    Namespace::new("xdp-peer2").run_test("peer::inner_refused");
}

#[test]
#[ignore = "run by a_refusal_at_the_other_end_is_told in a namespace"]
fn inner_refused() {
    make_pair();
    let mut programs = PeerPrograms::default();
    let other = attach(&options_of(CLIENT)).unwrap_or_else(|error| panic!("{error}"));
    let busy = attach_peer(&mut programs).expect_err("one program an interface");
    assert_eq!(busy.kind, Kind::Busy, "{busy}");
    assert!(busy.to_string().contains("another XDP program is on vxb"), "{busy}");
    assert!(other.is_attached(), "it is left alone");
    drop(other);
    // A program that takes frames of several buffers, so no MTU is in its way.
    run(&["ip", "link", "set", SERVER, "mtu", "9000"]);
    drop(attach_peer(&mut programs).unwrap_or_else(|error| panic!("{error}")));
    let there = options_of(CLIENT).index;
    run(&["ip", "link", "del", SERVER]);
    let sends_by_two = ["numtxqueues", "2", "numrxqueues", "1"];
    let pair = [&["ip", "link", "add", SERVER][..], &sends_by_two, &["type", "veth", "peer", "name", CLIENT]].concat();
    run(&[&pair[..], &["numrxqueues", "1", "numtxqueues", "1"]].concat());
    let gone = programs.attach(&options_here(), there).expect_err("that index is nobody's");
    assert_eq!(gone.kind, Kind::NoInterface, "{gone}");
    run(&["ip", "link", "set", SERVER, "up"]);
    run(&["ip", "link", "set", CLIENT, "up"]);
    let queues = attach_peer(&mut programs).expect_err("fewer queues than are sent by");
    assert!(queues.to_string().contains("`ethtool -L vxa tx 1`"), "{queues}");
    let fixed = Command::new("ethtool").args(["-L", SERVER, "tx", "1"]).status();
    if fixed.is_ok_and(|status| status.success()) {
        drop(attach_peer(&mut programs).unwrap_or_else(|error| panic!("{error}")));
    }
    let elsewhere = Options { peer: xdp::Peer::Elsewhere, ..options() };
    assert_eq!(programs.attach(&elsewhere, there).expect_err("out of reach").kind, Kind::NoInterface);
}

#[test]
fn what_a_program_sends_back_arrives_by_the_program_at_the_other_end() {
    Namespace::new("xdp-peer3").run_test("peer::inner_sent_back");
}

#[test]
#[ignore = "run by what_a_program_sends_back_arrives_by_the_program_at_the_other_end in a namespace"]
fn inner_sent_back() {
    make_pair();
    let _mirror = mirror(options_of(SERVER).index);
    let there = Wire::open();
    let attached = attach_peer(&mut PeerPrograms::default()).unwrap_or_else(|error| panic!("{error}"));
    for (number, frame) in [(1, query_v4()), (2, query_v6()), (3, tagged(query_v4(), 10))] {
        let at = frame.len() - 20;
        there.send(&with(frame, at, &[0, 53]));
        there.receive_for(mac());
        assert_eq!(attached.replies().expect("a counter"), number, "as each of them is counted");
    }
}

/// A program of two instructions that sends every frame back (XDP_TX).
fn mirror(index: u32) -> OwnedFd {
    let instruction = |code, imm| libbpf_sys::bpf_insn { code, imm, ..Default::default() };
    // r0 = XDP_TX; exit (linux/bpf.h).
    let instructions = [instruction(0xb7, 3), instruction(0x95, 0)];
    // SAFETY: a terminated licence, as many instructions as said, and no options.
    unsafe {
        let program = libbpf_sys::bpf_prog_load(
            libbpf_sys::BPF_PROG_TYPE_XDP,
            std::ptr::null(),
            c"GPL".as_ptr(),
            instructions.as_ptr(),
            instructions.len() as _,
            std::ptr::null_mut(),
        );
        assert!(program >= 0, "{}", std::io::Error::last_os_error());
        let program = OwnedFd::from_raw_fd(program);
        let link = libbpf_sys::bpf_link_create(
            program.as_raw_fd(),
            index.cast_signed(),
            libbpf_sys::BPF_XDP,
            std::ptr::null(),
        );
        assert!(link >= 0, "{}", std::io::Error::last_os_error());
        OwnedFd::from_raw_fd(link)
    }
}
