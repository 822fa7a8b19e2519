//! The examples of RFC 4035 appendix B and of RFC 5155 appendix B, and what RFC 6840 section 4 forbids.

use super::chains::{Record, bitmap, hash, with_sets};
use crate::dns::name::Name;
use crate::dns::rtype::{A, AAAA, CNAME, DNAME, DNSKEY, DS, MX, NS, NSEC, NSEC3, NSEC3PARAM, RRSIG, SOA};
use crate::validate::hash::{from_label, to_label};
use crate::validate::{Budget, Denial, Flaw, Negative, NoDs, Proof};

const INSECURE: Proof = Proof::Insecure(Flaw::None);
const WRONG: Proof = Proof::Bogus(Flaw::DenialWrong);

/// `name` below example., or that itself.
fn wire(name: &str) -> Vec<u8> {
    let text = if name == "@" { "example".to_owned() } else { format!("{name}.example") };
    Name::from_text(&text).unwrap().as_wire().to_vec()
}

fn nsec(owner: &str, next: &str, types: &[u16]) -> Record {
    let types = types.iter().copied().chain([RRSIG, NSEC]);
    Record { owner: wire(owner), rtype: NSEC, data: [wire(next), bitmap(types)].concat() }
}

fn nsec3(owner: &str, next: &str, types: &[u16]) -> Record {
    let front = [1, 1, 0, 12, 4, 0xaa, 0xbb, 0xcc, 0xdd, 20];
    let next = from_label(next.as_bytes()).unwrap();
    let data = [&front[..], &next, &bitmap(types.iter().copied())].concat();
    Record { owner: wire(owner), rtype: NSEC3, data }
}

fn without_opt_out(mut record: Record) -> Record {
    record.data[1] = 0;
    record
}

