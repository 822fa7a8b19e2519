//! The stand-in for the program is the shell: it is started with `-c` and the entry, which is the script here.

use super::*;
use rustix::event::PollFd;
use rustix::process::{WaitOptions, waitpid};

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn server(script: &str, now: Instant) -> Server {
    Server { program: "/bin/sh".into(), ..Server::new(Path::new(script), now) }
}

/// One turn without anything to read.
fn turn(server: &mut Server, now: Instant) {
    server.turn(PollFlags::empty(), now);
}

/// Waits until the process ends, then lets the server know.
fn ends(server: &mut Server, now: Instant) {
    let (pid, status) = waitpid(server.pid(), WaitOptions::empty()).unwrap().unwrap();
    server.reaped(pid, status, now);
}

#[test]
fn it_starts_at_the_first_turn_and_once() {
    let now = Instant::now();
    let mut server = server("exec sleep 1000", now);
    assert_eq!((server.pid(), server.deadline()), (None, Some(now)));
    turn(&mut server, now);
    let pid = server.pid().unwrap();
    assert!(server.fd().is_some() && server.deadline().is_none());
    turn(&mut server, now + seconds(100));
    assert_eq!((server.pid(), server.restarts()), (Some(pid), 0));
    server.signal(Signal::KILL);
    ends(&mut server, now);
}

#[test]
fn one_that_dies_waits_longer_each_time_up_to_half_a_minute() {
    let mut now = Instant::now();
    let mut server = server("exit 1", now);
    for pause in [1, 2, 4, 8, 16, 30, 30] {
        turn(&mut server, now);
        ends(&mut server, now);
        assert_eq!(server.deadline(), Some(now + seconds(pause)));
        turn(&mut server, now + seconds(pause) - Duration::from_millis(1));
        assert_eq!(server.pid(), None, "not before its time");
        now += seconds(pause);
    }
    assert_eq!(server.restarts(), 6);
    turn(&mut server, now);
    now += HEALTHY;
    ends(&mut server, now);
    assert_eq!(server.deadline(), Some(now + FIRST), "it had lived long enough");
}

#[test]
fn ends_soon_after_the_start_are_counted_until_it_is_healthy_or_gets_another_configuration() {
    let now = Instant::now();
    let mut server = server("exit 1", now);
    let dies = |server: &mut Server, age| {
        server.next = Some(now);
        assert!(server.turn(PollFlags::empty(), now));
        ends(server, now + age);
        server.early_ends()
    };
    let early = HEALTHY - Duration::from_millis(1);
    assert_eq!([dies(&mut server, early), dies(&mut server, Duration::ZERO)], [1, 2]);
    assert_eq!([dies(&mut server, HEALTHY), dies(&mut server, early)], [0, 1]);
    server.forgive();
    assert_eq!([server.early_ends(), dies(&mut server, early)], [0, 1]);
    server.restart(now);
    assert_eq!([server.early_ends(), dies(&mut server, early)], [0, 1]);
}

#[test]
fn one_that_is_renewed_starts_no_sooner_while_it_is_down() {
    let now = Instant::now();
    let mut server = server("exec sleep 1000", now);
    turn(&mut server, now);
    server.renew(now);
    ends(&mut server, now);
    assert_eq!((server.deadline(), server.early_ends()), (Some(now), 0), "it was ended on purpose");
    turn(&mut server, now);
    server.signal(Signal::KILL);
    ends(&mut server, now);
    server.renew(now);
    assert_eq!((server.deadline(), server.early_ends()), (Some(now + FIRST), 0));
}

#[test]
fn one_that_was_told_to_restart_does_so_at_once() {
    let now = Instant::now();
    let mut server = server("exit 1", now);
    for _ in 0..3 {
        turn(&mut server, now + seconds(100));
        ends(&mut server, now);
    }
    // While it is down there is nobody to end.
    server.reads(Path::new("exec sleep 1000"));
    server.restart(now);
    assert_eq!(server.deadline(), Some(now));
    turn(&mut server, now);
    let first = server.pid().unwrap();
    server.restart(now);
    ends(&mut server, now);
    assert_eq!(server.deadline(), Some(now));
    turn(&mut server, now);
    assert!(server.pid().is_some_and(|pid| pid != first));
    // That was expected once.
    server.signal(Signal::KILL);
    ends(&mut server, now);
    assert_eq!(server.deadline(), Some(now + FIRST));
}

#[test]
fn one_that_does_not_end_for_its_restart_is_killed_when_its_time_is_over() {
    let now = Instant::now();
    // Its log closes once it ignores the signal: before that it would end by it.
    let mut server = server("trap '' TERM; exec sleep 1000 >/dev/null 2>&1", now);
    turn(&mut server, now);
    let stubborn = server.pid().unwrap();
    let log = server.fd().unwrap();
    rustix::event::poll(&mut [PollFd::new(&log, PollFlags::HUP)], None).unwrap();
    server.restart(now);
    assert_eq!(server.deadline(), Some(now + GRACE));
    // Told again meanwhile, it has no more time for that.
    server.renew(now + seconds(1));
    assert_eq!(server.deadline(), Some(now + GRACE));
    turn(&mut server, now + GRACE - Duration::from_millis(1));
    assert_eq!(waitpid(server.pid(), WaitOptions::NOHANG).unwrap().map(|(pid, _)| pid), None, "before its time");
    turn(&mut server, now + GRACE);
    assert_eq!(server.deadline(), None, "it is killed once");
    let (pid, status) = waitpid(server.pid(), WaitOptions::empty()).unwrap().unwrap();
    assert_eq!((pid, status.terminating_signal()), (stubborn, Some(Signal::KILL.as_raw())));
    server.reaped(pid, status, now + GRACE);
    assert_eq!((server.deadline(), server.early_ends()), (Some(now + GRACE), 0), "it was ended on purpose");
    turn(&mut server, now + GRACE);
    assert!(server.pid().is_some_and(|pid| pid != stubborn));
    assert_eq!(server.deadline(), None, "the next one has all its time");
    server.signal(Signal::KILL);
    ends(&mut server, now + GRACE);
}

