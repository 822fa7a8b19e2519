//! A string of the configuration's that tells some servers who asks (`edns-client-string:`): an EDNS option of queries to
//! addresses of its network.

use crate::dns::edns;
use std::net::IpAddr;

/// Octets of the longest option, code and length included.
pub const LONGEST: usize = edns::OPTION + MOST;
/// Octets of the longest string that is sent.
const MOST: usize = 255;

/// Which string goes to whom.
#[derive(Clone, Debug, Default)]
pub struct ClientStrings {
    /// Code of the option (`edns-client-string-opcode:`).
    code: u16,
    /// Networks as address and prefix length, the longest prefix first.
    strings: Vec<(IpAddr, u8, Box<[u8]>)>,
}

impl ClientStrings {
    /// Takes networks as (address, prefix length), each with its string, of which 255 octets count. Of equal networks the last
    /// counts.
    pub fn new(code: u16, strings: impl IntoIterator<Item = (IpAddr, u8, Vec<u8>)>) -> ClientStrings {
        let mut strings: Vec<_> = strings
            .into_iter()
            .map(|(address, prefix, string)| (address, prefix, string[..string.len().min(MOST)].into()))
            .collect();
        strings.reverse();
        strings.sort_by_key(|&(_, prefix, _)| std::cmp::Reverse(prefix));
        ClientStrings { code, strings }
    }

    /// Appends the string for a server to a query of `len` octets whose OPT record stands at `opt`; gives its length then.
    #[inline]
    pub fn append(&self, server: IpAddr, query: &mut [u8], opt: usize, len: usize) -> usize {
        let found = self.strings.iter().find(|(network, prefix, _)| holds(*network, *prefix, server));
        let Some((.., string)) = found else { return len };
        let ([high, low], [len_high, len_low]) = (self.code.to_be_bytes(), (string.len() as u16).to_be_bytes());
        edns::append(query, opt, &[high, low, len_high, len_low]);
        edns::append(query, opt, string);
        len + edns::OPTION + string.len()
    }
}

/// Whether an address lies in a network; families never mix.
fn holds(network: IpAddr, prefix: u8, address: IpAddr) -> bool {
    let (differing, all) = match (network, address) {
        (IpAddr::V4(network), IpAddr::V4(address)) => (u128::from(network.to_bits() ^ address.to_bits()) << 96, 32),
        (IpAddr::V6(network), IpAddr::V6(address)) => (network.to_bits() ^ address.to_bits(), 128),
        _ => return false,
    };
    differing.leading_zeros() >= u32::from(prefix.min(all))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_network_counts_and_of_equal_ones_the_last() {
        let networks = [("10.0.0.0", 8, "a"), ("10.1.0.0", 16, "b"), ("10.1.0.0", 16, "c"), ("::", 0, "d")];
        let of = |(text, prefix, string): (&str, u8, &str)| (text.parse().unwrap(), prefix, string.as_bytes().to_vec());
        let strings = ClientStrings::new(65001, networks.map(of));
        let sent = |server: &str| {
            let mut query = [0; edns::LEN + 8];
            let len = strings.append(server.parse().unwrap(), &mut query, 0, edns::LEN);
            query[edns::LEN..len].to_vec()
        };
        assert_eq!(sent("10.2.0.1"), [0xfd, 0xe9, 0, 1, b'a']);
        assert_eq!(sent("10.1.0.1"), [0xfd, 0xe9, 0, 1, b'c']);
        assert_eq!((sent("192.0.2.1"), sent("2001:db8::1")), (vec![], vec![0xfd, 0xe9, 0, 1, b'd']));
    }
}
