//! Kernel modules by modalias, as depmod indexes them: what a device says of itself, against the patterns of
//! `modules.alias`; what a module needs, by `modules.dep`. Modules lie in RAM, those that few machines need compressed.

use glob::Pattern;
use runbound::host::small_memory;
use rustix::io::Errno;
use rustix::system::finit_module;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ffi::CString;
use std::fs::{self, File};
use std::ops::Bound;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// Drivers bring devices, which want drivers: so many rounds, and so long, at most. Disks come in the third or fourth.
const ROUNDS: usize = 8;
const PATIENCE: Duration = Duration::from_secs(60);

/// Modules loaded at the same time: a driver that waits for its hardware then does not keep the others waiting.
const AT_ONCE: usize = 4;
/// MODULE_INIT_COMPRESSED_FILE (linux/module.h): the kernel is to unpack the file.
const COMPRESSED_FILE: i32 = 4;

/// Octets from which a driver is large.
const LARGE: u64 = 32 << 10;

/// A module's file, and those it needs.
type Files = HashMap<String, (String, Vec<String>)>;

/// The modules of the running kernel.
#[derive(Clone, Default)]
pub struct Modules {
    folder: PathBuf,
    /// The text of modules.alias: thousands of patterns, of which hardly one is needed twice.
    aliases: Arc<str>,
    /// Module → its file and those it needs, the last to be loaded first.
    files: Arc<Files>,
    loaded: BTreeSet<String>,
}

impl Modules {
    /// Reads the indexes of the running kernel. Without them nothing is loaded, and a line says so.
    pub fn open() -> Self {
        let release = rustix::system::uname().release().to_string_lossy().into_owned();
        let folder = Path::new("/lib/modules").join(release);
        let read = |name: &str| {
            fs::read_to_string(folder.join(name)).unwrap_or_else(|cause| {
                log::warn!("{}: {cause}; drivers that are modules are missing", folder.join(name).display());
                String::new()
            })
        };
        let (aliases, dependencies) = (read("modules.alias"), read("modules.dep"));
        Self::parse(folder, &aliases, &dependencies)
    }

    fn parse(folder: PathBuf, aliases: &str, dependencies: &str) -> Self {
        let file = |line: &str| {
            let (path, needs) = line.split_once(':')?;
            let needs = needs.split_ascii_whitespace().map(module_name).collect();
            Some((module_name(path), (path.to_owned(), needs)))
        };
        Self {
            folder,
            aliases: aliases.into(),
            files: Arc::new(dependencies.lines().filter_map(file).collect()),
            loaded: BTreeSet::new(),
        }
    }

    /// Loads the drivers of all devices that are there, and of those that they bring.
    pub fn coldplug(&mut self) {
        let (began, before) = (Instant::now(), self.loaded.len());
        let mut looking = Duration::ZERO;
        let mut seen = BTreeSet::new();
        for _ in 0..ROUNDS {
            let look = Instant::now();
            let found = modaliases();
            let new = &found - &seen;
            let wanted: BTreeSet<String> = self.aliases.lines().filter_map(|line| fitting(line, &new)).collect();
            seen = found;
            looking += look.elapsed();
            if !self.load_all(&wanted) || began.elapsed() > PATIENCE {
                break;
            }
        }
        let more = self.loaded.len() - before;
        if more > 0 {
            let (all, looking) = (began.elapsed().as_millis(), looking.as_millis());
            log::info!("{more} kernel modules loaded in {all} ms, {looking} ms of it to look for them");
        }
    }

    /// The modules that take a device of this modalias.
    pub fn matching(&self, modalias: &str) -> Vec<String> {
        let one = BTreeSet::from([modalias.to_owned()]);
        self.aliases.lines().filter_map(|line| fitting(line, &one)).collect()
    }

