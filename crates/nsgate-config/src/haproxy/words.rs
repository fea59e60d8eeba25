//! Splits a line into words as haproxy does (`parse_line` in src/tools.c, haproxy 2.6; configuration manual, 2.2
//! "Quoting and escaping").

use super::text::MOST_WORDS;
use crate::report::Span;
use std::{iter::Peekable, str::Chars};

/// A word and its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Lexeme {
    /// The text with quotes and escapes resolved.
    pub(super) text: String,
    /// Its place in the file.
    pub(super) place: Span,
}

/// An error in a line: place, reason, help.
pub(super) type Fault = (Span, &'static str, &'static str);

/// A blank as haproxy knows it: `isspace` in the C locale. A carriage return is not one; it ends the line.
fn blank(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\u{b}' | '\u{c}')
}

/// Splits one line into words. A `#` outside quotes begins a comment. Quotes hold words together. A backslash escapes a few
/// characters; before any other one it stands for itself.
///
/// # Errors
/// What haproxy refuses, and what it would replace or skip: a variable in double quotes, an empty word.
pub(super) fn split(line: &str, number: usize) -> Result<Vec<Lexeme>, Fault> {
    let mut cursor = Cursor { chars: line.chars().peekable(), line: number, index: 0 };
    let mut words = Vec::new();
    let mut blanks = 0;
    loop {
        let started = cursor.index;
        while cursor.chars.next_if(|c| blank(*c)).is_some() {
            cursor.index += 1;
        }
        // Blanks before the first word are no separator.
        if !words.is_empty() && cursor.index > started {
            blanks += 1;
        }
        if blanks >= MOST_WORDS {
            let place = cursor.place(started, 1);
            return Err((place, "the line has more than 64 words", "haproxy refuses it; write shorter lines"));
        }
        match cursor.chars.peek() {
            None | Some('#' | '\r') => return Ok(words),
            Some(_) => words.push(cursor.word()?),
        }
    }
}

struct Cursor<'t> {
    chars: Peekable<Chars<'t>>,
    line: usize,
    /// Characters read so far.
    index: usize,
}

impl Cursor<'_> {
    fn next(&mut self) -> Option<char> {
        let c = self.chars.next()?;
        self.index += 1;
        Some(c)
    }

    fn place(&self, from: usize, length: usize) -> Span {
        Span { line: self.line, column: from + 1, length: length.max(1) }
    }

    /// The word that begins here.
    fn word(&mut self) -> Result<Lexeme, Fault> {
        let start = self.index;
        let mut bytes = Vec::new();
        let mut quote = None;
        while let Some(c) = self.chars.peek().copied() {
            if c == '\r' || (quote.is_none() && (blank(c) || c == '#')) {
                break;
            }
            let here = self.index;
            self.next();
            match (quote, c) {
                (None, '\'' | '"') => quote = Some(c),
                (Some(open), _) if open == c => quote = None,
                (Some('"'), '$') => {
                    let help = "write what the variable stands for; the character itself is `\\$`";
                    return Err((self.place(here, 1), "environment variables are not expanded", help));
                }
                (None | Some('"'), '\\') => bytes.push(self.escape(here, quote)?),
                (_, c) => bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
            }
        }
        let place = self.place(start, self.index - start);
        if quote.is_some() {
            return Err((place, "the quote is not closed on this line", "close it, or write `\\` before it"));
        }
        if bytes.is_empty() {
            return Err((place, "an empty word: haproxy ignores the words after it", "leave it out"));
        }
        match String::from_utf8(bytes) {
            Ok(text) => Ok(Lexeme { text, place }),
            Err(_) => Err((place, "the word is not UTF-8 once its escapes are resolved", "write it without them")),
        }
    }

    /// The byte of the escape that begins at `here`.
    fn escape(&mut self, here: usize, quote: Option<char>) -> Result<u8, Fault> {
        let meant = match self.chars.peek() {
            Some(c @ (' ' | '\\' | '#' | '\'' | '"')) => u8::try_from(*c).unwrap_or(b'\\'),
            Some('$') if quote.is_some() => b'$',
            Some('t') => b'\t',
            Some('n') => b'\n',
            Some('r') => b'\r',
            Some('x') => return self.hexadecimal(here),
            // Before any other character a backslash stands for itself.
            _ => return Ok(b'\\'),
        };
        self.next();
        Ok(meant)
    }

    /// The byte of `\xHH`; the cursor stands before the `x`.
    fn hexadecimal(&mut self, here: usize) -> Result<u8, Fault> {
        self.next();
        let mut value = 0u8;
        for _ in 0..2 {
            let digit = self.next().and_then(|c| c.to_digit(16)).and_then(|digit| u8::try_from(digit).ok());
            let Some(digit) = digit else {
                let place = self.place(here, 1);
                return Err((place, "`\\x` needs two hexadecimal digits behind it", "write `\\\\` for a backslash"));
            };
            value = (value << 4) | digit;
        }
        if value == 0 {
            return Err((self.place(here, 4), "`\\x00` would end the word", "leave it out"));
        }
        Ok(value)
    }
}

