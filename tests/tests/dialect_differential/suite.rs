//! The tests.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use nsgate_fuzz::random::Random;
use nsgate_tests::program::{Program, workspace};
use nsgate_tests::{Lab, suite};

use crate::generate::change;
use crate::haproxy::Haproxy;
use crate::inert::{self, Line};
use crate::judge::{Judge, Outcome};
use crate::noise::Noise;
use crate::session::{self, Task};
use crate::{kept, long};

pub fn main() {
    suite!["dialect_differential":
        changed_texts_of_a_gate_mean_what_haproxy_understands,
        changed_texts_of_a_host_mean_what_haproxy_understands,
        what_neutron_writes_means_what_haproxy_understands,
        the_comparison_sees_each_line_that_is_left_out,
        the_comparison_sees_each_value,
        found_once_and_kept,
        a_value_of_what_changes_nothing_is_refused_where_haproxy_refuses_it,
        the_program_says_what_its_parser_says,
    ]
}

/// The number of the inputs: the same seed, the same texts.
const SEED: u64 = 1;
const TEXTS: u64 = 4000;

/// Which texts Neutron writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// For one network.
    Gate,
    /// For a whole host.
    Host,
}

/// What Neutron writes, the longest first.
pub fn fixtures(dialect: Dialect) -> Vec<String> {
    let directory = workspace().join("crates/nsgate-config/tests/fixtures");
    let files = fs::read_dir(directory).expect("the fixtures").map(|entry| entry.expect("a fixture").path());
    let wanted = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name.ends_with(".cfg") && name.contains("hostproxy") == (dialect == Dialect::Host)
    };
    let mut texts: Vec<String> = files.filter(wanted).map(|path| fs::read_to_string(path).expect("a text")).collect();
    texts.sort_by_key(|text| (std::cmp::Reverse(text.len()), text.clone()));
    texts
}

/// The haproxy that it is compared with.
pub const VERSION: &str = "2.6.";

/// Where haproxy is; the reason if it is not there, or another one.
pub fn installed() -> Result<PathBuf, String> {
    let program = Program::real_haproxy().ok_or("no /usr/sbin/haproxy: apt-get install haproxy")?;
    let said = program.version();
    let version = said.split_whitespace().nth(2).unwrap_or("(silent)");
    if version.starts_with(VERSION) {
        return Ok(program.path().to_owned());
    }
    Err(format!("the dialect is that of haproxy {VERSION}x, and this is {version}"))
}

struct Ground {
    haproxy: PathBuf,
    directory: PathBuf,
    noise: Noise,
    texts: Vec<String>,
}

impl Ground {
    fn new(lab: &Lab, dialect: Dialect) -> Ground {
        let haproxy = installed().unwrap_or_else(|why| lab.skip(&why));
        let (directory, texts) = (lab.directory("differential", 0o755), fixtures(dialect));
        let noise = long::learn(&haproxy, &directory).unwrap_or_else(|error| panic!("{error}"));
        Ground { haproxy, directory, noise, texts }
    }

    fn ask(&self) -> Haproxy {
        Haproxy::new(&self.haproxy, &self.directory).expect("haproxy")
    }

    fn judge(&self) -> Judge<'_> {
        Judge::new(self.ask(), &self.noise)
    }
}

fn changed(lab: &Lab, dialect: Dialect) {
    let ground = Ground::new(lab, dialect);
    let task = Task { seeds: ground.texts.clone(), seed: SEED, most: TEXTS, time: Duration::from_secs(60) };
    let found = session::run(&task, &ground.haproxy, &ground.directory, &ground.noise, |_, _| {});
    let found = found.unwrap_or_else(|error| panic!("{error}"));
    println!("seed {SEED}: {}", found.numbers);
    found.faults.values().for_each(|fault| println!("{fault}"));
    assert!(found.faults.is_empty(), "{} kinds of fault; each is above, once", found.faults.len());
    assert!(found.numbers.same > found.numbers.texts / 20, "too few are accepted by both to say anything");
}

fn changed_texts_of_a_gate_mean_what_haproxy_understands(lab: &Lab) {
    changed(lab, Dialect::Gate);
}

