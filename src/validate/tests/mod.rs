//! Signatures of other signers: zones that BIND's dnssec-signzone made, and examples of RFCs. Denial of existence against zones
//! that are made here, and against what a name server and a slow search would say of them.

mod answers;
mod chains;
mod exhaustive;
mod hostile;
mod model;
mod negative;
mod octets;
mod rfc;
mod signed_zones;
pub(crate) mod signer;
pub(crate) mod zone;

use super::Security;

#[test]
fn numbers_are_those_of_unbound() {
    for number in [0, 1, 2, 3, 5] {
        assert_eq!(Security::from_number(number).map(Security::number), Some(number));
    }
    assert_eq!((Security::from_number(4), Security::from_number(6)), (Some(Security::Bogus), None));
}
