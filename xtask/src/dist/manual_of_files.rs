//! nsgate.toml(5): the reference of every configuration file, as `docs/configuration.md` has it, in the form of a manual
//! page.

use clap_mangen::roff::{Inline, Roff, bold, italic, roman};

use super::Release;
use crate::reference::{Document, Key, Table, documents};

/// What holds for every file.
const ABOUT: &str = "Files of these kinds, all of them TOML. An unknown key or a value out of its range is an error that names \
    file, line and column, and nothing is started. A time is text with a unit, \"500ms\", \"30s\", \"2m\", \"1h\", or a \
    number of seconds, longer than zero and at most 24h. An account is a name or, as a number without quotation marks, an \
    id. A path is absolute. What ends in `_bytes` is a number of bytes.";

/// The page.
///
/// # Errors
/// The types cannot be described.
pub(crate) fn text(release: &Release) -> Result<String, String> {
    let mut roff = Roff::new();
    let (day, source) = (release.day()?, release.name());
    roff.control("TH", ["nsgate.toml", "5", &day, &source, "nsgate"]);
    roff.control("SH", ["NAME"]);
    roff.text([roman("nsgate.toml - configuration of gates, of a site, of a pool and of an agent")]);
    roff.control("SH", ["DESCRIPTION"]);
    roff.text(marked(ABOUT));
    for Document { name, about, example, tables } in documents()? {
        roff.control("SH", [name.to_uppercase().as_str()]);
        roff.text(marked(about));
        tables.iter().for_each(|one| table(&mut roff, one));
        roff.control("SS", ["Example"]);
        roff.control("nf", []);
        for line in example.lines() {
            roff.text([roman(line)]);
        }
        roff.control("fi", []);
    }
    roff.control("SH", ["FILES"]);
    for (path, what) in [
        ("/etc/nsgate/nsgate.toml", "The site's settings."),
        ("/etc/nsgate/pool.toml", "What nsgate-pool.service serves."),
        ("/etc/nsgate/agent.toml", "What nsgate-agent.service serves."),
        ("/etc/nsgate/gates/NAME.toml", "What nsgate@NAME.service serves."),
    ] {
        roff.control("TP", []);
        roff.text([italic(path)]);
        roff.text([roman(what)]);
    }
    roff.control("SH", ["SEE ALSO"]);
    roff.text([
        bold("nsgate"),
        roman("(1), "),
        bold("nsgate-check"),
        roman("(1), "),
        bold("nsgate-pool"),
        roman("(8), "),
        bold("nsgate-agent"),
        roman("(8)"),
    ]);
    Ok(roff.to_roff())
}

fn table(roff: &mut Roff, table: &Table) {
    if !table.header.is_empty() {
        roff.control("SS", [table.header.as_str()]);
        roff.text(marked(&table.about));
    }
    for Key { name, kind, accepts, default, required, one_of, about } in &table.keys {
        roff.control("TP", []);
        let mut head = vec![bold(name.as_str()), roman(" ")];
        head.extend(marked(kind));
        if let Some(accepts) = accepts {
            head.push(roman(": "));
            head.extend(marked(accepts));
        }
        roff.text(head);
        roff.text(marked(about));
        match default {
            _ if *required => roff.text([roman("Required.")]),
            Some(default) => roff.text([roman("Default: "), bold(default.as_str()), roman(".")]),
            None if *one_of => roff.text([roman("Exactly one of these is required.")]),
            None => continue,
        };
    }
}

/// Words between grave accents are bold.
fn marked(text: &str) -> Vec<Inline> {
    let pieces = text.split('`').enumerate();
    pieces.map(|(index, piece)| if index % 2 == 1 { bold(piece) } else { roman(piece) }).collect()
}
