//! A text without its meaning: its lines as words, without quotes and backslashes.
//!
//! Of use for names and for what has no effect at a gate; a meaning is never taken from here.

/// The words of a line.
pub fn of(line: &str) -> Vec<String> {
    let line = line.split('#').next().unwrap_or_default();
    line.split_whitespace().map(plain).collect()
}

/// A word without quotes and backslashes, `\x61` as the letter that it is.
fn plain(word: &str) -> String {
    let (mut plain, mut rest) = (String::new(), word);
    while let Some(c) = rest.chars().next() {
        rest = &rest[c.len_utf8()..];
        let byte = rest.strip_prefix('x').and_then(|digits| u8::from_str_radix(digits.get(..2)?, 16).ok());
        match (c, byte) {
            ('\\', Some(byte)) => {
                plain.push(char::from(byte));
                rest = &rest[3..];
            }
            ('"' | '\'' | '\\', _) => {}
            _ => plain.push(c),
        }
    }
    plain
}

/// All lines that begin with these words: the words after them.
pub fn behind<'t>(lines: &'t [Vec<String>], begin: &[&str]) -> impl Iterator<Item = &'t [String]> {
    let begin: Vec<String> = begin.iter().map(|word| (*word).to_owned()).collect();
    lines.iter().filter_map(move |line| line.strip_prefix(&begin[..]))
}

/// The word behind `key` in a line.
pub fn value<'t>(line: &'t [String], key: &str) -> Option<&'t str> {
    let at = line.iter().position(|word| word == key)?;
    line.get(at + 1).map(String::as_str)
}

/// A word, of any characters, as haproxy reads it back (configuration manual, 2.2).
pub fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:@[]%+,=".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', "'\\''"))
}
