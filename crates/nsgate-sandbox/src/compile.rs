//! From a policy's text to a filter program. Runs when the crate is built and in tests, never in a gate.

use crate::address::placeholder;
use seccompiler::{BpfProgram, TargetArch, compile_from_json};
use serde::Deserialize;
use serde_json::{Value, json};
use std::{error::Error, fmt};

type Result<T> = std::result::Result<T, Problem>;

/// What is wrong with a policy's text.
#[derive(Debug)]
pub(crate) struct Problem {
    /// The entry, if it is about one.
    pub(crate) syscall: Option<String>,
    pub(crate) reason: String,
}

impl Problem {
    fn new(reason: impl fmt::Display) -> Self {
        Self { syscall: None, reason: reason.to_string() }
    }

    fn of(syscall: &str, reason: impl fmt::Display) -> Self {
        Self { syscall: Some(syscall.to_owned()), reason: reason.to_string() }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(name) = &self.syscall {
            write!(f, "`{name}`: ")?;
        }
        f.write_str(&self.reason)
    }
}

impl Error for Problem {}

/// The architectures that the policies are written for, as Rust calls them. Another one has other system calls, and its C library
/// makes others: nsgate could be built for it, and would be killed at the first call that no policy names. seccompiler knows no
/// other either. debian/control, the rpm's specification and deny.toml name the same ones; a test compares.
pub(crate) const ARCHITECTURES: [&str; 3] = ["x86_64", "aarch64", "riscv64"];

/// Whether there are policies for it.
///
/// # Errors
/// One sentence that a build ends with.
#[allow(dead_code, reason = "the build and the tests of policies ask")]
pub(crate) fn known(arch: &str) -> std::result::Result<(), String> {
    if ARCHITECTURES.contains(&arch) {
        return Ok(());
    }
    Err(format!(
        "nsgate is built for amd64, arm64 and riscv64 ({}), and not for {arch}: its policies of system calls \
         (crates/nsgate-sandbox/policy) are written and compared for these, and a process would be killed at the first call \
         that they do not know",
        ARCHITECTURES.join(", ")
    ))
}

/// What happens to a call that the policy does not name.
#[derive(Clone, Copy)]
#[allow(dead_code, reason = "the build makes one kind of program, the tests all")]
pub(crate) enum Mismatch {
    /// The process ends (SECCOMP_RET_KILL_PROCESS).
    Kill,
    /// The process says which call it was, and ends (SECCOMP_RET_TRAP): for builds with debug assertions.
    Trap,
    /// It goes on and the kernel's log says which call it was (SECCOMP_RET_LOG): the feature `log-violations`.
    Log,
}

impl Mismatch {
    /// That of a build.
    #[allow(dead_code, reason = "policies of one's own are compiled with a feature alone")]
    pub(crate) fn of(logs: bool, development: bool) -> Self {
        match (logs, development) {
            (true, _) => Self::Log,
            (false, true) => Self::Trap,
            (false, false) => Self::Kill,
        }
    }
}

/// With debug assertions, the standard library asks at each close whether the descriptor is open, and tokio at each socket
/// that it is given whether it waits. A process that is built for development would end there; none that is distributed is.
#[allow(dead_code, reason = "policies of one's own are compiled with a feature alone")]
pub(crate) const DEVELOPMENT: &str = "
[[syscall]]
name = 'fcntl'
reason = 'debug assertions: is a descriptor open when it is closed (F_GETFD), does a socket wait (F_GETFL)'
when = [[{ arg = 1, equals = 1, means = 'F_GETFD' }], [{ arg = 1, equals = 3, means = 'F_GETFL' }]]
";

/// A policy file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct File {
    pub(crate) syscall: Vec<Syscall>,
}

/// One entry of a policy file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Syscall {
    pub(crate) name: String,
    pub(crate) reason: String,
    /// Why a run with every kind of traffic may not see it.
    #[serde(default)]
    #[allow(dead_code, reason = "the tests of the workspace read it from the text")]
    rare: String,
    #[serde(default)]
    pub(crate) arch: Vec<String>,
    #[serde(default)]
    pub(crate) when: Vec<Vec<Argument>>,
}

