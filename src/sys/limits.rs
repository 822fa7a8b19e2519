//! Resource limits (setrlimit(2)).

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Raises the locked-memory limit to "unlimited", as far as allowed: kernels before 5.11 account UMEM and BPF maps
/// there. Gives back the limit now in force in octets, `None` for unlimited.
pub fn raise_memlock() -> Option<u64> {
    raise(Resource::Memlock, None)
}

/// Raises the limit of open files to at least `wanted`, as far as allowed. Gives back the limit now in force, `None` for
/// unlimited.
pub fn raise_open_files(wanted: u64) -> Option<u64> {
    raise(Resource::Nofile, Some(wanted))
}

/// `None` is unlimited throughout. Never lowers a limit.
fn raise(resource: Resource, wanted: Option<u64>) -> Option<u64> {
    let at_least = |have: Option<u64>, wanted: Option<u64>| match (have, wanted) {
        (Some(have), Some(wanted)) => Some(have.max(wanted)),
        _ => None,
    };
    let now = getrlimit(resource);
    let soft = at_least(now.current, wanted);
    let hard = at_least(now.maximum, wanted);
    let full = Rlimit { current: soft, maximum: hard };
    if setrlimit(resource, full).is_err() {
        let current = match (soft, now.maximum) {
            (Some(soft), Some(hard)) => Some(soft.min(hard)),
            (soft, hard) => soft.or(hard),
        };
        // What the hard limit allows needs no privilege; if even that fails, the limit stays as it was.
        let _ = setrlimit(resource, Rlimit { current, maximum: now.maximum });
    }
    getrlimit(resource).current
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_never_lowered() {
        let before = getrlimit(Resource::Nofile).current;
        let after = raise_open_files(1);
        assert_eq!(before, after);
    }
}
