//! Any octets as signed replies from upstream, through the resolver's core from the reply to the verdict: each question ends, costs
//! no more than its budget, and nothing is told as proven that no trusted key has signed.
//!
//! Octets: choices, the trust anchor, the time; replies follow, two octets of length before each, as over TCP. What the first of
//! them repeats is the question; each query is answered by the first that repeats it, or not at all.
#![no_main]

use libfuzzer_sys::fuzz_target;
use runbound::dns::name::{Name, is_at_or_below};
use runbound::dns::question::Question;
use runbound::dns::record::Record;
use runbound::dns::scan::HashKey;
use runbound::dns::{class, get_u16, header, rcode, rtype};
use runbound::resolve::{
    Cache, Command, Core, Failure, Input, Iteration, Kind, Options, Reachable, Request, Response, Rules as CacheRules,
    Sent, World, Zone, ZoneTable, built_in,
};
use runbound::ring::spsc::{self, Consumer, Producer};
use runbound::stats::Upstream;
use runbound::validate::anchors::{AnchorRecord, Anchors};
use runbound::validate::chain::Ds;
use runbound::validate::dnskey::Dnskey;
use runbound::validate::parts::{Parts, Views};
use runbound::validate::{Budget, Clock, Fakes, Keys, Rules, Set, verify};
use rustix::io::Errno;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

/// The trust anchors of the signed scenarios (tests/replay/scenarios): zone, key tag, algorithm, type of the digest, digest.
const ANCHORS: [(&str, u16, u8, u8, &str); 9] = [
    ("example.", 24891, 13, 2, "5556e783b64182491df48ab22f672b7f0f52e0d3e269ed8bb1fe41cf4ee76c31"),
    ("example.", 12326, 15, 2, "8587ceb6181f77fe167e95d3feb9e296f5486ae61a2e3ccc8d546fb1d5bb8481"),
    ("example.", 13361, 13, 2, "90082b7b00b9561abb42fc725632604f3a8102963d6a7016d8084a9b3f473728"),
    ("example.", 24121, 10, 2, "7a28d0a3ab4b45a7e77b27eeabb6e02ed1af2a21bbe92d3a21d6eade5260cdf8"),
    (
        "example.",
        24891,
        13,
        4,
        "1ceb3e6835eb03df9c8d911f99b5df9c4b0f36b39a95977d86c2fa336fe29213bb599607fcc4c54a1a929a24a1ef3468",
    ),
    ("example.", 37037, 16, 2, "e467e13bfdce6c45f93d74ded2252d0e9f7e86fdf1383cd6d57649017f675eba"),
    ("example.", 45351, 14, 2, "493b0eb567beb8305ee175011932896032bd7ff85c00ab8c50cbe52d133b3b3c"),
    ("example.", 49372, 8, 2, "e2813f3d807838d8492317ea533786f09637624cd1211170487bae2f9c3cd488"),
    ("three.", 29532, 13, 2, "d2b0bf52b8ad877887cfd5a9e43399c86fe1f0df45a58036692c1a42eb6ccef6"),
];
/// What each of them is: zone (wire form) and data.
static TRUSTED: LazyLock<Vec<(Vec<u8>, Vec<u8>)>> = LazyLock::new(|| ANCHORS.iter().map(anchor).collect());
/// 2026-01-01, and seconds for each unit of the time that the octets say: four years back and forth of signatures of ten.
const MIDDLE: u32 = 1_767_225_600;
const UNIT: u32 = 1_000_000;
/// Signatures that one question may have checked (`validate::budget`), and those of the last keys that it has learnt.
const SIGNATURES: u64 = 400;
/// Steps after which a question is taken for one without an end: 200 queries, each of which times out.
const STEPS: usize = 2000;
const START: Duration = Duration::from_secs(1);

fn anchor((zone, tag, algorithm, kind, digest): &(&str, u16, u8, u8, &str)) -> (Vec<u8>, Vec<u8>) {
    let mut data = tag.to_be_bytes().to_vec();
    data.extend([*algorithm, *kind]);
    data.extend((0..digest.len() / 2).map(|at| u8::from_str_radix(&digest[2 * at..2 * at + 2], 16).expect("a digest")));
    (Name::from_text(zone).expect("a zone").as_wire().to_vec(), data)
}

/// The servers: what they were asked waits here.
struct Servers {
    queries: Vec<(u16, Vec<u8>)>,
    responses: Producer<Response>,
    wall: u32,
    drawn: u16,
}

impl World for Servers {
    fn open_udp(&mut self, _: u16, _: SocketAddr, _: SocketAddr) -> Result<(), Failure> {
        Ok(())
    }

