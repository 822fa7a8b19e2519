//! What an honoured directive sets is read by something.

use super::table::{another_value, honoured, with_line};
use std::collections::HashSet;
use std::path::{Path, PathBuf};

/// Files of `src/config` that make something of the fields for others to use.
const READERS: [&str; 3] = ["src/config/model.rs", "src/config/default_zones.rs", "src/config/validation.rs"];

/// Fields that are read by their methods alone.
const ARENAS: [&str; 2] = ["local_zones", "local_data"];

/// The program's code without comments and tests.
struct Code {
    /// Of files that use the configuration.
    users: String,
    /// Of all files but the configuration's own.
    all: String,
}

fn read_code() -> Code {
    let mut code = Code { users: String::new(), all: String::new() };
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for file in sources(&root.join("src")).into_iter().chain(sources(&root.join("appliance"))) {
        let name = file.strip_prefix(root).unwrap().to_string_lossy().into_owned();
        let reader = READERS.contains(&name.as_str());
        if name.contains("tests") || name.starts_with("src/config/") && !reader {
            continue;
        }
        let text = std::fs::read_to_string(&file).unwrap();
        let text = text.split("#[cfg(test)]").next().unwrap_or_default();
        let lines = text.lines().filter(|line| !line.trim_start().starts_with("//"));
        let text: String = lines.flat_map(|line| [line, "\n"]).collect();
        if reader || text.contains("config::") || text.contains("Config") {
            code.users.push_str(&text);
        }
        code.all.push_str(&text);
    }
    code
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let (folders, files): (Vec<_>, Vec<_>) = entries.partition(|path| path.is_dir());
    let mut found: Vec<_> = files.into_iter().filter(|path| path.extension().is_some_and(|end| end == "rs")).collect();
    folders.iter().for_each(|folder| found.extend(sources(folder)));
    found
}

/// The field of the configuration in which `with` differs from `without`, the innermost that is there in both.
fn changed_field(with: &str, without: &str) -> String {
    let place = with.lines().zip(without.lines()).position(|(a, b)| a != b).unwrap_or_default();
    let line = with.lines().nth(place).unwrap_or_default();
    let name = |line: &str| line.trim().split_once(": ").map(|(name, _)| name.to_owned());
    let depth = |line: &str| line.len() - line.trim_start().len();
    let outermost = with.lines().take(place + 1).filter(|above| depth(above) == 4).filter_map(name).last();
    if let Some(arena) = outermost.filter(|name| ARENAS.contains(&name.as_str())) {
        return arena;
    }
    let same_name = without.lines().nth(place).and_then(name) == name(line);
    if let Some(name) = name(line).filter(|_| same_name) {
        return name;
    }
    // Something new in a list: the list is the field.
    let above = with.lines().take(place).filter(|above| depth(above) < depth(line));
    above.filter_map(name).last().unwrap_or_default()
}

/// Whether `field` is read, and not only carried to a field that nobody reads.
fn is_read(code: &str, all: &str, field: &str, seen: &mut HashSet<String>) -> bool {
    let word = |letter: char| letter.is_alphanumeric() || letter == '_';
    let access = format!(".{field}");
    code.match_indices(&access).any(|(at, _)| {
        let (before, behind) = (&code[..at], &code[at + access.len()..]);
        if behind.starts_with(word) || behind.trim_start().starts_with("= ") || behind.starts_with('(') {
            return false;
        }
        // `other: config.field,` alone carries it to `other`.
        let owner = before.trim_end_matches(|letter: char| word(letter) || letter == '.');
        let carried =
            owner.strip_suffix(": ").filter(|_| behind.starts_with([',', ' ', '.']) && !behind.starts_with(" {"));
        match carried.map(|before| before.rsplit(|letter| !word(letter)).next().unwrap_or_default()) {
            Some(other) if !other.is_empty() => seen.insert(other.to_owned()) && is_read(all, all, other, seen),
            _ => true,
        }
    })
}

#[test]
fn what_an_honoured_directive_sets_is_read_outside_of_the_configuration() {
    let code = read_code();
    assert!(code.users.len() > 50_000 && code.all.len() > code.users.len(), "the sources were not found");
    let lost: Vec<String> = honoured()
        .map(|(spec, ..)| {
            let shown = |value: &str| format!("{:#?}", with_line(spec, value));
            (spec, changed_field(&shown(&another_value(spec)), &shown("")))
        })
        .filter(|(_, field)| !is_read(&code.users, &code.all, field, &mut HashSet::new()))
        .map(|(spec, field)| format!("{} sets {field:?}", spec.name))
        .collect();
    assert_eq!(lost, Vec::<String>::new(), "honoured, and nothing reads it");
}

#[test]
fn a_field_that_is_only_carried_about_is_not_read() {
    let read = |code: &str, field: &str| is_read(code, code, field, &mut HashSet::new());
    assert!(read("if config.port == 0 {", "port"));
    assert!(!read("config.ports.first()", "port"));
    assert!(!read("config.port = 5;", "port"));
    assert!(read("Options { low: config.port, x } if options.low > 1 {}", "port"));
    assert!(!read("Options { low: config.port, x }", "port"));
    assert!(!read("Zone { first: zone.first, no }", "first"));
}
