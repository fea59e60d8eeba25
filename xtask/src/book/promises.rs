//! docs/hostile-guest.md: every promise names tests and commands that exist.

use std::path::Path;

use super::{Page, commands};
use crate::house::sources;

const PAGE: &str = "docs/hostile-guest.md";

/// One sentence for each name in the page's last table that no test and no command has.
pub(super) fn wrong(pages: &[Page]) -> Vec<String> {
    let page =
        pages.iter().find(|page| page.path == Path::new(PAGE)).map(|page| page.text.as_str()).unwrap_or_default();
    let tree: String = sources().iter().map(|path| std::fs::read_to_string(path).unwrap_or_default()).collect();
    let mut out = Vec::new();
    for row in page.lines().skip_while(|line| *line != "| promise | shown by |").skip(2) {
        let shown = row.trim_end_matches(" |").rsplit_once(" | ").map(|(_, shown)| shown).unwrap_or_default();
        let names: Vec<&str> = shown.split('`').skip(1).step_by(2).collect();
        if names.is_empty() {
            out.push(format!("{PAGE}: nothing shows `{row}`"));
        }
        let is_there = |name: &str| match name.split(' ').next() {
            Some("cargo") => commands::taken(name).is_ok(),
            _ => tree.contains(&format!("fn {name}(")) || name == "disallowed_methods",
        };
        out.extend(names.iter().filter(|name| !is_there(name)).map(|name| format!("{PAGE}: nothing is called {name}")));
    }
    out
}
