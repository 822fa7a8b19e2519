//! Words that are no directive.

use super::{Clause, all, find};

/// What to say about a word that is no directive of `clause`.
pub(in crate::config) fn explain_unknown(clause: Option<Clause>, word: &str) -> String {
    let mut homes = Clause::ALL.into_iter().filter(|clause| find(*clause, word).is_some()).map(Clause::word);
    if let Some(home) = homes.next() {
        let homes = homes.fold(format!("{home}:"), |homes, home| format!("{homes} or {home}:"));
        let place = clause.map_or("outside of a clause".into(), |clause| format!("in {}:", clause.word()));
        return format!("{word}: stands {place}; it belongs in {homes}, put such a line above it");
    }
    let candidates = all().filter(|spec| clause.is_none_or(|clause| clause == spec.clause));
    let names = candidates.flat_map(|spec| std::iter::once(spec.name).chain(spec.aliases.iter().copied()));
    // Names whose lengths alone lie further apart need no closer look.
    let most = 2 + word.len() / 4;
    let letters = word.chars().count();
    let near = names.chain(Clause::ALL.map(Clause::word)).filter(|name| name.len().abs_diff(letters) <= most);
    match near.map(|name| (distance(name, word), name)).min() {
        Some((distance, name)) if distance <= most => {
            format!("unknown directive {word}: (did you mean {name}: ?)")
        }
        _ => format!("unknown directive {word}: (docs/configuration.md has the list)"),
    }
}

/// Insertions, deletions and replacements from `a` to `b` (Levenshtein).
fn distance(a: &str, b: &str) -> usize {
    // A directive has at most 40 letters; more of a stranger's word changes nothing.
    let b: Vec<char> = b.chars().take(64).collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, left) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, right) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(left != *right);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_words_get_the_nearest_name_or_their_clause() {
        assert!(explain_unknown(Some(Clause::Server), "interfaces").contains("did you mean interface: ?"));
        assert!(explain_unknown(Some(Clause::Server), "local-dara").contains("did you mean local-data: ?"));
        assert!(explain_unknown(Some(Clause::Server), "forward-addr").contains("belongs in forward-zone:"));
        assert!(explain_unknown(None, "port").contains("outside of a clause; it belongs in server:"));
        assert!(explain_unknown(None, "serve").contains("did you mean server: ?"));
        assert!(!explain_unknown(Some(Clause::Server), "qqqqqqqqqqqqqqqqqq").contains("did you mean"));
    }

    #[test]
    fn distance_counts_edits() {
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("port", "port"), 0);
    }
}
