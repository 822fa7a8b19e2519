//! Server cookies (RFC 7873) as RFC 9018 has every server make them, so that several share a secret.

use std::fmt;
use std::net::IpAddr;

/// Octets of a client's cookie.
pub const CLIENT: usize = 8;
/// Octets of a client's cookie with the server's behind it.
pub const WHOLE: usize = 24;
/// Octets that an option may have whose server cookie is another's.
pub const OF_OTHERS: std::ops::RangeInclusive<usize> = 16..=40;

/// Version and reserved octets of the server cookies that are made.
const VERSION: [u8; 4] = [1, 0, 0, 0];
/// Seconds for which a cookie holds, and after which another one is given (RFC 9018 section 4.3).
const HOLDS: i32 = 3600;
const RENEWED: i32 = 1800;
/// Seconds that the clocks of servers with one secret may be apart.
const AHEAD: i32 = 300;

/// What server cookies are made with.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Secret(pub [u8; 16]);

impl fmt::Debug for Secret {
    /// Never the secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

impl Secret {
    /// From 32 hexadecimal digits.
    pub fn from_hex(text: &str) -> Option<Secret> {
        let digit = |octet: u8| char::from(octet).to_digit(16).map(|digit| digit as u8);
        let (pairs, rest) = text.as_bytes().as_chunks::<2>();
        let mut secret = [0; 16];
        if pairs.len() != secret.len() || !rest.is_empty() {
            return None;
        }
        for (octet, &[high, low]) in secret.iter_mut().zip(pairs) {
            *octet = digit(high)? << 4 | digit(low)?;
        }
        Some(Secret(secret))
    }

    /// Draws one from the kernel's random source.
    ///
    /// # Errors
    /// When `getrandom(2)` fails.
    pub fn random() -> Result<Secret, getrandom::Error> {
        let mut secret = [0; 16];
        getrandom::fill(&mut secret)?;
        Ok(Secret(secret))
    }

    /// As 32 hexadecimal digits: for whoever may see it.
    pub fn to_hex(self) -> String {
        self.0.iter().map(|octet| format!("{octet:02x}")).collect()
    }

    /// The whole cookie for a client that sent its own at a time (seconds since 1970, modulo 2^32).
    pub fn make(self, own: [u8; CLIENT], client: IpAddr, time: u32) -> [u8; WHOLE] {
        let mut cookie = [0; WHOLE];
        cookie[..8].copy_from_slice(&own);
        cookie[8..12].copy_from_slice(&VERSION);
        cookie[12..16].copy_from_slice(&time.to_be_bytes());
        let hash = self.hash(&cookie, client);
        cookie[16..].copy_from_slice(&hash);
        cookie
    }

    /// What a whole cookie from a client is worth.
    pub fn check(self, cookie: &[u8; WHOLE], client: IpAddr, now: u32) -> Worth {
        let [.., a, b, c, d] = cookie[..16] else { return Worth::Nothing };
        // Serial number arithmetic (RFC 1982).
        let age = now.wrapping_sub(u32::from_be_bytes([a, b, c, d])) as i32;
        if cookie[8] != VERSION[0] || !(-AHEAD..=HOLDS).contains(&age) {
            return Worth::Nothing;
        }
        // No early end tells how much of it was right.
        let wrong = self.hash(cookie, client).iter().zip(&cookie[16..]).fold(0, |wrong, (a, b)| wrong | (a ^ b));
        match (wrong, age > RENEWED) {
            (0, false) => Worth::Valid,
            (0, true) => Worth::Renew,
            _ => Worth::Nothing,
        }
    }

    /// Of the cookie but its hash, and the client's address.
    fn hash(self, cookie: &[u8; WHOLE], client: IpAddr) -> [u8; 8] {
        let mut octets = [0; 32];
        octets[..16].copy_from_slice(&cookie[..16]);
        let len = match client {
            IpAddr::V4(v4) => {
                octets[16..20].copy_from_slice(&v4.octets());
                20
            }
            IpAddr::V6(v6) => {
                octets[16..].copy_from_slice(&v6.octets());
                32
            }
        };
        siphash_2_4(&self.0, &octets[..len]).to_le_bytes()
    }
}

/// What a cookie is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Worth {
    /// The client has it from a server with this secret, not long ago.
    Valid,
    /// The same; it is to have another one.
    Renew,
    /// Anybody may have made it.
    Nothing,
}

/// SipHash-2-4 (Aumasson and Bernstein, 2012).
fn siphash_2_4(key: &[u8; 16], octets: &[u8]) -> u64 {
    let word = |octets: &[u8]| octets.iter().rev().fold(0u64, |word, &octet| word << 8 | u64::from(octet));
    let (k0, k1) = (word(&key[..8]), word(&key[8..]));
    let mut v = [
        k0 ^ 0x736f_6d65_7073_6575,
        k1 ^ 0x646f_7261_6e64_6f6d,
        k0 ^ 0x6c79_6765_6e65_7261,
        k1 ^ 0x7465_6462_7974_6573,
    ];
    let (words, rest) = octets.as_chunks::<8>();
    let last = (octets.len() as u64) << 56 | word(rest);
    for word in words.iter().map(|octets| u64::from_le_bytes(*octets)).chain([last]) {
        v[3] ^= word;
        rounds(&mut v, 2);
        v[0] ^= word;
    }
    v[2] ^= 0xff;
    rounds(&mut v, 4);
    v[0] ^ v[1] ^ v[2] ^ v[3]
}

