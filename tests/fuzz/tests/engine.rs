//! The engine finds what is there to be found, shortens it, and leaves the corpus in order.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use nsgate_fuzz::Target;
use nsgate_fuzz::corpus::{FILES, ROOM, distil};
use nsgate_fuzz::engine::fuzz;
use nsgate_fuzz::minimise::minimise;
use nsgate_fuzz::mutate::mutate;
use nsgate_fuzz::options::Options;
use nsgate_fuzz::places::{Places, hash, keep, read_all};
use nsgate_fuzz::random::Random;
use std::path::PathBuf;
use std::time::Duration;

fn directory(name: &str) -> PathBuf {
    let path = std::env::temp_dir().join(format!("nsgate-fuzz-{}-{name}", std::process::id()));
    std::fs::create_dir_all(&path).unwrap();
    path
}

#[test]
fn a_broken_promise_is_found_shortened_and_written() {
    let target = Target {
        name: "weak",
        promise: "no word is said twice",
        run: |bytes| assert!(String::from_utf8_lossy(bytes).matches("word").count() < 2, "said twice"),
        words: &["word"],
        seeds: || vec![b"a seed that says something, and a word".to_vec()],
        longest: 200,
    };
    let here = directory("weak");
    let places = Places {
        corpus: here.join("corpus"),
        fresh: here.join("fresh"),
        findings: here.join("findings"),
        running: here.join("running"),
    };
    let options = Options { target, duration: Duration::from_secs(20), seed: 1, json: false, replay: None };
    let finding = fuzz(&options, &places).unwrap().expect("a finding");
    assert_eq!(finding.trouble.message, "said twice");
    assert_eq!(std::fs::read(&finding.path).unwrap(), b"wordword");
    assert!(finding.path.ends_with(hash(b"wordword")) && !places.running.exists());
    std::fs::remove_dir_all(here).unwrap();
}

#[test]
fn an_input_is_shortened_to_what_matters() {
    let input: Vec<u8> = (0..=255).cycle().take(1000).collect();
    let short = minimise(&input, 5000, |bytes| bytes.contains(&7) && bytes.contains(&200));
    assert_eq!(short, [7, 200]);
    assert_eq!(minimise(&input, 0, |_| true).len(), 1000, "no question, no answer");
}

#[test]
fn the_same_seed_gives_the_same_inputs() {
    let inputs = |seed| {
        let mut random = Random::new(seed);
        let change = |_| mutate(&mut random, b"GET / HTTP/1.1\r\n12\r\n", b"other\n", &["word"], 30);
        (0..2000).map(change).collect::<Vec<_>>()
    };
    assert_eq!(inputs(1), inputs(1));
    assert_ne!(inputs(1), inputs(2));
    assert!(inputs(3).iter().all(|input| input.len() <= 30));
}

#[test]
fn a_corpus_keeps_every_edge_and_its_bounds_and_what_has_a_name() {
    let (here, fresh) = (directory("corpus"), directory("fresh"));
    // Each input reaches the edge that it names, and one reaches many.
    for number in 0..1000u32 {
        keep(&fresh, &number.to_be_bytes()).unwrap();
    }
    keep(&here, b"all of the first eight hundred").unwrap();
    std::fs::write(here.join("a-name"), 5u32.to_be_bytes()).unwrap();
    let reach = |bytes: &[u8]| match <[u8; 4]>::try_from(bytes) {
        Ok(number) => vec![(u32::from_be_bytes(number), 1)],
        Err(_) => (0..800).map(|edge| (edge, 1)).collect(),
    };
    let size = distil(&here, &fresh, reach).unwrap();
    let left = read_all(&here).unwrap();
    assert_eq!(size.files, left.len());
    assert_eq!(size.files, 2 + 200, "the one that reaches many, the one with a name, and the last two hundred");
    assert!(read_all(&fresh).unwrap().is_empty() && here.join("a-name").exists());

    for number in 1000..2000u32 {
        keep(&fresh, &number.to_be_bytes()).unwrap();
    }
    assert_eq!(distil(&here, &fresh, reach).unwrap().files, FILES - ROOM.0);
    assert!(here.join("a-name").exists());
    for path in [here, fresh] {
        std::fs::remove_dir_all(path).unwrap();
    }
}
