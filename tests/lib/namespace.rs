//! Network namespaces of a test: a test makes them, runs an inner, ignored test of the same file in one, and they are
//! removed however that ends.

use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};

/// A network namespace that is removed with this value.
pub struct Namespace {
    pub name: String,
}

impl Namespace {
    /// Makes one whose name carries the process id, so that tests of several runs stand side by side, and so that the lab
    /// (lib/lab.py) sweeps away what a killed one left.
    pub fn new(short: &str) -> Self {
        let root = rustix::process::geteuid().is_root();
        assert!(root, "network namespaces need root: run the tests as root");
        // `ip netns add` sets up its mounts the first time, and two of them at once trip over each other.
        static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
        let _turn = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
        let name = format!("rb{}-{short}", std::process::id());
        ip(&format!("netns add {name}"));
        Self { name }
    }

    /// Runs the inner test of this path (`module::name`) in the namespace and expects that it was run and passed.
    pub fn run_test(&self, inner: &str) {
        let output = Command::new("ip")
            .args(["netns", "exec", &self.name])
            .arg(std::env::current_exe().expect("own path"))
            .args(["--exact", inner, "--ignored", "--nocapture", "--test-threads=1"])
            .output()
            .expect("ip runs");
        let told = String::from_utf8_lossy(&output.stdout);
        let wrong = String::from_utf8_lossy(&output.stderr);
        // A name that is no test's would run none, and succeed.
        let one_ran = told.contains("\ntest result: ok. 1 passed; 0 failed;");
        assert!(output.status.success() && one_ran, "{inner} was not run or failed:\n{told}{wrong}");
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        let _ = Command::new("ip").args(["netns", "del", &self.name]).stderr(Stdio::null()).status();
    }
}

/// Runs `ip` with these words and returns what it printed.
pub fn ip(words: &str) -> String {
    let output = Command::new("ip").args(words.split(' ')).output().expect("ip runs");
    assert!(output.status.success(), "ip {words}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
#[should_panic = "no_such_test was not run or failed"]
fn a_name_that_is_no_tests_fails() {
    Namespace::new("none").run_test("no_such_test");
}
