//! The folders import only what docs/architecture.md allows, and `unsafe` is allowed only where it says so.

#[path = "structure/imports.rs"]
mod imports;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// The sources of PID 1, a program of its own.
const PID1: &str = "appliance/pid1/src";

/// Folder → (may hold unsafe, may import).
type Table = BTreeMap<String, (bool, BTreeSet<String>)>;

/// The rows of the table in docs/architecture.md whose folders are below `root`.
fn table(root: &str) -> Table {
    let text = fs::read_to_string("docs/architecture.md").expect("docs/architecture.md");
    let mut table = BTreeMap::new();
    for line in text.lines().filter(|line| line.starts_with(&format!("| `{root}/"))) {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let folder = cells[0].split('`').nth(1).unwrap_or("").trim_start_matches(root).trim_matches('/');
        let mut imports: BTreeSet<String> =
            cells[2].split(',').map(|name| name.trim().to_owned()).filter(|name| !name.is_empty()).collect();
        if imports.remove("all above") {
            imports = table.keys().cloned().collect();
        }
        table.insert(folder.to_owned(), (cells[0].contains("(unsafe)"), imports));
    }
    table
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("a source folder").flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found
}

/// The code of a file, comment lines left out.
fn code(path: &Path) -> String {
    let text = fs::read_to_string(path).expect("a source file");
    text.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

/// The names behind each `start`, as in `start::name`.
fn names_behind(code: &str, start: &str) -> BTreeSet<String> {
    let name = |rest: &str| rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
    code.split(&format!("{start}::")).skip(1).map(name).filter(|name| !name.is_empty()).collect()
}

/// [`names_behind`], and those of groups: `use start::{name, other::{...}}`.
fn imported(code: &str, start: &str) -> BTreeSet<String> {
    let opening = format!("{start}::{{");
    let groups = code.match_indices(&opening).filter_map(|(at, _)| code[at..].split_once(';'));
    let paths = groups.flat_map(|(tree, _)| imports::expand(&tree.split_whitespace().collect::<Vec<_>>().join(" ")));
    names_behind(code, start).into_iter().chain(paths.filter_map(|path| path.into_iter().nth(1))).collect()
}

fn folders_in(root: &str) -> BTreeSet<String> {
    fs::read_dir(root)
        .expect("a folder of sources")
        .flatten()
        .filter(|entry| entry.path().is_dir())
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect()
}

/// Each folder below `root` has a row, and imports what that allows: of its own crate, and of the server's library.
fn folders_keep_to_the_table(root: &str) {
    let (table, folders, of_server) = (table(root), folders_in(root), folders_in("src"));
    assert!(table.len() > 5, "the table was not found: {table:?}");
    assert_eq!(folders, table.keys().cloned().collect(), "every folder has a row, every row a folder");
    for (folder, (_, allowed)) in &table {
        for path in sources(&Path::new(root).join(folder)) {
            let code = code(&path);
            for name in imported(&code, "crate") {
                let fine = name == *folder || allowed.contains(&name);
                assert!(fine || !folders.contains(&name), "{}: imports {name}", path.display());
            }
            for name in imported(&code, "runbound") {
                let fine = !of_server.contains(&name) || allowed.contains(&format!("runbound::{name}"));
                assert!(fine, "{}: imports {name} of the server's library", path.display());
            }
        }
    }
}

#[test]
fn folders_import_what_the_table_allows() {
    folders_keep_to_the_table("src");
    folders_keep_to_the_table(PID1);
}

#[test]
fn the_server_knows_nothing_of_process_1() {
    for path in sources(Path::new("src")) {
        assert!(!code(&path).contains("runbound_init"), "{}: imports PID 1", path.display());
    }
}

#[test]
fn unsafe_stands_only_in_its_folders() {
    let of = |root: &'static str| table(root).into_iter().map(move |(folder, row)| (Path::new(root).join(folder), row));
    for (folder, (may, _)) in of("src").chain(of(PID1)) {
        for path in sources(&folder) {
            let allows = code(&path).contains("allow(unsafe_code)");
            assert!(may || !allows, "{}: lifts the lint on unsafe", path.display());
        }
    }
}

/// `str::parse` takes a plus sign and any number of its type; the range is the caller's to know.
#[test]
fn numbers_from_outside_are_read_by_one_function() {
    let of_server = ["config", "control", "setup"].iter().flat_map(|folder| sources(&Path::new("src").join(folder)));
    for path in of_server.chain(sources(Path::new(PID1))) {
        let code = code(&path);
        let code = code.split("#[cfg(test)]").next().unwrap_or_default();
        if path.components().any(|part| part.as_os_str().to_string_lossy().contains("tests")) {
            continue;
        }
        let numbers = ["u8", "u16", "u32", "u64", "u128", "usize", "i8", "i16", "i32", "i64", "i128", "isize"];
        let parses = code.split(".parse").skip(1).filter(|rest| rest.starts_with(['(', ':']));
        for rest in parses {
            let kind = rest.strip_prefix("::<").and_then(|rest| rest.split_once('>')).map(|(kind, _)| kind);
            let fine = kind.is_some_and(|kind| !numbers.contains(&kind));
            assert!(fine, "{}: crate::number reads numbers; say what else parse() makes here", path.display());
        }
        assert!(!code.contains("from_str_radix"), "{}: crate::number reads numbers", path.display());
    }
}

/// The fuzz targets are a workspace of their own, so nothing else tells that their lock file is behind.
#[test]
fn the_lock_file_of_the_fuzz_targets_knows_the_servers_dependencies() {
    let lock = fs::read_to_string("tests/fuzz/Cargo.lock").expect("tests/fuzz/Cargo.lock");
    let (_, package) = lock.split_once("name = \"runbound\"\n").expect("the server in the lock file");
    let (package, _) = package.split_once("\n]").expect("its dependencies");
    let locked: BTreeSet<&str> =
        package.lines().filter_map(|line| line.trim().strip_prefix('"')?.split(['"', ' ']).next()).collect();
    let manifest = fs::read_to_string("Cargo.toml").expect("Cargo.toml");
    let (_, wanted) = manifest.split_once("\n[dependencies]\n").expect("dependencies in Cargo.toml");
    let wanted: BTreeSet<&str> = wanted
        .lines()
        .take_while(|line| !line.starts_with('['))
        .filter_map(|line| Some(line.split_once(" =")?.0))
        .collect();
    let wanted: BTreeSet<&str> = wanted.into_iter().map(|name| name.trim_end_matches(".workspace")).collect();
    assert_eq!(locked, wanted, "cargo update --workspace in tests/fuzz");
}

#[test]
fn groups_and_what_is_nested_in_them_are_seen() {
    let code =
        "use crate::{answer::{policy, zones::Zones as Z}, dns, number};\nuse std::fmt;\nlet a = crate::host::links();";
    let names: Vec<String> = imported(code, "crate").into_iter().collect();
    assert_eq!(names, ["answer", "dns", "host", "number"]);
    let paths: Vec<String> =
        imports::expand("crate::{a::{b, c::{d}}, e as f}").iter().map(|path| path.join(" ")).collect();
    assert_eq!(paths, ["crate a b", "crate a c d", "crate e as f"]);
}

/// Where two files of a folder need each other, a third that both import ends it.
#[test]
fn no_files_of_a_folder_import_each_other_in_a_circle() {
    for root in ["src", PID1] {
        let circles = imports::Crate::read(Path::new(root)).circles();
        assert!(circles.is_empty(), "{circles:#?}");
    }
}
