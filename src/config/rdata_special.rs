//! RDATA of the types whose text is more than a row of fields: LOC, APL, NSAP, CSYNC, HIP.

use super::tokens::{Token, Tokens};
use super::wire_parts::{decode_base64, decode_hex, read_name, whole};
use crate::number;
use domain::base::iana::Rtype;
use std::net::IpAddr;
use std::str::FromStr;

/// NSAP: `0x` and hexadecimal digits, dots among them ignored (RFC 1706, 5).
pub(super) fn read_nsap(mut tokens: Tokens<'_>, out: &mut Vec<u8>) -> Result<(), String> {
    let token = next(&mut tokens, "NSAP")?;
    let digits = token.text.strip_prefix(b"0x").or(token.text.strip_prefix(b"0X"));
    let digits: Vec<u8> =
        digits.ok_or("NSAP: expected 0x in front")?.iter().copied().filter(|&byte| byte != b'.').collect();
    decode_hex(&digits, out)?;
    end(tokens, "NSAP")
}

/// CSYNC: serial, flags, types (RFC 7477, 2.1.1).
pub(super) fn read_csync(mut tokens: Tokens<'_>, out: &mut Vec<u8>) -> Result<(), String> {
    let serial = whole(next(&mut tokens, "CSYNC")?, u32::MAX)?;
    let flags = whole(next(&mut tokens, "CSYNC")?, u16::MAX)?;
    out.extend(serial.to_be_bytes());
    out.extend(flags.to_be_bytes());
    let mut types = Vec::new();
    for token in tokens {
        let word = token?.utf8()?;
        types.push(Rtype::from_str(word).map_err(|_| format!("CSYNC: {word:?} is no record type"))?.to_int());
    }
    types.sort_unstable();
    for window in types.chunk_by(|a, b| a >> 8 == b >> 8) {
        let mut bitmap = [0u8; 32];
        let mut length = 0;
        for rtype in window {
            let octet = usize::from(rtype & 0xff) / 8;
            bitmap[octet] |= 0x80 >> (rtype & 7);
            length = octet + 1;
        }
        let number = window.first().map_or(0, |rtype| rtype.to_be_bytes()[0]);
        out.extend([number, u8::try_from(length).unwrap_or(32)]);
        out.extend_from_slice(&bitmap[..length]);
    }
    Ok(())
}

/// APL: `[!]family:address/prefix` any number of times (RFC 3123, 4 and 5).
pub(super) fn read_apl(tokens: Tokens<'_>, out: &mut Vec<u8>) -> Result<(), String> {
    for token in tokens {
        let text = token?.utf8()?;
        let bad = || format!("APL: {text:?} is not like 1:192.0.2.0/24");
        let (negated, item) = text.strip_prefix('!').map_or((0, text), |item| (0x80, item));
        let (family, item) = item.split_once(':').ok_or_else(bad)?;
        let (address, prefix) = item.split_once('/').ok_or_else(bad)?;
        let (family, limit, octets) = match (family, address.parse::<IpAddr>().map_err(|_| bad())?) {
            ("1", IpAddr::V4(address)) => (1u16, 32, address.octets().to_vec()),
            ("2", IpAddr::V6(address)) => (2, 128, address.octets().to_vec()),
            _ => return Err(bad()),
        };
        let prefix = number::read(prefix, 0..=limit).map_err(|_| bad())?;
        // Trailing zero octets are left out (RFC 3123, 4).
        let length = octets.iter().rposition(|&octet| octet != 0).map_or(0, |last| last + 1);
        out.extend(family.to_be_bytes());
        out.extend([prefix, negated | u8::try_from(length).unwrap_or(0)]);
        out.extend_from_slice(&octets[..length]);
    }
    Ok(())
}

/// HIP: algorithm, tag in hexadecimal, public key in base64, rendezvous servers (RFC 8005, 5 and 6).
pub(super) fn read_hip(mut tokens: Tokens<'_>, out: &mut Vec<u8>) -> Result<(), String> {
    let algorithm = whole(next(&mut tokens, "HIP")?, u8::MAX)?;
    let (mut tag, mut key) = (Vec::new(), Vec::new());
    decode_hex(next(&mut tokens, "HIP")?.text, &mut tag)?;
    decode_base64(next(&mut tokens, "HIP")?.text, &mut key)?;
    let tag_length = u8::try_from(tag.len()).map_err(|_| "HIP: the tag is over 255 octets")?;
    let key_length = u16::try_from(key.len()).map_err(|_| "HIP: the key is over 65535 octets")?;
    out.extend([tag_length, algorithm]);
    out.extend(key_length.to_be_bytes());
    out.extend(tag);
    out.extend(key);
    for server in tokens {
        read_name(server?.text, out)?;
    }
    Ok(())
}

