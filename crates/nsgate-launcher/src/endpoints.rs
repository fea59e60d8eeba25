//! A pool's worker's sockets: pinned, then bound beside their places, or passed by the service manager that has bound them.

use crate::{
    LaunchError,
    endpoint::{self, Endpoint, EndpointPlace},
    manager,
    plan::Plan,
    trust::Trust,
};
use nix::unistd::Gid;
use nsgate_sandbox::Origin;
use std::{
    fs,
    os::{
        fd::OwnedFd,
        unix::fs::{FileTypeExt, MetadataExt},
    },
    path::PathBuf,
};

/// Where one of the sockets comes from.
pub(crate) enum SocketSource {
    /// The service manager has bound it at this path. It stays where it is, also when this worker ends.
    Passed(OwnedFd, PathBuf),
    /// It is to be made here.
    Made(EndpointPlace),
}

/// Where the sockets of `plan` come from. What the manager has `passed` is taken out of the list. A process without
/// privileges makes none.
pub(crate) fn pin(
    plan: &Plan<'_>,
    trust: &Trust,
    unprivileged: bool,
    passed: &mut Vec<(String, OwnedFd)>,
    warnings: &mut Vec<String>,
) -> Result<Vec<SocketSource>, LaunchError> {
    let mut sources = Vec::new();
    for (path, purpose) in plan.sockets.iter().copied() {
        let source = match manager::bound(passed, path, purpose, warnings) {
            Some(listening) => Ok(SocketSource::Passed(listening, path.as_path().to_owned())),
            None if unprivileged => Err(endpoint::not_passed(path, purpose)),
            None => EndpointPlace::pin(path, purpose, trust).map(SocketSource::Made),
        };
        sources.push(source.map_err(|error| unused(warnings, error))?);
    }
    Ok(sources)
}

/// The sockets.
#[derive(Default)]
pub(crate) struct Endpoints {
    /// Bound beside their places.
    pub(crate) waiting: Vec<Endpoint>,
    pub(crate) listening: Vec<OwnedFd>,
    /// Where each of them is to be found, and the device and inode of its file.
    files: Vec<(PathBuf, (u64, u64))>,
}

impl Endpoints {
    /// Makes those that are to be made; `group` may hand over, and a predecessor is told to leave with `replace`.
    pub(crate) fn bind(
        sources: Vec<SocketSource>,
        group: Option<Gid>,
        replace: bool,
        warnings: &[String],
    ) -> Result<Self, LaunchError> {
        let mut sockets = Self::default();
        for source in sources {
            let bound = match source {
                SocketSource::Passed(listening, path) => {
                    let found = fs::symlink_metadata(&path).ok().filter(|found| found.file_type().is_socket());
                    sockets.files.extend(found.map(|found| (path, (found.dev(), found.ino()))));
                    Ok((None, listening))
                }
                SocketSource::Made(place) => {
                    place.bind(group, replace).map(|(waiting, listening)| (Some(waiting), listening))
                }
            };
            match bound {
                Ok((waiting, listening)) => {
                    sockets.files.extend(waiting.as_ref().map(Endpoint::file));
                    sockets.waiting.extend(waiting);
                    sockets.listening.push(listening);
                }
                Err(error) => {
                    sockets.waiting.iter().for_each(Endpoint::withdraw);
                    return Err(unused(warnings, error));
                }
            }
        }
        Ok(sockets)
    }

    /// The origin of a root whose process listens at these sockets.
    pub(crate) fn told(&self, origin: Origin) -> Origin {
        self.files.iter().fold(origin, |origin, (path, file)| origin.and_socket(path, *file))
    }
}

/// What was passed under a socket's name and is not used says more than that there is none.
fn unused(warnings: &[String], error: LaunchError) -> LaunchError {
    let passed = warnings.iter().find(|warning| warning.contains("passed as"));
    passed.map_or(error, |warning| LaunchError::Gate(warning.clone()))
}
