//! A pool's worker's sockets, before they take their places: bound here, or by the service manager.

use crate::{
    LaunchError, Options,
    endpoint::{self, Endpoint, Purpose},
    manager,
    trust::Trust,
};
use nix::unistd::Gid;
use nsgate_config::{AbsolutePath, Pool};
use std::os::fd::OwnedFd;

/// The sockets.
#[derive(Default)]
pub(crate) struct Endpoints {
    /// Bound beside their places.
    pub(crate) waiting: Vec<Endpoint>,
    pub(crate) listening: Vec<OwnedFd>,
}

impl Endpoints {
    pub(crate) fn bind(
        pool: &Pool,
        gid: Option<Gid>,
        options: &Options,
        trust: &Trust,
        passed: &mut Vec<(String, OwnedFd)>,
        warnings: &mut Vec<String>,
    ) -> Result<Self, LaunchError> {
        let mut sockets = Self::default();
        let replace = options.farewell.is_some();
        for (path, purpose) in Self::of(pool, gid) {
            // A socket that the service manager has bound stays where it is, also when this worker ends.
            if let Some(listening) = manager::bound(passed, path, purpose, warnings) {
                sockets.listening.push(listening);
                continue;
            }
            match Endpoint::bind(path, purpose, replace, trust) {
                Ok((waiting, listening)) => {
                    sockets.waiting.push(waiting);
                    sockets.listening.push(listening);
                }
                Err(error) => {
                    sockets.withdraw();
                    return Err(unused(warnings, error));
                }
            }
        }
        Ok(sockets)
    }

    /// Those that the service manager has bound, and no others.
    pub(crate) fn passed(
        pool: &Pool,
        gid: Option<Gid>,
        passed: &mut Vec<(String, OwnedFd)>,
        warnings: &mut Vec<String>,
    ) -> Result<Self, LaunchError> {
        let mut sockets = Self::default();
        for (path, purpose) in Self::of(pool, gid) {
            let bound = manager::bound(passed, path, purpose, warnings);
            let missing = || unused(warnings, endpoint::not_passed(path, purpose));
            sockets.listening.push(bound.ok_or_else(missing)?);
        }
        Ok(sockets)
    }

    /// Where they are, and what for.
    fn of(pool: &Pool, gid: Option<Gid>) -> impl Iterator<Item = (&AbsolutePath, Purpose)> {
        let metrics = pool.metrics.as_ref().map(|path| (path, Purpose::Metrics));
        std::iter::once((&pool.socket, Purpose::Handover(gid))).chain(metrics)
    }

    pub(crate) fn withdraw(&self) {
        self.waiting.iter().for_each(Endpoint::withdraw);
    }
}

/// What was passed under a socket's name and is not used says more than that there is none.
fn unused(warnings: &[String], error: LaunchError) -> LaunchError {
    let passed = warnings.iter().find(|warning| warning.contains("passed as"));
    passed.map_or(error, |warning| LaunchError::Gate(warning.clone()))
}
