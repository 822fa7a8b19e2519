//! Block devices and the labels of the file systems on them.

use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

/// A file system with a label.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Volume {
    /// `/dev/vdb`
    pub device: PathBuf,
    /// Its type as mount(2) has it.
    pub kind: &'static str,
    /// The label, blanks at its end cut.
    pub label: String,
}

/// All labelled file systems, by name of device. Devices that cannot be read are passed over.
pub fn volumes() -> Vec<Volume> {
    let mut names: Vec<String> = fs::read_dir("/sys/class/block")
        .map(|entries| entries.flatten().filter_map(|entry| entry.file_name().into_string().ok()).collect())
        .unwrap_or_default();
    // Memory and network devices carry nothing that was meant for us.
    names.retain(|name| !["ram", "loop", "zram", "nbd", "fd"].iter().any(|other| name.starts_with(other)));
    names.sort();
    let mut found: Vec<Volume> = Vec::new();
    for name in names {
        let device = Path::new("/dev").join(&name);
        let Some((kind, label)) = File::open(&device).ok().and_then(|mut file| probe(&mut file)) else { continue };
        // The first partition of a hybrid image begins where the whole device does.
        let whole = |volume: &Volume| volume.label == label && is_part(&volume.device, &device);
        if !found.iter().any(whole) {
            found.push(Volume { device, kind, label });
        }
    }
    found
}

fn is_part(whole: &Path, part: &Path) -> bool {
    let rest = part.to_str().zip(whole.to_str()).and_then(|(part, whole)| part.strip_prefix(whole));
    rest.is_some_and(|rest| !rest.is_empty())
}

/// Type and label of the file system on a device.
fn probe(device: &mut (impl Read + Seek)) -> Option<(&'static str, String)> {
    let at = |device: &mut dyn ReadSeek, offset: u64, length: usize| {
        let mut buffer = vec![0; length];
        device.seek(SeekFrom::Start(offset)).ok()?;
        device.read_exact(&mut buffer).ok()?;
        Some(buffer)
    };
    // ext4: superblock at 1024, magic at 56, volume name at 120 (Documentation/filesystems/ext4/super.rst).
    if let Some(block) = at(device, 1024, 256)
        && block[56..58] == [0x53, 0xef]
    {
        return Some(("ext4", text(&block[120..136])));
    }
    // ISO 9660: the primary volume descriptor in sector 16, its volume identifier at 40 (ECMA-119, 8.4).
    if let Some(sector) = at(device, 16 * 2048, 2048)
        && sector[..6] == *b"\x01CD001"
    {
        return Some(("iso9660", text(&sector[40..72])));
    }
    // FAT: the type's name in the boot sector, the label 11 octets before it.
    let sector = at(device, 0, 512)?;
    for (kind, name) in [(0x52, b"FAT32   ".as_slice()), (0x36, b"FAT16   "), (0x36, b"FAT12   "), (0x36, b"FAT     ")]
    {
        if sector.get(kind..kind + 8) == Some(name) {
            return Some(("vfat", text(&sector[kind - 11..kind])));
        }
    }
    None
}

trait ReadSeek: Read + Seek {}
impl<T: Read + Seek> ReadSeek for T {}

fn text(field: &[u8]) -> String {
    let end = field.iter().position(|&octet| octet == 0).unwrap_or(field.len());
    String::from_utf8_lossy(&field[..end]).trim_end().to_owned()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use std::io::Cursor;

    fn image(parts: &[(usize, &[u8])]) -> Cursor<Vec<u8>> {
        let mut image = vec![0; 40_000];
        for (at, part) in parts {
            image[*at..at + part.len()].copy_from_slice(part);
        }
        Cursor::new(image)
    }

    #[test]
    fn labels_are_read_where_they_stand() {
        let iso = image(&[(32_768, b"\x01CD001\x01"), (32_808, b"cidata                          ")]);
        assert_eq!(probe(&mut iso.clone()), Some(("iso9660", "cidata".into())));
        let ext4 = image(&[(1080, &[0x53, 0xef]), (1144, b"runbound-data\0")]);
        assert_eq!(probe(&mut ext4.clone()), Some(("ext4", "runbound-data".into())));
        let fat = image(&[(0x2b, b"CIDATA     FAT12   ")]);
        assert_eq!(probe(&mut fat.clone()), Some(("vfat", "CIDATA".into())));
        let fat32 = image(&[(0x47, b"cidata     FAT32   ")]);
        assert_eq!(probe(&mut fat32.clone()), Some(("vfat", "cidata".into())));
        assert_eq!(probe(&mut image(&[])), None);
        assert_eq!(probe(&mut Cursor::new(vec![1; 100])), None);
    }

    #[test]
    fn a_partition_at_the_start_of_a_hybrid_image_is_the_same_volume() {
        assert!(is_part(Path::new("/dev/vda"), Path::new("/dev/vda1")));
        assert!(!is_part(Path::new("/dev/vda"), Path::new("/dev/vdb")));
    }
}
