//! `cargo xtask book`: the documentation holds together. Every link leads somewhere, every page is in the index, every
//! command is one that exists, every message of a failed start has its paragraph, every promise the test that shows it, and every word of a
//! test command chooses one.
//!
//! Pages with commands are run besides, command by command, by the suite `book`.

mod commands;
mod links;
mod messages;
mod promises;
mod words;

use std::fs;
use std::path::PathBuf;

use nsgate_tests::json;
use nsgate_tests::program::workspace;

use crate::house::walk;

/// A page: its path from the top of the repository, and its text.
pub(crate) struct Page {
    pub(crate) path: PathBuf,
    pub(crate) text: String,
}

/// Prints each fault.
pub(crate) fn run() -> Result<(), String> {
    let (pages, wrong) = (pages(), wrong()?);
    let commands = commands::count(&pages);
    json::say(&serde_json::json!({ "pages": pages.len(), "commands": commands, "wrong": wrong }));
    println!("{} pages, {commands} commands", pages.len());
    if wrong.is_empty() { Ok(()) } else { Err(wrong.join("\n")) }
}

/// One sentence for each fault.
fn wrong() -> Result<Vec<String>, String> {
    let pages = pages();
    Ok([
        links::wrong(&pages),
        commands::wrong(&pages),
        messages::wrong(&pages)?,
        promises::wrong(&pages),
        words::wrong(&pages),
    ]
    .concat())
}

/// Every page of the repository.
fn pages() -> Vec<Page> {
    let mut found = Vec::new();
    for top in ["docs", "crates"] {
        walk(&workspace().join(top), "md", &mut found);
    }
    found.extend(["README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md"].map(|name| workspace().join(name)));
    let read = |path: PathBuf| Page {
        text: fs::read_to_string(&path).unwrap_or_default(),
        path: path.strip_prefix(workspace()).unwrap_or(&path).to_owned(),
    };
    found.into_iter().map(read).collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn links_lead_somewhere_and_commands_messages_and_promises_are_what_there_is() {
        assert_eq!(super::wrong().unwrap(), Vec::<String>::new());
    }
}
