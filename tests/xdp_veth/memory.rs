//! Locked memory: what the kernel has not given back yet is waited for, what a limit never allows is not.

use crate::namespace::Namespace;
use crate::pair::*;
use runbound::sys::privileges::{User, become_user};
use runbound::xdp::{self, Attachment, Kind, Options};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustix::thread::CapabilitySet;
use std::io::Read;
use std::process::{Command, Stdio};
use std::time::Instant;

/// Frames of 2048 octets for each queue, so many that two UMEMs fit the usual limit of 8 MiB.
const FRAMES: u32 = 2048;
const UMEM: u64 = FRAMES as u64 * 2048;

fn limit_memory(octets: u64) {
    let limit = Rlimit { current: Some(octets), ..getrlimit(Resource::Memlock) };
    setrlimit(Resource::Memlock, limit).expect("limit");
}

/// A user of the test in process `test` alone: locked memory is counted for each.
fn become_ordinary(test: u32) {
    let uid = 2_000_000_000 + test;
    let user = User { name: "test".into(), uid, gid: uid, groups: vec![uid] };
    become_user(&user, CapabilitySet::NET_ADMIN | CapabilitySet::NET_RAW | CapabilitySet::BPF).expect("user");
}

/// On a pair that is made for it.
fn attached() -> (Options, Attachment) {
    make_pair();
    let options = Options { frames: FRAMES, ..options() };
    let attachment = attach(&options).unwrap_or_else(|error| panic!("{error}"));
    (options, attachment)
}

#[test]
fn memory_of_a_former_socket_is_waited_for() {
    Namespace::new("xdp-mem").run_test("memory::inner_restarts");
}

#[test]
#[ignore = "run by memory_of_a_former_socket_is_waited_for in a namespace"]
fn inner_restarts() {
    let (options, attachment) = attached();
    limit_memory(UMEM + UMEM / 2);
    become_ordinary(std::process::id());
    for start in 1..=10 {
        let queues = xdp::open_queues(&options, &attachment, 1);
        queues.unwrap_or_else(|error| panic!("start {start}: {error}"));
    }
}

#[test]
fn memory_that_the_limit_never_allows_is_not_waited_for() {
    Namespace::new("xdp-limit").run_test("memory::inner_too_little");
}

#[test]
#[ignore = "run by memory_that_the_limit_never_allows_is_not_waited_for in a namespace"]
fn inner_too_little() {
    let (options, attachment) = attached();
    limit_memory(UMEM);
    become_ordinary(std::process::id());
    let held = xdp::open_queues(&options, &attachment, 1).unwrap_or_else(|error| panic!("{error}"));
    let refused = |what: &str| {
        let begin = Instant::now();
        let error = xdp::open_queues(&options, &attachment, 1).expect_err(what);
        let text = error.to_string();
        assert!(error.kind == Kind::MemoryLimit && text.contains("LimitMEMLOCK"), "{what}: {text}");
        assert!(!text.contains("tried for"), "{what}: {text} after {:?}", begin.elapsed());
    };
    refused("a second UMEM of this process");
    drop(held);
    limit_memory(UMEM - 1);
    refused("less than one UMEM");
}

#[test]
fn memory_that_another_process_keeps_is_told() {
    Namespace::new("xdp-kept").run_test("memory::inner_kept");
}

#[test]
#[ignore = "run by memory_that_another_process_keeps_is_told in a namespace"]
fn inner_kept() {
    let (options, attachment) = attached();
    limit_memory(UMEM + UMEM / 2);
    let other = Command::new(std::env::current_exe().expect("own path"))
        .args(["--exact", "memory::inner_keeps", "--ignored"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn();
    let mut other = other.expect("another process");
    become_ordinary(std::process::id());
    let mut told = String::new();
    wait_for("the other process to have the memory", || match xdp::open_queues(&options, &attachment, 1) {
        Ok(_) => false,
        Err(error) => {
            told = error.to_string();
            true
        }
    });
    assert!(told.contains("tried for 5 s") && told.contains("LimitMEMLOCK"), "{told}");
    drop(other.stdin.take());
    assert!(other.wait().expect("its end").success());
    xdp::open_queues(&options, &attachment, 1).unwrap_or_else(|error| panic!("when it is free again: {error}"));
}

#[test]
#[ignore = "run by inner_kept, until its input ends"]
fn inner_keeps() {
    let test = rustix::process::getppid().expect("a parent").as_raw_nonzero().get().cast_unsigned();
    let options = Options { frames: FRAMES, ..options_of(CLIENT) };
    let attachment = attach(&options).unwrap_or_else(|error| panic!("{error}"));
    become_ordinary(test);
    let _held = xdp::open_queues(&options, &attachment, 1).unwrap_or_else(|error| panic!("{error}"));
    std::io::stdin().read_to_end(&mut Vec::new()).expect("its input");
}
