//! `nsgate agent`: the second hop.

use super::{colours, run::obeyed};
use crate::{
    agent::{AgentStart, check_files, run, warnings},
    notify, shown,
    terminal::unheard,
};
use nsgate_config::{Account, MetadataAgentConfig, Process, native::DraftAgent};
use nsgate_launcher::{Mode, Options, Written, resolve};
use std::path::PathBuf;

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
        let binders = binders(&config)?;
        warnings(&config).iter().for_each(|warning| eprintln!("{warning}"));
        let mut options = Options::new(if config.process.daemon { Mode::Daemon } else { Mode::Foreground });
        options.on_ready = Some(notify::ready);
        options.unheard = Some(unheard);
        options.passed = notify::passed()?;
        options.written = written;
        run(AgentStart { config, binders }, &options)
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

/// What a start would say of users and of the files that it reads beside the configuration: its refusal, or its warnings.
pub(super) fn check_all(config: &MetadataAgentConfig) -> Result<Vec<String>, String> {
    binders(config)?;
    let notes = check_files(config)?;
    Ok(warnings(config).into_iter().chain(notes).collect())
}

/// Numbers of the users who may bind connections.
fn binders(config: &MetadataAgentConfig) -> Result<Vec<u32>, String> {
    config.agent.binders.iter().map(user).collect()
}

fn user(account: &Account) -> Result<u32, String> {
    if let Account::Id(id) = account {
        return Ok(*id);
    }
    let mut process = Process::new(account.clone());
    (process.group, process.allow_root) = (Some(Account::Id(0)), true);
    resolve(&process).map(|ids| ids.uid.as_raw()).map_err(|error| format!("`binders`: {error}"))
}
