//! What the installed unit says, with its drop-ins: settings of `[Service]` as systemd merges them (systemd.exec(5)).

use crate::whole_file;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// The name of the unit that starts the program.
pub const UNIT: &str = "runbound.service";

/// The folder that it has systemd make for the files that the server writes (`StateDirectory=`), below the root of its host.
pub const STATE_FOLDER: &str = "var/lib/runbound";

/// Where systemd looks for units, the strongest first (systemd.unit(5)).
const UNIT_FOLDERS: [&str; 4] =
    ["/etc/systemd/system", "/run/systemd/system", "/usr/local/lib/systemd/system", "/usr/lib/systemd/system"];

/// Most octets that are read of a unit or a drop-in.
const LONGEST: u64 = 1 << 20;

/// The assignments of a unit's `[Service]` section, in the order in which they take effect.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unit(Vec<(String, String)>);

/// What a setting that is a list of words lets pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Words {
    /// These alone.
    Only(BTreeSet<String>),
    /// All but these.
    Except(BTreeSet<String>),
}

impl Words {
    /// Whether `word` passes.
    pub fn allow(&self, word: &str) -> bool {
        match self {
            Self::Only(words) => words.contains(word),
            Self::Except(words) => !words.contains(word),
        }
    }
}

impl Unit {
    /// The unit [`UNIT`] of this host; `None` when there is none.
    pub(super) fn installed() -> Option<Self> {
        let text = |path: PathBuf| whole_file::read_text(&path, LONGEST).ok();
        let file = UNIT_FOLDERS.iter().find_map(|folder| text(Path::new(folder).join(UNIT)))?;
        let mut texts = vec![file];
        texts.extend(drop_ins().into_iter().filter_map(text));
        Some(Self::from_texts(texts.iter().map(String::as_str)))
    }

    /// From the text of a unit and those of its drop-ins, in order.
    pub fn from_texts<'a>(texts: impl IntoIterator<Item = &'a str>) -> Self {
        let mut all = Self::default();
        texts.into_iter().for_each(|text| all.add(text));
        all
    }

    fn add(&mut self, text: &str) {
        // systemd takes \r\n for the end of a line, too.
        let joined = text.replace("\r\n", "\n").replace("\\\n", " ");
        let mut inside = false;
        for line in joined.lines().map(str::trim).filter(|line| !line.starts_with(['#', ';'])) {
            if line.starts_with('[') {
                inside = line == "[Service]";
            } else if let Some((key, value)) = line.split_once('=').filter(|_| inside) {
                self.0.push((key.trim().to_owned(), value.trim().to_owned()));
            }
        }
    }

    /// The value that a setting of one value has; `None` for systemd's default.
    pub fn value(&self, key: &str) -> Option<&str> {
        self.values(key).next_back().filter(|value| !value.is_empty())
    }

    /// What a list lets pass: words add to it, words behind `~` take away, the first says which of both it is. `None`
    /// without any assignment; what an empty one leaves, `empty` says.
    pub fn words(&self, key: &str, empty: Option<Words>) -> Option<Words> {
        let mut have = None;
        for value in self.values(key) {
            let (minus, list) = value.strip_prefix('~').map_or((false, value), |list| (true, list));
            let words = list.split_whitespace().map(str::to_owned);
            have = match have {
                _ if value.is_empty() => empty.clone(),
                None if minus => Some(Words::Except(words.collect())),
                None => Some(Words::Only(words.filter(|word| word != "none").collect())),
                Some(Words::Only(mut set)) => {
                    words.for_each(|word| _ = if minus { set.remove(&word) } else { set.insert(word) });
                    Some(Words::Only(set))
                }
                Some(Words::Except(mut set)) => {
                    words.for_each(|word| _ = if minus { set.insert(word) } else { set.remove(&word) });
                    Some(Words::Except(set))
                }
            };
        }
        have
    }

    /// LimitMEMLOCK=, in its words.
    pub fn memlock(&self) -> &str {
        // systemd's own default since version 246.
        self.value("LimitMEMLOCK").unwrap_or("8M (systemd's default)")
    }

    /// The folders that systemd makes before the start (systemd.exec(5), RuntimeDirectory=).
    pub fn folders(&self) -> impl Iterator<Item = PathBuf> {
        const MADE: [(&str, &str); 4] = [
            ("RuntimeDirectory", "/run"),
            ("StateDirectory", "/var/lib"),
            ("CacheDirectory", "/var/cache"),
            ("LogsDirectory", "/var/log"),
        ];
        MADE.iter().flat_map(move |(key, root)| {
            let names = self.values(key).flat_map(str::split_whitespace);
            names.map(move |name| Path::new(root).join(name.split(':').next().unwrap_or(name)))
        })
    }

    /// Whether a file may be made or written at `path` by what `ProtectSystem=strict` leaves open (systemd.exec(5)). Mounts of
    /// the unit's own (`BindPaths=` and its kin) may open anything.
    pub fn lets_write(&self, path: &Path) -> bool {
        const OPEN: [&str; 5] = ["/dev", "/proc", "/sys", "/tmp", "/var/tmp"];
        const MOUNTS: [&str; 4] = ["BindPaths", "TemporaryFileSystem", "RootDirectory", "RootImage"];
        let named = self.values("ReadWritePaths").flat_map(str::split_whitespace);
        let named = named.map(|word| PathBuf::from(word.trim_start_matches(['-', '+'])));
        self.value("ProtectSystem") != Some("strict")
            || MOUNTS.iter().any(|key| self.value(key).is_some())
            || OPEN.iter().map(PathBuf::from).chain(self.folders()).chain(named).any(|open| path.starts_with(open))
    }

    fn values<'a>(&'a self, key: &str) -> impl DoubleEndedIterator<Item = &'a str> {
        self.0.iter().filter(move |(name, _)| name == key).map(|(_, value)| value.as_str())
    }
}

