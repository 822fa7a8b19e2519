//! From the kernel's hand-over to a configured machine: everything the loop then keeps.

use crate::cloudinit::seed::{self, Seed};
use crate::cloudinit::userdata::{self, UserData};
use crate::configuration::adopt::{self, Adopted};
use crate::configuration::forwarders::Servers;
use crate::configuration::store::{self, Store};
use crate::machine::date::EARLIEST;
use crate::machine::disks::{self, Volume};
use crate::machine::journal;
use crate::machine::kernel_log;
use crate::machine::modules::Modules;
use crate::machine::mounts::{mount_all, sysctl};
use crate::machine::tuning;
use crate::netconf::time::TimeServers;
use crate::network::router::RouterServers;
use crate::network::{Network, Settings};
use crate::service::Status;
use rustix::system::{RebootCommand, reboot, sethostname};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// The name of a host that nobody named.
const HOSTNAME: &str = "runbound";
/// Modules that no device asks for by itself: input devices (the power button), packet sockets.
const BY_NAME: [&str; 2] = ["evdev", "af_packet"];

/// The longest wait for disks on USB, and the time between two looks.
const PATIENCE: Duration = Duration::from_secs(4);
const LOOK: Duration = Duration::from_millis(50);

/// What the loop works with.
pub struct Booted {
    /// Drivers for what comes later.
    pub modules: Modules,
    /// What the cloud-init drive says; nothing without one.
    pub seed: Seed,
    /// The network.
    pub network: Network,
    /// Name servers to forward to.
    pub servers: Servers,
    /// The configuration in force.
    pub adopted: Adopted,
    /// The folder with the configuration.
    pub store: Store,
    /// What routers tell.
    pub routers: Option<RouterServers>,
    /// What services may know.
    pub status: Status,
    /// The kernel's command line.
    pub cmdline: String,
}

/// Does it all. Never fails: what does not work is said and costs only itself.
pub fn boot() -> Booted {
    mount_all();
    journal::install();
    // Of the lines written to the kernel's log by a program, ten in five seconds are kept by default.
    sysctl("kernel/printk_devkmsg", "on");
    // Ctrl-Alt-Del comes to us as SIGINT instead of a reset.
    if let Err(cause) = reboot(RebootCommand::CadOff) {
        log::warn!("Ctrl-Alt-Del resets at once: {cause}");
    }
    log::info!("runbound {} is PID 1, Linux {}", env!("CARGO_PKG_VERSION"), release());
    kernel_log::tell();
    let cmdline = fs::read_to_string("/proc/cmdline").unwrap_or_default();
    let mut modules = Modules::open();
    modules.coldplug();
    BY_NAME.iter().for_each(|name| {
        modules.load(name, "");
    });
    clock_and_entropy();

    let volumes = find_volumes(&mut modules);
    let store = Store::mount(&volumes, &mut modules);
    let seed = seed::find(&volumes, &mut modules).unwrap_or_default();
    let user_data = userdata::read(&seed.user_data);
    user_data.warnings.iter().for_each(|warning| log::warn!("user-data: {warning}"));

    let settings = Settings::of(&seed, &cmdline);
    let hostname = name_host(&user_data, &seed, &settings);
    tuning::tune();
    let routers = RouterServers::open()
        .map_err(|cause| log::error!("netlink: {cause}; name servers that routers tell are not noticed"))
        .ok();
    let network = Network::start(settings, &hostname, &mut modules);

    modules.give_up_unneeded();
    adopt::finish(&store);
    if !user_data.unread {
        adopt::take_in(&store, &seed.instance_id, &user_data.files);
    }
    let adopted = adopt::choose(&store);
    let mut time_servers = TimeServers::default();
    time_servers.drive(user_data.asks_for_time, &user_data.time_servers);
    let status = Status {
        time_servers,
        hostname,
        storage: store.description.clone(),
        network_source: network.source().to_owned(),
        control_socket: adopted.facts.control_socket.clone(),
        ..Status::default()
    };
    let servers = Servers::of(network.nameservers());
    Booted { modules, seed, network, servers, adopted, store, routers, status, cmdline }
}

/// The volumes. Disks on USB come a second after their driver: while one is to come, and ours is missing, more looks.
fn find_volumes(modules: &mut Modules) -> Vec<Volume> {
    let began = Instant::now();
    let mut volumes = disks::volumes();
    while !volumes.iter().any(store::is_ours) && usb_disk_to_come() && began.elapsed() < PATIENCE {
        std::thread::sleep(LOOK);
        modules.coldplug();
        volumes = disks::volumes();
    }
    volumes
}

/// Whether a USB device has a driver for disks, but there is no disk of it yet (HOST/TARGET/UNIT/block below it).
fn usb_disk_to_come() -> bool {
    let below = |folder: &Path, start: &str| -> Vec<PathBuf> {
        let entries = fs::read_dir(folder).into_iter().flatten().flatten();
        entries
            .filter(|entry| entry.file_name().to_string_lossy().starts_with(start))
            .map(|entry| entry.path())
            .collect()
    };
    let has_disk = |device: &Path| {
        let hosts = below(device, "host");
        let targets = hosts.iter().flat_map(|host| below(host, "target"));
        targets.flat_map(|target| below(&target, "")).any(|unit| unit.join("block").exists())
    };
    ["usb-storage", "uas"].iter().any(|driver| {
        let devices = fs::read_dir(Path::new("/sys/bus/usb/drivers").join(driver)).into_iter().flatten();
        devices.flatten().any(|entry| is_device(&entry) && !has_disk(&entry.path()))
    })
}

/// Below a driver, devices have names like `2-1:1.0`.
fn is_device(entry: &fs::DirEntry) -> bool {
    entry.file_name().as_encoded_bytes().first().is_some_and(u8::is_ascii_digit)
}

fn release() -> String {
    rustix::system::uname().release().to_string_lossy().into_owned()
}

fn clock_and_entropy() {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    if seconds < EARLIEST {
        log::warn!(
            "the clock says {seconds} s after 1970, which cannot be: set the machine's clock (RTC), or name a time server"
        );
    }
    let source = fs::read_to_string("/sys/class/misc/hw_random/rng_current").unwrap_or_default();
    let source = if source.trim().is_empty() { "none" } else { source.trim() };
    log::info!("random numbers: hardware source {source}");
}

/// Gives the machine the name that somebody told, the user-data first; which that is.
pub fn name_host(user_data: &UserData, seed: &Seed, settings: &Settings) -> String {
    let told = [&user_data.hostname, &seed.hostname, &settings.plan.hostname].into_iter().flatten().next().cloned();
    let name = told.unwrap_or_else(|| HOSTNAME.to_owned());
    let fits = !name.is_empty()
        && name.len() <= 64
        && name.bytes().all(|octet| octet.is_ascii_alphanumeric() || octet == b'-' || octet == b'.');
    let name = if fits {
        name
    } else {
        log::warn!("hostname {name:?} is none; {HOSTNAME} is used");
        HOSTNAME.to_owned()
    };
    match sethostname(name.as_bytes()) {
        Ok(()) => log::info!("hostname {name}"),
        Err(cause) => log::warn!("hostname {name}: {cause}"),
    }
    name
}
