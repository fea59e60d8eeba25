//! One text, asked of nsgate and of the real haproxy.

use std::collections::HashMap;

use nsgate_config::{Diagnostic, haproxy};

use crate::haproxy::{Haproxy, Verdict};
use crate::meaning::Meaning;
use crate::noise::Noise;
use crate::{gate, host, words};

/// The result of the comparison.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// nsgate refuses; haproxy's verdict does not count.
    Refused,
    /// Both accept, and it means the same.
    Same,
    /// Both accept, and nsgate's warnings say what differs.
    Warned,
    /// A fault: accepted here, refused there.
    OnlyHere(String),
    /// A fault: both accept, and it means something else.
    Differs(String),
    /// haproxy was ended by a signal. Nothing of such a text is printed or kept.
    Died,
}

impl Outcome {
    /// The fault, without the parts that differ in each text of its kind.
    pub fn fault(&self) -> Option<String> {
        let (kind, text) = match self {
            Outcome::OnlyHere(alert) => ("haproxy refuses", alert),
            Outcome::Differs(place) => ("means something else", place),
            _ => return None,
        };
        let text = text.split(": 0x").next().unwrap_or(text);
        let mut quoted = false;
        let kept = text.chars().filter(|c| {
            quoted ^= *c == '\'';
            !quoted && (kind != "haproxy refuses" || !c.is_ascii_digit())
        });
        Some(format!("{kind}: {}", kept.collect::<String>()))
    }
}

/// What nsgate understood.
#[derive(Clone, PartialEq)]
enum Understood {
    Gate(Box<nsgate_config::Config>),
    Host(Box<nsgate_config::HostConfig>),
}

/// Asks both; one for each thread.
#[derive(Debug)]
pub struct Judge<'n> {
    haproxy: Haproxy,
    noise: &'n Noise,
    /// haproxy's results for texts that nsgate wrote. Many changed texts lead to the same one.
    written: HashMap<String, Option<Meaning>>,
}

/// What haproxy says of an account that this machine does not have. nsgate looks its own up when it starts, and not when it
/// reads; those of a socket that it does not have (`stats socket`) never.
const UNKNOWN: [&str; 4] = ["cannot find user id", "cannot find group id", "unknown user name", "unknown group name"];

/// How often a difference is looked for again.
const AGAIN: usize = 3;

/// How many meanings are kept: each is two megabytes.
const KEPT: usize = 200;

