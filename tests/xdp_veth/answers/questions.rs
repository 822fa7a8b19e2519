//! What is asked of both: all kinds of answers, and all kinds of queries for them.

use crate::pair::mac;
use crate::wire::CLIENT_MAC;
use runbound::answer::cache::{Answer, AnswerCache, KeyFixed};
use runbound::dns::body::{BodyWriter, Fixed};
use runbound::dns::flaw::Flaw;
use runbound::dns::scan::HashKey;
use runbound::dns::{Name, class, rcode, rtype};
use runbound::wire::checksum;

/// Local answers of all kinds; 192.0.2.0/24 and 2001:db8::/32 have plain access.
pub const CONFIG: &str = "server:
    access-control: 192.0.2.0/24 allow
    access-control: 192.0.2.77/32 refuse
    access-control: 2001:db8::/32 allow
    local-zone: blocked.example always_nxdomain
    local-zone: empty.example always_nodata
    local-zone: null.example always_null
    local-zone: refused.example always_refuse
    local-zone: static.example static
    local-data: 'static.example 3600 SOA ns.static.example host.static.example 1 2 3 4 5'
    local-data: 'www.static.example 300 A 192.0.2.33'
    local-data: 'www.static.example 300 AAAA 2001:db8::33'
    local-data: 'two.static.example A 192.0.2.1'
    local-data: 'two.static.example A 192.0.2.2'
    local-data: 'a-name-of-which-the-length-is-almost.what-has-room-in-slots.example A 192.0.2.4'
    local-data: 'a-name-of-which-the-length-is-more-than.what-has-room-in-all-slots.example A 192.0.2.4'
    local-data: 'txt.static.example TXT \"some text\"'
forward-zone:
    name: .
    forward-addr: 198.51.100.1
";

const NAMES: [&str; 18] = [
    "www.static.example",
    "two.static.example",
    "txt.static.example",
    "none.static.example",
    "static.example",
    "a.blocked.example",
    "blocked.example",
    "a.empty.example",
    "a.null.example",
    "a.refused.example",
    "a-name-of-which-the-length-is-almost.what-has-room-in-slots.example",
    "a-name-of-which-the-length-is-more-than.what-has-room-in-all-slots.example",
    "one.cached.example",
    "many.cached.example",
    "none.cached.example",
    "signed.cached.example",
    "long.cached.example",
    "missed.example",
];

const TYPES: [u16; 8] = [rtype::A, rtype::AAAA, rtype::A, rtype::TXT, rtype::MX, rtype::ANY, rtype::SOA, 65];

/// Fills a cache at second `now` of its clock.
pub fn fill(cache: &mut AnswerCache, hash_key: HashKey, now: u32) {
    let mut put = |name: &str, dnssec_ok: bool, code: u16, records: &[(usize, u16, u32, Vec<u8>)]| {
        let owner = Name::from_text(name).expect("a name");
        let mut message = vec![0; 4096];
        let mut writer = BodyWriter::new(&mut message, owner.as_wire()).expect("room");
        for (section, rtype, ttl, data) in records {
            let fixed = Fixed { rtype: *rtype, class: class::IN, ttl: *ttl };
            writer.push(*section, owner.as_wire(), fixed, data, records.len() == 1).expect("room");
        }
        let (counts, range) = writer.finish();
        let answer = Answer { rcode: code, counts, body: &message[range], secure: dnssec_ok, flaw: Flaw::None };
        let ttl = records.iter().map(|record| record.2).min().unwrap_or(60);
        let hash = hash_key.name(owner.as_wire());
        cache.put(owner.as_wire(), hash, KeyFixed::new(rtype::A, dnssec_ok, false), answer, now, ttl);
    };
    let a = |last: u8| vec![192, 0, 2, last];
    let soa = || [&[0, 0][..], &[0; 20]].concat();
    let signature = || {
        let mut data = vec![0, 1, 13, 3, 0, 0, 14, 16, 0x7f, 0, 0, 0, 0x60, 0, 0, 0, 0, 7, 0];
        data.extend([0x5a; 64]);
        data
    };
    put("one.cached.example", false, rcode::NOERROR, &[(0, rtype::A, 300, a(1))]);
    put("many.cached.example", false, rcode::NOERROR, &[(0, rtype::A, 300, a(1)), (0, rtype::A, 300, a(2))]);
    put("none.cached.example", false, rcode::NXDOMAIN, &[(1, rtype::SOA, 900, soa())]);
    put("signed.cached.example", true, rcode::NOERROR, &[(0, rtype::A, 77, a(9)), (0, rtype::RRSIG, 77, signature())]);
    put("signed.cached.example", false, rcode::NOERROR, &[(0, rtype::A, 77, a(9))]);
    let long = [&[200; 1][..], &[b'x'; 200], &[200], &[b'y'; 200]].concat();
    put("long.cached.example", false, rcode::NOERROR, &[(0, rtype::TXT, 300, long)]);
}

