//! Which frames the program redirects, and what becomes of them in the queue.

use crate::namespace::Namespace;
use crate::pair::*;
use crate::wire::*;
use runbound::wire::{parse_udp_frame, reply_in_place};
use runbound::xdp::{Attachment, Queue, RxBatch, Verdict};
use std::net::{IpAddr, UdpSocket};

#[test]
fn only_what_is_ours_is_redirected() {
    Namespace::new("xdp-verdicts").run_test("redirect::inner_verdicts");
}

#[test]
#[ignore = "run by only_what_is_ours_is_redirected in a namespace"]
fn inner_verdicts() {
    make_pair();
    let wire = Wire::open();
    let (attachment, mut queues) = open(&options()).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(queues.len(), 1);
    let queue = &mut queues[0];
    assert!(attachment.is_attached() && has_program());

    wire.send(&query_v4());
    wait_for("a verdict before the socket is in the map", || count(&attachment, Verdict::NoSocket) == 1);
    queue.insert_into_map().expect("into the map");
    one_frame_on_trial(&attachment, queue, &wire);

    let mut redirected = 1;
    for (name, frame, verdict) in cases() {
        let before = count(&attachment, verdict);
        wire.send(&frame);
        wait_for(name, || count(&attachment, verdict) > before);
        if verdict == Verdict::Redirected {
            redirected += 1;
            assert_eq!(reply_to_one(queue, &wire), frame[6..12], "{name}");
        }
        assert_eq!(count(&attachment, Verdict::Redirected), redirected, "{name}");
    }
    all_frames_come_back(queue);
    late_answer(queue, &wire);
    flood(queue, &wire);
    assert_eq!(queue.senseless(), 0);

    addresses_can_change(&attachment, queue, &wire);
    queue.remove_from_map();
    let before = count(&attachment, Verdict::NoSocket);
    wire.send(&query_v4());
    wait_for("the kernel's turn again", || count(&attachment, Verdict::NoSocket) > before);

    drop(queues);
    assert!(has_program(), "the link is the attachment's");
    drop(attachment);
    assert!(!has_program());
}

#[test]
fn long_frames_are_the_kernels() {
    Namespace::new("xdp-long").run_test("redirect::inner_long_frames");
}

#[test]
#[ignore = "run by long_frames_are_the_kernels in a namespace"]
fn inner_long_frames() {
    make_pair();
    for end in [SERVER, CLIENT] {
        run(&["ip", "link", "set", end, "mtu", "9000"]);
    }
    run(&["ip", "address", "add", "192.0.2.1/24", "dev", SERVER]);
    let kernel = UdpSocket::bind("192.0.2.1:53").expect("a socket of the kernel's");
    kernel.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    let wire = Wire::open();
    let (attachment, mut queues) = open(&options()).unwrap_or_else(|error| panic!("{error}"));
    run(&["ip", "link", "set", CLIENT, "mtu", "9100"]);
    queues[0].insert_into_map().expect("into the map");
    one_frame_on_trial(&attachment, &mut queues[0], &wire);

    let mut buffer = [0; 9000];
    let drained = kernel.recv(&mut buffer).expect("the one that was not let through");
    assert_eq!(drained, 12);
    for (length, verdict) in [
        (1518, Verdict::Redirected),
        (1519, Verdict::IpShape),
        (3000, Verdict::IpShape),
        (5000, Verdict::IpShape),
        (9014, Verdict::IpShape),
    ] {
        let before = count(&attachment, verdict);
        wire.send(&lengthened(length));
        wait_for("a verdict", || count(&attachment, verdict) == before + 1);
        if verdict == Verdict::Redirected {
            let mut batch = RxBatch::new();
            wait_for("a frame", || queues[0].receive(&mut batch) == 1);
            let frame = batch.pop().expect("one frame");
            assert_eq!(frame.len(), length);
            queues[0].free(frame);
        } else {
            assert_eq!(kernel.recv(&mut buffer).expect("a datagram"), length - 42, "whole, and to the kernel's socket");
        }
    }
    // The frame is longer than its datagram.
    let before = count(&attachment, Verdict::IpShape);
    wire.send(&[query_v4(), vec![0; 2000]].concat());
    wait_for("a verdict", || count(&attachment, Verdict::IpShape) == before + 1);
    assert_eq!(kernel.recv(&mut buffer).expect("a datagram"), 12);
}

