//! The clauses of the file.

/// A clause of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Clause {
    /// `server:`
    Server,
    /// `remote-control:`
    RemoteControl,
    /// `forward-zone:`
    ForwardZone,
    /// `stub-zone:`
    StubZone,
    /// `auth-zone:`
    AuthZone,
    /// `rpz:`
    Rpz,
    /// `view:`
    View,
    /// `dnstap:`
    Dnstap,
    /// `dnscrypt:`
    Dnscrypt,
    /// `cachedb:`
    Cachedb,
    /// `ipset:`
    Ipset,
    /// `python:`
    Python,
    /// `dynlib:`
    Dynlib,
}

impl Clause {
    /// All clauses.
    pub const ALL: [Clause; 13] = [
        Clause::Server,
        Clause::RemoteControl,
        Clause::ForwardZone,
        Clause::StubZone,
        Clause::AuthZone,
        Clause::Rpz,
        Clause::View,
        Clause::Dnstap,
        Clause::Dnscrypt,
        Clause::Cachedb,
        Clause::Ipset,
        Clause::Python,
        Clause::Dynlib,
    ];

    /// The word before the colon.
    pub fn word(self) -> &'static str {
        match self {
            Clause::Server => "server",
            Clause::RemoteControl => "remote-control",
            Clause::ForwardZone => "forward-zone",
            Clause::StubZone => "stub-zone",
            Clause::AuthZone => "auth-zone",
            Clause::Rpz => "rpz",
            Clause::View => "view",
            Clause::Dnstap => "dnstap",
            Clause::Dnscrypt => "dnscrypt",
            Clause::Cachedb => "cachedb",
            Clause::Ipset => "ipset",
            Clause::Python => "python",
            Clause::Dynlib => "dynlib",
        }
    }

    /// For a clause that does something by being there: what happens instead.
    pub fn not_yet(self) -> Option<&'static str> {
        match self {
            Clause::AuthZone => Some("the zone is not loaded; its names are asked as all others"),
            Clause::Rpz => Some("the policy is not applied; local-zone lines may do"),
            Clause::View => Some("its clients get the global answers"),
            _ => None,
        }
    }

    /// The clause that `word` opens.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|clause| clause.word() == word)
    }
}
