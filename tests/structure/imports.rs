//! Which file imports which: `use` with nested groups, and paths in the code; what a `mod.rs` passes on leads to the file that
//! has it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// A path of modules, from the crate's root.
pub type Module = Vec<String>;

/// One source file.
pub struct Source {
    /// Where it is.
    pub file: PathBuf,
    /// Paths that its code names, resolved to the crate's root: modules, and an item behind them.
    imports: BTreeSet<Vec<String>>,
    /// Names that it passes on (`pub use`), with where they come from.
    passes_on: BTreeMap<String, Vec<String>>,
}

/// All files of a crate, by module.
pub struct Crate(BTreeMap<Module, Source>);

impl Crate {
    /// Reads the files below `root`, those of tests left out.
    pub fn read(root: &Path) -> Crate {
        let mut files = Vec::new();
        collect(root, &mut Vec::new(), &mut files);
        let modules: BTreeSet<Module> = files.iter().map(|(module, _)| module.clone()).collect();
        let read = |(module, file): (Module, PathBuf)| {
            let code = plain_code(&fs::read_to_string(&file).expect("a source file"));
            let source = Source { file, ..Source::of(&code, &module, &modules) };
            (module, source)
        };
        Crate(files.into_iter().map(read).collect())
    }

    /// The modules whose files `module` imports from.
    fn imported(&self, module: &Module) -> BTreeSet<Module> {
        let own = |target: &Module| target != module;
        self.0[module].imports.iter().filter_map(|path| self.home(path, 0)).filter(own).collect()
    }

    /// The module that has what `path` names: the longest that is a file, or where that one passes the name on from.
    fn home(&self, path: &[String], depth: usize) -> Option<Module> {
        let len = (1..=path.len()).rev().find(|&len| self.0.contains_key(&path[..len]))?;
        let passed_on = path.get(len).and_then(|item| self.0[&path[..len]].passes_on.get(item));
        match passed_on {
            Some(from) if depth < 8 => self.home(from, depth + 1).or_else(|| Some(path[..len].to_vec())),
            _ => Some(path[..len].to_vec()),
        }
    }

    /// Circles of files of one folder, each as the files that it joins. A `mod.rs` and the files below it belong together.
    pub fn circles(&self) -> BTreeSet<BTreeSet<PathBuf>> {
        let edges: BTreeMap<&Module, BTreeSet<Module>> =
            self.0.keys().map(|module| (module, self.siblings(module))).collect();
        let mut circles = BTreeSet::new();
        for start in self.0.keys() {
            let forth = reach(start, |module| edges.get(module).cloned().unwrap_or_default());
            let joined = forth
                .iter()
                .filter(|other| reach(other, |module| edges.get(module).cloned().unwrap_or_default()).contains(start));
            let files: BTreeSet<PathBuf> = joined.map(|module| self.0[module].file.clone()).collect();
            if files.len() > 1 {
                circles.insert(files);
            }
        }
        circles
    }

    /// What `module` imports of the files beside it.
    fn siblings(&self, module: &Module) -> BTreeSet<Module> {
        let beside =
            |other: &Module| other.len() == module.len() && other[..other.len() - 1] == module[..module.len() - 1];
        self.imported(module).into_iter().filter(beside).collect()
    }
}

fn reach(start: &Module, next: impl Fn(&Module) -> BTreeSet<Module>) -> BTreeSet<Module> {
    let mut seen = BTreeSet::new();
    let mut open = next(start);
    while let Some(module) = open.pop_first() {
        if seen.insert(module.clone()) {
            open.extend(next(&module));
        }
    }
    seen
}

fn collect(folder: &Path, module: &mut Module, found: &mut Vec<(Module, PathBuf)>) {
    for entry in fs::read_dir(folder).expect("a folder of sources").flatten() {
        let (path, name) = (entry.path(), entry.file_name().to_string_lossy().into_owned());
        let stem = name.trim_end_matches(".rs").to_owned();
        if stem.contains("tests") {
            continue;
        }
        if path.is_dir() {
            module.push(name);
            collect(&path, module, found);
            module.pop();
        } else if stem == "mod" {
            found.push((module.clone(), path));
        } else if name.ends_with(".rs") && !matches!(stem.as_str(), "lib" | "main") {
            let file = module.iter().cloned().chain([stem]).collect();
            found.push((file, path));
        }
    }
}

