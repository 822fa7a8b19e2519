//! Drives the resolver's request ring against a UDP responder on loopback and prints questions per second and this
//! process's time per question on the resolver thread. Arguments: questions (default 400000), window (default 1000).
//!
//! ```sh
//! cargo run --release --example forward_rate
//! ```

use runbound::resolve::{Links, Options, Reachable, Request, Resolver, Response, Zone, ZoneTable};
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

fn main() {
    let mut arguments = std::env::args().skip(1).filter_map(|argument| argument.parse::<u64>().ok());
    let (count, window) = (arguments.next().unwrap_or(400_000), arguments.next().unwrap_or(1000));
    let upstream = UdpSocket::bind("127.0.0.1:0").expect("bind");
    let server = upstream.local_addr().expect("address");
    std::thread::spawn(move || responder(&upstream));
    let (mut requests, request_end) = spsc::channel_zeroed::<Request>(4096);
    let (response_end, mut responses) = spsc::channel_zeroed::<Response>(1024);
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
    };
    let table = Arc::new(ZoneTable::new(vec![zone], reachable));
    let resolver = Resolver::new(Options::default(), table, links).expect("resolver");
    let stop = Arc::new(AtomicBool::new(false));
    let flag = stop.clone();
    let thread = std::thread::spawn(move || {
        resolver.run(&flag);
        // utime and stime of this thread, in clock ticks of 10 ms.
        let stat = std::fs::read_to_string("/proc/thread-self/stat").unwrap_or_default();
        let fields: Vec<u64> = stat.split(' ').skip(13).take(2).filter_map(|field| field.parse().ok()).collect();
        fields.iter().sum::<u64>() * 10_000
    });
    let start = Instant::now();
    let (mut asked, mut answered, mut failed) = (0u64, 0u64, 0u64);
    while answered < count {
        let before = (asked, answered);
        while asked < count && asked - answered < window {
            let Some(slot) = requests.reserve() else { break };
            let mut name = *b"\x0an000000000\x04test\0";
            name[2..11].copy_from_slice(format!("{asked:09}").as_bytes());
            slot.set_name(&name);
            (slot.ticket, slot.qtype, slot.qclass) = (asked, 1, 1);
            requests.publish();
            asked += 1;
        }
        while let Some(response) = responses.front() {
            failed += u64::from(response.rcode != 0);
            responses.release();
            answered += 1;
        }
        if before == (asked, answered) {
            std::thread::yield_now();
        } else {
            bell.ring();
        }
    }
    let elapsed = start.elapsed();
    stop.store(true, Ordering::Release);
    bell.ring();
    let micros = thread.join().unwrap_or(0);
    println!(
        "{:.0} questions/s, {:.2} us of the resolver thread each, {failed} failed, {stats:?}",
        count as f64 / elapsed.as_secs_f64(),
        micros as f64 / count as f64,
    );
}
