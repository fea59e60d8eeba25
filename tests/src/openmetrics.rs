//! A page of metrics, as Prometheus' own parser for Python reads it.

use std::collections::BTreeMap;
use std::io::Write;
use std::process::{Command, Stdio};

use crate::Lab;

/// A family as the parser has it.
#[derive(Debug)]
pub struct Family {
    /// Its name.
    pub name: String,
    /// `gauge`, `counter`, …
    pub kind: String,
    /// All of them.
    pub samples: Vec<Sample>,
}

/// One number.
#[derive(Debug)]
pub struct Sample {
    /// With what its kind adds (`_total`).
    pub name: String,
    /// By name.
    pub labels: BTreeMap<String, String>,
    /// The number.
    pub value: f64,
}

const READER: &str = "
import json, sys
from prometheus_client.openmetrics.parser import text_string_to_metric_families as families
print(json.dumps([[f.name, f.type, f.documentation, [[s.name, s.labels, s.value] for s in f.samples]]
                  for f in families(sys.stdin.read())]))
";

/// What `prometheus_client` makes of a page; the test is skipped without it.
pub fn parsed(lab: &Lab, page: &str) -> Vec<Family> {
    let python = || {
        let mut command = Command::new("/usr/bin/python3");
        command.env("PYTHONDONTWRITEBYTECODE", "1");
        command
    };
    let there = python().args(["-c", "import prometheus_client.openmetrics.parser"]).stderr(Stdio::null()).status();
    if !there.is_ok_and(|status| status.success()) {
        lab.skip("no prometheus_client: apt-get install --no-install-recommends python3-prometheus-client");
    }
    let piped = python().args(["-c", READER]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
    let mut child = piped.expect("python");
    child.stdin.take().unwrap().write_all(page.as_bytes()).unwrap();
    let done = child.wait_with_output().unwrap();
    assert!(done.status.success(), "prometheus_client refuses the page (its reason is above):\n{page}");
    let all: Vec<serde_json::Value> = serde_json::from_slice(&done.stdout).unwrap();
    let word = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    let sample = |one: &serde_json::Value| Sample {
        name: word(&one[0]),
        labels: one[1].as_object().unwrap().iter().map(|(name, value)| (name.clone(), word(value))).collect(),
        value: one[2].as_f64().unwrap(),
    };
    let family = |one: &serde_json::Value| {
        assert!(!word(&one[2]).is_empty(), "a family without help: {one}");
        let samples = one[3].as_array().unwrap().iter().map(sample).collect();
        Family { name: word(&one[0]), kind: word(&one[1]), samples }
    };
    all.iter().map(family).collect()
}
