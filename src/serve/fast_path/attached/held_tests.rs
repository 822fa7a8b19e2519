//! Maps that are full, or out of memory, for a while.

use super::*;
use crate::serve::fast_path::tags::tests::target;
use rustix::io::Errno;
use std::cell::{Cell, RefCell};

/// What is in the maps of a program, and whether the kernel takes changes of them.
#[derive(Default)]
struct Kernel {
    places: RefCell<Vec<Place>>,
    own: RefCell<Vec<IpAddr>>,
    refuses: Cell<Option<Errno>>,
    /// Its settings alone cannot be written.
    settings_fail: Cell<bool>,
    tries: Cell<u32>,
}

impl Kernel {
    fn takes(&self) -> io::Result<()> {
        self.tries.set(self.tries.get() + 1);
        self.refuses.get().map_or(Ok(()), |errno| Err(errno.into()))
    }
}

impl Maps for Kernel {
    fn put(&self, place: &Place) -> Result<(), PutError> {
        self.takes().map_err(|cause| PutError { cause, in_force: false })?;
        self.places.borrow_mut().retain(|held| held.address != place.address);
        self.places.borrow_mut().push(place.clone());
        let failed = || PutError { cause: Errno::NOMEM.into(), in_force: true };
        if self.settings_fail.get() { Err(failed()) } else { Ok(()) }
    }

    fn remove(&self, address: IpAddr) -> io::Result<()> {
        self.takes()?;
        self.places.borrow_mut().retain(|held| held.address != address);
        Ok(())
    }

    fn put_own(&self, address: IpAddr) -> io::Result<()> {
        self.takes()?;
        self.own.borrow_mut().push(address);
        Ok(())
    }

    fn remove_own(&self, address: IpAddr) -> io::Result<()> {
        self.takes()?;
        self.own.borrow_mut().retain(|held| *held != address);
        Ok(())
    }
}

fn ip(last: u8) -> IpAddr {
    [192, 0, 2, last].into()
}

fn at(last: u8, mac: u8) -> Place {
    Place { address: ip(last), mac: [2, 0, 0, 0, 0, mac], vlan: None, shut: None }
}

fn nothing_held() -> Held {
    let mut target = target(false);
    (target.places, target.own) = (Vec::new(), Vec::new());
    Held::new(&target)
}

fn quiet() -> News {
    News::default()
}

#[test]
fn an_address_that_was_refused_is_tried_again_and_said_once() {
    let (mut held, kernel) = (nothing_held(), Kernel::default());
    kernel.refuses.set(Some(Errno::TOOBIG));
    let news = held.follow_places(&[at(1, 1)], &[], &kernel);
    assert!(news.done.is_empty() && news.failed.len() == 1, "{news:?}");
    assert!(news.failed[0].starts_with("cannot serve 192.0.2.1: Argument list too long"), "{news:?}");
    assert_eq!(held.follow_places(&[at(1, 1)], &[], &kernel), quiet(), "not a line for each look");
    assert_eq!((kernel.tries.get(), held.lack()), (2, news.failed.first().map(String::as_str)), "status has it still");
    kernel.refuses.set(Some(Errno::NOMEM));
    assert_eq!(held.follow_places(&[at(1, 1)], &[], &kernel).failed.len(), 1, "another cause is news");
    kernel.refuses.set(None);
    assert_eq!(held.follow_places(&[at(1, 1)], &[], &kernel).done, ["serves 192.0.2.1 too"]);
    assert_eq!((kernel.places.borrow().as_slice(), held.lack()), ([at(1, 1)].as_slice(), None));
    assert_eq!(held.follow_places(&[at(1, 1)], &[], &kernel), quiet());
    assert_eq!(kernel.tries.get(), 4, "what is in force is not put again");
}

#[test]
fn nothing_is_said_of_an_address_that_goes_without_having_been_there() {
    let (mut held, kernel) = (nothing_held(), Kernel::default());
    kernel.refuses.set(Some(Errno::TOOBIG));
    held.follow_places(&[at(1, 1)], &[], &kernel);
    held.follow_own(&[ip(1)], &kernel);
    let tries = kernel.tries.get();
    assert_eq!((held.follow_places(&[], &[], &kernel), held.lack().is_some()), (quiet(), true));
    assert!(held.follow_own(&[], &kernel).failed.is_empty());
    assert_eq!((kernel.tries.get(), held.lack()), (tries, None), "there is nothing to take out");
}

#[test]
fn an_address_that_could_not_be_taken_out_or_moved_is_what_it_was() {
    let (mut held, kernel) = (nothing_held(), Kernel::default());
    held.follow_places(&[at(1, 1), at(2, 1)], &[], &kernel);
    kernel.refuses.set(Some(Errno::NOMEM));
    let news = held.follow_places(&[at(1, 7)], &[], &kernel);
    let (stays, moves) = ("still serves 192.0.2.2, which is not to be", "still serves 192.0.2.1 by its former MAC");
    assert!(matches!(&news.failed[..], [one, two] if one.starts_with(stays) && two.starts_with(moves)), "{news:?}");
    assert_eq!(held.follow_places(&[at(1, 7)], &[], &kernel), quiet());
    kernel.refuses.set(None);
    let done = held.follow_places(&[at(1, 7)], &[], &kernel).done;
    assert_eq!(done, ["serves 192.0.2.2 no more", "serves 192.0.2.1 by its new MAC or VLAN"]);
    assert_eq!(kernel.places.borrow().as_slice(), [at(1, 7)]);
}

#[test]
fn what_is_in_force_at_a_cost_is_said_and_left() {
    let (mut held, kernel) = (nothing_held(), Kernel::default());
    kernel.settings_fail.set(true);
    let news = held.follow_places(&[at(1, 1)], &[], &kernel);
    assert!(news.failed[0].starts_with("serves 192.0.2.1 as it should") && !news.failed[0].contains("kernel sockets"));
    assert_eq!((held.follow_places(&[at(1, 1)], &[], &kernel), kernel.tries.get()), (quiet(), 1));
    kernel.settings_fail.set(false);
    assert_eq!(held.follow_places(&[], &[], &kernel).done, ["serves 192.0.2.1 no more"]);
}

#[test]
fn own_addresses_that_failed_are_tried_again_and_said_once() {
    let (mut held, kernel) = (nothing_held(), Kernel::default());
    held.follow_own(&[ip(1)], &kernel);
    kernel.refuses.set(Some(Errno::TOOBIG));
    let news = held.follow_own(&[ip(2), ip(3)], &kernel);
    let (gone, come) = ("still takes addresses for this host's", "cannot tell this host's new addresses");
    assert!(matches!(&news.failed[..], [one, two] if one.starts_with(gone) && two.starts_with(come)), "{news:?}");
    assert_eq!(held.follow_own(&[ip(2), ip(3)], &kernel), quiet());
    kernel.refuses.set(None);
    assert_eq!(held.follow_own(&[ip(2), ip(3)], &kernel).done, ["tells this host's addresses from clients' again"]);
    assert_eq!((kernel.own.borrow().as_slice(), held.lack()), ([ip(2), ip(3)].as_slice(), None));
    assert_eq!(held.follow_own(&[ip(2), ip(3)], &kernel), quiet());
}
