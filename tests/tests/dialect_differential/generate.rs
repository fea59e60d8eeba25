//! Changed configurations: what a person, a patched template or a broken script could make of what Neutron writes.

use nsgate_fuzz::mutate::mutate;
use nsgate_fuzz::random::Random;

use crate::inert;
use crate::vocabulary::{BLANKS, LINES, WORDS};

/// A changed copy of `text`; `other` lends its lines.
pub fn change(random: &mut Random, text: &str, other: &str) -> String {
    let mut lines: Vec<String> = text.split('\n').map(str::to_owned).collect();
    let others: Vec<&str> = other.split('\n').collect();
    for _ in 0..[1, 1, 1, 1, 2, 2, 3, 5][random.below(8)] {
        once(random, &mut lines, &others);
    }
    let text = lines.join("\n");
    if random.once_in(25) {
        // Any bytes at all; what is no UTF-8 then is another letter.
        return String::from_utf8_lossy(&mutate(random, text.as_bytes(), other.as_bytes(), WORDS, 8000)).into_owned();
    }
    text
}

fn once(random: &mut Random, lines: &mut Vec<String>, others: &[&str]) {
    if lines.is_empty() {
        lines.push(String::new());
    }
    let (at, to) = (random.below(lines.len()), random.below(lines.len() + 1));
    match random.below(26) {
        22..=25 => inert::insert(random, lines),
        0..=3 => lines.insert(to, LINES[random.below(LINES.len())].to_owned()),
        4 => lines.insert(to, others[random.below(others.len())].to_owned()),
        5 => lines.insert(to, lines[at].clone()),
        6 => {
            let line = lines.remove(at);
            lines.insert(to.min(lines.len()), line);
        }
        7 | 8 => drop(lines.remove(at)),
        9 if at + 1 < lines.len() => {
            let next = lines.remove(at + 1);
            lines[at] += BLANKS[random.below(BLANKS.len())];
            lines[at] += next.trim_start();
        }
        10 => section(random, lines),
        11 => {
            // A whole section goes elsewhere.
            let begins = |line: &String| line.starts_with(|c: char| c.is_ascii_alphabetic());
            let Some(from) = (at..lines.len()).find(|index| begins(&lines[*index])) else { return };
            let end = (from + 1..lines.len()).find(|index| begins(&lines[*index])).unwrap_or(lines.len());
            let part: Vec<String> = lines.drain(from..end).collect();
            let starts: Vec<usize> = (0..lines.len()).filter(|index| begins(&lines[*index])).collect();
            let to = starts.get(random.below(starts.len() + 1)).copied().unwrap_or(lines.len());
            lines.splice(to..to, part);
        }
        12 => {
            let prefix = ["no ", "default ", "#", "\u{feff}", "\\", "\"", ". "][random.below(7)];
            let content = lines[at].trim_start();
            lines[at] = format!("    {prefix}{content}");
        }
        _ => words(random, &mut lines[at]),
    }
}

/// The first line of a section is changed.
fn section(random: &mut Random, lines: &mut [String]) {
    let begin: Vec<usize> =
        (0..lines.len()).filter(|at| lines[*at].starts_with(|c: char| c.is_ascii_alphabetic())).collect();
    let Some(at) = begin.get(random.below(begin.len())) else { return };
    let line = &mut lines[*at];
    match random.below(6) {
        0 => *line = line.split(' ').next().unwrap_or_default().to_owned(),
        1 => line.push_str(" extra"),
        2 => line.push_str(" from usual"),
        3 => line.push_str(" 192.0.2.7:80"),
        4 => *line = format!("  {line}"),
        _ => *line = ["global", "defaults", "listen x", "backend x", "frontend x"][random.below(5)].to_owned(),
    }
}

/// A word of the line is changed.
fn words(random: &mut Random, line: &mut String) {
    let indent: String = line.chars().take_while(|c| c.is_whitespace()).collect();
    let mut words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
    if words.is_empty() {
        return;
    }
    let (at, to) = (random.below(words.len()), random.below(words.len() + 1));
    let new = WORDS[random.below(WORDS.len())].to_owned();
    match random.below(14) {
        0 => words.insert(to, new),
        1 => words[at] = new,
        2 => words.insert(to, words[at].clone()),
        3 => drop(words.remove(at)),
        4 => {
            let last = words.len() - 1;
            words.swap(at, to.min(last));
        }
        5 => words.push(new),
        6..=8 => letters(random, &mut words[at]),
        9 => words[at] = number(random, &words[at]),
        10 => {
            let blank = BLANKS[random.below(BLANKS.len())];
            *line = format!("{indent}{}{blank}{}", words[..at].join(" "), words[at..].join(" "));
            return;
        }
        11 => words.push("# comment".to_owned()),
        12 => {
            let many = random.below(12);
            words.extend((0..many).map(|_| new.clone()));
        }
        _ => words[at] = words[at].to_uppercase(),
    }
    *line = indent + &words.join(" ");
}

/// Quotes and escapes, which may or may not change a word.
fn letters(random: &mut Random, word: &mut String) {
    let count = word.chars().count();
    let (at, end) = (random.below(count + 1), random.below(count + 1));
    let (at, end) = (at.min(end), at.max(end));
    let parts = |from: usize, to: usize| word.chars().skip(from).take(to - from).collect::<String>();
    let (before, inside, after) = (parts(0, at), parts(at, end), parts(end, count));
    *word = match random.below(10) {
        0 => format!("\"{word}\""),
        1 => format!("'{word}'"),
        2 => format!("{before}\"{inside}\"{after}"),
        3 => format!("{before}'{inside}'{after}"),
        4 => format!("{before}\\{inside}{after}"),
        5 => {
            let escaped: String = inside.chars().map(|c| format!("\\x{:02x}", u32::from(c) & 0xff)).collect();
            format!("{before}{escaped}{after}")
        }
        6 => format!(
            "{before}{}{after}",
            [
                "\"",
                "'",
                "\\",
                "$HOME",
                "${HOME}",
                "\"$HOME\"",
                "\"${HOME}\"",
                "#",
                "\\#",
                "\\n",
                "\\t",
                "\\r",
                "\\x61",
                "\\xzz",
                "\\x00",
                "\\0"
            ][random.below(16)]
        ),
        7 => format!("{before}\\\"{inside}\\\"{after}"),
        8 => format!("{before}{after}"),
        _ => format!("{before}{inside}{inside}{after}"),
    };
}

/// The first number in the word is another one, or has another unit.
fn number(random: &mut Random, word: &str) -> String {
    let Some(from) = word.find(|c: char| c.is_ascii_digit()) else { return word.to_owned() };
    let length = word[from..].find(|c: char| !c.is_ascii_digit()).unwrap_or(word.len() - from);
    let (before, digits, after) = (&word[..from], &word[from..from + length], &word[from + length..]);
    let value: u64 = digits.parse().unwrap_or(0);
    let digits = match random.below(6) {
        0 => (value + 1).to_string(),
        1 => value.saturating_sub(1).to_string(),
        2 => ["0", "1", "00", "65535", "65536", "2147483647", "2147483648", "4294967296", "99999999999999999999"]
            [random.below(9)]
        .to_owned(),
        3 => format!("0{digits}"),
        4 => {
            return format!(
                "{before}{digits}{}",
                ["us", "ms", "s", "m", "h", "d", "w", "k", "S", "", "s "][random.below(11)]
            );
        }
        _ => (random.any() % 100_000).to_string(),
    };
    format!("{before}{digits}{after}")
}
