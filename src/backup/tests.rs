use super::*;
use proptest::prelude::*;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::sync::atomic::{AtomicU32, Ordering};
use tar::{EntryType, Header};

const CONF: &str = "server:\n  interface: 127.0.0.1@5353\nforward-zone:\n  name: \".\"\n  forward-addr: 192.0.2.53\n";

/// A configuration's folder, removed at the end.
struct Folder(PathBuf);

/// In memory where there is room: every restore syncs, and a disk takes its time over that.
fn base() -> PathBuf {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() }
}

impl Folder {
    fn new(files: &[(&str, &str)]) -> Folder {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = base().join(format!("runbound-backup-{}-{number}", std::process::id()));
        fs::create_dir(&path).unwrap();
        let folder = Folder(path);
        files.iter().for_each(|(name, content)| folder.put(name, content));
        folder
    }

    fn put(&self, name: &str, content: &str) {
        let path = self.0.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content.replace("FOLDER", self.0.to_str().unwrap())).unwrap();
    }

    fn conf(&self) -> PathBuf {
        self.0.join("unbound.conf")
    }

    fn tar(&self) -> Vec<u8> {
        let mut tar = Vec::new();
        write(&self.conf(), &mut tar, None).unwrap();
        tar
    }

    fn restore(&self, mut tar: &[u8]) -> Result<Summary, String> {
        restore(&self.conf(), &mut tar, None)
    }

    /// Every file with its content, links with a mark.
    fn all(&self) -> Vec<(String, String)> {
        let mut found = Vec::new();
        let mut folders = vec![self.0.clone()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                let name = path.strip_prefix(&self.0).unwrap().to_str().unwrap().to_owned();
                if path.is_symlink() {
                    found.push((name, "link".into()));
                } else if path.is_dir() {
                    folders.push(path);
                } else {
                    found.push((name, String::from_utf8_lossy(&fs::read(path).unwrap()).into_owned()));
                }
            }
        }
        found.sort();
        found
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.0.join(name)).unwrap()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).unwrap();
    }
}

/// A tar entry as a hostile client would write it: any name, any kind.
fn entry(name: &str, kind: EntryType, content: &[u8]) -> Vec<u8> {
    let mut header = Header::new_gnu();
    header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
    header.set_entry_type(kind);
    header.set_mode(0o644);
    header.set_size(content.len() as u64);
    if matches!(kind, EntryType::Symlink | EntryType::Link) {
        header.as_old_mut().linkname[..11].copy_from_slice(b"/etc/shadow");
    }
    header.set_cksum();
    let padding = vec![0; content.len().next_multiple_of(512) - content.len()];
    [header.as_bytes().as_slice(), content, &padding].concat()
}

fn end() -> Vec<u8> {
    vec![0; 1024]
}

#[test]
fn what_was_saved_comes_back() {
    let include = format!("{CONF}include: \"FOLDER/lists/*.conf\"\n");
    let long = format!("lists/{}.conf", "long".repeat(40));
    let files =
        [("unbound.conf", include.as_str()), ("lists/a.conf", "server:\n"), (&long, ""), ("keys/tls.key", "key")];
    let folder = Folder::new(&files);
    fs::set_permissions(folder.0.join("keys/tls.key"), fs::Permissions::from_mode(0o600)).unwrap();
    let before = folder.all();
    let tar = folder.tar();
    folder.put("unbound.conf", "server:\n  verbosity: 3\n");
    fs::remove_dir_all(folder.0.join("lists")).unwrap();
    fs::remove_file(folder.0.join("keys/tls.key")).unwrap();
    let summary = folder.restore(&tar).unwrap();
    assert_eq!(summary, Summary { files: 4, notes: vec![] });
    assert_eq!(folder.all(), before);
    let mode = fs::metadata(folder.0.join("keys/tls.key")).unwrap().permissions().mode();
    assert_eq!(mode & 0o7777, 0o600);
}

#[test]
fn the_same_files_make_the_same_tar_and_tar_reads_it() {
    let folder = Folder::new(&[("unbound.conf", CONF), ("b/x", "x"), ("a", "a")]);
    assert_eq!(folder.tar(), folder.tar());
    let mut archive = tar::Archive::new(std::io::Cursor::new(folder.tar()));
    let names: Vec<String> =
        archive.entries().unwrap().map(|entry| entry.unwrap().path().unwrap().display().to_string()).collect();
    assert_eq!(names, ["a", "b/x", "unbound.conf"]);
}

