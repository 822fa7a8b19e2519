#![allow(clippy::unwrap_used)]

use super::super::backend::Backend;
use super::super::fake::Fake;
use super::*;

fn stats_of(backend: &mut Fake, extended: bool, inhibit_zero: bool) -> String {
    let mut reply = Reply::new(1 << 20);
    stats(&backend.snapshot(), extended, inhibit_zero, &mut reply);
    String::from_utf8(reply.finish()).unwrap()
}

#[test]
fn numbers_are_printed_as_c_does() {
    let cases = [
        (0.0, "0"),
        (1.5, "1.5"),
        (0.000_123_456_7, "0.000123457"),
        (0.000_012_345, "1.2345e-05"),
        (123_456.7, "123457"),
        (999_999.5, "1e+06"),
        (2_000_000.0, "2e+06"),
        (100.0, "100"),
        (2.0 / 3.0, "0.666667"),
    ];
    for (number, text) in cases {
        assert_eq!(general(number), text);
    }
}

#[test]
fn status_has_unbounds_lines_and_the_way_in() {
    let mut backend = Fake { verbosity: 1, ..Fake::default() };
    backend.worker.places.xdp_queries.add(9);
    backend.worker.outcomes.errors_limited.add(7);
    backend.worker.outcomes.events_lost.add(3);
    let mut reply = Reply::new(1 << 20);
    status(&backend.status(), &backend.snapshot(), &mut reply);
    let expected = format!(
        "version: 0.1.0\nverbosity: 1\nthreads: 1\nmodules: 1 [ iterator ]\nuptime: 12 seconds\n\
         options: control(namedpipe)\nsandbox: off\n\
         tuning: worker shares 2 CPUs, never spins\n\
         awaited: 192.0.2.77: no interface carries it, it is served as soon as one does\n\
         xdp-interface: there is no eth9 here\n\
         link: veth-rb carries 192.0.2.1 and is not up\n\
         arp: fwbr100i0 answers ARP for 192.0.2.1\n\
         upstream: 192.0.2.53:53: connect: Network is unreachable\n\
         anchor: the keys of example. are not to be had\n\
         xdp: eth0 native copy queues 2 watchdog tripped (the driver has no zero copy)\n\
         answers: eth0 off (log-queries: yes)\n\
         queries: xdp 9 udp 0 tcp 0\nerrors: 7 got no reply, as error-ratelimit: has it\n\
         log: 3 lines of queries and replies are lost, more came than are written\nrunbound (pid {}) is running...\n",
        std::process::id()
    );
    assert_eq!(String::from_utf8(reply.finish()).unwrap(), expected);
}

#[test]
fn every_line_is_a_name_and_a_value() {
    let text = stats_of(&mut Fake::default(), true, false);
    let mut names: Vec<&str> = text.lines().map(|line| line.split_once('=').expect(line).0).collect();
    let count = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), count, "no name twice");
    assert!(names.contains(&"num.query.type.TYPE0") && names.contains(&"num.query.type.AAAA"));
    assert!(names.contains(&"num.answer.rcode.RCODE15") && names.contains(&"num.query.opcode.OPCODE3"));
}

#[test]
fn counters_appear_under_unbounds_names() {
    let mut backend = Fake::default();
    let worker = &backend.worker;
    worker.outcomes.queries.add(10);
    worker.outcomes.cache_hits.add(7);
    worker.outcomes.cache_misses.add(3);
    worker.outcomes.pending_sum.add(4);
    worker.outcomes.recursive_replies.add(3);
    worker.outcomes.recursion_time_us.add(3_000_003);
    (0..4).for_each(|_| worker.recursion.add(1_500_000));
    worker.outcomes.class_in.add(10);
    worker.opcode[0].add(10);
    worker.qtype[28].add(2);
    worker.qtype[257].add(1);
    worker.rcode[9].add(1);
    worker.outcomes.cache_octets.set(12_345);
    worker.outcomes.events_lost.add(2);
    backend.upstream.udp_sent.add(6);
    let text = stats_of(&mut backend, true, true);
    for line in [
        "thread0.num.queries=10",
        "total.num.cachehits=7",
        "total.num.cachemiss=3",
        "total.requestlist.avg=1.33333",
        "total.recursion.time.avg=1.000001",
        "total.recursion.time.median=1.5",
        "time.up=12.345000",
        "time.elapsed=12.345000",
        "mem.cache.message=12345",
        "runbound.worker.events_lost=2",
        "histogram.000000.524288.to.000001.000000=0",
        "histogram.000001.000000.to.000002.000000=4",
        "num.query.type.AAAA=2",
        "num.query.type.other=1",
        "num.query.class.IN=10",
        "num.query.opcode.QUERY=10",
        "num.query.udpout=6",
        "num.answer.rcode.REFUSED=0",
        "num.answer.rcode.NOTAUTH=1",
        "xdp.interfaces=1",
        "xdp.interface.eth0.mode=native",
        "xdp.interface.eth0.bind=copy",
        "xdp.interface.eth0.redirected=40",
        "xdp.interface.eth0.passed.not_udp=7",
        "xdp.interface.eth0.answered=5",
        "xdp.interface.eth0.frames.driver=0",
        "xdp.interface.eth0.frames.lost=0",
        "xdp.interface.eth0.frames.twice=0",
        "xdp.interface.eth0.rx=40",
        "xdp.interface.eth0.rx_dropped=3",
        "xdp.interface.eth0.senseless=2",
        "xdp.interface.eth0.queue.0.rx=30",
        "xdp.interface.eth0.queue.0.watchdog=watching",
        "xdp.interface.eth0.queue.1.rx=10",
        "xdp.interface.eth0.queue.1.watchdog=tripped",
        "xdp.interface.eth0.watchdog=tripped",
        "xdp.interface.eth0.answers=off (log-queries: yes)",
        "xdp.interface.eth0.fallback=the driver has no zero copy",
    ] {
        assert!(text.lines().any(|found| found == line), "{line} in\n{text}");
    }
    assert!(!text.contains("num.query.type.A="), "zeros are left out");
}

#[test]
fn without_extended_statistics_there_are_threads_times_and_our_own() {
    let text = stats_of(&mut Fake::default(), false, true);
    assert!(text.contains("total.tcpusage=0\ntime.now="), "{text}");
    assert!(!text.contains("mem.") && !text.contains("histogram.") && !text.contains("num.query.tcp="));
    assert!(text.contains("xdp.kernel.udp.queries=0\n"));
}
