use super::*;
use crate::resolve::tests::world::ScriptWorld;

const SOURCE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));
const NOW: Duration = Duration::from_secs(1);
/// Another than the default of infra-host-ttl.
const MEMORY: Duration = Duration::from_secs(70);

/// What the next query carries, without code and length.
fn sent(cookies: &mut Cookies, source: IpAddr, world: &mut ScriptWorld) -> Vec<u8> {
    cookies.option(source, world).map_or(Vec::new(), |(option, _)| option[edns::OPTION..].to_vec())
}

#[test]
fn each_address_of_ours_has_a_cookie_of_its_own_and_what_the_server_gave_for_it() {
    let (mut cookies, mut world) = (Cookies::new(MEMORY), ScriptWorld::new());
    let others: Vec<IpAddr> = (2..=4).map(|last| IpAddr::from([192, 0, 2, last])).collect();
    let first = sent(&mut cookies, SOURCE, &mut world);
    assert_eq!((first.len(), sent(&mut cookies, SOURCE, &mut world) == first), (CLIENT, true));
    for &other in &others {
        assert_ne!(sent(&mut cookies, other, &mut world), first);
    }
    let whole = [&first[..], &[7; 32]].concat();
    assert_eq!(cookies.heard(others[0], Some(&whole), 0, NOW), Heard::Forged, "that is another's");
    assert_eq!(cookies.heard(SOURCE, Some(&whole), 0, NOW), Heard::Fine);
    assert_eq!(sent(&mut cookies, SOURCE, &mut world), whole);
    assert_eq!(sent(&mut cookies, others[0], &mut world).len(), CLIENT);
    for len in (0..CLIENT).chain([CLIENT + 1, CLIENT + 7, CLIENT + 33]) {
        let heard = cookies.heard(SOURCE, Some(&[&first[..], &[9; 33]].concat()[..len]), 0, NOW);
        assert_eq!(heard, if len < CLIENT { Heard::Forged } else { Heard::Fine }, "{len}");
        assert_eq!(sent(&mut cookies, SOURCE, &mut world), whole, "no server cookie is that long");
    }
    (5..=5 + SOURCES as u8)
        .for_each(|last| assert_eq!(sent(&mut cookies, [192, 0, 2, last].into(), &mut world).len(), 8));
    assert_eq!(cookies.known.len(), SOURCES);
    assert_eq!(cookies.heard(SOURCE, Some(&whole), 0, NOW), Heard::Fine, "nothing is there to compare it with");
    world.draws = 3;
    assert_eq!(cookies.option(SOURCE, &mut world), None, "no predictable one");
}

#[test]
fn a_server_that_did_cookies_is_believed_to_do_none_after_many_replies_without_and_after_a_while() {
    for late in [false, true] {
        let (mut cookies, mut world) = (Cookies::new(MEMORY), ScriptWorld::new());
        let whole = [sent(&mut cookies, SOURCE, &mut world), vec![7; 8]].concat();
        assert_eq!(cookies.heard(SOURCE, Some(&whole), rcode::BADCOOKIE, NOW), Heard::Outdated);
        let now = if late { NOW + MEMORY } else { NOW };
        let mut bare = (1..=BARE).map(|_| cookies.heard(SOURCE, None, 0, now));
        if !late {
            assert!((1..BARE).all(|_| bare.next() == Some(Heard::Bare)));
        }
        assert_eq!(bare.next(), Some(Heard::Fine));
        assert!(!cookies.may_be_sent(false, now) && cookies.may_be_sent(false, now + MEMORY));
        assert_ne!(sent(&mut cookies, SOURCE, &mut world), whole[..CLIENT], "and then by another cookie");
    }
}

#[test]
fn what_a_server_makes_of_cookies_is_learnt_from_its_answers_alone() {
    for (code, may) in
        [(rcode::NOERROR, false), (rcode::NXDOMAIN, false), (rcode::SERVFAIL, true), (rcode::FORMERR, false)]
    {
        let mut cookies = Cookies::new(MEMORY);
        let heard = cookies.heard(SOURCE, None, code, NOW);
        assert_eq!(heard, if code == rcode::FORMERR { Heard::Refused } else { Heard::Fine });
        assert_eq!(cookies.may_be_sent(false, NOW), may, "{code}");
    }
    let mut cookies = Cookies::new(MEMORY);
    assert!(cookies.may_be_sent(false, NOW) && !cookies.may_be_sent(true, NOW));
    cookies.heard_without(NOW);
    assert!(!cookies.may_be_sent(false, NOW));
}

#[test]
fn the_option_is_found_wherever_it_stands() {
    let mut message = b"\0\0\x81\x87\0\x01\0\x01\0\0\0\x01\x01a\0\0\x01\0\x01".to_vec();
    message.extend_from_slice(b"\xc0\x0c\0\x01\0\x01\0\0\0\x3c\0\x04\x01\x02\x03\x04");
    message.extend_from_slice(b"\0\0\x29\x04\xd0\x01\0\0\0\0\x0f\0\x03\0\x03abc\0\x0a\0\x04wxyz");
    assert_eq!(read(&message), (Some(&b"wxyz"[..]), rcode::BADCOOKIE));
    for len in header::LEN..message.len() {
        assert_eq!(read(&message[..len]), (None, 7), "cut at {len}");
    }
}

proptest::proptest! {
    #[test]
    fn any_octets_are_safe(octets in proptest::collection::vec(proptest::num::u8::ANY, header::LEN..120)) {
        read(&octets);
        let _ = cookie_in(&octets);
        Cookies::new(MEMORY).heard(SOURCE, Some(&octets), 0, NOW);
    }
}
