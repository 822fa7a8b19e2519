//! A record of local data on its way into a table, and why it may not come in.

/// One record to add, data with names in full.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalRecord {
    /// Owner in wire form; folded to lower case when added.
    pub owner: Vec<u8>,
    /// Type.
    pub rtype: u16,
    /// Class.
    pub class: u16,
    /// Seconds.
    pub ttl: u32,
    /// Data.
    pub rdata: Vec<u8>,
}

/// Why a record or zone was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ZoneError {
    /// Data in a redirect zone must stand at its apex.
    BelowRedirect,
    /// A CNAME in a redirect zone must stand alone.
    CnameNotAlone,
    /// More RRsets or records at one name than this program holds.
    TooMany,
    /// A class that no server has: 0, or above 15 and not ANY.
    Class,
    /// The tables are full (4 GiB of names).
    Full,
}

impl std::fmt::Display for ZoneError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            ZoneError::BelowRedirect => "local-data in a redirect zone must stand at the top of the zone",
            ZoneError::CnameNotAlone => "a CNAME in a redirect zone must stand alone",
            ZoneError::TooMany => "more than 255 types, or more than 4096 records of one type, at one name",
            ZoneError::Class => "local data of this class is not served: IN, CH and HS are",
            ZoneError::Full => "local zones take more than 4 GiB",
        })
    }
}
