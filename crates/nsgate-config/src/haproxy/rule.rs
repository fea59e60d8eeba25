//! One keyword of the dialect, and what nsgate does with it.

use super::{reader::HaproxyReader, shape::Shape, words::Lexeme};
use crate::report::Report;

/// Reads a keyword into the [`HaproxyReader`]. The first words are the keyword's own, the second its arguments.
pub(super) type Take = fn(&mut HaproxyReader, &mut Report<'_>, &[Lexeme], &[Lexeme]);

/// What nsgate does with a keyword.
#[derive(Clone, Copy)]
pub(super) enum Rule {
    /// It means to nsgate what it means to haproxy.
    Understood(Take),
    /// It changes nothing. A warning says so. Arguments that haproxy would refuse are an error.
    Harmless(Shape),
    /// The same, but haproxy would do something that a gate does not: the warning says what.
    Unfollowed(Shape, &'static str),
    /// It changes nothing, for a word that haproxy 2.6 does not know and a later haproxy does.
    Later(Shape),
    /// It would change who is served or what is trusted; the reason is given.
    Refused(&'static str),
}

/// One keyword: its words, joined by a space. A `*` at the end stands for any ending.
#[derive(Clone, Copy)]
pub(super) struct Keyword {
    pub(super) name: &'static str,
    pub(super) rule: Rule,
}

pub(super) const fn understood(name: &'static str, take: Take) -> Keyword {
    Keyword { name, rule: Rule::Understood(take) }
}

pub(super) const fn harmless(name: &'static str, shape: Shape) -> Keyword {
    Keyword { name, rule: Rule::Harmless(shape) }
}

pub(super) const fn unfollowed(name: &'static str, shape: Shape, haproxy: &'static str) -> Keyword {
    Keyword { name, rule: Rule::Unfollowed(shape, haproxy) }
}

pub(super) const fn later(name: &'static str, shape: Shape) -> Keyword {
    Keyword { name, rule: Rule::Later(shape) }
}

pub(super) const fn refused(name: &'static str, reason: &'static str) -> Keyword {
    Keyword { name, rule: Rule::Refused(reason) }
}
