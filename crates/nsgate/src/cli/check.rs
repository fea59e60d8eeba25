//! `nsgate check`: is this text a gate, a pool, or a site's settings?

use super::colours;
use crate::site;
use nsgate_config::{
    Diagnostic, Diagnostics, Parsed, Process,
    haproxy::{self, ParsedHost},
    native::{self, DraftPool, Site},
};
use nsgate_launcher::{MOST, MOST_OF_HOST, read_config_up_to, resolve};
use std::path::{Path, PathBuf};

/// Judges the text, and that user and group exist. Says nothing of the rest of this host.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  nsgate check /var/lib/neutron/ns-metadata-proxy/7a1c4d2e-9f7b-4b59-9a55-0d3c1f6e2b10.conf\n  \
    nsgate check --dialect pool /etc/nsgate/pool.toml"
)]
pub(super) struct Check {
    /// The configuration: nsgate's TOML, haproxy's words as Neutron writes them for a network or a host, a
    /// pool's, or a site's settings
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
    /// TOML of a pool, for `nsgate pool --config`
    Pool,
    /// TOML of /etc/nsgate/nsgate.toml
    Site,
}

impl Dialect {
    /// The site's settings are known by their place, a text whose first word is a section of haproxy is haproxy's;
    /// everything else is meant to be the TOML of a gate.
    fn of(path: &Path, text: &str) -> Self {
        if path == Path::new(site::PATH) {
            return Self::Site;
        }
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
        let text = read_config_up_to(&self.file, MOST_OF_HOST).map_err(|error| error.to_string())?;
        let dialect = self.dialect.unwrap_or_else(|| Dialect::of(&self.file, &text));
        let name = self.file.display().to_string();
        let host = matches!(dialect, Dialect::Haproxy) && haproxy::is_host_proxy(&text);
        if !host && u64::try_from(text.len()).is_ok_and(|length| length > MOST) {
            return Err(format!("{name}: the configuration is larger than {MOST} bytes"));
        }
        match understand(dialect, &name, &text) {
            Ok(understood) => self.accept(understood),
            Err(errors) => Err(self.refuse(&errors)),
        }
    }

    fn accept(&self, understood: Understood) -> Result<u8, String> {
        let Understood { text, process, warnings } = understood;
        if let Some(process) = process {
            resolve(&process).map_err(|error| error.to_string())?;
        }
        if self.json {
            println!("{}", serde_json::json!({ "valid": true, "gate": text, "diagnostics": warnings }));
        } else {
            for warning in warnings {
                eprintln!("{}", warning.render(colours()));
            }
            print!("{text}");
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

/// What a text means.
struct Understood {
    /// The same with every default written out.
    text: String,
    /// The process that it asks for, if it asks for one.
    process: Option<Process>,
    warnings: Vec<Diagnostic>,
}

fn understand(dialect: Dialect, name: &str, text: &str) -> Result<Understood, Diagnostics> {
    let gate = |Parsed { config, warnings }| Understood {
        text: native::render(&config),
        process: Some(config.process),
        warnings,
    };
    match dialect {
        Dialect::Native => native::parse(name, text).map(gate),
        Dialect::Haproxy if haproxy::is_host_proxy(text) => {
            let ParsedHost { config, warnings } = haproxy::parse_host(name, text)?;
            // It has no text in nsgate's own language.
            let heard: Vec<String> = config.proxy.listeners.iter().map(ToString::to_string).collect();
            let text = format!("{}, heard on {}\n", config.proxy.summary(), heard.join(" and "));
            Ok(Understood { text, process: Some(config.process), warnings })
        }
        Dialect::Haproxy => haproxy::parse(name, text).map(gate),
        Dialect::Pool => {
            let (config, warnings) = DraftPool::read(name, text)?.finish(name, text)?;
            Ok(Understood { text: native::render_pool(&config), process: Some(config.process), warnings })
        }
        Dialect::Site => {
            let site = Site::parse(name, text)?;
            Ok(Understood { text: site.render(), process: None, warnings: Vec::new() })
        }
    }
}