/// One condition on an argument.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Argument {
    arg: u8,
    #[serde(default)]
    mask: Option<u64>,
    #[serde(default)]
    equals: Option<u64>,
    /// Where the process has put this before the filter closes ([`crate::address`]), in the place of `equals`.
    #[serde(default)]
    address: Option<String>,
    #[allow(dead_code, reason = "only the build needs it")]
    pub(crate) means: String,
}

impl Argument {
    /// As the compiler wants it.
    fn condition(&self) -> Result<Value> {
        let index = self.arg;
        Ok(match (self.mask, self.equals, &self.address) {
            (Some(mask), Some(value), None) => {
                json!({ "index": index, "type": "dword", "op": { "masked_eq": mask }, "val": value })
            }
            (None, Some(value), None) => json!({ "index": index, "type": "dword", "op": "eq", "val": value }),
            (None, None, Some(name)) => {
                let place = placeholder(name).ok_or_else(|| Problem::new(format!("no address is called `{name}`")))?;
                json!({ "index": index, "type": "qword", "op": "eq", "val": place })
            }
            _ => {
                return Err(Problem::new(format!(
                    "argument {index} has either a number, with or without a mask, or an address"
                )));
            }
        })
    }
}

impl File {
    /// Reads a policy and keeps what exists on `arch`.
    pub(crate) fn read(text: &str, arch: &str) -> Result<Self> {
        let mut file: Self = toml::from_str(text).map_err(Problem::new)?;
        file.syscall.retain(|entry| entry.arch.is_empty() || entry.arch.iter().any(|name| name == arch));
        for entry in &file.syscall {
            if entry.reason.trim().is_empty() {
                return Err(Problem::of(&entry.name, "it has no reason: say who needs the call, and when"));
            }
        }
        Ok(file)
    }

    /// The filter program: what is named passes.
    pub(crate) fn compile(&self, arch: &str, mismatch: Mismatch) -> Result<BpfProgram> {
        let mut rules: Vec<Value> = Vec::new();
        for entry in &self.syscall {
            if entry.when.is_empty() {
                rules.push(json!({ "syscall": entry.name }));
            }
            for alternative in &entry.when {
                let conditions: Result<Vec<_>> = alternative.iter().map(Argument::condition).collect();
                let conditions = conditions.map_err(|error| Problem::of(&entry.name, error))?;
                rules.push(json!({ "syscall": entry.name, "args": conditions }));
            }
        }
        let action = match mismatch {
            Mismatch::Kill => "kill_process",
            Mismatch::Trap => "trap",
            Mismatch::Log => "log",
        };
        let filter = json!({ "role": { "mismatch_action": action, "match_action": "allow", "filter": rules } });
        let target = TargetArch::try_from(arch).map_err(Problem::new)?;
        let compiled = compile_from_json(filter.to_string().as_bytes(), target);
        compiled.map_err(Problem::new)?.remove("role").ok_or_else(|| Problem::new("no program came out"))
    }
}

#[allow(dead_code, reason = "only the build needs it")]
/// Rust source with the program and its entries as constants.
pub(crate) fn rust_source(role: &str, text: &str, arch: &str, mismatch: Mismatch) -> Result<String> {
    let file = File::read(text, arch)?;
    let program = file.compile(arch, mismatch)?;
    let name = role.to_uppercase();
    let mut code = String::new();
    code += &format!("static {name}_PROGRAM: [sock_filter; {}] = [\n", program.len());
    for step in program {
        code += &format!("sock_filter {{ code: {}, jt: {}, jf: {}, k: {} }},\n", step.code, step.jt, step.jf, step.k);
    }
    code += &format!("];\nstatic {name}_ENTRIES: [Entry; {}] = [\n", file.syscall.len());
    for entry in &file.syscall {
        let alternatives = entry.when.iter().map(|alternative| {
            let words: Vec<&str> = alternative.iter().map(|argument| argument.means.as_str()).collect();
            words.join(" and ")
        });
        let when = alternatives.collect::<Vec<_>>().join(", or ");
        code += &format!("Entry {{ name: {:?}, reason: {:?}, when: {when:?} }},\n", entry.name, entry.reason);
    }
    Ok(code + "];\n")
}
