//! What local zones answer, type by type.

use super::*;
use crate::dns::{Name, class};

pub(super) const KEY: HashKey = HashKey::fixed(11);

pub(super) fn wire(text: &str) -> Vec<u8> {
    Name::from_text(text).unwrap().as_wire().to_vec()
}

pub(super) fn record(owner: &str, rtype: u16, rdata: &[u8]) -> LocalRecord {
    LocalRecord { owner: wire(owner), rtype, class: class::IN, ttl: 60, rdata: rdata.to_vec() }
}

fn zones(zones: &[(&str, ZoneType)], records: &[LocalRecord]) -> Zones {
    let mut builder = ZonesBuilder::new(KEY);
    for &(name, kind) in zones {
        builder.zone(&wire(name), kind).unwrap();
    }
    builder.implicit_zones(records).unwrap();
    for record in records {
        builder.record(record.clone()).unwrap();
    }
    builder.finish()
}

pub(super) fn ask(zones: &Zones, name: &str, qtype: u16) -> String {
    let mut scan = NameScan::new();
    scan.scan(&wire(name), KEY).unwrap();
    match zones.find(&scan, qtype, class::IN) {
        None => "no zone".into(),
        Some((zone, exact)) => match zones.verdict(zone, exact, qtype, true) {
            Verdict::Records(set) => format!("{} records of type {}", set.records, set.rtype),
            Verdict::Alias(_) => "alias".into(),
            Verdict::Negative { nxdomain, soa } => {
                format!("{}{}", if nxdomain { "nxdomain" } else { "nodata" }, if soa.is_some() { " soa" } else { "" })
            }
            other => format!("{other:?}").to_lowercase(),
        },
    }
}

#[test]
fn types_answer_as_unbound_documents() {
    use ZoneType::*;
    let a = |owner| record(owner, rtype::A, &[192, 0, 2, 1]);
    let kinds = [
        (Deny, ["1 records of type 1", "drop", "drop"]),
        (Refuse, ["1 records of type 1", "refuse", "refuse"]),
        (Static, ["1 records of type 1", "nodata", "nxdomain"]),
        (Transparent, ["1 records of type 1", "nodata", "resolve"]),
        (TypeTransparent, ["1 records of type 1", "resolve", "resolve"]),
        (Inform, ["1 records of type 1", "nodata", "resolve"]),
        (InformDeny, ["1 records of type 1", "drop", "drop"]),
        (AlwaysTransparent, ["resolve"; 3]),
        (AlwaysRefuse, ["refuse"; 3]),
        (AlwaysNxdomain, ["nxdomain"; 3]),
        (AlwaysNodata, ["nodata"; 3]),
        (AlwaysDeny, ["drop"; 3]),
        (AlwaysNull, ["1 records of type 1", "null", "null"]),
        (BlockA, ["nodata", "resolve", "resolve"]),
        (BlockAaaa, ["resolve", "nodata", "nodata"]),
        (BlockAWithData, ["1 records of type 1", "resolve", "resolve"]),
    ];
    for (kind, wanted) in kinds {
        let zones = zones(&[("example.com", kind)], &[a("host.example.com")]);
        assert_eq!(ask(&zones, "host.example.com", rtype::A), wanted[0], "{kind:?}");
        assert_eq!(ask(&zones, "HOST.example.com", rtype::AAAA), wanted[1], "{kind:?}");
        assert_eq!(ask(&zones, "other.example.com", rtype::AAAA), wanted[2], "{kind:?}");
        assert_eq!(ask(&zones, "example.org", rtype::A), "no zone");
    }
}

#[test]
fn redirect_answers_below_its_apex() {
    let mut builder = ZonesBuilder::new(KEY);
    builder.zone(&wire("r.test"), ZoneType::Redirect).unwrap();
    builder.record(record("r.test", rtype::A, &[1, 1, 1, 1])).unwrap();
    assert_eq!(builder.record(record("x.r.test", rtype::A, &[1, 1, 1, 2])), Err(ZoneError::BelowRedirect));
    assert_eq!(builder.record(record("r.test", rtype::CNAME, &wire("x"))), Err(ZoneError::CnameNotAlone));
    let zones = builder.finish();
    assert_eq!(ask(&zones, "a.b.r.test", rtype::A), "1 records of type 1");
    assert_eq!(ask(&zones, "a.b.r.test", rtype::MX), "nodata");
    let zones = self::zones(&[("r.test", ZoneType::Redirect)], &[record("r.test", rtype::CNAME, &wire("t.net"))]);
    assert_eq!(ask(&zones, "www.r.test", rtype::A), "alias");
    assert_eq!(ask(&zones, "www.r.test", rtype::CNAME), "1 records of type 5");
}

#[test]
fn empty_non_terminals_exist_in_static_zones() {
    let zones = zones(&[("example", ZoneType::Static)], &[record("a.b.c.example", rtype::A, &[1, 1, 1, 1])]);
    for (name, wanted) in
        [("b.c.example", "nodata"), ("c.example", "nodata"), ("example", "nodata"), ("x.c.example", "nxdomain")]
    {
        assert_eq!(ask(&zones, name, rtype::A), wanted, "{name}");
    }
    let empty = self::zones(&[("example", ZoneType::Static)], &[]);
    assert_eq!(ask(&empty, "example", rtype::A), "nxdomain");
}

