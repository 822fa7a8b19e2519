//! Any octets as an Ethernet frame: what is taken for a DNS datagram lies within them, and can be answered in its place.
#![no_main]

use libfuzzer_sys::fuzz_target;
use runbound::wire::{parse_udp_frame, reply_in_place};

/// More than any input: room for a reply longer than its question.
const ROOM: usize = 9000;
/// MAC addresses and, behind them, the Ethernet type or tag.
const MACS: usize = 12;

fuzz_target!(|octets: &[u8]| {
    let Ok(view) = parse_udp_frame(octets) else { return };
    let payload = view.payload();
    assert!(payload.start <= payload.end && payload.end <= octets.len(), "a payload outside of the frame");
    assert_eq!(payload.start, view.return_path().header_len());
    assert_eq!(view.client_ip(), view.client().ip());

    for len in [0, payload.len(), 12, 511, 512, 1232, ROOM - payload.start, ROOM - payload.start + 1, usize::MAX] {
        let mut frame = vec![0x5a; ROOM];
        frame[..octets.len()].copy_from_slice(octets);
        let size = reply_in_place(&mut frame, &view, len);
        if len > ROOM - payload.start {
            assert_eq!(size, 0, "a reply that is longer than the frame");
            assert_eq!(frame[..octets.len()], *octets, "nothing is written then");
            continue;
        }
        assert_eq!(size, payload.start + len);
        assert_eq!(frame[payload.start..octets.len()], octets[payload.start..], "the payload stays as it is");
        let reply = parse_udp_frame(&frame[..size]).expect("our own frame");
        assert_eq!(reply.payload(), payload.start..size);
        assert_eq!((reply.client(), reply.local()), (view.local(), view.client()), "addresses and ports are swapped");
        assert_eq!((&frame[..6], &frame[6..MACS]), (&octets[6..MACS], &octets[..6]), "so are the MACs");
        assert_eq!(reply.return_path().vlan(), view.return_path().vlan(), "the tag stays");
    }
});
