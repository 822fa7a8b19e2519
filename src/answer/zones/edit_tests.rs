//! A table that was edited is the table that would have been made at once.

use super::tests::{KEY, ask, record, wire};
use super::*;
use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use std::collections::{BTreeMap, BTreeSet};

#[derive(Clone, Debug)]
enum Edit {
    Zone(&'static str, ZoneType),
    RemoveZone(&'static str),
    Data(&'static str, u16),
    RemoveData(&'static str),
}

const NAMES: [&str; 9] = ["a", "b.a", "c.a", "c.b.a", "d.c.b.a", "e.b.a", "f", "g.f", "."];

fn edits() -> impl Strategy<Value = Vec<Edit>> {
    use ZoneType::*;
    let name = || proptest::sample::select(&NAMES[..]);
    let kind = proptest::sample::select(vec![Static, Transparent, Redirect, Refuse]);
    let rtype = proptest::sample::select(vec![rtype::A, rtype::TXT, rtype::SOA, rtype::CNAME, rtype::DS]);
    let one = prop_oneof![
        (name(), kind).prop_map(|(name, kind)| Edit::Zone(name, kind)),
        name().prop_map(Edit::RemoveZone),
        (name(), rtype).prop_map(|(name, rtype)| Edit::Data(name, rtype)),
        name().prop_map(Edit::RemoveData),
    ];
    proptest::collection::vec(one, 0..40)
}

/// What there is to be: zones with their types by name, those made for data, and the types of data, first come first.
#[derive(Clone, Default)]
struct Model {
    zones: BTreeMap<Vec<u8>, (ZoneType, bool)>,
    data: Vec<(Vec<u8>, u16)>,
}

/// The names that may be the zone's of a record: DS belongs to the parent side of a cut.
fn above(owner: &[u8], rtype: u16) -> impl Iterator<Item = &[u8]> {
    crate::dns::name::suffixes(owner).skip(usize::from(rtype == rtype::DS && owner.len() > 1))
}

impl Model {
    fn zone_of(&self, owner: &[u8], rtype: u16) -> Option<Vec<u8>> {
        above(owner, rtype).find(|suffix| self.zones.contains_key(*suffix)).map(<[u8]>::to_vec)
    }

    fn take(&mut self, edit: &Edit) {
        match *edit {
            Edit::Zone(name, kind) => _ = self.zones.insert(wire(name), (kind, false)),
            Edit::RemoveZone(name) => {
                let before = self.clone();
                self.data.retain(|(owner, rtype)| before.zone_of(owner, *rtype) != Some(wire(name)));
                self.zones.remove(&wire(name));
            }
            Edit::Data(name, rtype) => {
                let owner = wire(name);
                if self.zone_of(&owner, rtype).is_none() {
                    let zone = above(&owner, rtype).next().unwrap().to_vec();
                    self.zones.insert(zone, (ZoneType::Transparent, true));
                }
                if !self.data.contains(&(owner.clone(), rtype)) {
                    self.data.push((owner, rtype));
                }
            }
            Edit::RemoveData(name) => self.data.retain(|(owner, _)| *owner != wire(name)),
        }
        let used: BTreeSet<_> = self.data.iter().filter_map(|(owner, rtype)| self.zone_of(owner, *rtype)).collect();
        self.zones.retain(|name, (_, made)| !*made || used.contains(name));
    }

    /// The table of a server that is started with what there is.
    fn table(&self) -> Zones {
        let mut builder = ZonesBuilder::new(KEY);
        for (name, (kind, _)) in &self.zones {
            builder.zone(name, *kind).unwrap();
        }
        for (owner, rtype) in &self.data {
            let record = LocalRecord { owner: owner.clone(), ..record(".", *rtype, &rdata(*rtype)) };
            builder.record(record).unwrap();
        }
        builder.finish()
    }
}

fn rdata(rtype: u16) -> Vec<u8> {
    match rtype {
        rtype::A => vec![192, 0, 2, 1],
        rtype::CNAME => wire("elsewhere"),
        rtype::SOA => [wire("ns"), wire("root"), vec![0; 20]].concat(),
        rtype::DS => vec![0, 1, 8, 2, 1],
        _ => b"\x04text".to_vec(),
    }
}

fn apply(zones: &Zones, edit: &Edit) -> Result<Zones, ZoneError> {
    let mut builder = ZonesBuilder::next(zones);
    match *edit {
        Edit::Zone(name, kind) => builder.zone(&wire(name), kind)?,
        Edit::RemoveZone(name) => builder.remove_zone(&wire(name)),
        Edit::Data(name, rtype) => {
            let record = record(name, rtype, &rdata(rtype));
            builder.implicit_zones([&record])?;
            builder.record(record)?;
        }
        Edit::RemoveData(name) => builder.remove_data(&wire(name)),
    }
    Ok(builder.finish())
}

/// Everything that can be seen of a table: its zones; its data by zone, owner and type; its answers.
type Seen = (BTreeMap<Vec<u8>, ZoneType>, BTreeSet<(Vec<u8>, Vec<u8>, u16)>, Vec<String>);

fn seen(zones: &Zones) -> Seen {
    let (mut names, mut data, mut answers) = (BTreeMap::new(), BTreeSet::new(), Vec::new());
    zones.for_each_zone(|name, kind, _| _ = names.insert(name.to_vec(), kind));
    zones.for_each_record(|zone, owner, fixed, _| _ = data.insert((zone.to_vec(), owner.to_vec(), fixed.rtype)));
    for name in NAMES.iter().map(|name| (*name).to_owned()).chain(NAMES[..8].iter().map(|name| format!("x.{name}"))) {
        answers.extend(
            [rtype::A, rtype::TXT, rtype::MX, rtype::DS].map(|qtype| format!("{name} {}", ask(zones, &name, qtype))),
        );
    }
    (names, data, answers)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, rng_seed: RngSeed::Fixed(20), ..ProptestConfig::default() })]
    #[test]
    fn an_edited_table_answers_as_one_made_at_once(edits in edits()) {
        let (mut zones, mut model) = (Zones::empty(KEY), Model::default());
        for edit in &edits {
            let before = seen(&zones);
            match apply(&zones, edit) {
                Ok(next) => {
                    prop_assert_eq!(&seen(&zones), &before, "the version before stays as it was");
                    zones = next;
                    model.take(edit);
                }
                Err(ZoneError::BelowRedirect | ZoneError::CnameNotAlone) => {}
                Err(other) => panic!("{other}"),
            }
            let (names, data, answers) = seen(&zones);
            let wanted: BTreeMap<_, _> = model.zones.iter().map(|(name, (kind, _))| (name.clone(), *kind)).collect();
            prop_assert_eq!(&names, &wanted, "{:?}", edit);
            let zone_of = |(owner, rtype): &(Vec<u8>, u16)| (model.zone_of(owner, *rtype).unwrap(), owner.clone(), *rtype);
            prop_assert_eq!(&data, &model.data.iter().map(zone_of).collect::<BTreeSet<_>>(), "{:?}", edit);
            prop_assert_eq!(&answers, &seen(&model.table()).2, "{:?}", edit);
            let anew = zones.written_anew();
            prop_assert_eq!(&answers, &seen(&anew).2, "{:?}", edit);
            prop_assert_eq!(zones.zone_count(), wanted.len());
            prop_assert_eq!((zones.sizes.nodes, zones.sizes.names), (anew.sizes.nodes, anew.sizes.names), "{:?}", edit);
            prop_assert_eq!(zones.sizes.live, anew.sizes.live, "{:?}", edit);
        }
    }
}

fn add(builder: &mut ZonesBuilder, owner: &str) {
    let record = record(owner, rtype::A, &[192, 0, 2, 1]);
    builder.implicit_zones([&record]).unwrap();
    builder.record(record).unwrap();
}

#[test]
fn many_names_that_come_and_go_leave_nothing() {
    let mut builder = ZonesBuilder::new(KEY);
    builder.zone(&wire("lan"), ZoneType::Static).unwrap();
    let empty = builder.finish();
    let mut builder = ZonesBuilder::next(&empty);
    (0..30_000).for_each(|number| add(&mut builder, &format!("n{number}.come.test")));
    (0..30_000).for_each(|number| add(&mut builder, &format!("n{number}.deep.lan")));
    let full = builder.finish();
    assert_eq!((full.zone_count(), ask(&full, "n7.come.test", rtype::A)), (30_001, "1 records of type 1".into()));
    let mut builder = ZonesBuilder::next(&full);
    for number in 0..30_000 {
        builder.remove_data(&wire(&format!("n{number}.come.test")));
        builder.remove_data(&wire(&format!("n{number}.deep.lan")));
    }
    let left = builder.finish();
    assert_eq!((left.zone_count(), left.sizes.nodes, left.index.places()), (1, 1, empty.index.places()));
    assert_eq!((left.sizes.live, left.sizes.waste), (empty.sizes.live, 0));
    assert_eq!(ask(&left, "deep.lan", rtype::A), "nxdomain");
}

/// Each removal looks at what it removes alone: looking at all names each time, this would not end in minutes.
#[test]
fn many_zones_with_names_below_come_and_go() {
    let mut builder = ZonesBuilder::new(KEY);
    builder.zone(&wire("lan"), ZoneType::Static).unwrap();
    let empty = builder.finish();
    let mut builder = ZonesBuilder::next(&empty);
    (0..20_000).for_each(|number| add(&mut builder, &format!("www.deep.z{number}.lan")));
    let flat = builder.finish();
    let mut builder = ZonesBuilder::next(&flat);
    (0..20_000).for_each(|number| builder.zone(&wire(&format!("z{number}.lan")), ZoneType::Static).unwrap());
    let full = builder.finish();
    assert_eq!((full.zone_count(), ask(&full, "z7.lan", rtype::A)), (20_001, "nodata".into()));
    let mut builder = ZonesBuilder::next(&full);
    (1..20_000).for_each(|number| builder.remove_zone(&wire(&format!("z{number}.lan"))));
    let left = builder.finish();
    assert_eq!((left.zone_count(), left.sizes.nodes), (2, 4));
    assert_eq!(ask(&left, "www.deep.z0.lan", rtype::A), "1 records of type 1");
    assert_eq!(ask(&left, "www.deep.z7.lan", rtype::A), "nxdomain");
}

#[test]
fn a_name_that_comes_and_goes_for_ever_stays_small() {
    let mut zones = Zones::empty(KEY);
    for number in 0..20_000 {
        let mut builder = ZonesBuilder::next(&zones);
        builder.remove_data(&wire(&format!("n{}.test", number - 1)));
        add(&mut builder, &format!("n{number}.test"));
        zones = builder.finish();
        assert!(zones.sizes.waste <= 1 << 18 && zones.nodes.iter().count() < 10_000);
    }
    assert_eq!(zones.zone_count(), 1);
}
