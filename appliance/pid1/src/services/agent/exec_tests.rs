use super::commands::{Outcome, Run, execute};
use super::tests::{Fake, pair, replies, turn};
use super::*;
use crate::machine::journal;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;

fn exec(arguments: Value) -> Outcome {
    execute(json!({"execute": "guest-exec", "arguments": arguments}).to_string().as_bytes(), &Fake)
}

#[test]
fn unbound_control_and_log_alone_are_run() {
    for path in ["unbound-control", "/usr/sbin/unbound-control"] {
        let asked = exec(json!({"path": path, "arg": ["flush_zone", "example.org"], "capture-output": true}));
        let run = Run::Control { words: "flush_zone example.org".into(), input: None };
        assert_eq!(asked, Outcome::Run(run, None));
    }
    let asked = exec(json!({"path": "unbound-control", "arg": ["local_datas"], "input-data": "YS4gQSAxLjIuMy40Cg=="}));
    let run = Run::Control { words: "local_datas".into(), input: Some(b"a. A 1.2.3.4\n".to_vec()) };
    assert_eq!(asked, Outcome::Run(run, None));
    assert_eq!(exec(json!({"path": "unbound-control", "arg": ["backup", "-"]})), Outcome::Run(Run::Backup, None));
    assert_eq!(exec(json!({"path": "log", "arg": ["20"]})), Outcome::Run(Run::Log(20), None));
    assert_eq!(exec(json!({"path": "log"})), Outcome::Run(Run::Log(usize::MAX), None));
    for wrong in [
        json!({"path": "/bin/sh", "arg": ["-c", "reboot"]}),
        json!({"path": "unbound-control"}),
        json!({"path": "unbound-control", "arg": "status"}),
        json!({"path": "unbound-control", "arg": ["-c", "/etc/unbound.conf", "status"]}),
        json!({"path": "unbound-control", "arg": ["status\nUBCT1 stop"]}),
        json!({"path": "unbound-control", "arg": ["local_datas"], "input-data": "*"}),
        json!({"path": "log", "arg": ["-1"]}),
        json!({"path": "log", "arg": ["all"]}),
        json!({"path": "log", "arg": ["1", "2"]}),
        json!({"path": 1}),
        json!({}),
    ] {
        let Outcome::Reply(reply) = exec(wrong.clone()) else { panic!("{wrong}") };
        assert_eq!(reply["error"]["class"], "GenericError", "{wrong}");
    }
}

#[test]
fn a_run_is_answered_by_the_control_socket() {
    let socket = std::env::temp_dir().join(format!("runbound-exec-{}", std::process::id()));
    let listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    let server = thread::spawn(move || {
        let (mut client, _) = listener.accept().unwrap();
        let mut request = String::new();
        client.read_to_string(&mut request).unwrap();
        client.write_all(b"error unknown command\n").unwrap();
        request
    });
    let (mut host, mut agent) = pair();
    let status = Status { control_socket: socket.clone(), ..Status::default() };
    let mut ask = |request: Value| {
        host.write_all(format!("{request}\n").as_bytes()).unwrap();
        agent.turn(PollFlags::IN, Instant::now(), &status);
        serde_json::from_slice::<Value>(&replies(&mut host)).unwrap()
    };
    let arguments = json!({"path": "unbound-control", "arg": ["nonsense"], "input-data": "eA=="});
    let started = ask(json!({"execute": "guest-exec", "arguments": arguments, "id": 3}));
    assert_eq!(started, json!({"return": {"pid": 1}, "id": 3}));
    assert_eq!(server.join().unwrap(), "UBCT1 nonsense\nx\x04\n");
    std::fs::remove_file(&socket).unwrap();
    let question = json!({"execute": "guest-exec-status", "arguments": {"pid": 1}});
    let ended = loop {
        let reply = ask(question.clone());
        if reply["return"]["exited"] == true {
            break reply;
        }
        thread::sleep(Duration::from_millis(1));
    };
    let output = "ZXJyb3IgdW5rbm93biBjb21tYW5kCg==";
    assert_eq!(ended, json!({"return": {"exited": true, "exitcode": 1, "out-data": output}}));
    assert!(ask(question).get("error").is_some(), "a status is told once");
    // Nobody listens any more.
    ask(json!({"execute": "guest-exec", "arguments": {"path": "unbound-control", "arg": ["status"]}}));
    let failed = loop {
        let reply = ask(json!({"execute": "guest-exec-status", "arguments": {"pid": 2}}));
        if reply["return"]["exited"] == true {
            break reply;
        }
        thread::sleep(Duration::from_millis(1));
    };
    assert_eq!(failed["return"]["exitcode"], 1);
    assert!(failed["return"]["err-data"].is_string());
}

#[test]
fn the_log_is_read_like_the_output_of_a_program() {
    journal::install_for_tests();
    journal::relay("[1795413600] runbound[97:0] info: error is a word like others");
    let (mut host, mut agent) = pair();
    let mut ask = |request: Value| {
        host.write_all(format!("{request}\n").as_bytes()).unwrap();
        turn(&mut agent);
        serde_json::from_slice::<Value>(&replies(&mut host)).unwrap()
    };
    let started = ask(json!({"execute": "guest-exec", "arguments": {"path": "log", "capture-output": true}}));
    let ended = ask(json!({"execute": "guest-exec-status", "arguments": {"pid": started["return"]["pid"]}}));
    assert_eq!((&ended["return"]["exited"], &ended["return"]["exitcode"]), (&json!(true), &json!(0)));
    let output = BASE64_STANDARD.decode(ended["return"]["out-data"].as_str().unwrap()).unwrap();
    assert!(String::from_utf8(output).unwrap().contains("info: error is a word like others\n"));
}

/// A run from its start to its end, by the commands that `qm guest exec` sends.
fn output_of(host: &mut UnixStream, agent: &mut Agent, words: &[&str]) -> Value {
    let mut ask = |request: Value| {
        host.write_all(format!("{request}\n").as_bytes()).unwrap();
        let mut got = Vec::new();
        while got.last() != Some(&b'\n') {
            turn(agent);
            got.extend(replies(host));
        }
        serde_json::from_slice::<Value>(&got).unwrap()
    };
    let started = ask(json!({"execute": "guest-exec", "arguments": {"path": "unbound-control", "arg": words}}));
    loop {
        let arguments = json!({"pid": started["return"]["pid"]});
        let reply = ask(json!({"execute": "guest-exec-status", "arguments": arguments}));
        if reply["return"]["exited"] == true {
            return reply;
        }
        thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn a_backup_leaves_by_the_channel_and_one_that_fails_says_why() {
    let folder = std::env::temp_dir().join(format!("runbound-exec-backup-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("unbound.conf"), "server:\n").unwrap();
    let (mut host, mut agent) = pair();
    agent.data.clone_from(&folder);
    let good = output_of(&mut host, &mut agent, &["backup", "-"]);
    std::fs::remove_dir_all(&folder).unwrap();
    assert_eq!(good["return"]["exitcode"], 0, "{good}");
    let text = BASE64_STANDARD.decode(good["return"]["out-data"].as_str().unwrap()).unwrap();
    assert_eq!(BASE64_STANDARD.decode(text.trim_ascii()).unwrap()[..2], [0x1f, 0x8b], "base64 of gzip");
    let bad = output_of(&mut host, &mut agent, &["backup", "-"]);
    assert_eq!(bad["return"]["exitcode"], 1);
    let text = BASE64_STANDARD.decode(bad["return"]["out-data"].as_str().unwrap()).unwrap();
    assert!(String::from_utf8(text).unwrap().starts_with("error "));
}
