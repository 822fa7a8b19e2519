//! Asks a server the same question many times and counts: for machines too small or too slow for a load generator.
//!
//! `ask [--count N] [--window N] [--rate N] [--sockets N] [--timeout MS] [--from ADDRESS] [--answer IPV4] [--tcp]
//! SERVER[:PORT] NAME`. At most `--window` questions are under way, so that nothing is lost to buffers; each is sent once
//! and counts as lost when `--timeout` has passed. `--rate`: no more than that many a second. Prints
//! `sent N answered N wrong N lost N seconds S`, then which were lost, numbered from 0, and when the first and the last of
//! them were sent. Exit status 0 when all were answered as they should.
//!
//! `ask --control SOCKET COMMAND...` sends a command to a server's control socket and prints the reply.

use lexopt::prelude::*;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::collections::VecDeque;
use std::error::Error;
use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream, UdpSocket};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

/// What is asked, of whom, and how.
struct Plan {
    server: SocketAddr,
    from: Option<IpAddr>,
    name: Vec<u8>,
    answer: Option<Ipv4Addr>,
    count: u16,
    window: usize,
    sockets: usize,
    pause: Duration,
    timeout: Duration,
    tcp: bool,
}

/// What became of the questions.
#[derive(Default)]
struct Tally {
    answered: u32,
    wrong: u32,
    /// Numbers of the unanswered ones, each with the time it was sent at.
    lost: Vec<(u16, Duration)>,
}

fn main() -> Result<(), Box<dyn Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    if let [first, socket, command @ ..] = words.as_slice()
        && first == "--control"
    {
        return control(socket, &command.join(" "));
    }
    let plan = arguments()?;
    let start = Instant::now();
    let tally = if plan.tcp { ask_tcp(&plan)? } else { ask_udp(&plan, start)? };
    let Tally { answered, wrong, lost } = &tally;
    let seconds = start.elapsed().as_secs_f64();
    println!("sent {} answered {answered} wrong {wrong} lost {} seconds {seconds:.2}", plan.count, lost.len());
    if let (Some((_, first)), Some((_, last))) = (lost.first(), lost.last()) {
        println!("lost {} sent from {} to {} ms", ranges(lost), first.as_millis(), last.as_millis());
    }
    if *wrong > 0 || !lost.is_empty() {
        std::process::exit(1);
    }
    Ok(())
}

/// Unbound's control protocol: one line there, the reply until the end.
fn control(socket: &str, command: &str) -> Result<(), Box<dyn Error>> {
    let mut stream = UnixStream::connect(socket)?;
    stream.write_all(format!("UBCT1 {command}\n").as_bytes())?;
    std::io::copy(&mut stream, &mut std::io::stdout())?;
    Ok(())
}

fn arguments() -> Result<Plan, Box<dyn Error>> {
    let mut plan = Plan {
        server: SocketAddr::from(([0, 0, 0, 0], 0)),
        from: None,
        name: Vec::new(),
        answer: None,
        count: 1,
        window: 16,
        sockets: 8,
        pause: Duration::ZERO,
        timeout: Duration::from_secs(30),
        tcp: false,
    };
    let mut words = Vec::new();
    let mut parser = lexopt::Parser::from_env();
    while let Some(argument) = parser.next()? {
        match argument {
            Long("count") => plan.count = parser.value()?.parse()?,
            Long("window") => plan.window = parser.value()?.parse()?,
            Long("rate") => plan.pause = Duration::from_secs(1) / parser.value()?.parse()?,
            Long("sockets") => plan.sockets = parser.value()?.parse::<usize>()?.max(1),
            Long("timeout") => plan.timeout = Duration::from_millis(parser.value()?.parse()?),
            Long("from") => plan.from = Some(parser.value()?.parse()?),
            Long("answer") => plan.answer = Some(parser.value()?.parse()?),
            Long("tcp") => plan.tcp = true,
            Value(word) => words.push(word.string()?),
            _ => return Err(argument.unexpected().into()),
        }
    }
    let [server, name] = words.as_slice() else { return Err("usage: ask [options] SERVER[:PORT] NAME".into()) };
    plan.server = match server.parse::<IpAddr>() {
        Ok(address) => SocketAddr::new(address, 53),
        Err(_) => server.parse()?,
    };
    for label in name.split('.').filter(|label| !label.is_empty()) {
        plan.name.push(u8::try_from(label.len())?);
        plan.name.extend(label.as_bytes());
    }
    plan.name.push(0);
    Ok(plan)
}

