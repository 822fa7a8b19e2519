//! Figures to lines of text. Pure: what a screen shows is decided here, how it gets there is not.

use super::figures::{Figures, Path, Server, Upstream};
use std::time::Duration;

/// Columns used, one less than a terminal has: a full last column makes some terminals break the line.
pub(super) const COLUMNS: usize = 79;
/// Lines used.
pub(super) const LINES: usize = 24;
/// Most lines for addresses and for paths, so that many interfaces do not push the rest off the screen.
const INTERFACES_MAX: usize = 4;
/// What else there is, for who looks for a login.
const HINT: &str = " no login here; on Proxmox: qm guest exec VMID -- unbound-control status ";
/// Where values start.
const LABEL: usize = 10;

/// The screen: at most [`LINES`] lines of at most [`COLUMNS`] printable ASCII characters.
pub fn draw(figures: &Figures) -> Vec<String> {
    let mut lines = vec![head(figures), format!("{HINT:-^COLUMNS$}")];
    addresses(figures, &mut lines);
    let gateways = if figures.gateways.is_empty() { "none".to_owned() } else { figures.gateways.join("  ") };
    entry(&mut lines, "Gateway", &gateways);
    match (&figures.server, figures.pid) {
        (Some(server), _) => server_lines(server, &mut lines),
        (None, _) if figures.starting => entry(&mut lines, "Server", "starting"),
        (None, Some(_)) => entry(&mut lines, "Server", "running, and not answering its control socket"),
        (None, None) => entry(&mut lines, "Server", "down; it is started again shortly"),
    }
    entry(&mut lines, "Forwards", &figures.forwards);
    let restarts = if figures.restarts == 1 { "1 restart".into() } else { format!("{} restarts", figures.restarts) };
    let memory = match figures.memory {
        Some((used, all)) => format!("{} of {} MB used; server: {restarts}", used >> 20, all >> 20),
        None => format!("not known; server: {restarts}"),
    };
    entry(&mut lines, "Memory", &memory);
    entry(&mut lines, "Clock", &figures.clock);
    entry(&mut lines, "Network", &figures.network_source);
    entry(&mut lines, "Config", &figures.storage);
    warnings(&figures.warnings, &mut lines);
    lines.iter().take(LINES).map(|line| plain(line)).collect()
}

fn head(figures: &Figures) -> String {
    let left = format!("runbound {}", figures.version);
    let right = format!("up {}", duration(figures.uptime));
    let middle = COLUMNS.saturating_sub(left.len() + right.len());
    format!("{left}{:^middle$}{right}", cut(&figures.hostname, middle.saturating_sub(2)))
}

/// A label and its value; a value that is too long goes on in the next line.
fn entry(lines: &mut Vec<String>, label: &str, value: &str) {
    let mut label = label;
    let mut rest = value;
    loop {
        let (line, after) = broken(rest, COLUMNS - LABEL);
        lines.push(format!("{label:LABEL$}{line}"));
        (label, rest) = ("", after);
        if rest.is_empty() {
            return;
        }
    }
}

/// The first line of `text` when broken at a space, and what follows.
fn broken(text: &str, columns: usize) -> (&str, &str) {
    let Some((end, next)) = text.char_indices().nth(columns) else { return (text, "") };
    let upto = end + next.len_utf8();
    match text[..upto].rfind(' ') {
        Some(at) if at > columns / 2 => (&text[..at], text[at..].trim_start()),
        _ => text.split_at(end),
    }
}

fn addresses(figures: &Figures, lines: &mut Vec<String>) {
    if figures.addresses.is_empty() {
        return entry(lines, "Address", "none: no interface has one yet");
    }
    for (number, (interface, addresses)) in figures.addresses.iter().take(INTERFACES_MAX).enumerate() {
        let label = if number == 0 { "Address" } else { "" };
        let shown = if addresses.is_empty() { "none".to_owned() } else { addresses.join("  ") };
        entry(lines, label, &format!("{interface:6} {shown}"));
    }
    more(figures.addresses.len(), lines);
}

fn more(count: usize, lines: &mut Vec<String>) {
    if count > INTERFACES_MAX {
        entry(lines, "", &format!("and {} more", count - INTERFACES_MAX));
    }
}

