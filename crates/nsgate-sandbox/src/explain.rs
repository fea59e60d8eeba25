//! What the kernel's line about a refused call means: which call, of which process, and what the policies say of it.

use crate::{CompiledPolicy, PermittedCall, calls};

/// A call that a filter refused, as the kernel has written it down (audit record type 1326, SECCOMP).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RefusedCall {
    /// The number of the call.
    pub call: i64,
    /// Its name, if it has one.
    pub name: Option<&'static str>,
    /// As Rust writes it: `x86_64`.
    pub architecture: &'static str,
    /// The process, as the kernel numbers it.
    pub pid: Option<i32>,
    /// What the process is called (proc_pid_comm(5)). A process chooses its name: escape it for a terminal.
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
    #[error("the kernel's line has `{}`, which is no {what}; pass it on as it is in the log", .word.escape_debug())]
    Word {
        /// The word.
        word: String,
        /// What it should be.
        what: &'static str,
    },
    /// The call is of an architecture that has no policy: on x86_64 `int 0x80` makes one of i386.
    #[error(
        "a call of architecture {}: {} made it. No process under a filter of this crate goes on after one: it ends for every call that is not of \
         its own architecture (x86_64, aarch64 or riscv64; `int 0x80` on x86_64 is a call of i386)",
        known(.word), whose(.process.as_deref(), *.pid)
    )]
    Architecture {
        /// The architecture, as it stands in the line.
        word: String,
        /// As [`RefusedCall::process`].
        process: Option<String>,
        /// As [`RefusedCall::pid`].
        pid: Option<i32>,
    },
}

/// The word for an architecture, with its name where that is known.
fn known(word: &str) -> String {
    let name = calls::foreign(word).map_or_else(String::new, |name| format!(" ({name})"));
    format!("`{}`{name}", word.escape_debug())
}

/// The process, for a sentence.
fn whose(process: Option<&str>, pid: Option<i32>) -> String {
    match (process.map(str::escape_debug), pid) {
        (Some(process), Some(pid)) => format!("`{process}`, process {pid},"),
        (Some(process), None) => format!("`{process}`"),
        (None, Some(pid)) => format!("process {pid}"),
        (None, None) => "a process".to_owned(),
    }
}

impl RefusedCall {
    /// Reads a line of dmesg(1), of a journal or of auditd's log, with numbers or with names in the place of them
    /// (`ausearch -i`).
    ///
    /// # Errors
    /// What the line has not.
    pub fn parse(line: &str) -> Result<Self, NotRefused> {
        // auditd writes its own reading of the numbers behind a GS, 0x1D (`log_format = ENRICHED`).
        let words = || line.split(|c: char| c.is_whitespace() || c == '\x1d');
        let value =
            |key: &str| words().find_map(|word| word.strip_prefix(key)?.strip_prefix('=')).filter(|it| !it.is_empty());
        if !words().any(|word| matches!(word, "type=1326" | "type=SECCOMP")) {
            return Err(NotRefused::NoRecord);
        }
        let (Some(architecture), Some(call)) = (value("arch"), value("syscall")) else {
            return Err(NotRefused::NoRecord);
        };
        let process = value("comm").map(process);
        let Some(architecture) = calls::architecture(architecture) else {
            let pid = value("pid").and_then(|word| word.parse().ok());
            return Err(NotRefused::Architecture { word: architecture.to_owned(), process, pid });
        };
        let number = call.parse().ok().or_else(|| calls::call_number(architecture, call));
        let call = number.ok_or_else(|| NotRefused::Word { word: format!("syscall={call}"), what: "system call" })?;
        let pid = value("pid").map(|word| {
            word.parse().map_err(|_| NotRefused::Word { word: format!("pid={word}"), what: "process number" })
        });
        Ok(Self {
            call,
            name: calls::name(architecture, call),
            architecture,
            pid: pid.transpose()?,
            process,
            killed: !matches!(value("code"), Some("0x7ffc0000" | "log")),
        })
    }

    /// Whether the number is one of x32, which are marked so on x86_64 (`__X32_SYSCALL_BIT` of `asm/unistd.h`). No policy has one.
    #[must_use]
    pub fn of_x32(&self) -> bool {
        self.architecture == "x86_64" && self.call > 0 && self.call & 0x4000_0000 != 0
    }

    /// What this policy says of the call, on its architecture.
    #[must_use]
    pub fn permitted_by(&self, policy: &CompiledPolicy) -> Option<PermittedCall> {
        let name = self.name?;
        policy.permitted().find(|call| call.name == name && call.is_on(self.architecture))
    }
}

