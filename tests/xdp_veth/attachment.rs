//! One program an interface, and none left when its process is gone.

use crate::namespace::Namespace;
use crate::pair::*;
use runbound::xdp::{Kind, Mode, Options, ZeroCopy};
use std::process::{Child, Command, Stdio};

#[test]
fn nothing_stays_attached_after_kill() {
    Namespace::new("xdp-kill").run_test("attachment::inner_kill");
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
        .args(["--exact", "attachment::inner_holds_until_killed", "--ignored"])
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
    // Longer than anybody waits for it; one that nobody kills ends nevertheless.
    std::thread::sleep(PATIENCE * 3);
}

#[test]
fn another_program_is_named() {
    Namespace::new("xdp-busy").run_test("attachment::inner_busy");
}

#[test]
#[ignore = "run by another_program_is_named in a namespace"]
fn inner_busy() {
    make_pair();
    let (first, _queues) = open(&options()).unwrap_or_else(|error| panic!("{error}"));
    let error = open(&options()).expect_err("one program an interface");
    assert_eq!(error.kind, Kind::Busy);
    let text = error.to_string();
    assert!(text.contains("another XDP program is on vxa") && text.contains("ip -details link"), "{text}");
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
