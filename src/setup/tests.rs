//! On a tree of their own, without a user database: useradd is left to `tests/e2e/install`.

#![allow(clippy::unwrap_used)]

use super::*;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

/// A tree that goes away with its test.
struct Tree(PathBuf);

impl Tree {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("runbound-setup-{}-{name}", std::process::id()));
        fs::create_dir_all(path.join("etc")).unwrap();
        fs::write(path.join("etc/resolv.conf"), "nameserver 192.0.2.1\n").unwrap();
        Tree(path)
    }

    fn options(&self) -> Setup {
        Setup { root: Some(self.0.clone()), ..Setup::default() }
    }

    /// The lines that were said, or the error.
    fn install(&self, options: &Setup) -> Result<Vec<String>, String> {
        let mut lines = Vec::new();
        install(options, &mut |line| lines.push(line.to_owned())).map_err(|error| error.to_string())?;
        Ok(lines)
    }

    fn uninstall(&self, options: &Setup) -> Vec<String> {
        let mut lines = Vec::new();
        uninstall(options, &mut |line| lines.push(line.to_owned())).unwrap();
        lines
    }

    /// Every file with its mode and the moment it was made, in order.
    fn files(&self) -> Vec<(String, u32, i64)> {
        let mut found = Vec::new();
        let mut folders = vec![self.0.clone()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap().flatten() {
                let data = entry.metadata().unwrap();
                if data.is_dir() {
                    folders.push(entry.path());
                } else {
                    let name = entry.path().strip_prefix(&self.0).unwrap().display().to_string();
                    found.push((name, data.permissions().mode() & 0o7777, data.ino() as i64));
                }
            }
        }
        found.sort();
        found
    }

    fn names(&self) -> Vec<String> {
        self.files().into_iter().map(|(name, ..)| name).collect()
    }
}

