//! What stands twice in the files, and which of it counts.

use super::*;

#[test]
fn directives_of_one_value_that_stand_twice_are_named() {
    let text = "server:\n verbosity: 1\n port: 5353\n interface: 192.0.2.1\n interface: 192.0.2.2\nserver:\n verbosity: 2\n \
                port: 5353\n xdp-interface: eth0\n xdp-interface: eth1\n local-data: \"a. A 192.0.2.1\"\n \
                local-data: \"a. A 192.0.2.2\"\nremote-control:\n control-enable: no\n control-enable: yes\n \
                control-interface: /run/a\n control-interface: /run/b\nforward-zone:\n name: a\n forward-addr: 192.0.2.3\n \
                forward-addr: 192.0.2.4\n forward-no-cache: yes\nforward-zone:\n name: .\n forward-no-cache: no\n \
                forward-addr: 192.0.2.3\n forward-no-cache: yes\nserver:\n verbosity: 3\n";
    let reading = read_bytes("test.conf", text.as_bytes());
    let found: Vec<String> =
        reading.findings.iter().map(|finding| format!("{finding} [{}]", finding.severity.word())).collect();
    assert_eq!(
        found,
        [
            "test.conf:7: verbosity: stands already in test.conf:2, with another value; the last line counts [warning]",
            "test.conf:8: port: stands already in test.conf:3, with the same value; one of the lines is enough [info]",
            "test.conf:15: control-enable: stands already in test.conf:14, with another value; the last line counts [warning]",
            "test.conf:27: forward-no-cache: stands already in test.conf:25, with another value; the last line counts [warning]",
            "test.conf:29: verbosity: stands already in test.conf:7, with another value; the last line counts [warning]",
        ]
    );
    assert_eq!((reading.config.verbosity, reading.config.forward_zones[1].no_cache), (3, true), "the last counts");
}

#[test]
fn what_stands_twice_is_named() {
    let text = format!(
        "server:\n local-zone: a. static\n local-zone: b. static\n local-zone: A. refuse\n local-zone: b static\n \
         access-control: 10.0.0.0/8 allow\n access-control: 10.1.2.3/8 refuse\n interface: 192.0.2.1\n \
         interface: 192.0.2.1\n interface: 192.0.2.1@5353\n{ROOT}"
    );
    let found: Vec<String> = read_bytes("test.conf", text.as_bytes())
        .findings
        .iter()
        .map(|finding| format!("{finding} [{}]", finding.severity.word()))
        .collect();
    assert_eq!(
        found,
        [
            "test.conf:4: local-zone: a. stands already in test.conf:2, as static; the last line counts [warning]",
            "test.conf:5: local-zone: b. stands already in test.conf:3, one of the lines is enough [info]",
            "test.conf:7: access-control: 10.0.0.0/8 stands already in test.conf:6, with another action; the last line counts [warning]",
            "test.conf:9: interface: 192.0.2.1 stands already in test.conf:8; one of the lines is enough [info]",
        ]
    );
    let zone = |clause: &str, name: &str| format!("{clause}-zone:\n name: {name}\n {clause}-addr: 192.0.2.53\n");
    let text: String = [("stub", "a"), ("forward", "b"), ("stub", "A"), ("stub", "b"), ("stub", "."), ("forward", "B")]
        .map(|(clause, name)| zone(clause, name))
        .concat();
    let found: Vec<String> =
        read_bytes("test.conf", format!("{text}{ROOT}").as_bytes()).findings.iter().map(ToString::to_string).collect();
    assert_eq!(
        found,
        [
            "test.conf:7: stub-zone: a. stands already in test.conf:1; its servers are added to those, and its options do not count",
            "test.conf:10: stub-zone: b. is a forward-zone in test.conf:4, whose servers are asked; remove one of them",
            "test.conf:16: forward-zone: b. stands already in test.conf:4; its servers are added to those, and its options do not count",
        ]
    );
    let many: String = (0..250).map(|number| format!(" local-zone: z{number} static\n")).collect();
    let found = read_bytes("test.conf", format!("server:\n{many}{many}{ROOT}").as_bytes()).findings;
    assert_eq!(found.len(), 101);
    assert!(found[100].message.starts_with("local-zone: 150 more names"), "{}", found[100].message);
}
