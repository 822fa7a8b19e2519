//! A terminal that lines are drawn on: written without waiting, never read.

use rustix::fd::OwnedFd;
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::termios::{self, OptionalActions, OutputModes};
use std::path::{Path, PathBuf};

/// Clear the screen, hide the cursor.
const START: &str = "\x1b[2J\x1b[?25l";
/// To the first column of the first line.
const HOME: &str = "\x1b[H";
/// Clear to the end of the line, go to the next one; the terminal's driver adds the carriage return.
const LINE_END: &str = "\x1b[K\n";
/// Clear what is below.
const END: &str = "\x1b[J";
/// Linux's own terminal: never blank. A serial terminal would print it.
const NEVER_BLANK: &str = "\x1b[9;0]";

/// One terminal.
pub(super) struct Screen {
    terminal: OwnedFd,
    path: PathBuf,
    /// What the terminal has not taken yet of the last drawing.
    rest: Vec<u8>,
}

impl Screen {
    /// The terminal at `path`; `None` when it is not there or is no terminal.
    pub(super) fn open(path: &Path) -> Option<Screen> {
        let flags = OFlags::RDWR | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let terminal = rustix::fs::open(path, flags, Mode::empty()).ok()?;
        Screen::new(terminal, path)
    }

    fn new(terminal: OwnedFd, path: &Path) -> Option<Screen> {
        if !termios::isatty(&terminal) {
            return None;
        }
        silence(&terminal).ok()?;
        let blank = if path.file_name().is_some_and(|name| name == "tty1") { NEVER_BLANK } else { "" };
        let rest = format!("{blank}{START}").into_bytes();
        Some(Screen { terminal, path: path.to_owned(), rest })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Draws `lines`. A drawing that the terminal has not taken whole is finished first and this one left out: a slow
    /// line falls behind by a second and not by more and more.
    pub(super) fn draw(&mut self, lines: &[String]) -> Result<(), Errno> {
        self.flush()?;
        if !self.is_busy() {
            let text = format!("{HOME}{}{LINE_END}{END}", lines.join(LINE_END));
            self.rest = text.into_bytes();
            self.flush()?;
        }
        Ok(())
    }

    /// Whether a drawing is not taken whole yet.
    pub(super) fn is_busy(&self) -> bool {
        !self.rest.is_empty()
    }

    /// Writes what the terminal takes.
    pub(super) fn flush(&mut self) -> Result<(), Errno> {
        while !self.rest.is_empty() {
            match rustix::io::write(&self.terminal, &self.rest) {
                Ok(len) => drop(self.rest.drain(..len)),
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return Ok(()),
                Err(cause) => return Err(cause),
            }
        }
        Ok(())
    }
}

/// Keys are neither shown nor turned into signals, and none of them stops the output.
fn silence(terminal: &OwnedFd) -> Result<(), Errno> {
    let mut settings = termios::tcgetattr(terminal)?;
    settings.make_raw();
    // As make_raw clears it, and what other programs write here relies on it.
    settings.output_modes |= OutputModes::OPOST | OutputModes::ONLCR;
    termios::tcsetattr(terminal, OptionalActions::Now, &settings)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use rustix::pty::OpenptFlags;
    use std::io::{Read, Write};

    /// A terminal and the end that a person would look at.
    pub(in crate::services::console) fn terminal() -> (std::fs::File, Screen) {
        let person = rustix::pty::openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
        rustix::pty::grantpt(&person).unwrap();
        rustix::pty::unlockpt(&person).unwrap();
        let path = rustix::pty::ptsname(&person, Vec::new()).unwrap();
        let screen = Screen::open(Path::new(path.to_str().unwrap())).unwrap();
        rustix::io::ioctl_fionbio(&person, true).unwrap();
        (person.into(), screen)
    }

    pub(in crate::services::console) fn shown(person: &mut std::fs::File) -> String {
        let mut octets = Vec::new();
        let mut chunk = [0; 4096];
        while let Ok(len @ 1..) = person.read(&mut chunk) {
            octets.extend_from_slice(&chunk[..len]);
        }
        String::from_utf8(octets).unwrap()
    }

    #[test]
    fn lines_are_drawn_over_the_old_ones() {
        let (mut person, mut screen) = terminal();
        screen.draw(&["one".into(), "two".into()]).unwrap();
        assert_eq!(shown(&mut person), "\x1b[2J\x1b[?25l\x1b[Hone\x1b[K\r\ntwo\x1b[K\r\n\x1b[J");
        screen.draw(&["three".into()]).unwrap();
        assert_eq!(shown(&mut person), "\x1b[Hthree\x1b[K\r\n\x1b[J");
    }

    #[test]
    fn keys_are_neither_shown_nor_obeyed() {
        let (mut person, mut screen) = terminal();
        screen.draw(&[]).unwrap();
        shown(&mut person);
        // Among them Ctrl-C, Ctrl-Z and Ctrl-S, which would stop the output.
        person.write_all(b"hello\r\x03\x1a\x13").unwrap();
        screen.draw(&["on".into()]).unwrap();
        assert_eq!(shown(&mut person), "\x1b[Hon\x1b[K\r\n\x1b[J");
    }

    #[test]
    fn a_terminal_that_takes_nothing_costs_no_memory() {
        let (mut person, mut screen) = terminal();
        let lines = vec!["x".repeat(79); 24];
        for _ in 0..100 {
            screen.draw(&lines).unwrap();
            assert!(screen.rest.len() < 4096);
        }
        assert!(screen.is_busy());
        while screen.is_busy() {
            shown(&mut person);
            screen.flush().unwrap();
        }
        screen.draw(&["last".into()]).unwrap();
        assert!(shown(&mut person).ends_with("\x1b[Hlast\x1b[K\r\n\x1b[J"));
    }

    #[test]
    fn what_is_no_terminal_is_not_drawn_on() {
        assert!(Screen::open(Path::new("/dev/null")).is_none());
        assert!(Screen::open(Path::new("/nonexistent")).is_none());
    }
}