#[test]
fn the_deepest_zone_decides_and_soa_comes_with_negatives() {
    let mut soa = wire("ns.example");
    soa.extend(wire("root.example"));
    soa.extend_from_slice(&[0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 4, 0, 0, 0, 5]);
    let zones = zones(
        &[("example", ZoneType::Static), ("open.example", ZoneType::Transparent)],
        &[record("example", rtype::SOA, &soa), record("www.open.example", rtype::A, &[1, 1, 1, 1])],
    );
    assert_eq!(ask(&zones, "x.example", rtype::A), "nxdomain soa");
    assert_eq!(ask(&zones, "example", rtype::A), "nodata soa");
    assert_eq!(ask(&zones, "x.open.example", rtype::A), "resolve");
    assert_eq!(ask(&zones, "open.example", rtype::DS), "nxdomain soa", "DS is the parent's");
    let mut scan = NameScan::new();
    scan.scan(&wire("x.example"), KEY).unwrap();
    let (zone, exact) = zones.find(&scan, rtype::A, class::IN).unwrap();
    let Verdict::Negative { soa: Some((set, len)), .. } = zones.verdict(zone, exact, rtype::A, true) else {
        panic!("no SOA")
    };
    assert_eq!((len, crate::dns::get_u32(set.octets, 6)), (9, Some(5)), "TTL is the minimum");
}

#[test]
fn records_without_a_zone_share_a_transparent_one() {
    let zones = zones(&[], &[record("a.x.net", rtype::A, &[1, 1, 1, 1]), record("b.x.net", rtype::A, &[1, 1, 1, 2])]);
    assert_eq!(ask(&zones, "a.x.net", rtype::A), "1 records of type 1");
    assert_eq!(ask(&zones, "a.x.net", rtype::MX), "nodata");
    assert_eq!(ask(&zones, "c.x.net", rtype::A), "resolve");
    assert_eq!(ask(&zones, "y.net", rtype::A), "no zone");
}

#[test]
fn a_ds_record_without_a_zone_is_found() {
    let zones = zones(&[], &[record("a.x.net", rtype::DS, &[0, 1, 8, 2, 1])]);
    assert_eq!(ask(&zones, "a.x.net", rtype::DS), "1 records of type 43");
    assert_eq!(ask(&zones, "x.net", rtype::A), "resolve");
}

#[test]
fn many_zones_are_all_found() {
    let mut builder = ZonesBuilder::new(KEY);
    for number in 0..50_000 {
        builder.zone(&wire(&format!("n{number}.block.test")), ZoneType::AlwaysNxdomain).unwrap();
    }
    let zones = builder.finish();
    assert_eq!(zones.zone_count(), 50_000);
    for number in (0..50_000).step_by(7) {
        assert_eq!(ask(&zones, &format!("x.n{number}.block.test"), rtype::A), "nxdomain");
    }
    assert_eq!(ask(&zones, "n50000.block.test", rtype::A), "no zone");
}

#[test]
fn the_ds_record_of_a_zone_is_data_of_the_zone_above() {
    let ds = record("sub.example", rtype::DS, &[0, 1, 8, 2, 1]);
    let zones = zones(&[("example", ZoneType::Static), ("sub.example", ZoneType::Static)], &[ds]);
    assert_eq!(ask(&zones, "sub.example", rtype::DS), "1 records of type 43");
    assert_eq!(ask(&zones, "sub.example", rtype::A), "nxdomain", "the zone itself has no data");
    assert_eq!(ask(&zones, "other.example", rtype::DS), "nxdomain");
    let mut builder = ZonesBuilder::next(&zones);
    builder.remove_zone(&wire("sub.example"));
    let without = builder.finish();
    assert_eq!(ask(&without, "sub.example", rtype::DS), "1 records of type 43");
    assert_eq!(ask(&without, "sub.example", rtype::A), "nodata");
    let mut builder = ZonesBuilder::next(&zones);
    builder.remove_zone(&wire("example"));
    assert_eq!(ask(&builder.finish(), "sub.example", rtype::DS), "no zone");
}

#[test]
fn a_zone_added_at_a_ds_record_leaves_it_above() {
    let ds = record("sub.example", rtype::DS, &[0, 1, 8, 2, 1]);
    let a = |owner| record(owner, rtype::A, &[192, 0, 2, 1]);
    let zones = zones(&[("example", ZoneType::Static)], &[ds, a("sub.example"), a("www.sub.example")]);
    let mut builder = ZonesBuilder::next(&zones);
    builder.zone(&wire("sub.example"), ZoneType::Static).unwrap();
    let cut = builder.finish();
    assert_eq!(ask(&cut, "sub.example", rtype::DS), "1 records of type 43");
    assert_eq!(ask(&cut, "sub.example", rtype::A), "1 records of type 1", "other data is the new zone's");
    let mut builder = ZonesBuilder::next(&cut);
    builder.remove_zone(&wire("sub.example"));
    let left = builder.finish();
    assert_eq!(ask(&left, "sub.example", rtype::DS), "1 records of type 43");
    assert_eq!(ask(&left, "sub.example", rtype::A), "nodata");
    assert_eq!(ask(&left, "www.sub.example", rtype::A), "nxdomain");
    let mut builder = ZonesBuilder::next(&cut);
    builder.remove_data(&wire("sub.example"));
    let bare = builder.finish();
    assert_eq!(ask(&bare, "sub.example", rtype::DS), "nxdomain");
    assert_eq!(ask(&bare, "sub.example", rtype::A), "nodata", "www.sub.example stands below");
}
