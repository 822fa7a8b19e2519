//! `local-data:` records in one arena.

use super::diagnostic::Location;
use super::record::Record;

#[derive(Clone, Copy, Debug)]
struct Entry {
    offset: u32,
    ttl: u32,
    line: u32,
    rtype: u16,
    class: u16,
    rdata_length: u16,
    file: u16,
    owner_length: u8,
}

/// One record of [`LocalData`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LocalRecord<'a> {
    /// The owner in wire form, letter case as written.
    pub owner: &'a [u8],
    /// The type's number.
    pub rtype: u16,
    /// The class's number; 1 is IN.
    pub class: u16,
    /// Seconds.
    pub ttl: u32,
    /// RDATA in wire form, names in it uncompressed.
    pub rdata: &'a [u8],
    /// The line that holds it.
    pub at: Location,
}

/// All records in file order.
///
/// Unbound answers with the records of a set in this order before they rotate, each with its own TTL; of records that
/// are equal but for the TTL it keeps the last line's. It answers with the owner in the question's letter case. Records
/// that no local zone covers go into one transparent zone that whoever compiles the policy must add: per class, the
/// longest name that all those owners share (Unbound's `lz_setup_implicit`).
#[derive(Clone, Debug, Default)]
pub struct LocalData {
    octets: Vec<u8>,
    entries: Vec<Entry>,
}

impl LocalData {
    /// Adds a record. `false` when 4 GiB of records are full or the record is no valid one.
    pub fn push(&mut self, record: &Record, at: Location) -> bool {
        let offset = u32::try_from(self.octets.len());
        let rdata_length = u16::try_from(record.rdata.len());
        let owner_length = u8::try_from(record.owner.len());
        let (Ok(offset), Ok(rdata_length), Ok(owner_length)) = (offset, rdata_length, owner_length) else {
            return false;
        };
        self.octets.extend_from_slice(&record.owner);
        self.octets.extend_from_slice(&record.rdata);
        self.entries.push(Entry {
            offset,
            ttl: record.ttl,
            line: at.line,
            rtype: record.rtype,
            class: record.class,
            rdata_length,
            file: at.file,
            owner_length,
        });
        true
    }

    /// The number of records.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is no record.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The records in file order.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = LocalRecord<'_>> + ExactSizeIterator {
        self.entries.iter().map(|entry| {
            let owner = entry.offset as usize;
            let rdata = owner + usize::from(entry.owner_length);
            LocalRecord {
                owner: &self.octets[owner..rdata],
                rtype: entry.rtype,
                class: entry.class,
                ttl: entry.ttl,
                rdata: &self.octets[rdata..rdata + usize::from(entry.rdata_length)],
                at: Location { file: entry.file, line: entry.line },
            }
        })
    }

    /// Bytes on the heap.
    pub fn heap_bytes(&self) -> usize {
        self.octets.capacity() + self.entries.capacity() * size_of::<Entry>()
    }

    /// Gives back what growing took too much.
    pub fn shrink(&mut self) {
        self.octets.shrink_to_fit();
        self.entries.shrink_to_fit();
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn records_come_back_as_they_went_in() {
        let mut data = LocalData::default();
        let mut record = Record::default();
        for (line, text) in (1..).zip(["A.example 60 A 192.0.2.1", "b.example TXT \"x y\" z", ". NS ."]) {
            record.read(text.as_bytes()).unwrap();
            assert!(data.push(&record, Location { file: 3, line }));
        }
        let all: Vec<_> = data.iter().collect();
        assert_eq!(all.len(), 3);
        assert_eq!((all[0].owner, all[0].ttl, all[0].rdata), (&b"\x01A\x07example\0"[..], 60, &[192, 0, 2, 1][..]));
        assert_eq!((all[1].rtype, all[1].rdata), (16, &b"\x03x y\x01z"[..]));
        assert_eq!((all[2].owner, all[2].rdata, all[2].at), (&b"\0"[..], &b"\0"[..], Location { file: 3, line: 3 }));
        assert!(size_of::<Entry>() <= 24);
    }
}