#[test]
fn links_backups_and_our_own_work_are_not_saved_and_links_are_told() {
    let folder =
        Folder::new(&[("unbound.conf", CONF), ("old.tar", "x"), (".runbound-backup", "x"), ("lost+found/x", "x")]);
    symlink("/etc/passwd", folder.0.join("passwd")).unwrap();
    let mut tar = Vec::new();
    let summary = write(&folder.conf(), &mut tar, None).unwrap();
    assert_eq!(summary.files, 1);
    assert!(matches!(summary.notes.as_slice(), [note] if note.contains("passwd: a symbolic link")), "{summary:?}");
    assert!(!String::from_utf8_lossy(&tar).contains("root:"));
}

#[test]
fn a_backup_that_fails_is_no_tar_to_restore() {
    let deep = format!("{}x", "d/".repeat(DEPTH_MAX + 2));
    let folder = Folder::new(&[("a", "a"), ("unbound.conf", CONF), (&format!("z/{deep}"), "x")]);
    let mut tar = Vec::new();
    assert!(write(&folder.conf(), &mut tar, None).unwrap_err().contains("folders within"));
    assert!(folder.restore(&tar).is_err());
    assert!(save(&folder.conf(), &folder.0.join("b.tar")).is_err());
    assert!(folder.all().iter().all(|(name, _)| !name.contains("b.tar") && !name.contains(".runbound")));
}

#[test]
fn what_is_included_from_elsewhere_is_told() {
    let elsewhere = Folder::new(&[("more.conf", "server:\n")]);
    let folder = Folder::new(&[("unbound.conf", &format!("{CONF}include: {}/more.conf\n", elsewhere.0.display()))]);
    let summary = write(&folder.conf(), &mut Vec::new(), None).unwrap();
    assert!(matches!(summary.notes.as_slice(), [note] if note.contains("more.conf is included and lies outside")));
    let missed = |path: &str| super::is_missed(Path::new(path), Path::new("/data"));
    assert!(missed("/srv/more.conf") && missed("/runbound/more.conf"));
    assert!(!missed("/data/lists/a.conf") && !missed("/run/runbound/forwarders.conf"));
}

#[test]
fn hostile_tars_change_nothing() {
    let folder = Folder::new(&[("unbound.conf", CONF), ("d/x", "x")]);
    let before = folder.all();
    let good = entry("unbound.conf", EntryType::Regular, CONF.as_bytes());
    let bad = [
        ("../evil", EntryType::Regular, "leads out"),
        ("a/../../evil", EntryType::Regular, "leads out"),
        ("/etc/evil", EntryType::Regular, "leads out"),
        ("link", EntryType::Symlink, "a symbolic link"),
        ("link", EntryType::Link, "a hard link"),
        ("null", EntryType::Char, "a device"),
        ("sda", EntryType::Block, "a device"),
        ("pipe", EntryType::Fifo, "a pipe"),
        ("kind", EntryType::new(b'Z'), "not known"),
        ("sparse", EntryType::GNUSparse, "no tar"),
        (".", EntryType::Regular, "no name"),
        (".runbound-restore.ready/x", EntryType::Regular, "not restored"),
        ("a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/x", EntryType::Regular, "folders within"),
        ("unbound.conf", EntryType::Regular, "twice"),
        ("d", EntryType::Regular, "a folder is where"),
        ("d/x/y", EntryType::Regular, "move it away"),
    ];
    for (name, kind, why) in bad {
        let tar = [good.clone(), entry(name, kind, b""), end()].concat();
        let error = folder.restore(&tar).unwrap_err();
        assert!(error.contains(why), "{name}: {error}");
        assert_eq!(folder.all(), before, "{name}");
    }
}