fn server_lines(server: &Server, lines: &mut Vec<String>) {
    for (number, path) in server.paths.iter().take(INTERFACES_MAX).enumerate() {
        entry(lines, if number == 0 { "Path" } else { "" }, &path_text(path));
    }
    more(server.paths.len(), lines);
    let share = server.xdp_share.map(|share| format!(": {} of the last queries", percent(1.0 - share)));
    let label = if server.paths.is_empty() { "Path" } else { "" };
    entry(lines, label, &format!("kernel sockets (not by XDP, slower){}", share.unwrap_or_default()));
    lines.push(String::new());
    let rate = server.rate.map_or("-".into(), |rate| grouped(rate.round() as u64));
    entry(lines, "Queries", &format!("{rate}/s, {} in {}", grouped(server.queries), duration(server.up)));
    entry(lines, "Hit rate", &server.hit_rate.map_or("-".into(), percent));
    entry(lines, "Upstream", &upstream_text(&server.upstream));
}

fn path_text(path: &Path) -> String {
    let Path { interface, mode, bind, queues, watchdog, fallback } = path;
    let fallback = if fallback.is_empty() { String::new() } else { format!(" ({fallback})") };
    if mode == "off" {
        return format!("{interface:6} kernel sockets only{fallback}");
    }
    let copy = if bind == "zerocopy" { "zero-copy" } else { "copy" };
    let queues = if *queues == 1 { "1 queue".to_owned() } else { format!("{queues} queues") };
    let watchdog = match watchdog.as_str() {
        "tripped" => ", stalled: the kernel sockets carry the traffic",
        _ => "",
    };
    format!("{interface:6} AF_XDP {mode}, {copy}, {queues}{watchdog}{fallback}")
}

fn upstream_text(upstream: &Upstream) -> String {
    let Upstream { replies, timeouts, failures, in_flight } = upstream;
    let health = match (*replies, timeouts + failures) {
        (0, 0) if *in_flight == 0 => return "idle".into(),
        (0, 0) => "waiting",
        (0, _) => "NO ANSWER",
        (replies, lost) if lost * 5 > replies => "LOSSY",
        _ => "ok",
    };
    format!("{health}: {replies} replies, {timeouts} timeouts, {failures} failures in 10 s; {in_flight} in flight")
}

/// The newest warnings that there is room for.
fn warnings(warnings: &[String], lines: &mut Vec<String>) {
    let room = LINES.saturating_sub(lines.len() + 2).max(1);
    lines.push(String::new());
    if warnings.is_empty() {
        return lines.push("No warnings".into());
    }
    lines.push("Last warnings".into());
    let mut shown: Vec<&str> = Vec::new();
    // From the newest back, each with all its lines or not at all; the newest at least in part.
    for warning in warnings.iter().rev() {
        let mut broken_up = Vec::new();
        let mut rest = warning.as_str();
        while !rest.is_empty() {
            let (line, after) = broken(rest, COLUMNS - 2);
            broken_up.push(line);
            rest = after;
        }
        if shown.is_empty() {
            broken_up.truncate(room);
        } else if shown.len() + broken_up.len() > room {
            break;
        }
        shown.splice(0..0, broken_up);
    }
    lines.extend(shown.iter().map(|line| format!("  {line}")));
}

fn percent(share: f64) -> String {
    format!("{:.1} %", share * 100.0)
}

/// 1234567 as 1,234,567.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

fn duration(time: Duration) -> String {
    let seconds = time.as_secs();
    let clock = format!("{:02}:{:02}:{:02}", seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    match seconds / 86_400 {
        0 => clock,
        1 => format!("1 day {clock}"),
        days => format!("{days} days {clock}"),
    }
}

fn cut(text: &str, columns: usize) -> String {
    text.chars().take(columns).collect()
}

/// Printable ASCII alone: a name or a warning must not steer the terminal.
fn plain(line: &str) -> String {
    let shown = line.chars().map(|c| if c == ' ' || c.is_ascii_graphic() { c } else { '?' });
    shown.take(COLUMNS).collect::<String>().trim_end().to_owned()
}

#[cfg(test)]
#[path = "draw_tests.rs"]
mod tests;
