//! The way of a page: measured in a private world, shown, printed as JSON on request, and written into the
//! documentation.

use std::fs;

use nsgate_tests::program::workspace;
use nsgate_tests::{json, world};

/// Measures a page, shows it, and writes it to `file` below the workspace, if there is one.
pub(crate) fn make(file: Option<&str>, measure: impl FnOnce() -> String) -> Result<(), String> {
    in_world(move || {
        let text = measure();
        json::say(&json::of_page(&text));
        println!("\n{text}");
        i32::from(file.is_some_and(|file| write(file, &text).is_err()))
    })
}

/// Runs `work` in a private world; its status is 0 if all went well.
pub(crate) fn in_world(work: impl FnOnce() -> i32) -> Result<(), String> {
    match world::run(work) {
        Ok(0) => Ok(()),
        Ok(status) => Err(format!("not everything is as promised, or could be measured (status {status}); see above")),
        Err(error) => Err(error.to_string()),
    }
}

/// Writes a page below the workspace, and says so or why not.
pub(crate) fn write(file: &str, text: &str) -> Result<(), String> {
    let path = workspace().join(file);
    match fs::write(&path, text) {
        Ok(()) => println!("written to {}", path.display()),
        Err(error) => {
            eprintln!("{}: {error}", path.display());
            return Err(format!("{}: {error}", path.display()));
        }
    }
    Ok(())
}

const END: &str = "<!-- until here -->";

/// Writes the part of a page between `<!-- written by `COMMAND` -->` and `<!-- until here -->`.
pub(crate) fn write_between(file: &str, command: &str, text: &str) -> Result<(), String> {
    let path = workspace().join(file);
    let page = fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    write(file, &replaced(&page, command, text)?)
}

fn replaced(page: &str, command: &str, text: &str) -> Result<String, String> {
    let begin = format!("<!-- written by `{command}` -->");
    let (before, rest) = page.split_once(&begin).ok_or_else(|| format!("the line {begin} is missing"))?;
    let (_, after) = rest.split_once(END).ok_or_else(|| format!("the line {END} is missing"))?;
    Ok(format!("{before}{begin}\n{text}{END}{after}"))
}

#[cfg(test)]
mod tests {
    use super::replaced;

    #[test]
    fn only_what_is_between_the_markers_changes() {
        let page = |text: &str| format!("a\n<!-- written by `x` -->\n{text}<!-- until here -->\nb\n");
        assert_eq!(replaced(&page("old\n"), "x", "new\n").unwrap(), page("new\n"));
        assert!(replaced("a\n", "x", "new").is_err());
    }
}
