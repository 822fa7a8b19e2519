//! The cloud-init drive: NoCloud (`cidata`) or ConfigDrive2 (`config-2`), read at boot and when a medium changes.

use super::document::{self, Given, MAPPING, MAX_DOCUMENT, NoMore, Notes, document};
use crate::cloudinit::{eni, network_config};
use crate::machine::disks::Volume;
use crate::machine::modules::Modules;
use crate::machine::mounts::mount_at;
use crate::netconf::Parsed;
use rustix::mount::{MountFlags, UnmountFlags, unmount};
use serde::de::DeserializeOwned;
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::Path;

const MOUNT: &str = "/run/seed";

/// What a drive says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seed {
    /// The device and its kind, for messages.
    pub source: String,
    /// Another one means that everything is to be applied anew. A drive that tells none has one of its user-data.
    pub instance_id: String,
    /// The name of the host by the drive's meta-data.
    pub hostname: Option<String>,
    /// The user-data; empty when there is none.
    pub user_data: Vec<u8>,
    /// The network, where the drive says something of it that can be read.
    pub network: Option<Parsed>,
    /// It says something of the network that cannot be read.
    pub network_unread: bool,
}

/// Finds the drive and reads it. Everything that is wrong with it is said and costs only itself.
pub fn find(volumes: &[Volume], modules: &mut Modules) -> Option<Seed> {
    let is_seed = |volume: &&Volume| {
        volume.label.eq_ignore_ascii_case("cidata") || volume.kind == "iso9660" && volume.label == "config-2"
    };
    let drives: Vec<&Volume> = volumes.iter().filter(is_seed).collect();
    let Some((first, others)) = drives.split_first() else {
        log::info!("no cloud-init drive: no volume is labelled cidata or config-2");
        return None;
    };
    for other in others {
        log::warn!(
            "two cloud-init drives: {} ({}) is used, {} ({}) is not; remove one",
            first.device.display(),
            first.label,
            other.device.display(),
            other.label
        );
    }
    // Either may need character sets that the image's module index brings along.
    modules.load(if first.kind == "vfat" { "vfat" } else { "isofs" }, "");
    let device = first.device.display().to_string();
    let flags = MountFlags::RDONLY | MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    if let Err(cause) = mount_at(&device, Path::new(MOUNT), first.kind, flags, "") {
        log::warn!("cloud-init drive {device}: mount: {cause}; it is not used");
        return None;
    }
    let mut seed = if first.label == "config-2" { config_drive(Path::new(MOUNT)) } else { no_cloud(Path::new(MOUNT)) };
    if let Err(cause) = unmount(MOUNT, UnmountFlags::DETACH) {
        log::warn!("cloud-init drive {device}: unmount: {cause}");
    }
    if seed.instance_id.is_empty() && !seed.user_data.is_empty() {
        seed.instance_id = instance_of(&seed.user_data);
    }
    let source = format!("{device} ({})", first.label);
    log::info!("cloud-init drive {source}: instance {}", seed.instance_id);
    Some(Seed { source, ..seed })
}

/// What takes the place of an instance-id: other user-data has another one.
fn instance_of(user_data: &[u8]) -> String {
    let mut sum = flate2::Crc::new();
    sum.update(user_data);
    format!("user-data-{:08x}-{}", sum.sum(), user_data.len())
}

fn no_cloud(root: &Path) -> Seed {
    let mut seed = Seed { user_data: read(&root.join("user-data")).unwrap_or_default(), ..Seed::default() };
    if let Some(text) = read_text(&root.join("meta-data")) {
        let data = meta_data("meta-data", &text, MetaData::report);
        seed.instance_id = data.id.get().cloned().unwrap_or_default();
        seed.hostname = data.hostname.get().cloned();
    }
    if let Some(text) = read_text(&root.join("network-config")).filter(|text| !text.trim().is_empty()) {
        match network_config(&text) {
            Ok(parsed) => seed.network = Some(parsed),
            Err(cause) => {
                log::error!("network-config: {cause}; it is not used");
                seed.network_unread = true;
            }
        }
    }
    if read(&root.join("vendor-data")).is_some_and(|data| !data.is_empty()) {
        log::info!("vendor-data is ignored");
    }
    seed
}

