use super::*;
use crate::dns::{class, rtype};

fn fixed(rtype: u16) -> Fixed {
    Fixed { rtype, class: class::IN, ttl: 300 }
}

fn wire(text: &str) -> Vec<u8> {
    Name::from_text(text).unwrap().as_wire().to_vec()
}

#[test]
fn names_point_to_question_and_chain() {
    let mut message = [0u8; 512];
    let mut writer = BodyWriter::new(&mut message, &wire("www.example.com")).unwrap();
    let target = wire("web.example.com");
    writer.push(0, &wire("WWW.example.com"), fixed(rtype::CNAME), &target, true).unwrap();
    writer.push(0, &target, fixed(rtype::A), &[1, 2, 3, 4], false).unwrap();
    writer.push(0, &target, fixed(rtype::A), &[1, 2, 3, 5], false).unwrap();
    let (counts, place) = writer.finish();
    assert_eq!(counts, [3, 0, 0]);
    let body = &message[place.clone()];
    assert_eq!(&body[..2], b"\xc0\x0c");
    assert_eq!(&body[12..18], b"\x03web\xc0\x10");
    assert_eq!(body.len(), 18 + 16 + 16);
    let spans: Vec<_> = rrsets(body, counts).collect();
    assert_eq!(spans.len(), 2);
    assert_eq!((spans[1].records, spans[1].octets.clone()), (2, 18..50));
    let mut seen = Vec::new();
    for_each_record(&message, place.start, counts, |_, owner, _, data| {
        seen.push((owner.to_string(), data.to_vec()));
        Some(())
    })
    .unwrap();
    assert_eq!(seen[0], ("www.example.com.".into(), target));
    assert_eq!(seen[2], ("web.example.com.".into(), vec![1, 2, 3, 5]));
}

#[test]
fn records_of_two_classes_are_two_rrsets() {
    let mut message = [0u8; 512];
    let mut writer = BodyWriter::new(&mut message, &wire("example.com")).unwrap();
    for class in [class::IN, class::CH] {
        let fixed = Fixed { class, ..fixed(rtype::A) };
        writer.push(0, &wire("example.com"), fixed, &[1, 2, 3, 4], true).unwrap();
    }
    let (counts, place) = writer.finish();
    assert_eq!(rrsets(&message[place], counts).count(), 2, "so that none of them rotates");
}

#[test]
fn nothing_points_into_an_rrset_of_several() {
    let mut message = [0u8; 512];
    let mut writer = BodyWriter::new(&mut message, &wire("example.com")).unwrap();
    for host in ["a.other.net", "b.other.net"] {
        let mut data = vec![0, 10];
        data.extend(wire(host));
        writer.push(0, &wire("example.com"), fixed(rtype::MX), &data, false).unwrap();
    }
    let (_, place) = writer.finish();
    let second = Record::at(&message, place.start + 12 + 2 + 13).unwrap();
    assert_eq!(second.rdata.len(), 2 + 13, "written in full, not pointing at the first");
}

#[test]
fn two_said_to_be_single_are_still_one_rrset() {
    let mut message = [0u8; 512];
    let mut writer = BodyWriter::new(&mut message, &wire("example.com")).unwrap();
    for (preference, host) in [(10, "a.other.net"), (20, "b.other.net"), (30, "c.other.net")] {
        let mut data = vec![0, preference];
        data.extend(wire(host));
        writer.push(0, &wire("elsewhere.org"), fixed(rtype::MX), &data, true).unwrap();
    }
    let (counts, place) = writer.finish();
    let span = rrsets(&message[place.clone()], counts).next().unwrap();
    assert_eq!(span.records, 3, "one set, all owners and names in full");
    assert_eq!(span.octets.len(), 3 * (15 + FIXED + 2 + 13));
}

#[test]
fn what_does_not_fit_leaves_no_trace() {
    let mut message = [0u8; 12 + 13 + 4 + 16];
    let mut writer = BodyWriter::new(&mut message, &wire("example.com")).unwrap();
    writer.push(0, &wire("example.com"), fixed(rtype::A), &[1, 2, 3, 4], false).unwrap();
    assert!(writer.push(0, &wire("example.com"), fixed(rtype::A), &[1, 2, 3, 5], false).is_none());
    let (counts, place) = writer.finish();
    assert_eq!((counts, place.len()), ([1, 0, 0], 16));
}

#[test]
fn ttls_age_and_do_not_wrap() {
    let mut message = [0u8; 128];
    let mut writer = BodyWriter::new(&mut message, &wire("a")).unwrap();
    writer.push(0, &wire("a"), fixed(rtype::A), &[1, 2, 3, 4], true).unwrap();
    let (counts, place) = writer.finish();
    let body = &mut message[place];
    age(body, 1, 100);
    assert_eq!((Record::at(body, 0).unwrap().ttl, counts), (200, [1, 0, 0]));
    age(body, 1, 1000);
    assert_eq!(Record::at(body, 0).unwrap().ttl, 0);
}

proptest::proptest! {
    #[test]
    fn any_octets_are_safe(mut octets: Vec<u8>, an in 0u16..4, ns in 0u16..4) {
        let counts = [an, ns, 1];
        let _ = rrsets(&octets, counts).count();
        let _ = for_each_record(&octets, 0, counts, |_, _, _, _| Some(()));
        age(&mut octets, 9, 5);
    }
}
