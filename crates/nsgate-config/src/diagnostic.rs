//! Errors and warnings about a text: what, where, and what to write instead.

use serde::Serialize;
use std::fmt;

/// The severity of a diagnostic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The text is refused.
    Error,
    /// The text is accepted; a part of it has no effect or means something else.
    Warning,
}

/// One error or warning, and its place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Diagnostic {
    /// Error or warning.
    pub severity: Severity,
    /// The file's name as the caller gave it.
    pub file: String,
    /// Line, from 1; 0 for the text as a whole.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// Length of the marked word in characters, at least 1.
    pub length: usize,
    /// What is wrong.
    pub message: String,
    /// What to write instead.
    pub help: Option<String>,
    /// The line itself, with control characters made visible.
    pub source: String,
}

/// All diagnostics of one text, in the order of the text.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Diagnostics(pub Vec<Diagnostic>);

/// Escape sequences for colours, or empty strings.
struct Paint {
    severity: &'static str,
    mark: &'static str,
    bold: &'static str,
    plain: &'static str,
}

impl Diagnostic {
    /// The diagnostic as one line, for a log: where, what, and help.
    #[must_use]
    pub fn one_line(&self) -> String {
        let place = if self.line == 0 { String::new() } else { format!(":{}:{}", self.line, self.column) };
        let help = self.help.as_ref().map(|help| format!("; {help}")).unwrap_or_default();
        format!("{}{place}: {}{help}", self.file, self.message)
    }

    /// The diagnostic as text: what, where, the line with a caret below the word, and help.
    #[must_use]
    pub fn render(&self, colours: bool) -> String {
        let (word, colour) = match self.severity {
            Severity::Error => ("error", "\x1b[1;31m"),
            Severity::Warning => ("warning", "\x1b[1;33m"),
        };
        let paint = if colours {
            Paint { severity: colour, mark: "\x1b[1;34m", bold: "\x1b[1m", plain: "\x1b[0m" }
        } else {
            Paint { severity: "", mark: "", bold: "", plain: "" }
        };
        let Paint { severity, mark, bold, plain } = paint;
        let mut text = format!("{severity}{word}{plain}{bold}: {}{plain}", self.message);
        if self.line == 0 {
            text.push_str(&format!("\n{mark}-->{plain} {}", self.file));
        } else {
            let margin = " ".repeat(self.line.to_string().len());
            let offset = " ".repeat(self.column.saturating_sub(1));
            let caret = "^".repeat(self.length.max(1));
            text.push_str(&format!(
                "\n{margin}{mark}-->{plain} {}:{}:{}\n{margin} {mark}|{plain}\n{mark}{} |{plain} {}\n\
                 {margin} {mark}|{plain} {offset}{severity}{caret}{plain}",
                self.file, self.line, self.column, self.line, self.source
            ));
        }
        if let Some(help) = &self.help {
            text.push_str(&format!("\n  {bold}help:{plain} {help}"));
        }
        text
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(false))
    }
}

impl Diagnostics {
    /// All of them as text.
    #[must_use]
    pub fn render(&self, colours: bool) -> String {
        self.0.iter().map(|diagnostic| diagnostic.render(colours)).collect::<Vec<_>>().join("\n")
    }
}

impl fmt::Display for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(false))
    }
}

impl std::error::Error for Diagnostics {}

/// A line that is safe to show on a terminal. A tab becomes one space and any other control character U+FFFD: columns stay, and
/// the cursor does not move. The line is cut after 200 characters.
pub(crate) fn harmless(line: &str) -> String {
    line.chars()
        .take(200)
        .map(|c| match c {
            '\t' => ' ',
            c if c.is_control() => '\u{fffd}',
            c => c,
        })
        .collect()
}

/// A word as a shell reads it, in quotes if it needs them.
pub(crate) fn shell_word(word: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "-_./:=@%+,[]~…".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}
