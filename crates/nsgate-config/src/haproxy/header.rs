//! The line that begins a section.

use super::{section::Section, words::Lexeme};
use crate::report::{Report, Span};

/// Checks the words after a section's keyword. Returns the name, if there is a valid one.
pub(super) fn name<'w>(
    report: &mut Report<'_>,
    section: Section,
    keyword: Span,
    rest: &'w [Lexeme],
) -> Option<&'w Lexeme> {
    let said = section.name();
    let named = matches!(section, Section::Listen | Section::Frontend | Section::Backend);
    let form = match section {
        Section::Global => "write `global` alone".to_owned(),
        Section::Defaults => "write `defaults` alone, or with a name".to_owned(),
        _ => format!("write `{said} NAME`"),
    };
    if let Some(from) = rest.iter().find(|word| word.text == "from") {
        let help = "write all that shall hold into the last `defaults` above the section";
        report.error(
            from.place,
            format!("`{said} … from` is not accepted: each section has the `defaults` above it"),
            help,
        );
        return None;
    }
    let expected = usize::from(!matches!(section, Section::Global));
    if let Some(surplus) = rest.get(expected) {
        report.error(surplus.place, format!("`{}` is not expected behind `{said}`", surplus.text), form);
        return None;
    }
    match rest.first() {
        None if named => {
            report.error(keyword, format!("`{said}` needs a name"), form);
            None
        }
        Some(word) if named => match odd(&word.text) {
            Some(c) => {
                report.error(word.place, format!("`{}` contains {c:?}, which no name has", word.text), NAMES);
                None
            }
            None => Some(word),
        },
        found => found,
    }
}

/// The characters of a name (`invalid_char`, src/tools.c).
pub(super) const NAMES: &str = "a name has letters, digits, `-`, `_`, `.` and `:`";

/// The first character that is not valid in the name of a section, a server or an acl.
pub(super) fn odd(name: &str) -> Option<char> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b':' | b'_' | b'-');
    // A host's text has twenty thousand names, nearly all valid: check all bytes without a branch for each.
    if name.bytes().fold(true, |all, byte| all & plain(byte)) {
        return None;
    }
    name.chars().find(|c| !u8::try_from(*c).is_ok_and(plain))
}

/// Whether a value has capital letters, which a proxy writes as small ones.
pub(super) fn has_capitals(value: &str) -> bool {
    value.bytes().fold(false, |any, byte| any | byte.is_ascii_uppercase())
}
