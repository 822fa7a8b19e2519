//! How much CPU this process may use: what the affinity mask and the cgroup allow, not what the machine has.

use std::fs;

/// The cores this process may use.
#[derive(Clone, Debug, PartialEq)]
pub struct Cpus {
    /// Numbers of the cores of the affinity mask, ascending; never empty.
    pub allowed: Vec<usize>,
    /// Cores' worth of time that the cgroup grants, if it limits it.
    pub quota: Option<f64>,
}

impl Cpus {
    /// Threads that may spin at the same time without taking time from each other; at least one.
    pub fn usable(&self) -> usize {
        let granted = self.quota.map_or(usize::MAX, |cores| cores.floor() as usize);
        self.allowed.len().min(granted).max(1)
    }
}

/// What sched_getaffinity(2) and the CPU controller of cgroup (v2, else v1) say now.
pub fn cpus() -> Cpus {
    let mut allowed: Vec<usize> = rustix::thread::sched_getaffinity(None)
        .map(|set| (0..rustix::thread::CpuSet::MAX_CPU).filter(|&cpu| set.is_set(cpu)).collect())
        .unwrap_or_default();
    if allowed.is_empty() {
        allowed.push(0);
    }
    let membership = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    Cpus { allowed, quota: quota(&membership, |path| fs::read_to_string(format!("/sys/fs/cgroup{path}")).ok()) }
}

/// The tightest limit on the way from this process's group up to the root. `membership` is `/proc/self/cgroup`, `read`
/// gives a file below the cgroup mount.
fn quota(membership: &str, read: impl Fn(&str) -> Option<String>) -> Option<f64> {
    let mut tightest: Option<f64> = None;
    for line in membership.lines() {
        let mut fields = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(path)) = (fields.next(), fields.next()) else { continue };
        let mut group = path.trim_end_matches('/');
        loop {
            let here = if controllers.is_empty() {
                read(&format!("{group}/cpu.max")).as_deref().and_then(v2_limit)
            } else if controllers.split(',').any(|controller| controller == "cpu") {
                v1_limit(&read, group)
            } else {
                None
            };
            tightest = match (tightest, here) {
                (Some(a), Some(b)) => Some(a.min(b)),
                (a, b) => a.or(b),
            };
            let Some(cut) = group.rfind('/') else { break };
            group = &group[..cut];
        }
    }
    tightest
}

/// `cpu.max`: quota and period in microseconds, or `max` (Documentation/admin-guide/cgroup-v2.rst).
fn v2_limit(text: &str) -> Option<f64> {
    let (quota, period) = text.trim().split_once(' ')?;
    ratio(quota, period)
}

fn v1_limit(read: &impl Fn(&str) -> Option<String>, group: &str) -> Option<f64> {
    let file = |name: &str| read(&format!("/cpu{group}/{name}"));
    ratio(file("cpu.cfs_quota_us")?.trim(), file("cpu.cfs_period_us")?.trim())
}

/// `None` for `max` (v2), -1 (v1) and what is no number.
fn ratio(quota: &str, period: &str) -> Option<f64> {
    let (quota, period): (f64, f64) = (quota.parse().ok()?, period.parse().ok()?);
    (quota > 0.0 && period > 0.0).then(|| quota / period)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn at_least_one_core() {
        let cpus = cpus();
        assert!(!cpus.allowed.is_empty());
        assert!((1..=cpus.allowed.len()).contains(&cpus.usable()));
        assert_eq!(Cpus { allowed: vec![0, 1], quota: Some(0.5) }.usable(), 1);
        assert_eq!(Cpus { allowed: vec![0, 1], quota: Some(1.9) }.usable(), 1);
        assert_eq!(Cpus { allowed: vec![0, 1], quota: None }.usable(), 2);
    }

    #[test]
    fn tightest_group_limits() {
        let files = |path: &str| {
            Some(match path {
                "/a/b/cpu.max" => "300000 100000\n".to_owned(),
                "/a/cpu.max" => "150000 100000\n".to_owned(),
                "/cpu.max" => "max 100000\n".to_owned(),
                "/cpu/old/cpu.cfs_quota_us" => "50000\n".to_owned(),
                "/cpu/old/cpu.cfs_period_us" => "100000\n".to_owned(),
                "/cpu/cpu.cfs_quota_us" => "-1\n".to_owned(),
                "/cpu/cpu.cfs_period_us" => "100000\n".to_owned(),
                _ => return None,
            })
        };
        assert_eq!(quota("0::/a/b\n", files), Some(1.5));
        assert_eq!(quota("0::/\n", files), None);
        assert_eq!(quota("4:memory:/old\n3:cpu,cpuacct:/old\n0::/\n", files), Some(0.5));
        assert_eq!(quota("3:cpu:/\n", files), None);
        assert_eq!(quota("nonsense\n::\n", files), None);
    }
}
