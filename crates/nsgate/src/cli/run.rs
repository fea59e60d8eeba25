//! `nsgate run`: one gate, from a file or from flags.

use super::{colours, mistake::command_line};
use crate::{gate, notify, shown, terminal::unheard};
use nsgate_config::{
    Config, Parsed,
    native::{Draft, DraftAccount, all_on_command_line, on_command_line},
};
use nsgate_launcher::{ConfigText, Mode, Options, Written, read_config};
use std::path::{Path, PathBuf};

/// Serves one network, in the foreground unless told otherwise.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  nsgate run --network-id 7a1c4d2e-9f7b-4b59-9a55-0d3c1f6e2b10 --listen 169.254.169.254:80 \\\n      \
    --backend /var/lib/neutron/metadata_proxy --user neutron --group neutron --netns qdhcp-7a1c4d2e-9f7b-4b59-9a55-0d3c1f6e2b10"
)]
pub(super) struct Run {
    #[command(flatten)]
    network: NetworkArgs,
    /// Go into the background once the gate serves
    #[arg(long)]
    daemon: bool,
}

/// One network, from a file or from flags.
#[derive(Debug, clap::Args)]
pub(super) struct NetworkArgs {
    /// The gate as TOML; flags take precedence
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(flatten)]
    flags: RunFlags,
}

/// The common settings, as flags.
#[derive(Debug, clap::Args)]
struct RunFlags {
    /// The gate's network, of the DHCP agent
    #[arg(long, value_name = "UUID")]
    network_id: Option<String>,
    /// The gate's router, of the L3 agent
    #[arg(long, value_name = "UUID")]
    router_id: Option<String>,
    /// The gate's network, of OVN's agents
    #[arg(long, value_name = "UUID")]
    ovn_network_id: Option<String>,
    /// Address and port to hear guests on, with %INTERFACE for a link-local one; may be given more than once
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: Vec<String>,
    /// The metadata agent's UNIX socket
    #[arg(long, value_name = "PATH")]
    backend: Option<String>,
    /// The UNIX socket of `nsgate agent`, to which root binds the gate at its start; instead of --backend
    #[arg(long, value_name = "PATH")]
    agent: Option<String>,
    /// Run as this user
    #[arg(long)]
    user: Option<String>,
    /// Run as this group instead of the user's own
    #[arg(long)]
    group: Option<String>,
    /// Accept root as user or group
    #[arg(long)]
    allow_root: bool,
    /// Bind IPv4 addresses even if the namespace does not have them yet
    #[arg(long)]
    freebind: bool,
    /// Bind in this namespace: a name as `ip netns` lists it, or a path
    #[arg(long, value_name = "NAME|PATH")]
    netns: Option<String>,
    /// If the kernel lacks a part of the confinement: `default` reports it, `strict` refuses to start
    #[arg(long, value_name = "LEVEL")]
    sandbox: Option<String>,
    /// Write the pid here
    #[arg(long, value_name = "PATH")]
    pid_file: Option<String>,
}

impl Run {
    pub(super) fn execute(self) -> Result<u8, String> {
        let (mut config, written) = self.network.configuration()?;
        config.process.daemon |= self.daemon;
        let mode = if config.process.daemon { Mode::Daemon } else { Mode::Foreground };
        let (on_ready, unheard) = (Some(notify::ready as fn()), Some(unheard as fn(&str)));
        let mut options = Options::new(mode);
        options.on_ready = on_ready;
        options.unheard = unheard;
        options.passed = notify::passed()?;
        options.written = written;
        gate::run(&config, &options).map_err(|error| error.to_string())
    }
}

impl NetworkArgs {
    /// The file's settings, replaced by the flags, and the rights of the file.
    pub(super) fn configuration(self) -> Result<(Config, Option<Written>), String> {
        let (name, text, written) = obeyed(self.config.as_deref())?;
        let wrong = |errors| shown::errors(&text, &name, errors).render(colours());
        let mut draft = Draft::read(&name, &text).map_err(wrong)?;
        draft.command_line = Some(command_line());
        self.flags.fill(&mut draft);
        let Parsed { config, warnings } = draft.finish(&name, &text).map_err(wrong)?;
        for warning in shown::warnings(&text, &name, warnings) {
            eprintln!("{}", warning.render(colours()));
        }
        Ok((config, written))
    }
}

/// Name, text and rights of the configuration file. Without one, the text is the command line.
pub(super) fn obeyed(file: Option<&Path>) -> Result<(String, ConfigText, Option<Written>), String> {
    let Some(path) = file else { return Ok(("command line".to_owned(), ConfigText::default(), None)) };
    let (text, written) = read_config(path).map_err(|error| error.to_string())?;
    Ok((path.display().to_string(), text, Some(written)))
}

impl RunFlags {
    fn fill(self, draft: &mut Draft) {
        if self.network_id.is_some() || self.router_id.is_some() || self.ovn_network_id.is_some() {
            // An identity on the command line replaces the file's, of any kind.
            draft.network_id = self.network_id.map(on_command_line);
            draft.router_id = self.router_id.map(on_command_line);
            draft.ovn_network_id = self.ovn_network_id.map(on_command_line);
        }
        if !self.listen.is_empty() {
            draft.listen = all_on_command_line(self.listen);
        }
        let account = |name: String| on_command_line(DraftAccount::Name(name));
        let put = |slot: &mut Option<_>, said: Option<String>| {
            if let Some(said) = said {
                *slot = Some(on_command_line(said));
            }
        };
        if self.backend.is_some() || self.agent.is_some() {
            // One of the two ways, as the identity.
            draft.backend = self.backend.map(on_command_line);
            draft.agent = self.agent.map(on_command_line);
        }
        put(&mut draft.netns, self.netns);
        put(&mut draft.sandbox, self.sandbox);
        put(&mut draft.pid_file, self.pid_file);
        draft.user = self.user.map(account).or(draft.user.take());
        draft.group = self.group.map(account).or(draft.group.take());
        draft.allow_root |= self.allow_root;
        draft.freebind |= self.freebind;
    }
}
