//! `access-control:`, who may ask what.

use super::diagnostic::Location;
use super::values::Netblock;
use std::net::IpAddr;

/// What a client may do (unbound.conf(5), `access-control`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AccessAction {
    /// No answer.
    Deny,
    /// REFUSED.
    Refuse,
    /// Answers with RD; without it REFUSED, local data excepted.
    Allow,
    /// As `allow`, and RD is set for the client.
    AllowSetRd,
    /// Answers with and without RD.
    AllowSnoop,
    /// As `allow` with a DNS cookie that is right, else BADCOOKIE over UDP.
    AllowCookie,
    /// Local data, else no answer.
    DenyNonLocal,
    /// Local data, else REFUSED.
    RefuseNonLocal,
}

impl AccessAction {
    /// The words of `unbound.conf`, in the order of [`AccessAction::ALL`].
    pub const WORDS: &[&str] = &[
        "deny",
        "refuse",
        "allow",
        "allow_setrd",
        "allow_snoop",
        "allow_cookie",
        "deny_non_local",
        "refuse_non_local",
    ];

    /// All actions.
    pub const ALL: [Self; 8] = [
        Self::Deny,
        Self::Refuse,
        Self::Allow,
        Self::AllowSetRd,
        Self::AllowSnoop,
        Self::AllowCookie,
        Self::DenyNonLocal,
        Self::RefuseNonLocal,
    ];
}

/// One `access-control:` line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AccessRule {
    /// The clients.
    pub netblock: Netblock,
    /// What they may do.
    pub action: AccessAction,
    /// The line.
    pub at: Location,
}

/// What holds for clients that no `access-control:` line names: localhost may, all others are refused.
pub fn default_access_control() -> [(Netblock, AccessAction); 5] {
    let block = |address: [u16; 8], prefix| Netblock { address: IpAddr::from(address), prefix };
    let v4 = |first: u8, prefix| Netblock { address: IpAddr::from([first, 0, 0, 0]), prefix };
    [
        (v4(0, 0), AccessAction::Refuse),
        (v4(127, 8), AccessAction::Allow),
        (block([0; 8], 0), AccessAction::Refuse),
        (block([0, 0, 0, 0, 0, 0, 0, 1], 128), AccessAction::Allow),
        (block([0, 0, 0, 0, 0, 0xffff, 0x7f00, 1], 128), AccessAction::Allow),
    ]
}
