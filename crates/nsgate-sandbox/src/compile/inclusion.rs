//! A policy and what it includes, put together.

use super::language::{Addition, Condition, Omission, Override, PolicyText, line, reasoned};
use super::{Problem, Result};

/// A system call that is permitted, and where that is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PolicyCall {
    pub(crate) name: String,
    pub(crate) reason: String,
    /// Why a run with every kind of traffic may not see it.
    #[allow(dead_code, reason = "a build has no use for it")]
    pub(crate) rare: String,
    /// On these architectures; on all if there is none.
    pub(crate) arch: Vec<String>,
    /// Alternatives; any arguments if there is none.
    pub(crate) when: Vec<Vec<Condition>>,
    /// The policy that gives the reason.
    pub(crate) policy: String,
    /// The line of its text.
    pub(crate) line: usize,
}

impl PolicyCall {
    /// Whether it is permitted on this architecture.
    pub(crate) fn is_on(&self, arch: &str) -> bool {
        self.arch.is_empty() || self.arch.iter().any(|name| name == arch)
    }

    /// With which arguments, in words; empty for any.
    pub(crate) fn in_words(&self) -> String {
        let alternatives = self.when.iter().map(|alternative| {
            let words: Vec<&str> = alternative.iter().map(|condition| condition.means.as_str()).collect();
            words.join(" and ")
        });
        alternatives.collect::<Vec<_>>().join(", or ")
    }
}

/// A policy with everything that it includes, for all architectures.
#[derive(Debug)]
pub(crate) struct Whole {
    pub(crate) calls: Vec<PolicyCall>,
}

/// How deep policies include each other at most. What includes itself is deeper.
const DEEPEST: usize = 8;

impl Whole {
    /// Reads the policy of this name and `text`, and what it includes: `library` has the texts by name.
    pub(crate) fn read(name: &str, text: &str, library: &dyn Fn(&str) -> Option<String>) -> Result<Self> {
        read(name, text, library, 0).map(|calls| Self { calls })
    }
}

fn read(name: &str, text: &str, library: &dyn Fn(&str) -> Option<String>, depth: usize) -> Result<Vec<PolicyCall>> {
    let parsed: PolicyText = toml::from_str(text).map_err(|error| match depth {
        0 => Problem::new(error),
        _ => Problem::new(format!("`{name}`, which is included: {error}")),
    })?;
    if depth > DEEPEST {
        return Err(Problem::new(format!("`{name}` is included by itself, or more than {DEEPEST} policies deep")));
    }
    let mut calls = Vec::new();
    for included in &parsed.include {
        let wrong = || Problem::new(format!("`{name}` includes `{included}`, and there is no such policy beside it"));
        let text = library(included).ok_or_else(wrong)?;
        for call in read(included, &text, library, depth + 1)? {
            unknown(&calls, &call.name, included)?;
            calls.push(call);
        }
    }
    let inherited = calls.clone();
    for addition in parsed.syscall {
        unknown(&inherited, addition.name.as_ref(), name)?;
        calls.push(added(addition, name, text)?);
    }
    for replacement in parsed.overrides {
        change(&mut calls, replacement, name, text)?;
    }
    for omission in parsed.drops {
        omit(&mut calls, &omission)?;
    }
    Ok(calls)
}

/// An entry that is there twice would be read in one place and permitted by the other.
fn unknown(calls: &[PolicyCall], name: &str, by: &str) -> Result<()> {
    let Some(known) = calls.iter().find(|call| call.name == name) else { return Ok(()) };
    let reason = format!(
        "`{}` permits it (line {}), and so does `{by}`: write [[override]] to give it another reason or other arguments, [[drop]] \
         to do without it, or permit it in one of them alone",
        known.policy, known.line
    );
    Err(Problem::of(name, reason))
}

fn added(addition: Addition, policy: &str, text: &str) -> Result<PolicyCall> {
    let line = line(text, &addition.name);
    let Addition { name, reason, rare, arch, when } = addition;
    let name = name.into_inner();
    reasoned(&name, &reason)?;
    Ok(PolicyCall { name, reason, rare, arch, when, policy: policy.to_owned(), line })
}

fn change(calls: &mut [PolicyCall], replacement: Override, policy: &str, text: &str) -> Result<()> {
    let line = line(text, &replacement.name);
    let Override { name, reason, rare, when } = replacement;
    let name = name.into_inner();
    reasoned(&name, &reason)?;
    let included = calls.iter_mut().find(|call| call.name == name && call.policy != policy);
    let call = included.ok_or_else(|| Problem::of(&name, "it is overridden, and no included policy permits it"))?;
    if when.as_ref() == Some(&call.when) {
        return Err(Problem::of(&name, "it is overridden with the arguments that it has: leave `when` out"));
    }
    let when = when.unwrap_or_else(|| call.when.clone());
    *call = PolicyCall { reason, rare, when, policy: policy.to_owned(), line, ..call.clone() };
    Ok(())
}

