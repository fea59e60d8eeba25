//! Step 2: names become numbers, once.
//!
//! Refuses root unless it is allowed, names that are unknown, and names that only look like one; nothing is ever
//! compared as text afterwards. They are looked up elsewhere ([`errand`]): what a module of the account database opens
//! is not this process's.

use crate::{LaunchError, errand, plan::Plan, unprivileged::RuntimeDirectory};
use nix::{
    errno::Errno,
    unistd::{Gid, Group, Uid, User},
};
use nsgate_config::{Account, Backend, Process};
use nsgate_sandbox::Ids;
use std::time::Duration;

/// How long all of a start's names may take. A module that asks a directory on the network has patience of its own.
const PATIENCE: Duration = Duration::from_secs(30);

/// Every account that a start needs, as numbers.
pub(crate) struct Accounts {
    /// Who the gate will be.
    pub(crate) ids: Ids,
    /// Who each agent must be, if the configuration says so. Root may be: the agent is outside.
    pub(crate) owners: Vec<Option<u32>>,
    /// Who may hand over to a pool's worker.
    pub(crate) handover: Option<Gid>,
    /// The directory of a process that was started as this user already, without privileges: it has none to give up. One
    /// that has privileges has no such directory.
    pub(crate) unprivileged: Option<RuntimeDirectory>,
}

impl Accounts {
    /// Those that `plan` names, with one question.
    pub(crate) fn look_up(plan: &Plan<'_>) -> Result<Self, LaunchError> {
        all(plan.process, plan.agents(), plan.handover_group)
    }
}

/// Who the gate will be.
///
/// # Errors
/// The name, and why it is not acceptable.
pub fn resolve(process: &Process) -> Result<Ids, LaunchError> {
    all(process, &[], None).map(|accounts| accounts.ids)
}

fn all(process: &Process, backends: &[Backend], handover: Option<&Account>) -> Result<Accounts, LaunchError> {
    let owners: Vec<Option<AccountQuestion<'_>>> = backends
        .iter()
        .map(|backend| backend.owner.as_ref().map(|owner| AccountQuestion::user("backend_owner", owner)))
        .collect();
    let mut questions = vec![AccountQuestion::user("user", &process.user)];
    questions.extend(process.group.iter().chain(handover).map(AccountQuestion::group));
    questions.extend(owners.iter().flatten());
    let mut answers = asked(&questions)?.into_iter();
    let mut next = || answers.next().unwrap_or(AccountAnswer::Unknown);
    let user = next().of_user(AccountQuestion::user("user", &process.user))?;
    let gid = match &process.group {
        Some(account) => next().of_group(account)?,
        None => user.1.ok_or_else(|| {
            account_error("user", &process.user, "the number has no account and so no group; name a group")
        })?,
    };
    if user.0.is_root() && !process.allow_root {
        return Err(account_error("user", &process.user, ALLOW_ROOT));
    }
    if gid.as_raw() == 0 && !process.allow_root {
        let account = process.group.as_ref().unwrap_or(&process.user);
        return Err(account_error("group", account, ALLOW_ROOT));
    }
    let handover = handover.map(|account| next().of_group(account)).transpose()?;
    let owner = |question: &Option<AccountQuestion<'_>>| {
        question.map(|question| next().of_user(question).map(|(uid, _)| uid.as_raw())).transpose()
    };
    Ok(Accounts {
        ids: Ids { uid: user.0, gid },
        owners: owners.iter().map(owner).collect::<Result<_, _>>()?,
        handover,
        unprivileged: None,
    })
}

const ALLOW_ROOT: &str = "root is refused: a gate needs no rights. To run it as root all the same, say `--allow-root` or \
    `allow_root = true` (under the haproxy name in /etc/nsgate/nsgate.toml)";

/// One account to be looked up.
#[derive(Clone, Copy)]
struct AccountQuestion<'a> {
    kind: &'static str,
    account: &'a Account,
    group: bool,
}

impl<'a> AccountQuestion<'a> {
    fn user(kind: &'static str, account: &'a Account) -> Self {
        Self { kind, account, group: false }
    }

    fn group(account: &'a Account) -> Self {
        Self { kind: "group", account, group: true }
    }
}

/// What the account database says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum AccountAnswer {
    /// A user's number and its group's, or a group's number twice.
    Known(u32, u32),
    Unknown,
    Failed(Errno),
}

