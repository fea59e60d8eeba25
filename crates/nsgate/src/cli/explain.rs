//! `nsgate explain`: explains the kernel's line about a refused system call.

use super::mistake;
use crate::terminal::{complain, say};
use nsgate_launcher::Role;
use nsgate_sandbox::{NotRefused, PermittedCall, RefusedCall};
use std::io::BufRead;

/// Says which system call a filter has refused, to which process, and which of nsgate's policies permit it.
///
/// The kernel writes the line when it kills a process for a call (`type=1326`). It is in dmesg(1), the journal or an audit log.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  dmesg | nsgate explain\n  journalctl -k | nsgate explain --role gate\n  \
    nsgate explain 'audit: type=1326 audit(1796068893.006:41): pid=227 comm=\"haproxy\" sig=31 arch=c000003e syscall=41'")]
pub(super) struct Explain {
    /// The process's role, instead of all: gate, hostproxy, reader, supervisor, worker, keeper, courier, zygote, dispatcher
    #[arg(long, value_name = "ROLE")]
    role: Option<String>,
    /// The line, or its words; without it, standard input is read, and its other lines are ignored
    #[arg(value_name = "LINE")]
    line: Vec<String>,
}

impl Explain {
    pub(super) fn execute(self) -> Result<u8, String> {
        let role = self.role.map(|word| parse_role(&word)).transpose()?;
        if !self.line.is_empty() {
            // A shell may have split the line and removed its quotes.
            return tell_of(&self.line.join(" "), role).map(|()| 0).map_err(|error| error.to_string());
        }
        let mut told = false;
        let mut unread = None;
        for (at, line) in std::io::stdin().lock().split(b'\n').enumerate() {
            let line = line.map_err(|error| format!("standard input: {error}"))?;
            match tell_of(&String::from_utf8_lossy(&line), role) {
                Ok(()) => told = true,
                Err(NotRefused::NoRecord) => {}
                // A log has lines of every program on the host.
                Err(error) => {
                    complain!("nsgate: standard input, line {}: {error}", at + 1);
                    unread = Some("standard input: no line of it could be explained".to_owned());
                }
            }
        }
        if told {
            return Ok(0);
        }
        Err(unread.unwrap_or_else(|| format!("standard input: {}", NotRefused::NoRecord)))
    }
}

/// Explains one line.
fn tell_of(line: &str, role: Option<Role>) -> Result<(), NotRefused> {
    match RefusedCall::parse(line) {
        Ok(refused) => tell(&refused, role),
        Err(error @ NotRefused::Architecture { .. }) => {
            say!("{}", error);
            say!("  if that was a process of nsgate, {}", TAKEN_OVER);
        }
        Err(error) => return Err(error),
    }
    Ok(())
}

/// What to do about a call that no version of nsgate makes.
const TAKEN_OVER: &str = "code in it was taken over: keep the line, and see \"A call was killed\" in docs/killed.md";

fn parse_role(word: &str) -> Result<Role, String> {
    let all: Vec<&str> = Role::ALL.iter().map(|role| role.name()).collect();
    let unknown = || mistake::option_error("--role", &format!("`{word}` is none of {}", all.join(", ")));
    Role::named(word).ok_or_else(unknown)
}

fn tell(refused: &RefusedCall, role: Option<Role>) {
    let RefusedCall { call, name, architecture, .. } = refused;
    let what = name.unwrap_or(if refused.of_x32() { "a call of x32" } else { "a call without a name" });
    // The process chose its name: escape it.
    let whose = match (refused.process.as_deref().map(str::escape_debug), refused.pid) {
        (Some(process), Some(pid)) => format!("`{process}`, process {pid}"),
        (Some(process), None) => format!("`{process}`"),
        (None, Some(pid)) => format!("process {pid}"),
        (None, None) => "a process".to_owned(),
    };
    let end = if refused.killed { "the kernel ended" } else { "a filter that only logs has seen" };
    say!("{} (system call {} on {}): {} {}", what, call, architecture, end, whose);
    if refused.of_x32() {
        say!("  no program of nsgate is built for x32: if that was a process of nsgate, {}", TAKEN_OVER);
        return;
    }
    let roles = role.or(Role::of_refused(refused)).map_or_else(|| Role::ALL.to_vec(), |role| vec![role]);
    let found: Vec<(Role, Option<PermittedCall>)> =
        roles.into_iter().map(|role| (role, refused.permitted_by(role.compiled()))).collect();
    for (role, permitted) in &found {
        say!("  {:<11} {}", role.name(), of_policy(*role, permitted.as_ref()));
    }
    say!("  {}", to_do(&found));
}

/// What one policy says.
fn of_policy(role: Role, permitted: Option<&PermittedCall>) -> String {
    let Some(call) = permitted else { return format!("not in policy/{}.toml", role.name()) };
    let which = if call.when.is_empty() { "with any arguments" } else { "with some arguments only" };
    format!("policy/{}.toml, line {}, {which}: {}", call.policy, call.line, call.reason)
}

fn to_do(found: &[(Role, Option<PermittedCall>)]) -> &'static str {
    let one = |permitted: &Option<PermittedCall>| permitted.as_ref().map(|call| !call.when.is_empty());
    match found {
        [(_, permitted)] if one(permitted) == Some(false) => {
            "it passes in this version: the process had another role, or was of another version (`nsgate --version`)"
        }
        [(_, permitted)] => match one(permitted) {
            Some(_) => {
                "it was made with other arguments than the entry has; see \"A call was killed\" in docs/killed.md"
            }
            None => {
                "nothing that nsgate does needs it there: code in the process was taken over, or a library was loaded into it; \
                 see \"A call was killed\" in docs/killed.md"
            }
        },
        _ => {
            "say what the process was for (--role; the supervisor's last line names it); see \"A call was killed\" in \
             docs/killed.md"
        }
    }
}
