//! What the kernel's line about a refused call means: which call, of which process, and what the policies say of it.

use crate::{Role, calls};

/// The text of each policy, as people read it.
const TEXTS: [(Role, &str); 9] = [
    (Role::Gate, include_str!("../policy/gate.toml")),
    (Role::HostProxy, include_str!("../policy/hostproxy.toml")),
    (Role::Reader, include_str!("../policy/reader.toml")),
    (Role::Supervisor, include_str!("../policy/supervisor.toml")),
    (Role::Worker, include_str!("../policy/worker.toml")),
    (Role::Keeper, include_str!("../policy/keeper.toml")),
    (Role::Courier, include_str!("../policy/courier.toml")),
    (Role::Zygote, include_str!("../policy/zygote.toml")),
    (Role::Dispatcher, include_str!("../policy/dispatcher.toml")),
];
/// What the reader of a host's configuration is called, beside whatever its program is called.
const READER: &str = "haproxy-reader";

/// A call that a filter refused, as the kernel has written it down (audit record type 1326, SECCOMP).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Refused {
    /// The number of the call.
    pub call: i64,
    /// Its name, if it has one.
    pub name: Option<&'static str>,
    /// As Rust writes it: `x86_64`.
    pub architecture: &'static str,
    /// The process, as the kernel numbers it.
    pub pid: Option<i32>,
    /// What the process is called (proc_pid_comm(5)).
    pub process: Option<String>,
    /// Whether the process was ended; a filter that logs lets it go on.
    pub killed: bool,
}

/// A line that says nothing of a refused call.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NotRefused {
    /// It is no such record.
    #[error(
        "this is not the kernel's line about a refused call: it has `type=1326` (in an audit log `type=SECCOMP`), and `arch=` \
         and `syscall=` behind it; `dmesg | grep type=1326` and `ausearch -m SECCOMP` find such lines"
    )]
    NoRecord,
    /// A word of it cannot be read.
    #[error("the kernel's line has `{word}`, which is no {what}; pass it on as it stands in the log")]
    Word {
        /// The word.
        word: String,
        /// What it should be.
        what: &'static str,
    },
    /// It is about an architecture that has no policy.
    #[error("the kernel's line is about architecture `{0}`; there are policies for x86_64, aarch64 and riscv64")]
    Architecture(String),
}

impl Refused {
    /// Reads a line of dmesg(1), of a journal or of auditd's log, with numbers or with names in the place of them
    /// (`ausearch -i`).
    ///
    /// # Errors
    /// What the line has not.
    pub fn parse(line: &str) -> Result<Self, NotRefused> {
        let value = |key: &str| {
            line.split_whitespace()
                .find_map(|word| word.strip_prefix(key)?.strip_prefix('='))
                .filter(|it| !it.is_empty())
        };
        if !line.split_whitespace().any(|word| matches!(word, "type=1326" | "type=SECCOMP")) {
            return Err(NotRefused::NoRecord);
        }
        let (Some(architecture), Some(call)) = (value("arch"), value("syscall")) else {
            return Err(NotRefused::NoRecord);
        };
        let architecture =
            calls::architecture(architecture).ok_or_else(|| NotRefused::Architecture(architecture.to_owned()))?;
        let number = call.parse().ok().or_else(|| calls::number(architecture, call));
        let call = number.ok_or_else(|| NotRefused::Word { word: format!("syscall={call}"), what: "system call" })?;
        let pid = value("pid").map(|word| {
            word.parse().map_err(|_| NotRefused::Word { word: format!("pid={word}"), what: "process number" })
        });
        Ok(Self {
            call,
            name: calls::name(architecture, call),
            architecture,
            pid: pid.transpose()?,
            process: value("comm").map(process),
            killed: !matches!(value("code"), Some("0x7ffc0000" | "log")),
        })
    }

    /// The role of the process, where its name says which.
    #[must_use]
    pub fn role(&self) -> Option<Role> {
        (self.process.as_deref() == Some(READER)).then_some(Role::Reader)
    }

    /// What the policy of `role` says of the call, on its architecture.
    #[must_use]
    pub fn in_policy(&self, role: Role) -> Option<Permitted> {
        permitted(role, self.name?, self.architecture)
    }
}

/// An entry of a policy file.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Permitted {
    /// The line of the file that names the call.
    pub line: usize,
    /// Who needs the call, and when.
    pub reason: &'static str,
    /// Whether it passes with some arguments alone.
    pub conditional: bool,
}

