//! Step 3, second half: what is opened at the end of the pinned paths, while the process is still in the host's network.

use crate::{
    AuditOutput, LaunchError, Output,
    accounts::Accounts,
    door,
    inherited::Inherited,
    log_socket::OpenedLog,
    look_up::look_up,
    options::{Mode, Options},
    output,
    paths::PinnedPaths,
    plan::Plan,
    root_names,
};
use nsgate_config::Server;
use std::{
    io::Stderr,
    net::SocketAddr,
    os::fd::{AsRawFd, OwnedFd, RawFd},
};

/// What leads out of the process.
pub(crate) struct Opened {
    /// The addresses that it connects to.
    pub(crate) servers: Vec<SocketAddr>,
    /// The addresses that its signer connects to.
    pub(crate) directory_servers: Vec<SocketAddr>,
    /// The connection to the agent, which is bound to the network.
    pub(crate) door: Option<OwnedFd>,
    pub(crate) log: OpenedLog,
    pub(crate) audit: Option<AuditOutput>,
    pub(crate) standard_error: Output<Stderr>,
}

impl Opened {
    /// Opens it.
    pub(crate) fn open(
        plan: &Plan<'_>,
        options: &Options,
        accounts: &Accounts,
        pinned: &mut PinnedPaths,
        inherited: &mut Inherited,
        warnings: &mut Vec<String>,
    ) -> Result<Self, LaunchError> {
        let address = |server: &&Server| look_up(server, &accounts.ids);
        let servers = plan.servers.iter().map(address).collect::<Result<_, _>>()?;
        let of_signer = plan.signer.iter().flat_map(|signer| &signer.servers);
        let directory_servers = of_signer.map(address).collect::<Result<_, _>>()?;
        let door = door::open(plan, options, accounts, pinned)?;
        let unprivileged = accounts.unprivileged.is_some();
        let mut log = pinned.log.take().map(|place| place.open(unprivileged, root_names::LOG)).unwrap_or_default();
        warnings.append(&mut log.warnings);
        let audit = pinned.audit.take().map(|place| place.open(inherited.audit.take(), options.mode)).transpose()?;
        // In the background there will be none, and with a log it is for last words.
        let mut unsaid = Vec::new();
        let speaks = plan.process.log.is_none() && options.log_file.is_none();
        let standard_error = match options.mode {
            Mode::Foreground => {
                output::append_to_files();
                Output::of_standard_error(if speaks { warnings } else { &mut unsaid })
            }
            Mode::Daemon => Output::kept(),
        };
        Ok(Self { servers, directory_servers, door, log, audit, standard_error })
    }

    /// Whether the root shows a system log that may come back.
    pub(crate) fn comes_back(&self) -> bool {
        self.log.directory.is_some()
    }

    /// Tells the starter's caller of `warnings` that the process itself has no way to tell: it has no log, and in the
    /// background no standard error.
    pub(crate) fn tell_unheard(&self, plan: &Plan<'_>, options: &Options, warnings: &[String]) {
        let unheard = match (&options.log_file, &plan.process.log) {
            (Some(_), _) => false,
            (None, Some(_)) => !self.log.socket.connected,
            (None, None) => options.mode == Mode::Daemon,
        };
        if let (true, Some(say)) = (unheard, options.unheard) {
            warnings.iter().for_each(|warning| say(warning));
        }
    }

    /// Descriptors that the process keeps of it.
    pub(crate) fn held(&self) -> impl Iterator<Item = RawFd> + '_ {
        let log = self.log.socket.socket.iter().map(AsRawFd::as_raw_fd);
        let door = self.door.iter().map(AsRawFd::as_raw_fd);
        log.chain(door).chain(self.audit.iter().filter_map(AuditOutput::number))
    }
}
