//! Local zones and data as text that makes the same zones and data again.

use crate::answer::zones::Zones;
use crate::config::{Record, record_text};
use crate::dns::class;
use crate::dns::name_text::to_text;

/// Emits `name type` for every zone of class IN: those of other classes come with their data.
pub(super) fn zones(zones: &Zones, emit: &mut dyn FnMut(&str)) {
    zones.for_each_zone(|name, kind, qclass| {
        if qclass == class::IN {
            emit(&format!("{} {}", to_text(name), kind.word()));
        }
    });
}

/// Emits every record, fields split by tabs.
pub(super) fn data(zones: &Zones, emit: &mut dyn FnMut(&str)) {
    let mut read = Record::default();
    zones.for_each_record(|_, owner, fixed, rdata| emit(&record_text(owner, fixed, rdata, &mut read)));
}

#[cfg(test)]
mod tests {
    use super::super::edits::Edits;
    use super::*;
    use crate::answer::zones::Zones;
    use crate::control::LocalEditor;
    use crate::dns::Name;
    use crate::dns::scan::HashKey;

    fn listed(tables: &Zones) -> (Vec<String>, Vec<String>) {
        let (mut names, mut records) = (Vec::new(), Vec::new());
        zones(tables, &mut |line| names.push(line.to_owned()));
        data(tables, &mut |line| records.push(line.to_owned()));
        (names, records)
    }

    fn fed((names, records): &(Vec<String>, Vec<String>)) -> Zones {
        let mut edits = Edits::of(&Zones::empty(HashKey::fixed(1)));
        for line in names {
            let (name, kind) = line.split_once(' ').unwrap();
            edits.add_zone(&Name::from_text(name).unwrap(), kind).unwrap();
        }
        for line in records {
            edits.add_data(line).unwrap_or_else(|error| panic!("{line}: {error:?}"));
        }
        edits.finish().unwrap().unwrap()
    }

    /// Types with a form of their own, each with data whose letters have both cases.
    const PLAIN: [&str; 46] = [
        "A 192.0.2.1",
        "AAAA 2001:db8::1",
        "NS Ns1.Example.",
        "CNAME Www.Example.",
        "SOA Ns.Example. Host.Example. 1 2 3 4 5",
        "PTR a\\.b.Example.",
        "MX 10 Mail.Example.",
        "TXT \"Hello; \\\"World\\\" \\\\ \\200\" plain \"\"",
        "RP Mbox.Example. Txt.Example.",
        "AFSDB 1 Host.Example.",
        "X25 311061700956",
        "ISDN 150862028003217 004",
        "RT 2 Relay.Example.",
        "NSAP 0x47.0005.80.005a00.0000.0001.e133.ffffff000161.00",
        "KEY 256 3 8 AwEAAQ==",
        "PX 10 Map822.Example. Mapx400.Example.",
        "GPOS -32.6882 116.8652 10.0",
        "LOC 42 21 54 N 71 06 18 W -24m 30m",
        "SRV 0 5 5060 Sip.Example.",
        "NAPTR 100 50 \"s\" \"Z3950+I2L\" \"\" _z3950._tcp.Example.",
        "KX 2 Kx.Example.",
        "CERT PKIX 1 5 AwEAAQ==",
        "DNAME Other.Example.",
        "APL 1:192.0.2.0/24 !2:2001:db8::/32",
        "DS 12345 8 2 aabbccddeeff00112233445566778899aabbccddeeff00112233445566778899",
        "SSHFP 4 2 aabbccddeeff00112233445566778899aabbccddeeff00112233445566778899",
        "IPSECKEY \\# 4 0a000002",
        "RRSIG A 8 2 3600 20300101000000 20200101000000 12345 Example. AwEAAQ==",
        "NSEC Next.Example. A MX RRSIG",
        "DNSKEY 257 3 8 AwEAAQ==",
        "DHCID AwEAAQ==",
        "NSEC3 1 0 5 aabb 2t7b4g4vsa5smi47k61mv5bv1a22bojr A",
        "NSEC3PARAM 1 0 5 aabb",
        "TLSA 3 1 1 aabbccddeeff00112233445566778899aabbccddeeff00112233445566778899",
        "HIP 2 200100107b1a74df365639cc39f1d578 AwEAAQ== Rvs.Example.",
        "CDS 12345 8 2 aabbccddeeff00112233445566778899aabbccddeeff00112233445566778899",
        "CDNSKEY 257 3 8 AwEAAQ==",
        "OPENPGPKEY AwEAAQ==",
        "CSYNC 66 3 A NS AAAA",
        "SVCB 1 Svc.Example. alpn=h2,h3 port=443",
        "HTTPS 0 Alias.Example.",
        "SPF \"v=spf1 -all\"",
        "EUI48 00-11-22-33-44-55",
        "URI 10 1 \"https://Example/Path\"",
        "CAA 0 issue \"Ca.Example; Policy=Ev\"",
        "TYPE65400 \\# 5 0102030405",
    ];

    #[test]
    fn ten_thousand_records_of_every_type_come_back_as_they_were() {
        let mut edits = Edits::of(&Zones::empty(HashKey::fixed(2)));
        let words = ["static", "transparent", "typetransparent", "inform", "deny"];
        for (number, word) in (0..100).zip(words.iter().cycle()) {
            edits.add_zone(&Name::from_text(&format!("Zone{number}.test")).unwrap(), word).unwrap();
        }
        for number in 0..10_000 {
            let data = PLAIN[number % PLAIN.len()];
            let owner = match number % 4 {
                0 => format!("Own{number}.elsewhere{}.", number % 7),
                1 => format!("\\\"odd\\032\\.{number}\\;\\(\\@.Zone{}.test.", number % 100),
                _ => format!("Host{}.Deep.Zone{}.test.", number / 3, number % 100),
            };
            let class = ["IN", "IN", "IN", "IN", "IN", "IN", "CH", "HS"][number % 8];
            edits
                .add_data(&format!("{owner} {} {class} {data}", number + 1))
                .unwrap_or_else(|e| panic!("{data} {e:?}"));
        }
        let first = edits.finish().unwrap().unwrap();
        let lines = listed(&first);
        assert!(lines.1.len() >= 9_900, "{}", lines.1.len());
        assert!(lines.1.iter().any(|line| line.ends_with("\tMX\t10 Mail.Example.")), "letter case is kept");
        let second = listed(&fed(&lines));
        let sorted = |(mut names, mut records): (Vec<String>, Vec<String>)| {
            names.sort();
            records.sort();
            (names, records)
        };
        assert_eq!(sorted(second), sorted(lines));
    }

    #[test]
    fn any_type_with_any_data_comes_back() {
        let mut edits = Edits::of(&Zones::empty(HashKey::fixed(3)));
        let types = (1..=300u16).chain([32768, 32769, 65279, 65280, 65534]);
        let mut wanted = Vec::new();
        for rtype in types.filter(|rtype| *rtype != 41 && !(128..=255).contains(rtype)) {
            for data in ["\\# 0", "\\# 3 010203", "\\# 12 0461626344000001020304ff"] {
                let owner = format!("t{rtype}-{}.example.", wanted.len());
                if edits.add_data(&format!("{owner} TYPE{rtype} {data}")).is_ok() {
                    wanted.push(owner);
                }
            }
        }
        edits.add_data(&format!("long.example. TXT {}", "\"\\200\\200\" ".repeat(20_000))).unwrap();
        let first = listed(&edits.finish().unwrap().unwrap());
        assert_eq!(first.1.len(), wanted.len() + 1);
        assert_eq!(listed(&fed(&first)), first);
    }
}
