//! The test is the worker: it looks at the commands when it pleases.

use super::*;
use crate::answer::cache::Flush;
use crate::answer::compile;
use crate::config;
use crate::dns::scan::HashKey;

fn policy() -> Arc<Policy> {
    Arc::new(compile::policy(&config::Config::default(), HashKey::fixed(1), "host").unwrap())
}

/// Main's side, with no patience, and the worker's.
fn orders() -> (Orders, Ends) {
    let bell = || Doorbell::new().unwrap();
    let (orders, ends) = Orders::new(policy(), bell(), bell());
    (Orders { patience: Duration::ZERO, ..orders }, ends)
}

impl Ends {
    /// The worker takes the command that is there and says that it is done.
    fn carries_out(&mut self) -> Option<Order> {
        let order = self.commands.front()?.take();
        self.commands.release();
        *self.done.reserve().unwrap() = Some(Done::Flushed(7));
        self.done.publish();
        order
    }
}

fn is_policy(order: &Order, wanted: &Arc<Policy>) -> bool {
    matches!(&order.command, Command::Policy(policy, None) if Arc::ptr_eq(policy, wanted))
}

#[test]
fn a_late_policy_is_the_one_that_is_shown_and_the_next_comes_after_it() {
    let (mut orders, mut worker) = orders();
    let (first, second) = (policy(), policy());
    assert!(matches!(orders.put_in_force(Arc::clone(&first), None), Err(NotInForce::Late(_))));
    assert!(Arc::ptr_eq(orders.policy(), &first), "the worker is going to have it");
    assert!(orders.late().is_some());

    let before = Arc::clone(orders.policy());
    assert!(matches!(orders.put_in_force(Arc::clone(&second), None), Err(NotInForce::Refused(_))));
    assert!(Arc::ptr_eq(orders.policy(), &before), "the worker is never going to have the second");
    assert!(matches!(orders.ask(Command::Flush(Flush::Negative)), Err(NotInForce::Refused(_))));
    assert!(!orders.collect());

    assert!(is_policy(&worker.carries_out().unwrap(), &first));
    assert!(worker.carries_out().is_none(), "nothing piled up behind it");
    assert!(orders.has_answer() && orders.collect() && orders.late().is_none());
    assert!(matches!(orders.put_in_force(Arc::clone(&second), None), Err(NotInForce::Late(_))));
    assert!(Arc::ptr_eq(orders.policy(), &second));
    assert!(is_policy(&worker.carries_out().unwrap(), &second));
    orders.settle().unwrap();
}

#[test]
fn the_answer_to_a_late_command_is_not_taken_for_that_to_the_next() {
    let (mut orders, mut worker) = orders();
    assert!(orders.put_in_force(policy(), None).is_err());
    worker.carries_out().unwrap();
    orders.patience = Duration::from_secs(60);
    let bell = orders.bell.clone();
    let second = std::thread::spawn(move || {
        while worker.carries_out().is_none() {
            std::thread::yield_now();
        }
        bell.ring();
        worker
    });
    orders.begin_epoch();
    assert!(matches!(orders.ask(Command::Flush(Flush::Negative)), Ok(Done::Flushed(7))));
    let mut worker = second.join().unwrap();
    assert!(!orders.has_answer() && worker.carries_out().is_none(), "each was asked and answered once");
}
