//! A filter program, made of a policy.

use super::inclusion::{PolicyCall, WholePolicy};
use super::language::Condition;
use super::{DEVELOPMENT, Mismatch, Result};
use seccompiler::{BpfProgram, TargetArch, compile_from_json};
use serde_json::{Value, json};

impl WholePolicy {
    /// The filter for this architecture: what is named passes. With `development`, what debug assertions ask for as well.
    ///
    /// # Errors
    /// A condition without a value, a system call that the architecture does not have, another architecture than
    /// [`ARCHITECTURES`](super::ARCHITECTURES).
    pub fn compile(&self, arch: &str, mismatch: Mismatch, development: bool) -> Result<BpfProgram> {
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

fn rules_of(call: &PolicyCall) -> std::result::Result<Vec<Value>, String> {
    if call.when.is_empty() {
        return Ok(vec![json!({ "syscall": call.name })]);
    }
    let rule = |alternative: &Vec<Condition>| {
        let conditions: std::result::Result<Vec<_>, String> = alternative.iter().map(Condition::rule).collect();
        Ok(json!({ "syscall": call.name, "args": conditions? }))
    };
    call.when.iter().map(rule).collect()
}
