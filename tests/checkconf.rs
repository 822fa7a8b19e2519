//! Values are checked as `unbound-checkconf` checks them, for every directive, whatever becomes of it here.
//!
//! Each directive of the table gets the values of its types, good and bad; what one of the two programs takes and the
//! other refuses must stand in `DIFFERENCES` with the reason.

use runbound::config::options::{self, Clause, OptionSpec};
use runbound::config::{self, Kind};
use runbound::validate::anchors::ROOT_ANCHORS;
use runbound::validate::autotrust::{Key, Point, State};
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

/// Values of a type: those that are sound, on which both must agree, and those that are not, which Unbound may take.
fn values(kind: Kind) -> (Vec<String>, Vec<String>) {
    let (sound, unsound): (&[&str], &[&str]) = match kind {
        Kind::YesNo => (&["yes", "no"], &["Yes", ""]),
        Kind::Number(..) => (&["1", "2", "3", "100"], &["0", "65536", "100000", "-1", "x"]),
        Kind::NumberOrNothing(..) => (&["", "0", "1", "300"], &["x", "a b", "-1", "1x"]),
        Kind::PowerOfTwo => (&["1", "2", "64"], &["0", "3", "100", "-4", "x"]),
        Kind::Bytes => (&["1", "4m", "10b", "4 m"], &["4x", "", "-1", "4.5m"]),
        Kind::Interface => (
            &["192.0.2.1", "::1", "192.0.2.1@53", "::1@5353", "lo"],
            &["192.0.2.300", "192.0.2.1@x", "192.0.2.1@65536", "2001:db8:::1", ""],
        ),
        Kind::Address => (&["192.0.2.1", "::1"], &["192.0.2.300", "x", ""]),
        Kind::Source => (
            &["192.0.2.1", "::1", "192.0.2.0/24", "2001:db8::/32"],
            &["192.0.2.300", "192.0.2.0/33", "192.0.2.1@53", "x", ""],
        ),
        Kind::Server => (
            &["192.0.2.1", "192.0.2.1@53", "192.0.2.1#name.example", "::1@853#n"],
            &[
                "192.0.2.1@0",
                "192.0.2.1@65536",
                "192.0.2.1@x",
                "192.0.2.1@",
                "192.0.2.1#",
                "dns.example",
                "192.0.2",
                "",
            ],
        ),
        Kind::ServerName => (
            &["dns.example", "dns.example.", "dns.example@53", "dns.example@853#dns.example"],
            &["", "a..b", "a@x", "@53", "dns.example@"],
        ),
        Kind::Netblock => (
            &["192.0.2.0/24", "192.0.2.1", "192.0.2.7/24", "::/0", "2001:db8::1", "192.0.2.0/0"],
            &["192.0.2.0/33", "::/129", "192.0.2.0/x", "192.0.2.0/", "192.0.2.0/-1", "192.0.2", "name", ""],
        ),
        Kind::Name => (&["example.com", ".", "Ex-ample.COM.", "a\\.b"], &["a..b", ".a", "", TOO_LONG]),
        Kind::Ports => (&["1024", "1-2", "0-65535"], &["2-1", "65536", "x", "1-x", "-5", "5-", ""]),
        Kind::PortList => (&["", "53", "53 5353"], &["foo", "53 x", "-1", "192.0.2.1", "65536"]),
        Kind::Path => (&["", "/dev/null"], &["/no/such/file", "no-such-file"]),
        Kind::Record => (
            &["a.example A 192.0.2.1", "a.example. 300 IN AAAA ::1"],
            &["a.example", "a.example A x", "", ". DS garbage", ". DS 20326 8 2 xyz"],
        ),
        Kind::Reverse => {
            (&["192.0.2.1 a.example", "192.0.2.1 300 a.example", "::1 a.example"], &["x a.example", "192.0.2.1", ""])
        }
        Kind::Modules => (
            &["iterator", "validator iterator", "subnetcache validator iterator", "respip validator iterator"],
            &["validater iterator", "validator", "iterator validator", "", "foo"],
        ),
        Kind::FetchPolicy => (&["3 2 1 0 0", "0", "-1"], &["a b", "", "3 x"]),
        Kind::KeyIterations => (&["1024 150 2048 150", "1 1"], &["1", "2 1 1 1", "a b", ""]),
        Kind::Nsid => (&["", "abcd", "ascii_foo"], &["abc", "foo", "-1"]),
        Kind::Secret => (&["000102030405060708090a0b0c0d0e0f"], &["00", "", "g00102030405060708090a0b0c0d0e0f"]),
        Kind::Nat64Prefix => (&["64:ff9b::/96", "2001:db8::/32"], &["::/0", "2001:db8::1", "192.0.2.0/24", "x", ""]),
        Kind::Date => (&["", "0", "-1", "20260101000000"], &["foo", "a b"]),
        Kind::Choice(words) => {
            return (words.iter().map(|word| (*word).to_owned()).collect(), vec!["nonsense".into(), String::new()]);
        }
        Kind::Text => (&["foo", "a b", "192.0.2.1", ""], &[]),
    };
    let owned = |list: &[&str]| list.iter().map(|value| (*value).to_owned()).collect();
    (owned(sound), owned(unsound))
}