/// A query without a UDP checksum in a frame of so many octets.
fn lengthened(length: usize) -> Vec<u8> {
    let mut frame = query_v4();
    frame.resize(length, 0);
    let (total, udp) = ((length - 14) as u16, (length - 34) as u16);
    summed(with(with(with(frame, 16, &total.to_be_bytes()), 38, &udp.to_be_bytes()), 40, &[0, 0]))
}

/// The first frame comes; what follows is the kernel's until the gate is opened.
fn one_frame_on_trial(attachment: &Attachment, queue: &mut Queue, wire: &Wire) {
    let before = count(attachment, Verdict::NoSocket);
    wire.send(&query_v4());
    reply_to_one(queue, wire);
    wire.send(&query_v4());
    wait_for("a verdict while the gate is closed", || count(attachment, Verdict::NoSocket) == before + 1);
    assert!(!queue.has_work());
    assert_eq!(attachment.redirected(0).expect("a counter"), 1);
    queue.open_gate().expect("opened");
}

/// Answers one query in its frame, and returns to which MAC the answer came on the other end.
fn reply_to_one(queue: &mut Queue, wire: &Wire) -> [u8; 6] {
    let mut batch = RxBatch::new();
    wait_for("a frame", || queue.receive(&mut batch) == 1);
    let frame = batch.pop().expect("one frame");
    assert_eq!(queue.count().held, 1);
    let received = frame.len();
    let data = queue.data(&frame);
    let view = parse_udp_frame(&data[..received]).expect("the program let it through");
    assert_eq!((view.client().port(), view.local().port(), view.payload().len()), (1234, 53, 12));
    let start = view.payload().start;
    data[start + 2] |= 0x80;
    data[start + 12..start + 16].copy_from_slice(b"more");
    let len = reply_in_place(data, &view, 16);
    assert!(queue.transmit(frame, len));
    queue.submit();
    let reply = wire.receive_for(CLIENT_MAC);
    let view_back = parse_udp_frame(&reply).expect("our own answer");
    assert_eq!((view_back.client().port(), view_back.local().port()), (53, 1234));
    assert_eq!(&reply[view_back.payload()][12..], b"more");
    queue.reclaim();
    reply[..6].try_into().expect("six bytes")
}

fn all_frames_come_back(queue: &mut Queue) {
    wait_for("all frames at home", || {
        queue.reclaim();
        let count = queue.count();
        count.elsewhere() == 0 && count.free + count.fill == count.total
    });
}

fn late_answer(queue: &mut Queue, wire: &Wire) {
    let query = query_v4();
    let view = parse_udp_frame(&query).expect("a good query");
    let frame = queue.alloc().expect("a spare frame");
    let start = view.return_path().header_len();
    let data = queue.data(&frame);
    data[start..start + 4].copy_from_slice(b"late");
    let len = runbound::wire::write_headers(data, view.return_path(), 4);
    assert!(queue.transmit(frame, len));
    queue.submit();
    let reply = wire.receive_for(CLIENT_MAC);
    assert_eq!(&reply[start..start + 4], b"late");
    all_frames_come_back(queue);
}

/// More frames than the rings hold, good and bad ends alike: each is answered, freed or dropped by the kernel; none is
/// lost. Frames that are too long to send are refused.
fn flood(queue: &mut Queue, wire: &Wire) {
    let mut batch = RxBatch::new();
    for round in 0..2000u32 {
        wire.send(&query_v4());
        if round % 37 != 0 {
            continue;
        }
        queue.receive(&mut batch);
        for (number, frame) in batch.drain(..).enumerate() {
            match number % 3 {
                0 => queue.free(frame),
                1 => assert!(!queue.transmit(frame, 4000), "longer than the MTU"),
                _ => assert!(queue.transmit(frame, 54)),
            }
        }
        queue.submit();
        queue.reclaim();
    }
    wait_for("the RX ring runs dry", || {
        queue.receive(&mut batch);
        batch.drain(..).for_each(|frame| queue.free(frame));
        queue.reclaim();
        !queue.has_work()
    });
    all_frames_come_back(queue);
}

fn addresses_can_change(attachment: &Attachment, queue: &mut Queue, wire: &Wire) {
    let other: IpAddr = "192.0.2.7".parse().expect("address");
    attachment.put(&place("192.0.2.7", None)).expect("added");
    wire.send(&summed(with(query_v4(), 33, &[7])));
    let mut batch = RxBatch::new();
    wait_for("a frame for the new address", || queue.receive(&mut batch) == 1);
    batch.drain(..).for_each(|frame| queue.free(frame));
    attachment.put(&place("192.0.2.7", Some(10))).expect("moved");
    let before = count(attachment, Verdict::Vlan);
    wire.send(&summed(with(query_v4(), 33, &[7])));
    wait_for("the address is in a VLAN now", || count(attachment, Verdict::Vlan) > before);
    client_can_become_own(attachment, queue, wire);
    every_own_address_is_found(attachment, wire);
    attachment.remove(other).expect("removed");
    let before = count(attachment, Verdict::Address);
    wire.send(&summed(with(query_v4(), 33, &[7])));
    wait_for("the address is the kernel's again", || count(attachment, Verdict::Address) > before);
    near_addresses_can_change(attachment, queue, wire);
}

