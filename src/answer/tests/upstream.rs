//! What is asked of others, and answered by what they say and from the cache.

use super::rig::{answerer, query, records, wire};
use crate::answer::cache::Answer;
use crate::answer::decide::Given;
use crate::dns::body::{BodyWriter, Fixed};
use crate::dns::header::{self, flag};
use crate::dns::{class, rcode, rtype};

/// An answer of one address, whose body is in `message`.
fn address_of<'m>(owner: &[u8], message: &'m mut [u8]) -> Answer<'m> {
    let mut writer = BodyWriter::new(message, owner).unwrap();
    let fixed = Fixed { rtype: rtype::A, class: class::IN, ttl: 300 };
    writer.push(0, owner, fixed, &[192, 0, 2, 1], true).unwrap();
    let (counts, place) = writer.finish();
    Answer::new(0, counts, &message[place])
}

#[test]
fn misses_are_answered_from_upstream_and_cache() {
    let mut answerer = answerer(|_| {});
    let asked = query("www.Example", rtype::A);
    let (name, hash, key) = asked.ask(&mut answerer, None).missed();
    assert_eq!(name, wire("www.example"));
    let mut message = [0; 512];
    let answer = address_of(&wire("www.example"), &mut message);
    let given = asked.ask(&mut answerer, Some(Given { name: Some(&name), answer, waited: 7, error: None })).message();
    answerer.cache().put(&name, hash, key, answer, 0, 300);
    let cached = asked.ask(&mut answerer, None).message();
    assert_eq!(records(&given)[0].3, 300);
    assert_eq!(records(&cached)[0].3, 299);
    assert_eq!(header::flags(&cached), flag::QR | flag::RD | flag::RA);
}

#[test]
fn redirect_aliases_lead_the_answer() {
    let mut answerer = answerer(|_| {});
    for (name, target) in [("www.alias.test", "target.example"), ("www.wild.test", "www.wild.test.sink.example")] {
        let asked = query(name, rtype::A);
        assert_eq!(asked.ask(&mut answerer, None).missed().0, wire(target));
        let mut message = [0; 512];
        let answer = address_of(&wire(target), &mut message);
        let wanted = wire(target);
        let reply =
            asked.ask(&mut answerer, Some(Given { name: Some(&wanted), answer, waited: 7, error: None })).message();
        let other = asked
            .ask(&mut answerer, Some(Given { name: Some(&wire("other")), answer, waited: 7, error: None }))
            .message();
        assert_eq!((header::flags(&other) & 0xf, header::counts(&other)[1]), (rcode::SERVFAIL, 0), "not its body");
        let found = records(&reply);
        assert_eq!((found[0].1.as_str(), found[0].2, &found[0].4), (&*format!("{name}."), rtype::CNAME, &wire(target)));
        assert_eq!((found[1].1.as_str(), found[1].2), (&*format!("{target}."), rtype::A));
        assert_eq!(header::flags(&reply) & flag::AA, flag::AA);
    }
}
