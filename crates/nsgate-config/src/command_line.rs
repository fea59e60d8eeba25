//! Mistakes on a command line, shown as those in a file are: with a caret below the wrong word.
//!
//! Promises that the line fits a terminal (`…` replaces words far from the mistake), and that no word moves its cursor.

use crate::{
    Diagnostic, Severity,
    diagnostic::{harmless, shell_word},
};
use std::ffi::OsString;

/// Longest line that is shown, in characters. The wrong word itself is always shown whole.
const WIDTH: usize = 96;

/// Replaces words that are left out.
const LEFT_OUT: &str = "…";

/// The words of a command line, beginning with the program's name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CommandLine {
    words: Vec<String>,
}

/// A place on a command line: a word, or the part of it that matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spot {
    /// Index of the word; the number of words stands for the end of the line.
    word: usize,
    /// Characters to skip at its beginning: `--flag=`.
    skip: usize,
}

impl Spot {
    /// Whether it is the first word behind the program's name.
    #[must_use]
    pub fn is_first(&self) -> bool {
        self.word == 1
    }
}

impl CommandLine {
    /// The words as `std::env::args_os` has them. Of the program's path only the name is kept.
    pub fn new(words: impl IntoIterator<Item = OsString>) -> Self {
        let mut words: Vec<String> = words.into_iter().map(|word| word.to_string_lossy().into_owned()).collect();
        if let Some(program) = words.first_mut() {
            *program = program.rsplit('/').next().unwrap_or_default().to_owned();
        }
        Self { words }
    }

    /// The end of the line, where a word is missing.
    #[must_use]
    pub fn end(&self) -> Spot {
        Spot { word: self.words.len(), skip: 0 }
    }

    /// The first word that is `text`, or that begins with the option `text` and `=`.
    #[must_use]
    pub fn word(&self, text: &str) -> Option<Spot> {
        self.options(text).next().map(|(word, _)| Spot { word, skip: 0 })
    }

    /// The value of an option; `occurrence` counts from 0 if the option is repeated. `--option value` and `--option=value` are
    /// the same, and so are `-` and `_` within the name. Without a value, the spot is the option itself.
    #[must_use]
    pub fn value(&self, option: &str, occurrence: usize) -> Option<Spot> {
        let (word, attached) = self.options(option).nth(occurrence)?;
        Some(match attached {
            Some(skip) => Spot { word, skip },
            None if word + 1 < self.words.len() => Spot { word: word + 1, skip: 0 },
            None => Spot { word, skip: 0 },
        })
    }

    /// The spot that a message is about: the first words in backticks that are on the line. If they are an option and the
    /// message is about its value (`` `--port`: … ``, `` `-n 0` is … ``), the spot is the value.
    #[must_use]
    pub fn spoken_of(&self, sentence: &str) -> Option<Spot> {
        sentence.split('`').skip(1).step_by(2).find_map(|quoted| {
            let about_value = sentence.contains(&format!("`{quoted}`: "));
            match quoted.split_once(' ') {
                Some((option, _)) if option.starts_with('-') => self.value(option, 0),
                None if about_value => self.value(quoted, 0),
                _ => self.word(quoted),
            }
        })
    }

    /// An error at `spot`. Without a spot, [`Diagnostic::render`] does not show the line.
    #[must_use]
    pub fn error(&self, spot: Option<Spot>, message: &str, help: &str) -> Diagnostic {
        let (column, length, source) = spot.map_or((1, 1, String::new()), |spot| self.shown(spot));
        Diagnostic {
            severity: Severity::Error,
            file: "command line".to_owned(),
            line: usize::from(spot.is_some()),
            column,
            length,
            message: harmless(message),
            help: if help.is_empty() { None } else { Some(harmless(help)) },
            source,
        }
    }

    /// The words that are this option. For `--option=value`, the length of `--option=` as well.
    fn options(&self, option: &str) -> impl Iterator<Item = (usize, Option<usize>)> {
        let folded = |text: &str| text.replace('_', "-");
        let wanted = folded(option);
        // Words after `--` are no options.
        let words = self.words.iter().enumerate().skip(1).take_while(|(_, word)| *word != "--");
        words.filter_map(move |(index, word)| {
            let name = word.split_once('=').filter(|_| option.starts_with('-')).map(|(name, _)| name);
            match name {
                Some(name) if folded(name) == wanted => Some((index, Some(name.chars().count() + 1))),
                _ => (folded(word) == wanted).then_some((index, None)),
            }
        })
    }