/// Asks all of them, in a process of its own.
fn asked(questions: &[AccountQuestion<'_>]) -> Result<Vec<AccountAnswer>, LaunchError> {
    let heard = errand::run(PATIENCE, || {
        let lines = questions.iter().map(|question| match look_up_accounts(question) {
            AccountAnswer::Known(id, group) => format!("{id} {group}\n"),
            AccountAnswer::Unknown => "-\n".to_owned(),
            AccountAnswer::Failed(error) => format!("! {}\n", error as i32),
        });
        lines.collect::<String>().into_bytes()
    })?;
    let wrong = |reason: String| match questions.first() {
        Some(AccountQuestion { kind, account, .. }) => account_error(kind, account, &reason),
        None => LaunchError::Gate(reason),
    };
    let heard = heard.map_err(|error| match error {
        Errno::ETIMEDOUT => {
            let seconds = PATIENCE.as_secs();
            wrong(format!(
                "the account database did not answer within {seconds} s (nsswitch.conf(5): a directory is away?)"
            ))
        }
        error => wrong(format!("the account database cannot be asked: {error}")),
    })?;
    let answers: Vec<AccountAnswer> = String::from_utf8_lossy(&heard).lines().filter_map(answer).collect();
    if answers.len() == questions.len() {
        return Ok(answers);
    }
    Err(wrong(
        "the process that asks the account database has ended without an answer: a module of nsswitch.conf(5) has ended it?"
            .to_owned(),
    ))
}

fn answer(line: &str) -> Option<AccountAnswer> {
    let (first, rest) = line.split_once(' ').unwrap_or((line, ""));
    match first {
        "-" => Some(AccountAnswer::Unknown),
        "!" => Some(AccountAnswer::Failed(Errno::from_raw(rest.parse().ok()?))),
        id => Some(AccountAnswer::Known(id.parse().ok()?, rest.parse().ok()?)),
    }
}

/// In the process of its own.
fn look_up_accounts(question: &AccountQuestion<'_>) -> AccountAnswer {
    let known = match (question.group, question.account) {
        (false, Account::Name(name)) => {
            User::from_name(name).map(|user| user.map(|user| (user.uid.as_raw(), user.gid)))
        }
        (false, Account::Id(id)) => User::from_uid(Uid::from_raw(*id)).map(|user| user.map(|user| (*id, user.gid))),
        (true, Account::Name(name)) => {
            Group::from_name(name).map(|group| group.map(|group| (group.gid.as_raw(), group.gid)))
        }
        (true, Account::Id(id)) => Ok(Some((*id, Gid::from_raw(*id)))),
    };
    match known {
        Ok(Some((id, group))) => AccountAnswer::Known(id, group.as_raw()),
        Ok(None) => AccountAnswer::Unknown,
        Err(error) => AccountAnswer::Failed(error),
    }
}

impl AccountAnswer {
    fn of_user(self, question: AccountQuestion<'_>) -> Result<(Uid, Option<Gid>), LaunchError> {
        let AccountQuestion { kind, account, .. } = question;
        match (self, account) {
            (Self::Known(uid, gid), _) => Ok((Uid::from_raw(uid), Some(Gid::from_raw(gid)))),
            (Self::Unknown, Account::Id(id)) => Ok((Uid::from_raw(*id), None)),
            (Self::Unknown, Account::Name(_)) => {
                Err(account_error(kind, account, "there is no such user; `getent passwd` lists them"))
            }
            (Self::Failed(error), _) => Err(account_error(kind, account, &format!("getpwnam_r: {error}"))),
        }
    }

    fn of_group(self, account: &Account) -> Result<Gid, LaunchError> {
        match self {
            Self::Known(gid, _) => Ok(Gid::from_raw(gid)),
            Self::Unknown => Err(account_error("group", account, "there is no such group; `getent group` lists them")),
            Self::Failed(error) => Err(account_error("group", account, &format!("getgrnam_r: {error}"))),
        }
    }
}

fn account_error(kind: &'static str, account: &Account, reason: &str) -> LaunchError {
    LaunchError::Account { kind, name: account.to_string(), reason: reason.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::resolve;
    use nsgate_config::{Account, Process};

    fn process(user: Account, group: Option<Account>, allow_root: bool) -> Process {
        let mut process = Process::new(user);
        (process.group, process.allow_root) = (group, allow_root);
        process
    }

    fn name(text: &str) -> Account {
        Account::Name(text.to_owned())
    }

    #[test]
    fn root_is_refused_by_name_and_by_number() {
        for user in [name("root"), Account::Id(0)] {
            let error = resolve(&process(user.clone(), None, false)).unwrap_err();
            assert!(error.to_string().contains("allow_root"), "{error}");
            assert!(resolve(&process(user, Some(name("root")), true)).is_ok());
        }
        let group = resolve(&process(Account::Id(1), Some(name("root")), false)).unwrap_err();
        assert!(group.to_string().starts_with("group `root`"), "{group}");
    }

    #[test]
    fn an_unknown_name_is_refused() {
        let error = resolve(&process(name("no-such-user"), None, false)).unwrap_err();
        assert!(error.to_string().contains("no-such-user"), "{error}");
        let error = resolve(&process(Account::Id(1), Some(name("no-such-group")), false)).unwrap_err();
        assert!(error.to_string().contains("no-such-group"), "{error}");
    }
}
