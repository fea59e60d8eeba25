//! Manual pages, from the source of `--help`: one for the program, one for each of its commands, one for its files.

use clap::Command;
use clap_mangen::{
    Man,
    roff::{Inline, Roff, bold, roman},
};

use super::{Release, manual_of_files};

/// Commands whose page is in section 1: they only read.
const LOOKING: [&str; 4] = ["attest", "check", "list", "status"];

/// A page.
#[derive(Debug)]
pub(crate) struct Page {
    name: String,
    section: &'static str,
    /// In the language of man(7).
    pub(crate) text: String,
}

impl Page {
    /// `nsgate-pool.8`.
    pub(crate) fn file(&self) -> String {
        format!("{}.{}", self.name, self.section)
    }
}

/// Every page.
///
/// # Errors
/// The files of the configuration cannot be described.
pub(crate) fn pages(release: &Release) -> Result<Vec<Page>, String> {
    let mut program = nsgate::cli::command().disable_help_subcommand(true);
    program.build();
    let names: Vec<&str> = program.get_subcommands().map(Command::get_name).collect();
    let others = |own: Option<&str>| {
        let commands = names.iter().filter(|name| Some(**name) != own);
        let commands = commands.map(|name| (format!("nsgate-{name}"), section(name)));
        let files = [("nsgate.toml".to_owned(), "5")];
        let program = own.map(|_| ("nsgate".to_owned(), "1"));
        program.into_iter().chain(commands).chain(files).collect::<Vec<_>>()
    };
    let mut pages = vec![page(&program, "1", release, &others(None))?];
    for command in program.get_subcommands() {
        pages.push(page(command, section(command.get_name()), release, &others(Some(command.get_name())))?);
    }
    let text = manual_of_files::text(release)?;
    pages.push(Page { name: "nsgate.toml".to_owned(), section: "5", text });
    Ok(pages)
}

fn section(command: &str) -> &'static str {
    if LOOKING.contains(&command) { "1" } else { "8" }
}

/// One command's page.
fn page(
    command: &Command,
    section: &'static str,
    release: &Release,
    others: &[(String, &'static str)],
) -> Result<Page, String> {
    let name = command.get_display_name().unwrap_or_else(|| command.get_name()).to_owned();
    let man = Man::new(command.clone()).section(section).date(release.day()?).source(release.name()).manual("nsgate");
    let mut bytes = Vec::new();
    let mut head = || {
        man.render_title(&mut bytes)?;
        man.render_name_section(&mut bytes)?;
        man.render_synopsis_section(&mut bytes)?;
        man.render_description_section(&mut bytes)?;
        man.render_options_section(&mut bytes)
    };
    head().map_err(|e| e.to_string())?;
    let mut rest = Roff::new();
    commands(&mut rest, command);
    if let Some(text) = command.get_after_help() {
        examples(&mut rest, &text.to_string());
    }
    see_also(&mut rest, others);
    rest.to_writer(&mut bytes).map_err(|e| e.to_string())?;
    let text = String::from_utf8(bytes).map_err(|e| e.to_string())?;
    Ok(Page { name, section, text })
}

fn commands(roff: &mut Roff, command: &Command) {
    if command.has_subcommands() {
        roff.control("SH", ["COMMANDS"]);
    }
    for one in command.get_subcommands() {
        roff.control("TP", []);
        let name = one.get_display_name().unwrap_or_else(|| one.get_name());
        roff.text([bold(name), roman(format!("({})", section(one.get_name())))]);
        roff.text([roman(one.get_about().map(ToString::to_string).unwrap_or_default())]);
    }
}

/// What `--help` says at its end: paragraphs, and an example after a line that says so.
fn examples(roff: &mut Roff, text: &str) {
    let (before, example) = text.split_once("Example:\n").unwrap_or((text, ""));
    for paragraph in before.split("\n\n").map(str::trim).filter(|paragraph| !paragraph.is_empty()) {
        match paragraph.split_once(": ") {
            Some(("Exit status", meaning)) => {
                roff.control("SH", ["EXIT STATUS"]);
                roff.text([roman(meaning)]);
            }
            _ => {
                roff.control("SH", ["NOTES"]);
                roff.text([roman(paragraph)]);
            }
        }
    }
    if !example.is_empty() {
        roff.control("SH", ["EXAMPLES"]);
        roff.control("nf", []);
        for line in example.lines() {
            roff.text([roman(line.trim_start())]);
        }
        roff.control("fi", []);
    }
}

fn see_also(roff: &mut Roff, others: &[(String, &'static str)]) {
    roff.control("SH", ["SEE ALSO"]);
    let mut line: Vec<Inline> = Vec::new();
    for (name, section) in others {
        let comma = if line.is_empty() { "" } else { ", " };
        line.extend([roman(comma), bold(name), roman(format!("({section})"))]);
    }
    roff.text(line);
    roff.text([roman("The documentation is in /usr/share/doc/nsgate/docs.")]);
}