    /// Where memory is scarce, takes the large drivers that no device here wants out of it: the initramfs lies in RAM.
    pub fn give_up_unneeded(&self) {
        let Some(memory) = small_memory() else { return };
        let mut freed = 0;
        // A network card that a virtual machine gets later is of this kind.
        let kept = self.chain("virtio_net");
        let spare = |name: &String| !self.loaded.contains(name) && !kept.contains(name);
        for (_, (file, _)) in self.files.iter().filter(|(name, _)| spare(name)) {
            let path = self.folder.join(file);
            let length = fs::metadata(&path).map_or(0, |metadata| metadata.len());
            if length >= LARGE && fs::remove_file(&path).is_ok() {
                freed += length;
            }
        }
        log::warn!(
            "{} MB of memory beside the kernel is little: {} MB of drivers without a device are given up, devices that come \
             later may miss theirs; give the machine 192 MB",
            memory >> 20,
            freed >> 20
        );
    }

    /// Loads a module and what it needs; whether one of them was not there before and is now. One that the kernel has
    /// built in, or that is not part of the image, is nothing to tell of.
    pub fn load(&mut self, name: &str, parameters: &str) -> bool {
        let inserted = insert_chain(&self.folder, &self.files, &self.chain(name), parameters);
        self.take_in(inserted)
    }

    /// What is to be inserted for a module, in this order; it is the last.
    fn chain(&self, name: &str) -> Vec<String> {
        let name = canonical(name);
        let Some((_, needs)) = self.files.get(&name).filter(|_| !self.loaded.contains(&name)) else {
            return Vec::new();
        };
        let all = needs.iter().rev().chain([&name]);
        all.filter(|each| self.files.contains_key(*each) && !self.loaded.contains(*each)).cloned().collect()
    }

    /// Loads these and what they need, several at a time; whether there is a module more now.
    fn load_all(&mut self, names: &BTreeSet<String>) -> bool {
        let chains: Vec<Vec<String>> =
            names.iter().map(|name| self.chain(name)).filter(|all| !all.is_empty()).collect();
        let (folder, files) = (self.folder.as_path(), &*self.files);
        let queue = Mutex::new(chains.iter());
        let next = || queue.lock().unwrap_or_else(PoisonError::into_inner).next();
        let work = || {
            let mut done = BTreeMap::new();
            while let Some(chain) = next() {
                done.extend(insert_chain(folder, files, chain, ""));
            }
            done
        };
        let inserted = thread::scope(|scope| {
            let others: Vec<_> = (1..chains.len().min(AT_ONCE))
                .filter_map(|_| thread::Builder::new().spawn_scoped(scope, work).ok())
                .collect();
            let mut inserted = work();
            others.into_iter().filter_map(|other| other.join().ok()).for_each(|other| inserted.extend(other));
            inserted
        });
        self.take_in(inserted)
    }

    /// Remembers what was tried, and removes the files that have served their purpose: they lie in RAM. Whether there is a
    /// module more.
    fn take_in(&mut self, inserted: BTreeMap<String, Result<(), Errno>>) -> bool {
        let mut more = false;
        for (name, result) in inserted {
            match result {
                Ok(()) | Err(Errno::EXIST) => {
                    more |= result.is_ok();
                    if let Some((file, _)) = self.files.get(&name) {
                        // One that stays only takes room.
                        let _ = fs::remove_file(self.folder.join(file));
                    }
                }
                // As of a driver that found nothing of its own.
                Err(Errno::NODEV) => {}
                Err(cause) => log::warn!("module {name}: {cause}; the device it drives is missing"),
            }
            self.loaded.insert(name);
        }
        more
    }
}

/// Inserts modules one after the other, the last with parameters; what the kernel said to each.
fn insert_chain(
    folder: &Path,
    files: &Files,
    chain: &[String],
    parameters: &str,
) -> BTreeMap<String, Result<(), Errno>> {
    let mut said = BTreeMap::new();
    for (at, name) in chain.iter().enumerate() {
        if let Some((file, _)) = files.get(name) {
            let parameters = if at + 1 == chain.len() { parameters } else { "" };
            said.insert(name.clone(), insert(name, &folder.join(file), parameters));
        }
    }
    said
}

