//! SNTP (RFC 4330, RFC 5905): the request, and what a reply has to be to count. Pure.

use crate::machine::date::EARLIEST;
use runbound::dns::get_u32;
use std::time::Duration;

/// Octets of a message without extensions.
pub(super) const LEN: usize = 48;
/// No leap second, version 4, a client.
const REQUEST: u8 = 0b00_100_011;
const SERVER: u8 = 4;
const UNSYNCHRONIZED: u8 = 3;
const STRATUM_MOST: u8 = 15;

/// Where the parts lie (RFC 5905, figure 8).
const ROOT_DELAY: usize = 4;
const ROOT_DISPERSION: usize = 8;
const REFERENCE: usize = 12;
const ORIGIN: usize = 24;
const RECEIVE: usize = 32;
const TRANSMIT: usize = 40;

/// 1900 to 1970.
const TO_1970: u64 = 2_208_988_800;
/// A server that is less certain of its own time than this is of no use.
const UNCERTAIN: Duration = Duration::from_secs(3);

/// The time as a server has told it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sample {
    /// Since 1970, at the moment the reply came.
    pub(super) time: Duration,
    /// How far off it is at most, if the server is right about itself.
    pub(super) error: Duration,
}

/// Why a reply does not count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// It is no reply to this request: from somebody who guesses. The right one may still come.
    NotOurs,
    /// The server does not want to be asked ("kiss-o'-death"), and how it says so.
    Kiss(String),
    /// The server knows no time, or contradicts itself.
    Useless(&'static str),
}

/// A request. The cookie is random and takes the place of our time, which nobody needs to know: the reply carries it back.
pub(super) fn request(cookie: u64) -> [u8; LEN] {
    let mut packet = [0; LEN];
    packet[0] = REQUEST;
    packet[TRANSMIT..].copy_from_slice(&cookie.to_be_bytes());
    packet
}

/// Reads the reply to the request with this cookie, which came `trip` after it was sent.
pub(super) fn read(packet: &[u8], cookie: u64, trip: Duration) -> Result<Sample, Fault> {
    let (Some(&first), Some(&stratum)) = (packet.first(), packet.get(1)) else { return Err(Fault::NotOurs) };
    let stamp = |at: usize| Some(u64::from(get_u32(packet, at)?) << 32 | u64::from(get_u32(packet, at + 4)?));
    let (Some(origin), Some(receive), Some(transmit)) = (stamp(ORIGIN), stamp(RECEIVE), stamp(TRANSMIT)) else {
        return Err(Fault::NotOurs);
    };
    if first & 0b111 != SERVER || !(1..=4).contains(&(first >> 3 & 0b111)) || origin != cookie {
        return Err(Fault::NotOurs);
    }
    if stratum == 0 {
        let code = packet.get(REFERENCE..REFERENCE + 4).unwrap_or_default();
        return Err(Fault::Kiss(
            code.iter().filter(|octet| octet.is_ascii_alphanumeric()).map(|&o| char::from(o)).collect(),
        ));
    }
    if first >> 6 == UNSYNCHRONIZED || stratum > STRATUM_MOST {
        return Err(Fault::Useless("it does not know the time itself"));
    }
    if receive == 0 || transmit == 0 {
        return Err(Fault::Useless("it tells no time"));
    }
    let held = stretch(transmit.wrapping_sub(receive));
    if held > trip {
        return Err(Fault::Useless("it tells that it had the request for longer than the answer took"));
    }
    let way = (trip - held) / 2;
    let root =
        |at: usize| Duration::from_nanos((u64::from(get_u32(packet, at).unwrap_or(u32::MAX)) * 1_000_000_000) >> 16);
    let uncertain = root(ROOT_DELAY) / 2 + root(ROOT_DISPERSION);
    if uncertain > UNCERTAIN {
        return Err(Fault::Useless("it is not sure of its own time by more than 3 s"));
    }
    Ok(Sample { time: since_1970(transmit) + way, error: way + uncertain })
}

/// A difference of timestamps.
fn stretch(difference: u64) -> Duration {
    let nanoseconds = ((difference & 0xFFFF_FFFF) * 1_000_000_000) >> 32;
    Duration::from_secs(difference >> 32) + Duration::from_nanos(nanoseconds)
}

