//! Serves the page at a UNIX socket. Each request gets a new page.

use super::{Scrape, Sources, page};
use crate::terminal::complain;
use nix::{
    sys::{
        signal::{SigSet, Signal},
        stat::{Mode, umask},
    },
    unistd::{Gid, Group, chown},
};
use nsgate_pool::worker::metrics;
use std::{
    fs, io,
    os::unix::{
        fs::{FileTypeExt, MetadataExt, PermissionsExt},
        net::{UnixListener, UnixStream},
    },
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};
use tokio::{runtime::Builder, sync::oneshot, task::spawn_blocking};

/// A request within this time gets the same page again.
const FRESH: Duration = Duration::from_secs(1);

/// Readers at once: they share a page.
const READERS: usize = 64;

/// Most bytes of a socket's path, without the NUL.
const LONGEST: usize = 107;

/// Serves until SIGTERM or SIGINT. `ready` is called once guests may come; the socket is removed at the end.
///
/// # Errors
/// In words.
pub(crate) fn serve(path: &Path, group: Option<&str>, sources: Sources, ready: fn()) -> Result<u8, String> {
    let named = |error: String| format!("{}: {error}", path.display());
    let gid = group.map(group_id).transpose()?;
    let listener = bind(path, gid).map_err(named)?;
    let end = told_to_end().map_err(|errno| named(errno.to_string()))?;
    let runtime = Builder::new_current_thread().enable_all().max_blocking_threads(1).build();
    let outcome = runtime.map_err(|error| named(error.to_string())).and_then(|runtime| {
        runtime.block_on(async {
            let listener = tokio::net::UnixListener::from_std(listener).map_err(|error| named(error.to_string()))?;
            let last = Arc::new(Mutex::new(Last::default()));
            let page = move || {
                let (last, sources) = (last.clone(), sources.clone());
                async move { spawn_blocking(move || fresh(&last, &sources)).await.unwrap_or_else(|_| "".into()) }
            };
            ready();
            tokio::select! {
                () = metrics::serve(listener, READERS, page) => {}
                _ = end => {}
            }
            Ok(0)
        })
    });
    let _ = fs::remove_file(path);
    outcome
}

/// Ends at SIGTERM or SIGINT: a thread waits for them, and no other thread meets one.
fn told_to_end() -> nix::Result<oneshot::Receiver<()>> {
    let signals: SigSet = [Signal::SIGTERM, Signal::SIGINT].into_iter().collect();
    signals.thread_block()?;
    let (tell, told) = oneshot::channel();
    std::thread::spawn(move || {
        let _ = signals.wait();
        let _ = tell.send(());
    });
    Ok(told)
}

/// What was told last.
#[derive(Default)]
struct Last {
    page: Option<(Instant, Arc<str>)>,
    unseen: Vec<String>,
}

/// The page of now, or of a moment ago. What cannot be looked at is said on standard error when it is news.
fn fresh(last: &Mutex<Last>, sources: &Sources) -> Arc<str> {
    let mut last = last.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((_, text)) = last.page.as_ref().filter(|(when, _)| when.elapsed() < FRESH) {
        return text.clone();
    }
    // A reader refuses an empty page. It does not mistake the error for a host without networks.
    let page = page(sources).unwrap_or_else(|error| Scrape { text: String::new(), unseen: vec![error] });
    page.unseen.iter().filter(|one| !last.unseen.contains(one)).for_each(|one| complain!("{one}"));
    last.unseen = page.unseen;
    let text: Arc<str> = page.text.into();
    last.page = Some((Instant::now(), text.clone()));
    text
}

fn group_id(name: &str) -> Result<Gid, String> {
    match Group::from_name(name) {
        Ok(Some(group)) => Ok(group.gid),
        // A number if no group has this name, as chgrp(1) does.
        Ok(None) if name.parse::<u32>().is_ok_and(|number| number != u32::MAX) => {
            name.parse().map(Gid::from_raw).map_err(|error| format!("group `{name}`: {error}"))
        }
        Ok(None) => Err(format!("group `{name}`: there is no such group")),
        Err(errno) => Err(format!("group `{name}`: {errno}")),
    }
}

/// Listens at `path`: for this user alone, or for a group as well.
fn bind(path: &Path, gid: Option<Gid>) -> Result<UnixListener, String> {
    let directory = path.parent().filter(|directory| directory.is_absolute()).ok_or("not an absolute path")?;
    if path.as_os_str().len() > LONGEST {
        return Err(format!("a socket's path has {LONGEST} bytes at most (unix(7))"));
    }
    let found = fs::metadata(directory).map_err(|error| absent(directory, &error))?;
    let own = nix::unistd::geteuid().as_raw();
    if ![0, own].contains(&found.uid()) || found.mode() & 0o022 != 0 {
        return Err(format!(
            "others than root may write in {}, and could put another socket there; name a path in a directory of root's",
            directory.display()
        ));
    }
    match fs::symlink_metadata(path) {
        Ok(there) if !there.file_type().is_socket() => return Err("something that is no socket is there".to_owned()),
        Ok(_) if UnixStream::connect(path).is_ok() => return Err("another process answers there".to_owned()),
        _ => {}
    }
    let new = beside(path);
    let say = |error: io::Error| error.to_string();
    let before = umask(Mode::from_bits_truncate(0o177));
    let listener = UnixListener::bind(&new).map_err(say);
    umask(before);
    let listener = listener?;
    let set = || -> io::Result<()> {
        listener.set_nonblocking(true)?;
        if let Some(gid) = gid {
            // Under the packaged unit it is this process's own group, and the call is not permitted.
            if fs::symlink_metadata(&new)?.gid() != gid.as_raw() {
                chown(&new, None, Some(gid))?;
            }
            fs::set_permissions(&new, fs::Permissions::from_mode(0o660))?;
        }
        fs::rename(&new, path)
    };
    set().map_err(|error| {
        let _ = fs::remove_file(&new);
        say(error)
    })?;
    Ok(listener)
}

/// Why nothing can be made in a directory.
pub(super) fn absent(directory: &Path, error: &io::Error) -> String {
    let shown = directory.display();
    match error.kind() {
        io::ErrorKind::NotFound => format!("{shown}: {error}; make the directory, or correct the path"),
        _ => format!("{shown}: {error}"),
    }
}

/// A short name beside it: a socket's address has 107 bytes at most.
fn beside(path: &Path) -> PathBuf {
    path.with_file_name(format!(".{}", std::process::id()))
}