/// The module of a line of modules.alias whose pattern fits one of these. Its first octets choose which are looked at.
fn fitting(line: &str, modaliases: &BTreeSet<String>) -> Option<String> {
    let (pattern, module) = line.strip_prefix("alias ")?.split_once(' ')?;
    let literal = pattern.split(['*', '?', '[']).next()?;
    let from = (Bound::Included(literal), Bound::Unbounded);
    let mut alike = modaliases.range::<str, _>(from).take_while(|modalias| modalias.starts_with(literal)).peekable();
    alike.peek()?;
    // Two stars in a row are one to fnmatch(3), and an error to this library.
    let pattern = Pattern::new(&pattern.replace("**", "*")).ok()?;
    alike.any(|modalias| pattern.matches(modalias)).then(|| canonical(module.trim()))
}

fn insert(name: &str, path: &Path, parameters: &str) -> Result<(), Errno> {
    let file = match File::open(path) {
        Ok(file) => file,
        // Its file was removed when it was loaded.
        Err(_) if Path::new("/sys/module").join(name).exists() => return Err(Errno::EXIST),
        Err(cause) => return Err(Errno::from_io_error(&cause).unwrap_or(Errno::IO)),
    };
    let parameters = CString::new(parameters).map_err(|_| Errno::INVAL)?;
    let packed = path.extension().is_some_and(|extension| extension != "ko");
    finit_module(&file, &parameters, if packed { COMPRESSED_FILE } else { 0 })
}

/// `kernel/drivers/net/virtio_net.ko` is `virtio_net`.
fn module_name(path: &str) -> String {
    let file = path.rsplit('/').next().unwrap_or(path);
    canonical(file.split(".ko").next().unwrap_or(file))
}

/// The kernel takes dashes for underscores.
fn canonical(name: &str) -> String {
    name.replace('-', "_")
}

/// What the devices of all buses say of themselves.
fn modaliases() -> BTreeSet<String> {
    let below = |folder: &Path| fs::read_dir(folder).into_iter().flatten().flatten();
    let devices = below(Path::new("/sys/bus")).flat_map(|bus| below(&bus.path().join("devices")));
    let said = devices.filter_map(|device| fs::read_to_string(device.path().join("modalias")).ok());
    said.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_find_their_modules_and_what_these_need() {
        let aliases = "# Aliases\nalias virtio:d00000001v* virtio_net\nalias pci:v00001AF4d*sv*sd*bc*sc*i* virtio-pci\n\
                       alias acpi*:PNP0C0C:* button\nalias input:b*v*p*e*-e*1,*k*14A,*r*a* evdev\nalias usb:v[0-9a]p** x\n";
        let needs = "kernel/net/core/failover.ko:\nkernel/drivers/net/net_failover.ko: kernel/net/core/failover.ko\n\
                     kernel/drivers/net/virtio_net.ko: kernel/drivers/net/net_failover.ko kernel/net/core/failover.ko\n";
        let modules = Modules::parse(PathBuf::new(), aliases, needs);
        assert_eq!(modules.matching("virtio:d00000001v00001AF4"), ["virtio_net"]);
        assert_eq!(modules.matching("virtio:d00000002v00001AF4"), [""; 0]);
        let pci = "pci:v00001AF4d00001041sv00001AF4sd00001100bc02sc00i00";
        assert_eq!(modules.matching(pci), ["virtio_pci"]);
        assert_eq!(modules.matching("acpi:PNP0C0C:"), ["button"]);
        assert_eq!(modules.matching("usb:vap1"), ["x"]);
        let (file, needs) = &modules.files["virtio_net"];
        assert_eq!(file, "kernel/drivers/net/virtio_net.ko");
        assert_eq!(needs, &["net_failover", "failover"]);
    }
}