    /// Column and length of the spot, and the line around it.
    fn shown(&self, spot: Spot) -> (usize, usize, String) {
        let mut words: Vec<String> = self.words.iter().map(|word| harmless(&shell_word(word))).collect();
        let quoted = |index: usize| words.get(index) != self.words.get(index);
        // Mark a quoted word as a whole: quoting moves its characters.
        let skip = if quoted(spot.word) { 0 } else { spot.skip };
        if spot.word >= words.len() {
            words.push(" ".to_owned());
        }
        let mut first = spot.word.min(words.len().saturating_sub(1));
        let mut last = first;
        let long = |index: usize| words.get(index).map_or(0, |word| word.chars().count() + 1);
        let mut width = long(first);
        // Show as many neighbours as fit. Those before the word come first: they name the command.
        while first > 0 && width + long(first - 1) <= WIDTH {
            first -= 1;
            width += long(first);
        }
        while last + 1 < words.len() && width + long(last + 1) <= WIDTH {
            last += 1;
            width += long(last);
        }
        let mut before: Vec<String> = Vec::new();
        if first > 0 {
            // The program, and the second word if it is a command.
            let head = words.iter().take(2).take_while(|word| !word.starts_with('-')).take(first);
            before.extend(head.cloned());
            if before.len() < first {
                before.push(LEFT_OUT.to_owned());
            }
        }
        before.extend(words.iter().take(spot.word).skip(first).cloned());
        let mark = words.get(spot.word).cloned().unwrap_or_default();
        let after: Vec<String> = words.iter().take(last + 1).skip(spot.word + 1).cloned().collect();
        let cut = if last + 1 < words.len() { Some(LEFT_OUT.to_owned()) } else { None };
        let column = before.iter().map(|word| word.chars().count() + 1).sum::<usize>() + skip + 1;
        let length = mark.chars().count().saturating_sub(skip).max(1);
        let line: Vec<String> = before.into_iter().chain([mark]).chain(after).chain(cut).collect();
        (column, length, line.join(" ").trim_end().to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::CommandLine;
    use std::ffi::OsString;

    fn line(text: &str) -> CommandLine {
        CommandLine::new(text.split(' ').map(OsString::from))
    }

    /// The line as shown, and what the caret stands under.
    fn shown(line: &CommandLine, spot: Option<super::Spot>) -> (String, String) {
        let diagnostic = line.error(spot, "wrong", "");
        let marked = diagnostic.source.chars().skip(diagnostic.column - 1).take(diagnostic.length).collect();
        (diagnostic.source, marked)
    }

    #[test]
    fn a_caret_stands_below_the_word() {
        let line = line("/usr/bin/nsgate run --listen a --listen=b --prot x");
        for (spot, marked) in [
            (line.word("--prot"), "--prot"),
            (line.value("--listen", 0), "a"),
            (line.value("--listen", 1), "b"),
            (line.value("--prot", 0), "x"),
        ] {
            let found = shown(&line, spot);
            assert_eq!(found, ("nsgate run --listen a --listen=b --prot x".to_owned(), marked.to_owned()));
        }
        assert_eq!((line.word("--nothing"), line.value("--listen", 2)), (None, None));
        let text = line.error(line.word("--prot"), "`--prot` is not known", "write another").render(false);
        assert!(text.contains(" --> command line:1:34\n"), "{text}");
    }

    #[test]
    fn what_is_missing_is_missing_at_the_end() {
        let line = line("nsgate run --user x");
        let diagnostic = line.error(Some(line.end()), "wrong", "");
        assert_eq!((diagnostic.column, diagnostic.length), ("nsgate run --user x".len() + 2, 1));
    }

    #[test]
    fn a_long_line_is_shown_around_the_mistake() {
        let words = |count: usize| (0..count).map(|n| format!("--number-{n} value-{n}")).collect::<Vec<_>>().join(" ");
        let long = line(&format!("nsgate add {} --prot x {}", words(30), words(30)));
        let (text, marked) = shown(&long, long.word("--prot"));
        assert_eq!(marked, "--prot");
        assert!(text.starts_with("nsgate add … ") && text.ends_with(" …") && text.chars().count() < 120, "{text}");
    }

    #[test]
    fn words_are_shown_as_a_shell_takes_them_and_move_no_cursor() {
        let line =
            CommandLine::new(["nsgate", "run", "--user", "a b", "--x\u{1b}[2J", "--netns=it's"].map(OsString::from));
        let (text, marked) = shown(&line, line.value("--user", 0));
        assert_eq!(marked, "'a b'");
        assert!(!text.contains('\u{1b}') && text.ends_with(r"'--netns=it'\''s'"), "{text}");
        assert_eq!(shown(&line, line.value("--netns", 0)).1, r"'--netns=it'\''s'");
    }

    #[test]
    fn a_sentence_says_where() {
        let line = line("proxy --metadata_port=0 -n 5 -zz --user-name x");
        for (sentence, marked) in [
            ("`--metadata-port`: `0` is not a port", "0"),
            ("`-n 5` is not a number", "5"),
            ("`-zz` is not an option; `--help` lists them", "-zz"),
            ("`--user_name` is said twice", "--user-name"),
        ] {
            assert_eq!(shown(&line, line.spoken_of(sentence)).1, marked, "{sentence}");
        }
        assert_eq!(line.spoken_of("no configuration file is given"), None);
    }
}
