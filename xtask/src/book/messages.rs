//! docs/messages.md: every message of the launcher, the sandbox and the pool has its row.

use std::fs;
use std::path::Path;

use nsgate_tests::program::workspace;
use syn::{Attribute, Item, LitStr, Meta};

use super::Page;

/// Where the errors of a start are defined.
const SOURCES: [&str; 4] = [
    "crates/nsgate-launcher/src/error.rs",
    "crates/nsgate-sandbox/src/error.rs",
    "crates/nsgate-pool/src/offer.rs",
    "crates/nsgate-pool/src/ask.rs",
];
const PAGE: &str = "docs/messages.md";

/// One sentence for each message without a row.
///
/// # Errors
/// A source cannot be read.
pub(super) fn wrong(pages: &[Page]) -> Result<Vec<String>, String> {
    let page = pages.iter().find(|page| page.path == Path::new(PAGE)).ok_or_else(|| format!("no {PAGE}"))?;
    // A table's cell writes `|` with a backslash.
    let page = page.text.replace("\\|", "|");
    let mut out = Vec::new();
    for source in SOURCES {
        let text = fs::read_to_string(workspace().join(source)).map_err(|error| format!("{source}: {error}"))?;
        let file = syn::parse_file(&text).map_err(|error| format!("{source}: {error}"))?;
        for item in file.items {
            let Item::Enum(one) = item else { continue };
            for variant in &one.variants {
                let Some(message) = variant.attrs.iter().find_map(message) else { continue };
                let shown = elided(&message);
                // A message of `…` alone has no text to look for.
                let fixed: usize = shown.split('…').map(|part| part.trim().len()).sum();
                if fixed > 12 && !page.contains(shown.trim_end_matches('…')) {
                    out.push(format!("{PAGE}: has no row for `{shown}` ({}::{})", one.ident, variant.ident));
                }
            }
        }
    }
    Ok(out)
}

/// The text of `#[error("…")]`.
fn message(attribute: &Attribute) -> Option<String> {
    let Meta::List(list) = &attribute.meta else { return None };
    let first = list.tokens.clone().into_iter().next().filter(|_| list.path.is_ident("error"))?;
    syn::parse_str::<LitStr>(&first.to_string()).ok().map(|text| text.value())
}

/// With `…` for each part that differs.
fn elided(message: &str) -> String {
    let mut out = String::new();
    let mut rest = message;
    while let Some((before, after)) = rest.split_once('{') {
        out.push_str(before);
        out.push('…');
        rest = after.split_once('}').map_or("", |(_, behind)| behind);
    }
    out + rest
}

#[cfg(test)]
mod tests {
    #[test]
    fn what_differs_is_elided() {
        assert_eq!(super::elided("cannot read {}: {source}; mount /proc"), "cannot read …: …; mount /proc");
    }
}
