//! Which paths are passed on: those below a prefix, and only where nobody behind could read another path.

use crate::{Reason, refusal::Refusal};
use nsgate_config::{PathPrefix, is_plain_path};

/// Judges a path without its query; any plain one if there is no prefix.
pub(super) fn judge(prefixes: &[PathPrefix], path: &[u8]) -> Result<(), Refusal> {
    if !is_plain_path(path) {
        return Err(Refusal::guard(403, Reason::AmbiguousPath));
    }
    if !prefixes.is_empty() && !prefixes.iter().any(|prefix| prefix.covers(path)) {
        return Err(Refusal::guard(403, Reason::ForbiddenPath));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::judge;
    use nsgate_config::{ComponentName, PathPrefix};
    use proptest::prelude::*;

    /// Every way in which somebody behind could read a path: decoded as often as anything changes, `\` for `/`, what
    /// follows `;` in a component cut off or not, `.`, `..` and empty components taken away.
    fn readings(path: &[u8]) -> Vec<Vec<String>> {
        let mut decoded = path.to_vec();
        let mut all = Vec::new();
        loop {
            let text: String = decoded.iter().map(|byte| char::from(*byte)).collect();
            for text in [text.clone(), text.replace('\\', "/")] {
                for cut in [false, true] {
                    let mut components: Vec<String> = Vec::new();
                    for component in text.split('/') {
                        let component = if cut { component.split(';').next().unwrap_or("") } else { component };
                        match component {
                            "" | "." => {}
                            ".." => drop(components.pop()),
                            other => components.push(other.to_owned()),
                        }
                    }
                    all.push(components);
                }
            }
            let next = decode(&decoded);
            if next == decoded {
                return all;
            }
            decoded = next;
        }
    }

    fn decode(path: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        let mut at = 0;
        while at < path.len() {
            let digits = (path[at] == b'%').then(|| path.get(at + 1..at + 3)).flatten();
            let byte = digits.and_then(|digits| std::str::from_utf8(digits).ok());
            match byte.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
                Some(byte) => {
                    out.push(byte);
                    at += 3;
                }
                None => {
                    out.push(path[at]);
                    at += 1;
                }
            }
        }
        out
    }

    proptest! {
        /// Whatever reading an agent has, an accepted path is below the prefix.
        #[test]
        fn an_accepted_path_is_below_its_prefix_in_every_reading(
            path in "/(openstack|latest)?(/|//|\\.|\\.\\.|;|%2e|%2f|%252e|%5c|\\\\|[a-z%;.]|user_data|openstack|latest|\\x00){0,8}"
        ) {
            let prefixes = [PathPrefix::new("/openstack/").unwrap()];
            if judge(&prefixes, path.as_bytes()).is_ok() {
                for components in readings(path.as_bytes()) {
                    prop_assert_eq!(components.first().map(String::as_str), Some("openstack"), "{}", &path);
                }
            }
        }

        /// Whatever reading an agent has, an accepted path has a component that is looked for if and only if the guard
        /// finds it.
        #[test]
        fn a_component_is_not_hidden(
            path in "/(/|//|\\.|\\.\\.|;|%75|%2f|%255f|_|[a-z%;.]|user|data|user_data|USER_DATA){0,8}"
        ) {
            let name = ComponentName::new("user_data").unwrap();
            if judge(&[], path.as_bytes()).is_ok() {
                let read = readings(path.as_bytes()).iter().flatten().any(|one| one.eq_ignore_ascii_case("user_data"));
                prop_assert_eq!(read, name.is_in(path.as_bytes()), "{}", &path);
            }
        }
    }
}