/// LOC: `d [m [s]] N|S d [m [s]] E|W [altitude[m]] [size[m] [horizontal[m] [vertical[m]]]]` (RFC 1876, 3).
pub(super) fn read_loc(mut tokens: Tokens<'_>, out: &mut Vec<u8>) -> Result<(), String> {
    let latitude = read_angle(&mut tokens, 90, ("N", "S"))?;
    let longitude = read_angle(&mut tokens, 180, ("E", "W"))?;
    let altitude = tokens.next().transpose()?.map_or(Ok(0), centimetres)?;
    // Altitude counts from 100,000 m below the reference spheroid.
    let altitude = altitude.checked_add(10_000_000).and_then(|value| u32::try_from(value).ok());
    let altitude = altitude.ok_or("LOC: the altitude is out of range")?;
    // Defaults of RFC 1876, 3: 1 m, 10,000 m, 10 m.
    let mut precision = [0x12, 0x16, 0x13];
    for value in &mut precision {
        let Some(token) = tokens.next().transpose()? else {
            break;
        };
        *value = size_octet(centimetres(token)?)?;
    }
    out.push(0);
    out.extend(precision);
    out.extend(latitude.to_be_bytes());
    out.extend(longitude.to_be_bytes());
    out.extend(altitude.to_be_bytes());
    end(tokens, "LOC")
}

/// Thousandths of an arc second, 2^31 at the equator or the prime meridian.
fn read_angle(tokens: &mut Tokens<'_>, limit: u32, (plus, minus): (&str, &str)) -> Result<u32, String> {
    let mut thousandths = 0u32;
    for unit in [3_600_000, 60_000, 1_000, 0] {
        let word = next(tokens, "LOC")?.utf8()?;
        if unit != 3_600_000 && (word.eq_ignore_ascii_case(plus) || word.eq_ignore_ascii_case(minus)) {
            let north = word.eq_ignore_ascii_case(plus);
            return Ok(if north { (1 << 31) + thousandths } else { (1 << 31) - thousandths });
        }
        let most = if unit == 3_600_000 { limit * 1000 } else { 59_999 };
        let value = decimal(word, 3).filter(|value| *value <= i64::from(most) && *value >= 0 && unit != 0);
        let value =
            value.ok_or_else(|| format!("LOC: expected {plus} or {minus}, or a number in range, not {word:?}"))?;
        // `value` is in thousandths of the unit; degrees and minutes are whole numbers.
        let value = u32::try_from(value).unwrap_or(0);
        if unit != 1_000 && value % 1000 != 0 {
            return Err(format!("LOC: {word:?} must be a whole number"));
        }
        thousandths += value / 1000 * unit + if unit == 1_000 { value % 1000 } else { 0 };
        if thousandths > limit * 3_600_000 {
            return Err(format!("LOC: more than {limit} degrees"));
        }
    }
    Err(format!("LOC: expected {plus} or {minus}"))
}

/// Hundredths from a number of metres with an optional `m`.
fn centimetres(token: Token<'_>) -> Result<i64, String> {
    let text = token.utf8()?;
    let number = text.strip_suffix(['m', 'M']).unwrap_or(text);
    decimal(number, 2).ok_or_else(|| format!("LOC: {text:?} is no number of metres"))
}

/// A decimal number times 10^`places`, at most `places` digits behind the point.
fn decimal(text: &str, places: usize) -> Option<i64> {
    let (sign, digits) = text.strip_prefix('-').map_or((1, text), |digits| (-1, digits));
    let (whole, part) = digits.split_once('.').unwrap_or((digits, ""));
    let all_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || whole.len() > 10 || part.len() > places || !all_digits(whole) || !all_digits(part) {
        return None;
    }
    let part = format!("{part:0<places$}");
    Some(sign * number::read(&format!("{whole}{part}"), 0..=i64::MAX).ok()?)
}

/// Mantissa and exponent of ten, a nibble each, of a length in centimetres.
fn size_octet(centimetres: i64) -> Result<u8, String> {
    let mut mantissa = u64::try_from(centimetres).map_err(|_| "LOC: a size below zero")?;
    let mut exponent = 0u8;
    while mantissa > 9 {
        mantissa /= 10;
        exponent += 1;
    }
    match exponent {
        0..=9 => Ok(u8::try_from(mantissa).unwrap_or(9) << 4 | exponent),
        _ => Err("LOC: a size over 90,000,000 m".into()),
    }
}

fn next<'a>(tokens: &mut Tokens<'a>, rtype: &str) -> Result<Token<'a>, String> {
    tokens.next().transpose()?.ok_or_else(|| format!("{rtype}: the record ends too early"))
}

fn end(mut tokens: Tokens<'_>, rtype: &str) -> Result<(), String> {
    match tokens.next() {
        None => Ok(()),
        Some(_) => Err(format!("{rtype}: there is too much behind the record")),
    }
}