    fn send_udp(&mut self, slot: u16, message: &[u8]) -> Sent {
        self.queries.push((slot, message.to_vec()));
        Sent { outcome: Ok(()), earlier: None }
    }

    fn close_udp(&mut self, slot: u16) {
        self.queries.retain(|(of, _)| *of != slot);
    }

    fn open_stream(&mut self, _: u16, _: SocketAddr, _: SocketAddr) -> Result<(), Failure> {
        Err(Failure { call: "TCP connect", errno: Errno::CONNREFUSED })
    }

    fn send_stream(&mut self, _: u16, _: &[u8]) {}

    fn close_stream(&mut self, _: u16) {}

    fn draw(&mut self) -> Result<u16, Failure> {
        self.drawn = self.drawn.wrapping_mul(25_173).wrapping_add(13_849);
        Ok(self.drawn)
    }

    fn keep_anchor(&mut self, _: &Path, _: String) {}

    fn wall(&mut self) -> u64 {
        self.wall.into()
    }

    fn room(&mut self) -> Option<&mut Response> {
        self.responses.reserve()
    }

    fn publish(&mut self) {
        self.responses.publish();
    }
}

/// What the fuzzer chose.
struct Case<'a> {
    choice: u8,
    anchor: &'static (Vec<u8>, Vec<u8>),
    wall: u32,
    replies: Vec<&'a [u8]>,
}

fn input(octets: &[u8]) -> Option<Case<'_>> {
    let ([choice, anchor, time], mut rest) = octets.split_first_chunk::<3>()?;
    let mut replies = Vec::new();
    while let Some((len, behind)) = rest.split_first_chunk::<2>() {
        let (reply, behind) = behind.split_at(behind.len().min(usize::from(u16::from_be_bytes(*len))));
        replies.push(reply);
        rest = behind;
    }
    let wall = MIDDLE.wrapping_add_signed(i32::from(*time as i8) * UNIT as i32);
    Some(Case { choice: *choice, anchor: &TRUSTED[usize::from(*anchor) % TRUSTED.len()], wall, replies })
}

impl Case<'_> {
    fn rules(&self) -> Rules {
        let (zone, data) = self.anchor.clone();
        let record = AnchorRecord { zone, class: class::IN, rtype: rtype::DS, data };
        let (anchors, _) = Anchors::new([&record], [], |_| true);
        let is = |bit: u8| self.choice & bit != 0;
        Rules {
            anchors: Arc::new(anchors),
            harden_downgrade: is(1),
            harden_stripped: !is(2),
            clean_additional: !is(4),
            aggressive: !is(8),
            ..Rules::default()
        }
    }

    /// A core whose every question goes to one server, which resolves or is asked for what it has.
    fn core(&self, stats: &Arc<Upstream>, world: &mut Servers) -> Core {
        // Each query has the whole name, so that replies answer it.
        let iteration = Iteration { minimise: false, ..Iteration::default() };
        let validation = Some(self.rules());
        let options =
            Options { questions: 8, cookies: false, hints: built_in(), iteration, validation, ..Options::default() };
        let cache = Cache::new(1 << 16, 1 << 16, CacheRules::default(), HashKey::fixed(1)).expect("memory");
        let mut core = Core::new(options, Arc::clone(stats), Arc::default()).with_cache(cache);
        let kind = if self.choice & 16 == 0 { Kind::Forward } else { Kind::Stub { prime: false } };
        let servers = vec![SocketAddr::from(([192, 0, 2, 1], 53))];
        let zone = Zone { kind, servers, ..Zone::forward(vec![0]) };
        let table = Arc::new(ZoneTable::new(vec![zone], Reachable::default()));
        core.handle(Input::Command(Command::Table(table)), START, world);
        core
    }

    /// The reply to a query.
    fn reply(&self, query: &[u8]) -> Option<Vec<u8>> {
        let asked = Question::parse(query)?;
        let name = |message: &[u8], question: &Question| {
            message.get(header::LEN..header::LEN + question.name_len).map(<[u8]>::to_ascii_lowercase)
        };
        let is_it = |reply: &&&[u8]| {
            let question = Question::parse(reply);
            question.is_some_and(|found| {
                (found.qtype, found.qclass) == (asked.qtype, asked.qclass) && name(reply, &found) == name(query, &asked)
            })
        };
        let mut reply = self.replies.iter().find(is_it)?.to_vec();
        reply[..2].copy_from_slice(&query[..2]);
        Some(reply)
    }

    fn clock(&self) -> Clock {
        self.rules().clock(self.wall.into())
    }
}

