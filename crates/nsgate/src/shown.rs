//! Errors in a file that root reads for a caller who may not read it: the line's number, and no word of the file.

use nsgate_config::{Diagnostic, Diagnostics};
use nsgate_launcher::ConfigText;

/// The errors in the file `name`, as far as the caller may see them.
pub(crate) fn errors(text: &ConfigText, name: &str, errors: Diagnostics) -> Diagnostics {
    Diagnostics(warnings(text, name, errors.0))
}

/// The same for warnings.
pub(crate) fn warnings(text: &ConfigText, name: &str, found: Vec<Diagnostic>) -> Vec<Diagnostic> {
    let Some(why) = text.hidden() else { return found };
    // Diagnostics about the command line show no word of the file.
    let (own, mut shown): (Vec<_>, Vec<_>) = found.into_iter().partition(|one| one.file == name);
    if let Some(first) = own.into_iter().next() {
        shown.insert(0, without_words(first, why));
    }
    shown
}

/// A diagnostic with the number of its line, and nothing else of the text.
fn without_words(found: Diagnostic, why: &str) -> Diagnostic {
    let message = match found.line {
        0 => "this is not a valid configuration".to_owned(),
        line => format!("line {line} is not valid in a configuration"),
    };
    Diagnostic {
        severity: found.severity,
        file: found.file,
        line: 0,
        column: 0,
        length: 1,
        message,
        help: Some(format!(
            "the text of the file is not shown: {why}; name the file itself, and check it as a user who may read it"
        )),
        source: String::new(),
    }
}