fn rounds(v: &mut [u64; 4], rounds: usize) {
    let half = |v: &mut [u64; 4], a: usize, b: usize, bits: u32| {
        v[a] = v[a].wrapping_add(v[b]);
        v[b] = v[b].rotate_left(bits) ^ v[a];
    };
    for _ in 0..rounds {
        half(v, 0, 1, 13);
        v[0] = v[0].rotate_left(32);
        half(v, 2, 3, 16);
        half(v, 0, 3, 21);
        half(v, 2, 1, 17);
        v[2] = v[2].rotate_left(32);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn secret(hex: &str) -> Secret {
        Secret::from_hex(hex).unwrap()
    }

    fn octets<const N: usize>(hex: &str) -> [u8; N] {
        let octet = |at: usize| u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).unwrap();
        assert_eq!(hex.len(), 2 * N);
        std::array::from_fn(octet)
    }

    /// The secret of RFC 9018 appendix A.
    const SECRET: &str = "e5e973e5a6b2a43f48e7dc849e37bfcf";

    #[test]
    fn siphash_gives_what_its_authors_say() {
        // vectors.h of the reference implementation: the key 00 01 .. 0f, inputs 00 01 .. of each length.
        let key: [u8; 16] = std::array::from_fn(|at| at as u8);
        let input: [u8; 15] = std::array::from_fn(|at| at as u8);
        for (len, hash) in [
            (0, "310e0edd47db6f72"),
            (1, "fd67dc93c539f874"),
            (7, "37d1018bf50002ab"),
            (8, "6224939a79f5f593"),
            (15, "e545be4961ca29a1"),
        ] {
            assert_eq!(siphash_2_4(&key, &input[..len]).to_le_bytes(), octets(hash), "{len} octets");
        }
    }

    #[test]
    fn learning_a_new_server_cookie() {
        // RFC 9018 appendix A.1.
        let made = secret(SECRET).make(octets("2464c4abcf10c957"), "198.51.100.100".parse().unwrap(), 1_559_731_985);
        assert_eq!(made, octets("2464c4abcf10c957010000005cf79f111f8130c3eee29480"));
    }

    #[test]
    fn the_same_client_learns_a_renewed_server_cookie() {
        // RFC 9018 appendix A.2: forty minutes later.
        let (client, now) = ("198.51.100.100".parse().unwrap(), 1_559_734_385);
        let sent = octets("2464c4abcf10c957010000005cf79f111f8130c3eee29480");
        assert_eq!(secret(SECRET).check(&sent, client, now), Worth::Renew);
        let renewed = octets("2464c4abcf10c957010000005cf7a871d4a564a1442aca77");
        assert_eq!(secret(SECRET).make(octets("2464c4abcf10c957"), client, now), renewed);
        assert_eq!(secret(SECRET).check(&renewed, client, now), Worth::Valid);
    }

    #[test]
    fn another_client_learns_a_renewed_server_cookie() {
        // RFC 9018 appendix A.3: with reserved octets set, and by its times older than section 4.3 lets it be.
        let (client, now) = ("203.0.113.203".parse().unwrap(), 1_559_734_700);
        let sent = octets("fc93fc62807ddb8601abcdef5cf78f71a314227b6679ebf5");
        assert_eq!(secret(SECRET).check(&sent, client, 1_559_727_985 + 1801), Worth::Renew);
        assert_eq!(secret(SECRET).check(&sent, client, now), Worth::Nothing);
        let renewed = octets("fc93fc62807ddb86010000005cf7a9acf73a7810aca2381e");
        assert_eq!(secret(SECRET).make(octets("fc93fc62807ddb86"), client, now), renewed);
    }

    #[test]
    fn an_ipv6_query_with_a_rolled_over_secret() {
        // RFC 9018 appendix A.4.
        let client = "2001:db8:220:1:59de:d0f4:8769:82b8".parse().unwrap();
        let (now, old) = (1_559_741_961, secret("dd3bdf9344b678b185a6f5cb60fca715"));
        let sent = octets("22681ab97d52c298010000005cf7c57926556bd0934c72f8");
        assert_eq!(old.check(&sent, client, now), Worth::Valid);
        let new = secret("445536bcd2513298075a5d379663c962");
        assert_eq!(new.check(&sent, client, now), Worth::Nothing);
        let made = new.make(octets("22681ab97d52c298"), client, now);
        assert_eq!(made, octets("22681ab97d52c298010000005cf7c609a6bb79d16625507a"));
    }

    #[test]
    fn time_address_version_and_hash_count() {
        let (secret, client) = (secret(SECRET), "192.0.2.1".parse().unwrap());
        for start in [1_000_000, u32::MAX - 100] {
            let cookie = secret.make([7; 8], client, start);
            for (after, worth) in [
                (-301, Worth::Nothing),
                (-300, Worth::Valid),
                (0, Worth::Valid),
                (1800, Worth::Valid),
                (1801, Worth::Renew),
                (3600, Worth::Renew),
                (3601, Worth::Nothing),
            ] {
                assert_eq!(secret.check(&cookie, client, start.wrapping_add_signed(after)), worth, "{after} s");
            }
            assert_eq!(secret.check(&cookie, "192.0.2.2".parse().unwrap(), start), Worth::Nothing);
            for at in [0, 8, 9, 15, 16, 23] {
                let mut other = cookie;
                other[at] ^= 2;
                assert_eq!(secret.check(&other, client, start), Worth::Nothing, "octet {at}");
            }
        }
    }

    #[test]
    fn a_secret_is_32_digits_and_is_not_shown() {
        assert_eq!(secret(SECRET).to_hex(), SECRET);
        assert_eq!(format!("{:?}", secret(SECRET)), "Secret");
        for bad in [
            "",
            "e5e973e5a6b2a43f48e7dc849e37bfc",
            "e5e973e5a6b2a43f48e7dc849e37bfcfa",
            "x5e973e5a6b2a43f48e7dc849e37bfcf",
        ] {
            assert_eq!(Secret::from_hex(bad), None, "{bad}");
        }
    }
}