#[test]
fn a_tar_that_is_cut_short_or_none_changes_nothing() {
    let folder = Folder::new(&[("unbound.conf", CONF), ("x", &"x".repeat(2000)), ("y", "")]);
    let before = folder.all();
    let tar = folder.tar();
    for cut in (0..tar.len() - 1024).step_by(256).chain([1, 511, 513]) {
        let error = folder.restore(&tar[..cut]).unwrap_err();
        assert!(error.contains("tar"), "{cut}: {error}");
        assert_eq!(folder.all(), before, "{cut}");
    }
    for junk in [&b"hello"[..], &[0xFF; 3000], CONF.as_bytes()] {
        assert!(folder.restore(junk).is_err());
    }
    assert!(folder.restore(&end()).unwrap_err().contains("no unbound.conf in the tar"));
}

#[test]
fn too_much_is_refused_by_what_the_header_says() {
    let folder = Folder::new(&[("unbound.conf", CONF)]);
    let mut huge = entry("huge", EntryType::Regular, b"");
    let mut header = Header::from_byte_slice(&huge[..512]).clone();
    header.set_size(OCTETS_MAX + 1);
    header.set_cksum();
    huge[..512].copy_from_slice(header.as_bytes());
    let tar = [huge, end()].concat();
    assert!(folder.restore(&tar).unwrap_err().contains("more than 128 MB"));
    let mut many: Vec<u8> = (0..=FILES_MAX).flat_map(|n| entry(&format!("f{n}"), EntryType::Regular, b"")).collect();
    many.extend(end());
    assert!(folder.restore(&many).unwrap_err().contains("10000 files"));
    assert_eq!(folder.all().len(), 1);
}

#[test]
fn a_configuration_that_does_not_pass_replaces_nothing() {
    let folder = Folder::new(&[("unbound.conf", CONF)]);
    let before = folder.all();
    let broken = entry("unbound.conf", EntryType::Regular, b"server:\n  port: many\n");
    let error = folder.restore(&[broken, end()].concat()).unwrap_err();
    let place = format!("{}:2", folder.conf().display());
    assert!(error.contains("is refused") && error.contains(&place), "{error}");
    assert_eq!(folder.all(), before);
    // What it includes is looked for in the tar, not in the folder it replaces.
    folder.put("lists/a.conf", "server:\n  nonsense\n");
    let text = format!("{CONF}include: {}/lists/a.conf\n", folder.0.display());
    let conf = entry("unbound.conf", EntryType::Regular, text.as_bytes());
    let list = entry("lists/a.conf", EntryType::Regular, b"server:\n");
    assert!(folder.restore(&[conf.clone(), list, end()].concat()).is_ok());
    assert_eq!(folder.read("lists/a.conf"), "server:\n");
    let list = entry("lists/a.conf", EntryType::Regular, b"server:\n  nonsense\n");
    assert!(folder.restore(&[conf, list, end()].concat()).is_err());
    assert_eq!(folder.read("lists/a.conf"), "server:\n");
}

#[test]
fn an_entry_of_our_own_is_read_and_not_told() {
    let folder = Folder::new(&[("unbound.conf", "server:\n")]);
    let own = folder.0.join(".runbound-entry.conf");
    fs::write(&own, format!("{CONF}include: \"{}\"\n", folder.conf().display())).unwrap();
    let tar = [entry("unbound.conf", EntryType::Regular, b"server:\n  verbosity: 2\n"), end()].concat();
    let summary = restore(&own, &mut tar.as_slice(), None).unwrap();
    assert_eq!((summary.files, summary.notes), (1, vec![]));
    let broken = [entry("unbound.conf", EntryType::Regular, b"server:\n  verbosity: x\n"), end()].concat();
    assert!(restore(&own, &mut broken.as_slice(), None).is_err());
}

#[test]
fn what_stays_beside_the_restored_files_is_part_of_the_check_and_told() {
    let text = format!("{CONF}include: \"FOLDER/lists/*.conf\"\n");
    let folder = Folder::new(&[("unbound.conf", &text), ("lists/a.conf", "server:\n"), ("notes.txt", "mine")]);
    let tar = folder.tar();
    folder.put("lists/b.conf", "server:\n");
    let summary = folder.restore(&tar).unwrap();
    assert_eq!(summary.notes, ["lists/b.conf is not in the tar, stays, and is read by the configuration"]);
    assert_eq!((folder.read("notes.txt").as_str(), folder.read("lists/b.conf").as_str()), ("mine", "server:\n"));
    folder.put("lists/b.conf", "server:\n  nonsense: yes\n");
    let before = folder.all();
    let error = folder.restore(&tar).unwrap_err();
    assert!(error.contains("lists/b.conf:2"), "{error}");
    assert_eq!(folder.all(), before);
}

