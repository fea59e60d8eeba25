//! Differences in haproxy's memory without a difference in meaning: the number of a line, how many proxies there are
//! beside the one that counts.
//!
//! It is learned from haproxy, not known: the same text with empty lines above it, and with proxies that nothing uses, means
//! the same; what is another then is noise.

use std::time::Duration;

use crate::haproxy::{Haproxy, Verdict};
use crate::meaning::{Layout, Meaning, Place, Places};
use crate::snapshot::Snapshot;

/// Bytes from which on a piece's size says what it is.
const LARGE: u32 = 200;

/// The layout of haproxy's proxies, and the places of the noise.
#[derive(Debug)]
pub struct Noise {
    layout: Layout,
    places: Places,
}

impl Noise {
    /// Learns from texts that haproxy accepts.
    pub fn learn(haproxy: &Haproxy, texts: &[String]) -> Result<Noise, String> {
        let first = texts.first().ok_or("nothing to learn from")?;
        let layout = Layout::find(&snapshot(haproxy, first)?, &sections(first))?;
        let mut places = Places::new();
        for text in texts {
            let plain = Meaning::new(snapshot(haproxy, text)?, layout);
            if places.is_empty() {
                // A clock that counts seconds has moved, and the upper half of one that counts nanoseconds (4.3 s).
                std::thread::sleep(Duration::from_millis(4400));
            }
            let others = [
                above(text, 1),
                above(text, 1000),
                beside(text, "aaa"),
                beside(text, "zzz"),
                spelled(text),
                turned(text),
                parted(text),
            ];
            for same in others {
                let other = Meaning::new(snapshot(haproxy, &same)?, layout);
                let mut learn = |name: Option<&str>| {
                    plain.compare(&other, name, |place, _, _| {
                        places.insert(place);
                        false
                    });
                };
                learn(None);
                plain.proxies().for_each(|name| learn(Some(name)));
            }
        }
        Ok(Noise { layout, places })
    }

    /// What the text means to haproxy; nothing if it is refused.
    pub fn ask(&self, haproxy: &Haproxy, text: &str) -> Result<Option<Meaning>, String> {
        match haproxy.ask(text.as_bytes()).map_err(|error| error.to_string())? {
            Verdict::Accepted(snapshot) => Ok(Some(self.meaning(*snapshot))),
            Verdict::Refused(_) | Verdict::Died => Ok(None),
        }
    }

    /// The meaning of a snapshot.
    pub fn meaning(&self, snapshot: Snapshot) -> Meaning {
        Meaning::new(snapshot, self.layout)
    }

    /// The first difference that is no noise, as a place and two numbers: of a proxy, or of the process.
    pub fn difference(&self, one: &Meaning, other: &Meaning, name: Option<&str>) -> Option<String> {
        let mut found = None;
        one.compare(other, name, |place, one, other| {
            let counts = !self.is_noise(place);
            if counts {
                found = Some(format!("{} {place:?}: {one:#x} and {other:#x}", name.unwrap_or("process")));
            }
            counts
        });
        found
    }

    fn is_noise(&self, place: Place) -> bool {
        // A large piece is known by its size alone.
        let [_, _, size, offset] = place;
        let large = size >= LARGE && self.places.iter().any(|[_, _, other, at]| (*other, *at) == (size, offset));
        large || self.places.contains(&place)
    }

    /// The same of the process and of all proxies.
    pub fn first_difference(&self, one: &Meaning, other: &Meaning) -> Option<String> {
        std::iter::once(None).chain(one.proxies().map(Some)).find_map(|name| self.difference(one, other, name))
    }
}

fn snapshot(haproxy: &Haproxy, text: &str) -> Result<Snapshot, String> {
    match haproxy.ask(text.as_bytes()).map_err(|error| error.to_string())? {
        Verdict::Accepted(snapshot) => Ok(*snapshot),
        other => Err(format!("haproxy does not accept what Neutron writes: {other:?}\n{text}")),
    }
}

/// The names of a text's proxies.
fn sections(text: &str) -> Vec<String> {
    let named = |line: &str| {
        let mut words = line.split_whitespace();
        let first = words.next()?;
        ["listen", "frontend", "backend"].contains(&first).then(|| words.next().map(str::to_owned)).flatten()
    };
    text.lines().filter_map(named).collect()
}

fn above(text: &str, lines: usize) -> String {
    "\n".repeat(lines) + text
}

/// Proxies that nothing uses, before the first and behind the last.
fn beside(text: &str, name: &str) -> String {
    let unused = |number: u8| {
        format!(
            "backend {name}{number}\n    mode http\n    timeout connect 1s\n    timeout server 1s\n    server unused 192.0.2.1:1\n"
        )
    };
    let lines: Vec<&str> = text.lines().collect();
    let first = lines.iter().position(|line| !sections(line).is_empty()).unwrap_or(lines.len());
    format!("{}\n{}{}\n{}", lines[..first].join("\n"), unused(1), lines[first..].join("\n"), unused(2))
}

/// The same addresses in other words.
fn spelled(text: &str) -> String {
    let line = |line: &str| match line.split_whitespace().collect::<Vec<_>>().as_slice() {
        ["bind", address, rest @ ..] => {
            let family = if address.matches(':').count() > 1 { "ipv6" } else { "ipv4" };
            let name = if rest.contains(&"name") { "" } else { "name x" };
            let rest: Vec<&str> = rest.iter().copied().take_while(|word| *word != "name").collect();
            format!("    bind {family}@{address} {} {name}\n", rest.join(" "))
        }
        ["server", name, path] if path.starts_with('/') => format!("    server {name} unix@{path}\n"),
        _ => format!("{line}\n"),
    };
    text.lines().map(line).collect()
}

/// The proxies in another order; none of them depends on the one above it.
fn turned(text: &str) -> String {
    let begin = |line: &&str| !sections(line).is_empty();
    let lines: Vec<&str> = text.lines().collect();
    let first = lines.iter().position(begin).unwrap_or(lines.len());
    let second = lines.iter().skip(first + 1).position(begin).map_or(lines.len(), |at| first + 1 + at);
    let (above, moved, rest) = (&lines[..first], &lines[first..second], &lines[second..]);
    [above, rest, moved].concat().iter().map(|line| format!("{line}\n")).collect()
}

/// Section `global` in two parts.
fn parted(text: &str) -> String {
    text.replacen("    user ", "\nglobal\n    user ", 1)
}