/// The entry's lines, as they stand in the file.
fn permitted(role: Role, name: &str, architecture: &str) -> Option<Permitted> {
    let (_, text) = TEXTS.iter().find(|(known, _)| *known == role)?;
    let named = format!("name = \"{name}\"");
    text.lines().enumerate().filter(|(_, line)| line.trim() == named).find_map(|(at, _)| {
        let entry = || text.lines().skip(at).take_while(|line| !line.starts_with("[["));
        let elsewhere =
            entry().any(|line| line.starts_with("arch = ") && !line.contains(&format!("\"{architecture}\"")));
        if elsewhere {
            return None;
        }
        let reason = entry().find_map(|line| line.strip_prefix("reason = \"")?.strip_suffix('"')).unwrap_or_default();
        Some(Permitted { line: at + 1, reason, conditional: entry().any(|line| line.starts_with("when = ")) })
    })
}

/// A name in quotes, or in hexadecimal digits where it has blanks or quotes in it.
fn process(word: &str) -> String {
    if let Some(name) = word.strip_prefix('"').map(|name| name.trim_end_matches('"')) {
        return name.to_owned();
    }
    let digit = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    let bytes: Option<Vec<u8>> = word.as_bytes().chunks(2).map(digit).collect();
    let plain = bytes.filter(|_| word.len() % 2 == 0).and_then(|bytes| String::from_utf8(bytes).ok());
    plain.filter(|name| !name.chars().any(char::is_control)).unwrap_or_else(|| word.to_owned())
}

#[cfg(test)]
mod tests {
    use super::{NotRefused, Refused, TEXTS, permitted};
    use crate::{Role, policy};

    const LINE: &str = "[14148.846516] audit: type=1326 audit(1796068893.006:4111): auid=4294967295 uid=64042 gid=64042 \
         ses=4294967295 pid=20227 comm=\"haproxy\" exe=\"/usr/bin/haproxy\" sig=31 arch=c000003e syscall=257 compat=0 \
         ip=0x7fdc6cb9d7c0 code=0x80000000";

    #[test]
    fn the_kernels_line_is_read_as_it_stands_in_every_log() {
        let kernel = Refused::parse(LINE).unwrap();
        assert_eq!((kernel.name, kernel.architecture, kernel.pid), (Some("openat"), "x86_64", Some(20227)));
        assert_eq!((kernel.process.as_deref(), kernel.killed, kernel.role()), (Some("haproxy"), true, None));
        let auditd = "type=SECCOMP msg=audit(1796068893.006:4111): auid=unset uid=root pid=9 comm=\"nsgate\" sig=SIGSYS \
             arch=aarch64 syscall=mprotect compat=0 ip=0x7f code=kill_process";
        let auditd = Refused::parse(auditd).unwrap();
        assert_eq!((auditd.call, auditd.name, auditd.architecture), (226, Some("mprotect"), "aarch64"));
        let logged = LINE.replace("0x80000000", "0x7ffc0000").replace("\"haproxy\"", "\"haproxy-reader\"");
        let logged = Refused::parse(&logged).unwrap();
        assert_eq!((logged.killed, logged.role()), (false, Some(Role::Reader)));
        let unnamed = Refused::parse(&LINE.replace("syscall=257", "syscall=-1")).unwrap();
        assert_eq!((unnamed.call, unnamed.name, unnamed.in_policy(Role::Gate)), (-1, None, None));
        let spaced = Refused::parse(&LINE.replace("\"haproxy\"", "6120622063")).unwrap();
        assert_eq!(spaced.process.as_deref(), Some("a b c"));
    }

    #[test]
    fn other_lines_are_refused_by_what_they_lack() {
        for line in ["", "hello", "audit: type=1400 audit(1:2): apparmor=\"DENIED\" pid=1", "type=1326 nothing"] {
            assert_eq!(Refused::parse(line), Err(NotRefused::NoRecord), "{line}");
        }
        let with = |from: &str, to: &str| Refused::parse(&LINE.replace(from, to)).unwrap_err().to_string();
        assert!(with("arch=c000003e", "arch=40000003").contains("`40000003`"));
        assert!(with("syscall=257", "syscall=frobnicate").contains("`syscall=frobnicate`"));
        assert!(with("pid=20227", "pid=x").contains("`pid=x`"));
    }

    #[test]
    fn every_entry_is_found_at_its_line_with_its_reason() {
        let here = std::env::consts::ARCH;
        for (role, text) in TEXTS {
            for entry in policy(role).iter().filter(|entry| !entry.reason.starts_with("debug assertions")) {
                let found =
                    permitted(role, entry.name, here).unwrap_or_else(|| panic!("{} {}", role.name(), entry.name));
                assert_eq!(found.reason, entry.reason);
                assert_eq!(found.conditional, !entry.when.is_empty(), "{} {}", role.name(), entry.name);
                assert!(text.lines().nth(found.line - 1).unwrap().contains(entry.name));
            }
            assert_eq!(permitted(role, "execve", here), None);
        }
        assert_eq!(permitted(Role::Gate, "epoll_pwait", "x86_64"), None);
        assert!(permitted(Role::Gate, "epoll_pwait", "aarch64").is_some());
    }
}
