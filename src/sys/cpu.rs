//! Cores this process may use, and pinning a thread to one of them.

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use std::io;

/// How many threads can run at once: the affinity mask, cut by the cgroup v1 or v2 CPU quota (rounded down), at least 1.
pub fn usable_cores() -> usize {
    std::thread::available_parallelism().map_or(1, |cores| cores.get())
}

/// The CPUs in this thread's affinity mask, ascending. Empty when the kernel has more than the mask can name (1,024).
pub fn allowed_cpus() -> Vec<usize> {
    let Ok(mask) = sched_getaffinity(None) else { return Vec::new() };
    (0..CpuSet::MAX_CPU).filter(|&cpu| mask.is_set(cpu)).collect()
}

/// Binds the calling thread to one CPU. EINVAL: the CPU does not exist or the cpuset forbids it.
pub fn pin_this_thread(cpu: usize) -> io::Result<()> {
    if cpu >= CpuSet::MAX_CPU {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let mut mask = CpuSet::new();
    mask.set(cpu);
    Ok(sched_setaffinity(None, &mask)?)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_is_pinned_to_an_allowed_cpu_alone() {
        let allowed = allowed_cpus();
        assert!(usable_cores() >= 1 && usable_cores() <= allowed.len());
        let last = *allowed.last().unwrap();
        std::thread::spawn(move || {
            pin_this_thread(last).unwrap();
            assert_eq!(allowed_cpus(), [last]);
        })
        .join()
        .unwrap();
        assert!(pin_this_thread(CpuSet::MAX_CPU).is_err());
        assert_eq!(allowed_cpus(), allowed);
    }
}
