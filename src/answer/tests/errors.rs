//! Who and what is refused, and what such a reply carries.

use super::rig::{Reply, answerer, query};
use crate::answer::acl::{Access, Acl};
use crate::answer::decide::{Answerer, Via};
use crate::dns::header::{self, flag};
use crate::dns::{edns, rcode, rtype};

#[test]
fn access_decides_first() {
    let mut answerer = answerer(|_| {});
    let mut asked = query("many.static.test", rtype::MX);
    asked.client = "10.0.0.1:1".parse().unwrap();
    assert_eq!(asked.ask(&mut answerer, None), Reply::Dropped);
    asked.client = "192.0.2.1:1".parse().unwrap();
    let refused = asked.ask(&mut answerer, None).message();
    assert_eq!((refused.len(), header::flags(&refused) & 0xf), (asked.message.len(), rcode::REFUSED));
    asked.client = "10.1.0.1:1".parse().unwrap();
    assert_eq!(header::flags(&asked.ask(&mut answerer, None).message()) & 0xf, rcode::NOERROR, "local data");
    let mut asked = query("elsewhere.example", rtype::A);
    asked.client = "10.1.0.1:1".parse().unwrap();
    assert_eq!(header::flags(&asked.ask(&mut answerer, None).message()) & 0xf, rcode::REFUSED);
}

#[test]
fn cookie_clients_without_one_are_sent_to_tcp() {
    let mut answerer = answerer(|policy| {
        policy.acl = Acl::new(&[("127.0.0.0".parse().unwrap(), 8, Access::AllowCookie)]);
    });
    let mut asked = query("many.static.test", rtype::MX);
    let flags = header::flags(&asked.ask(&mut answerer, None).message());
    assert_eq!((flags & 0xf, flags & flag::TC), (rcode::REFUSED, flag::TC));
    asked.via = Via::Stream;
    assert_eq!(header::flags(&asked.ask(&mut answerer, None).message()) & 0xf, rcode::NOERROR);
}

#[test]
fn odd_queries_get_what_unbound_gives() {
    let mut answerer = answerer(|_| {});
    let code = |answerer: &mut Answerer, change: &dyn Fn(&mut Vec<u8>)| {
        let mut asked = query("www.example", rtype::A);
        change(&mut asked.message);
        match asked.ask(answerer, None) {
            Reply::Message(message) => Some(header::flags(&message) & 0xf),
            Reply::Dropped => None,
            Reply::Missed { .. } => Some(99),
        }
    };
    for (what, change, wanted) in [
        ("plain", &(|_: &mut Vec<u8>| {}) as &dyn Fn(&mut Vec<u8>), Some(99)),
        ("short", &|m| m.truncate(11), None),
        ("header only", &|m| m.truncate(12), Some(rcode::FORMERR)),
        ("response", &|m| m[2] |= 0x80, None),
        ("TC", &|m| m[2] |= 0x02, Some(rcode::FORMERR)),
        ("status opcode", &|m| m[2] |= 0x10, Some(rcode::NOTIMP)),
        ("update", &|m| m[2] |= 0x28, Some(rcode::NOTIMP)),
        ("no question", &|m| m[5] = 0, Some(rcode::FORMERR)),
        ("two questions", &|m| m[5] = 2, Some(rcode::FORMERR)),
        ("answer", &|m| m[7] = 1, Some(rcode::FORMERR)),
        ("authority", &|m| m[9] = 1, Some(rcode::FORMERR)),
        ("two additional", &|m| m[11] = 2, Some(rcode::FORMERR)),
        ("additional missing", &|m| m[11] = 1, Some(rcode::FORMERR)),
        ("compressed", &|m| m[12] = 0xc0, Some(rcode::FORMERR)),
        ("label of 64", &|m| m[12] = 64, Some(rcode::FORMERR)),
        ("cut in the name", &|m| m.truncate(15), Some(rcode::FORMERR)),
        ("AXFR", &|m| m[26] = 252, Some(rcode::REFUSED)),
        ("OPT as type", &|m| m[26] = 41, Some(rcode::FORMERR)),
        ("class CH", &|m| m[28] = 3, Some(rcode::REFUSED)),
        ("no RD", &|m| m[2] = 0, Some(rcode::REFUSED)),
        ("trailing octets", &|m| m.extend_from_slice(b"garbage"), Some(99)),
    ] {
        assert_eq!(code(&mut answerer, change), wanted, "{what}");
    }
    let bad = query("www.example", rtype::A).edns(1232, 1).ask(&mut answerer, None).message();
    assert_eq!((header::flags(&bad) & 0xf, bad[bad.len() - 6]), (0, 1), "BADVERS, upper bits in OPT");
}