/// Asks, and has each query answered; false when the question is none.
fn run(input: &Case<'_>, asked: (&[u8], u16), core: &mut Core, world: &mut Servers, told: &mut Consumer<Response>) {
    let (mut requests, mut requested) = spsc::channel_zeroed::<Request>(1);
    let request = requests.reserve().expect("room");
    request.set_name(asked.0);
    (request.qtype, request.qclass, request.dnssec_ok) = (asked.1, class::IN, true);
    requests.publish();
    let mut now = START;
    core.handle(Input::Request(requested.front().expect("a request")), now, world);
    for _ in 0..STEPS {
        if told.front().is_some() {
            return;
        }
        let input = match world.queries.pop() {
            Some((slot, query)) => match input.reply(&query) {
                Some(octets) => {
                    core.handle(Input::Datagram { slot, octets: &octets }, now, world);
                    continue;
                }
                None => Input::SendFailed { slot, errno: Errno::CONNREFUSED },
            },
            None => {
                now = core.due(false).expect("a question waits for something").max(now);
                Input::Due
            }
        };
        core.handle(input, now, world);
    }
    panic!("a question without an end");
}

/// The response as a message.
fn message(asked: (&[u8], u16), response: &Response) -> Vec<u8> {
    let mut message = vec![0; header::LEN];
    message.extend_from_slice(asked.0);
    message.extend([asked.1.to_be_bytes(), class::IN.to_be_bytes()].concat());
    message.extend_from_slice(response.body());
    let [answers, authorities, additionals] = response.counts;
    header::set_counts(&mut message, [1, answers, authorities, additionals]);
    message
}

/// The keys that a zone has signed its own with, found by search: all that came, by all that is trusted of what came.
struct Trust<'a> {
    clock: Clock,
    parts: &'a [Parts],
    keys: Vec<Keys>,
}

impl<'a> Trust<'a> {
    fn of(input: &Case<'_>, parts: &'a [Parts]) -> Trust<'a> {
        let mut trust = Trust { clock: input.clock(), parts, keys: Vec::new() };
        trust.take_keys(&input.anchor.0, &[&input.anchor.1]);
        loop {
            let before = trust.keys.len();
            trust.each(rtype::DS, |trust, set| {
                if trust.signer_of(set).is_some_and(|signer| signer.len() < set.owner.len()) {
                    trust.take_keys(set.owner, set.records);
                }
            });
            if trust.keys.len() == before {
                return trust;
            }
        }
    }

    fn each(&mut self, rtype: u16, mut f: impl FnMut(&mut Self, &Set<'_>)) {
        for parts in self.parts {
            let views = parts.views();
            for nth in 0..parts.sets.len() {
                if let Some(set) = views.set(nth).filter(|set| set.rtype == rtype) {
                    let signatures = signatures_of(&set, parts, &views);
                    f(self, &Set { signatures: &signatures, ..set });
                }
            }
        }
    }

    /// Trusts the DNSKEY RRsets of a zone that a key with one of these DS has signed.
    fn take_keys(&mut self, zone: &[u8], ds: &[&[u8]]) {
        self.each(rtype::DNSKEY, |trust, set| {
            if !set.owner.eq_ignore_ascii_case(zone) {
                return;
            }
            let has_ds = |key: &Dnskey<'_>| ds.iter().filter_map(|ds| Ds::parse(ds)).any(|ds| ds.is_of(zone, key));
            let entries: Vec<&[u8]> = set
                .records
                .iter()
                .copied()
                .filter(|data| Dnskey::parse(data).is_some_and(|key| has_ds(&key)))
                .collect();
            let is_signed = entries.iter().any(|key| {
                let key = Keys::of(&Set { records: &[key], ..*set }, Vec::new(), Fakes::default());
                is_by(set, &key, &trust.clock)
            });
            let keys = Keys::of(set, Vec::new(), Fakes::default());
            let same = |known: &Keys| {
                known.zone() == keys.zone() && known.iter().map(|key| &key.data).eq(keys.iter().map(|key| &key.data))
            };
            if is_signed && !trust.keys.iter().any(same) {
                trust.keys.push(keys);
            }
        });
    }

    /// The trusted zone that has signed an RRset.
    fn signer_of(&self, set: &Set<'_>) -> Option<&[u8]> {
        let above = self.keys.iter().filter(|keys| is_at_or_below(set.owner, keys.zone()));
        above.map(|keys| (keys, is_by(set, keys, &self.clock))).find(|(_, is)| *is).map(|(keys, _)| keys.zone())
    }
}

