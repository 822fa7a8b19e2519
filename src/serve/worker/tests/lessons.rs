//! What the XDP program is taught, and what it is not.

use super::*;
use crate::answer::cache::{Answer, KeyFixed};
use crate::answer::keepalive::Keepalive;
use crate::serve::worker::desk::{Incoming, Outcome};
use crate::xdp::answers::Slots;

/// As many entries as several turns of a flush walk over.
const MANY: u32 = 3 * FLUSH_PER_TURN as u32;

impl Rig {
    fn with_program() -> Rig {
        let mut rig = Rig::new(64);
        rig.worker.desk.hot = Some(HotAnswers::new(Slots::unread()));
        rig.seconds = 10;
        let now = rig.now();
        rig.worker.desk.unteach(now);
        rig
    }

    /// Asks as over AF_XDP, where the cache has the answer.
    fn ask_by_frame(&mut self, name: &str) {
        let now = self.now();
        let desk = &mut self.worker.desk;
        let mut message = query(name);
        let len = message.len();
        message.resize(512, 0);
        desk.answerer.note_repeatable(true);
        let incoming = Incoming {
            message: &mut message,
            len,
            client: "192.0.2.1:53".parse().unwrap(),
            via: Via::Datagram(1232),
            local: None,
            keepalive: Keepalive::Silent,
            ahead: None,
        };
        let Outcome::Reply(len) = desk.serve(incoming, now, || panic!("a miss")) else { panic!("no reply") };
        desk.teach(&message[..len], now);
        desk.answerer.note_repeatable(false);
    }

    /// Answers that the program has, a second later.
    fn taught(&mut self) -> u64 {
        self.seconds += 1;
        let now = self.now();
        self.worker.desk.count_told(now);
        self.worker.desk.stats.places.taught.get()
    }
}

#[test]
fn what_a_flush_had_yet_to_take_out_is_not_told_after_it() {
    let mut rig = Rig::with_program();
    let cache = rig.worker.desk.answerer.cache();
    let key = KeyFixed::new(rtype::A, false, false);
    for number in 0..MANY {
        let name = format!("\x06{number:06}\0");
        cache.put(name.as_bytes(), u64::from(number) << 32 | 7, key, Answer::new(0, [0; 3], &[]), 10, 1000);
    }
    let asked = rig.ask("www.example.").unwrap();
    rig.respond(asked, 1, 300);
    rig.turn();
    rig.ask_by_frame("www.example.");
    assert_eq!(rig.taught(), 1);
    rig.seconds += 5;
    rig.command(Command::Flush(Flush::Name {
        name: Name::from_text("www.example.").unwrap(),
        qtype: None,
        below: false,
    }));
    rig.turn();
    assert!(rig.done().is_none(), "the walk goes on");
    rig.seconds += 5;
    rig.ask_by_frame("www.example.");
    while rig.done().is_none() {
        rig.turn();
    }
    assert!(rig.ask("www.example.").is_some());
    assert_eq!(rig.taught(), 0, "it would be told for as long as it was to be kept");
}

#[test]
fn what_programs_told_is_counted_between_queries() {
    let mut rig = Rig::with_program();
    let asked = rig.ask("www.example.").unwrap();
    rig.respond(asked, 1, 300);
    rig.turn();
    rig.ask_by_frame("www.example.");
    rig.seconds += 1;
    let turns = (1..100).find(|_| {
        rig.turn();
        rig.worker.desk.stats.places.taught.get() == 1
    });
    assert!(turns.is_some_and(|turns| turns > 1), "{turns:?}");
    assert!(!rig.worker.desk.is_behind() && !rig.turn(), "nothing keeps it from its sleep");
}
