//! What becomes of a benchmark's page: it is measured in a private world, shown, told as JSON where that is asked for, and
//! kept in the documentation.

use std::fs;

use nsgate_tests::program::workspace;
use nsgate_tests::world;

use crate::json;

/// Measures a page, shows it, and writes it to `file` below the workspace, if there is one.
pub(super) fn make(file: Option<&str>, measure: impl FnOnce() -> String) -> Result<(), String> {
    let file = file.map(|file| workspace().join(file));
    in_world(move || {
        let text = measure();
        json::say(&json::of_page(&text));
        println!("\n{text}");
        let Some(file) = file else { return 0 };
        match fs::write(&file, &text) {
            Ok(()) => {
                println!("written to {}", file.display());
                0
            }
            Err(error) => {
                eprintln!("{}: {error}", file.display());
                1
            }
        }
    })
}

/// Runs `work` in a private world; its status is 0 if all went well.
pub(super) fn in_world(work: impl FnOnce() -> i32) -> Result<(), String> {
    match world::run(work) {
        Ok(0) => Ok(()),
        Ok(status) => Err(format!("the measurement ended with status {status}; the reason is above")),
        Err(error) => Err(error.to_string()),
    }
}
