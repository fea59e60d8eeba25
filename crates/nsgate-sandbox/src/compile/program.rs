//! A filter program, made of a policy.

use super::inclusion::{PolicyCall, Whole};
use super::language::Condition;
use super::{DEVELOPMENT, Mismatch, Problem, Result};
use seccompiler::{BpfProgram, TargetArch, compile_from_json};
use serde_json::{Value, json};

impl Whole {
    /// The filter for this architecture: what is named passes. With `development`, what debug assertions ask for as well.
    pub(crate) fn compile(&self, arch: &str, mismatch: Mismatch, development: bool) -> Result<BpfProgram> {
        let more = if development { Self::read("development", DEVELOPMENT, &|_| None)?.calls } else { Vec::new() };
        let mut rules: Vec<Value> = Vec::new();
        for call in self.calls.iter().chain(&more).filter(|call| call.is_on(arch)) {
            rules.extend(rules_of(call)?);
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

fn rules_of(call: &PolicyCall) -> Result<Vec<Value>> {
    if call.when.is_empty() {
        return Ok(vec![json!({ "syscall": call.name })]);
    }
    let rule = |alternative: &Vec<Condition>| {
        let conditions: Result<Vec<_>> = alternative.iter().map(Condition::rule).collect();
        let conditions = conditions.map_err(|error| Problem::of(&call.name, error))?;
        Ok(json!({ "syscall": call.name, "args": conditions }))
    };
    call.when.iter().map(rule).collect()
}