#[test]
fn errors_are_limited() {
    let mut answerer = answerer(|_| {});
    let mut asked = query("www.example", rtype::A);
    asked.message[5] = 0;
    let replies = (0..500).filter(|_| asked.ask(&mut answerer, None) != Reply::Dropped).count();
    assert_eq!(replies, 100);
    assert_eq!(answerer.stats.outcomes.errors_limited.get(), 400);
    for (limit, wanted) in [(7, 7), (0, 500)] {
        let mut answerer = self::answerer(|policy| policy.error_ratelimit = limit);
        let replies = (0..500).filter(|_| asked.ask(&mut answerer, None) != Reply::Dropped).count();
        assert_eq!(replies, wanted, "error-ratelimit: {limit}");
    }
}

/// What a reply carries: RCODE, flags, question, OPT record.
fn carried(message: &[u8]) -> (u16, u16, &[u8], Option<&[u8]>) {
    let flags = header::flags(message);
    let [questions, answers, authorities, additionals] = header::counts(message);
    assert_eq!((answers, authorities), (0, 0));
    let opt = message.len() - usize::from(additionals) * edns::LEN;
    let question = &message[header::LEN..opt];
    assert_eq!(usize::from(questions), usize::from(!question.is_empty()));
    (flags & 0xf, flags & !0xf, question, (additionals == 1).then(|| &message[opt..]))
}

#[test]
fn error_replies_carry_question_and_opt() {
    let mut answerer = answerer(|_| {});
    let good = query("www.example", rtype::A).edns(4096, 0);
    let question = good.message[header::LEN..good.message.len() - edns::LEN].to_vec();
    let opt = |flags: u16| {
        let mut octets = [0; edns::LEN];
        edns::write(&mut octets, 0, 1232, 0, flags);
        octets
    };
    let (with_do, rd) = (opt(edns::DO), flag::QR | flag::RA | flag::RD);
    type Change<'a> = &'a dyn Fn(&mut Vec<u8>);
    let cases: [(&str, Change<'_>, u16, bool, bool); 12] = [
        ("AXFR", &|m| m[26] = 252, rcode::REFUSED, true, true),
        ("IXFR", &|m| m[26] = 251, rcode::REFUSED, true, true),
        ("MAILA", &|m| m[26] = 254, rcode::FORMERR, true, true),
        ("TC", &|m| m[2] |= 2, rcode::FORMERR, true, true),
        ("UPDATE", &|m| m[2] |= 5 << 3, rcode::NOTIMP, true, true),
        (
            "OPT twice",
            &|m| {
                m[11] = 2;
                m.extend_from_within(m.len() - edns::LEN..)
            },
            rcode::FORMERR,
            true,
            true,
        ),
        ("OPT counted as an answer", &|m| (m[7], m[11]) = (1, 0), rcode::FORMERR, true, false),
        (
            "no question",
            &|m| {
                m[5] = 0;
                m.drain(header::LEN..m.len() - edns::LEN);
            },
            rcode::FORMERR,
            false,
            true,
        ),
        (
            "two questions",
            &|m| {
                m[5] = 2;
                let copy = m[12..29].to_vec();
                m.splice(12..12, copy);
            },
            rcode::FORMERR,
            false,
            true,
        ),
        ("label of 64", &|m| m[12] = 64, rcode::FORMERR, false, false),
        ("OPT cut off", &|m| m.truncate(m.len() - 1), rcode::FORMERR, true, false),
        ("a thousand records", &|m| m[10] = 4, rcode::FORMERR, true, true),
    ];
    for (what, change, code, has_question, has_opt) in cases {
        let mut asked = query("www.example", rtype::A).edns(4096, 0);
        change(&mut asked.message);
        let changed = asked.message[header::LEN..][..question.len().min(asked.message.len() - header::LEN)].to_vec();
        let reply = asked.ask(&mut answerer, None).message();
        let (got, flags, question, opt) = carried(&reply);
        assert_eq!((got, question.is_empty(), opt.is_some()), (code, !has_question, has_opt), "{what}");
        assert!(question.is_empty() || question == changed, "{what}");
        assert!(opt.is_none_or(|opt| opt == with_do), "{what}");
        // Where no question can be read, nothing is said of recursion.
        let unsaid = if has_question { 0 } else { flag::RA };
        assert_eq!(flags, (rd & !unsaid) | header::flags(&asked.message) & header::OPCODE_BITS, "{what}");
    }
    let mut plain = query("www.example", rtype::A);
    plain.message[26] = 252;
    assert_eq!(carried(&plain.ask(&mut answerer, None).message()).3, None, "no OPT unasked");
}

#[test]
fn refused_clients_get_question_and_opt() {
    for access in [Access::Refuse, Access::RefuseNonLocal] {
        let mut answerer = answerer(|policy| policy.acl = Acl::new(&[("127.0.0.0".parse().unwrap(), 8, access)]));
        let reply = query("www.example", rtype::A).edns(4096, 0).ask(&mut answerer, None).message();
        let (code, _, question, opt) = carried(&reply);
        assert_eq!((code, question.len(), opt.is_some()), (rcode::REFUSED, 17, true), "{access:?}");
    }
}
