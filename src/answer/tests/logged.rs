//! What log-replies, log-servfail and val-log-level are told.

use super::rig::{answerer, query, wire};
use crate::answer::cache::{Answer, KeyFixed};
use crate::answer::decide::{Answerer, Event, EventSink, Given, Miss, Replied, Via};
use crate::answer::policy::LogBogus;
use crate::dns::cause::{Cause, Why};
use crate::dns::flaw::Flaw;
use crate::dns::{rcode, rtype};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

/// Name, type and what was told, of every reply.
type Told = Arc<Mutex<Vec<(Vec<u8>, u16, Replied)>>>;

struct Recorder(Told);

impl EventSink for Recorder {
    fn event(&mut self, event: Event<'_>, client: SocketAddr, name: &[u8], qtype: u16, _: u16) {
        assert_eq!(client.port(), 4242);
        if let Event::Reply(replied) = event {
            self.0.lock().unwrap().push((name.to_vec(), qtype, replied));
        }
    }
}

fn recorded(log_replies: bool) -> (Answerer, Told) {
    let told = Told::default();
    let mut answerer = answerer(|policy| policy.log_replies = log_replies);
    answerer.events = Box::new(Recorder(told.clone()));
    (answerer, told)
}

#[test]
fn every_reply_is_told_with_its_length_and_what_it_waited() {
    let (mut answerer, told) = recorded(true);
    let last = || told.lock().unwrap().pop();
    let local = Some("192.0.2.1:53".parse().unwrap());
    let mut asked = query("X.null.test", rtype::A);
    (asked.local, asked.via) = (local, Via::Stream);
    let len = asked.ask(&mut answerer, None).message().len();
    let replied = Replied { rcode: rcode::NOERROR, waited: None, len, local, stream: true };
    assert_eq!(last(), Some((wire("X.null.test"), rtype::A, replied)), "the name as it was asked");
    let asked = query("www.example", rtype::A);
    let (name, ..) = asked.ask(&mut answerer, None).missed();
    assert_eq!(last(), None, "not before there is a reply");
    let answer = Answer::new(rcode::SERVFAIL, [0; 3], &[]);
    let len =
        asked.ask(&mut answerer, Some(Given { name: Some(&name), answer, waited: 42, error: None })).message().len();
    let replied = Replied { rcode: rcode::SERVFAIL, waited: Some(42), len, local: None, stream: false };
    assert_eq!(last(), Some((name, rtype::A, replied)));
    let mut cut = query("a.example", rtype::A);
    cut.message.truncate(14);
    let len = cut.ask(&mut answerer, None).message().len();
    let replied = Replied { rcode: rcode::FORMERR, waited: None, len, local: None, stream: false };
    assert_eq!(last(), Some((Vec::new(), 0, replied)), "without a question");
    let mut refused = query("x.null.test", rtype::A);
    refused.client.set_ip([10, 0, 0, 1].into());
    let _ = refused.ask(&mut answerer, None);
    assert_eq!(last(), None, "no reply");
}

#[test]
fn nothing_is_told_unless_it_is_wanted() {
    let (mut answerer, told) = recorded(false);
    query("x.null.test", rtype::A).ask(&mut answerer, None).message();
    assert!(told.lock().unwrap().is_empty() && !answerer.logs_destinations());
}

struct Failures(Arc<Mutex<Vec<String>>>);

impl EventSink for Failures {
    fn event(&mut self, event: Event<'_>, _: SocketAddr, _: &[u8], _: u16, _: u16) {
        self.0.lock().unwrap().push(match event {
            Event::Failed(..) => "failed".to_owned(),
            Event::Bogus(cause) => format!("bogus {:?}", cause.map(|cause| cause.flaw)),
            other => format!("{other:?}"),
        });
    }
}

#[test]
fn what_fails_to_validate_is_logged_as_far_as_it_is_asked_for() {
    let logged = |log_bogus: LogBogus, log_servfail: bool, cause: Cause| {
        let told = Arc::default();
        let mut answerer = answerer(|policy| (policy.log_bogus, policy.log_servfail) = (log_bogus, log_servfail));
        answerer.events = Box::new(Failures(Arc::clone(&told)));
        let key = KeyFixed { qtype: rtype::A, qclass: 1, bits: 0 };
        answerer.note_failure(&Miss { name: b"\0", hash: 0, key }, &[], cause);
        let told = told.lock().unwrap();
        told.join(", ")
    };
    let (bogus, doubtful) = (Cause::bogus(Flaw::Expired), Cause::doubtful(Flaw::Expired));
    for (level, servfail, of_bogus, of_doubtful) in [
        (LogBogus::Not, false, "", ""),
        (LogBogus::Question, false, "bogus None", "bogus None"),
        (LogBogus::Reason, false, "bogus Some(Expired)", "bogus Some(Expired)"),
        (LogBogus::Reason, true, "bogus Some(Expired), failed", "bogus Some(Expired)"),
    ] {
        assert_eq!(logged(level, servfail, bogus), of_bogus);
        assert_eq!(logged(level, servfail, doubtful), of_doubtful);
    }
    assert_eq!(logged(LogBogus::Reason, false, Cause::new(Why::Silence)), "");
    assert_eq!(logged(LogBogus::Reason, true, Cause::new(Why::Silence)), "failed");
}
