//! What the program decides about frames, and how often.

/// What the program decided about a frame: `enum runbound_verdict` in `bpf/runbound.h`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Verdict {
    /// To the socket of its receive queue.
    Redirected,
    /// Ours, but its queue's gate is closed or has no socket.
    NoSocket,
    /// Not IPv4 or IPv6.
    NotIp,
    /// Not of the VLAN of its address's interface, or tagged twice.
    Vlan,
    /// Destination MAC is not that of its address's interface.
    Mac,
    /// Fragment or IPv4 options.
    IpShape,
    /// Another protocol, or an IPv6 extension header.
    NotUdp,
    /// Destination address not in the set.
    Address,
    /// Another UDP port.
    Port,
    /// Lengths that lie, or no room for a DNS header.
    Short,
    /// Source that nobody can be answered at over the wire: of this host, a group, or nobody.
    Source,
    /// The IPv4 header's checksum is wrong, or a datagram over IPv6 has none.
    Checksum,
    /// Answered by the program itself: sent back as a reply.
    Answered,
}

impl Verdict {
    /// All of them, in the order of their counters.
    pub const ALL: [Self; 13] = [
        Self::Redirected,
        Self::NoSocket,
        Self::NotIp,
        Self::Vlan,
        Self::Mac,
        Self::IpShape,
        Self::NotUdp,
        Self::Address,
        Self::Port,
        Self::Short,
        Self::Source,
        Self::Checksum,
        Self::Answered,
    ];

    /// Name for statistics, lower case with underscores.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Redirected => "redirected",
            Self::NoSocket => "no_socket",
            Self::NotIp => "not_ip",
            Self::Vlan => "vlan",
            Self::Mac => "mac",
            Self::IpShape => "ip_shape",
            Self::NotUdp => "not_udp",
            Self::Address => "address",
            Self::Port => "port",
            Self::Short => "short",
            Self::Source => "source",
            Self::Checksum => "checksum",
            Self::Answered => "answered",
        }
    }
}

/// Frames by verdict, summed over all CPUs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct VerdictCounts(pub(super) [u64; Verdict::ALL.len()]);

impl VerdictCounts {
    /// Frames that met this verdict.
    pub const fn get(&self, verdict: Verdict) -> u64 {
        self.0[verdict as usize]
    }

    /// Frames that went up the kernel's stack.
    pub fn passed(&self) -> u64 {
        self.0[1..Verdict::Answered as usize].iter().sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verdicts_are_those_of_the_header() {
        let header = include_str!("../../bpf/runbound.h");
        for (number, verdict) in Verdict::ALL.into_iter().enumerate() {
            let line = format!("VERDICT_{} = {number},", verdict.name().to_uppercase());
            assert!(header.contains(&line), "{line}");
            assert_eq!(verdict as usize, number);
        }
        assert!(header.contains(&format!("VERDICT_COUNT = {},", Verdict::ALL.len())));
    }
}
