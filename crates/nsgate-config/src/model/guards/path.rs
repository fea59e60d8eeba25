//! Plain paths: those that every program behind the gate reads in the same way.

use crate::Invalid;
use std::fmt;

/// Whether a path has only one reading: `/`, then components of letters, digits and `-._~!$&'()*+,=:@`, none of them
/// `.` or `..`, none of them empty but the last one.
///
/// Programs read other paths differently: an agent decodes `%75`, Nova removes `..` and `//` (`os.path.normpath` in
/// `nova/api/metadata/handler.py`), others cut a component at `;` or take `\` for `/`.
#[must_use]
pub fn is_plain_path(path: &[u8]) -> bool {
    let Some(mut rest) = path.strip_prefix(b"/") else { return false };
    loop {
        let end = rest.iter().position(|byte| *byte == b'/');
        let component = end.map_or(rest, |end| rest.get(..end).unwrap_or_default());
        if !component.iter().all(|byte| plain(*byte)) || matches!(component, b"." | b"..") {
            return false;
        }
        match end {
            Some(_) if component.is_empty() => return false,
            Some(end) => rest = rest.get(end + 1..).unwrap_or_default(),
            None => return true,
        }
    }
}

/// `pchar` of RFC 3986, section 3.3, without `%` and `;`.
fn plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,=:@".contains(&byte)
}

/// A prefix of a path, in whole components: `/openstack` for `/openstack`, `/openstack/` and everything below.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathPrefix(String);

impl PathPrefix {
    /// Checks a prefix. A `/` at its end makes no difference.
    ///
    /// # Errors
    /// A sentence that says what it may be.
    pub fn new(text: &str) -> Result<Self, Invalid> {
        if text.len() > 128 || !is_plain_path(text.as_bytes()) {
            return Err(Invalid::new(format!(
                "`{text}` is not the beginning of a path: `/` and at most 127 characters, no `%`, `;`, `//` or `..`, for \
                 instance \"/openstack/\""
            )));
        }
        Ok(Self(text.strip_suffix('/').unwrap_or(text).to_owned()))
    }

    /// Whether `path` is this one or below it. Case makes a difference, as it does to Nova.
    #[must_use]
    pub fn covers(&self, path: &[u8]) -> bool {
        path.strip_prefix(self.0.as_bytes()).is_some_and(|rest| matches!(rest, [] | [b'/', ..]))
    }
}

impl fmt::Display for PathPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/", self.0)
    }
}

/// One component of a path, `user_data` for instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ComponentName(String);

impl ComponentName {
    /// Checks a name.
    ///
    /// # Errors
    /// A sentence that says what it may be.
    pub fn new(text: &str) -> Result<Self, Invalid> {
        if (1..=64).contains(&text.len()) && text.bytes().all(plain) && !matches!(text, "." | "..") {
            return Ok(Self(text.to_owned()));
        }
        Err(Invalid::new(format!(
            "`{text}` is not a component of a path: 1 to 64 characters without `/`, for instance \"user_data\""
        )))
    }

    /// Whether a plain path has this component. Case is ignored, since the name is forbidden and not allowed.
    #[must_use]
    pub fn is_in(&self, path: &[u8]) -> bool {
        path.split(|byte| *byte == b'/').any(|component| component.eq_ignore_ascii_case(self.0.as_bytes()))
    }
}

impl fmt::Display for ComponentName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::{ComponentName, PathPrefix, is_plain_path};

    #[test]
    fn a_plain_path_means_itself() {
        for path in [
            "/",
            "/openstack",
            "/openstack/",
            "/openstack/latest/meta_data.json",
            "/latest/meta-data/public-keys/0/openssh-key",
            "/latest/meta-data/network/interfaces/macs/fa:16:3e:00:00:01/",
            "/a/.../b",
        ] {
            assert!(is_plain_path(path.as_bytes()), "{path}");
        }
        for path in [
            "",
            "openstack",
            "//",
            "//openstack",
            "/openstack//user_data",
            "/.",
            "/..",
            "/a/../b",
            "/a/./b",
            "/a/%75ser_data",
            "/a%2fb",
            "/a;b",
            "/a\\b",
            "/a b",
            "/\u{e4}",
            "/a?b",
        ] {
            assert!(!is_plain_path(path.as_bytes()), "{path}");
        }
    }

    #[test]
    fn a_prefix_is_whole_components() {
        let prefix = PathPrefix::new("/openstack/").unwrap();
        assert_eq!(prefix, PathPrefix::new("/openstack").unwrap());
        for (path, covered) in [
            ("/openstack", true),
            ("/openstack/", true),
            ("/openstack/latest", true),
            ("/openstackX", false),
            ("/OpenStack", false),
            ("/latest/openstack", false),
            ("/", false),
        ] {
            assert_eq!(prefix.covers(path.as_bytes()), covered, "{path}");
        }
        assert!(PathPrefix::new("/").unwrap().covers(b"/anything/at/all"));
        for text in ["", "openstack", "/a/../b", "/a//", "/%61", &format!("/{}", "a".repeat(128))] {
            assert!(PathPrefix::new(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_component_is_found_wherever_it_stands() {
        let name = ComponentName::new("user_data").unwrap();
        assert!(name.is_in(b"/openstack/latest/user_data") && name.is_in(b"/x/USER_data/y"));
        assert!(!name.is_in(b"/openstack/latest/user_data2") && !name.is_in(b"/openstack/meta_data.json"));
        for text in ["", "a/b", "..", "a%62", &"a".repeat(65)] {
            assert!(ComponentName::new(text).is_err(), "{text}");
        }
    }
}