/// Query number `id`: type A, recursion desired.
fn query(plan: &Plan, id: u16) -> Vec<u8> {
    let mut message = id.to_be_bytes().to_vec();
    message.extend([1, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
    message.extend(&plan.name);
    message.extend([0, 1, 0, 1]);
    message
}

/// Whether `reply` answers query `id` without error, with the address that is expected.
fn is_right(plan: &Plan, id: u16, reply: &[u8]) -> bool {
    let question = &query(plan, id)[12..];
    let body = reply.get(12..).unwrap_or_default();
    let answers = reply.get(6..8) != Some(&[0, 0]);
    let good = reply.get(2).is_some_and(|flags| flags & 0x80 != 0) && reply.get(3).is_some_and(|code| code & 15 == 0);
    good && answers
        && body.starts_with(question)
        && plan.answer.is_none_or(|wanted| holds(&body[question.len()..], wanted))
}

/// Whether an A record of `wanted` is among the records: its length and its data.
fn holds(records: &[u8], wanted: Ipv4Addr) -> bool {
    let data = [&[0, 4], wanted.octets().as_slice()].concat();
    records.windows(data.len()).any(|window| window == data)
}

fn ask_udp(plan: &Plan, start: Instant) -> Result<Tally, Box<dyn Error>> {
    let any: IpAddr = if plan.server.is_ipv4() { [0, 0, 0, 0].into() } else { [0u16; 8].into() };
    let mut sockets = Vec::new();
    for _ in 0..plan.sockets {
        let socket = UdpSocket::bind((plan.from.unwrap_or(any), 0))?;
        socket.connect(plan.server)?;
        socket.set_nonblocking(true)?;
        sockets.push(socket);
    }
    let mut tally = Tally::default();
    let mut open = vec![false; usize::from(plan.count)];
    let mut waiting: VecDeque<(u16, Duration)> = VecDeque::new();
    let (mut next, mut buffer) = (0u16, [0u8; 4096]);
    loop {
        while waiting.front().is_some_and(|&(id, _)| !open[usize::from(id)]) {
            waiting.pop_front();
        }
        let under_way = waiting.iter().filter(|&&(id, _)| open[usize::from(id)]).count();
        let now = start.elapsed();
        if let Some(&(id, sent)) = waiting.front()
            && now > sent + plan.timeout
        {
            open[usize::from(id)] = false;
            tally.lost.push((id, sent));
            continue;
        }
        if next < plan.count && under_way < plan.window && now >= plan.pause * u32::from(next) {
            // An error is a port unreachable of an earlier query, or no route: the query is lost, and counted so in time.
            let _ = sockets[usize::from(next) % sockets.len()].send(&query(plan, next));
            open[usize::from(next)] = true;
            waiting.push_back((next, now));
            next += 1;
            continue;
        }
        if next == plan.count && under_way == 0 {
            return Ok(tally);
        }
        wait(&sockets, if plan.pause.is_zero() { Duration::from_millis(20) } else { Duration::from_millis(1) })?;
        for socket in &sockets {
            while let Ok(len) = socket.recv(&mut buffer) {
                let Some(&[high, low]) = buffer[..len].first_chunk() else { continue };
                let id = u16::from_be_bytes([high, low]);
                match open.get_mut(usize::from(id)) {
                    Some(flag) if *flag => *flag = false,
                    _ => continue,
                }
                if is_right(plan, id, &buffer[..len]) { tally.answered += 1 } else { tally.wrong += 1 }
            }
        }
    }
}

fn wait(sockets: &[UdpSocket], time: Duration) -> Result<(), Box<dyn Error>> {
    let mut polled: Vec<PollFd<'_>> = sockets.iter().map(|socket| PollFd::new(socket, PollFlags::IN)).collect();
    match poll(&mut polled, Some(&Timespec::try_from(time)?)) {
        Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// One question after the other over one connection; `--from` does not count here.
fn ask_tcp(plan: &Plan) -> Result<Tally, Box<dyn Error>> {
    let mut stream = TcpStream::connect_timeout(&plan.server, plan.timeout)?;
    stream.set_read_timeout(Some(plan.timeout))?;
    let mut tally = Tally::default();
    for id in 0..plan.count {
        let message = query(plan, id);
        stream.write_all(&[&u16::try_from(message.len())?.to_be_bytes(), message.as_slice()].concat())?;
        let mut length = [0; 2];
        stream.read_exact(&mut length)?;
        let mut reply = vec![0; usize::from(u16::from_be_bytes(length))];
        stream.read_exact(&mut reply)?;
        let right = reply.starts_with(&id.to_be_bytes()) && is_right(plan, id, &reply);
        if right { tally.answered += 1 } else { tally.wrong += 1 }
    }
    Ok(tally)
}

/// `3 17..25 99`
fn ranges(lost: &[(u16, Duration)]) -> String {
    let mut spans: Vec<(u16, u16)> = Vec::new();
    for &(id, _) in lost {
        match spans.last_mut() {
            Some(span) if span.1 + 1 == id => span.1 = id,
            _ => spans.push((id, id)),
        }
    }
    let text = |&(from, to): &(u16, u16)| if from == to { from.to_string() } else { format!("{from}..{to}") };
    spans.iter().map(text).collect::<Vec<_>>().join(" ")
}
