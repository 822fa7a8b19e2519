//! Kernel modules by modalias, as depmod indexes them: what a device says of itself, against the patterns of
//! `modules.alias`; what a module needs, by `modules.dep`. Modules lie uncompressed.

use glob::Pattern;
use rustix::io::Errno;
use rustix::system::finit_module;
use std::collections::{BTreeSet, HashMap};
use std::ffi::CString;
use std::fs::{self, File};
use std::ops::Bound;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::{Duration, Instant};

/// Deepest folder below /sys/devices that is looked at.
const DEPTH: usize = 24;
/// Drivers bring devices, which want drivers: so many rounds, and so long, at most. Disks come in the third or fourth.
const ROUNDS: usize = 8;
const PATIENCE: Duration = Duration::from_secs(60);

/// KiB of memory below which large drivers are given up, and octets from which one is large.
const SMALL: u64 = 112 << 10;
const LARGE: u64 = 128 << 10;

/// The modules of the running kernel.
#[derive(Clone, Default)]
pub struct Modules {
    folder: PathBuf,
    /// The text of modules.alias: thousands of patterns, of which hardly one is needed twice.
    aliases: Rc<str>,
    /// Module → its file and those it needs, the last to be loaded first.
    files: Rc<HashMap<String, (String, Vec<String>)>>,
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
            files: Rc::new(dependencies.lines().filter_map(file).collect()),
            loaded: BTreeSet::new(),
        }
    }

    /// Loads the drivers of all devices that are there, and of those that they bring.
    pub fn coldplug(&mut self) {
        let (began, before) = (Instant::now(), self.loaded.len());
        let mut looking = Duration::ZERO;
        for _ in 0..ROUNDS {
            let look = Instant::now();
            let mut found = BTreeSet::new();
            modaliases(Path::new("/sys/devices"), 0, &mut found);
            let wanted: BTreeSet<String> = self.aliases.lines().filter_map(|line| fitting(line, &found)).collect();
            looking += look.elapsed();
            let mut more = false;
            for name in wanted {
                more |= self.load(&name, "");
            }
            if !more || began.elapsed() > PATIENCE {
                break;
            }
        }
        log::info!(
            "{} kernel modules loaded in {} ms, {} ms of it to look for them",
            self.loaded.len() - before,
            began.elapsed().as_millis(),
            looking.as_millis()
        );
    }

    /// The modules that take a device of this modalias.
    pub fn matching(&self, modalias: &str) -> Vec<String> {
        let one = BTreeSet::from([modalias.to_owned()]);
        self.aliases.lines().filter_map(|line| fitting(line, &one)).collect()
    }

    /// Where memory is scarce, takes the large drivers that no device here wants out of it: the initramfs lies in RAM.
    pub fn give_up_unneeded(&self) {
        let memory = fs::read_to_string("/proc/meminfo").unwrap_or_default();
        let total = memory.lines().find_map(|line| line.strip_prefix("MemTotal:")?.split_ascii_whitespace().next());
        let total: u64 = total.and_then(|total| total.parse().ok()).unwrap_or(u64::MAX);
        if total >= SMALL {
            return;
        }
        let mut freed = 0;
        for (_, (file, _)) in self.files.iter().filter(|(name, _)| !self.loaded.contains(*name)) {
            let path = self.folder.join(file);
            let length = fs::metadata(&path).map_or(0, |metadata| metadata.len());
            if length >= LARGE && fs::remove_file(&path).is_ok() {
                freed += length;
            }
        }
        log::warn!(
            "{} MB of memory is little: {} MB of drivers without a device are given up; give the machine 192 MB",
            total >> 10,
            freed >> 20
        );
    }

    /// Loads a module and what it needs; whether it was not there before and is now. One that the kernel has built in,
    /// or that is not part of the image, is nothing to tell of.
    pub fn load(&mut self, name: &str, parameters: &str) -> bool {
        let name = canonical(name);
        if self.loaded.contains(&name) {
            return false;
        }
        let Some((file, needs)) = self.files.get(&name).cloned() else {
            log::debug!("module {name}: not in this image");
            return false;
        };
        self.loaded.insert(name.clone());
        for need in needs.iter().rev() {
            self.load(need, "");
        }
        match insert(&self.folder.join(&file), parameters) {
            Ok(()) => true,
            Err(Errno::EXIST) => false,
            // As of a driver that found nothing of its own.
            Err(Errno::NODEV) => false,
            Err(cause) => {
                log::warn!("module {name}: {cause}; the device it drives is missing");
                false
            }
        }
    }
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

fn insert(path: &Path, parameters: &str) -> Result<(), Errno> {
    let file = File::open(path).map_err(|cause| Errno::from_io_error(&cause).unwrap_or(Errno::IO))?;
    let parameters = CString::new(parameters).map_err(|_| Errno::INVAL)?;
    finit_module(&file, &parameters, 0)
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

/// What the devices below `folder` say of themselves. Links are not followed: they lead in circles.
fn modaliases(folder: &Path, depth: usize, found: &mut BTreeSet<String>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let Ok(kind) = entry.file_type() else { continue };
        if kind.is_dir() && depth < DEPTH {
            modaliases(&entry.path(), depth + 1, found);
        } else if kind.is_file()
            && entry.file_name() == "modalias"
            && let Ok(text) = fs::read_to_string(entry.path())
            && !text.trim().is_empty()
        {
            found.insert(text.trim().to_owned());
        }
    }
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