impl Drop for Tree {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

const INSTALLED: [&str; 5] = [CONFIGURATION, SYSCTL_FILE, UNIT_FILE, PROGRAM, anchor::FILE];

fn with(more: &[&str]) -> Vec<String> {
    let mut names: Vec<String> = more.iter().map(|name| (*name).to_owned()).collect();
    names.push("etc/resolv.conf".into());
    names.sort();
    names
}

#[test]
fn a_dry_run_says_all_and_does_nothing() {
    let tree = Tree::new("dry");
    let lines = tree.install(&Setup { dry_run: true, ..tree.options() }).unwrap();
    for name in INSTALLED {
        let line = format!("would write {}", tree.0.join(name).display());
        assert!(lines.contains(&line), "{line} in {lines:#?}");
    }
    assert_eq!(tree.names(), with(&[]));
}

#[test]
fn what_is_installed_can_be_taken_back() {
    let tree = Tree::new("twice");
    tree.install(&tree.options()).unwrap();
    assert_eq!(tree.names(), with(&INSTALLED));
    let configuration = tree.0.join(CONFIGURATION);
    // Here it is not at its place in the tree.
    let key = format!("\"/{}\"", anchor::FILE);
    let text = fs::read_to_string(&configuration).unwrap();
    assert!(text.contains(&format!("auto-trust-anchor-file: {key}\n")), "{text}");
    fs::write(&configuration, text.replace(&key, &tree.0.join(anchor::FILE).display().to_string())).unwrap();
    let loaded = crate::config::load(&configuration).unwrap();
    assert_eq!(loaded.warnings, []);
    assert_eq!(loaded.config.forward_zones[0].servers[0].address.to_string(), "192.0.2.1");
    assert_eq!(fs::metadata(tree.0.join(anchor::FILE)).unwrap().permissions().mode() & 0o7777, 0o644);
    assert_eq!(fs::metadata(tree.0.join(PROGRAM)).unwrap().permissions().mode() & 0o7777, 0o755);

    fs::write(&configuration, "edited").unwrap();
    let before = tree.files();
    let lines = tree.install(&tree.options()).unwrap();
    assert_eq!(tree.files(), before, "nothing is written twice");
    assert!(lines.iter().any(|line| line.starts_with("nothing to do")), "{lines:#?}");

    tree.uninstall(&Setup { dry_run: true, ..tree.options() });
    assert_eq!(tree.files(), before);
    tree.uninstall(&tree.options());
    assert_eq!(tree.names(), with(&[CONFIGURATION, anchor::FILE]));
    assert_eq!(fs::read_to_string(&configuration).unwrap(), "edited");
    tree.uninstall(&Setup { purge: true, ..tree.options() });
    assert_eq!(tree.names(), with(&[]));
    assert!(!tree.0.join(FOLDER).exists() && !tree.0.join("var/lib/runbound").exists());
    assert_eq!(tree.uninstall(&tree.options()), ["nothing to do: runbound is not installed"]);
}

#[test]
fn the_keys_are_written_where_the_configuration_names_them_and_never_again() {
    let tree = Tree::new("keys");
    fs::create_dir_all(tree.0.join(FOLDER)).unwrap();
    fs::write(tree.0.join(CONFIGURATION), "server:\n    port: 53\n").unwrap();
    tree.install(&tree.options()).unwrap();
    assert!(!tree.0.join(anchor::FILE).exists(), "this configuration has no use for them");
    fs::write(tree.0.join(CONFIGURATION), format!("server: auto-trust-anchor-file: /{}\n", anchor::FILE)).unwrap();
    tree.install(&tree.options()).unwrap();
    assert!(fs::read_to_string(tree.0.join(anchor::FILE)).unwrap().contains(". IN DS 38696 8 2 "));
    fs::write(tree.0.join(anchor::FILE), "followed").unwrap();
    let lines = tree.install(&tree.options()).unwrap();
    assert_eq!(fs::read_to_string(tree.0.join(anchor::FILE)).unwrap(), "followed");
    assert!(lines.iter().any(|line| line.starts_with("nothing to do")), "{lines:#?}");
}

#[test]
fn without_a_server_to_forward_to_names_are_resolved_from_the_root() {
    let tree = Tree::new("root");
    fs::write(tree.0.join("etc/resolv.conf"), "nameserver 127.0.0.1\n").unwrap();
    let lines = tree.install(&tree.options()).unwrap();
    assert!(
        lines.iter().any(|line| line.contains("names no resolver to forward to: names are resolved from the root on"))
    );
    let text = fs::read_to_string(tree.0.join(CONFIGURATION)).unwrap();
    let text = text.replace(&format!("/{}", anchor::FILE), &tree.0.join(anchor::FILE).display().to_string());
    fs::write(tree.0.join(CONFIGURATION), text).unwrap();
    let loaded = crate::config::load(&tree.0.join(CONFIGURATION)).unwrap();
    assert_eq!((loaded.warnings, loaded.config.forward_zones.len()), (vec![], 0));
}

#[test]
fn what_the_administrator_wrote_under_our_names_is_neither_replaced_nor_removed() {
    for file in [SYSCTL_FILE, UNIT_FILE] {
        let tree = Tree::new(&format!("own-{}", Path::new(file).extension().unwrap().display()));
        fs::create_dir_all(tree.0.join(file).parent().unwrap()).unwrap();
        fs::write(tree.0.join(file), "mine\n").unwrap();
        let error = tree.install(&tree.options()).unwrap_err();
        assert!(error.contains(file) && error.contains("was not made by --install; move it away"), "{error}");
        assert_eq!(tree.names(), with(&[file]), "nothing is written");
        let lines = tree.uninstall(&Setup { purge: true, ..tree.options() });
        assert!(lines.iter().any(|line| line.starts_with("kept ") && line.contains(file)), "{lines:#?}");
        assert_eq!(fs::read_to_string(tree.0.join(file)).unwrap(), "mine\n");
    }
}

#[test]
fn what_differs_is_replaced() {
    let tree = Tree::new("replace");
    tree.install(&tree.options()).unwrap();
    fs::write(tree.0.join(UNIT_FILE), format!("# {}\nold", files::MARK)).unwrap();
    fs::set_permissions(tree.0.join(PROGRAM), fs::Permissions::from_mode(0o644)).unwrap();
    let lines = tree.install(&tree.options()).unwrap();
    for name in [UNIT_FILE, PROGRAM] {
        let line = format!("replaced {}", tree.0.join(name).display());
        assert!(lines.contains(&line), "{line} in {lines:#?}");
    }
    assert_eq!(fs::read_to_string(tree.0.join(UNIT_FILE)).unwrap(), UNIT);
    assert_eq!(fs::metadata(tree.0.join(PROGRAM)).unwrap().permissions().mode() & 0o7777, 0o755);
}

#[test]
fn a_masked_unit_stays_masked() {
    let tree = Tree::new("mask");
    fs::create_dir_all(tree.0.join(UNIT_FILE).parent().unwrap()).unwrap();
    symlink("/dev/null", tree.0.join(UNIT_FILE)).unwrap();
    let error = tree.install(&tree.options()).unwrap_err();
    assert!(error.contains(UNIT_FILE) && error.contains("/dev/null") && error.contains("unmask"), "{error}");
}

#[test]
fn files_of_the_administrator_outlive_a_purge() {
    let tree = Tree::new("purge");
    tree.install(&tree.options()).unwrap();
    fs::write(tree.0.join("etc/runbound/block.conf"), "").unwrap();
    let lines = tree.uninstall(&Setup { purge: true, ..tree.options() });
    assert_eq!(tree.names(), with(&["etc/runbound/block.conf"]));
    assert!(lines.iter().any(|line| line.starts_with("kept ") && line.contains("etc/runbound:")), "{lines:#?}");
}

#[test]
fn errors_name_path_cause_and_fix() {
    let tree = Tree::new("errors");
    let missing = tree.0.join("missing");
    let error = tree.install(&Setup { root: Some(missing.clone()), ..tree.options() }).unwrap_err();
    assert!(error.contains(&*missing.to_string_lossy()) && error.contains("--root"), "{error}");
    fs::write(tree.0.join("usr"), "").unwrap();
    let error = tree.install(&tree.options()).unwrap_err();
    assert!(error.contains("usr/local/bin") && error.contains("move it away"), "{error}");
}

#[test]
fn the_unit_and_the_program_agree_on_paths() {
    assert!(UNIT.contains(&format!("ExecStart=/{PROGRAM} -c /{CONFIGURATION}\n")));
    assert_eq!(Path::new("/").join(CONFIGURATION), Path::new(crate::config::cli::DEFAULT_FILE));
    // What root writes beside it is not in the folder that the server's user has.
    assert!(UNIT.contains("\nStateDirectory=runbound\n") && crate::host::STATE_FOLDER == "var/lib/runbound");
    assert_eq!(Path::new(anchor::FILE).parent(), Some(Path::new(crate::host::STATE_FOLDER)));
    assert!(
        include_str!("../../appliance/lib/upgrade.sh")
            .contains("\nCOPIES=${RUNBOUND_COPIES:-/var/lib/runbound-copies}\n")
    );
}

#[test]
fn the_script_passes_the_options_of_a_pair_on_and_names_what_it_does_not_know() {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("install.sh");
    let told = |words: &[&str]| {
        let done = std::process::Command::new("bash").arg(&script).args(words).output().unwrap();
        (done.status.code(), String::from_utf8_lossy(&done.stderr).lines().next().unwrap_or_default().to_owned())
    };
    // The unknown word is the last, so nothing is built.
    let pair = "--address 192.0.2.1/24 --bridge vmbr0 --vlan 10 --share-bridge --replace --no-probe --steer eth0 --dry-run --nonsense";
    let (status, line) = told(&pair.split(' ').collect::<Vec<_>>());
    assert_eq!(status, Some(2), "{line}");
    assert!(line.starts_with("install.sh: --nonsense is no option"), "{line}");
    assert_eq!(told(&["--vlan"]), (Some(2), "install.sh: --vlan wants a value behind it".into()));
}
