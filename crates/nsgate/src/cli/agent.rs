//! `nsgate agent`: the second hop.

use super::{colours, run::obeyed};
use crate::{
    agent::{AgentStart, run},
    notify, shown,
    terminal::unheard,
};
use nsgate_agent::{directory::FileDirectory, signature::Secret};
use nsgate_config::{AbsolutePath, Account, DirectorySource, MetadataAgentConfig, Process, native::DraftAgent};
use nsgate_launcher::{ConfigText, MOST_OF_HOST, Mode, Options, Written, read_config, read_config_up_to, resolve};
use std::{fs, os::unix::fs::MetadataExt, path::PathBuf};

/// Carries the requests of this host's gates to Nova, in the foreground unless its configuration says otherwise.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  nsgate check --dialect agent /etc/nsgate/agent.toml && \\\n  nsgate agent --config /etc/nsgate/agent.toml"
)]
pub(super) struct AgentCommand {
    /// The agent as TOML
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// Stay in the foreground, whatever the configuration says
    #[arg(long)]
    foreground: bool,
}

impl AgentCommand {
    pub(super) fn execute(self) -> Result<u8, String> {
        let (mut config, written) = self.configuration()?;
        config.process.daemon &= !self.foreground;
        let (start, warnings) = read_all(&config)?;
        warnings.iter().for_each(|warning| eprintln!("{warning}"));
        let mut options = Options::new(if config.process.daemon { Mode::Daemon } else { Mode::Foreground });
        options.on_ready = Some(notify::ready);
        options.unheard = Some(unheard);
        options.passed = notify::passed()?;
        options.written = written;
        run(AgentStart { config, ..start }, &options)
    }

    fn configuration(&self) -> Result<(MetadataAgentConfig, Option<Written>), String> {
        let (name, text, written) = obeyed(Some(&self.config))?;
        let wrong = |errors| shown::errors(&text, &name, errors).render(colours());
        let (config, warnings) =
            DraftAgent::read(&name, &text).and_then(|draft| draft.finish(&name, &text)).map_err(wrong)?;
        for warning in shown::warnings(&text, &name, warnings) {
            eprintln!("{}", warning.render(colours()));
        }
        Ok((config, written))
    }
}

/// Everything beside the configuration that a start reads, by the rights of who starts: the secret, the directory, and the numbers
/// of users. And what is odd about it.
pub(super) fn read_all(config: &MetadataAgentConfig) -> Result<(AgentStart, Vec<String>), String> {
    let binders = config.agent.binders.iter().map(user).collect::<Result<_, _>>()?;
    let (secret, warnings) = secret(&config.nova.secret_file)?;
    let instances = match &config.directory {
        DirectorySource::File(path) => instances(path)?,
        _ => ConfigText::default(),
    };
    Ok((AgentStart { config: config.clone(), binders, secret, instances }, warnings))
}

fn user(account: &Account) -> Result<u32, String> {
    if let Account::Id(id) = account {
        return Ok(*id);
    }
    let mut process = Process::new(account.clone());
    (process.group, process.allow_root) = (Some(Account::Id(0)), true);
    resolve(&process).map(|ids| ids.uid.as_raw()).map_err(|error| format!("`binders`: {error}"))
}

fn secret(path: &AbsolutePath) -> Result<(Secret, Vec<String>), String> {
    let (text, _) = read_config(path.as_path()).map_err(|error| format!("`secret_file`: {error}"))?;
    let secret = Secret::new(text.as_bytes().to_vec()).map_err(|error| format!("`secret_file` {path}: {error}"))?;
    let open = fs::metadata(path.as_path()).is_ok_and(|found| found.mode() & 0o004 != 0);
    let warning =
        || format!("`secret_file` {path}: each user of this host may read it; take that right away (chmod o-r)");
    Ok((secret, open.then(warning).into_iter().collect()))
}

fn instances(path: &AbsolutePath) -> Result<ConfigText, String> {
    let (text, _) = read_config_up_to(path.as_path(), MOST_OF_HOST).map_err(|error| format!("`directory`: {error}"))?;
    FileDirectory::new(path.as_str(), &text).map_err(|error| error.to_string())?;
    Ok(text)
}