fn prove<T>(records: &[Record], ask: impl FnOnce(&mut Denial<'_>, &mut Budget) -> T) -> T {
    with_sets(records, |sets| ask(&mut Denial::new(&wire("@"), sets, 150), &mut Budget::new(0, 100)))
}

fn name_error(records: &[Record], name: &str) -> Proof {
    prove(records, |denial, budget| denial.name_error(&wire(name), budget))
}

fn no_data(records: &[Record], name: &str, qtype: u16) -> Proof {
    prove(records, |denial, budget| denial.no_data(&wire(name), qtype, budget))
}

fn expanded(records: &[Record], name: &str, labels: u8) -> Proof {
    prove(records, |denial, budget| denial.expanded(&wire(name), labels, budget))
}

fn no_ds(records: &[Record], name: &str) -> NoDs {
    prove(records, |denial, budget| denial.no_ds(&wire(name), budget))
}

#[test]
fn responses_of_rfc_4035() {
    let apex = nsec("@", "a", &[NS, SOA, MX, DNSKEY]);
    let b = nsec("b", "ns1", &[NS]);
    let x_y_w = nsec("x.y.w", "xx", &[MX]);
    let wildcard = nsec("*.w", "x.w", &[MX]);
    // B.2: name error, B.3: no data.
    assert_eq!(name_error(&[b.clone(), apex.clone()], "ML"), Proof::Secure);
    assert_eq!(name_error(std::slice::from_ref(&b), "ml"), WRONG);
    assert_eq!(no_data(&[nsec("ns1", "ns2", &[A])], "ns1", MX), Proof::Secure);
    // B.5: referral to an unsigned zone; what lies there has no proof.
    assert_eq!(no_ds(std::slice::from_ref(&b), "b"), NoDs::Insecure(Flaw::None));
    assert_eq!(no_data(std::slice::from_ref(&b), "mc.b", MX), INSECURE);
    // B.6: a wildcard expanded. B.7: a wildcard without the type.
    assert_eq!(expanded(std::slice::from_ref(&x_y_w), "a.z.w", 2), Proof::Secure);
    assert_eq!(expanded(std::slice::from_ref(&x_y_w), "a.z.w", 1), WRONG);
    assert_eq!(no_data(&[x_y_w.clone(), wildcard.clone()], "a.z.w", AAAA), Proof::Secure);
    assert_eq!(no_data(&[x_y_w, wildcard], "a.z.w", MX), WRONG);
    // B.8: DS asked of the child.
    assert_eq!(no_data(std::slice::from_ref(&apex), "@", DS), WRONG);
    assert_eq!(no_data(&[apex], "@", AAAA), Proof::Secure);
}

#[test]
fn responses_of_rfc_5155() {
    let apex = nsec3(
        "0p9mhaveqvm6t7vbl5lop2u3t2rp3tom",
        "2t7b4g4vsa5smi47k61mv5bv1a22bojr",
        &[MX, DNSKEY, NS, SOA, NSEC3PARAM, RRSIG],
    );
    let ns1 = nsec3("2t7b4g4vsa5smi47k61mv5bv1a22bojr", "2vptu5timamqttgl4luu9kg21e0aor3s", &[A, RRSIG]);
    let a = nsec3("35mthgpgcu1qg68fab165klnsnk3dpvl", "b4um86eghhds6nea196smvmlo4ors995", &[NS, DS, RRSIG]);
    let x_w = nsec3("b4um86eghhds6nea196smvmlo4ors995", "gjeqe526plbf1g8mklp59enfd789njgi", &[MX, RRSIG]);
    let y_w = nsec3("ji6neoaepv8b5o6k4ev33abha8ht9fgc", "k8udemvp1j2f7eg6jebps17vp3n8i58h", &[]);
    let w = nsec3("k8udemvp1j2f7eg6jebps17vp3n8i58h", "kohar7mbb8dc2ce8a9qvl8hon4k53uhi", &[]);
    let ns2 = nsec3("q04jkcevqvmu85r014c7dkba38o0ji5r", "r53bq7cc2uvmubfu5ocmm6pers9tk9en", &[A, RRSIG]);
    let wildcard = nsec3("r53bq7cc2uvmubfu5ocmm6pers9tk9en", "t644ebqk9bibcna874givr6joj62mlhv", &[MX, RRSIG]);
    // B.1: name error, in a span with opt-out and in none.
    let mut proof = [apex.clone(), x_w, a.clone()];
    assert_eq!(name_error(&proof, "a.c.x.w"), INSECURE);
    proof[0] = without_opt_out(apex.clone());
    assert_eq!(name_error(&proof, "a.c.x.w"), Proof::Secure);
    (0..3).for_each(|less| {
        let fewer: Vec<Record> = (0..3).filter(|at| *at != less).map(|at| proof[at].clone()).collect();
        assert_eq!(name_error(&fewer, "a.c.x.w"), WRONG);
    });
    // B.2: no data, and of an empty non-terminal. B.3: referral to an unsigned zone in a span with opt-out.
    assert_eq!(no_data(&[ns1], "NS1", MX), Proof::Secure);
    assert_eq!(no_data(&[y_w], "y.w", A), Proof::Secure);
    assert_eq!(no_ds(&[a.clone(), apex.clone()], "c"), NoDs::Insecure(Flaw::None));
    assert_eq!(no_ds(&[without_opt_out(a), apex.clone()], "c"), NoDs::Bogus(Flaw::DenialWrong));
    // B.4: a wildcard expanded. B.5: a wildcard without the type. B.6: DS asked of the child.
    let ns2 = without_opt_out(ns2);
    assert_eq!(expanded(std::slice::from_ref(&ns2), "a.z.w", 2), Proof::Secure);
    assert_eq!(no_data(&[w.clone(), ns2.clone(), wildcard.clone()], "a.z.w", AAAA), Proof::Secure);
    assert_eq!(no_data(&[w, ns2, wildcard], "a.z.w", MX), WRONG);
    assert_eq!(no_data(&[apex], "@", DS), WRONG);
}

#[test]
fn an_alias_and_what_ends_the_zone_deny_nothing_else() {
    assert_eq!(no_data(&[nsec("a", "b", &[CNAME])], "a", A), WRONG);
    for (types, proof) in [(&[A, DNAME][..], WRONG), (&[NS, DS], WRONG), (&[NS], INSECURE)] {
        let records = [nsec("a", "c", types), nsec("@", "a", &[NS, SOA])];
        assert_eq!(name_error(&records, "x.a"), proof, "{types:?}");
        assert_eq!(name_error(&records, "b"), Proof::Secure, "{types:?}");
    }
}

#[test]
fn only_the_last_record_leads_back_and_to_the_apex() {
    let apex = nsec("@", "a", &[NS, SOA]);
    assert_eq!(name_error(&[nsec("c", "@", &[A]), apex.clone()], "d"), Proof::Secure);
    assert_eq!(name_error(&[nsec("c", "a", &[A]), apex.clone()], "d"), WRONG);
    assert_eq!(name_error(&[nsec("c", "d", &[A]), apex], "d"), WRONG);
}

#[test]
fn records_of_the_parent_and_of_siblings_deny_nothing_of_a_zone() {
    let above = [nsec("a", "c", &[A]), nsec("@", "a", &[NS, SOA]), nsec("b", "c", &[NS, DS])];
    let (zone, name) = (wire("b"), wire("x.b"));
    let proof = with_sets(&above, |sets| {
        let (mut denial, mut budget) = (Denial::new(&zone, sets, 150), Budget::new(0, 100));
        (denial.name_error(&name, &mut budget), denial.no_data(&zone, A, &mut budget), denial.no_ds(&name, &mut budget))
    });
    assert_eq!(proof, (WRONG, WRONG, NoDs::Bogus(Flaw::DenialWrong)));
}

#[test]
fn an_apex_has_no_say_on_its_ds() {
    assert_eq!(no_data(&[nsec("@", "a", &[NS])], "@", DS), WRONG);
    assert_eq!(no_ds(&[nsec("@", "a", &[NS])], "@"), NoDs::Bogus(Flaw::DenialWrong));
    let record = nsec("b", "c", &[NS, SOA]);
    assert_eq!(no_ds(std::slice::from_ref(&record), "b"), NoDs::Bogus(Flaw::DenialWrong));
    assert_eq!(no_data(&[record], "b", DS), WRONG);
    let label = String::from_utf8(to_label(&hash(&wire("b"), b"\xaa\xbb\xcc\xdd", 12)).to_vec()).unwrap();
    let record = nsec3(&label, &label, &[NS, SOA, RRSIG]);
    assert_eq!(no_ds(std::slice::from_ref(&record), "b"), NoDs::Bogus(Flaw::DenialWrong));
    assert_eq!(no_data(&[record], "b", DS), WRONG);
}

#[test]
fn of_records_that_contradict_each_other_the_cautious_count() {
    // An older one spans more, and knows of no encloser.
    let mut records = [nsec("@", "xx", &[NS, SOA]), nsec("a.w", "xx", &[A])];
    for _ in 0..2 {
        assert_eq!(expanded(&records, "b.w", 2), Proof::Secure);
        assert_eq!(expanded(&records, "b.w", 1), WRONG);
        records.swap(0, 1);
    }
    // Of a name that one denies and another has.
    let name = "x.c.x.w";
    let label = String::from_utf8(to_label(&hash(&wire(name), b"\xaa\xbb\xcc\xdd", 12)).to_vec()).unwrap();
    let mut records = vec![
        nsec3("0p9mhaveqvm6t7vbl5lop2u3t2rp3tom", "2t7b4g4vsa5smi47k61mv5bv1a22bojr", &[NS, SOA, RRSIG]),
        nsec3("b4um86eghhds6nea196smvmlo4ors995", "gjeqe526plbf1g8mklp59enfd789njgi", &[MX, RRSIG]),
        nsec3("35mthgpgcu1qg68fab165klnsnk3dpvl", "b4um86eghhds6nea196smvmlo4ors995", &[NS, DS, RRSIG]),
    ];
    assert_eq!(name_error(&records, name), INSECURE);
    records.push(nsec3(&label, &label, &[A, RRSIG]));
    assert_eq!(name_error(&records, name), WRONG);
}

#[test]
fn too_many_iterations_are_insecure_and_several_chains_bogus() {
    let mut first = nsec3("2t7b4g4vsa5smi47k61mv5bv1a22bojr", "2vptu5timamqttgl4luu9kg21e0aor3s", &[A, RRSIG]);
    let other = nsec3("35mthgpgcu1qg68fab165klnsnk3dpvl", "b4um86eghhds6nea196smvmlo4ors995", &[]);
    assert_eq!(no_data(&[first.clone(), other.clone()], "ns1", MX), Proof::Secure);
    first.data[3] = 151;
    assert_eq!(no_data(&[first.clone(), other], "ns1", MX), WRONG);
    assert_eq!(no_data(std::slice::from_ref(&first), "ns1", MX), Proof::Insecure(Flaw::Iterations));
    assert_eq!(name_error(std::slice::from_ref(&first), "ns3"), Proof::Insecure(Flaw::Iterations));
    assert_eq!(no_ds(&[first.clone()], "ns3"), NoDs::Insecure(Flaw::Iterations));
    first.data[1] = 2;
    assert_eq!(no_ds(&[first], "ns3"), NoDs::Bogus(Flaw::DenialWrong));
}

#[test]
fn no_records_and_no_work_left_have_flaws_of_their_own() {
    assert_eq!(no_data(&[], "ns1", MX), Proof::Bogus(Flaw::DenialMissing));
    assert_eq!(no_ds(&[], "ns1"), NoDs::Bogus(Flaw::DenialMissing));
    let record = nsec3("2t7b4g4vsa5smi47k61mv5bv1a22bojr", "2vptu5timamqttgl4luu9kg21e0aor3s", &[A, RRSIG]);
    let proof = with_sets(&[record], |sets| {
        let zone = wire("@");
        Denial::new(&zone, sets, 150).name_error(&wire("a.b.c.d.e"), &mut Budget::new(0, 3))
    });
    assert_eq!(proof, Proof::Bogus(Flaw::Work));
}

#[test]
fn the_end_of_a_chain_of_aliases_is_one_or_the_other() {
    let records = [nsec("b", "ns1", &[A]), nsec("@", "a", &[NS, SOA]), nsec("ns1", "ns2", &[A])];
    let negative = |name: &str| prove(&records, |denial, budget| denial.negative(&wire(name), MX, budget));
    assert_eq!(negative("ml"), (Proof::Secure, Negative::NameError));
    assert_eq!(negative("ns1"), (Proof::Secure, Negative::NoData));
    assert_eq!(negative("ns2"), (WRONG, Negative::NoData));
}

#[test]
fn an_nsec_rrset_of_several_records_is_none() {
    let (one, other) = (nsec("b", "ns1", &[A]), nsec("b", "c", &[A]));
    let said = |records: &[&[u8]]| {
        let set = crate::validate::Set { owner: &one.owner, rtype: NSEC, class: 1, ttl: 0, records, signatures: &[] };
        let zone = wire("@");
        Denial::new(&zone, &[set], 0).no_data(&wire("b"), MX, &mut Budget::new(0, 0))
    };
    assert_eq!(said(&[&one.data, &one.data]), Proof::Secure);
    assert_eq!(said(&[&one.data, &other.data]), WRONG);
}