/// Draws questions, the same for the same seed.
pub struct Questions(u64);

impl Questions {
    pub fn new(seed: u64) -> Questions {
        Questions(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// A number below `most`.
    fn draw(&mut self, most: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 33) as usize % most
    }

    fn happens(&mut self, of: usize) -> bool {
        self.draw(of) == 0
    }

    /// A name in wire form, in letters of any case.
    fn name(&mut self) -> Vec<u8> {
        let name = NAMES[self.draw(NAMES.len())];
        let mut wire = Name::from_text(name).expect("a name").as_wire().to_vec();
        let mixed = self.happens(2);
        for octet in &mut wire {
            if mixed && octet.is_ascii_lowercase() && self.happens(2) {
                octet.make_ascii_uppercase();
            }
        }
        wire
    }

    fn message(&mut self, plain: bool) -> Vec<u8> {
        let mut message = vec![self.draw(256) as u8, self.draw(256) as u8];
        let flags: [u16; 8] = [0x0100, 0x0100, 0x0120, 0x0110, 0x0130, 0x0000, 0x0140, 0x2100];
        let flags = if plain { flags[self.draw(4)] } else { flags[self.draw(8)] };
        message.extend(flags.to_be_bytes());
        let edns = self.draw(if plain { 3 } else { 8 });
        message.extend([0, 1, 0, 0, 0, 0, 0, u8::from(edns != 0)]);
        message.extend(self.name());
        let qtype = if plain { rtype::A } else { TYPES[self.draw(TYPES.len())] };
        message.extend(qtype.to_be_bytes());
        let qclass = if !plain && self.happens(20) { 3 } else { 1u16 };
        message.extend(qclass.to_be_bytes());
        let size: u16 = if self.happens(2) { 1232 } else { 4096 };
        let opt = |size: u16, version: u8, flags: u16, options: &[u8]| {
            let mut opt = vec![0, 0, 41];
            opt.extend(size.to_be_bytes());
            opt.extend([0, version]);
            opt.extend(flags.to_be_bytes());
            opt.extend((options.len() as u16).to_be_bytes());
            opt.extend(options);
            opt
        };
        match edns {
            1 => message.extend(opt(size, 0, 0, &[])),
            2 => message.extend(opt(size, 0, 0x8000, &[])),
            3 => message.extend(opt(size, 0, 0, &[0, 10, 0, 8, 1, 2, 3, 4, 5, 6, 7, 8])),
            4 => message.extend(opt(300, 0, 0, &[])),
            5 => message.extend(opt(size, 1, 0, &[])),
            6 => message.extend(opt(512, 0, 0x4000, &[])),
            7 => message.extend([opt(size, 0, 0, &[]), vec![1, 2, 3]].concat()),
            _ => {}
        }
        message
    }

    /// Any query.
    pub fn frame(&mut self) -> Vec<u8> {
        let message = self.message(false);
        let v6 = self.happens(3);
        let last = if self.happens(10) { 77 } else { 9 };
        let mut frame = datagram(&message, v6, last);
        let udp = frame.len() - message.len() - 8;
        match self.draw(12) {
            0 if !v6 => frame[udp + 6..udp + 8].fill(0),
            1 => frame[udp + 7] ^= 0x11,
            2 => {
                let len = frame.len() - udp;
                let partial = !u16::from_ne_bytes(checksum::finish(pseudo(&frame, v6, len)));
                frame[udp + 6..udp + 8].copy_from_slice(&partial.to_ne_bytes());
            }
            _ => {}
        }
        if !v6 && self.happens(4) {
            // To the address in VLAN 10.
            frame = tagged_to_ten(frame, message.len());
        }
        if self.happens(6) {
            let padding = self.draw(40);
            frame.extend(std::iter::repeat_n(0xa5, padding));
        }
        frame
    }

    /// A query that a slot may answer.
    pub fn plain_frame(&mut self) -> Vec<u8> {
        let message = self.message(true);
        let v6 = self.happens(3);
        datagram(&message, v6, 9)
    }

    /// A query for local data.
    pub fn local_frame(&mut self) -> Vec<u8> {
        let mut message = vec![1, 2, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
        message.extend(Name::from_text("www.static.example").expect("a name").as_wire());
        message.extend([0, 1, 0, 1]);
        datagram(&message, false, 9)
    }

    /// The frame with some octets changed, cut off or appended.
    pub fn mutated(&mut self, frame: &[u8]) -> Vec<u8> {
        let mut frame = frame.to_vec();
        for _ in 0..=self.draw(3) {
            let at = self.draw(frame.len());
            match self.draw(4) {
                0 => frame[at] = self.draw(256) as u8,
                1 => frame[at] ^= 1 << self.draw(8),
                2 if frame.len() > 60 => frame.truncate(frame.len() - 1 - self.draw(20)),
                _ => frame.extend(std::iter::repeat_n(self.draw(256) as u8, 1 + at % 20)),
            }
        }
        if self.happens(2) {
            mend_checksum(&mut frame);
        }
        frame
    }
}

/// Makes the UDP checksum of an untagged frame right, if it looks like one.
fn mend_checksum(frame: &mut [u8]) {
    let v6 = frame[12] == 0x86;
    let udp = if v6 { 54 } else { 34 };
    let Some(&[high, low]) = frame.get(udp + 4..udp + 6) else { return };
    let len = usize::from(u16::from_be_bytes([high, low]));
    if len < 8 || udp + len > frame.len() {
        return;
    }
    frame[udp + 6..udp + 8].fill(0);
    let sum = checksum::finish_udp(pseudo(frame, v6, len) + checksum::sum(&frame[udp..udp + len]));
    frame[udp + 6..udp + 8].copy_from_slice(&sum);
    if !v6 {
        frame[24..26].fill(0);
        let sum = checksum::finish(checksum::sum(&frame[14..34]));
        frame[24..26].copy_from_slice(&sum);
    }
}

fn pseudo(frame: &[u8], v6: bool, len: usize) -> u64 {
    let (source, destination) = if v6 { (22..38, 38..54) } else { (26..30, 30..34) };
    checksum::pseudo_header(&frame[source], &frame[destination], len as u16)
}

/// From 192.0.2.`last` or 2001:db8::`last` to 192.0.2.1 or 2001:db8::1.
fn datagram(message: &[u8], v6: bool, last: u8) -> Vec<u8> {
    let mut frame = [mac(), CLIENT_MAC].concat();
    let len = (message.len() + 8) as u16;
    if v6 {
        frame.extend([0x86, 0xdd, 0x60, 0, 0, 0]);
        frame.extend(len.to_be_bytes());
        frame.extend([17, 64]);
        for last in [last, 1] {
            frame.extend([0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, last]);
        }
    } else {
        frame.extend([8, 0, 0x45, 0]);
        frame.extend((len + 20).to_be_bytes());
        frame.extend([0, 1, 0, 0, 64, 17, 0, 0, 192, 0, 2, last, 192, 0, 2, 1]);
    }
    frame.extend([4, 0xd2, 0, 53]);
    frame.extend(len.to_be_bytes());
    frame.extend([0, 0]);
    frame.extend(message);
    mend_checksum(&mut frame);
    frame
}

/// The same to 192.0.2.10 in VLAN 10.
fn tagged_to_ten(mut frame: Vec<u8>, message: usize) -> Vec<u8> {
    let given = [frame[40], frame[41]];
    frame[33] = 10;
    mend_checksum(&mut frame);
    if given == [0, 0] {
        let udp = frame.len() - message - 8;
        frame[udp + 6..udp + 8].fill(0);
    }
    frame.splice(12..12, [0x81, 0, 0x20, 10]);
    frame
}
