//! A policy and what it includes, put together.

use super::language::{Addition, Condition, Omission, Override, PolicyText, line, reasoned};
use crate::{PolicyError, Result};

/// A system call that is permitted, and where that is written.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PolicyCall {
    /// Its name.
    pub name: String,
    /// Which code needs it, and when.
    pub reason: String,
    /// Why a run with every kind of traffic may not see it; empty if one does.
    pub rare: String,
    /// On these architectures; on all if there is none.
    pub arch: Vec<String>,
    /// Alternatives; any arguments if there is none.
    pub when: Vec<Vec<Condition>>,
    /// The policy that gives the reason.
    pub policy: String,
    /// The line of its text, from 1 on.
    pub line: usize,
}

impl PolicyCall {
    /// Whether it is permitted on this architecture.
    #[must_use]
    pub fn is_on(&self, arch: &str) -> bool {
        self.arch.is_empty() || self.arch.iter().any(|name| name == arch)
    }

    /// With which arguments, in words; empty for any.
    #[must_use]
    pub fn in_words(&self) -> String {
        let alternatives = self.when.iter().map(|alternative| {
            let words: Vec<&str> = alternative.iter().map(|condition| condition.means.as_str()).collect();
            words.join(" and ")
        });
        alternatives.collect::<Vec<_>>().join(", or ")
    }
}

/// A policy with everything that it includes, for all architectures.
#[derive(Debug)]
#[non_exhaustive]
pub struct WholePolicy {
    /// Its name.
    pub name: String,
    /// What it permits.
    pub calls: Vec<PolicyCall>,
}

/// How deep policies include each other at most. What includes itself is deeper.
const DEEPEST: usize = 8;

/// The text of a policy, by its name.
type Library<'a> = &'a dyn Fn(&str) -> Option<String>;

impl WholePolicy {
    /// Reads the policy of this name and `text`, and what it includes: `library` has the texts by name.
    ///
    /// # Errors
    /// What is wrong with one of the texts: not TOML, an entry without a reason, a call that two of them permit.
    pub fn read(name: &str, text: &str, library: Library<'_>) -> Result<Self, PolicyError> {
        let mut whole = Self { name: name.to_owned(), calls: Vec::new() };
        whole.add(text, library, 0)?;
        Ok(whole)
    }

    pub(super) fn wrong(&self, reason: impl ToString) -> PolicyError {
        PolicyError { policy: self.name.clone(), syscall: None, reason: reason.to_string() }
    }

    pub(super) fn wrong_about(&self, call: &str, reason: impl ToString) -> PolicyError {
        PolicyError { syscall: Some(call.to_owned()), ..self.wrong(reason) }
    }

    fn add(&mut self, text: &str, library: Library<'_>, depth: usize) -> Result<(), PolicyError> {
        let parsed: PolicyText = toml::from_str(text).map_err(|error| self.wrong(error))?;
        if depth > DEEPEST {
            return Err(self.wrong(format!("it is included by itself, or more than {DEEPEST} policies deep")));
        }
        for name in &parsed.include {
            let missing = || self.wrong(format!("it includes `{name}`, and there is no such policy beside it"));
            let text = library(name).ok_or_else(missing)?;
            let mut included = Self { name: name.clone(), calls: Vec::new() };
            included.add(&text, library, depth + 1)?;
            for call in included.calls {
                self.permits_no(&self.calls, &call.name, name)?;
                self.calls.push(call);
            }
        }
        let inherited = self.calls.clone();
        for addition in parsed.syscall {
            self.permits_no(&inherited, addition.name.as_ref(), &self.name)?;
            self.calls.push(self.added(addition, text)?);
        }
        parsed.overrides.into_iter().try_for_each(|replacement| self.change(replacement, text))?;
        parsed.drops.iter().try_for_each(|omission| self.omit(omission))
    }

    /// A call that is there twice would be read in one place and permitted by the other.
    fn permits_no(&self, calls: &[PolicyCall], name: &str, by: &str) -> Result<(), PolicyError> {
        let Some(known) = calls.iter().find(|call| call.name == name) else { return Ok(()) };
        let reason = format!(
            "`{}` permits it (line {}), and so does `{by}`: write [[override]] to give it another reason or other arguments, \
             [[drop]] to do without it, or permit it in one of them alone",
            known.policy, known.line
        );
        Err(self.wrong_about(name, reason))
    }

    fn added(&self, addition: Addition, text: &str) -> Result<PolicyCall, PolicyError> {
        let line = line(text, &addition.name);
        let Addition { name, reason, rare, arch, when } = addition;
        let name = name.into_inner();
        reasoned(&reason).map_err(|why| self.wrong_about(&name, why))?;
        Ok(PolicyCall { name, reason, rare, arch, when, policy: self.name.clone(), line })
    }

    fn change(&mut self, replacement: Override, text: &str) -> Result<(), PolicyError> {
        let line = line(text, &replacement.name);
        let Override { name, reason, rare, when } = replacement;
        let name = name.into_inner();
        reasoned(&reason).map_err(|why| self.wrong_about(&name, why))?;
        let wrong = |why| PolicyError { syscall: Some(name.clone()), ..self.wrong(why) };
        let (unknown, same) = (
            wrong("it is overridden, and no included policy permits it"),
            wrong("it is overridden with the arguments that it has: leave `when` out"),
        );
        let policy = self.name.clone();
        let included = self.calls.iter_mut().find(|call| call.name == name && call.policy != policy);
        let call = included.ok_or(unknown)?;
        if when.as_ref() == Some(&call.when) {
            return Err(same);
        }
        let when = when.unwrap_or_else(|| call.when.clone());
        *call = PolicyCall { reason, rare, when, policy, line, ..call.clone() };
        Ok(())
    }

    fn omit(&mut self, omission: &Omission) -> Result<(), PolicyError> {
        let name = omission.name.as_ref();
        reasoned(&omission.reason).map_err(|why| self.wrong_about(name, why))?;
        let before = self.calls.len();
        self.calls.retain(|call| call.name != *name);
        if self.calls.len() == before {
            return Err(self.wrong_about(name, "it is dropped, and no included policy permits it"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::WholePolicy;

    const BASE: &str = "[[syscall]]\nname = \"read\"\nreason = \"base\"\nrare = \"r\"\narch = [\"x86_64\"]\n\
        when = [[{ arg = 0, equals = 7, means = \"seven\" }]]\n[[syscall]]\nname = \"close\"\nreason = \"end\"\n";

    fn whole(text: &str) -> Result<WholePolicy, String> {
        let library = |name: &str| match name {
            "base" => Some(BASE.to_owned()),
            "itself" => Some("include = [\"itself\"]".to_owned()),
            "same" => Some("[[syscall]]\nname = \"close\"\nreason = \"end\"\n".to_owned()),
            _ => None,
        };
        WholePolicy::read("role", text, &library).map_err(|error| error.to_string())
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
                .starts_with("the role policy: `read`: `base` permits it (line 2), and so does `role`")
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
        assert!(
            refused("include = [\"other\"]")
                .contains("the role policy: it includes `other`, and there is no such policy")
        );
        assert!(refused(&entry("drop", "read", "when = []")).contains("unknown field"));
    }
}
