//! Changes to an input: bits and bytes, pieces of it, words that mean something, pieces of another input.

use crate::random::Random;

/// Bytes and numbers on which programs stumble.
const ODD_BYTES: &[u8] = b"\0\r\n\t \"'#%,.:;/0129+-_\\\x7f\x80\xff[]{}=aAzZ";
const ODD_TEXTS: &[&str] = &[
    "\r\n",
    "\n",
    "\r\n\r\n",
    "\r",
    "0",
    "1",
    "-1",
    "255",
    "256",
    "4095",
    "4096",
    "65535",
    "65536",
    "2147483647",
    "2147483648",
    "4294967295",
    "4294967296",
    "18446744073709551615",
    "18446744073709551616",
    "00000000",
    "ffffffff",
    "\u{e9}",
    "\u{2028}",
    "\u{feff}",
    "\u{85}",
    "\u{202e}",
    "\u{1f600}",
];

/// How many changes at once: few, since an accepted input is easily broken.
const CHANGES: [usize; 8] = [1, 1, 1, 1, 2, 2, 4, 8];

/// A changed copy of `input`.
pub fn mutate(random: &mut Random, input: &[u8], other: &[u8], words: &[&str], longest: usize) -> Vec<u8> {
    let mut bytes = input.to_vec();
    let changes = CHANGES[random.below(CHANGES.len())];
    for _ in 0..changes {
        once(random, &mut bytes, other, words);
    }
    bytes.truncate(longest);
    bytes
}

fn once(random: &mut Random, bytes: &mut Vec<u8>, other: &[u8], words: &[&str]) {
    let at = random.below(bytes.len() + 1);
    match random.below(15) {
        0 => change(random, bytes, |random, byte| byte ^ (1 << random.below(8))),
        1 => change(random, bytes, |random, _| random.byte()),
        2 => change(random, bytes, |random, _| ODD_BYTES[random.below(ODD_BYTES.len())]),
        3 => change(random, bytes, |random, byte| byte.wrapping_add(random.below(17) as u8).wrapping_sub(8)),
        4 => insert(bytes, at, &[ODD_BYTES[random.below(ODD_BYTES.len())]]),
        5 => insert(bytes, at, ODD_TEXTS[random.below(ODD_TEXTS.len())].as_bytes()),
        6 | 7 if !words.is_empty() => {
            let word = words[random.below(words.len())].as_bytes();
            if random.once_in(2) {
                replace(random, bytes, word);
            } else {
                insert(bytes, at, word);
            }
        }
        8 => {
            let piece = piece(random, bytes);
            bytes.drain(piece);
        }
        9 => {
            let copy = bytes[piece(random, bytes)].to_vec();
            insert(bytes, at, &copy.repeat(1 + random.below(3)));
        }
        10 => {
            let line = line(random, bytes);
            if random.once_in(2) {
                bytes.drain(line);
            } else {
                let copy = bytes.drain(line).collect::<Vec<u8>>();
                let to = end_of_line(bytes, random.below(bytes.len() + 1));
                insert(bytes, to, &copy);
            }
        }
        11 => {
            let copy = bytes[line(random, bytes)].to_vec();
            let to = end_of_line(bytes, at);
            insert(bytes, to, &copy);
        }
        12 => number(random, bytes),
        13 => {
            let from = piece(random, other);
            insert(bytes, at, &other[from]);
        }
        _ => {
            bytes.truncate(at);
            bytes.extend_from_slice(&other[random.below(other.len() + 1)..]);
        }
    }
}

fn change(random: &mut Random, bytes: &mut [u8], into: impl Fn(&mut Random, u8) -> u8) {
    let at = random.below(bytes.len());
    if let Some(byte) = bytes.get_mut(at) {
        *byte = into(random, *byte);
    }
}

fn insert(bytes: &mut Vec<u8>, at: usize, what: &[u8]) {
    bytes.splice(at..at, what.iter().copied());
}

/// A word of the input gives way to another one.
fn replace(random: &mut Random, bytes: &mut Vec<u8>, word: &[u8]) {
    let runs = runs(bytes, |byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
    if let Some(run) = runs.get(random.below(runs.len())) {
        bytes.splice(run.clone(), word.iter().copied());
    }
}

/// A number gives way to another one: an odd one, a neighbour, or one of random size.
fn number(random: &mut Random, bytes: &mut Vec<u8>) {
    let runs = runs(bytes, |byte| byte.is_ascii_digit());
    let Some(run) = runs.get(random.below(runs.len())) else { return };
    let old: u64 = std::str::from_utf8(&bytes[run.clone()]).ok().and_then(|text| text.parse().ok()).unwrap_or(0);
    let new = match random.below(4) {
        0 => old.wrapping_add(1).to_string(),
        1 => old.wrapping_sub(1).to_string(),
        2 => ODD_TEXTS[random.below(ODD_TEXTS.len())].to_owned(),
        _ => (random.any() % 10u64.pow(1 + random.below(10) as u32)).to_string(),
    };
    bytes.splice(run.clone(), new.into_bytes());
}

/// Where bytes of one kind stand together.
fn runs(bytes: &[u8], kind: impl Fn(u8) -> bool) -> Vec<std::ops::Range<usize>> {
    let mut runs: Vec<std::ops::Range<usize>> = Vec::new();
    for (at, _) in bytes.iter().enumerate().filter(|(_, byte)| kind(**byte)) {
        match runs.last_mut() {
            Some(run) if run.end == at => run.end += 1,
            _ => runs.push(at..at + 1),
        }
    }
    runs
}

/// A piece of random length, short ones more often.
fn piece(random: &mut Random, bytes: &[u8]) -> std::ops::Range<usize> {
    let start = random.below(bytes.len() + 1);
    let most = bytes.len() - start;
    let bound = if random.once_in(4) { most } else { most.min(16) };
    start..start + random.below(bound + 1)
}

fn end_of_line(bytes: &[u8], from: usize) -> usize {
    bytes[from..].iter().position(|byte| *byte == b'\n').map_or(bytes.len(), |end| from + end + 1)
}

fn line(random: &mut Random, bytes: &[u8]) -> std::ops::Range<usize> {
    let at = random.below(bytes.len());
    let start = bytes[..at].iter().rposition(|byte| *byte == b'\n').map_or(0, |before| before + 1);
    start..end_of_line(bytes, at)
}
