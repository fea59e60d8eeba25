//! The signer's process: it reads the secret, keeps the directory, and answers the questions of the process that carries requests.

use super::directory::{DirectoryStart, DirectoryWays, OpenDirectory};
use crate::{
    gate::{self, EventLoop},
    sys,
};
use nsgate_agent::{signature::Secret, signer::SignerService};
use nsgate_config::{AbsolutePath, MetadataAgentConfig};
use nsgate_launcher::{Options, RunningSigner, SignerServes, read_config};
use std::{fs, hash::RandomState, hint::black_box, os::unix::fs::MetadataExt};

/// What the signer does with the rights of the start.
///
/// # Errors
/// A sentence: what cannot be read, or is not what it should be.
pub(super) fn begin<'a>(config: &'a MetadataAgentConfig, options: &'a Options) -> Result<SignerServes<'a>, String> {
    let directory = DirectoryStart::read(&config.directory)?;
    directory.odd().iter().for_each(|odd| eprintln!("{odd}"));
    let event_loop = EventLoop::new().map_err(|error| format!("the event loop could not be made: {error}"))?;
    // The first hash table of a thread asks the kernel for random numbers, which the filter refuses later.
    black_box(RandomState::new());
    let secret = read_secret(&config.nova.secret_file)?;
    Ok(Box::new(move |running| serve(config, options, (directory, event_loop, secret), running)))
}

/// The secret that is shared with Nova.
///
/// # Errors
/// A sentence without a byte of it.
pub(super) fn read_secret(path: &AbsolutePath) -> Result<Secret, String> {
    let secret = read_and_drop_text(path);
    clear_stack();
    secret
}

#[inline(never)]
fn read_and_drop_text(path: &AbsolutePath) -> Result<Secret, String> {
    let (text, _) = read_config(path.as_path()).map_err(|error| format!("`secret_file`: {error}"))?;
    Secret::new(text.as_bytes().to_vec()).map_err(|error| format!("`secret_file` {path}: {error}"))
}

/// Overwrites what earlier calls have left below this one: the standard library reads the end of a file into a few bytes there, and the
/// key of HMAC passes through as well.
#[inline(never)]
fn clear_stack() {
    let mut room = [0_u8; 64 * 1024];
    black_box(&mut room).fill(0);
    black_box(&room);
}

/// What is odd about the secret's file, without reading it.
pub(super) fn secret_warning(path: &AbsolutePath) -> Option<String> {
    let open = fs::metadata(path.as_path()).is_ok_and(|found| found.mode() & 0o004 != 0);
    open.then(|| format!("`secret_file` {path}: each user of this host may read it; take that right away (chmod o-r)"))
}

fn serve(
    config: &MetadataAgentConfig,
    options: &Options,
    (directory, event_loop, secret): (DirectoryStart, EventLoop, Secret),
    running: RunningSigner,
) -> u8 {
    let RunningSigner { carrier, reader, sockets, servers, log, standard_error, host_pid, confined, .. } = running;
    let _ = gate::log(&config.process, options, (log, standard_error, None), host_pid, &[]);
    let opened = directory.open(DirectoryWays { reader, sockets, addresses: servers });
    let OpenDirectory { directory, follower, told } = opened;
    tracing::info!("The signer knows {told}; {}", gate::report(&confined, None));
    sys::give_back();
    let service = SignerService::new(directory, secret);
    event_loop.run(async move {
        tokio::select! {
            outcome = service.serve(carrier) => match outcome {
                // The process that carries requests has ended.
                Ok(()) => 0,
                Err(error) => {
                    tracing::error!("the signer ends: {error}");
                    1
                }
            },
            reason = follower.follow() => {
                tracing::error!("the signer ends: {reason}");
                1
            }
        }
    })
}