fn config_drive(root: &Path) -> Seed {
    let latest = root.join("openstack/latest");
    let mut seed = Seed { user_data: read(&latest.join("user_data")).unwrap_or_default(), ..Seed::default() };
    let mut content = "/content/0000".to_owned();
    if let Some(text) = read_text(&latest.join("meta_data.json")) {
        let data = meta_data("meta_data.json", &text, ConfigDriveData::report);
        seed.instance_id = data.id.get().cloned().unwrap_or_default();
        seed.hostname = data.hostname.get().cloned();
        if let Some(path) = data.network.get().and_then(|network| network.path.get()) {
            content.clone_from(path);
        }
    }
    if latest.join("network_data.json").exists() {
        log::warn!("network_data.json is not supported; the interfaces at {content} are used");
    }
    let inside = !content.split('/').any(|part| part == "..");
    if let Some(text) = read_text(&root.join("openstack").join(content.trim_start_matches('/'))).filter(|_| inside) {
        seed.network = Some(eni::read(&text));
    }
    seed
}

document! {
    /// What is read of the meta-data of NoCloud, in which more stands than concerns us.
    shared MetaData { id: Given<String> = "instance-id", hostname: Given<String> = "local-hostname", }
}

document! {
    /// The same of ConfigDrive2.
    shared ConfigDriveData {
        id: Given<String> = "uuid",
        hostname: Given<String> = "hostname",
        network: Given<NetworkContent> = "network_config",
    }
}

document! {
    /// Where on the drive the network settings are.
    NetworkContent with NoMore { path: Given<String> = "content_path", } ignored ["name"]
}

/// Reads a file of meta-data; what is wrong with it is said.
fn meta_data<T: DeserializeOwned + Default>(name: &str, text: &str, report: fn(&T, &str, &mut Notes)) -> T {
    let value = document::parse(text).unwrap_or_else(|cause| {
        log::error!("{name}: {cause}; it is not used");
        serde_json::Value::Null
    });
    if !value.is_null() && !value.is_object() {
        log::error!("{name}: is not {MAPPING}; it is not used");
    }
    // What is read of a struct is also read of a list.
    let data = Some(value).filter(|value| value.is_object()).and_then(|value| serde_json::from_value(value).ok());
    let data = data.unwrap_or_default();
    let mut notes = Notes::default();
    report(&data, name, &mut notes);
    notes.into_lines().iter().for_each(|line| log::warn!("{line}"));
    data
}

fn read_text(path: &Path) -> Option<String> {
    read(path).map(|data| {
        String::from_utf8(data).unwrap_or_else(|error| {
            log::warn!("{}: not UTF-8 text; what is not is left out", path.display());
            String::from_utf8_lossy(error.as_bytes()).into_owned()
        })
    })
}

/// A file that need not be there.
fn read(path: &Path) -> Option<Vec<u8>> {
    let mut data = Vec::new();
    let read = File::open(path).and_then(|file| file.take(MAX_DOCUMENT as u64 + 1).read_to_end(&mut data));
    match read {
        Ok(length) if length > MAX_DOCUMENT => {
            log::warn!("{}: larger than {MAX_DOCUMENT} octets; it is not used", path.display());
            None
        }
        Ok(_) => Some(data),
        Err(cause) if cause.kind() == ErrorKind::NotFound => None,
        Err(cause) => {
            log::warn!("{}: {cause}; it is not used", path.display());
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_user_data_is_another_instance() {
        assert_eq!(instance_of(b"#cloud-config\n"), instance_of(b"#cloud-config\n"));
        assert_ne!(instance_of(b"#cloud-config\n"), instance_of(b"#cloud-config\nhostname: dns1\n"));
    }

    #[test]
    fn meta_data_of_both_kinds() {
        let text = "instance-id: 0e3f\nlocal-hostname: dns1\nlaunch-index: 0\n";
        let data = meta_data("meta-data", text, MetaData::report);
        assert_eq!((data.id, data.hostname), (Given::Is("0e3f".into()), Given::Is("dns1".into())));
        let json = "{\n     \"uuid\": \"0123\",\n     \"network_config\": { \"content_path\": \"/content/0000\" }\n}\n";
        let data = meta_data("meta_data.json", json, ConfigDriveData::report);
        assert_eq!((data.id, data.hostname), (Given::Is("0123".into()), Given::Absent));
        assert_eq!(data.network.get().map(|network| network.path.clone()), Some(Given::Is("/content/0000".into())));
        for broken in ["a: [", "- a\n", "5"] {
            assert_eq!(meta_data("meta-data", broken, MetaData::report), MetaData::default(), "{broken}");
        }
    }
}