/// The first address of each family, which the program finds without a look-up, follows as those after it do; then another
/// is the first.
fn near_addresses_can_change(attachment: &Attachment, queue: &mut Queue, wire: &Wire) {
    let met = |verdict, query: &[u8]| {
        let before = count(attachment, verdict);
        wire.send(query);
        wait_for("a verdict", || count(attachment, verdict) == before + 1);
    };
    let other = [summed(with(query_v4(), 33, &[7])), with(query_v6(), 53, &[7])];
    for (query, other, near, next) in
        [(query_v4(), &other[0], "192.0.2.1", "192.0.2.7"), (query_v6(), &other[1], "2001:db8::1", "2001:db8::7")]
    {
        attachment.put(&place(near, Some(10))).expect("moved");
        met(Verdict::Vlan, &query);
        attachment.put(&place(near, None)).expect("moved back");
        met(Verdict::Redirected, &query);
        attachment.remove(near.parse().expect("address")).expect("removed");
        met(Verdict::Address, &query);
        attachment.put(&place(next, None)).expect("added");
        met(Verdict::Redirected, other);
        met(Verdict::Address, &query);
        attachment.put(&place(near, None)).expect("added");
        met(Verdict::Redirected, &query);
        met(Verdict::Redirected, other);
        attachment.remove(next.parse().expect("address")).expect("removed");
        met(Verdict::Address, other);
        met(Verdict::Redirected, &query);
        let mut batch = RxBatch::new();
        wait_for("what was redirected", || {
            queue.receive(&mut batch);
            batch.len() == 5
        });
        batch.drain(..).for_each(|frame| queue.free(frame));
    }
}

/// A source is this host's from the moment it is given the address, and a client's again when it lost it.
fn client_can_become_own(attachment: &Attachment, queue: &mut Queue, wire: &Wire) {
    for (query, client) in [(query_v4(), "192.0.2.9"), (query_v6(), "2001:db8::9")] {
        let client: IpAddr = client.parse().expect("address");
        attachment.put_own(client).expect("added");
        let before = count(attachment, Verdict::Source);
        wire.send(&query);
        wait_for("our own address as source", || count(attachment, Verdict::Source) > before);
        attachment.remove_own(client).expect("removed");
        wire.send(&query);
        let mut batch = RxBatch::new();
        wait_for("a client's frame", || queue.receive(&mut batch) == 1);
        batch.drain(..).for_each(|frame| queue.free(frame));
    }
}

/// The filter before the map of own addresses passes each of them: user space and the program mean the same bit.
fn every_own_address_is_found(attachment: &Attachment, wire: &Wire) {
    for last in 100..164u8 {
        let sources: [(IpAddr, Vec<u8>); 2] = [
            (IpAddr::from([192, 0, 2, last]), summed(with(query_v4(), 29, &[last]))),
            (IpAddr::from([0x2001, 0xdb8, 0, 0, u16::from(last), 0, 0, 9]), with(query_v6(), 31, &[last])),
        ];
        for (address, query) in sources {
            attachment.put_own(address).expect("added");
            let before = count(attachment, Verdict::Source);
            wire.send(&query);
            wait_for("an own address as source", || count(attachment, Verdict::Source) > before);
            attachment.remove_own(address).expect("removed");
        }
    }
}

