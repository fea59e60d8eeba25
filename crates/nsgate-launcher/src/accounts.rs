//! Step 2: names become numbers, once (finding 7).
//!
//! Refuses root unless it is allowed, names that are unknown, and names that only look like one; nothing is ever
//! compared as text afterwards.

use crate::LaunchError;
use nix::unistd::{Gid, Group, Uid, User};
use nsgate_config::{Account, Backend, Process};
use nsgate_sandbox::Ids;

/// Who the gate will be.
///
/// # Errors
/// The name, and why it is not acceptable.
pub fn resolve(process: &Process) -> Result<Ids, LaunchError> {
    let user = user("user", &process.user)?;
    let gid = match &process.group {
        Some(account) => group(account)?,
        None => user
            .1
            .ok_or_else(|| refused("user", &process.user, "the number has no account and so no group; name a group"))?,
    };
    if user.0.is_root() && !process.allow_root {
        return Err(refused("user", &process.user, ALLOW_ROOT));
    }
    if gid.as_raw() == 0 && !process.allow_root {
        let account = process.group.as_ref().unwrap_or(&process.user);
        return Err(refused("group", account, ALLOW_ROOT));
    }
    Ok(Ids { uid: user.0, gid })
}

const ALLOW_ROOT: &str = "root is refused: a gate should be nobody special. If it must be, say `--allow-root` or \
    `allow_root = true` (under the haproxy name in /etc/nsgate/nsgate.toml)";

/// Who the agent must be, if the configuration says so. Root may be: the agent is outside.
pub(crate) fn owner(backend: &Backend) -> Result<Option<u32>, LaunchError> {
    backend.owner.as_ref().map(|account| user("backend_owner", account).map(|(uid, _)| uid.as_raw())).transpose()
}

fn user(kind: &'static str, account: &Account) -> Result<(Uid, Option<Gid>), LaunchError> {
    let found = match account {
        Account::Name(name) => User::from_name(name),
        Account::Id(id) => User::from_uid(Uid::from_raw(*id)),
    };
    match (found, account) {
        (Ok(Some(user)), _) => Ok((user.uid, Some(user.gid))),
        (Ok(None), Account::Id(id)) => Ok((Uid::from_raw(*id), None)),
        (Ok(None), Account::Name(_)) => {
            Err(refused(kind, account, "there is no such user; `getent passwd` lists them"))
        }
        (Err(error), _) => Err(refused(kind, account, &format!("getpwnam_r: {error}"))),
    }
}

/// The number of a group.
pub(crate) fn group(account: &Account) -> Result<Gid, LaunchError> {
    match account {
        Account::Id(id) => Ok(Gid::from_raw(*id)),
        Account::Name(name) => match Group::from_name(name) {
            Ok(Some(group)) => Ok(group.gid),
            Ok(None) => Err(refused("group", account, "there is no such group; `getent group` lists them")),
            Err(error) => Err(refused("group", account, &format!("getgrnam_r: {error}"))),
        },
    }
}

fn refused(kind: &'static str, account: &Account, reason: &str) -> LaunchError {
    LaunchError::Account { kind, name: account.to_string(), reason: reason.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::resolve;
    use nsgate_config::{Account, Process, SandboxLevel};

    fn process(user: Account, group: Option<Account>, allow_root: bool) -> Process {
        Process {
            user,
            group,
            allow_root,
            daemon: false,
            pid_file: None,
            netns: None,
            freebind: false,
            log: None,
            audit: None,
            sandbox: SandboxLevel::Default,
        }
    }

    fn name(text: &str) -> Account {
        Account::Name(text.to_owned())
    }

    #[test]
    fn finding_7_root_is_refused_by_name_and_by_number() {
        for user in [name("root"), Account::Id(0)] {
            let error = resolve(&process(user.clone(), None, false)).unwrap_err();
            assert!(error.to_string().contains("allow_root"), "{error}");
            assert!(resolve(&process(user, Some(name("root")), true)).is_ok());
        }
        let group = resolve(&process(Account::Id(1), Some(name("root")), false)).unwrap_err();
        assert!(group.to_string().starts_with("group `root`"), "{group}");
    }

    #[test]
    fn finding_7_an_unknown_name_is_refused() {
        let error = resolve(&process(name("no-such-user"), None, false)).unwrap_err();
        assert!(error.to_string().contains("no-such-user"), "{error}");
        let error = resolve(&process(Account::Id(1), Some(name("no-such-group")), false)).unwrap_err();
        assert!(error.to_string().contains("no-such-group"), "{error}");
    }
}
