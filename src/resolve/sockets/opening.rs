//! How a socket is opened: in which slot, from which address, at which port.

use super::{Failure, NONE, SHARE_IS_USED_UP, Sockets, UdpSocket, World};
use rustix::io::Errno;
use std::net::SocketAddr;
use std::time::Duration;

/// Ports tried for one socket.
const PORT_TRIES: usize = 16;

impl Sockets {
    /// Opens a socket to a server, which is in no pool yet.
    pub(super) fn open(
        &mut self,
        server: u32,
        address: SocketAddr,
        now: Duration,
        world: &mut impl World,
    ) -> Result<u16, Failure> {
        let slot = self.vacate(server, now, world).ok_or(SHARE_IS_USED_UP)?;
        let opened = match self.open_at_a_port(slot, address, world) {
            // What waits for nothing makes room where the system has no more to give.
            Err(Failure { errno: Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM, .. })
                if self.give_one_up(true, now, world) =>
            {
                self.open_at_a_port(slot, address, world)
            }
            other => other,
        };
        if let Err(failure) = opened {
            self.free.push(slot);
            return Err(failure);
        }
        self.pools[server as usize].open += 1;
        self.idle.insert(slot);
        let (opened, used) = (now, now);
        self.serial = self.serial.wrapping_add(1);
        let (serial, place, open_until) = (self.serial, NONE, Duration::ZERO);
        let (asked, pending, local) = (0, 0, None);
        let socket = UdpSocket { server, serial, asked, pending, place, opened, used, open_until, local };
        self.slots[usize::from(slot)] = Some(socket);
        Ok(slot)
    }

    /// Opens a socket on a random port; a port in use by another program is drawn again.
    fn open_at_a_port(&self, slot: u16, server: SocketAddr, world: &mut impl World) -> Result<(), Failure> {
        let mut source = self.source(&server, world)?;
        for _ in 0..PORT_TRIES {
            let nth = world.below(self.options.ports.len() as u32)?;
            let port = self.options.ports.get(nth as usize);
            source.set_port(*port.ok_or(Failure { call: "bind", errno: Errno::ADDRNOTAVAIL })?);
            match world.open_udp(slot, source, server) {
                Err(Failure { call: "bind", errno: Errno::ADDRINUSE | Errno::ACCESS }) => continue,
                other => return other,
            }
        }
        Err(Failure { call: "bind", errno: Errno::ADDRINUSE })
    }
}
