//! `nsgate check`: checks configurations of gates, hosts, pools, agents and sites.

use super::{
    colours,
    start::{Start, whole},
    table::print,
};
use crate::{
    shown, site,
    terminal::{Progress, say, write_out},
};
use nsgate_config::{
    Config, Diagnostic, Diagnostics, Listener, MetadataAgentConfig, Parsed,
    haproxy::{self, ParsedHost},
    native::{self, DraftAgent, DraftPool, Site},
};
use nsgate_launcher::{MOST, MOST_OF_HOST, read_config_up_to, read_roots};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// Checks what a start on this host would check: the text, the file's owner and mode, user and group, and every path.
/// Starts nothing, and does not check addresses and namespaces.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  nsgate check /var/lib/neutron/ns-metadata-proxy/7a1c4d2e-9f7b-4b59-9a55-0d3c1f6e2b10.conf\n  \
    nsgate check --dialect pool /etc/nsgate/pool.toml\n  nsgate check /var/lib/neutron/ns-metadata-proxy/*.conf"
)]
pub(super) struct Check {
    /// The configuration: nsgate's TOML, a haproxy configuration as Neutron writes it for a network or a host, a
    /// pool's, an agent's, or a site's settings. Prints a table if there are several files
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Read the text as this dialect instead of guessing
    #[arg(long, value_enum)]
    dialect: Option<Dialect>,
    /// Print the result as JSON, a line for each file
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub(super) enum Dialect {
    /// nsgate's own TOML
    Native,
    /// What OpenStack Neutron writes for haproxy
    Haproxy,
    /// TOML of a pool, for `nsgate pool --config`
    Pool,
    /// TOML of the second hop, for `nsgate agent --config`
    Agent,
    /// TOML of /etc/nsgate/nsgate.toml
    Site,
}

impl Dialect {
    /// Guesses the dialect. The path tells the site's settings. A text that has a section of haproxy, or begins with a word of
    /// haproxy's preprocessor, is haproxy's. Any other text is the TOML of a gate.
    fn of(path: &Path, text: &str) -> Self {
        if path == Path::new(site::PATH) {
            return Self::Site;
        }
        if path.extension().is_some_and(|extension| extension == "toml") {
            return Self::Native;
        }
        let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
        // `listen = […]` is a key of a gate's.
        let begins_section = |line: &str| {
            let mut words = line.split_whitespace();
            words.next().is_some_and(|word| SECTIONS.contains(&word))
                && words.next().is_none_or(|word| !word.starts_with('='))
        };
        if lines.clone().next().is_some_and(|line| line.starts_with('.')) || lines.any(begins_section) {
            Self::Haproxy
        } else {
            Self::Native
        }
    }
}

/// The keywords that begin a section of haproxy's configuration (its manual, chapters 3 and 4).
const SECTIONS: [&str; 15] = [
    "backend",
    "cache",
    "defaults",
    "fcgi-app",
    "frontend",
    "global",
    "http-errors",
    "listen",
    "log-forward",
    "mailers",
    "peers",
    "program",
    "resolvers",
    "ring",
    "userlist",
];

impl Check {
    pub(super) fn execute(&self) -> Result<u8, String> {
        let mut progress = Progress::new("checked", self.files.len());
        let mut rows = vec![["verdict", "file", "what"].map(str::to_owned).to_vec()];
        let mut refused: Vec<String> = Vec::new();
        for (number, file) in self.files.iter().enumerate() {
            progress.at(number);
            let name = file.display().to_string();
            let checked = self.check_file(file, &name);
            if self.json {
                say!("{}", json(&name, &checked));
            }
            match checked {
                Ok(understood) => {
                    rows.push(vec![understood.kind.to_owned(), name, understood.row()]);
                    understood.warn();
                    if !self.json && self.files.len() == 1 {
                        write_out(format_args!("{}", understood.text));
                    }
                }
                Err(refusal) => {
                    rows.push(vec!["refused".to_owned(), name, refusal.row()]);
                    refused.push(refusal.render());
                }
            }
        }
        drop(progress);
        if !self.json && self.files.len() > 1 {
            print(&rows, 3);
        }
        if refused.is_empty() { Ok(0) } else { Err(refused.join("\n")) }
    }

    fn check_file(&self, file: &Path, name: &str) -> Result<CheckedText, CheckRefusal> {
        let failed = |error: &dyn std::fmt::Display| CheckRefusal::Unusable(error.to_string());
        if file == Path::new(site::PATH) {
            read_roots(file).map_err(|error| failed(&error))?;
        }
        let (text, written) = read_config_up_to(file, MOST_OF_HOST).map_err(|error| failed(&error))?;
        let dialect = self.dialect.unwrap_or_else(|| Dialect::of(file, &text));
        let host = matches!(dialect, Dialect::Haproxy) && haproxy::is_host_proxy(&text);
        if !host && u64::try_from(text.len()).is_ok_and(|length| length > MOST) {
            return Err(failed(&format!("{name}: the configuration is larger than {MOST} bytes")));
        }
        let wrong = |errors| CheckRefusal::Wrong(shown::errors(&text, name, errors));
        let (mut understood, start) = understand(dialect, name, &text).map_err(wrong)?;
        understood.warnings = shown::warnings(&text, name, understood.warnings);
        if let Some(why) = text.hidden() {
            (understood.summary, understood.text) = (format!("not shown: {why}"), String::new());
        }
        let said = start.of_site().and_then(|start| start.tried(file, written)).map_err(CheckRefusal::Unusable)?;
        understood.warnings.extend(said.into_iter().map(|message| whole(name, message)));
        Ok(understood)
    }
}

/// An agent's configuration, if an agent would start with it here.
///
/// # Errors
/// Why it would not, in one line.
pub(crate) fn agent_file(file: &Path) -> Result<MetadataAgentConfig, String> {
    let name = file.display().to_string();
    let (text, written) = read_config_up_to(file, MOST).map_err(|error| error.to_string())?;
    let read = DraftAgent::read(&name, &text).and_then(|draft| draft.finish(&name, &text));
    let (config, _) = read.map_err(|errors| CheckRefusal::Wrong(shown::errors(&text, &name, errors)).row())?;
    Start::Agent(Box::new(config.clone())).tried(file, written)?;
    Ok(config)
}

/// One line for programs; further keys may come.
fn json(name: &str, checked: &Result<CheckedText, CheckRefusal>) -> Value {
    match checked {
        Ok(CheckedText { text, kind, warnings, .. }) => {
            json!({ "file": name, "valid": true, "kind": kind, "gate": text, "diagnostics": warnings })
        }
        Err(CheckRefusal::Wrong(errors)) => json!({ "file": name, "valid": false, "diagnostics": errors }),
        Err(CheckRefusal::Unusable(reason)) => {
            json!({ "file": name, "valid": false, "error": reason, "diagnostics": [] })
        }
    }
}

/// Why a file is refused.
enum CheckRefusal {
    /// It cannot be read, or names an account or path that this host does not have.
    Unusable(String),
    /// Its text has errors.
    Wrong(Diagnostics),
}

impl CheckRefusal {
    /// All errors, with carets.
    fn render(&self) -> String {
        match self {
            Self::Unusable(reason) => reason.clone(),
            Self::Wrong(errors) => errors.render(colours()),
        }
    }

    /// The first error, for a table.
    fn row(&self) -> String {
        match self {
            Self::Unusable(reason) => reason.clone(),
            Self::Wrong(Diagnostics(errors)) => {
                let first = errors.first().map(|one| match one.line {
                    0 => one.message.clone(),
                    line => format!("{line}:{}: {}", one.column, one.message),
                });
                let more = errors.len().saturating_sub(1);
                let more = if more == 0 { String::new() } else { format!(", and {more} more") };
                first.unwrap_or_default() + &more
            }
        }
    }
}

/// A valid text.
struct CheckedText {
    /// Its kind: `gate`, `host`, `pool`, `agent`, `site`.
    kind: &'static str,
    /// A summary in a few words.
    summary: String,
    /// The configuration with every default written out.
    text: String,
    warnings: Vec<Diagnostic>,
}

impl CheckedText {
    /// For a table.
    fn row(&self) -> String {
        match self.warnings.len() {
            0 => self.summary.clone(),
            1 => format!("{}; 1 warning", self.summary),
            several => format!("{}; {several} warnings", self.summary),
        }
    }

    fn warn(&self) {
        for warning in &self.warnings {
            eprintln!("{}", warning.render(colours()));
        }
    }
}

/// The addresses of listeners.
fn heard(listeners: &[Listener]) -> String {
    listeners.iter().map(ToString::to_string).collect::<Vec<_>>().join(" and ")
}

/// Reads a text. Returns it with the start that it describes.
fn understand(dialect: Dialect, name: &str, text: &str) -> Result<(CheckedText, Start), Diagnostics> {
    let gate = |Parsed { config, warnings }: Parsed, start: fn(Box<Config>) -> Start| {
        let summary = format!("{} on {}", config.gate.identity.uuid(), heard(&config.gate.listeners));
        let text = native::render(&config);
        (CheckedText { kind: "gate", summary, text, warnings }, start(Box::new(config)))
    };
    match dialect {
        Dialect::Native => native::parse(name, text).map(|parsed| gate(parsed, Start::Gate)),
        Dialect::Haproxy if haproxy::is_host_proxy(text) => {
            let ParsedHost { config, warnings } = haproxy::parse_host(name, text)?;
            // A host's proxy cannot be written as TOML.
            let summary = format!("{}, heard on {}", config.proxy.summary(), heard(&config.proxy.listeners));
            let text = format!("{summary}\n");
            Ok((CheckedText { kind: "host", summary, text, warnings }, Start::Host(Box::new(config))))
        }
        Dialect::Haproxy => haproxy::parse(name, text).map(|parsed| gate(parsed, |config| Start::Agents(config, None))),
        Dialect::Pool => {
            let (config, warnings) = DraftPool::read(name, text)?.finish(name, text)?;
            let summary = format!("networks are handed over at {}", config.pool.socket);
            let text = native::render_pool(&config);
            Ok((CheckedText { kind: "pool", summary, text, warnings }, Start::Pool(Box::new(config))))
        }
        Dialect::Agent => {
            let (config, warnings) = DraftAgent::read(name, text)?.finish(name, text)?;
            let summary = format!("gates are served at {}", config.agent.socket);
            let text = native::render_agent(&config);
            Ok((CheckedText { kind: "agent", summary, text, warnings }, Start::Agent(Box::new(config))))
        }
        Dialect::Site => {
            let site = Site::parse(name, text)?;
            let summary = "settings of every gate that agents start".to_owned();
            Ok((CheckedText { kind: "site", summary, text: site.render(), warnings: Vec::new() }, Start::Nothing))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Dialect, Path};

    #[test]
    fn a_text_of_haproxys_is_known_by_its_sections_and_its_preprocessor() {
        let of = |name: &str, text: &str| Dialect::of(Path::new(name), text);
        for text in [
            "global\n",
            "# a\n\n  defaults\n",
            ".notice \"a\"\nglobal\n",
            ".if 1\n",
            "peers p\n",
            "userlist u\n",
            "glbal\n    daemon\nlisten l\n",
        ] {
            assert!(matches!(of("/a.conf", text), Dialect::Haproxy), "{text:?}");
            assert!(matches!(of("/a.toml", text), Dialect::Native), "{text:?}");
        }
        for text in ["listen = [\"127.0.0.1:80\"]\n", "network_id = \"x\"\n", "", "[limits]\nconnections = 5\n"] {
            assert!(matches!(of("/a.conf", text), Dialect::Native), "{text:?}");
        }
    }
}