/// The signatures that came with an RRset, in whatever section of its reply: one that is genuine is so anywhere.
fn signatures_of<'v>(set: &Set<'_>, parts: &Parts, views: &'v Views<'_>) -> Vec<&'v [u8]> {
    let of_owner = (0..parts.sets.len()).filter_map(|nth| views.set(nth));
    let of_owner = of_owner.filter(|other| other.owner.eq_ignore_ascii_case(set.owner));
    let all = of_owner.flat_map(|other| match other.rtype {
        rtype::RRSIG => other.records,
        _ => other.signatures,
    });
    all.copied().filter(|signature| get_u16(signature, 0) == Some(set.rtype)).collect()
}

/// Whether one of the signatures is by one of the keys, whatever that costs.
fn is_by(set: &Set<'_>, keys: &Keys, clock: &Clock) -> bool {
    set.signatures.iter().any(|signature| {
        keys.iter().any(|key| {
            let key = Keys::of(&Set { records: &[&key.data], ..zone_of(keys) }, Vec::new(), Fakes::default());
            let one = Set { signatures: &[signature], ..*set };
            verify(&one, &key, clock, &mut Budget::new(100, 0)).is_ok()
        })
    })
}

fn zone_of(keys: &Keys) -> Set<'_> {
    Set { owner: keys.zone(), rtype: rtype::DNSKEY, class: class::IN, ttl: 0, records: &[], signatures: &[] }
}

/// What a reply says of keys; the core does without what else may be malformed in it.
fn keys_of(reply: &[u8]) -> Option<Parts> {
    let [_, counts @ ..] = header::counts(reply);
    let (mut kept, mut at) = (reply.to_vec(), Question::parse(reply)?.end());
    for _ in 0..counts.iter().map(|count| u32::from(*count)).sum() {
        let record = Record::at(reply, at)?;
        let covered = if record.rtype == rtype::RRSIG { get_u16(reply, record.rdata.start)? } else { record.rtype };
        if !matches!(covered, rtype::DS | rtype::DNSKEY) {
            kept[record.fixed..record.fixed + 2].copy_from_slice(&rtype::OPT.to_be_bytes());
        }
        at = record.end();
    }
    Parts::of(&kept)
}

/// What is told as proven was signed by somebody who is trusted, or follows from that.
fn check_secure(input: &Case<'_>, asked: (&[u8], u16), response: &Response) {
    let came: Vec<Parts> = input.replies.iter().filter_map(|reply| keys_of(reply)).collect();
    let trust = Trust::of(input, &came);
    let told = Parts::of(&message(asked, response)).expect("a message");
    let views = told.views();
    let sets = || (0..told.sets.len()).filter_map(|nth| Some((told.sets[nth].section, views.set(nth)?)));
    for (section, set) in sets().filter(|(section, _)| *section < 2) {
        let is_above = |dname: &Set<'_>| dname.rtype == rtype::DNAME && is_at_or_below(set.owner, dname.owner);
        let is_made = || {
            set.rtype == rtype::CNAME
                && set.signatures.is_empty()
                && sets().any(|(of, dname)| of == section && is_above(&dname))
        };
        assert!(is_made() || trust.signer_of(&set).is_some(), "nobody has signed {set:?}");
    }
    let denies = response.rcode == rcode::NXDOMAIN || response.counts[0] == 0;
    let is_proof = |set: &Set<'_>| matches!(set.rtype, rtype::NSEC | rtype::NSEC3);
    assert!(
        !denies || sets().any(|(section, set)| section == 1 && is_proof(&set)),
        "nothing proves that it is not there"
    );
}

fuzz_target!(|octets: &[u8]| {
    let Some(input) = input(octets) else { return };
    let Some(first) = input.replies.first() else { return };
    let Some(question) = Question::parse(first).filter(|question| question.qclass == class::IN) else { return };
    let name = first[header::LEN..header::LEN + question.name_len].to_ascii_lowercase();
    let asked = (name.as_slice(), question.qtype);
    let (responses, mut told) = spsc::channel_zeroed(1);
    let mut world = Servers { queries: Vec::new(), responses, wall: input.wall, drawn: 1 };
    let stats: Arc<Upstream> = Arc::default();
    let mut core = input.core(&stats, &mut world);
    run(&input, asked, &mut core, &mut world, &mut told);
    let signatures = stats.signatures.get();
    assert!(signatures <= SIGNATURES, "{signatures} signatures were checked for one question");
    let response = told.front().expect("an answer");
    assert!(matches!(response.rcode, rcode::NOERROR | rcode::SERVFAIL | rcode::NXDOMAIN | rcode::YXDOMAIN));
    if response.secure {
        check_secure(&input, asked, response);
    }
});
