//! EDNS options of replies.

use super::rig::{Query, answerer, query, records, wire};
use crate::answer::acl::{Access, Acl};
use crate::answer::cache::Answer;
use crate::answer::decide::{Answerer, Given, Via};
use crate::answer::keepalive::Keepalive;
use crate::answer::policy::Policy;
use crate::dns::cause::{Cause, Why};
use crate::dns::header::{self, flag};
use crate::dns::{edns, rcode, rtype};

const NSID: &[u8] = &[0, 3, 0, 4, b'n', b's', b'1', b'.'];

fn named() -> Answerer {
    answerer(|policy: &mut Policy| policy.nsid = Some(NSID.into()))
}

/// The options of a reply's OPT record, which stands last; `None`: it has none.
fn options(message: &[u8]) -> Option<Vec<u8>> {
    let last = records(message).pop()?;
    (last.2 == rtype::OPT).then_some(last.4)
}

#[test]
fn who_asks_for_nsid_is_told_it_wherever_the_answer_is_from() {
    let mut answerer = named();
    for name in ["many.static.test", "none.static.test", "x.null.test"] {
        let asked = query(name, rtype::A).edns(1232, 0).nsid();
        assert_eq!(options(&asked.ask(&mut answerer, None).message()).as_deref(), Some(NSID), "{name}");
    }
    let asked = query("www.example", rtype::A).edns(1232, 0).nsid();
    let (name, hash, key) = asked.ask(&mut answerer, None).missed();
    let body = [&[0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4][..], &[192, 0, 2, 1]].concat();
    let answer = Answer::new(rcode::NOERROR, [1, 0, 0], &body);
    let late = asked.ask(&mut answerer, Some(Given { name: Some(&name), answer, waited: 7, error: None })).message();
    assert_eq!(options(&late).as_deref(), Some(NSID), "an answer from upstream");
    answerer.cache().put(&name, hash, key, answer, 1, 60);
    let cached = Query { ahead: true, ..asked }.ask(&mut answerer, None).message();
    assert_eq!((options(&cached).as_deref(), header::counts(&cached)), (Some(NSID), [1, 1, 0, 1]));
    let mut stream = query("many.static.test", rtype::A).edns(1232, 0).nsid();
    stream.via = Via::Stream;
    assert_eq!(options(&stream.ask(&mut answerer, None).message()).as_deref(), Some(NSID));
}

#[test]
fn nobody_else_is_told_nsid() {
    let plain = query("x.null.test", rtype::A);
    assert_eq!(options(&plain.ask(&mut named(), None).message()), None);
    let with_edns = query("x.null.test", rtype::A).edns(1232, 0);
    assert_eq!(options(&with_edns.ask(&mut named(), None).message()), Some(Vec::new()));
    let unnamed = query("x.null.test", rtype::A).edns(1232, 0).nsid();
    assert_eq!(options(&unnamed.ask(&mut answerer(|_| {}), None).message()), Some(Vec::new()));
    let version = query("x.null.test", rtype::A).edns(1232, 1).nsid();
    assert_eq!(options(&version.ask(&mut named(), None).message()), Some(Vec::new()), "BADVERS");
}

#[test]
fn nsid_counts_in_the_length_of_a_reply() {
    let asked = query("many.static.test", rtype::A).edns(700, 0);
    let whole = asked.ask(&mut named(), None).message();
    assert_eq!(header::flags(&whole) & flag::TC, 0);
    let room = whole.len() as u16 + NSID.len() as u16;
    for (size, fits) in [(room, true), (room - 1, false)] {
        let asked = query("many.static.test", rtype::A).edns(size, 0).nsid();
        let reply = asked.ask(&mut named(), None).message();
        assert!(reply.len() <= usize::from(size));
        assert_eq!((header::flags(&reply) & flag::TC == 0, options(&reply).as_deref()), (fits, Some(NSID)), "{size}");
    }
    let long = [&[0, 3, 2, 0][..], &[9; 512]].concat();
    let mut answerer = answerer(|policy| policy.nsid = Some(long.into()));
    let reply = query("x.null.test", rtype::A).edns(512, 0).nsid().ask(&mut answerer, None).message();
    let end = header::LEN + wire("x.null.test").len() + 4;
    assert_eq!((header::counts(&reply), options(&reply)), ([1, 1, 0, 0], None), "no room for OPT, as with Unbound");
    assert_eq!(reply.len(), end + 16);
    assert!(reply.len() + edns::LEN <= 512);
}

/// What `ede: yes` adds to the reply, by a policy that has it.
fn told(asked: &Query, given: Option<Given<'_>>) -> Option<Vec<u8>> {
    options(&asked.ask(&mut answerer(|policy| policy.ede = true), given).message())
}

fn error(code: u8) -> Vec<u8> {
    vec![0, 15, 0, 2, 0, code]
}

