//! Lookups of name servers: what they may take from clients, what one question may cost with them, whom they tell.

use super::iterate::{Internet, ROOT, Zone, refer, reply, root};
use crate::dns::{rcode, rtype};
use std::time::Duration;

/// The last labels of a name.
fn last(name: &str, labels: usize) -> String {
    let all: Vec<&str> = name.trim_end_matches('.').split('.').collect();
    format!("{}.", all[all.len().saturating_sub(labels)..].join("."))
}

#[test]
fn a_cut_that_was_just_found_is_not_let_go_for_want_of_room() {
    let refers: Zone = Box::new(|name, qtype, query| {
        let cut = last(name, 1);
        match cut.trim_matches(['z', '.']).parse::<u32>() {
            Ok(number) => refer(query, &cut, &format!("ns.{cut}"), Some(&format!("198.51.100.{}", 3 + number % 10))),
            Err(_) => root(&[])(name, qtype, query),
        }
    });
    let addresses: Vec<String> = (3..13).map(|k| format!("198.51.100.{k}")).collect();
    let answers: fn(&str, u16, &[u8]) -> Option<Vec<u8>> =
        |name, _, query| Some(reply(query, 0).record(0, name, rtype::A, 1, &[192, 0, 2, 1]).0);
    let mut servers = vec![(ROOT, refers)];
    servers.extend(addresses.iter().map(|address| (address.as_str(), Box::new(answers) as Zone)));
    let mut internet = Internet::new(false, servers);
    for hosts in 1..6 {
        internet.core.options.infra.hosts = hosts;
        for number in 0..100 {
            internet.now += Duration::from_secs(2);
            let name = format!("w{number}.z{}", number % (2 * hosts + 5));
            let (code, _, asked) = internet.ask(&name, rtype::A);
            assert_eq!(code, rcode::NOERROR, "{name} with room for {hosts}: {asked:?}");
        }
    }
}