/// The drop-ins, by name; of one name the strongest folder's.
fn drop_ins() -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> = UNIT_FOLDERS
        .iter()
        .filter_map(|folder| fs::read_dir(Path::new(folder).join(format!("{UNIT}.d"))).ok())
        .flat_map(|entries| entries.flatten().map(|entry| entry.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "conf"))
        .collect();
    // A stable sort leaves the strongest folder's first.
    paths.sort_by(|a, b| a.file_name().cmp(&b.file_name()));
    paths.dedup_by(|later, first| later.file_name() == first.file_name());
    paths
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(lines: &[&str], word: &str) -> Option<bool> {
        let text = format!("[Service]\n{}\n", lines.join("\n"));
        Unit::from_texts([text.as_str()]).words("Key", None).map(|words| words.allow(word))
    }

    #[test]
    fn the_last_value_counts_and_comments_do_not() {
        let text = "[Unit]\nLimitMEMLOCK=1\n[Service]\n# LimitMEMLOCK=2\nLimitMEMLOCK=64M\nExecStart=/a \\\n  -c b\n";
        let unit = Unit::from_texts([text]);
        assert_eq!((unit.memlock(), unit.value("User")), ("64M", None));
        assert_eq!(unit.value("ExecStart"), Some("/a    -c b"));
        assert_eq!(Unit::from_texts([text.replace('\n', "\r\n").as_str()]).0, unit.0, "as systemd reads it");
        let unit = Unit::from_texts([text, "[Service]\nLimitMEMLOCK=infinity\nUser=runbound\n"]);
        assert_eq!((unit.memlock(), unit.value("User")), ("infinity", Some("runbound")));
        assert_eq!(Unit::from_texts(["[Service]\n"]).memlock(), "8M (systemd's default)");
    }

    #[test]
    fn a_strict_unit_has_few_places_to_write() {
        let lets = |lines: &str, path: &str| {
            let unit = Unit::from_texts([format!("[Service]\n{lines}\n").as_str()]);
            unit.lets_write(Path::new(path))
        };
        let strict = "ProtectSystem=strict\nRuntimeDirectory=runbound\nReadWritePaths=-/srv/dns /var/log/one";
        for path in ["/run/runbound/control", "/srv/dns/a/log", "/var/log/one", "/dev/null", "/tmp/log"] {
            assert!(lets(strict, path), "{path}");
        }
        for path in ["/run/runbound.ctl", "/var/log/runbound/log", "/srv/dns2", "/var/log/one2"] {
            assert!(!lets(strict, path), "{path}");
            assert!(lets("ProtectSystem=full", path) && lets("", path), "{path}");
            assert!(lets(&format!("{strict}\nBindPaths=/a:/b"), path), "{path}");
        }
        assert!(lets(&format!("{strict}\nLogsDirectory=runbound"), "/var/log/runbound/log"));
    }

    #[test]
    fn lists_are_merged_as_systemd_merges_them() {
        assert_eq!(words(&[], "a"), None);
        assert_eq!(words(&["Key=b c"], "a"), Some(false));
        assert_eq!(words(&["Key=b c", "Key=a"], "a"), Some(true));
        assert_eq!(words(&["Key=a b", "Key=~a"], "a"), Some(false));
        assert_eq!(words(&["Key=~a"], "a"), Some(false));
        assert_eq!(words(&["Key=~b"], "a"), Some(true));
        assert_eq!(words(&["Key=~a", "Key=a"], "a"), Some(true));
        assert_eq!(words(&["Key=b", "Key="], "a"), None);
        assert_eq!(words(&["Key=none"], "none"), Some(false));
    }
}
