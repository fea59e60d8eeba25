//! Which tests of a suite run: those that the words of its command line choose.
//!
//! A word chooses each test whose name contains it, and the whole suite if it is the suite's name. Words that choose no test are
//! an error: a run of no tests would pass.

/// Said by a caller that runs all suites with the same words, and sees itself whether each word has chosen a test.
pub const AMONG_OTHERS: &str = "--among-others";

/// The words of a suite's command line.
#[derive(Debug)]
pub struct Choice {
    words: Vec<String>,
    among_others: bool,
}

impl Choice {
    /// What these arguments choose; those that begin with a `-` choose nothing.
    pub fn of(arguments: &[String]) -> Choice {
        let words = arguments.iter().filter(|word| !word.starts_with('-')).cloned().collect();
        Choice { words, among_others: arguments.iter().any(|word| word == AMONG_OTHERS) }
    }

    /// Whether this test of this suite is chosen.
    pub fn has(&self, suite: &str, test: &str) -> bool {
        self.words.is_empty() || self.words.iter().any(|word| chooses(word, suite, test))
    }

    /// A sentence for words of which no test of this suite is chosen.
    pub fn fault(&self, suite: &str, chosen: usize) -> Option<String> {
        (chosen == 0 && !self.words.is_empty() && !self.among_others).then(|| nothing_chosen(&self.words, suite))
    }
}

/// Whether the word chooses this test of this suite.
pub fn chooses(word: &str, suite: &str, test: &str) -> bool {
    word == suite || test.contains(word)
}

fn nothing_chosen(words: &[String], suite: &str) -> String {
    format!(
        "no test of the suite `{suite}` has `{}` in its name, so nothing was tested; `--list` in the place of the words prints the \
         names, and `cargo xtask test e2e -- WORD` asks every suite",
        words.join("` or `")
    )
}
