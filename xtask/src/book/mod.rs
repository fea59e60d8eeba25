//! `cargo xtask book`: the documentation holds together. Every link leads somewhere, every page is in the index, every
//! command is one that exists, and every message of a failed start has its paragraph.
//!
//! Pages with commands are run besides, command by command, by the suite `book`.

mod commands;
mod links;
mod messages;

use std::fs;
use std::path::{Path, PathBuf};

use nsgate_tests::program::workspace;

/// A page: its path from the top of the repository, and its text.
pub(crate) struct Page {
    pub(crate) path: PathBuf,
    pub(crate) text: String,
}

/// Says what is wrong.
pub(crate) fn run() -> Result<(), String> {
    let pages = pages();
    let (linked, taken) = (links::wrong(&pages), commands::wrong(&pages));
    let wrong = [linked, taken, messages::wrong(&pages)?].concat();
    let commands = commands::count(&pages);
    crate::json::say(&serde_json::json!({ "pages": pages.len(), "commands": commands, "wrong": wrong }));
    if wrong.is_empty() {
        println!("{} pages, {} commands", pages.len(), commands);
        Ok(())
    } else {
        Err(wrong.join("\n"))
    }
}

/// Every page of the repository.
fn pages() -> Vec<Page> {
    let mut found = Vec::new();
    walk(Path::new("docs"), &mut found);
    walk(Path::new("crates"), &mut found);
    for name in ["README.md", "CHANGELOG.md", "SECURITY.md"] {
        found.push(PathBuf::from(name));
    }
    found.sort();
    let read = |path: PathBuf| Page { text: fs::read_to_string(workspace().join(&path)).unwrap_or_default(), path };
    found.into_iter().map(read).collect()
}

fn walk(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(workspace().join(directory)).into_iter().flatten().flatten() {
        let path = directory.join(entry.file_name());
        if entry.path().is_dir() {
            walk(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "md") {
            found.push(path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{commands, links, messages, pages};

    #[test]
    fn every_link_leads_somewhere_and_every_page_is_in_the_index() {
        assert_eq!(links::wrong(&pages()), Vec::<String>::new());
    }

    #[test]
    fn every_command_is_one_that_exists() {
        assert_eq!(commands::wrong(&pages()), Vec::<String>::new());
    }

    #[test]
    fn every_message_of_a_failed_start_has_its_paragraph() {
        assert_eq!(messages::wrong(&pages()).unwrap(), Vec::<String>::new());
    }
}