#[test]
fn an_interrupted_restore_is_finished_or_leaves_no_trace() {
    let folder = Folder::new(&[("unbound.conf", "server:\n  verbosity: 0\n")]);
    // Cut short while unpacking: the next restore starts afresh.
    folder.put(".runbound-restore.new/unbound.conf", "half of it");
    assert_eq!(finish(&folder.conf()), Ok(0));
    assert_eq!(folder.read("unbound.conf"), "server:\n  verbosity: 0\n");
    folder.restore(&[entry("unbound.conf", EntryType::Regular, CONF.as_bytes()), end()].concat()).unwrap();
    assert_eq!(folder.all(), [("unbound.conf".to_owned(), CONF.to_owned())]);
    // Cut short between two renames: the rest follows.
    folder.put(".runbound-restore.ready/unbound.conf", "server:\n  verbosity: 2\n");
    folder.put(".runbound-restore.ready/lists/b.conf", "b");
    folder.put("lists/a.conf", "a");
    assert_eq!(finish(&folder.conf()), Ok(2));
    assert_eq!(folder.read("unbound.conf"), "server:\n  verbosity: 2\n");
    assert_eq!((folder.read("lists/a.conf").as_str(), folder.read("lists/b.conf").as_str()), ("a", "b"));
    assert_eq!(folder.all().len(), 3);
    assert_eq!(finish(&folder.conf()), Ok(0));
}

#[test]
fn a_link_is_replaced_and_not_written_through() {
    let elsewhere = Folder::new(&[("target", "precious")]);
    let folder = Folder::new(&[]);
    symlink(elsewhere.0.join("target"), folder.conf()).unwrap();
    folder.restore(&[entry("unbound.conf", EntryType::Regular, CONF.as_bytes()), end()].concat()).unwrap();
    assert_eq!(elsewhere.read("target"), "precious");
    assert_eq!(folder.all(), [("unbound.conf".to_owned(), CONF.to_owned())]);
}

#[test]
fn clients_of_the_control_socket_name_tars_in_the_folder_alone() {
    let folder = Folder::new(&[("unbound.conf", CONF)]);
    for name in ["", "x", "../x.tar", "/tmp/x.tar", "a/x.tar", ".x.tar", "..", ".tar", "x.tar/"] {
        assert!(save_named(&folder.conf(), name, None).unwrap_err().contains("no name of a tar"), "{name}");
        assert!(load_named(&folder.conf(), name, None).unwrap_err().contains("no name of a tar"), "{name}");
    }
    let lines = save_named(&folder.conf(), "backup.tar", None).unwrap();
    assert!(matches!(lines.as_slice(), [line] if line.starts_with("saved 1 files to ")), "{lines:?}");
    folder.put("unbound.conf", "server:\n");
    assert_eq!(
        load_named(&folder.conf(), "backup.tar", None).unwrap(),
        ["restored 1 files; reload puts them in force"]
    );
    assert_eq!(folder.read("unbound.conf"), CONF);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn whatever_the_tar_nothing_leaves_the_folder_and_nothing_panics(
        entries in proptest::collection::vec(("[a-c./]{1,12}", any::<u8>(), proptest::collection::vec(any::<u8>(), 0..600)), 0..6),
        flips in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
    ) {
        let outer = Folder::new(&[("inner/unbound.conf", CONF)]);
        let mut tar: Vec<u8> = entry("unbound.conf", EntryType::Regular, CONF.as_bytes());
        for (name, kind, content) in &entries {
            let kind = if kind % 2 == 0 { EntryType::Regular } else { EntryType::new(*kind) };
            tar.extend(entry(name, kind, content));
        }
        tar.extend(end());
        for (at, octet) in flips {
            let at = at.index(tar.len());
            tar[at] ^= octet;
        }
        let _ = restore(&outer.0.join("inner/unbound.conf"), &mut tar.as_slice(), None);
        let names: Vec<_> = fs::read_dir(&outer.0).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        prop_assert_eq!(names, ["inner"]);
        prop_assert!(outer.all().iter().all(|(name, content)| !name.contains(".runbound") && content != "link"));
    }
}