/// A name in quotes, or in hexadecimal digits where it has blanks, quotes, control characters or other than ASCII in it
/// (`audit_log_untrustedstring` of the kernel; it writes capitals, so that a program `cafe` of `ausearch -i` is one).
fn process(word: &str) -> String {
    if let Some(name) = word.strip_prefix('"').map(|name| name.trim_end_matches('"')) {
        return name.to_owned();
    }
    let digits = word.len() % 2 == 0 && word.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'A'..=b'F'));
    let digit = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    let bytes: Option<Vec<u8>> = word.as_bytes().chunks(2).map(digit).collect();
    let name = bytes.filter(|_| digits).map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    name.unwrap_or_else(|| word.to_owned())
}

#[cfg(test)]
mod tests {
    use super::{NotRefused, RefusedCall};

    const LINE: &str = "[14148.846516] audit: type=1326 audit(1796068893.006:4111): auid=4294967295 uid=64042 gid=64042 \
         ses=4294967295 pid=20227 comm=\"haproxy\" exe=\"/usr/bin/haproxy\" sig=31 arch=c000003e syscall=257 compat=0 \
         ip=0x7fdc6cb9d7c0 code=0x80000000";

    #[test]
    fn the_kernels_line_is_read_as_it_stands_in_every_log() {
        let kernel = RefusedCall::parse(LINE).unwrap();
        assert_eq!((kernel.name, kernel.architecture, kernel.pid), (Some("openat"), "x86_64", Some(20227)));
        assert_eq!((kernel.process.as_deref(), kernel.killed), (Some("haproxy"), true));
        let auditd = "type=SECCOMP msg=audit(1796068893.006:4111): auid=unset uid=root pid=9 comm=\"nsgate\" sig=SIGSYS \
             arch=aarch64 syscall=mprotect compat=0 ip=0x7f code=kill_process";
        let auditd = RefusedCall::parse(auditd).unwrap();
        assert_eq!((auditd.call, auditd.name, auditd.architecture), (226, Some("mprotect"), "aarch64"));
        let logged = LINE.replace("0x80000000", "0x7ffc0000").replace("\"haproxy\"", "\"haproxy-reader\"");
        let logged = RefusedCall::parse(&logged).unwrap();
        assert_eq!((logged.killed, logged.process.as_deref()), (false, Some("haproxy-reader")));
        let unnamed = RefusedCall::parse(&LINE.replace("syscall=257", "syscall=-1")).unwrap();
        assert_eq!((unnamed.call, unnamed.name), (-1, None));
        let spaced = RefusedCall::parse(&LINE.replace("\"haproxy\"", "6120622063")).unwrap();
        assert_eq!(spaced.process.as_deref(), Some("a b c"));
        let x32 = RefusedCall::parse(&LINE.replace("syscall=257", "syscall=1073742081")).unwrap();
        assert!(x32.of_x32() && x32.name.is_none() && !unnamed.of_x32() && !kernel.of_x32());
        let enriched = format!("{}\x1dARCH=x86_64 SYSCALL=openat", LINE.replace("0x80000000", "0x7ffc0000"));
        assert!(!RefusedCall::parse(&enriched).unwrap().killed);
    }

    #[test]
    fn a_name_in_digits_is_read_and_one_that_looks_like_digits_is_kept() {
        let name = |word: &str| RefusedCall::parse(&LINE.replace("\"haproxy\"", word)).unwrap().process.unwrap();
        assert_eq!(name("6E73676174651B5B33316D"), "nsgate\x1b[31m");
        // The kernel cuts a name after 15 bytes, also within a character.
        assert_eq!(name("C3A4C3"), "ä\u{fffd}");
        assert_eq!((name("cafe"), name("6E7"), name("haproxy")), ("cafe".into(), "6E7".into(), "haproxy".into()));
    }

    #[test]
    fn other_lines_are_refused_by_what_they_lack() {
        for line in ["", "hello", "audit: type=1400 audit(1:2): apparmor=\"DENIED\" pid=1", "type=1326 nothing"] {
            assert_eq!(RefusedCall::parse(line), Err(NotRefused::NoRecord), "{line}");
        }
        let with = |from: &str, to: &str| RefusedCall::parse(&LINE.replace(from, to)).unwrap_err().to_string();
        let other =
            "a call of architecture `40000003` (i386): `haproxy`, process 20227, made it. No process under a filter";
        assert!(with("arch=c000003e", "arch=40000003").starts_with(other));
        assert!(
            with("arch=c000003e syscall=257", "arch=i386 syscall=openat")
                .starts_with("a call of architecture `i386`: ")
        );
        assert!(with("arch=c000003e", "arch=12\x1b[31m").contains("architecture `12\\u{1b}[31m`: "));
        assert!(with("syscall=257", "syscall=\x1b[31m").contains("`syscall=\\u{1b}[31m`"));
        assert!(with("syscall=257", "syscall=frobnicate").contains("`syscall=frobnicate`"));
        assert!(with("pid=20227", "pid=x").contains("`pid=x`"));
    }
}
