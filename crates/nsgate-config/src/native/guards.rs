//! `[guards]`: checks the keys, and writes them.

use super::{draft::DraftGuards, time, toml_text::quoted, validator::Validator};
use crate::{ComponentName, Expiring, Guards, GuestHost, MethodName, PathPrefix, RequiredHeader, Tokens};
use std::{fmt::Display, num::NonZeroU8};
use toml::Spanned;

/// Most entries of a list. A gate with full lists still fits into the message of a handover.
const MOST: usize = 16;
const MOST_PATHS: usize = 32;

impl Validator<'_> {
    pub(super) fn guards(&mut self, draft: &DraftGuards) -> Guards {
        let tokens = self.optional("tokens", &draft.tokens, |word| {
            let found = Tokens::ALL.iter().find(|(name, _)| name == word).map(|(_, value)| *value);
            found.ok_or_else(|| format!("`{word}` is none of \"off\", \"optional\", \"required\""))
        });
        let expiring = draft.expiring.as_ref().and_then(|expiring| {
            let names = self.list("names", Some(&expiring.names), MOST, ComponentName::new);
            let after = self.value("after", &expiring.after, time::parse)?;
            Some(Expiring { names, after })
        });
        let hop_limit = self.optional("hop_limit", &draft.hop_limit, |number| {
            let limit = u8::try_from(*number).ok().and_then(NonZeroU8::new);
            limit.ok_or_else(|| "write a number from 1 to 255; 1 reaches guests of the same network only".to_owned())
        });
        let hide_paths = draft.hide_paths.as_ref().is_some_and(|said| {
            if *said.get_ref() && draft.paths.is_none() {
                self.wrong("hide_paths", said, "no path is refused without `paths`; write both or none".to_owned());
            }
            *said.get_ref()
        });
        Guards {
            refuse_forwarded: draft.refuse_forwarded,
            hosts: self.list("hosts", draft.hosts.as_ref(), MOST, GuestHost::new),
            require_header: self
                .optional("require_header", &draft.require_header, |said| RequiredHeader::new(&said.name, &said.value)),
            tokens: tokens.unwrap_or_default(),
            methods: self.list("methods", draft.methods.as_ref(), MOST, MethodName::new),
            paths: self.list("paths", draft.paths.as_ref(), MOST_PATHS, PathPrefix::new),
            hide_paths,
            expiring,
            hop_limit,
        }
    }

    /// Checks a list. An empty one is refused: it could mean everything or nothing.
    fn list<T: PartialEq, E: Into<String>>(
        &mut self,
        key: &str,
        said: Option<&Spanned<Vec<Spanned<String>>>>,
        most: usize,
        judge: impl Fn(&str) -> Result<T, E>,
    ) -> Vec<T> {
        let Some(said) = said else { return Vec::new() };
        let words = said.get_ref();
        if words.is_empty() || words.len() > most {
            self.wrong(key, said, format!("write 1 to {most} of them, or leave the key out"));
        }
        let mut all = Vec::new();
        for word in words {
            match self.value(key, word, |word| judge(word)) {
                Some(value) if all.contains(&value) => self.wrong(key, word, "this is named twice".to_owned()),
                Some(value) => all.push(value),
                None => {}
            }
        }
        all
    }
}

/// The table; empty if all guards are off.
#[must_use]
pub fn render(guards: &Guards) -> String {
    if guards.is_off() {
        return String::new();
    }
    let Guards { refuse_forwarded, hosts, require_header, tokens, methods, paths, hide_paths, expiring, hop_limit } =
        guards;
    let mut lines = vec!["\n[guards]".to_owned(), format!("refuse_forwarded = {refuse_forwarded}")];
    lines.extend(array("hosts", hosts));
    if let Some(header) = require_header {
        let (name, value) = (quoted(header.name()), quoted(header.value()));
        lines.push(format!("require_header = {{ name = {name}, value = {value} }}"));
    }
    lines.push(format!("tokens = \"{}\"", tokens.as_str()));
    lines.extend(array("methods", methods));
    lines.extend(array("paths", paths));
    lines.extend(hide_paths.then(|| "hide_paths = true".to_owned()));
    if let Some(Expiring { names, after }) = expiring {
        let (names, after) = (words(names), time::write(*after));
        lines.push(format!("expiring = {{ names = {names}, after = \"{after}\" }} # from the first request on"));
    }
    lines.extend(hop_limit.map(|limit| format!("hop_limit = {limit}")));
    lines.join("\n") + "\n"
}

fn array<T: Display>(key: &str, all: &[T]) -> Option<String> {
    (!all.is_empty()).then(|| format!("{key} = {}", words(all)))
}

fn words<T: Display>(all: &[T]) -> String {
    let all: Vec<String> = all.iter().map(|one| quoted(&one.to_string())).collect();
    format!("[{}]", all.join(", "))
}
