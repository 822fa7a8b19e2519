//! From the kernel's hand-over to a configured machine: everything the loop then keeps.

use super::adopt::{self, Adopted};
use super::apply::{Applied, apply};
use super::dhcp::{AddressClient, Dhcp};
use super::dhcp6::Dhcp6;
use super::disks::{self, Volume};
use super::forwarders::Servers;
use super::links::nics;
use super::modules::Modules;
use super::mounts::{mount_all, sysctl};
use super::netconf::{NetworkPlan, cmdline};
use super::router::RouterServers;
use super::seed::{self, Seed};
use super::service::Status;
use super::store::{self, Store};
use super::userdata::{self, UserData};
use super::{journal, tuning};
use rustix::system::{RebootCommand, reboot, sethostname};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// The name of a host that nobody named.
const HOSTNAME: &str = "runbound";
/// Before this second (June 2025) the clock is wrong.
const EARLIEST: u64 = 1_750_000_000;
/// Modules that no device asks for by itself: input devices (the power button), packet sockets.
const BY_NAME: [&str; 2] = ["evdev", "af_packet"];

/// The longest wait for disks on USB, and the time between two looks.
const PATIENCE: Duration = Duration::from_secs(4);
const LOOK: Duration = Duration::from_millis(50);

/// What the loop works with.
pub struct Booted {
    /// Drivers for what comes later.
    pub modules: Modules,
    /// The network as it is to be.
    pub plan: NetworkPlan,
    /// Name servers to forward to.
    pub servers: Servers,
    /// The configuration in force.
    pub adopted: Adopted,
    /// The folder with the configuration.
    pub store: Store,
    /// DHCP clients.
    pub dhcp: Vec<Box<dyn AddressClient>>,
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

    let (plan, network_source) = plan(&seed, &cmdline);
    let hostname = name_host(&user_data, &seed, &plan);
    tuning::tune();
    let routers = RouterServers::open()
        .map_err(|cause| log::error!("netlink: {cause}; name servers that routers tell are not noticed"))
        .ok();
    let applied = apply(&plan, &mut modules);
    let (plan, applied, network_source) = or_automatic(plan, applied, network_source, &mut modules);
    let dhcp = start_dhcp(&plan, &applied, &hostname);

    modules.give_up_unneeded();
    adopt::take_in(&store, &seed.instance_id, &user_data.files);
    let adopted = adopt::choose(&store);
    let status = Status {
        hostname,
        storage: store.description.clone(),
        network_source,
        control_socket: adopted.control_socket.clone(),
        ..Status::default()
    };
    Booted { modules, servers: Servers::of(&plan), plan, adopted, store, dhcp, routers, status, cmdline }
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
        log::warn!("the clock says {seconds} s after 1970, which cannot be: set the machine's clock (RTC)");
    }
    let source = fs::read_to_string("/sys/class/misc/hw_random/rng_current").unwrap_or_default();
    let source = if source.trim().is_empty() { "none" } else { source.trim() };
    log::info!("random numbers: hardware source {source}");
}

/// The network by the first source that says anything, and which that is.
fn plan(seed: &Seed, cmdline: &str) -> (NetworkPlan, String) {
    let names: Vec<String> = nics().into_iter().map(|nic| nic.name).collect();
    let mut servers = Vec::new();
    if let Some(parsed) = &seed.network {
        parsed.warnings.iter().for_each(|warning| log::warn!("network settings of {}: {warning}", seed.source));
        if !parsed.plan.links.is_empty() {
            return (parsed.plan.clone(), format!("cloud-init drive {}", seed.source));
        }
        servers.clone_from(&parsed.plan.nameservers);
        log::info!("the cloud-init drive names no interface");
    }
    if let Some(parsed) = cmdline::network(cmdline, &names) {
        parsed.warnings.iter().for_each(|warning| log::warn!("kernel command line: {warning}"));
        if !parsed.plan.links.is_empty() {
            let mut plan = parsed.plan;
            servers.into_iter().for_each(|server| plan.add_nameserver(server));
            return (plan, "kernel command line".into());
        }
    }
    log::info!("no network settings: DHCP and SLAAC on every Ethernet interface");
    let plan = NetworkPlan { nameservers: servers, ..NetworkPlan::automatic(names) };
    (plan, "DHCP and SLAAC".into())
}

/// When not one interface of the plan is there, DHCP on those that are: the machine is then reachable at all.
fn or_automatic(
    mut plan: NetworkPlan,
    applied: Vec<Applied>,
    source: String,
    modules: &mut Modules,
) -> (NetworkPlan, Vec<Applied>, String) {
    let nics = nics();
    if nics.is_empty() {
        log::error!("there is no Ethernet interface: nothing can be served; add a network device (virtio)");
    }
    if !applied.is_empty() || nics.is_empty() {
        return (plan, applied, source);
    }
    log::error!("no interface of the network settings is there: DHCP and SLAAC on all that are; correct the settings");
    let automatic = NetworkPlan::automatic(nics.into_iter().map(|nic| nic.name));
    plan.links.extend(automatic.links.clone());
    let applied = apply(&automatic, modules);
    let before = plan.links.len() - automatic.links.len();
    let applied = applied.into_iter().map(|link| Applied { plan: link.plan + before, ..link }).collect();
    (plan, applied, format!("DHCP and SLAAC: no interface of the {source} is there"))
}

/// A DHCP client for each interface and family that wants one.
pub fn start_dhcp(plan: &NetworkPlan, applied: &[Applied], hostname: &str) -> Vec<Box<dyn AddressClient>> {
    let interfaces = crate::host::interfaces().unwrap_or_default();
    let now = Instant::now();
    let mut clients: Vec<Box<dyn AddressClient>> = Vec::new();
    for link in applied {
        let (v4, v6) = plan.links.get(link.plan).map_or((false, false), |plan| (plan.dhcp4, plan.dhcp6));
        if !v4 && !v6 {
            continue;
        }
        let mac = interfaces.iter().find(|interface| interface.index == link.index).and_then(|there| there.mac);
        let Some(mac) = mac else {
            log::error!("{}: no MAC address, so no DHCP", link.name);
            continue;
        };
        if v4 {
            match Dhcp::start(&link.name, link.index, mac, hostname, now) {
                Ok(client) => clients.push(Box::new(client)),
                Err(cause) => log::error!("{}: DHCP: {cause}", link.name),
            }
        }
        if v6 {
            match Dhcp6::start(&link.name, link.index, mac, now) {
                Ok(client) => clients.push(Box::new(client)),
                Err(cause) => log::error!("{}: DHCPv6: {cause}", link.name),
            }
        }
    }
    clients
}

fn name_host(user_data: &UserData, seed: &Seed, plan: &NetworkPlan) -> String {
    let told = [&user_data.hostname, &seed.hostname, &plan.hostname].into_iter().flatten().next().cloned();
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
