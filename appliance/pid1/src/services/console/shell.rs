//! A shell on the serial console: in the debug image only, when the kernel's command line asks for it.

use runbound::sys::child;
use rustix::fs::{Mode, OFlags};
use rustix::process::{Pid, test_kill_process};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const BUSYBOX: &str = "/bin/busybox";
/// The word on the kernel's command line.
const WORD: &str = "runbound.debug";
/// Between the end of a shell and the next one.
const PAUSE: Duration = Duration::from_secs(1);

/// The shell, started again whenever it ends. PID 1 reaps it, as all children.
pub(super) struct Shell {
    command: &'static [&'static str],
    child: Option<Pid>,
    next: Instant,
}

/// Whether the kernel's command line asks for a shell and there is one.
pub(super) fn is_wanted(command_line: &str) -> bool {
    if !command_line.split_ascii_whitespace().any(|word| word == WORD) {
        return false;
    }
    let there = Path::new(BUSYBOX).exists();
    if !there {
        log::warn!("{WORD}: there is no {BUSYBOX} in this image; boot the debug image to get a shell");
    }
    there
}

impl Shell {
    pub(super) fn new(now: Instant) -> Shell {
        Shell { command: &[BUSYBOX, "sh"], child: None, next: now }
    }

    /// Starts the shell when there is none.
    pub(super) fn keep(&mut self, terminal: &Path, now: Instant) {
        if self.child.is_some_and(|child| test_kill_process(child).is_err()) {
            self.child = None;
            self.next = now + PAUSE;
        }
        if self.child.is_some() || now < self.next {
            return;
        }
        self.next = now + PAUSE;
        match start(self.command, terminal) {
            Ok(child) => {
                log::info!("{WORD}: a shell on {}", terminal.display());
                self.child = Some(child);
            }
            Err(cause) => log::debug!("{WORD}: no shell on {}: {cause}", terminal.display()),
        }
    }
}

fn start(words: &[&str], terminal: &Path) -> std::io::Result<Pid> {
    let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let terminal = rustix::fs::open(terminal, flags, Mode::empty())?;
    // Opened without waiting for a carrier; the shell wants to wait for its input.
    rustix::io::ioctl_fionbio(&terminal, false)?;
    let copy = || terminal.try_clone().map(Stdio::from);
    let (program, arguments) = words.split_first().ok_or_else(|| std::io::Error::other("no program"))?;
    let mut command = Command::new(program);
    command.args(arguments).env("PATH", "/bin:/sbin:/usr/bin:/usr/sbin").env("TERM", "vt100").env("HOME", "/");
    command.stdin(copy()?).stdout(copy()?).stderr(copy()?);
    let child = child::own_terminal(&mut command).spawn()?;
    Pid::from_raw(child.id().cast_signed()).ok_or_else(|| std::io::Error::other("the child has no process id"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    use rustix::pty::OpenptFlags;
    use std::io::{Read, Write};

    #[test]
    fn only_the_word_asks_for_it() {
        assert!(!is_wanted("console=ttyS0 quiet"));
        assert!(!is_wanted("xrunbound.debug runbound.debug=0"));
    }

    /// Reads what the terminal shows until `text` is there; `false` when it is not within `patience`.
    fn shows(person: &mut std::fs::File, got: &mut String, text: &str, patience: Duration) -> bool {
        let end = Instant::now() + patience;
        while !got.contains(text) {
            let left = end.saturating_duration_since(Instant::now());
            let left = Timespec { tv_sec: left.as_secs().cast_signed(), tv_nsec: left.subsec_nanos().into() };
            let mut chunk = [0; 1024];
            let ready = poll(&mut [PollFd::new(&*person, PollFlags::IN)], Some(&left)).unwrap();
            match if ready > 0 { person.read(&mut chunk) } else { Ok(0) } {
                Ok(len @ 1..) => got.push_str(&String::from_utf8_lossy(&chunk[..len])),
                _ => return false,
            }
        }
        true
    }

    #[test]
    fn a_shell_has_the_terminal_and_takes_its_keys() {
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        let mut person = std::fs::File::from(rustix::pty::openpt(flags).unwrap());
        rustix::pty::unlockpt(&person).unwrap();
        let path = rustix::pty::ptsname(&person, Vec::new()).unwrap();
        let mut shell = Shell { command: &["/bin/sh"], ..Shell::new(Instant::now()) };
        shell.keep(Path::new(path.to_str().unwrap()), Instant::now());
        let child = shell.child.expect("a shell was started");
        let mut got = String::new();
        person.write_all(b"echo [$((40+2))]; sleep 100000\n").unwrap();
        assert!(shows(&mut person, &mut got, "[42]", Duration::from_secs(30)), "{got}");
        // Ctrl-C ends the sleep: the shell has the terminal, and no signal is blocked. One that comes before the sleep has
        // begun is lost, so it is pressed until it worked.
        let pressed = (0..30).any(|_| {
            person.write_all(b"\x03echo [$((50+2))]\n").unwrap();
            shows(&mut person, &mut got, "[52]", Duration::from_secs(1))
        });
        rustix::process::kill_process(child, rustix::process::Signal::KILL).unwrap();
        rustix::process::waitpid(Some(child), rustix::process::WaitOptions::empty()).unwrap();
        assert!(pressed, "{got}");
        shell.keep(Path::new("/nonexistent"), Instant::now());
        assert_eq!(shell.child, None);
    }
}
