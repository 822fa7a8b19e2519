//! A child process that is a terminal's own: a session, the terminal's signals.

use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;

/// Has the child start a session with its standard input as the controlling terminal, and no signal blocked or ignored: the
/// terminal's keys then reach it and what it starts.
pub fn own_terminal(command: &mut Command) -> &mut Command {
    let prepare = || {
        // SAFETY: between fork and exec only async-signal-safe calls are made (signal-safety(7)): they take numbers and a
        // set on the stack, allocate nothing and touch no lock.
        unsafe {
            let mut none = std::mem::zeroed::<libc::sigset_t>();
            libc::sigemptyset(&mut none);
            libc::sigprocmask(libc::SIG_SETMASK, &none, std::ptr::null_mut());
            for signal in [libc::SIGHUP, libc::SIGINT, libc::SIGQUIT, libc::SIGTSTP, libc::SIGTTIN, libc::SIGTTOU] {
                libc::signal(signal, libc::SIG_DFL);
            }
            if libc::setsid() == -1 || libc::ioctl(0, libc::TIOCSCTTY as _, 0) == -1 {
                return Err(io::Error::last_os_error());
            }
        }
        Ok(())
    };
    // SAFETY: `prepare` does what may be done there, as said above.
    unsafe { command.pre_exec(prepare) }
}
