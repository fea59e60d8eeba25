//! `nsgate check`: is this text a gate?

use super::colours;
use nsgate_config::{Config, Diagnostic, Diagnostics, Parsed, haproxy, native};
use nsgate_launcher::{read_config, resolve};
use std::path::{Path, PathBuf};

/// Judges the text, and that user and group exist. Says nothing of the rest of this host.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  nsgate check /var/lib/neutron/ns-metadata-proxy/7a1c4d2e-9f7b-4b59-9a55-0d3c1f6e2b10.conf"
)]
pub(super) struct Check {
    /// The configuration: nsgate's TOML, or haproxy's words as Neutron writes them
    file: PathBuf,
    /// Take the text for this dialect instead of looking at it
    #[arg(long, value_enum)]
    dialect: Option<Dialect>,
    /// Print what was found as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub(super) enum Dialect {
    /// nsgate's own TOML
    Native,
    /// What OpenStack Neutron writes for haproxy
    Haproxy,
}

impl Dialect {
    /// A text whose first word is a section of haproxy is haproxy's; everything else is meant to be TOML.
    fn of(path: &Path, text: &str) -> Self {
        let first = text.lines().map(str::trim).find(|line| !line.is_empty() && !line.starts_with('#'));
        let section = first.and_then(|line| line.split_whitespace().next()).unwrap_or_default();
        let named_toml = path.extension().is_some_and(|extension| extension == "toml");
        match section {
            "global" | "defaults" | "listen" | "backend" | "frontend" if !named_toml => Self::Haproxy,
            _ => Self::Native,
        }
    }
}

impl Check {
    pub(super) fn execute(&self) -> Result<u8, String> {
        let text = read_config(&self.file).map_err(|error| error.to_string())?;
        let dialect = self.dialect.unwrap_or_else(|| Dialect::of(&self.file, &text));
        let name = self.file.display().to_string();
        let parsed = match dialect {
            Dialect::Native => native::parse(&name, &text),
            Dialect::Haproxy => haproxy::parse(&name, &text),
        };
        match parsed {
            Ok(Parsed { config, warnings }) => self.accept(&config, &warnings),
            Err(errors) => Err(self.refuse(&errors)),
        }
    }

    fn accept(&self, config: &Config, warnings: &[Diagnostic]) -> Result<u8, String> {
        resolve(&config.process).map_err(|error| error.to_string())?;
        let gate = native::render(config);
        if self.json {
            println!("{}", serde_json::json!({ "valid": true, "gate": gate, "diagnostics": warnings }));
        } else {
            for warning in warnings {
                eprintln!("{}", warning.render(colours()));
            }
            print!("{gate}");
        }
        Ok(0)
    }

    fn refuse(&self, errors: &Diagnostics) -> String {
        if self.json {
            println!("{}", serde_json::json!({ "valid": false, "diagnostics": errors }));
        }
        errors.render(colours())
    }
}