const TOO_LONG: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.b";

/// What `unbound-checkconf` 1.17 says of words that came later.
const NEWER: [&str; 2] = ["syntax error", "unknown keyword"];

/// Directives and values of which the two programs may think differently, and why; no values are all values.
const DIFFERENCES: [(&str, &[&str], &str); 15] = [
    ("access-control", &["allow_cookie"], "came with Unbound 1.18"),
    ("interface-action", &["allow_cookie"], "came with Unbound 1.18"),
    ("local-zone", &["block_a", "block_aaaa", "block_a_wdata", "block_aaaa_wdata"], "came with Unbound 1.21"),
    ("local-zone", &["ipset"], "Debian builds Unbound without it"),
    ("tls-upstream", &["yes"], "is not there yet, and an error for safety's sake"),
    ("forward-tls-upstream", &["yes"], "is not there yet, and an error for safety's sake"),
    ("stub-tls-upstream", &["yes"], "is not there yet, and an error for safety's sake"),
    ("root-hints", &["/dev/null"], "what is in it is read, and names no server"),
    ("trust-anchor-file", &["/dev/null"], "regular files alone are read"),
    ("trusted-keys-file", &["/dev/null"], "regular files alone are read"),
    ("username", &[], "users are the host's; --check-config says it beside the configuration"),
    ("chroot", &[], "folders are the host's; --check-config says it beside the configuration"),
    ("directory", &[], "folders are the host's; --check-config says it beside the configuration"),
    ("control-enable", &["yes"], "control goes over unix sockets, which need no keys"),
    ("control-interface", &[], "of Unbound's three forms one is supported, the others are warned of"),
];

fn may_differ(name: &str, words: &[String]) -> bool {
    let names = DIFFERENCES.iter().filter(|(directive, ..)| *directive == name);
    names
        .map(|(_, values, _)| values)
        .any(|values| values.is_empty() || words.iter().any(|word| values.contains(&&**word)))
}

fn main_file(folder: &Path, clause: Clause, lines: &str) -> PathBuf {
    let mut text =
        "server:\n directory: \"\"\n chroot: \"\"\n pidfile: \"\"\n username: \"\"\n use-syslog: no\n module-config: \"respip validator iterator\"\n".to_owned();
    let _ = match clause {
        Clause::ForwardZone => write!(text, "forward-zone:\n name: \"f.example\"\n forward-addr: 192.0.2.9\n{lines}\n"),
        Clause::StubZone => write!(text, "stub-zone:\n name: \"s.example\"\n stub-addr: 192.0.2.9\n{lines}\n"),
        Clause::AuthZone | Clause::Rpz => write!(text, "{}:\n name: \"z.example\"\n{lines}\n", clause.word()),
        Clause::View => write!(text, "view:\n name: \"v\"\n{lines}\n"),
        _ => write!(text, "{}:\n{lines}\n", clause.word()),
    };
    text.push_str("forward-zone:\n name: \".\"\n forward-addr: 192.0.2.53\n");
    let path = folder.join("unbound.conf");
    std::fs::write(&path, text).expect("a file");
    path
}

/// What `unbound-checkconf` says against the file. One that takes seconds of the processor for it, as that of Unbound 1.26 with
/// `num-threads: -1`, is ended and says nothing, which is no consent.
fn unbound(path: &Path) -> Option<String> {
    let output = Command::new("prlimit").arg("--cpu=5").arg("unbound-checkconf").arg(path).output();
    let output = output.expect("prlimit: of util-linux, which tests/lib/deps.sh installs");
    let text = String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
    (!output.status.success()).then_some(text)
}

fn ours(path: &Path) -> Option<String> {
    config::load(path).err().map(|errors| errors.iter().map(|error| format!("{error}\n")).collect())
}

