//! The end: server stopped, everything written, file systems unmounted, power off.

use crate::configuration::store::DATA;
use crate::run::server::Server;
use crate::service::Service;
use rustix::mount::{UnmountFlags, unmount};
use rustix::process::{Signal, WaitOptions, wait};
use rustix::system::{RebootCommand, reboot};
use std::time::{Duration, Instant};

/// How long the server may take to end.
const PATIENCE: Duration = Duration::from_secs(3);
/// Between two looks whether it has.
const LOOK: Duration = Duration::from_millis(10);

/// Does all of it. Comes back only when the kernel refuses.
pub fn end(server: &mut Server, services: &mut [Box<dyn Service>], command: RebootCommand) {
    server.retire();
    stop(server);
    rustix::fs::sync();
    for target in ["/etc/runbound", DATA] {
        if let Err(cause) = unmount(target, UnmountFlags::empty())
            && cause != rustix::io::Errno::INVAL
        {
            log::warn!("unmount {target}: {cause}; it is detached");
            let _ = unmount(target, UnmountFlags::DETACH);
        }
    }
    rustix::fs::sync();
    services.iter_mut().for_each(|service| service.machine_ends());
    log::info!("{}", if command == RebootCommand::Restart { "reset" } else { "power off" });
    if let Err(cause) = reboot(command) {
        log::error!("reboot(2): {cause}");
    }
}

fn stop(server: &mut Server) {
    server.signal(Signal::TERM);
    let began = Instant::now();
    let mut killed = false;
    while server.pid().is_some() {
        while let Ok(Some((pid, status))) = wait(WaitOptions::NOHANG) {
            server.reaped(pid, status, Instant::now());
        }
        if began.elapsed() > PATIENCE && !killed {
            log::warn!("the server does not end within {} s; killed", PATIENCE.as_secs());
            server.signal(Signal::KILL);
            killed = true;
        }
        if began.elapsed() > PATIENCE + Duration::from_secs(1) {
            return;
        }
        std::thread::sleep(LOOK);
    }
}