#[test]
fn refusals_say_why() {
    let with_edns = |name| query(name, rtype::A).edns(1232, 0);
    let mut not_local = with_edns("www.example");
    not_local.client.set_ip([10, 1, 0, 1].into());
    assert_eq!(told(&not_local, None), Some(error(18)));
    let mut stranger = with_edns("x.null.test");
    stranger.client.set_ip([192, 0, 2, 1].into());
    assert_eq!(told(&stranger, None), Some(error(18)));
    let mut snoop = with_edns("www.example");
    snoop.message[2] = 0;
    assert_eq!(told(&snoop, None), Some(error(20)));
    for refused in [&not_local, &stranger, &snoop] {
        let reply = refused.ask(&mut answerer(|_| {}), None).message();
        assert_eq!((header::flags(&reply) & 0xf, options(&reply)), (rcode::REFUSED, Some(Vec::new())), "ede: no");
    }
    snoop = query("www.example", rtype::A);
    snoop.message[2] = 0;
    assert_eq!(told(&snoop, None), None, "without EDNS there is no place for it");
    for local in ["none.static.test", "x.null.test"] {
        assert_eq!(told(&with_edns(local), None), Some(Vec::new()), "{local}: an answer, as with Unbound");
    }
}

#[test]
fn who_needs_a_cookie_is_told_so_whatever_ede_says() {
    let asked = query("www.example", rtype::A).edns(1232, 0);
    for ede in [false, true] {
        let mut answerer = answerer(|policy: &mut Policy| {
            policy.acl = Acl::new(&[("127.0.0.0".parse().unwrap(), 8, Access::AllowCookie)]);
            policy.ede = ede;
        });
        let words = b"DNS Cookie needed for UDP replies";
        let wanted = [&[0, 15, 0, 2 + words.len() as u8, 0, 0][..], words].concat();
        assert_eq!(options(&asked.ask(&mut answerer, None).message()), Some(wanted), "ede: {ede}");
    }
}

#[test]
fn a_failure_says_why_and_a_kept_one_that_it_was_kept() {
    let mut answerer = answerer(|policy| (policy.ede, policy.nsid) = (true, Some(NSID.into())));
    let asked = query("www.example", rtype::A).edns(1232, 0).nsid();
    let (name, hash, key) = asked.ask(&mut answerer, None).missed();
    let answer = Answer::new(rcode::SERVFAIL, [0; 3], &[]);
    for (cause, code) in [
        (Why::Silence, Some(22)),
        (Why::NoServer, Some(22)),
        (Why::NoZone, Some(22)),
        (Why::Network, Some(23)),
        (Why::Rcode, None),
    ] {
        let given = Given { name: Some(&name), answer, waited: 7, error: Cause::new(cause).extended_error() };
        let late = asked.ask(&mut answerer, Some(given)).message();
        let wanted = [NSID, &code.map(error).unwrap_or_default()].concat();
        assert_eq!(options(&late), Some(wanted), "{cause:?}");
    }
    for (cause, words) in
        [(Why::Useless, "the servers' replies"), (Why::Rate, "exceeded ratelimit"), (Why::Aliases, "more aliases")]
    {
        let given = Given { name: Some(&name), answer, waited: 7, error: Cause::new(cause).extended_error() };
        let told = options(&asked.ask(&mut answerer, Some(given)).message()).unwrap();
        let told = &told[NSID.len() + edns::OPTION..];
        assert!(told.starts_with(&[&[0, 0], words.as_bytes()].concat()), "{cause:?}: {told:?}");
    }
    answerer.cache().put(&name, hash, key, answer, 1, 5);
    assert_eq!(options(&asked.ask(&mut answerer, None).message()), Some([NSID, &error(13)].concat()));
}

#[test]
fn an_extended_error_takes_no_room_from_an_answer() {
    let end = header::LEN + wire("www.example").len() + 4;
    // What is left behind the option NSID of these octets has no room for another option.
    let fill = 512 - end - edns::LEN - edns::OPTION - 5;
    let nsid = [&[0, 3, (fill >> 8) as u8, fill as u8][..], &vec![9; fill]].concat();
    let mut tight = answerer(|policy| (policy.ede, policy.nsid) = (true, Some(nsid.clone().into())));
    let mut snoop = query("www.example", rtype::A).edns(512, 0).nsid();
    snoop.message[2] = 0;
    assert_eq!(options(&snoop.ask(&mut tight, None).message()), Some(nsid));
}

#[test]
fn who_asks_over_a_stream_is_told_for_how_long_it_may_be_idle() {
    const NSID_AND_KEEPALIVE: &[u8] = &[0, 3, 0, 4, b'n', b's', b'1', b'.', 0, 11, 0, 2, 1, 44];
    let mut answerer = named();
    let mut asked = query("many.static.test", rtype::A).edns(1232, 0).nsid();
    (asked.via, asked.keepalive) = (Via::Stream, Keepalive::Timeout(300));
    assert_eq!(options(&asked.ask(&mut answerer, None).message()).as_deref(), Some(NSID_AND_KEEPALIVE));
    let plain = Query { keepalive: Keepalive::Timeout(300), ..query("many.static.test", rtype::A) };
    assert_eq!(options(&plain.ask(&mut answerer, None).message()), None, "without EDNS");
    let bad = Query { keepalive: Keepalive::Malformed, ..asked };
    let reply = bad.ask(&mut answerer, None).message();
    assert_eq!((header::flags(&reply) & 0xf, header::counts(&reply)[1]), (rcode::FORMERR, 0));
}
