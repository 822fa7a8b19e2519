//! The folders import only what docs/architecture.md allows, and `unsafe` is allowed only where it says so.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Folder → (may hold unsafe, may import), from the table in docs/architecture.md.
fn table() -> BTreeMap<String, (bool, BTreeSet<String>)> {
    let text = fs::read_to_string("docs/architecture.md").expect("docs/architecture.md");
    let mut table = BTreeMap::new();
    for line in text.lines().filter(|line| line.starts_with("| `src/")) {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let folder = cells[0].split('`').nth(1).unwrap_or("").trim_start_matches("src/").trim_end_matches('/');
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

#[test]
fn folders_import_what_the_table_allows() {
    let table = table();
    assert!(table.len() > 10, "the table was not found: {table:?}");
    let folders: BTreeSet<String> = fs::read_dir("src")
        .expect("src")
        .flatten()
        .filter(|entry| entry.path().is_dir())
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    assert_eq!(folders, table.keys().cloned().collect(), "every folder has a row, every row a folder");
    for (folder, (_, allowed)) in &table {
        for path in sources(&Path::new("src").join(folder)) {
            for import in code(&path).split("crate::").skip(1) {
                let name: String = import.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
                let fine = name.is_empty() || name == *folder || allowed.contains(&name);
                assert!(fine || !folders.contains(&name), "{}: imports {name}", path.display());
            }
        }
    }
}

#[test]
fn unsafe_stands_only_in_its_folders() {
    for (folder, (may, _)) in table() {
        for path in sources(&Path::new("src").join(&folder)) {
            let allows = code(&path).contains("allow(unsafe_code)");
            assert!(may || !allows, "{}: lifts the lint on unsafe", path.display());
        }
    }
}

/// `str::parse` takes a plus sign and any number of its type; the range is the caller's to know.
#[test]
fn numbers_from_outside_are_read_by_one_function() {
    for path in ["config", "control", "setup"].iter().flat_map(|folder| sources(&Path::new("src").join(folder))) {
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
