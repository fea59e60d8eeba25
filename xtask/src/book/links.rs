//! Links between pages: the file is there, and so is the heading.
// Kept: lychee is 78 MB to download and 318 MB unpacked.

use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};

use nsgate_tests::program::workspace;

use super::Page;

/// The index of the book.
const INDEX: &str = "docs/README.md";

/// One sentence for each link that leads nowhere, and for each page that the index leaves out.
pub(super) fn wrong(pages: &[Page]) -> Vec<String> {
    let (mut out, mut listed) = (Vec::new(), BTreeSet::new());
    for page in pages {
        for (line, target) in links(&page.text) {
            let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
            let here = page.path.parent().unwrap_or(Path::new(""));
            let path = if file.is_empty() { page.path.clone() } else { plain(&here.join(file)) };
            let place = format!("{}:{line}", page.path.display());
            if !workspace().join(&path).exists() {
                out.push(format!("{place}: there is no {}", path.display()));
            } else if !anchor.is_empty() && !heads(pages, &path).contains(anchor) {
                out.push(format!("{place}: {} has no heading #{anchor}", path.display()));
            }
            if page.path == Path::new(INDEX) {
                listed.insert(path);
            }
        }
    }
    let book =
        pages.iter().filter(|page| page.path.parent() == Some(Path::new("docs")) && page.path != Path::new(INDEX));
    out.extend(book.filter(|page| !listed.contains(&page.path)).map(|page| {
        format!("{INDEX}: has no link to {}; a page that is not in the index is not found", page.path.display())
    }));
    out
}

/// Links into this repository, with their lines; code is not looked at.
fn links(text: &str) -> Vec<(usize, &str)> {
    let (mut found, mut code) = (Vec::new(), false);
    for (index, line) in text.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            code = !code;
        }
        if code {
            continue;
        }
        for (at, _) in line.match_indices("](") {
            let Some((target, _)) = line[at + 2..].split_once(')') else { continue };
            let inside = line[..at].matches('`').count() % 2 == 1;
            if !inside && !target.contains("://") && !target.starts_with("mailto:") {
                found.push((index + 1, target));
            }
        }
    }
    found
}

/// Without `.` and `..`.
fn plain(path: &Path) -> PathBuf {
    let mut out = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => {
                out.pop();
            }
            Component::CurDir => {}
            other => out.push(other),
        }
    }
    out
}

/// The anchors that a forge makes of a page's headings.
fn heads(pages: &[Page], path: &Path) -> BTreeSet<String> {
    let text = pages.iter().find(|page| page.path == path).map(|page| page.text.as_str()).unwrap_or_default();
    let mut code = false;
    let lines = text.lines().filter(|line| {
        code ^= line.starts_with("```");
        !code && line.starts_with('#')
    });
    lines.map(|line| anchor(line.trim_start_matches('#').trim())).collect()
}

fn anchor(heading: &str) -> String {
    let kept = heading.chars().filter(|c| c.is_alphanumeric() || [' ', '-', '_'].contains(c));
    kept.collect::<String>().to_lowercase().replace(' ', "-")
}

#[cfg(test)]
mod tests {
    use super::{anchor, links, plain};
    use std::path::Path;

    #[test]
    fn only_links_outside_code_count() {
        let text = "see [a](b.md#c), `[x](y)` and [web](https://a.b)\n```\n[no](no)\n```\n[d](e)\n";
        assert_eq!(links(text), [(1, "b.md#c"), (5, "e")]);
        assert_eq!(anchor("What a guest is told: `408`, and why"), "what-a-guest-is-told-408-and-why");
        assert_eq!(plain(Path::new("docs/../crates/./a")), Path::new("crates/a"));
    }
}