#[test]
fn one_that_is_retired_is_not_started_again() {
    let now = Instant::now();
    let mut server = server("exec sleep 1000", now);
    turn(&mut server, now);
    server.retire();
    server.signal(Signal::TERM);
    ends(&mut server, now);
    turn(&mut server, now + seconds(1000));
    assert_eq!((server.pid(), server.deadline()), (None, None));
}

#[test]
fn a_program_that_cannot_be_started_is_tried_again() {
    let now = Instant::now();
    let mut server = Server { program: "/nonexistent".into(), ..server("", now) };
    turn(&mut server, now);
    assert_eq!((server.pid(), server.deadline()), (None, Some(now + FIRST)));
    turn(&mut server, now + FIRST);
    assert_eq!(server.deadline(), Some(now + FIRST + 2 * FIRST));
}

#[test]
fn children_of_others_are_none_of_it() {
    let now = Instant::now();
    let mut other = server("exit 0", now);
    let mut server = server("exec sleep 1000", now);
    turn(&mut other, now);
    turn(&mut server, now);
    let (pid, status) = waitpid(other.pid(), WaitOptions::empty()).unwrap().unwrap();
    server.reaped(pid, status, now);
    assert!(server.pid().is_some());
    server.signal(Signal::KILL);
    ends(&mut server, now);
}

/// A child's log, and the end that is written.
fn log() -> (Child, OwnedFd) {
    let (log, write) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK).unwrap();
    let pid = rustix::process::getpid();
    (Child { pid, since: Instant::now(), log, line: Vec::new() }, write)
}

/// The lines that so many reads bring.
fn relayed(child: &mut Child, reads: usize) -> Vec<String> {
    let mut lines = Vec::new();
    child.relay(reads, |line| lines.push(line.to_owned()));
    lines
}

#[test]
fn lines_are_passed_on_whole_and_cut_when_they_are_long() {
    let (mut child, write) = log();
    rustix::io::write(&write, b"one\ntw").unwrap();
    assert_eq!(relayed(&mut child, READS), ["one"]);
    rustix::io::write(&write, b"o\n\xff\n").unwrap();
    assert_eq!(relayed(&mut child, READS), ["two", "\u{fffd}"]);
    rustix::io::write(&write, &[b'x'; LINE + 5]).unwrap();
    rustix::io::write(&write, b"\nlast").unwrap();
    assert_eq!(relayed(&mut child, READS), ["x".repeat(LINE)]);
    let mut lines = Vec::new();
    child.end(|line| lines.push(line.to_owned()));
    assert_eq!(lines, ["last"], "a line that the end of the server cut");
}

#[test]
fn a_server_that_writes_without_end_does_not_keep_the_loop() {
    let (mut child, write) = log();
    let mut written = 0;
    let line = [b'x'; 127].into_iter().chain([b'\n']).collect::<Vec<u8>>();
    // As with one that writes on: the pipe is full again after each read.
    let mut fill = || {
        while rustix::io::write(&write, &line).is_ok() {
            written += 1;
        }
    };
    fill();
    let mut lines = 0;
    child.relay(READS, |_| {
        lines += 1;
        fill();
    });
    assert_eq!(lines, READS * CHUNK / line.len());
    assert_eq!(relayed(&mut child, LAST_READS).len(), written - lines, "and all of it when it has ended");
}

#[test]
fn ends_that_somebody_wanted_are_no_failures_and_a_start_is_told_from_a_fault() {
    let mut now = Instant::now();
    let mut server = server("exec sleep 1000", now);
    assert!(server.is_starting(now), "before the first start nothing has failed");
    turn(&mut server, now);
    assert!(server.is_starting(now) && !server.is_starting(now + STARTING));
    now += seconds(100);
    server.restart(now);
    assert!(server.is_starting(now));
    ends(&mut server, now);
    assert!(server.is_starting(now));
    turn(&mut server, now);
    assert_eq!(server.restarts(), 0, "its restart was wanted");
    server.signal(Signal::KILL);
    ends(&mut server, now);
    assert!(!server.is_starting(now), "it failed");
    now += FIRST;
    turn(&mut server, now);
    assert_eq!(server.restarts(), 1);
    server.signal(Signal::KILL);
    ends(&mut server, now);
    let mut stopped = super::tests::server("exit 0", now);
    for _ in 0..3 {
        turn(&mut stopped, now);
        ends(&mut stopped, now);
        now += seconds(60);
    }
    assert_eq!(stopped.restarts(), 0, "it was told to end");
}
