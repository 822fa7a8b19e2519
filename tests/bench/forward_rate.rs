//! Drives the resolver's request ring against a UDP responder on loopback and prints questions per second and the processor time
//! of the resolver thread for each: of names that are forwarded, and of the same once more, which it knows by then. Arguments:
//! questions (default 400000), window (default 1000), MB for what it keeps (default 512; 0: it keeps nothing).
//!
//! ```sh
//! cargo run --release --example forward_rate
//! ```

use runbound::dns::scan::HashKey;
use runbound::resolve::{Cache, Links, Options, Reachable, Request, Resolver, Response, Rules, Zone, ZoneTable};
use runbound::ring::spsc::{Consumer, Producer};
use runbound::ring::{doorbell::Doorbell, spsc};
use runbound::stats::Upstream;
use std::net::UdpSocket;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Instant;

/// Answers every query with one address record.
fn responder(socket: &UdpSocket) {
    let mut buffer = [0u8; 2048];
    while let Ok((len, from)) = socket.recv_from(&mut buffer) {
        // The question ends with the first root label, type and class; what stands behind it is EDNS.
        let Some(root) = buffer[12..len].iter().position(|&octet| octet == 0) else { continue };
        let end = 12 + root + 5;
        buffer[2..12].copy_from_slice(&[0x81, 0x80, 0, 1, 0, 1, 0, 0, 0, 0]);
        buffer[end..end + 16].copy_from_slice(b"\xc0\x0c\0\x01\0\x01\0\0\x0e\x10\0\x04\xc0\0\x02\x01");
        let _ = socket.send_to(&buffer[..end + 16], from);
    }
}

/// Processor time of a thread of this process so far, in microseconds.
fn processor_time(thread: &str) -> f64 {
    let text = std::fs::read_to_string(format!("/proc/self/task/{thread}/schedstat")).unwrap_or_default();
    text.split(' ').next().and_then(|nanos| nanos.parse::<f64>().ok()).unwrap_or(0.0) / 1000.0
}

/// The worker's ends.
struct Asker {
    requests: Producer<Request>,
    responses: Consumer<Response>,
    bell: Doorbell,
}

impl Asker {
    /// Asks for `count` names, `window` of them at a time; gives how many failed.
    fn ask(&mut self, count: u64, window: u64) -> u64 {
        let (mut asked, mut answered, mut failed) = (0u64, 0u64, 0u64);
        while answered < count {
            let before = (asked, answered);
            while asked < count && asked - answered < window {
                let Some(slot) = self.requests.reserve() else { break };
                let mut name = *b"\x0an000000000\x04test\0";
                name[2..11].copy_from_slice(format!("{asked:09}").as_bytes());
                slot.set_name(&name);
                (slot.ticket, slot.qtype, slot.qclass) = (asked, 1, 1);
                self.requests.publish();
                asked += 1;
            }
            while let Some(response) = self.responses.front() {
                failed += u64::from(response.rcode != 0);
                self.responses.release();
                answered += 1;
            }
            if before == (asked, answered) {
                std::thread::yield_now();
            } else {
                self.bell.ring();
            }
        }
        failed
    }
}

fn main() {
    let mut arguments = std::env::args().skip(1).filter_map(|argument| argument.parse::<u64>().ok());
    let (count, window) = (arguments.next().unwrap_or(400_000), arguments.next().unwrap_or(1000));
    let kept = arguments.next().unwrap_or(512) as usize;
    let upstream = UdpSocket::bind("127.0.0.1:0").expect("bind");
    let server = upstream.local_addr().expect("address");
    std::thread::spawn(move || responder(&upstream));
    let (requests, request_end) = spsc::channel_zeroed::<Request>(4096);
    let (response_end, responses) = spsc::channel_zeroed::<Response>(1024);
    let (_main, commands) = mpsc::channel();
    let (bell, worker_bell) = (Doorbell::new().expect("eventfd"), Doorbell::new().expect("eventfd"));
    let stats = Arc::new(Upstream::default());
    let zone = Zone { servers: vec![server], ..Zone::forward(vec![0]) };
    let reachable = Reachable { not_localhost: false, ..Reachable::default() };
    let links = Links {
        requests: request_end,
        responses: response_end,
        bell: bell.clone(),
        worker_bell,
        commands,
        stats: stats.clone(),
        troubles: Arc::default(),
        anchor_files: mpsc::channel().0,
    };
    let table = Arc::new(ZoneTable::new(vec![zone], reachable));
    let mut resolver = Resolver::new(Options::default(), table, links).expect("resolver");
    if kept > 0 {
        let (octets, key) = (kept << 19, HashKey::random().expect("random numbers"));
        resolver = resolver.with_cache(Cache::new(octets, octets, Rules::default(), key).expect("memory"));
    }
    let stop = Arc::new(AtomicBool::new(false));
    let flag = stop.clone();
    let (tell, told) = mpsc::channel();
    let thread = std::thread::spawn(move || {
        let own = std::fs::read_link("/proc/thread-self").unwrap_or_default();
        let _ = tell.send(own.file_name().unwrap_or_default().to_string_lossy().into_owned());
        resolver.run(&flag);
    });
    let own = told.recv().expect("the thread's number");
    let mut asker = Asker { requests, responses, bell: bell.clone() };
    for what in if kept > 0 { &["forwarded", "known"][..] } else { &["forwarded"] } {
        let (start, used) = (Instant::now(), processor_time(&own));
        let failed = asker.ask(count, window);
        let (seconds, micros) = (start.elapsed().as_secs_f64(), processor_time(&own) - used);
        println!(
            "{what}: {:.0} questions/s, {:.2} us of the resolver thread each, {failed} failed",
            count as f64 / seconds,
            micros / count as f64,
        );
    }
    stop.store(true, Ordering::Release);
    bell.ring();
    let _ = thread.join();
    println!("{stats:?}");
}
