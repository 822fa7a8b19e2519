use super::*;
use runbound::config::{self, Loaded};
use std::fs;
use std::time::Duration;

const FORWARDS: &str = "forward-zone:\n name: .\n forward-addr: 192.0.2.1\n";

/// A data folder, removed at the end, and what is adopted of it.
struct Rig {
    adopted: Adopted,
    start: Instant,
}

/// Reads a file as an entry would include it.
fn read(path: &Path) -> Result<Loaded, String> {
    let text = fs::read_to_string(path).map_err(|cause| cause.to_string())? + &forwarders::include(&[]);
    config::parse_bytes("unbound.conf", text.as_bytes()).map_err(|errors| errors[0].to_string())
}

impl Rig {
    fn new(name: &str, own: &str) -> Self {
        let root = std::env::temp_dir().join(format!("runbound-adopt-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&root);
        fs::create_dir_all(&root).unwrap();
        let store = Store::at(&root);
        fs::write(store.path(CONFIGURATION), own).unwrap();
        let files = Files { store, instead: root.join("instead.conf"), check: read };
        Self { adopted: Adopted::choose(files), start: Instant::now() }
    }

    fn files(&self) -> &Files {
        &self.adopted.files
    }

    fn write(&self, text: &str) {
        self.files().store.write(Path::new(CONFIGURATION), text.as_bytes(), 0o644).unwrap();
    }

    fn text(&self, source: Source) -> Option<String> {
        fs::read_to_string(self.files().path(source)).ok()
    }

    /// The server starts, or is told to read, so many seconds after the start.
    fn reads(&mut self, seconds: u64) {
        self.adopted.was_read(self.start + Duration::from_secs(seconds));
    }

    /// What a turn does so many seconds after the start, and what comes of it.
    fn turn(&mut self, dies: bool, seconds: u64) -> Option<(Job, Change)> {
        let job = self.adopted.job(dies, self.start + Duration::from_secs(seconds))?;
        let done = self.files().run(job);
        Some((job, self.adopted.take(done)))
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(self.files().store.path(""));
    }
}

#[test]
fn the_built_in_configuration_is_one() {
    let text = format!("{BUILT_IN}{}", forwarders::include(&[]));
    let loaded = config::parse_bytes("unbound.conf", text.as_bytes()).unwrap();
    assert!(loaded.warnings.is_empty(), "{:?}", loaded.warnings);
    assert!(loaded.config.username.is_empty());
}

#[test]
fn a_file_that_changes_is_tried_once() {
    let mut rig = Rig::new("once", "server:\n");
    assert_eq!(rig.turn(false, 0), None, "it has not changed");
    rig.write(FORWARDS);
    assert_eq!(rig.turn(false, 1), Some((Job::Try, Change::Afresh)), "the server is not told to read it");
    assert!(rig.adopted.facts.forwards_everything);
    rig.write("nonsense: yes\n");
    assert_eq!(rig.turn(false, 2), Some((Job::Try, Change::No)));
    assert_eq!(rig.turn(false, 3), None, "once is enough");
    assert_eq!(rig.text(Source::Good), None, "nobody has lived with any of them");
}

#[test]
fn a_file_is_good_when_a_server_has_lived_with_it() {
    let mut rig = Rig::new("lived", "server:\n");
    rig.reads(0);
    assert_eq!(rig.turn(false, 59), None);
    assert!(matches!(rig.turn(false, 60), Some((Job::Keep(_), Change::No))));
    assert_eq!(rig.text(Source::Good).as_deref(), Some("server:\n"));
    assert_eq!(rig.turn(false, 61), None, "it is good already");

    // One that the server has not read.
    rig.write(FORWARDS);
    assert_eq!(rig.turn(false, 70), Some((Job::Try, Change::Afresh)));
    assert_eq!(rig.turn(false, 1000), None);
    rig.reads(1000);
    assert_eq!(rig.turn(false, 1059), None);
    // The server ends and starts: the minute starts anew.
    rig.adopted.server_ended();
    assert_eq!(rig.turn(false, 1070), None);
    rig.reads(1071);
    assert_eq!(rig.turn(false, 1130), None);
    assert_eq!(rig.text(Source::Good).as_deref(), Some("server:\n"));
    assert!(matches!(rig.turn(false, 1131), Some((Job::Keep(_), Change::No))));
    assert_eq!(rig.text(Source::Good).as_deref(), Some(FORWARDS));

    // One with errors, which the server refused to read.
    rig.write("nonsense: yes\n");
    rig.reads(1200);
    assert_eq!(rig.turn(false, 1200), Some((Job::Try, Change::No)));
    assert_eq!(rig.turn(false, 2000), None);
    assert_eq!(rig.text(Source::Good).as_deref(), Some(FORWARDS));
}

#[test]
fn a_file_that_changes_while_it_is_kept_is_not() {
    let mut rig = Rig::new("changes", "server:\n");
    rig.reads(0);
    let job = rig.adopted.job(false, rig.start + HEALTHY).unwrap();
    rig.write(FORWARDS);
    assert_eq!(rig.files().run(job), Done::Kept);
    assert_eq!(rig.text(Source::Good), None);
}

#[test]
fn a_file_that_servers_die_with_gives_way_to_the_good_one_then_to_the_built_in_one() {
    let mut rig = Rig::new("dies", "server:\n verbosity: 2\n");
    rig.reads(0);
    rig.turn(false, 60).unwrap();
    rig.write(FORWARDS);
    rig.turn(false, 61).unwrap();
    rig.reads(62);
    assert_eq!(rig.turn(true, 65), Some((Job::Replace(Source::Own), Change::Replaced)));
    assert_eq!(rig.adopted.source, Source::Good);
    assert!(!rig.adopted.facts.forwards_everything, "these are the facts of the file in use");
    // What is not the user's own is never kept as good.
    rig.reads(66);
    assert_eq!(rig.turn(false, 600), None);
    assert_eq!(rig.turn(true, 601), Some((Job::Replace(Source::Good), Change::Replaced)));
    assert_eq!(rig.text(rig.adopted.source).as_deref(), Some(BUILT_IN));
    // It is not the file, then.
    assert_eq!(rig.turn(true, 700), Some((Job::Replace(Source::BuiltIn), Change::Again)));
    assert_eq!(rig.adopted.source, Source::Own);
}

#[test]
fn a_file_that_servers_die_with_comes_back_when_it_is_changed() {
    let mut rig = Rig::new("back", FORWARDS);
    assert_eq!(rig.turn(true, 3), Some((Job::Replace(Source::Own), Change::Replaced)));
    assert_eq!(rig.adopted.source, Source::BuiltIn);
    rig.write("nonsense: yes\n");
    assert_eq!(rig.turn(false, 10), Some((Job::Try, Change::No)));
    assert_eq!(rig.adopted.source, Source::BuiltIn);
    assert_eq!(rig.turn(true, 11), Some((Job::Replace(Source::BuiltIn), Change::Again)), "there is nothing else");
    assert_eq!(rig.adopted.source, Source::BuiltIn);
    rig.write("server:\n");
    assert_eq!(rig.turn(false, 20), Some((Job::Try, Change::Mended)));
    rig.reads(20);
    rig.turn(false, 80).unwrap();
    assert_eq!(rig.text(Source::Good).as_deref(), Some("server:\n"));
}

#[test]
fn a_good_one_of_the_same_text_is_no_other() {
    let mut rig = Rig::new("same", "server:\n");
    rig.reads(0);
    rig.turn(false, 60).unwrap();
    assert_eq!(rig.turn(true, 100), Some((Job::Replace(Source::Own), Change::Replaced)));
    assert_eq!(rig.adopted.source, Source::BuiltIn, "what it includes has changed, or the machine");
}

#[test]
fn a_change_comes_before_a_replacement() {
    let mut rig = Rig::new("before", FORWARDS);
    rig.write("server:\n");
    assert_eq!(rig.turn(true, 3), Some((Job::Try, Change::Afresh)));
    assert_eq!(rig.adopted.source, Source::Own);
}

#[test]
fn a_boot_with_a_bad_file_takes_the_good_one() {
    let mut rig = Rig::new("boot", FORWARDS);
    rig.reads(0);
    rig.turn(false, 60).unwrap();
    rig.write("nonsense: yes\n");
    let boot = Adopted::choose(rig.files().clone());
    assert_eq!((boot.source, boot.facts.forwards_everything), (Source::Good, true));
    fs::remove_file(rig.files().path(Source::Good)).unwrap();
    assert_eq!(Adopted::choose(rig.files().clone()).source, Source::BuiltIn);
}

#[test]
fn the_work_is_done_beside_the_loop() {
    let mut rig = Rig::new("beside", "server:\n");
    // It takes until somebody lets it go on: the folder's lock stands for a disk that stalls.
    static LOCK: std::sync::Mutex<()> = std::sync::Mutex::new(());
    rig.adopted.files.check = |path| {
        let _wait = LOCK.lock();
        read(path)
    };
    let stalls = LOCK.lock().unwrap();
    rig.write(FORWARDS);
    for _ in 0..100 {
        assert_eq!(rig.adopted.turn(true, rig.start), Change::No);
    }
    drop(stalls);
    while rig.adopted.work.as_ref().is_some_and(|work| !work.is_finished()) {
        thread::yield_now();
    }
    assert_eq!(rig.adopted.turn(false, rig.start), Change::Afresh);
    assert!(rig.adopted.facts.forwards_everything && rig.adopted.work.is_none());
}