fn omit(calls: &mut Vec<PolicyCall>, omission: &Omission) -> Result<()> {
    let name = omission.name.as_ref();
    reasoned(name, &omission.reason)?;
    let before = calls.len();
    calls.retain(|call| call.name != *name);
    if calls.len() == before {
        return Err(Problem::of(name, "it is dropped, and no included policy permits it"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::Whole;

    const BASE: &str = "[[syscall]]\nname = \"read\"\nreason = \"base\"\nrare = \"r\"\narch = [\"x86_64\"]\n\
        when = [[{ arg = 0, equals = 7, means = \"seven\" }]]\n[[syscall]]\nname = \"close\"\nreason = \"end\"\n";

    fn whole(text: &str) -> Result<Whole, String> {
        let library = |name: &str| match name {
            "base" => Some(BASE.to_owned()),
            "itself" => Some("include = [\"itself\"]".to_owned()),
            "same" => Some("[[syscall]]\nname = \"close\"\nreason = \"end\"\n".to_owned()),
            _ => None,
        };
        Whole::read("role", text, &library).map_err(|problem| problem.to_string())
    }

    fn entry(table: &str, name: &str, more: &str) -> String {
        format!("include = [\"base\"]\n\n[[{table}]]\nname = \"{name}\"\nreason = \"own\"\n{more}\n")
    }

    #[test]
    fn what_is_included_keeps_its_reason_and_its_place() {
        let calls = whole(&entry("syscall", "write", "")).unwrap().calls;
        let places: Vec<_> = calls.iter().map(|call| (call.name.as_str(), call.policy.as_str(), call.line)).collect();
        assert_eq!(places, [("read", "base", 2), ("close", "base", 8), ("write", "role", 4)]);
        assert_eq!((calls[0].reason.as_str(), calls[0].in_words().as_str()), ("base", "seven"));
    }

    #[test]
    fn an_override_gives_a_reason_of_its_own_and_keeps_what_it_does_not_name() {
        let own = &whole(&entry("override", "read", "")).unwrap().calls[0];
        assert_eq!((own.reason.as_str(), own.policy.as_str(), own.rare.as_str()), ("own", "role", ""));
        assert_eq!((own.in_words().as_str(), own.is_on("x86_64"), own.is_on("riscv64")), ("seven", true, false));
        let any = &whole(&entry("override", "read", "when = []")).unwrap().calls[0];
        assert_eq!(any.in_words(), "");
        let other = entry("override", "read", "when = [[{ arg = 0, equals = 8, means = \"eight\" }]]");
        assert_eq!(whole(&other).unwrap().calls[0].in_words(), "eight");
    }

    #[test]
    fn what_is_dropped_is_gone() {
        let names: Vec<_> =
            whole(&entry("drop", "read", "")).unwrap().calls.into_iter().map(|call| call.name).collect();
        assert_eq!(names, ["close"]);
    }

    #[test]
    fn what_cannot_be_meant_is_refused_by_the_name_of_the_call() {
        let refused = |text: &str| whole(text).unwrap_err();
        assert!(
            refused(&entry("syscall", "read", ""))
                .starts_with("`read`: `base` permits it (line 2), and so does `role`")
        );
        assert!(refused("include = [\"base\", \"same\"]").contains("and so does `same`"));
        assert!(refused(&entry("override", "write", "")).contains("`write`: it is overridden, and no included policy"));
        let same = "when = [[{ arg = 0, equals = 7, means = \"seven\" }]]";
        assert!(refused(&entry("override", "read", same)).contains("leave `when` out"));
        assert!(refused(&entry("drop", "write", "")).contains("`write`: it is dropped, and no included policy"));
        for table in ["syscall", "override", "drop"] {
            let without = entry(table, "read", "").replace("own", " ");
            let without = if table == "syscall" { without.replace("\"read\"", "\"write\"") } else { without };
            assert!(refused(&without).contains("no reason"), "{table}");
        }
        assert!(refused("include = [\"itself\"]").contains("included by itself"));
        assert!(refused("include = [\"other\"]").contains("`role` includes `other`, and there is no such policy"));
        assert!(refused(&entry("drop", "read", "when = []")).contains("unknown field"));
    }
}
