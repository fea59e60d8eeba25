//! Which paths are passed on: those below a prefix, and only where no server behind could read another path.

use crate::{Reason, refusal::Refusal};
use nsgate_config::{PathPrefix, is_plain_path};

/// A target without empty components in its path, if it has some: `//latest///meta-data//?a` leads where `/latest/meta-data/?a`
/// does. What is judged is also what the agent gets. Nova would take most of them away as well, but not two at the very
/// beginning: `posixpath.normpath` keeps those, and Nova answers with its list of versions.
pub(super) fn with_single_slashes(target: &[u8]) -> Option<Vec<u8>> {
    let end = memchr::memchr(b'?', target).unwrap_or(target.len());
    let (path, query) = target.split_at_checked(end)?;
    memchr::memmem::find(path, b"//")?;
    let mut single = Vec::with_capacity(target.len());
    for byte in path {
        if *byte != b'/' || single.last() != Some(&b'/') {
            single.push(*byte);
        }
    }
    single.extend_from_slice(query);
    Some(single)
}

/// Judges a path without its query; any plain one if there is no prefix. `hide` says that what is refused is not there.
pub(super) fn check_path(prefixes: &[PathPrefix], hide: bool, path: &[u8]) -> Result<(), Refusal> {
    if !is_plain_path(path) {
        return Err(Refusal::guard(403, Reason::AmbiguousPath));
    }
    if !prefixes.is_empty() && !prefixes.iter().any(|prefix| prefix.covers(path)) {
        return Err(Refusal::guard(if hide { 404 } else { 403 }, Reason::ForbiddenPath));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{check_path, with_single_slashes};
    use nsgate_config::{ComponentName, PathPrefix};
    use proptest::prelude::*;

    #[test]
    fn slashes_in_a_row_are_one_and_a_query_is_left_alone() {
        for (target, single) in [
            ("//latest/meta-data/", Some("/latest/meta-data/")),
            ("/latest//meta-data///x//?a=//b//", Some("/latest/meta-data/x/?a=//b//")),
            ("//", Some("/")),
            ("////?//", Some("/?//")),
            ("/latest/?a=//b", None),
            ("/latest/meta-data/", None),
            ("/", None),
        ] {
            let found = with_single_slashes(target.as_bytes()).map(|bytes| String::from_utf8(bytes).unwrap());
            assert_eq!(found.as_deref(), single, "{target}");
        }
    }

    /// Every way in which a server behind could read a path: decoded as often as anything changes, `\` for `/`, what
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
        /// However an agent reads it, an accepted path is below the prefix.
        #[test]
        fn an_accepted_path_is_below_its_prefix_in_every_reading(
            path in "/(openstack|latest)?(/|//|\\.|\\.\\.|;|%2e|%2f|%252e|%5c|\\\\|[a-z%;.]|user_data|openstack|latest|\\x00){0,8}"
        ) {
            let prefixes = [PathPrefix::new("/openstack/").unwrap()];
            let path = with_single_slashes(path.as_bytes()).map_or(path, |bytes| String::from_utf8(bytes).unwrap());
            if check_path(&prefixes, false, path.as_bytes()).is_ok() {
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
            let path = with_single_slashes(path.as_bytes()).map_or(path, |bytes| String::from_utf8(bytes).unwrap());
            if check_path(&[], false, path.as_bytes()).is_ok() {
                let read = readings(path.as_bytes()).iter().flatten().any(|one| one.eq_ignore_ascii_case("user_data"));
                prop_assert_eq!(read, name.is_in(path.as_bytes()), "{}", &path);
            }
        }
    }
}