#[test]
fn what_unbound_takes_is_taken_and_what_it_refuses_is_refused() {
    let folder = std::env::temp_dir().join(format!("runbound-checkconf-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    let mut found = String::new();
    let mut asked = 0;
    for spec in options::all().filter(|spec| spec.since.is_none()) {
        for (words, sound) in cases(spec) {
            let quoted: Vec<String> = words.iter().map(|word| format!("\"{word}\"")).collect();
            let line = format!("{}: {}", spec.name, quoted.join(" "));
            let path = main_file(&folder, spec.clause, &format!(" {line}"));
            let (theirs, mine) = (unbound(&path), ours(&path));
            if theirs.as_ref().is_some_and(|text| NEWER.iter().any(|says| text.contains(says))) {
                continue;
            }
            asked += 1;
            let differs = if sound { theirs.is_some() != mine.is_some() } else { theirs.is_some() && mine.is_none() };
            if differs && !may_differ(spec.name, &words) {
                let who = if theirs.is_some() { "unbound refuses" } else { "we refuse" };
                let _ = writeln!(
                    found,
                    "{}: {line} | {who}: {:?}",
                    spec.clause.word(),
                    theirs.or(mine).unwrap_or_default()
                );
            }
        }
    }
    let _ = std::fs::remove_dir_all(&folder);
    println!("{asked} lines");
    assert!(found.is_empty(), "\n{found}");
}

/// Lines with the first sound value of each type, one of them replaced by every other value in turn; and whether the line
/// is sound.
fn cases(spec: &OptionSpec) -> Vec<(Vec<String>, bool)> {
    let all: Vec<_> = spec.args.iter().map(|kind| values(*kind)).collect();
    let good: Vec<String> = all.iter().map(|(sound, _)| sound[0].clone()).collect();
    let mut cases = Vec::new();
    for (place, (sound, unsound)) in all.iter().enumerate() {
        for (value, is_sound) in
            sound.iter().map(|value| (value, true)).chain(unsound.iter().map(|value| (value, false)))
        {
            let mut words = good.clone();
            words[place].clone_from(value);
            cases.push((words, is_sound));
        }
    }
    cases
}

/// Lines that are right or wrong by what else is in the file; the first stands in `server:`. One `interface:` twice is not
/// among them: here the second is passed over with a word, and `unbound-checkconf` refuses it where Unbound would start. Nor is an `auth-zone:` whose `zonefile:` is missing: Unbound 1.17 refuses it, as this
/// server does, and 1.26 takes it.
const TOGETHER: &[&str] = &[
    "define-tag: \"a b\"\naccess-control-tag: 10.0.0.0/8 \"b a\"",
    "define-tag: \"a b\"\naccess-control-tag: 10.0.0.0/8 \"\"",
    "define-tag: \"a b\"\naccess-control-tag: 10.0.0.0/8 \"a c\"",
    "access-control-tag: 10.0.0.0/8 \"a\"\ndefine-tag: \"a\"",
    "local-zone-tag: a.b t\ndefine-tag: t",
    "access-control-tag-action: 10.0.0.0/8 a deny\ndefine-tag: a",
    "define-tag: a\naccess-control-tag-action: 10.0.0.0/8 a foo",
    "define-tag: a\naccess-control-tag-data: 10.0.0.0/8 a \"A 192.0.2.1\"",
    "define-tag: a\naccess-control-tag-data: 10.0.0.0/8 a \"foo\"",
    "response-ip: 10.0.0.0/8 redirect\nresponse-ip-data: 10.0.0.0/8 \"A 192.0.2.1\"",
    "response-ip: 10.0.0.0/8 redirect\nresponse-ip-data: 10.0.0.0/8 \"foo\"",
    "response-ip: 10.0.0.0/8 deny\nresponse-ip-data: 10.0.0.0/8 \"A 192.0.2.1\"",
    "response-ip-data: 10.0.0.0/8 \"A 192.0.2.1\"\nresponse-ip: 10.0.0.0/8 redirect",
    "local-zone-override: a.b 10.0.0.0/8 deny\nlocal-zone: a.b static",
    "local-zone-override: a.b 10.0.0.0/8 deny",
    "local-zone-override: localhost 10.0.0.0/8 deny",
    "access-control-view: 10.0.0.0/8 v\nview:\nname: v",
    "access-control-view: 10.0.0.0/8 w\nview:\nname: v",
    "view:\nname: v\nview:\nname: v",
    "view:\nname: v\nname: w",
    "view:\nview-first: yes",
    "stub-zone:\nstub-addr: 192.0.2.1",
    "stub-zone:\nname: a\nname: b",
    "stub-zone:\nname: a\nstub-host: dns.example",
    "auth-zone:\nname: a\nname: b",
    "auth-zone:\nzonefile: /no/such/file",
    "auth-zone:\nname: a\nzonefile: /no/such/file\nprimary: 192.0.2.1",
    "auth-zone:\nname: a\nurl: \"https://www.example/z\"\nzonefile: /no/such/file",
    "rpz:\nname: a\nrpz-action-override: cname",
    "rpz:\nname: a\nrpz-action-override: cname\nrpz-cname-override: b.example",
    "do-ip4: no\ndo-ip6: no",
    "do-udp: no\ndo-tcp: no",
    "do-ip4: no\nprefer-ip4: yes",
    "do-ip6: no\nprefer-ip6: no",
    "interface: 192.0.2.1\ninterface: 192.0.2.1@5353",
    "interface: 192.0.2.1\ninterface: 192.0.2.1@53",
    "forward-zone:\nname: a",
    "forward-zone:\nforward-addr: 192.0.2.1",
    "forward-zone:\nname: a\nforward-addr: 192.0.2.1\nforward-zone:\nname: a\nforward-addr: 192.0.2.2",
];

#[test]
fn lines_fit_one_another_as_in_unbound() {
    let folder = std::env::temp_dir().join(format!("runbound-checkconf-files-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    let mut found = String::new();
    for lines in TOGETHER {
        let path = main_file(&folder, Clause::Server, lines);
        let (theirs, mine) = (unbound(&path), ours(&path));
        if theirs.is_some() != mine.is_some() {
            let _ = writeln!(found, "{lines:?}: Unbound {theirs:?}, we {mine:?}");
        }
    }
    let _ = std::fs::remove_dir_all(&folder);
    assert!(found.is_empty(), "\n{found}");
}

/// What this server writes down of an anchor that follows its zone's keys is read by Unbound, and is no other zone's to it.
#[test]
fn unbound_reads_the_file_of_an_anchor() {
    let folder = std::env::temp_dir().join(format!("runbound-checkconf-anchor-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    let file = folder.join("root.key");
    let key = |state, changed, last| Key {
        rtype: 48,
        ttl: 172_800,
        data: [&[1, 1, 3, 8, 3, 1, 0, 1][..], &[0xc5; 255], &[last]].concat(),
        state,
        count: 3,
        changed,
    };
    let keys = vec![key(State::Valid, 1_251_100_000, 1), key(State::Pending, 1_251_100_001, 3)];
    let times =
        Point { queried: 1_251_100_000, succeeded: 1_251_100_000, next_probe: 1_251_143_200, ..Point::default() };
    let point = Point { zone: vec![0], class: 1, interval: 43_200, retry: 8640, keys, ..times };
    let main = main_file(
        &folder,
        Clause::Server,
        &format!(" module-config: \"validator iterator\"\n auto-trust-anchor-file: {}", file.display()),
    );
    let revoked = Point { revoked: true, ..point.clone() };
    for point in [&point, &revoked] {
        runbound::resolve::anchor_file::write(&file, &point.text()).expect("a file");
        assert_eq!((unbound(&main), ours(&main)), (None, None));
    }
    std::fs::write(&file, point.text().replace(";;id: . 1", ";;id: example. 1")).expect("a file");
    assert!(unbound(&main).is_some() && ours(&main).is_some());
    let _ = std::fs::remove_dir_all(&folder);
}

/// What `--check-config` says of anchors that will not do: keys that are no more, a file that cannot be kept, a clock that is off.
#[test]
fn anchors_that_will_not_do_are_told() {
    let folder = std::env::temp_dir().join(format!("runbound-checkconf-anchors-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    let (file, main) = (folder.join("root.key"), folder.join("unbound.conf"));
    let told = |username: &str, directive: &str, anchors: &str, ahead: Duration| {
        let text =
            format!("server:\n username: {username:?}\n interface: 127.0.0.1@5399\n {directive}: {}\n", file.display());
        std::fs::write(&main, text).expect("a configuration");
        std::fs::write(&file, anchors).expect("a file");
        let opened = std::fs::File::options().write(true).open(&file).expect("the file");
        opened.set_modified(SystemTime::now() + ahead).expect("a time");
        let program = Command::new(env!("CARGO_BIN_EXE_runbound")).args(["--check-config", "-c"]).arg(&main).output();
        String::from_utf8_lossy(&program.expect("the program").stdout).into_owned()
    };
    let (auto, given, both) = ("auto-trust-anchor-file", "trust-anchor-file", ROOT_ANCHORS.join("\n"));
    let found = told("nobody", auto, &both, Duration::ZERO);
    assert!(found.contains("[WARN] anchor-file: ") && found.contains("the user nobody may not write to"), "{found}");
    assert!(found.contains("install -d -o nobody /var/lib/runbound"), "{found}");
    let found = told("", auto, &both, Duration::from_secs(50 * 3600));
    assert!(found.contains("hours before") && found.contains("set the clock"), "{found}");
    let found = told("", given, ROOT_ANCHORS[0], Duration::ZERO);
    assert!(found.contains("(20326) is trusted and the one of 2024 (38696) is not"), "{found}");
    assert!(found.contains(&format!("add trust-anchor: \"{}\"", ROOT_ANCHORS[1])), "{found}");
    let old = ". DS 19036 8 2 49AAC11D7B6F6446702E54A1607371607A1A41855200FD2CE1CDDE32F24E8FB5";
    assert!(told("", given, old, Duration::ZERO).contains("the root's key of 2010 (19036) alone is trusted"));
    let _ = std::fs::remove_dir_all(&folder);
}
