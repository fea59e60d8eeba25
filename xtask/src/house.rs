//! `cargo xtask house`: rules of this source tree that no compiler checks, and a list of every `unsafe`.

use std::fs;
use std::path::{Path, PathBuf};

use nsgate_tests::program::workspace;

use crate::json;
use crate::terminal::table;

/// The one file of each crate that may hold `unsafe`.
const UNSAFE_FILE: &str = "src/sys.rs";

/// The files of the products that may ask for the time of the day: where a line of the log gets its date, and where the
/// numbers of traces begin (any two starts differ; nothing counts on it). Everything else counts on a clock that is never
/// set, so that a step of the host's clock changes a date in the log and nothing else.
const DATED: [&str; 4] = [
    "crates/nsgate-forwarder/src/exchange.rs",
    "crates/nsgate-forwarder/src/trace.rs",
    "crates/nsgate/src/log/sink.rs",
    "crates/nsgate/src/log/syslog.rs",
];

/// An `unsafe` block or function.
#[derive(Debug, PartialEq, Eq)]
struct Unsafe {
    file: String,
    line: usize,
    /// Its `SAFETY` comment, or that it only declares something.
    reason: String,
}

/// What stands in the place of a reason where nothing is done.
const DECLARATION: &str = "a declaration";

/// Prints the list, and fails if a rule is broken.
pub(crate) fn run() -> Result<(), String> {
    unsafe_code()?;
    let broken = broken();
    if broken.is_empty() { Ok(()) } else { Err(broken.join("\n")) }
}

/// `cargo xtask unsafe`: the list alone.
pub(crate) fn unsafe_code() -> Result<(), String> {
    let found = list();
    let shown = |one: &Unsafe| serde_json::json!({ "place": one.place(), "file": one.file, "line": one.line, "reason": one.reason });
    json::say(&found.iter().map(shown).collect());
    let mut rows = vec![vec![format!("unsafe ({})", found.len()), "why it is sound".to_owned()]];
    rows.extend(found.iter().map(|one| vec![one.place(), one.reason.clone()]));
    println!("{}", table(&rows));
    Ok(())
}

impl Unsafe {
    fn place(&self) -> String {
        format!("{}:{}", self.file, self.line)
    }
}

/// One sentence for each rule that a file breaks.
pub(crate) fn broken() -> Vec<String> {
    let mut out = Vec::new();
    for path in sources() {
        let (name, text) = (shown(&path), read(&path));
        if !text.trim_start().starts_with("//!") {
            out.push(format!("{name}: a module begins with a line that says what it promises (//! …)"));
        }
        if asks_for_the_date(&name, &text) {
            out.push(format!("{name}: only a line of the log has a date; deadlines and rates count on Instant"));
        }
        if !name.ends_with(UNSAFE_FILE) {
            for (number, _) in text.lines().enumerate().filter(|(_, line)| is_unsafe(line)) {
                out.push(format!(
                    "{name}:{}: unsafe stands in {UNSAFE_FILE} of its crate and nowhere else",
                    number + 1
                ));
            }
        }
    }
    out
}

/// Whether a product's file that has no reason to asks for the time of the day.
fn asks_for_the_date(name: &str, text: &str) -> bool {
    let product = name.starts_with("crates/") && name.contains("/src/");
    product && !DATED.contains(&name) && ["SystemTime::now", "CLOCK_REALTIME"].iter().any(|word| text.contains(word))
}

fn list() -> Vec<Unsafe> {
    let mut found = Vec::new();
    for path in sources() {
        let text = read(&path);
        let lines: Vec<&str> = text.lines().collect();
        for (index, _) in lines.iter().enumerate().filter(|(_, line)| is_unsafe(line)) {
            let reason = reason(&lines[..index]).unwrap_or_else(|| DECLARATION.to_owned());
            found.push(Unsafe { file: shown(&path), line: index + 1, reason });
        }
    }
    found
}

/// The whole comment that begins with `SAFETY` in the last lines before an `unsafe`.
fn reason(before: &[&str]) -> Option<String> {
    let near = before.len().saturating_sub(8);
    let begin = before.iter().skip(near).rposition(|line| line.trim().starts_with("// SAFETY: "))? + near;
    let comment = before[begin..].iter().map_while(|line| line.trim().strip_prefix("//").map(str::trim));
    comment.collect::<Vec<_>>().join(" ").strip_prefix("SAFETY: ").map(str::to_owned)
}

/// A line of code with the keyword; comments, attributes and strings do not count.
fn is_unsafe(line: &str) -> bool {
    let code = line.split("//").next().unwrap_or_default();
    let code = code.split('"').next().unwrap_or_default();
    ["unsafe {", "unsafe fn", "unsafe impl", "unsafe extern", "#[unsafe("].iter().any(|form| code.contains(form))
}

/// Every Rust file of the repository, sorted.
fn sources() -> Vec<PathBuf> {
    let mut found = Vec::new();
    for top in ["crates", "tests", "xtask"] {
        walk(&workspace().join(top), &mut found);
    }
    found.sort();
    found
}

/// The text of every Rust file.
#[cfg(test)]
pub(crate) fn all_of_the_tree() -> String {
    sources().iter().map(|path| read(path)).collect()
}

fn walk(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            walk(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

fn shown(path: &Path) -> String {
    path.strip_prefix(workspace()).unwrap_or(path).display().to_string()
}

#[cfg(test)]
mod tests {
    use super::{DATED, DECLARATION, asks_for_the_date, broken, is_unsafe, list, read, reason};
    use nsgate_tests::program::workspace;

    #[test]
    fn the_rules_of_the_house_hold() {
        assert!(!list().is_empty(), "the kernel demands some");
        assert_eq!(broken(), Vec::<String>::new());
    }

    #[test]
    fn a_step_of_the_clock_changes_dates_in_the_log_and_nothing_else() {
        let text = "let deadline = SystemTime::now() + patience;";
        assert!(asks_for_the_date("crates/nsgate-forwarder/src/service.rs", text));
        assert!(!asks_for_the_date("crates/nsgate-forwarder/tests/forwarding.rs", text));
        for file in DATED {
            let asks = read(&workspace().join(file)).contains("SystemTime::now");
            assert!(asks && !asks_for_the_date(file, text), "{file} asks for no date any more");
        }
    }

    #[test]
    fn every_unsafe_block_has_its_reason() {
        for one in list() {
            let line = read(&workspace().join(&one.file)).lines().nth(one.line - 1).unwrap_or_default().to_owned();
            let acts = line.contains("unsafe {") && !line.contains("extern");
            assert!(!acts || one.reason != DECLARATION, "{}:{}: {line}", one.file, one.line);
        }
        let before = ["// SAFETY: the first line", "    // and the second", "let x = 1;"];
        assert_eq!(reason(&before).unwrap(), "the first line and the second");
        assert_eq!(reason(&["// another comment"]), None);
    }

    #[test]
    fn only_code_counts() {
        assert!(is_unsafe("    let x = unsafe { libc::fork() };"));
        assert!(
            !is_unsafe("// unsafe { }") && !is_unsafe("#![forbid(unsafe_code)]") && !is_unsafe("say(\"unsafe {\")")
        );
    }
}
