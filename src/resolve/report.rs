//! Reports of errors to the agents that authoritative servers name (`dns-error-reporting:`, RFC 9567).
//!
//! Servers name an agent in the option Report-Channel of their replies; what the last reply at a cut has said holds for the cut. A
//! report is a query for TXT of a name which says what went wrong, asked as any other, and nobody waits for it.

use super::core::{Core, Turn};
use super::cuts::Cut;
use super::question::Lookup;
use super::reports::{MARK, agent, report};
use super::world::World;
use crate::dns::edns::ExtendedError;
use crate::dns::{class, rtype};

impl<W: World> Turn<'_, W> {
    /// Takes note of the agent that a reply of an authoritative server at the question's cut names, or that it names none.
    pub(super) fn learn_agent(&mut self, id: u32, message: &[u8]) {
        let Core { questions, cuts, digest, .. } = &mut *self.core;
        let cut = cuts.get_mut(questions.get(id).cut).filter(|cut| !cut.is_forward());
        if let Some(cut) = cut {
            cut.agent = digest.reply().opt.clone().and_then(|opt| agent(message.get(opt)?)).map(Box::new);
        }
    }

    /// Reports to the agent of the question's cut, if there is one, that the question came to this error: that its servers are
    /// not reached, or why what they say does not validate. Nothing is reported of lookups, nor of reports, whoever has asked for
    /// them, nor of errors that mean nothing without their words.
    pub(super) fn report_error(&mut self, id: u32, error: ExtendedError) {
        let Core { options, questions, cuts, reports, .. } = &mut *self.core;
        let question = questions.get(id);
        let is_of_report = question.target.as_wire().starts_with(MARK) || question.name.as_wire().starts_with(MARK);
        let is_asked = question.lookup.is_none() && question.qclass == class::IN && !is_of_report;
        if !options.reports_errors || !is_asked || error.code == ExtendedError::other("").code {
            return;
        }
        let Some(to) = cuts.get(question.cut).and_then(|cut: &Cut| cut.agent.as_deref()) else { return };
        // Of an alias, what failed is its target, which lies in the agent's zone; the name that was asked for need not.
        let Some(name) = report(&question.target, question.qtype, error.code, to) else { return };
        if reports.may_send(&name, self.now) && self.add_lookup(Some(id), &name, rtype::TXT, Lookup::ahead()).is_some()
        {
            self.core.stats.error_reports.add(1);
        }
    }
}