#[cfg(test)]
mod tests {
    use super::split;

    fn texts(line: &str) -> Vec<String> {
        split(line, 1).unwrap().into_iter().map(|word| word.text).collect()
    }

    #[test]
    fn words_quotes_and_comments() {
        assert_eq!(texts("  bind 1.2.3.4:80  # here"), ["bind", "1.2.3.4:80"]);
        assert_eq!(texts(r#"log-tag "a b" 'c d' e\ f"#), ["log-tag", "a b", "c d", "e f"]);
        assert_eq!(texts("a#b c"), ["a"]);
        assert_eq!(texts("a\"#\"b '#'"), ["a#b", "#"]);
        assert!(texts("   # nothing").is_empty());
    }

    #[test]
    fn a_backslash_means_what_it_means_to_haproxy() {
        assert_eq!(texts(r"\x61\x62 \t \n \r"), ["ab", "\t", "\n", "\r"]);
        assert_eq!(texts(r"\a \1 a\"), [r"\a", r"\1", r"a\"]);
        assert_eq!(
            texts(r#"\\ \# \" \' \$x "\$x" "\a\"" '\x61'"#),
            ["\\", "#", "\"", "'", "\\$x", "$x", "\\a\"", "\\x61"]
        );
        assert_eq!(texts(r"\xc3\xa4"), ["ä"]);
        for line in [r"\x", r"\x6", r"\x6g", r"\x00", r"\xc3"] {
            assert!(split(line, 1).is_err(), "{line}");
        }
    }

    #[test]
    fn blanks_are_those_of_the_c_locale() {
        assert_eq!(texts("a\tb\u{b}c\u{c}d"), ["a", "b", "c", "d"]);
        for other in ['\u{a0}', '\u{85}', '\u{2003}', '\u{3000}', '\u{feff}', '\u{2028}'] {
            assert_eq!(texts(&format!("a{other}b")), [format!("a{other}b")]);
        }
        assert_eq!(texts("a\r"), ["a"]);
    }

    #[test]
    fn a_line_has_64_words_at_most_and_no_blank_behind_the_last() {
        let words = ["a"; 64].join(" ");
        assert_eq!(texts(&words).len(), 64);
        assert_eq!(texts(&format!("  {words}#")).len(), 64);
        for more in [" ", " b", " # nothing"] {
            assert!(split(&format!("{words}{more}"), 1).is_err(), "{more:?}");
        }
    }

    #[test]
    fn places_are_in_characters() {
        let words = split("  ä bind", 7).unwrap();
        assert_eq!((words[1].place.line, words[1].place.column, words[1].place.length), (7, 5, 4));
    }

    #[test]
    fn open_quotes_variables_and_empty_words_are_refused() {
        for line in ["a \"b", "a 'b", "a \"$HOME\"", "a \"b${HOME}\"", "\"\" b", "a '' b", "a \"b\r\""] {
            assert!(split(line, 1).is_err(), "{line}");
        }
        assert_eq!(texts("a $HOME '$HOME'"), ["a", "$HOME", "$HOME"]);
    }
}