fn changed_texts_of_a_host_mean_what_haproxy_understands(lab: &Lab) {
    changed(lab, Dialect::Host);
}

fn what_neutron_writes_means_what_haproxy_understands(lab: &Lab) {
    for dialect in [Dialect::Gate, Dialect::Host] {
        let ground = Ground::new(lab, dialect);
        let mut judge = ground.judge();
        for text in &ground.texts {
            assert_eq!(judge.judge(text), Ok(Outcome::Same), "{text}");
        }
    }
}

/// Lines that say what haproxy does anyway.
const NEUTRAL: [&str; 3] = ["retries", "nbthread", "balance"];

fn the_comparison_sees_each_line_that_is_left_out(lab: &Lab) {
    for dialect in [Dialect::Gate, Dialect::Host] {
        let ground = Ground::new(lab, dialect);
        let (haproxy, text) = (ground.ask(), &ground.texts[0]);
        let whole = ground.noise.ask(&haproxy, text).expect("an answer").expect("accepted");
        let lines: Vec<&str> = text.lines().collect();
        let says = |at: &usize| {
            !lines[*at].trim().is_empty() && !NEUTRAL.iter().any(|word| lines[*at].trim().starts_with(word))
        };
        for at in (0..lines.len()).filter(says) {
            let left: String = lines
                .iter()
                .enumerate()
                .filter(|(index, _)| *index != at)
                .map(|(_, line)| format!("{line}\n"))
                .collect();
            let Some(less) = ground.noise.ask(&haproxy, &left).expect("an answer") else { continue };
            assert!(ground.noise.first_difference(&whole, &less).is_some(), "not seen: {:?} is gone", lines[at]);
        }
    }
}

/// Each number, name and address of a text, and another one in its place.
const VALUES: &[(&str, &str)] = &[
    ("local0 info", "local1 info"),
    ("local0 info", "local0 notice"),
    ("log         /dev/log", "log         /dev/lag"),
    ("log-tag     haproxy-metadata", "log-tag     haproxy-metadate"),
    ("user        neutron", "user        root"),
    ("group       neutron", "group       root"),
    ("maxconn     1024", "maxconn     1023"),
    ("pidfile     /var", "pidfile     /vor"),
    ("retries                 3", "retries                 4"),
    ("timeout http-request    30s", "timeout http-request    31s"),
    ("timeout connect         30s", "timeout connect         31s"),
    ("timeout client          32s", "timeout client          31s"),
    ("timeout server          32s", "timeout server          31s"),
    ("timeout http-keep-alive 30s", "timeout http-keep-alive 31s"),
    ("expire 60s store http_req_rate(60s)", "expire 61s store http_req_rate(60s)"),
    ("expire 60s store http_req_rate(60s)", "expire 60s store http_req_rate(59s)"),
    ("type ip size 10k expire 60s store http_req_rate(10s)", "type ipv6 size 10k expire 60s store http_req_rate(10s)"),
    ("type ip size 10k", "type ip size 11k"),
    ("bind 169.254.169.254:80", "bind 169.254.169.254:81"),
    ("bind 169.254.169.254:80", "bind 169.254.169.253:80"),
    ("interface tap4f2a9c1d-30", "interface tap4f2a9c1d-31"),
    ("http-request track-sc0 src table base", "http-request track-sc2 src table base"),
    ("gt 6", "gt 5"),
    ("gt 6", "ge 6"),
    ("deny_status 429 if { src_http_req_rate(base", "deny_status 403 if { src_http_req_rate(base"),
    ("src_http_req_rate(base_rate_limiter) gt 6", "src_http_req_rate(burst_rate_limiter) gt 6"),
    ("/var/lib/neutron/metadata_proxy", "/var/lib/neutron/metadata_praxy"),
    ("metadata_proxy\n", "metadata_proxy maxconn 7\n"),
    ("del-header X-Neutron-Router-ID", "del-header X-Neutron-Router-IE"),
    ("set-header X-Neutron-Network-ID", "set-header X-Neutron-Network-IE"),
    ("set-header X-Neutron-Network-ID", "add-header X-Neutron-Network-ID"),
    ("X-Neutron-Network-ID 7a1c", "X-Neutron-Network-ID 7a1d"),
];

