//! Collects diagnostics while a text is read.

use crate::{
    Diagnostic, Diagnostics,
    diagnostic::{Severity, harmless},
};

/// A place in a text: line, column and length of a word.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Span {
    /// Line, from 1; 0 for the text as a whole.
    pub(crate) line: usize,
    /// Column in characters, from 1.
    pub(crate) column: usize,
    /// Length in characters.
    pub(crate) length: usize,
}

/// Most errors, and most warnings, that are kept.
const MOST: usize = 20;

/// The diagnostics of one text so far.
pub(crate) struct Report<'a> {
    file: &'a str,
    /// Split into lines only for a diagnostic: a host's text has a hundred thousand lines.
    text: &'a str,
    errors: Vec<Diagnostic>,
    warnings: Vec<Diagnostic>,
}

impl<'a> Report<'a> {
    pub(crate) fn new(file: &'a str, text: &'a str) -> Self {
        Self { file, text, errors: Vec::new(), warnings: Vec::new() }
    }

    pub(crate) fn error(&mut self, place: Span, message: impl Into<String>, help: impl Into<String>) {
        if self.errors.len() < MOST {
            let diagnostic = self.diagnostic(Severity::Error, place, message.into(), help.into());
            self.errors.push(diagnostic);
        }
    }

    /// Adds an error about another text, for instance the command line.
    pub(crate) fn put(&mut self, error: Diagnostic) {
        if self.errors.len() < MOST {
            self.errors.push(error);
        }
    }

    pub(crate) fn warning(&mut self, place: Span, message: impl Into<String>, help: impl Into<String>) {
        if self.warnings.len() < MOST {
            let diagnostic = self.diagnostic(Severity::Warning, place, message.into(), help.into());
            self.warnings.push(diagnostic);
        }
    }

    fn diagnostic(&self, severity: Severity, place: Span, message: String, help: String) -> Diagnostic {
        let source = place.line.checked_sub(1).and_then(|index| self.text.lines().nth(index));
        Diagnostic {
            severity,
            file: self.file.to_owned(),
            line: place.line,
            column: place.column,
            length: place.length.max(1),
            message: harmless(&message),
            help: if help.is_empty() { None } else { Some(harmless(&help)) },
            source: source.map(harmless).unwrap_or_default(),
        }
    }

    /// The value and its warnings, or the errors in the order of the text.
    pub(crate) fn finish<T>(mut self, value: Option<T>) -> Result<(T, Vec<Diagnostic>), Diagnostics> {
        match value {
            Some(value) if self.errors.is_empty() => Ok((value, self.warnings)),
            _ => {
                // Errors about other texts come last, in their own order.
                let elsewhere = |error: &Diagnostic| error.line == 0 || error.file != self.file;
                self.errors.sort_by_key(|error| (elsewhere(error), error.line, error.column));
                Err(Diagnostics(self.errors))
            }
        }
    }
}
