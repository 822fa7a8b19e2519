use super::*;

fn value(kind: Kind, text: &str) -> Option<String> {
    let mut name = NameBuf::new();
    check(kind, text.as_bytes(), &mut name).ok().map(|value| format!("{value:?}"))
}

#[test]
fn secrets_and_prefixes_of_ipv4_have_their_lengths() {
    assert!(value(Kind::Secret, "000102030405060708090A0b0c0d0e0f").is_some());
    for bad in ["", "00", "g00102030405060708090a0b0c0d0e0f", "000102030405060708090a0b0c0d0e0f00"] {
        assert_eq!(value(Kind::Secret, bad), None, "{bad}");
    }
    assert!(value(Kind::Nat64Prefix, "64:ff9b::/96").is_some() && value(Kind::Nat64Prefix, "2001:db8::/32").is_some());
    for bad in ["192.0.2.0/24", "64:ff9b::/97", "::/0", "2001:db8::1", "64:ff9b::"] {
        assert_eq!(value(Kind::Nat64Prefix, bad), None, "{bad}");
    }
}

#[test]
fn sizes_take_unbounds_suffixes() {
    assert_eq!(bytes("4m"), Some(4 << 20));
    assert_eq!(bytes("1 GB"), Some(1 << 30));
    assert_eq!(bytes("16KB "), Some(16384));
    assert_eq!(bytes("100"), Some(100));
    for bad in ["", "m", "4x", "-1", "+4", "4mm", "9999999999g", "4.5m"] {
        assert_eq!(bytes(bad), None, "{bad}");
    }
}

#[test]
fn yes_no_and_numbers_are_strict() {
    assert!(value(Kind::YesNo, "yes").is_some());
    assert!(value(Kind::YesNo, "Yes").is_none());
    assert!(value(Kind::Number(1, 5), "5").is_some());
    for bad in ["0", "6", "5x", ""] {
        assert!(value(Kind::Number(1, 5), bad).is_none(), "{bad}");
    }
}

#[test]
fn interfaces_are_addresses_or_names() {
    assert_eq!(
        interface("192.0.2.1@853"),
        Some((Host::Address(ScopedAddress::parse("192.0.2.1").unwrap()), Some(853)))
    );
    assert_eq!(interface("fe80::1%eth0"), Some((Host::Address(ScopedAddress::parse("fe80::1%eth0").unwrap()), None)));
    assert_eq!(interface("vmbr0.20@5353"), Some((Host::Name("vmbr0.20".into()), Some(5353))));
    let other = "another-name-beside-its-own";
    assert_eq!(interface(other), Some((Host::Name(other.into()), None)));
    assert_eq!(interface("eth0:1"), Some((Host::Name("eth0:1".into()), None)));
    for bad in [
        "192.0.2",
        "192.0.2.300",
        "192.0.2.1%eth0",
        "fe80::1%",
        "2001:db8:::1",
        "",
        "eth0@",
        "eth0@70000",
        "10.0.0.0/8",
        "a name",
        &"a".repeat(128),
    ] {
        assert_eq!(interface(bad), None, "{bad}");
    }
}

#[test]
fn servers_have_ports_and_names() {
    let parts = |text| match server(text) {
        Some(Value::Server(address, port, name)) => Some((address.to_string(), port, name)),
        _ => None,
    };
    assert_eq!(parts("192.0.2.1"), Some(("192.0.2.1".into(), 53, "")));
    assert_eq!(parts("192.0.2.1@5300"), Some(("192.0.2.1".into(), 5300, "")));
    assert_eq!(parts("2001:db8::1@853#dns.example"), Some(("2001:db8::1".into(), 853, "dns.example")));
    assert_eq!(parts("192.0.2.1#dns.example"), Some(("192.0.2.1".into(), 853, "dns.example")));
    assert_eq!(parts("dns.example"), None);
    assert_eq!(parts("192.0.2.1@x"), None);
    assert_eq!(parts("fe80::1%eth0@5353"), Some(("fe80::1%eth0".into(), 5353, "")));
    assert_eq!(parts("fe80::1%2#dns.example"), Some(("fe80::1%2".into(), 853, "dns.example")));
    assert_eq!((parts("fe80::1%"), parts("192.0.2.1%eth0")), (None, None));
}

#[test]
fn netblocks_lose_their_host_bits() {
    assert_eq!(netblock("192.0.2.77/24").unwrap().to_string(), "192.0.2.0/24");
    assert_eq!(netblock("0.0.0.0/0").unwrap().to_string(), "0.0.0.0/0");
    assert_eq!(netblock("::1").unwrap().to_string(), "::1/128");
    assert_eq!(netblock("2001:db8:ffff::/33").unwrap().to_string(), "2001:db8:8000::/33");
    assert!(netblock("2001:db8::/32").unwrap().contains("2001:db8:1::".parse().unwrap()));
    assert!(!netblock("0.0.0.0/0").unwrap().contains("::1".parse().unwrap()));
    for bad in ["192.0.2.0/33", "::/129", "192.0.2.0/", "x/8", "192.0.2.0/-1"] {
        assert!(netblock(bad).is_none(), "{bad}");
    }
}
