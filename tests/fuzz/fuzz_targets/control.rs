//! Any octets from a client of the control socket: no crash, and a reply that is limited in size and made of whole lines.
#![no_main]

use libfuzzer_sys::fuzz_target;
use runbound::config::{LocalZoneType, Record};
use runbound::control::{Backend, EditError, ForwardZone, LocalEditor, Status, answer};
use runbound::dns::Name;
use runbound::stats::{Snapshot, Upstream, WorkerStats};
use std::collections::BTreeMap;
use std::time::Duration;

/// More than the server ever holds for one reply.
const MOST: usize = 2 << 20;

/// A program that has local zones and data, and nothing else.
#[derive(Default)]
struct Program {
    zones: BTreeMap<String, String>,
    data: BTreeMap<String, Vec<String>>,
    edited: bool,
}

struct Editor<'a>(&'a mut Program);

impl LocalEditor for Editor<'_> {
    fn add_zone(&mut self, name: &Name, kind: &str) -> Result<(), EditError> {
        LocalZoneType::from_word(kind).ok_or(EditError::ZoneType)?;
        self.0.zones.insert(name.to_string(), kind.to_owned());
        Ok(())
    }

    fn remove_zone(&mut self, name: &Name) -> Result<(), EditError> {
        self.0.zones.remove(&name.to_string());
        Ok(())
    }

    fn add_data(&mut self, record: &str) -> Result<(), EditError> {
        let mut read = Record::default();
        read.read(record.as_bytes()).map_err(EditError::Record)?;
        let owner = Name::from_wire(read.owner.as_ref()).ok_or(EditError::Other("the owner is no name".to_owned()))?;
        let line = record.split_whitespace().collect::<Vec<_>>().join("\t");
        self.0.data.entry(owner.to_lower().to_string()).or_default().push(line);
        Ok(())
    }

    fn remove_data(&mut self, name: &Name) -> Result<(), EditError> {
        self.0.data.remove(&name.to_lower().to_string());
        Ok(())
    }
}

impl Backend for Program {
    fn status(&mut self) -> Status {
        Status { version: "0".to_owned(), verbosity: 1, extended_statistics: true, ..Status::default() }
    }

    fn snapshot(&mut self) -> Snapshot {
        Snapshot::collect([&WorkerStats::default()], &Upstream::default(), Vec::new(), Duration::from_secs(1))
    }

    fn stop(&mut self) {}

    fn reload(&mut self, _: bool) -> Result<(), String> {
        Ok(())
    }

    fn backup(&mut self, name: &str) -> Result<Vec<String>, String> {
        Ok(vec![name.to_owned()])
    }

    fn restore(&mut self, name: &str) -> Result<Vec<String>, String> {
        Err(name.to_owned())
    }

    fn set_verbosity(&mut self, level: i32) {
        assert!(level >= 0);
    }

    fn log_reopen(&mut self) -> Result<(), String> {
        Ok(())
    }

    fn edit_local(&mut self, edit: &mut dyn FnMut(&mut dyn LocalEditor)) -> Result<(), String> {
        assert!(!std::mem::replace(&mut self.edited, true), "one compilation for any number of edits");
        edit(&mut Editor(self));
        Ok(())
    }

    fn list_local_zones(&mut self, emit: &mut dyn FnMut(&str)) {
        self.zones.iter().for_each(|(name, kind)| emit(&format!("{name} {kind}")));
    }

    fn list_local_data(&mut self, emit: &mut dyn FnMut(&str)) {
        self.data.values().flatten().for_each(|record| emit(record));
    }

    fn forwards(&mut self) -> Vec<ForwardZone> {
        vec![ForwardZone { name: Name::ROOT, servers: vec![(([192, 0, 2, 53], 53).into(), None)] }]
    }

    fn option(&mut self, name: &str, emit: &mut dyn FnMut(&str)) -> bool {
        emit(name);
        name.len() % 2 == 0
    }

    fn flush(&mut self, _: &Name, _: Option<u16>) -> Result<(), String> {
        Ok(())
    }

    fn flush_zone(&mut self, zone: &Name) -> Result<u64, String> {
        Ok(zone.label_count() as u64)
    }

    fn flush_negative(&mut self) -> Result<u64, String> {
        Err("no cache".to_owned())
    }
}

fuzz_target!(|octets: &[u8]| {
    let mut program = Program::default();
    let Some(reply) = answer(octets, &mut program) else {
        assert!(!program.edited, "a client that gets no reply has changed nothing");
        return;
    };
    assert!(reply.len() <= MOST);
    assert!(reply.last().is_none_or(|&last| last == b'\n'), "a line without an end");
});