impl<'n> Judge<'n> {
    pub fn new(haproxy: Haproxy, noise: &'n Noise) -> Judge<'n> {
        Judge { haproxy, noise, written: HashMap::new() }
    }

    /// What the two make of the text.
    ///
    /// A difference is looked for again with nothing of what is kept: a slow clock in haproxy's memory may have moved since.
    pub fn judge(&mut self, text: &str) -> Result<Outcome, String> {
        let mut outcome = self.judge_once(text)?;
        for _ in 0..AGAIN {
            if !matches!(outcome, Outcome::Differs(_)) {
                break;
            }
            self.written.clear();
            outcome = self.judge_once(text)?;
        }
        Ok(outcome)
    }

    fn judge_once(&mut self, text: &str) -> Result<Outcome, String> {
        let Some((understood, warnings)) = Judge::read(text) else { return Ok(Outcome::Refused) };
        let meaning = match self.ask(text)? {
            Verdict::Died => return Ok(Outcome::Died),
            Verdict::Refused(alert) if UNKNOWN.iter().any(|words| alert.contains(words)) => {
                return Ok(Outcome::Refused);
            }
            Verdict::Refused(alert) => return Ok(Outcome::OnlyHere(alert)),
            Verdict::Accepted(snapshot) => self.noise.meaning(*snapshot),
        };
        let absent: Vec<String> = warnings.iter().filter(|warning| warning.line == 0).flat_map(named).collect();
        let Some(difference) = self.difference(text, &understood, &meaning, &absent)? else { return Ok(Outcome::Same) };
        if warnings.is_empty() {
            return Ok(Outcome::Differs(difference));
        }
        // A line that a warning names does nothing here, or means something else: without it, both must agree. What a line
        // that does nothing repeats (a second `pidfile`) stays.
        let mut gone = Vec::new();
        let (rest, taken) = without(text, &warnings, |line| {
            // Of two lines that say the same, one does nothing: beside the other.
            gone.push(line);
            let nothing = same_without(text, &gone, &understood);
            if !nothing {
                gone.pop();
            }
            nothing
        });
        let Verdict::Accepted(snapshot) = self.ask(&rest)? else { return Ok(Outcome::Warned) };
        let meaning = self.noise.meaning(*snapshot);
        let nothing = Judge::read(&rest).is_some_and(|(again, _)| again == understood);
        // A header's line is needed in each backend of a host: the rest is no proxy that could be compared.
        if !nothing
            && matches!(understood, Understood::Host(_))
            && taken.iter().any(|words| words.starts_with("http-request"))
        {
            return Ok(Outcome::Warned);
        }
        let absent = if nothing { absent } else { absent.into_iter().chain(taken).collect() };
        let said = if nothing { &rest } else { text };
        Ok(self.difference(said, &understood, &meaning, &absent)?.map_or(Outcome::Warned, Outcome::Differs))
    }

    fn ask(&self, text: &str) -> Result<Verdict, String> {
        self.haproxy.ask(text.as_bytes()).map_err(|error| error.to_string())
    }

    /// Whether nsgate accepts the text.
    pub fn accepts(text: &str) -> bool {
        Judge::read(text).is_some()
    }

    fn read(text: &str) -> Option<(Understood, Vec<Diagnostic>)> {
        // As the program does: a `frontend` makes it a host's.
        if haproxy::is_host_proxy(text) {
            let parsed = haproxy::parse_host("x", text).ok()?;
            return Some((Understood::Host(Box::new(parsed.config)), parsed.warnings));
        }
        let parsed = haproxy::parse("x", text).ok()?;
        Some((Understood::Gate(Box::new(parsed.config)), parsed.warnings))
    }

    /// The first difference between the text's meaning and that of what nsgate understood, in all its ways to be said.
    fn difference(
        &mut self,
        text: &str,
        understood: &Understood,
        meaning: &Meaning,
        absent: &[String],
    ) -> Result<Option<String>, String> {
        let mut first = None;
        for written in ways(text, understood, absent) {
            if self.written.len() > KEPT {
                self.written.clear();
            }
            if !self.written.contains_key(&written) {
                let meaning = self.noise.ask(&self.haproxy, &written)?;
                self.written.insert(written.clone(), meaning);
            }
            let Some(ours) = self.written.get(&written).and_then(Option::as_ref) else {
                first.get_or_insert_with(|| format!("haproxy refuses what nsgate understood, written as\n{written}"));
                continue;
            };
            match self.apart(meaning, ours, &written) {
                None => return Ok(None),
                Some(difference) => first = first.or(Some(difference)),
            }
        }
        Ok(first)
    }

    /// The first difference of the process, and of the proxies that serve.
    fn apart(&self, theirs: &Meaning, ours: &Meaning, written: &str) -> Option<String> {
        let listens = written.lines().map(words::of).find_map(|line| match line.as_slice() {
            [section, name] if section == "listen" => Some(name.clone()),
            _ => None,
        });
        let serves = |name: &&str| listens.as_ref().is_none_or(|listens| listens == name);
        let all = std::iter::once(None).chain(ours.proxies().filter(serves).map(Some));
        all.into_iter().find_map(|name| self.noise.difference(theirs, ours, name))
    }
}

/// The ways to write what was understood of a text, but for what a warning names as absent.
fn ways(text: &str, understood: &Understood, absent: &[String]) -> Vec<String> {
    let lines: Vec<Vec<String>> = text.lines().map(words::of).collect();
    let texts = match understood {
        Understood::Gate(config) => gate::texts(config, &lines),
        Understood::Host(config) => host::texts(config, &lines),
    };
    let is_absent = |words: &str| absent.iter().any(|absent| absent == words);
    let mut all: Vec<String> = texts.iter().map(|text| left(text, absent)).collect();
    // A time that is derived from two others does not exist without both.
    if is_absent("timeout http-request") && is_absent("timeout client") {
        let usual = ["timeout http-keep-alive 30000".to_owned()];
        all.extend(texts.iter().map(|text| left(&left(text, absent), &usual)));
    }
    if is_absent("log global") {
        all = all.iter().map(|text| gate::without_requests(text, &lines)).collect();
    }
    all
}

/// What a warning names that is absent: "there is no `timeout client`: …", or each of "not said: `timeout client`, …".
fn named(warning: &Diagnostic) -> Vec<String> {
    let most = if warning.message.starts_with("there is no") { 1 } else { usize::MAX };
    warning.message.split('`').skip(1).step_by(2).take(most).map(str::to_owned).collect()
}

/// Whether nsgate understands the same without the lines, counted from 0.
fn same_without(text: &str, gone: &[usize], understood: &Understood) -> bool {
    let kept = text.lines().enumerate().filter(|(index, _)| !gone.contains(index)).map(|(_, line)| format!("{line}\n"));
    Judge::read(&kept.collect::<String>()).is_some_and(|(again, _)| again == *understood)
}

/// The text without the lines that a warning names, and the keywords of those that do something.
fn without(text: &str, warnings: &[Diagnostic], mut does_nothing: impl FnMut(usize) -> bool) -> (String, Vec<String>) {
    let named = |index: usize| warnings.iter().any(|warning| warning.line == index + 1);
    let (taken, kept): (Vec<_>, Vec<_>) = text.lines().enumerate().partition(|(index, _)| named(*index));
    let keyword = |line: &str| {
        let words = words::of(line);
        let family = ["option", "timeout", "http-request", "stats"].contains(&words.first().map_or("", String::as_str));
        words.get(..if family { 2 } else { 1 }).unwrap_or_default().join(" ")
    };
    let kept = kept.into_iter().map(|(_, line)| format!("{line}\n")).collect();
    let taken = taken.into_iter().filter(|(index, _)| !does_nothing(*index)).map(|(_, line)| keyword(line));
    (kept, taken.collect())
}

/// The text without the lines that begin with these words; sections stay, and the time of a request in a backend, which
/// waits for none.
fn left(text: &str, absent: &[String]) -> String {
    let absent: Vec<Vec<String>> = absent.iter().map(|words| words::of(words)).collect();
    let begins = |line: &str| absent.iter().any(|words| !words.is_empty() && words::of(line).starts_with(words));
    let (mut kept, mut backend) = (String::new(), false);
    for line in text.lines() {
        let section = !line.starts_with(' ');
        if section {
            backend = line.starts_with("backend");
        }
        if section || !begins(line) || (backend && line.trim_start().starts_with("timeout http-request")) {
            kept += &format!("{line}\n");
        }
    }
    kept
}
