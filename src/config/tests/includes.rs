//! Includes.

use super::super::load;
use super::{Folder, ROOT};
use crate::dns::name_text;

#[test]
fn includes_continue_the_clause_and_include_toplevel_does_not() {
    let folder = Folder::new("include");
    folder.write("1.conf", "port: 5301\nlocal-zone: one static\n");
    folder.write("2.conf", "local-zone: two static\n");
    folder.write(".hidden.conf", "nonsense\n");
    folder.write("top.conf", ROOT);
    let here = folder.0.display();
    let main = format!(
        "server:\n include: \"{here}/[0-9]*.{{conf,none}}\"\n include: {here}/nothing*\n local-zone: three deny\ninclude-toplevel: '{here}/top.conf'\n"
    );
    let config = load(&folder.write("main.conf", &main)).unwrap().config;
    assert_eq!(config.port, 5301);
    let zones: Vec<_> = config
        .local_zones
        .iter()
        .map(|zone| {
            (name_text::to_text(zone.name), config.files.path(zone.at).file_name().unwrap().to_owned(), zone.at.line)
        })
        .collect();
    assert_eq!(
        zones,
        [
            ("one.".into(), "1.conf".into(), 2),
            ("two.".into(), "2.conf".into(), 1),
            ("three.".into(), "main.conf".into(), 4)
        ]
    );

    let after = load(&folder.write("after.conf", &format!("server:\ninclude-toplevel: {here}/top.conf\nport: 1\n")))
        .unwrap_err();
    assert!(after[0].to_string().contains("after.conf:3: port: stands outside of a clause"), "{after:?}");
}

#[test]
fn relative_includes_follow_directory() {
    let folder = Folder::new("relative");
    folder.write("part.conf", "port: 5302\n");
    let main = format!("server:\n directory: \"{}\"\n include: part.conf\n{ROOT}", folder.0.display());
    assert_eq!(load(&folder.write("main.conf", &main)).unwrap().config.port, 5302);
}

#[test]
fn include_loops_end() {
    let folder = Folder::new("loop");
    let path = folder.0.join("a.conf");
    folder.write("a.conf", &format!("include: {0}/b.conf\n", folder.0.display()));
    folder.write("b.conf", &format!("include: {0}/*.conf\n", folder.0.display()));
    let found = load(&path).unwrap_err();
    assert!(found.iter().any(|finding| finding.to_string().contains("this is a loop")), "{found:?}");
    // The same file by ever new names.
    folder.write("c.conf", &format!("include: {0}/./././c.conf\ninclude: {0}//c.conf\n", folder.0.display()));
    assert!(load(&folder.0.join("c.conf")).is_err());
    let missing = load(&folder.0.join("none.conf")).unwrap_err();
    assert_eq!((missing.len(), missing[0].line), (1, 0));
    assert!(missing[0].message.contains("cannot open"));
}
