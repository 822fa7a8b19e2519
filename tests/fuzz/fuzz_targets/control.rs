//! Any octets from a client of the control socket: no crash, and a reply that is limited in size and made of whole lines.
#![no_main]

use libfuzzer_sys::fuzz_target;
use runbound::control::answer;
use runbound::control::fake::Fake;

/// More than the server ever holds for one reply.
const MOST: usize = 2 << 20;

fuzz_target!(|octets: &[u8]| {
    let mut program = Fake::default();
    let reply = answer(octets, &mut program);
    assert!(program.compilations <= 1, "one compilation for any number of edits");
    let Some(reply) = reply else {
        assert!(program.compilations == 0 && program.calls.is_empty() && !program.stopped, "no reply, and something done");
        return;
    };
    assert!(reply.len() <= MOST);
    assert!(reply.last().is_none_or(|&last| last == b'\n'), "a line without an end");
});
