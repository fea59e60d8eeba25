//! What the build tool shows a person, and what it gives a program.

use nsgate_tests::program::workspace;
use nsgate_tests::terminal::Terminal;
use std::process::{Command, Output};

fn xtask(words: &[&str], no_color: Option<&str>) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
    command.args(words).current_dir(workspace()).env_remove("NO_COLOR").env("TERM", "xterm-256color");
    if let Some(value) = no_color {
        command.env("NO_COLOR", value);
    }
    command
}

fn piped(words: &[&str]) -> Output {
    xtask(words, None).output().unwrap()
}

#[test]
fn colours_are_for_a_terminal_and_not_where_they_are_refused() {
    let words = ["test", "fmt"];
    let bold = "\u{1b}[1m== fmt ==\u{1b}[0m";
    for (no_color, coloured) in [(None, true), (Some(""), true), (Some("1"), false)] {
        let (shown, _) = Terminal::start(xtask(&words, no_color)).end();
        assert_eq!((shown.contains(bold), shown.contains("== fmt ==")), (coloured, true), "{no_color:?}: {shown}");
    }
    let output = piped(&words);
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.contains("== fmt ==") && !said.contains('\u{1b}'), "{said}");
}

#[test]
fn json_stands_alone_on_standard_output() {
    for words in [&["tools", "--json"][..], &["test", "--json", "fmt"], &["unsafe", "--json"], &["house", "--json"]] {
        let output = piped(words);
        let value: serde_json::Value = serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|error| panic!("{words:?}: {error}: {}", String::from_utf8_lossy(&output.stdout)));
        assert!(!output.stderr.is_empty(), "{words:?}: people see what is done");
        match words[0] {
            "test" => assert_eq!((&value["stages"][0]["stage"], &value["failed"]), (&"fmt".into(), &0.into())),
            "tools" => assert!(value.as_array().unwrap().iter().any(|tool| tool["tool"] == "curl"), "{value}"),
            _ => assert!(value.as_array().unwrap().iter().all(|one| one["reason"].is_string()), "{value}"),
        }
    }
}

#[test]
fn json_is_refused_where_there_is_no_table() {
    let output = piped(&["build", "--json"]);
    assert!(!output.status.success() && String::from_utf8_lossy(&output.stderr).contains("prints no table"));
}
