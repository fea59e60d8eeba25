//! What the build tool shows a person, and what it gives a program.

use nsgate_tests::json::of_page;
use nsgate_tests::program::workspace;
use nsgate_tests::terminal::Terminal;
use serde_json::json;
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
    for words in [&["tools", "--json"][..], &["test", "--json", "fmt"], &["book", "--json"]] {
        let output = piped(words);
        let value: serde_json::Value = serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|error| panic!("{words:?}: {error}: {}", String::from_utf8_lossy(&output.stdout)));
        assert!(!output.stderr.is_empty(), "{words:?}: people see what is done");
        match words[0] {
            "test" => assert_eq!((&value["stages"][0]["stage"], &value["failed"]), (&"fmt".into(), &0.into())),
            "tools" => assert!(value.as_array().unwrap().iter().any(|tool| tool["tool"] == "curl"), "{value}"),
            _ => assert!(value["pages"].as_u64().is_some_and(|pages| pages > 20), "{value}"),
        }
    }
}

#[test]
fn tables_of_a_page_become_rows() {
    let page = "# One\n\ntext\n\n| | a | b |\n|---|---:|---|\n| x | 1,234 | y \\| z |\n| w | 0.5 | – |\n\n## Two\n| c |\n|---|\n| d |\n";
    let first = json!([{"what": "x", "a": 1234, "b": "y | z"}, {"what": "w", "a": 0.5, "b": "–"}]);
    assert_eq!(of_page(page), json!([{"table": "One", "rows": first}, {"table": "Two", "rows": [{"c": "d"}]}]));
    assert_eq!(of_page("no table | here"), json!([]));
}