/// Every kind of frame and what the program must say about it.
fn cases() -> Vec<(&'static str, Vec<u8>, Verdict)> {
    use Verdict::{Address, Checksum, IpShape, Mac, NotIp, NotUdp, Port, Redirected, Short, Source, Vlan};
    let (v4, v6) = (query_v4, query_v6);
    let mut options = with(with(v4(), 14, &[0x46]), 16, &[0, 44]);
    options.splice(34..34, [1, 1, 1, 0]);
    vec![
        ("IPv4", v4(), Redirected),
        ("IPv6", v6(), Redirected),
        ("an address of our VLAN", tagged(summed(with(v4(), 33, &[10])), 10), Redirected),
        ("an address of our VLAN without a tag", with(v4(), 33, &[10]), Vlan),
        ("an address of another interface in our VLAN", tagged(v4(), 10), Vlan),
        ("the same, IPv6", tagged(v6(), 10), Vlan),
        ("a priority tag", tagged(v4(), 0), Vlan),
        ("a priority tag to another address", tagged(with(v4(), 33, &[7]), 0), Address),
        ("a priority tag to another port", tagged(with(v4(), 36, &[0, 54]), 0), Port),
        ("a tag and nothing behind", tagged(v4(), 10)[..16].to_vec(), NotIp),
        ("don't-fragment flag", summed(with(v4(), 20, &[0x40, 0])), Redirected),
        ("padding behind", [v4(), vec![0; 6]].concat(), Redirected),
        ("another VLAN", tagged(with(v4(), 33, &[10]), 11), Vlan),
        ("two tags", tagged(tagged(v4(), 10), 10), NotIp),
        ("two tags, one of them of priority", tagged(tagged(v4(), 10), 0), NotIp),
        ("802.1ad", with(tagged(v4(), 10), 12, &[0x88, 0xa8]), NotIp),
        ("ARP", with(v4(), 12, &[0x08, 0x06]), NotIp),
        ("foreign MAC", with(v4(), 0, &[2, 9, 9, 9, 9, 9]), Mac),
        ("broadcast", with(v4(), 0, &[0xff; 6]), Mac),
        ("IPv4 options", options, IpShape),
        ("first fragment", with(v4(), 20, &[0x20, 0]), IpShape),
        ("last fragment", with(v4(), 20, &[0, 3]), IpShape),
        ("IPv6 in an IPv4 frame", with(v4(), 14, &[0x60]), IpShape),
        ("TCP", with(v4(), 23, &[6]), NotUdp),
        ("IPv6 fragment header", with(v6(), 20, &[44]), NotUdp),
        ("another address", with(v4(), 33, &[7]), Address),
        ("another IPv6 address", with(v6(), 53, &[7]), Address),
        ("another port", with(v4(), 36, &[0, 54]), Port),
        ("UDP length beyond the frame", with(v4(), 38, &[0, 200]), Short),
        ("UDP length below a DNS header", with(v4(), 38, &[0, 19]), Short),
        ("IP length below the UDP length", with(v4(), 16, &[0, 39]), Short),
        ("IP length below its header", with(v4(), 16, &[0, 19]), Short),
        ("IPv6 length below the UDP length", with(v6(), 18, &[0, 19]), Short),
        ("IPv4 without a UDP checksum", with(v4(), 40, &[0, 0]), Redirected),
        ("IPv4 from class E", summed(with(v4(), 26, &[240, 0, 0, 1])), Source),
        ("IPv4 from the host itself", summed(with(v4(), 26, &[192, 0, 2, 1])), Source),
        ("IPv4 from the network's broadcast address", summed(with(v4(), 26, &[192, 0, 2, 255])), Source),
        ("IPv4 from nobody", summed(with(v4(), 26, &[0, 0, 0, 0])), Source),
        ("IPv4 from loopback", summed(with(v4(), 26, &[127, 0, 0, 1])), Source),
        ("IPv4 from a group", summed(with(v4(), 26, &[224, 0, 0, 251])), Source),
        ("IPv4 from all", summed(with(v4(), 26, &[255; 4])), Source),
        ("from port 0", with(v4(), 34, &[0, 0]), Source),
        ("from a group's MAC", with(v4(), 6, &[3]), Source),
        ("a wrong checksum of the IPv4 header", with(v4(), 25, &[0xb8]), Checksum),
        ("no checksum of the IPv4 header", with(v4(), 24, &[0, 0]), Checksum),
        ("a TTL changed without the checksum", with(v4(), 22, &[63]), Checksum),
        ("IPv6 without a UDP checksum", with(v6(), 60, &[0, 0]), Checksum),
        ("IPv6 from the host itself", with(v6(), 37, &[1]), Source),
        ("IPv6 from nobody", with(v6(), 22, &[0; 16]), Source),
        ("IPv6 from loopback", with(v6(), 22, &[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]), Source),
        ("IPv6 from a group", with(v6(), 22, &[0xff, 2]), Source),
        ("IPv6 from a mapped address", with(v6(), 22, &[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff]), Source),
        ("IPv6 from port 0", with(v6(), 54, &[0, 0]), Source),
        ("cut behind the IP header", v4()[..36].to_vec(), Short),
    ]
}

fn count(attachment: &Attachment, verdict: Verdict) -> u64 {
    attachment.verdicts().expect("counters").get(verdict)
}
