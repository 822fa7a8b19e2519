//! Sockets of one server that take a second question.
//!
//! A socket that has rested costs more than one that was just used: what the kernel and we keep of thousands does not fit
//! into the processor's nearest caches. So most sockets take two questions before the next has its turn. Which question
//! comes second is drawn, so that who has seen a port cannot tell what else leaves from it.

/// Sockets that a question draws from.
const WIDTH: usize = 32;
/// Of so many sockets all but one take a second question.
const SINGLE: u16 = 4;

/// See the module's text.
#[derive(Default)]
pub struct Hand {
    /// Slot and serial number of each.
    held: Vec<Option<(u16, u32)>>,
}

impl Hand {
    /// Takes the socket that a random number draws, if there is one.
    pub fn take(&mut self, drawn: u16) -> Option<(u16, u32)> {
        self.held.get_mut(usize::from(drawn) % WIDTH)?.take()
    }

    /// Keeps a socket, which has been given its first question, for a second one, unless the number draws that it is to have
    /// none.
    pub fn keep(&mut self, drawn: u16, socket: (u16, u32)) {
        if (drawn / WIDTH as u16).is_multiple_of(SINGLE) {
            return;
        }
        self.held.resize(WIDTH, None);
        self.held[usize::from(drawn) % WIDTH] = Some(socket);
    }

    /// Lets go of all.
    pub fn clear(&mut self) {
        self.held = Vec::new();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_is_taken_once_by_the_number_that_kept_it() {
        let mut hand = Hand::default();
        let (first, second) = (WIDTH as u16 + 7, 2 * WIDTH as u16 + 7);
        hand.keep(first, (3, 30));
        assert_eq!((hand.take(second + 1), hand.take(second), hand.take(second)), (None, Some((3, 30)), None));
        hand.keep(7, (4, 40));
        assert_eq!(hand.take(7), None, "some are not kept");
        hand.keep(first, (5, 50));
        hand.clear();
        assert_eq!(hand.take(first), None);
    }
}
