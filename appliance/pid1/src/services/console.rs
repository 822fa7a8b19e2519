//! The console: one screen of figures on VGA and on the serial line, drawn anew every second. No login, no shell.
//!
//! | file | holds |
//! |---|---|
//! | `gateways` | the kernel's default routes |
//! | `figures` | what is shown, and how counters become rates |
//! | `draw` | figures to lines (pure) |
//! | `screen` | lines to a terminal |
//! | `shell` | the debug image's shell, in place of the screen on the serial line |

mod draw;
mod figures;
mod gateways;
mod screen;
mod shell;

use draw::draw;
use figures::{Figures, History};
use gateways::gateways;

use crate::configuration::forwarders::listed;
use crate::machine::date;
use crate::machine::warnings::Warnings;
use crate::service::{Event, Service, Status};
use runbound::control::{Progress, Question};
use runbound::host::{self, Interface};
use runbound::sys::memory;
use rustix::event::PollFlags;
use rustix::fd::BorrowedFd;
use screen::Screen;
use shell::Shell;
use std::fs;
use std::net::IpAddr;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

const VGA: &str = "/dev/tty1";
const SERIAL: &str = "/dev/ttyS0";
/// Where neither of them is: often another name of one of them.
const OTHER: &str = "/dev/console";
/// Between two drawings.
const EVERY: Duration = Duration::from_secs(1);
/// Between two tries to hand a slow terminal the rest of a drawing.
const FLUSH_EVERY: Duration = Duration::from_millis(50);
/// Most octets of a reply: extended statistics of a few threads and interfaces have 30,000.
const REPLY_MAX: usize = 512 * 1024;
/// How long a reply may take.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long the figures of a server that stopped answering are shown.
const STALE: Duration = Duration::from_secs(4);

/// The console.
pub struct Console {
    screens: Vec<Screen>,
    shell: Option<Shell>,
    warnings: Warnings,
    history: History,
    /// What the server is asked, and until when it has time.
    question: Option<(Question, Instant)>,
    next: Instant,
    flush: Option<Instant>,
}

impl Console {
    /// The console on the terminals there are, which may be none. `warnings` is what it shows below the figures.
    pub fn open(warnings: Warnings, now: Instant) -> Console {
        let command_line = fs::read_to_string("/proc/cmdline").unwrap_or_default();
        let shell = shell::is_wanted(&command_line).then(|| Shell::new(now));
        let paths = [Some(VGA), shell.is_none().then_some(SERIAL)];
        let open = |path: &str| Screen::open(Path::new(path));
        let mut screens: Vec<Screen> = paths.into_iter().flatten().filter_map(open).collect();
        if screens.is_empty() && shell.is_none() {
            screens.extend(open(OTHER));
        }
        for screen in &screens {
            log::info!("console: figures on {}", screen.path().display());
        }
        Console::new(screens, shell, warnings, now)
    }

    fn new(screens: Vec<Screen>, shell: Option<Shell>, warnings: Warnings, now: Instant) -> Console {
        Console { screens, shell, warnings, history: History::default(), question: None, next: now, flush: None }
    }

    fn listen(&mut self, now: Instant) {
        let Some((question, until)) = &mut self.question else { return };
        match question.advance() {
            Progress::Waiting if now < *until => return,
            Progress::Done(reply) => {
                self.history.add(&String::from_utf8_lossy(&reply), now);
            }
            Progress::Waiting | Progress::TooLong(_) | Progress::Failed(_) => {}
        }
        self.question = None;
    }

    fn draw(&mut self, now: Instant, status: &Status) {
        let figures = self.figures(now, status);
        let lines = draw(&figures);
        self.put(|screen| screen.draw(&lines), now);
    }

    /// Does something to every screen; one that fails is given up.
    fn put(&mut self, mut act: impl FnMut(&mut Screen) -> rustix::io::Result<()>, now: Instant) {
        self.screens.retain_mut(|screen| {
            let done = act(screen);
            if let Err(cause) = done {
                // As of a serial port that only the driver believes in.
                log::info!("console: {}: {cause}; nothing is shown there", screen.path().display());
            }
            done.is_ok()
        });
        self.flush = self.screens.iter().any(Screen::is_busy).then(|| now + FLUSH_EVERY);
    }

    fn figures(&self, now: Instant, status: &Status) -> Figures {
        let all = host::memory();
        let uptime = fs::read_to_string("/proc/uptime").ok();
        let uptime = uptime.and_then(|text| text.split(' ').next()?.parse::<f64>().ok());
        Figures {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            hostname: status.hostname.clone(),
            uptime: uptime.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()).unwrap_or_default(),
            addresses: addresses(&host::interfaces().unwrap_or_default()),
            gateways: gateways(&table("route"), &table("ipv6_route")),
            forwards: forwards(status),
            clock: clock(status),
            starting: status.starting,
            network_source: status.network_source.clone(),
            storage: status.storage.clone(),
            memory: memory::machine_left().map(|left| (all.saturating_sub(left), all)),
            pid: status.server,
            restarts: status.restarts,
            server: status.server.and_then(|_| self.history.server(now, STALE)),
            warnings: self.warnings.all(),
        }
    }
}

/// A table of the kernel's in /proc/net.
fn table(name: &str) -> String {
    fs::read_to_string(Path::new("/proc/net").join(name)).unwrap_or_default()
}

/// Whom the server asks.
fn forwards(status: &Status) -> String {
    if status.forwards_everything {
        "by the configuration's own forward-zone".into()
    } else if status.name_servers.is_empty() {
        "NO NAME SERVER: only local data and the cache answer".into()
    } else {
        listed(&status.name_servers)
    }
}

