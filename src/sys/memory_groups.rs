//! What the control groups of this process leave it of their memory (cgroups(7)), version 2 and 1.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// Where the groups of a host are.
const ROOT: &str = "/sys/fs/cgroup";
/// Groups within one another that are looked at, from the process's own outwards: each takes three descriptors.
const LEVELS: usize = 8;
/// Octets that are read of a file of the kernel at most.
const TEXT_MAX: usize = 64 << 10;

/// What the files of a group are called.
struct Names {
    limit: &'static str,
    used: &'static str,
    /// Lines of `memory.stat` that count what the kernel takes back before it ends a process for want of memory. Swap is not
    /// counted: a server that waits for a disk is as good as none.
    reclaimable: &'static [&'static str],
}

const VERSION_2: Names = Names {
    limit: "memory.max",
    used: "memory.current",
    reclaimable: &["inactive_file", "active_file", "slab_reclaimable"],
};
const VERSION_1: Names = Names {
    limit: "memory.limit_in_bytes",
    used: "memory.usage_in_bytes",
    reclaimable: &["total_inactive_file", "total_active_file"],
};

/// The groups that this process is in, their files held open: the sandbox closes the way to them.
#[derive(Debug, Default)]
pub(super) struct Groups(Vec<Group>);

#[derive(Debug)]
struct Group {
    limit: File,
    used: File,
    stat: File,
    reclaimable: &'static [&'static str],
}

impl Groups {
    /// The groups of this process, as of now.
    pub(super) fn of_this_process() -> Groups {
        fs::read_to_string("/proc/self/cgroup").map(|text| Groups::open(&text, Path::new(ROOT))).unwrap_or_default()
    }

    /// `membership` is the text of /proc/self/cgroup.
    fn open(membership: &str, root: &Path) -> Groups {
        let mut groups = Vec::new();
        for line in membership.lines() {
            // hierarchy:controllers:path
            let mut fields = line.splitn(3, ':');
            let (Some(hierarchy), Some(controllers), Some(path)) = (fields.next(), fields.next(), fields.next()) else {
                continue;
            };
            let (names, root) = match controllers {
                "" if hierarchy == "0" => (&VERSION_2, root.to_owned()),
                _ if controllers.split(',').any(|word| word == "memory") => (&VERSION_1, root.join("memory")),
                _ => continue,
            };
            let path = Path::new(path.trim_start_matches('/'));
            let folders = path.ancestors().take(LEVELS).map(|folder| root.join(folder));
            groups.extend(folders.filter_map(|folder| Group::open(folder, names)));
        }
        Groups(groups)
    }

    /// Fewest octets that one of the groups leaves; `None` where none has a limit.
    pub(super) fn left(&self) -> Option<u64> {
        self.0.iter().filter_map(Group::left).min()
    }
}

impl Group {
    /// None where there are no such files, as in the root of version 2.
    fn open(folder: PathBuf, names: &Names) -> Option<Group> {
        let open = |name| File::open(folder.join(name)).ok();
        let reclaimable = names.reclaimable;
        Some(Group { limit: open(names.limit)?, used: open(names.used)?, stat: open("memory.stat")?, reclaimable })
    }

    fn left(&self) -> Option<u64> {
        // `max` is no limit.
        let limit: u64 = text_of(&self.limit)?.trim().parse().ok()?;
        let used: u64 = text_of(&self.used)?.trim().parse().ok()?;
        let stat = text_of(&self.stat).unwrap_or_default();
        let counted = stat.lines().filter_map(|line| line.split_once(' '));
        let counted = counted.filter(|(name, _)| self.reclaimable.contains(name));
        let reclaimable: u64 = counted.filter_map(|(_, octets)| octets.parse::<u64>().ok()).sum();
        Some(limit.saturating_sub(used.saturating_sub(reclaimable)))
    }
}

/// The whole of a file of the kernel, as it is at this moment.
pub(super) fn text_of(file: &File) -> Option<String> {
    let mut octets = Vec::new();
    let mut part = [0; 4096];
    while octets.len() < TEXT_MAX {
        match file.read_at(&mut part, octets.len() as u64).ok()? {
            0 => break,
            length => octets.extend_from_slice(part.get(..length)?),
        }
    }
    String::from_utf8(octets).ok()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const MB: u64 = 1 << 20;

    fn group(folder: PathBuf, names: &Names, limit: &str, used: u64, stat: &str) {
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join(names.limit), format!("{limit}\n")).unwrap();
        fs::write(folder.join(names.used), format!("{used}\n")).unwrap();
        fs::write(folder.join("memory.stat"), stat).unwrap();
    }

    #[test]
    fn the_group_that_leaves_least_counts_with_all_that_is_in_it() {
        let root = std::env::temp_dir().join(format!("runbound-groups-{}", std::process::id()));
        let own = root.join("system.slice/runbound.service");
        group(own.clone(), &VERSION_2, "max", 10 * MB, "inactive_file 0\n");
        let above = root.join("system.slice");
        // What others in it use counts, what the kernel can take back does not.
        group(
            above.clone(),
            &VERSION_2,
            &(100 * MB).to_string(),
            90 * MB,
            &format!("anon 7\ninactive_file {}\n", 20 * MB),
        );
        let groups = Groups::open("4:pids:/x\n0::/system.slice/runbound.service\n", &root);
        assert_eq!((groups.0.len(), groups.left()), (2, Some(30 * MB)));
        fs::write(own.join("memory.max"), format!("{}\n", 12 * MB)).unwrap();
        assert_eq!(groups.left(), Some(2 * MB), "a limit that is set while it runs");
        fs::write(above.join("memory.max"), "5\n").unwrap();
        assert_eq!(groups.left(), Some(0));
        assert_eq!(Groups::open("0::/elsewhere\n", &root).left(), None);

        let stat = format!("inactive_file 1\ntotal_inactive_file {MB}\ntotal_active_file {MB}\n");
        group(root.join("memory/a"), &VERSION_1, &(8 * MB).to_string(), 7 * MB, &stat);
        assert_eq!(Groups::open("4:cpu,memory:/a/b\n0::/\n", &root).left(), Some(3 * MB));
        fs::remove_dir_all(&root).unwrap();
    }
}
