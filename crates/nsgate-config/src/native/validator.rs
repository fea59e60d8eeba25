//! Checks the keys of one draft: every value is checked, and all mistakes are reported at once.

use super::{
    flags::{flag, flag_index},
    toml_text::place,
};
use crate::{
    CommandLine, Diagnostic, Diagnostics,
    report::{Report, Span},
};
use std::ops::RangeInclusive;
use toml::Spanned;

/// The validator of one draft. The text is empty where the draft comes from the command line alone.
pub(super) struct Validator<'a> {
    text: &'a str,
    command_line: Option<CommandLine>,
    report: Report<'a>,
}

impl<'a> Validator<'a> {
    pub(super) fn new(file: &'a str, text: &'a str, command_line: Option<CommandLine>) -> Self {
        Self { text, command_line, report: Report::new(file, text) }
    }

    /// The value and its warnings, or all errors.
    pub(super) fn finish<T>(self, value: Option<T>) -> Result<(T, Vec<Diagnostic>), Diagnostics> {
        self.report.finish(value)
    }

    /// A number within `range`; `default` where the key is absent.
    pub(super) fn number(
        &mut self,
        key: &str,
        said: &Option<Spanned<i64>>,
        default: u32,
        range: RangeInclusive<u32>,
    ) -> u32 {
        let Some(said) = said else { return default };
        let found = u32::try_from(*said.get_ref()).ok().filter(|number| range.contains(number));
        if found.is_none() {
            self.wrong(key, said, format!("write a number from {} to {}", range.start(), range.end()));
        }
        found.unwrap_or(default)
    }

    pub(super) fn required<T, V, E: Into<String>>(
        &mut self,
        key: &str,
        said: &Option<Spanned<V>>,
        form: &str,
        judge: impl FnOnce(&V) -> Result<T, E>,
    ) -> Option<T> {
        if said.is_none() {
            self.missing(key, form);
        }
        self.optional(key, said, judge)
    }

    pub(super) fn optional<T, V, E: Into<String>>(
        &mut self,
        key: &str,
        said: &Option<Spanned<V>>,
        judge: impl FnOnce(&V) -> Result<T, E>,
    ) -> Option<T> {
        said.as_ref().and_then(|said| self.value(key, said, judge))
    }

    pub(super) fn value<T, V, E: Into<String>>(
        &mut self,
        key: &str,
        said: &Spanned<V>,
        judge: impl FnOnce(&V) -> Result<T, E>,
    ) -> Option<T> {
        judge(said.get_ref()).map_err(|reason| self.wrong(key, said, reason.into())).ok()
    }

    pub(super) fn wrong<V>(&mut self, key: &str, said: &Spanned<V>, reason: String) {
        let Some(number) = flag_index(&said.span()) else {
            self.report.error(place(self.text, said.span()), format!("`{key}`: {reason}"), "");
            return;
        };
        let option = format!("--{}", flag(key));
        let message = format!("{option}: {reason}");
        match &self.command_line {
            Some(line) => self.report.put(line.error(line.value(&option, number), &message, "")),
            None => self.report.error(Span::default(), message, ""),
        }
    }

    /// The value of a key that only a text has, with its table before its name.
    pub(super) fn must<T, V, E: Into<String>>(
        &mut self,
        path: &str,
        said: &Option<Spanned<V>>,
        form: &str,
        judge: impl FnOnce(&V) -> Result<T, E>,
    ) -> Option<T> {
        if said.is_none() {
            self.absent(path, form);
        }
        self.optional(path.rsplit('.').next().unwrap_or(path), said, judge)
    }

    /// The same where it is not there.
    pub(super) fn absent(&mut self, path: &str, form: &str) {
        let table = path.split_once('.').map(|(table, _)| format!(" in [{table}]")).unwrap_or_default();
        self.report.error(Span::default(), format!("`{path}` is missing"), format!("write {form}{table}"));
    }

    /// What a text does not say, and what that costs.
    pub(super) fn warning(&mut self, message: &str, help: &str) {
        self.report.warning(Span::default(), message, help);
    }

    pub(super) fn missing(&mut self, key: &str, form: &str) {
        let flag = flag(key);
        let message = format!("`{key}` (--{flag}) is missing");
        match &self.command_line {
            // All of the configuration comes from flags: ask for one more.
            Some(line) if self.text.is_empty() => {
                let form = form.split_once(" = ").map_or(form, |(_, value)| value).trim_matches(['[', ']', '"']);
                let help = format!("write --{flag} {form}");
                self.report.put(line.error(Some(line.end()), &message, &help));
            }
            _ => self.report.error(Span::default(), message, format!("write {form}")),
        }
    }
}
