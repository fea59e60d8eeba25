//! The directory of an agent's configuration: made while files can be read, followed once the signer is confined.

use super::{
    file_watch::{FileWatch, digest},
    pem_files::PemFiles,
};
use nsgate_agent::{
    directory::{
        Directory, FileDirectory, NoOccupant, Occupant, Question,
        ovn::{OvnDirectory, OvnFollower, OvnOptions, OvnServer},
    },
    ovsdb::Remote,
    tls::TlsClient,
};
use nsgate_config::{AbsolutePath, DatabaseRemote, DirectorySource, OvnSouthbound};
use nsgate_launcher::{ConfigText, MOST_OF_HOST, ReaderPipes, read_config_up_to};
use std::{net::SocketAddr, path::PathBuf};

/// The directory that the configuration asks for.
#[derive(Clone, Debug)]
pub(super) enum AgentDirectory {
    File(FileDirectory),
    Ovn(OvnDirectory),
}

impl Directory for AgentDirectory {
    async fn who(&self, question: &Question) -> Result<Occupant, NoOccupant> {
        match self {
            Self::File(directory) => directory.who(question).await,
            Self::Ovn(directory) => directory.who(question).await,
        }
    }
}

/// What is known of a directory before the process is confined.
pub(super) enum DirectoryStart {
    /// The file's path, its instances, and the digest of its text.
    File(String, FileDirectory, u64),
    /// The database, the client for its servers with TLS, and what is odd about that one's files.
    Ovn(OvnSouthbound, Option<TlsClient>, Vec<String>),
}

impl DirectoryStart {
    /// What is odd about the files that were read for it.
    pub(super) fn odd(&self) -> &[String] {
        match self {
            Self::File(..) => &[],
            Self::Ovn(_, _, odd) => odd,
        }
    }

    /// Reads what has to be read for it, by the rights of the start.
    pub(super) fn read(source: &DirectorySource) -> Result<Self, String> {
        match source {
            DirectorySource::File(path) => {
                let text = instances(path)?;
                let known = FileDirectory::new(path.as_str(), &text).map_err(|error| error.to_string())?;
                Ok(Self::File(path.to_string(), known, digest(&text)))
            }
            DirectorySource::Ovn(ovn) => {
                let Some(files) = &ovn.tls else { return Ok(Self::Ovn(ovn.clone(), None, Vec::new())) };
                let (files, mut odd) = PemFiles::read(files, true).map_err(|error| format!("[directory] {error}"))?;
                let (client, more) = files.client().map_err(|error| format!("[directory] {error}"))?;
                odd.extend(more);
                Ok(Self::Ovn(ovn.clone(), Some(client), odd))
            }
            _ => Err("this directory is not built yet".to_owned()),
        }
    }

    /// The directory as the confined process reaches it: a file by its reader, a database by sockets in its root and by addresses,
    /// both in the order of the configuration.
    pub(super) fn open(self, ways: DirectoryWays) -> OpenDirectory {
        match self {
            Self::File(path, known, digest) => {
                let told = format!("{} instances of {path}", known.instances());
                let watch = ways.reader.map(|reader| FileWatch::new(reader, path, known.clone(), digest));
                OpenDirectory { directory: AgentDirectory::File(known), follower: DirectoryFollower::File(watch), told }
            }
            Self::Ovn(ovn, tls, _) => {
                let told = told(&ovn);
                let mut options = options(&ovn, ways);
                options.tls = tls;
                let (directory, follower) = OvnDirectory::new(options);
                let follower = DirectoryFollower::Ovn(Box::new(follower));
                OpenDirectory { directory: AgentDirectory::Ovn(directory), follower, told }
            }
        }
    }
}

/// How a confined process reaches its directory.
pub(super) struct DirectoryWays {
    /// Who reads a directory that is a file.
    pub(super) reader: Option<ReaderPipes>,
    /// Sockets of a database.
    pub(super) sockets: Vec<PathBuf>,
    /// Addresses of a database.
    pub(super) addresses: Vec<SocketAddr>,
}

/// A directory of a process that is confined.
pub(super) struct OpenDirectory {
    pub(super) directory: AgentDirectory,
    /// To be run, so that the directory follows its source.
    pub(super) follower: DirectoryFollower,
    /// What it is, for the log.
    pub(super) told: String,
}

/// Keeps a directory as its source is.
pub(super) enum DirectoryFollower {
    File(Option<FileWatch>),
    Ovn(Box<OvnFollower>),
}

impl DirectoryFollower {
    /// Returns the reason when the source can be followed no longer.
    pub(super) async fn follow(self) -> String {
        match self {
            Self::File(Some(watch)) => watch.follow().await,
            Self::File(None) => std::future::pending().await,
            Self::Ovn(follower) => match follower.run().await {},
        }
    }
}

fn instances(path: &AbsolutePath) -> Result<ConfigText, String> {
    let text = read_config_up_to(path.as_path(), MOST_OF_HOST);
    text.map(|(text, _)| text).map_err(|error| format!("`directory`: {error}"))
}

/// How OVN's database is followed. What the log calls a server is what the configuration calls it.
fn options(ovn: &OvnSouthbound, ways: DirectoryWays) -> OvnOptions {
    let (mut sockets, mut addresses) = (ways.sockets.into_iter(), ways.addresses.into_iter());
    let server = |remote: &DatabaseRemote| {
        let place = match remote {
            DatabaseRemote::Unix(_) => sockets.next().map(Remote::Unix),
            DatabaseRemote::Tcp(_) => {
                addresses.next().map(|address| Remote::Tcp(address.ip().to_string(), address.port()))
            }
            DatabaseRemote::Ssl(_) => {
                addresses.next().map(|address| Remote::Tls(address.ip().to_string(), address.port()))
            }
            _ => None,
        };
        Some(OvnServer { remote: place?, name: remote.to_string() })
    };
    let servers: Vec<OvnServer> = ovn.remotes.iter().filter_map(server).collect();
    let mut options = OvnOptions::new(servers, ovn.chassis.clone());
    options.only_the_leader = ovn.leader_only;
    options
}

fn told(ovn: &OvnSouthbound) -> String {
    let whose = ovn.chassis.as_ref().map_or_else(|| "all chassis".to_owned(), |chassis| format!("chassis {chassis}"));
    let remotes: Vec<String> = ovn.remotes.iter().map(ToString::to_string).collect();
    format!("the ports of {whose} in OVN's southbound database at {}", remotes.join(" or "))
}
