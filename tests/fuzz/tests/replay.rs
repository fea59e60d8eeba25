//! Every kept input still keeps every promise, and the corpus stays small.

use nsgate_fuzz::corpus::{BYTES, FILES};
use nsgate_fuzz::places::{Places, read_all};
use nsgate_fuzz::targets::{self, ALL};

/// Runs the corpus of one target, and its findings: those are red until they are fixed.
fn replay(name: &str) {
    let target = ALL.iter().find(|target| target.name == name).expect("a target of that name");
    let places = Places::of(target);
    let corpus = read_all(&places.corpus).expect("a directory that can be read");
    assert!(!corpus.is_empty(), "no corpus in {}", places.corpus.display());
    let bytes: usize = corpus.iter().map(|(_, bytes)| bytes.len()).sum();
    assert!(corpus.len() <= FILES && bytes <= BYTES, "{name}: {} files, {bytes} bytes", corpus.len());
    let findings = read_all(&places.findings).expect("a directory that can be read");
    for (path, bytes) in corpus.into_iter().chain(findings) {
        let outcome = std::panic::catch_unwind(|| (target.run)(&bytes));
        assert!(outcome.is_ok(), "cargo xtask fuzz {name} --replay {}", path.display());
    }
    for seed in (target.seeds)() {
        (target.run)(&seed);
    }
}

macro_rules! replays {
    ($($name:ident),*) => {
        $(#[test]
        fn $name() {
            replay(stringify!($name));
        })*

        #[test]
        fn no_target_is_left_out() {
            let names: Vec<&str> = targets::ALL.iter().map(|target| target.name).collect();
            assert_eq!(names, [$(stringify!($name)),*]);
        }
    };
}

replays!(haproxy, host, words, handover, toml, head, chunked, answer, log, rate, guards, ovsdb);
