//! A record as text that is read back as the same record.

use super::record::Record;
use crate::dns::body::Fixed;
use crate::dns::name_text::to_text;
use domain::base::iana::{Class, Rtype};
use domain::base::zonefile_fmt::{DisplayKind, ZonefileFmt};
use domain::base::{ParseRecordData, ParsedName};
use domain::dep::octseq::Parser;
use domain::rdata::AllRecordData;

/// A record with its fields split by tabs: owner and data in wire form, names in full. Data whose presentation form would not be
/// read back as it was gets the form that does for any (RFC 3597 section 5). `read`: room to read it back.
pub fn record_text(owner: &[u8], fixed: &Fixed, rdata: &[u8], read: &mut Record) -> String {
    let (rtype, class) = (rtype_word(fixed.rtype), class_word(fixed.class));
    let front = format!("{}\t{}\t{class}\t{rtype}", to_text(owner), fixed.ttl);
    let plain = format!("{front}\t{}", rdata_text(fixed.rtype, rdata).unwrap_or_default());
    if reads_as(&plain, fixed, rdata, read) { plain } else { generic(&front, rdata) }
}

/// A type's mnemonic (RFC 3597: TYPEnnn when it has none here).
pub fn rtype_word(rtype: u16) -> String {
    Rtype::from_int(rtype).to_string()
}

/// A class's mnemonic.
pub fn class_word(class: u16) -> String {
    Class::from_int(class).to_string()
}

/// The type that a mnemonic stands for.
pub fn rtype_of(word: &str) -> Option<u16> {
    word.parse::<Rtype>().ok().map(Rtype::to_int)
}

/// The class that a mnemonic stands for.
pub fn class_of(word: &str) -> Option<u16> {
    word.parse::<Class>().ok().map(Class::to_int)
}

/// Whether a line is read back as the record it was written of.
fn reads_as(line: &str, fixed: &Fixed, rdata: &[u8], read: &mut Record) -> bool {
    read.read(line.as_bytes()).is_ok() && (read.rtype, read.class) == (fixed.rtype, fixed.class) && read.rdata == rdata
}

fn generic(front: &str, rdata: &[u8]) -> String {
    let hex: String = rdata.iter().map(|octet| format!("{octet:02x}")).collect();
    format!("{front}\t\\# {} {hex}", rdata.len()).trim_end().to_owned()
}

/// Data in presentation form, where its parser knows the type.
fn rdata_text(rtype: u16, rdata: &[u8]) -> Option<String> {
    let mut parser = Parser::from_ref(rdata);
    let data = AllRecordData::<&[u8], ParsedName<&[u8]>>::parse_rdata(Rtype::from_int(rtype), &mut parser);
    data.ok().flatten().map(|data| data.display_zonefile(DisplayKind::Simple).to_string())
}