/// The first time with this timestamp that is not before [`EARLIEST`], so that the change of era in 2036 makes no difference.
fn since_1970(stamp: u64) -> Duration {
    let earliest = EARLIEST + TO_1970;
    let since = ((stamp >> 32) as u32).wrapping_sub(earliest as u32);
    Duration::from_secs(EARLIEST + u64::from(since)) + stretch(stamp & 0xFFFF_FFFF)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
pub(super) mod tests {
    use super::*;
    use proptest::prelude::*;

    /// November 23, 2026.
    pub(in crate::services::clock) const NOW: u64 = 1_795_413_600;
    const TRIP: Duration = Duration::from_millis(100);
    const COOKIE: u64 = 0x0123_4567_89AB_CDEF;

    /// What a good server sends back at `time` (since 1970).
    pub(in crate::services::clock) fn reply(request: &[u8], time: Duration) -> Vec<u8> {
        let seconds = (time.as_secs() + TO_1970) as u32;
        let fraction = ((u64::from(time.subsec_nanos()) << 32) / 1_000_000_000) as u32;
        let stamp = [seconds.to_be_bytes(), fraction.to_be_bytes()].concat();
        let mut packet = vec![0b00_100_100, 2, 6, 0xEC, 0, 0, 0x10, 0, 0, 0, 0x08, 0, 192, 0, 2, 1];
        packet.extend(&stamp);
        packet.extend(&request[TRANSMIT..LEN]);
        packet.extend(&stamp);
        packet.extend(&stamp);
        packet
    }

    fn good() -> Vec<u8> {
        reply(&request(COOKIE), Duration::from_secs(NOW))
    }

    fn with(change: impl FnOnce(&mut Vec<u8>)) -> Result<Sample, Fault> {
        let mut packet = good();
        change(&mut packet);
        read(&packet, COOKIE, TRIP)
    }

    #[test]
    fn a_good_reply_tells_the_time_of_its_arrival() {
        let sample = read(&good(), COOKIE, TRIP).unwrap();
        assert_eq!(sample.time, Duration::from_millis(NOW * 1000 + 50));
        // Half the trip, half the root delay of 1/16 s, the root dispersion of 1/32 s.
        assert_eq!(sample.error, Duration::from_micros(50_000 + 31_250 + 31_250));
        // Extensions and codes behind it are passed over; so is version 3.
        assert_eq!(with(|packet| packet.extend([1; 20])), Ok(sample));
        assert_eq!(with(|packet| packet[0] = 0b00_011_100), Ok(sample));
        // The server had it for 40 of the 100 ms.
        let held = with(|packet| packet[RECEIVE..TRANSMIT].copy_from_slice(&stamp_before(40))).unwrap();
        assert_eq!(held.time.as_millis(), u128::from(NOW) * 1000 + 30);
    }

    fn stamp_before(milliseconds: u64) -> [u8; 8] {
        let stamp = (NOW + TO_1970) << 32;
        (stamp - (milliseconds << 32) / 1000).to_be_bytes()
    }

    #[test]
    fn what_is_no_reply_to_our_request_is_passed_over() {
        for length in 0..LEN {
            assert_eq!(with(|packet| packet.truncate(length)), Err(Fault::NotOurs), "{length}");
        }
        for at in ORIGIN..RECEIVE {
            assert_eq!(with(|packet| packet[at] ^= 1), Err(Fault::NotOurs), "another origin");
        }
        for mode in [0, 1, 2, 3, 5, 6, 7] {
            assert_eq!(with(|packet| packet[0] = 0b00_100_000 | mode), Err(Fault::NotOurs), "mode {mode}");
        }
        for version in [0, 5, 6, 7] {
            assert_eq!(with(|packet| packet[0] = version << 3 | 4), Err(Fault::NotOurs), "version {version}");
        }
        assert_eq!(read(&request(COOKIE), COOKIE, TRIP), Err(Fault::NotOurs), "our own request");
    }

    #[test]
    fn a_server_that_knows_no_time_or_contradicts_itself_does_not_count() {
        let useless = |change: &dyn Fn(&mut Vec<u8>)| assert!(matches!(with(change), Err(Fault::Useless(_))));
        useless(&|packet| packet[0] |= 0b1100_0000);
        useless(&|packet| packet[1] = 16);
        useless(&|packet| packet[RECEIVE..TRANSMIT].fill(0));
        useless(&|packet| packet[TRANSMIT..].fill(0));
        useless(&|packet| packet[RECEIVE..TRANSMIT].copy_from_slice(&stamp_before(101)));
        useless(&|packet| packet[RECEIVE + 3] += 1); // received after it was sent
        useless(&|packet| packet[ROOT_DISPERSION + 1] = 4);
        useless(&|packet| packet[ROOT_DELAY..ROOT_DISPERSION].fill(0xFF));
    }

    #[test]
    fn a_kiss_is_one_only_for_our_request() {
        let kiss = |packet: &mut Vec<u8>| {
            packet[1] = 0;
            packet[REFERENCE..REFERENCE + 4].copy_from_slice(b"DE\x1bY");
        };
        assert_eq!(with(kiss), Err(Fault::Kiss("DEY".into())));
        let forged = |packet: &mut Vec<u8>| {
            kiss(packet);
            packet[ORIGIN] ^= 1;
        };
        assert_eq!(with(forged), Err(Fault::NotOurs));
    }

    #[test]
    fn the_change_of_era_makes_no_difference() {
        for seconds in [EARLIEST, NOW, 2_085_978_495, 2_085_978_496, EARLIEST + u64::from(u32::MAX)] {
            // A timestamp of nothing but zeroes tells no time, also at the moment that it would be right.
            let time = Duration::from_secs(seconds) + Duration::from_millis(500);
            let packet = reply(&request(COOKIE), time);
            assert_eq!(read(&packet, COOKIE, Duration::ZERO).unwrap().time, time);
        }
        // One before the earliest is one of the next era: no clock goes back to before this program was made.
        let packet = reply(&request(COOKIE), Duration::from_secs(EARLIEST - 1));
        assert_eq!(read(&packet, COOKIE, Duration::ZERO).unwrap().time.as_secs(), EARLIEST - 1 + (1 << 32));
    }

    proptest! {
        #[test]
        fn whatever_comes_nothing_panics(packet in proptest::collection::vec(any::<u8>(), 0..100), trip in 0u64..10_000) {
            let _ = read(&packet, COOKIE, Duration::from_millis(trip));
            let mut ours = packet;
            if ours.len() >= LEN {
                ours[0] = 0b00_100_100;
                ours[ORIGIN..RECEIVE].copy_from_slice(&COOKIE.to_be_bytes());
                if let Ok(sample) = read(&ours, COOKIE, Duration::from_millis(trip)) {
                    prop_assert!(sample.time.as_secs() >= EARLIEST);
                    prop_assert!(sample.error <= UNCERTAIN + Duration::from_millis(trip));
                }
            }
        }
    }
}