/// The code without comments, texts and the tests at its end.
fn plain_code(text: &str) -> String {
    let text = text.split("\n#[cfg(test)]\n").enumerate().map(|(n, part)| match part.starts_with("mod ") && n > 0 {
        true => part.split_once(";\n").map_or("", |(head, rest)| if head.contains('{') { "" } else { rest }),
        false if n > 0 && part.contains("mod tests {") => part.split("mod tests {").next().unwrap_or(""),
        false => part,
    });
    let text = text.collect::<Vec<_>>().join("\n");
    text.lines().map(|line| line.split("//").next().unwrap_or("")).collect::<Vec<_>>().join("\n")
}

impl Source {
    fn of(code: &str, module: &Module, modules: &BTreeSet<Module>) -> Source {
        let mut source = Source { file: PathBuf::new(), imports: BTreeSet::new(), passes_on: BTreeMap::new() };
        let absolute = |path: &[String]| from_root(path, module, modules);
        for (public, tree) in use_trees(code) {
            for path in expand(&tree) {
                let (path, name) = match path.iter().position(|word| word == "as") {
                    Some(at) => (path[..at].to_vec(), path.get(at + 1).cloned()),
                    None => (path.clone(), path.last().cloned()),
                };
                let Some(path) = absolute(&path) else { continue };
                match name {
                    Some(name) if public => drop(source.passes_on.insert(name, path)),
                    _ => drop(source.imports.insert(path)),
                }
            }
        }
        let others =
            code.split(|c: char| !(c.is_alphanumeric() || c == '_' || c == ':')).filter(|word| word.contains("::"));
        let of_this_crate = others.filter(|word| ["crate::", "super::"].iter().any(|start| word.starts_with(start)));
        let words = of_this_crate.map(|word| word.split("::").map(str::to_owned).collect::<Vec<_>>());
        source.imports.extend(words.filter_map(|path| absolute(&path)));
        source
    }
}

/// A path from the crate's root; `None` for one into another crate.
fn from_root(path: &[String], module: &Module, modules: &BTreeSet<Module>) -> Option<Vec<String>> {
    let mut rest = path;
    let mut at = module.clone();
    match rest.first()?.as_str() {
        "crate" => (at, rest) = (Vec::new(), &rest[1..]),
        "self" => rest = &rest[1..],
        "super" => {}
        child if modules.contains(&[&module[..], &[child.to_owned()]].concat()) => {}
        _ => return None,
    }
    while rest.first().is_some_and(|word| word == "super") {
        at.pop();
        rest = &rest[1..];
    }
    Some(at.into_iter().chain(rest.iter().filter(|word| !word.is_empty() && *word != "self").cloned()).collect())
}

/// What stands between `use` and its semicolon, and whether it is passed on.
fn use_trees(code: &str) -> Vec<(bool, String)> {
    let mut found = Vec::new();
    for (at, _) in code.match_indices("use ") {
        let line = code[..at].rsplit('\n').next().unwrap_or("").trim();
        let public = line.starts_with("pub");
        if (line.is_empty() || public && !line.contains(' ') || line == "pub(in crate)")
            && let Some((tree, _)) = code[at + 4..].split_once(';')
        {
            found.push((public, tree.split_whitespace().collect::<Vec<_>>().join(" ")));
        }
    }
    found
}

/// The paths of a tree, each as its words; `as` and the new name are words, too.
pub fn expand(tree: &str) -> Vec<Vec<String>> {
    let tree = tree.trim();
    let Some((head, rest)) = tree.split_once('{') else {
        let words = tree.split("::").flat_map(|word| word.trim().split(' ')).map(str::to_owned);
        return vec![words.collect()];
    };
    let head: Vec<String> =
        head.split("::").map(str::trim).filter(|word| !word.is_empty()).map(str::to_owned).collect();
    let inner = rest.rsplit_once('}').map_or(rest, |(inner, _)| inner);
    let (mut depth, mut start, mut parts) = (0, 0, Vec::new());
    for (at, c) in inner.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(&inner[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&inner[start..]);
    let parts = parts.into_iter().filter(|part| !part.trim().is_empty());
    parts.flat_map(expand).map(|path| [head.clone(), path].concat()).collect()
}
