//! `cargo xtask test`: every stage, a table at the end, and a status that says whether all is well.

mod beside;
mod stages;
mod totals;
pub(crate) mod words;

use std::cell::RefCell;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::builder::PossibleValuesParser;
use nsgate_tests::json;
use serde_json::Value;

use crate::prepare;
use nsgate_tests::table::{Style, seconds, table};
pub(crate) use stages::NEWER_CLOUD_INIT;
pub(crate) use totals::Totals;

/// What the command line asks for.
#[derive(Debug, clap::Args)]
pub(crate) struct Wish {
    /// A stage; none is all of them
    #[arg(value_parser = PossibleValuesParser::new(stages::ALL.map(|stage| stage.name)))]
    stages: Vec<String>,
    /// Another program than target/dist/bin/haproxy, to compare
    #[arg(long, value_name = "PATH")]
    haproxy: Option<PathBuf>,
    /// The table as JSON on standard output
    #[arg(long)]
    json: bool,
    /// Only the tests whose names contain one of these words, and suites of such a name; each word must choose a test
    #[arg(last = true)]
    words: Vec<String>,
    /// What the runners of tests have said.
    #[arg(skip)]
    said: RefCell<String>,
}

/// One row of the table at the end.
#[derive(Debug)]
struct Row {
    name: String,
    totals: Totals,
    /// How long the stage took; its first row has it.
    took: Option<Duration>,
    note: String,
}

/// Runs the stages asked for.
pub(crate) fn run(wish: &Wish) -> Result<(), String> {
    if wish.json {
        json::ask()?;
    }
    let style = Style::detect();
    let (start, mut rows) = (Instant::now(), Vec::new());
    let asked = |stage: &stages::Stage| wish.stages.is_empty() || wish.stages.iter().any(|name| name == stage.name);
    prepare::begin(&stages::ALL.iter().filter(|stage| asked(stage)).map(|stage| stage.name).collect::<Vec<_>>());
    for stage in stages::ALL.into_iter().filter(asked) {
        println!("\n{}", style.bold(&format!("== {} ==", stage.name)));
        let began = Instant::now();
        let outcome = (stage.run)(wish);
        rows.extend(rows_of(stage.name, outcome, began));
    }
    prepare::wait();
    rows.extend(idle_words(wish, &rows));
    finish(&rows, start, style)
}

/// A row for words that have chosen no test. Where a stage did not run, its tests may be those that a word is for.
fn idle_words(wish: &Wish, rows: &[Row]) -> Option<Row> {
    let ran = |row: &Row| row.note.is_empty() && row.totals != Totals::skipped(1);
    let why = words::idle(&wish.words, &wish.said.borrow()).filter(|_| rows.iter().all(ran))?;
    println!("\nfailed: {why}");
    Some(Row { name: "words".to_owned(), totals: Totals::failed(1), took: None, note: "chose no test".to_owned() })
}

fn rows_of(stage: &str, outcome: Result<Vec<(String, Totals)>, stages::Trouble>, began: Instant) -> Vec<Row> {
    let took = Some(began.elapsed());
    match outcome {
        Ok(parts) => {
            let several = parts.len() > 1;
            let name = |part: String| if several { format!("{stage}: {part}") } else { stage.to_owned() };
            let mut rows: Vec<Row> = parts
                .into_iter()
                .map(|(part, totals)| Row { name: name(part), totals, took: None, note: String::new() })
                .collect();
            if let Some(first) = rows.first_mut() {
                first.took = took;
            }
            rows
        }
        Err(stages::Trouble::Skipped(why)) => {
            println!("skipped: {why}");
            vec![Row { name: stage.to_owned(), totals: Totals::skipped(1), took, note: format!("skipped: {why}") }]
        }
        Err(stages::Trouble::Failed(why)) => {
            println!("failed: {why}");
            vec![Row { name: stage.to_owned(), totals: Totals::failed(1), took, note: why }]
        }
    }
}

fn finish(rows: &[Row], start: Instant, style: Style) -> Result<(), String> {
    let mut lines = vec![["stage", "passed", "failed", "skipped", "time", ""].map(str::to_owned).to_vec()];
    let mut sum = Totals::default();
    for row in rows {
        sum += row.totals;
        let Totals { passed, failed, skipped } = row.totals;
        let numbers = [passed, failed, skipped].map(|n| n.to_string());
        let [passed, failed, skipped] = numbers;
        lines.push(vec![
            row.name.clone(),
            passed,
            failed,
            skipped,
            row.took.map_or_else(String::new, seconds),
            row.note.clone(),
        ]);
    }
    println!("\n{}", table(&lines));
    json::say(&whole(rows, sum, start.elapsed()));
    let Totals { passed, failed, skipped } = sum;
    let line = format!("{passed} passed, {failed} failed, {skipped} skipped in {}", seconds(start.elapsed()));
    println!("{}", if failed == 0 { style.good(&line) } else { style.bad(&line) });
    if rows.is_empty() {
        return Err("no stage ran".to_owned());
    }
    if failed == 0 { Ok(()) } else { Err("not everything passed".to_owned()) }
}

/// The table and its sum for programs.
fn whole(rows: &[Row], sum: Totals, took: Duration) -> Value {
    let one = |row: &Row| {
        let Totals { passed, failed, skipped } = row.totals;
        let seconds = row.took.map(|took| took.as_secs_f64());
        let note = Some(&row.note).filter(|note| !note.is_empty());
        serde_json::json!({ "stage": row.name, "passed": passed, "failed": failed, "skipped": skipped, "seconds": seconds, "note": note })
    };
    let Totals { passed, failed, skipped } = sum;
    let stages: Vec<Value> = rows.iter().map(one).collect();
    serde_json::json!({
        "stages": stages, "passed": passed, "failed": failed, "skipped": skipped, "seconds": took.as_secs_f64(),
    })
}