/// The time, and what it is worth.
fn clock(status: &Status) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    format!("{} UTC, {}", date::utc(now), if status.clock.is_empty() { "not set yet" } else { &status.clock })
}

/// What a client could ask: no loopback, no link-local addresses. An interface without an address is shown as such.
fn addresses(interfaces: &[Interface]) -> Vec<(String, Vec<String>)> {
    let asked = |ip: IpAddr| match ip {
        IpAddr::V4(ip) => !ip.is_link_local(),
        IpAddr::V6(ip) => !ip.is_unicast_link_local(),
    };
    let shown = interfaces.iter().filter(|interface| !interface.loopback && interface.up).map(|interface| {
        let addresses = interface.addresses.iter().filter(|address| asked(address.ip));
        (interface.name.clone(), addresses.map(|address| format!("{}/{}", address.ip, address.prefix)).collect())
    });
    shown.collect()
}

impl Service for Console {
    fn name(&self) -> &'static str {
        "console"
    }

    fn fd(&self) -> Option<BorrowedFd<'_>> {
        self.question.as_ref().map(|(question, _)| question.fd())
    }

    fn interest(&self) -> PollFlags {
        self.question.as_ref().map_or(PollFlags::IN, |(question, _)| question.interest())
    }

    fn deadline(&self) -> Option<Instant> {
        let question = self.question.as_ref().map(|(_, until)| *until);
        [Some(self.next), self.flush, question].into_iter().flatten().min()
    }

    fn turn(&mut self, _readiness: PollFlags, now: Instant, status: &Status) -> Vec<Event> {
        self.listen(now);
        if self.screens.is_empty() && self.shell.is_none() {
            return vec![Event::Close("console: no terminal to show figures on".into())];
        }
        if let Some(shell) = &mut self.shell {
            shell.keep(Path::new(SERIAL), now);
        }
        if self.flush.is_some_and(|at| now >= at) {
            self.put(Screen::flush, now);
        }
        if now >= self.next {
            // The reply is drawn with the next screen: a second old, and nothing waits for it.
            self.draw(now, status);
            self.next = now + EVERY;
            if status.server.is_some() && self.question.is_none() {
                // A server that is not there, or busy, is shown as one that does not answer.
                let question = Question::ask(&status.control_socket, "stats_noreset", None, REPLY_MAX).ok();
                self.question = question.map(|question| (question, now + PATIENCE));
            }
        }
        Vec::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use runbound::host::InterfaceAddress;
    use std::io::{Read, Write};
    use std::os::unix::net::UnixListener;

    #[test]
    fn a_server_is_asked_and_its_figures_are_shown_with_the_next_screen() {
        let (mut person, screen) = screen::tests::terminal();
        let path = std::env::temp_dir().join(format!("runbound-console-{}", std::process::id()));
        let server = UnixListener::bind(&path).unwrap();
        let start = Instant::now();
        let warnings = Warnings::default();
        let mut console = Console::new(vec![screen], None, warnings.clone(), start);
        let status = Status { server: Some(7), control_socket: path.clone(), ..Status::default() };
        let mut turn = |seconds| console.turn(PollFlags::empty(), start + Duration::from_secs(seconds), &status);
        for second in 0..2 {
            assert_eq!(turn(second), []);
            let shown = screen::tests::shown(&mut person);
            assert_eq!(shown.contains("not answering"), second == 0, "{shown}");
            let (mut client, _) = server.accept().unwrap();
            client.read_exact(&mut [0; 20]).unwrap();
            let queries = 1000 + 250 * second;
            writeln!(client, "total.num.queries={queries}\ntime.up={second}.5").unwrap();
            drop(client);
            assert_eq!(turn(second), []);
        }
        warnings.push("the disk is full");
        turn(2);
        std::fs::remove_file(&path).unwrap();
        let shown = screen::tests::shown(&mut person);
        assert!(shown.contains("Queries   250/s, 1,250 in 00:00:01"), "{shown}");
        assert!(shown.contains("  the disk is full"), "{shown}");
    }

    #[test]
    fn without_a_terminal_the_service_ends() {
        let now = Instant::now();
        let mut console = Console::new(Vec::new(), None, Warnings::default(), now);
        let events = console.turn(PollFlags::empty(), now, &Status::default());
        assert!(matches!(events.as_slice(), [Event::Close(_)]), "{events:?}");
    }

    #[test]
    fn addresses_are_those_a_client_can_ask() {
        let interface = |name: &str, up, loopback, addresses: &[&str]| Interface {
            name: name.into(),
            altnames: Vec::new(),
            index: 1,
            mac: None,
            mtu: 1500,
            up,
            loopback,
            addresses: addresses.iter().map(|ip| InterfaceAddress { ip: ip.parse().unwrap(), prefix: 24 }).collect(),
            rx_queues: 1,
        };
        let shown = addresses(&[
            interface("lo", true, true, &["127.0.0.1"]),
            interface("eth0", true, false, &["192.0.2.1", "fe80::1", "2001:db8::1", "169.254.1.1"]),
            interface("eth1", true, false, &[]),
            interface("eth2", false, false, &[]),
        ]);
        assert_eq!(
            shown,
            [
                ("eth0".to_owned(), vec!["192.0.2.1/24".to_owned(), "2001:db8::1/24".to_owned()]),
                ("eth1".to_owned(), vec![]),
            ]
        );
    }
}