fn the_comparison_sees_each_value(lab: &Lab) {
    let ground = Ground::new(lab, Dialect::Gate);
    let with = |words: &str| {
        ground.texts.iter().find(|text| text.contains(words)).unwrap_or_else(|| panic!("no text has {words}"))
    };
    let haproxy = ground.ask();
    for (before, after) in VALUES {
        let text = with(before);
        let whole = ground.noise.ask(&haproxy, text).expect("an answer").expect("accepted");
        let other = ground.noise.ask(&haproxy, &text.replacen(before, after, 1)).expect("an answer").expect(after);
        assert!(ground.noise.first_difference(&whole, &other).is_some(), "not seen: {before} became {after}");
    }
}

fn found_once_and_kept(lab: &Lab) {
    for dialect in [Dialect::Gate, Dialect::Host] {
        let ground = Ground::new(lab, dialect);
        let mut judge = ground.judge();
        let mut wrong = Vec::new();
        for (name, before, after) in kept::of(dialect) {
            let seed = ground
                .texts
                .iter()
                .find(|text| text.contains(before))
                .unwrap_or_else(|| panic!("{name}: no text has {before:?}"));
            let outcome = judge.judge(&seed.replacen(before, after, 1)).expect(name);
            if !matches!(outcome, Outcome::Refused | Outcome::Same | Outcome::Warned) {
                wrong.push(format!("{name}: {outcome:?}"));
            }
        }
        assert!(wrong.is_empty(), "{dialect:?}:\n{}", wrong.join("\n"));
    }
}

fn a_value_of_what_changes_nothing_is_refused_where_haproxy_refuses_it(lab: &Lab) {
    let program = installed().unwrap_or_else(|why| lab.skip(&why));
    let haproxy = Haproxy::new(&program, &lab.directory("differential", 0o755)).expect("haproxy");
    for dialect in [Dialect::Gate, Dialect::Host] {
        let (texts, mut wrong) = (fixtures(dialect), Vec::new());
        let text = texts.last().expect("a text");
        // Section `global` is read by the same code in both.
        for row in inert::rows(dialect == Dialect::Gate) {
            let accepts = |lines: &[Line]| inert::with(text, lines).is_some_and(|text| Judge::accepts(&text));
            let (lines, refused): (Vec<Line>, Vec<Line>) = row.iter().partition(|line| accepts(&[**line]));
            wrong.extend(refused.iter().filter(|line| line.own).map(|line| format!("{line}: refused here")));
            // All at once; one after the other only if one of the two refuses one of them, or all together.
            let whole = inert::with(text, &lines).expect("the sections");
            if accepts(&lines) && haproxy.refuses(whole.as_bytes()).expect("an answer").is_none() {
                continue;
            }
            for line in lines {
                let alone = inert::with(text, &[line]).expect("the sections");
                let said = haproxy.refuses(alone.as_bytes()).expect("an answer");
                wrong.extend(said.map(|said| format!("{line}: accepted here; haproxy: {said}")));
            }
        }
        assert!(wrong.is_empty(), "{dialect:?}:\n{}", wrong.join("\n"));
    }
}

/// The parser is asked as a library above; the program reads files.
fn the_program_says_what_its_parser_says(lab: &Lab) {
    if !lab.program.is_nsgate() {
        lab.skip("the program under test has another parser");
    }
    lab.directory("differential", 0o755);
    let file = PathBuf::from("/run/lab/differential/program.cfg");
    let mut random = Random::new(SEED);
    for dialect in [Dialect::Gate, Dialect::Host] {
        let (texts, mut accepted) = (fixtures(dialect), 0);
        for _ in 0..60 {
            let (seed, other) = (&texts[random.below(texts.len())], &texts[random.below(texts.len())]);
            let text = change(&mut random, seed, other);
            fs::write(&file, &text).expect("the text");
            let mut command = Command::new(lab.program.path());
            let ended = command.args(["-c", "-f"]).arg(&file).output().expect("the program");
            let expected = Judge::accepts(&text);
            assert_eq!(ended.status.success(), expected, "{text}\n{}", String::from_utf8_lossy(&ended.stderr));
            accepted += usize::from(expected);
        }
        assert!((5..55).contains(&accepted), "{accepted} of 60 were accepted");
    }
}
