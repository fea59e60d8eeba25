//! `cargo xtask escape`: every probe of the escape suite in a gate and in haproxy, as a table in `docs/threat-model.md`.

use std::fs;

use nsgate_tests::escape::{Ground, Ran};
use nsgate_tests::{Lab, Program, json, probes, sys};

use crate::page;

/// Runs all probes in both programs and writes the table; fails if a probe got through to more than it may.
pub(crate) fn run() -> Result<(), String> {
    if !nix::unistd::geteuid().is_root() {
        return Err("the probes are injected into processes of another user: run as root".to_owned());
    }
    page::in_world(|| {
        let (text, failed) = measure();
        json::say(&serde_json::json!({ "tables": json::of_page(&text), "not_as_promised": failed }));
        let written = page::write_between("docs/threat-model.md", "cargo xtask escape", &text);
        failed.iter().for_each(|line| println!("not as promised: {line}"));
        i32::from(written.is_err() || !failed.is_empty())
    })
}

/// The text between the markers, and the probes that did not end as they must in a gate.
fn measure() -> (String, Vec<String>) {
    let themes = probes::all();
    let haproxy = Program::real_haproxy().expect("haproxy was found or installed before");
    let mut ground = Ground::new(&Lab::enter(Program::under_test()));
    let mut run = |program: Program| -> Vec<Vec<Ran>> {
        println!("{} …", program.path().display());
        ground.change_program(program);
        let of_theme = |(theme, probes): &(&str, Vec<probes::Probe>)| {
            println!("  {theme} …");
            probes.iter().map(|probe| ground.run(probe)).collect()
        };
        themes.iter().map(of_theme).collect()
    };
    let ours = run(Program::under_test());
    let theirs = run(haproxy.clone());

    let (mut tables, mut failed) = (String::new(), Vec::new());
    let (mut count, mut processes, mut got_through) = (0, 0, 0);
    for ((theme, probes), (ours, theirs)) in themes.iter().zip(ours.iter().zip(&theirs)) {
        tables.push_str(&format!("\n### {theme}\n\n| probe | nsgate | haproxy |\n|---|---|---|\n"));
        for (probe, (ours, theirs)) in probes.iter().zip(ours.iter().zip(theirs)) {
            let row = format!("| {}: {} | {} | {} |\n", code(probe.name), probe.tries, cell(ours), cell(theirs));
            tables.push_str(&row);
            let possible = probe.landlock.is_none_or(|abi| sys::landlock_abi() >= abi);
            if possible && (ours.ends.iter().any(|end| *end != probe.expected) || !ours.broken.is_empty()) {
                failed.push(format!("{}: {} {:?}", probe.name, cell(ours), ours.broken));
            }
            count += 1;
            processes += ours.ends.len();
            got_through += usize::from(theirs.ends.iter().any(probes::End::got_through));
        }
    }
    let version = haproxy.version();
    let version = version.split([' ', '-']).nth(2).unwrap_or("of unknown version");
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let kernel = kernel.split('-').next().unwrap_or_default().trim();
    let head = format!(
        "\n{count} probes in {processes} processes of each program, on Linux {kernel} with Landlock ABI {}. The kernel did what \
         was\nasked, in one variant at least, in {} of them in nsgate and in {got_through} in haproxy {version}.\n",
        sys::landlock_abi(),
        match ours.iter().flatten().filter(|ran| ran.ends.iter().any(probes::End::got_through)).count() {
            0 => "none".to_owned(),
            some => some.to_string(),
        },
    );
    (head + &tables + "\n", failed)
}

/// The ends of all variants: one word where they agree, else each word and how often.
fn cell(ran: &Ran) -> String {
    let mut words: Vec<(String, usize)> = Vec::new();
    for word in ran.ends.iter().map(probes::End::word) {
        match words.iter_mut().find(|(known, _)| *known == word) {
            Some((_, times)) => *times += 1,
            None => words.push((word, 1)),
        }
    }
    if let [(word, _)] = words.as_slice() {
        return word.clone();
    }
    words.iter().map(|(word, times)| format!("{word} ×{times}")).collect::<Vec<_>>().join(", ")
}

fn code(name: &str) -> String {
    format!("`{name}`")
}
