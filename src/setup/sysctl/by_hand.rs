//! Settings that no file of `--install` has: those of printed commands, which last beyond `--uninstall`.

use super::{KERNELS_DEFAULT, LINKS_DEFAULT, TEMPLATE, is_in_force, settings};
use crate::setup::Run;
use std::fs;

/// Where sysctl.d(5) has its files.
const FOLDER: &str = "etc/sysctl.d";
/// What the names of those begin with that printed commands write.
const PRINTED: &str = "61-runbound-arp";

/// Names what is left, with the commands that end it.
pub(super) fn say_left(run: &mut Run) {
    let mut printed = printed(run);
    printed.sort();
    for name in &printed {
        let path = run.path(FOLDER).join(name);
        let back: Vec<String> =
            settings(&super::super::text(&path).unwrap_or_default()).iter().map(|(name, _)| set_back(name)).collect();
        let path = path.display();
        run.note(&format!(
            "kept {path}: a command that --check-config printed wrote it; if nothing else wants it: rm {path}; sysctl -w {}",
            back.join(" ")
        ));
    }
    let of_default: Vec<(String, String)> =
        settings(TEMPLATE).into_iter().filter(|(name, _)| name.starts_with(LINKS_DEFAULT)).collect();
    let left = run.is_host() && !run.dry_run && of_default.iter().all(|(name, value)| is_in_force(name, value));
    if left && printed.is_empty() {
        let back: Vec<String> = of_default.iter().map(|(name, _)| set_back(name)).collect();
        run.note(&format!(
            "links that come later speak ARP for themselves alone, as with a pair of --install; if no file of sysctl.d wants that: \
             sysctl -w {}",
            back.join(" ")
        ));
    }
}

fn set_back(name: &str) -> String {
    format!("{name}={KERNELS_DEFAULT}")
}

fn printed(run: &Run) -> Vec<String> {
    let entries = fs::read_dir(run.path(FOLDER)).into_iter().flatten().flatten();
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    names.filter(|name| name.starts_with(PRINTED) && name.ends_with(".conf")).collect()
}
