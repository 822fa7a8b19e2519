//! A pair of which a file was deleted by hand, and settings that outlive it.

use super::*;

const ADDRESS: [&str; 1] = ["192.168.10.250/24"];

fn uninstall_lines(tree: &Tree) -> Vec<String> {
    let (mut lines, options) = (Vec::new(), Setup { root: Some(tree.0.clone()), ..Setup::default() });
    uninstall(&options, &mut |line| lines.push(line.to_owned())).unwrap();
    lines
}

#[test]
fn a_file_that_is_gone_is_named_with_what_writes_it_again() {
    let tree = Tree::new("known");
    let main = MAIN.replace("br-rb", "br-dns");
    fs::write(tree.0.join("etc/network/interfaces"), main).unwrap();
    assert_eq!(tree.install(&ADDRESS, "br-dns", false).1, "");
    let (snippet, hook, stanzas) = (tree.text(SYSCTL_FILE), tree.text(HOOK), tree.text(STANZAS));
    assert!(snippet.contains("br-dns"));
    for (gone, loss) in [(HOOK, "becomes no port of the bridge"), (STANZAS, "nothing makes the pair at the next boot")]
    {
        fs::remove_file(tree.0.join(gone)).unwrap();
        let (lines, error) = tree.install(&[], "", false);
        assert_eq!(error, "");
        assert_eq!(tree.text(SYSCTL_FILE), snippet, "its settings stay those of its bridge");
        let told = lines.iter().find(|line| line.contains(gone) && line.contains(loss)).expect("it is named");
        let length = if gone == HOOK { "24" } else { "LENGTH" };
        let words = format!("192.168.10.250/{length} --bridge br-dns");
        assert!(told.contains(&format!("`runbound --install --address {words}")), "{told}");
        fs::create_dir_all(tree.0.join("etc/network/if-up.d")).unwrap();
        fs::write(tree.0.join(HOOK), &hook).unwrap();
        fs::write(tree.0.join(STANZAS), &stanzas).unwrap();
    }
}

#[test]
fn what_a_printed_command_wrote_is_named_at_the_end() {
    let tree = Tree::new("printed");
    assert_eq!(tree.install(&ADDRESS, "br-rb", false).1, "");
    let printed = tree.0.join("etc/sysctl.d/61-runbound-arp.conf");
    fs::write(&printed, "net.ipv4.conf.default.arp_ignore = 1\nnet.ipv4.conf.default.arp_announce = 2\n").unwrap();
    let lines = uninstall_lines(&tree);
    let path = printed.display();
    let fix = format!("rm {path}; sysctl -w net/ipv4/conf/default/arp_ignore=0 net/ipv4/conf/default/arp_announce=0");
    assert!(says(&lines, &format!("kept {path}: ")) && says(&lines, &fix), "{lines:#?}");
}
