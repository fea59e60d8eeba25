//! A filter program, made of a policy.

use super::inclusion::{PolicyCall, WholePolicy};
use super::language::Condition;
use crate::{PolicyError, Result};
use seccompiler::{BpfProgram, TargetArch, compile_from_json};
use serde_json::{Value, json};

/// The architectures that a policy is compiled for, as Rust calls them. Another one has other system calls, and its C library
/// makes others; seccompiler knows no other either.
pub const ARCHITECTURES: [&str; 3] = ["x86_64", "aarch64", "riscv64"];

/// Whether a policy can be compiled for it.
///
/// # Errors
/// One sentence that a build ends with.
pub fn known(arch: &str) -> Result<(), String> {
    if ARCHITECTURES.contains(&arch) {
        return Ok(());
    }
    Err(format!(
        "policies of system calls are compiled for amd64, arm64 and riscv64 ({}), and not for {arch}: they are written and \
         compared for these, and a process would be killed at the first call that they do not know",
        ARCHITECTURES.join(", ")
    ))
}

/// What happens to a call that the policy does not name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mismatch {
    /// The process ends (SECCOMP_RET_KILL_PROCESS).
    Kill,
    /// The process says which call it was, and ends (SECCOMP_RET_TRAP): for builds with debug assertions.
    Trap,
    /// It goes on and the kernel's log says which call it was (SECCOMP_RET_LOG): the feature `log-violations`.
    Log,
}

impl Mismatch {
    /// That of a build.
    #[must_use]
    pub fn of(logs: bool, development: bool) -> Self {
        match (logs, development) {
            (true, _) => Self::Log,
            (false, true) => Self::Trap,
            (false, false) => Self::Kill,
        }
    }
}

/// With debug assertions, the standard library asks at each close whether the descriptor is open, and tokio at each socket
/// that it is given whether it waits. A process that is built for development would end there; none that is distributed is.
const DEVELOPMENT: &str = "
[[syscall]]
name = 'fcntl'
reason = 'debug assertions: is a descriptor open when it is closed (F_GETFD), does a socket wait (F_GETFL)'
when = [[{ arg = 1, equals = 1, means = 'F_GETFD' }], [{ arg = 1, equals = 3, means = 'F_GETFL' }]]
";

impl WholePolicy {
    /// The filter for this architecture: what is named passes. With `development`, what debug assertions ask for as well.
    ///
    /// # Errors
    /// A condition without a value, a system call that the architecture does not have, another architecture than
    /// [`ARCHITECTURES`].
    pub fn compile(&self, arch: &str, mismatch: Mismatch, development: bool) -> Result<BpfProgram, PolicyError> {
        let more = if development { Self::read("development", DEVELOPMENT, &|_| None)?.calls } else { Vec::new() };
        let mut rules: Vec<Value> = Vec::new();
        for call in self.calls.iter().chain(&more).filter(|call| call.is_on(arch)) {
            rules.extend(rules_of(call).map_err(|reason| self.wrong_about(&call.name, reason))?);
        }
        let action = match mismatch {
            Mismatch::Kill => "kill_process",
            Mismatch::Trap => "trap",
            Mismatch::Log => "log",
        };
        let filter = json!({ "policy": { "mismatch_action": action, "match_action": "allow", "filter": rules } });
        let target = TargetArch::try_from(arch).map_err(|error| self.wrong(error))?;
        let compiled = compile_from_json(filter.to_string().as_bytes(), target).map_err(|error| self.wrong(error));
        compiled?.remove("policy").ok_or_else(|| self.wrong("no program came out"))
    }
}

fn rules_of(call: &PolicyCall) -> Result<Vec<Value>, String> {
    if call.when.is_empty() {
        return Ok(vec![json!({ "syscall": call.name })]);
    }
    let rule = |alternative: &Vec<Condition>| {
        let conditions: Result<Vec<_>, String> = alternative.iter().map(Condition::rule).collect();
        Ok(json!({ "syscall": call.name, "args": conditions? }))
    };
    call.when.iter().map(rule).collect()
}
