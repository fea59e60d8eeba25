//! What is said of a file that root reads for somebody who may not read it: which line is wrong, and no word of it.

use nsgate_config::{Diagnostic, Diagnostics};
use nsgate_launcher::ConfigText;

/// What is wrong with the file `name`, as far as it may be shown.
pub(crate) fn errors(text: &ConfigText, name: &str, errors: Diagnostics) -> Diagnostics {
    Diagnostics(warnings(text, name, errors.0))
}

/// The same of what is odd about it.
pub(crate) fn warnings(text: &ConfigText, name: &str, found: Vec<Diagnostic>) -> Vec<Diagnostic> {
    let Some(why) = text.hidden() else { return found };
    // What is about the command line quotes that alone.
    let (own, mut shown): (Vec<_>, Vec<_>) = found.into_iter().partition(|one| one.file == name);
    if let Some(first) = own.into_iter().next() {
        shown.insert(0, without_words(first, why));
    }
    shown
}

/// A diagnostic with its line, and nothing else of the text.
fn without_words(found: Diagnostic, why: &str) -> Diagnostic {
    let message = match found.line {
        0 => "this is not what a configuration says".to_owned(),
        line => format!("line {line} is not what a configuration says"),
    };
    Diagnostic {
        severity: found.severity,
        file: found.file,
        line: 0,
        column: 0,
        length: 1,
        message,
        help: Some(format!(
            "what stands in the file is not shown: {why}; name the file itself, and have it read by who may read it"
        )),
        source: String::new(),
    }
}
