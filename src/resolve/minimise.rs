//! QNAME minimisation (RFC 9156): a server is asked for one label more than its cut has, until it refers or has the whole
//! name. The steps are those of MINIMISE_STATE in Unbound's iterator.c: type A stands for the type that is hidden.

use super::question::{Question, Shown};
use crate::dns::name::{label_count, parent, suffixes};
use crate::dns::rtype;

/// Queries for parts of one name at most.
const MOST: u8 = 10;
/// The first labels are shown one by one, the others in steps that come out at [`MOST`].
const ONE_BY_ONE: u8 = 4;
/// Time-outs in a row after which the whole name is asked for: some servers do not answer for parts of one.
const TIME_OUTS: u8 = 3;

impl Question {
    /// The name whose servers know the answer, wire form, lower case: the DS RRset of a zone lies with its parent.
    pub fn parent_side(&self) -> &[u8] {
        let target = self.target.as_wire();
        match self.qtype {
            rtype::DS => parent(target).unwrap_or(target),
            _ => target,
        }
    }

    /// The name that is asked for now, wire form, lower case.
    pub fn asked_name(&self) -> &[u8] {
        let target = self.target.as_wire();
        if self.shown.labels == 0 {
            return target;
        }
        let hidden = label_count(target).saturating_sub(usize::from(self.shown.labels));
        suffixes(target).nth(hidden).unwrap_or(target)
    }

    /// The type that is asked for now.
    pub fn asked_type(&self) -> u16 {
        if self.shown.labels == 0 { self.qtype } else { rtype::A }
    }

    /// True while only a part is asked for, or the type is hidden.
    pub fn is_minimised(&self) -> bool {
        self.shown.labels > 0
    }

    /// The question comes to a cut with this many labels.
    pub fn show_below(&mut self, cut_labels: usize) {
        if self.shown.is_over {
            return;
        }
        // What a server further up has been shown already is not hidden again.
        let before = if self.shown.steps > 0 { usize::from(self.shown.labels) } else { 0 };
        if before <= cut_labels {
            self.shown = Shown { labels: cut_labels as u8, ..Shown::default() };
            self.show_more();
        }
    }

    /// What was asked for is there, or cannot be told from what is not: the next part.
    pub fn show_more(&mut self) {
        let all = label_count(self.target.as_wire()) as u8;
        let left = all.saturating_sub(self.shown.labels);
        self.shown.steps = self.shown.steps.saturating_add(1);
        self.shown.time_outs = 0;
        let is_shown = left == 0 || (left == 1 && matches!(self.qtype, rtype::A | rtype::DS));
        if is_shown || self.shown.is_over {
            return self.show_all();
        }
        self.shown.labels += self.step(all, left);
    }

    /// Labels to add.
    fn step(&self, all: u8, left: u8) -> u8 {
        let steps = self.shown.steps;
        if all <= MOST || steps <= ONE_BY_ONE {
            return 1;
        }
        let many = all - 1 - ONE_BY_ONE;
        let each = many / (MOST - ONE_BY_ONE) + u8::from(MOST.saturating_sub(steps) < many % (MOST - ONE_BY_ONE));
        if steps < MOST { each.clamp(1, left) } else { left }
    }

    /// The whole name is asked for.
    pub fn show_all(&mut self) {
        self.shown.labels = 0;
        self.shown.is_over = true;
    }

    /// A query for a part was not answered.
    pub fn show_more_after_time_out(&mut self) {
        self.shown.time_outs = self.shown.time_outs.saturating_add(1);
        if self.is_minimised() && self.shown.time_outs >= TIME_OUTS {
            self.show_all();
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::dns::Name;

    /// Names and types that are asked for one after the other, when every part is there and no server refers.
    fn shown(name: &str, qtype: u16, cut: usize) -> Vec<String> {
        let mut question = Question::EMPTY;
        question.target = Name::from_text(name).unwrap();
        question.qtype = qtype;
        question.show_below(cut);
        let mut all = Vec::new();
        loop {
            let name = Name::from_wire(question.asked_name()).unwrap();
            all.push(format!("{name} {}", question.asked_type()));
            if !question.is_minimised() {
                return all;
            }
            question.show_more();
        }
    }

    #[test]
    fn a_name_is_shown_label_by_label() {
        assert_eq!(shown("www.example.net", rtype::A, 0), ["net. 1", "example.net. 1", "www.example.net. 1"]);
        assert_eq!(shown("www.example.net", rtype::AAAA, 2), ["www.example.net. 1", "www.example.net. 28"]);
        assert_eq!(shown("example.net", rtype::DS, 1), ["example.net. 43"]);
        assert_eq!(shown(".", rtype::NS, 0), [". 2"]);
    }

    #[test]
    fn a_name_of_many_labels_costs_ten_queries_for_parts() {
        let name = "1.2.3.4.5.6.7.8.9.a.b.c.d.e.f.0.1.2.3.4.5.6.7.8.9.a.b.c.d.e.f.0.ip6.arpa";
        let all = shown(name, rtype::PTR, 0);
        assert!(all.len() <= 11, "{all:?}");
        assert_eq!(all[..4], ["arpa. 1", "ip6.arpa. 1", "0.ip6.arpa. 1", "f.0.ip6.arpa. 1"]);
        assert_eq!(all.last().unwrap(), &format!("{name}. {}", rtype::PTR));
    }
}
