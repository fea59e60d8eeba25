//! What kind of thing a request asks for: a word from a short list, for logs that must not hold what a guest wrote.
//!
//! The most telling name among the path's components decides, so that no spelling of a secret's path looks harmless:
//! percent encoding is undone as often as agent and Nova could undo it, case is ignored, `.`, `..` and empty components
//! are passed over. A path that only looks like a secret's is called one as well.

use std::borrow::Cow;

/// A kind of path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PathClass {
    /// An instance's password.
    Password,
    /// A session token.
    Token,
    /// Credentials that other clouds hand out here; OpenStack does not.
    Credentials,
    /// What the instance's owner wrote for it.
    UserData,
    /// What the cloud wrote for it.
    VendorData,
    /// Its interfaces.
    NetworkData,
    /// Everything else about it.
    MetaData,
    /// A list of versions, or of what there is in one.
    Index,
    /// Longer than what the log gets of a request line.
    Long,
    /// None of these.
    Other,
}

/// Names of components, most telling first.
const NAMES: [(PathClass, &[&str]); 7] = [
    (PathClass::Password, &["password"]),
    (PathClass::Token, &["token"]),
    (PathClass::Credentials, &["iam", "security-credentials", "service-accounts"]),
    (PathClass::UserData, &["user-data", "user_data"]),
    (PathClass::VendorData, &["vendor-data", "vendor_data", "vendor_data.json", "vendor_data2.json"]),
    (PathClass::NetworkData, &["network-data", "network_data.json"]),
    (PathClass::MetaData, &["meta-data", "meta_data", "meta_data.json"]),
];

/// WebOb undoes the encoding once, Neutron's agent sends on what it got, and Nova undoes it again; once more is cheap.
const DECODINGS: usize = 4;

impl PathClass {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::Password,
        Self::Token,
        Self::Credentials,
        Self::UserData,
        Self::VendorData,
        Self::NetworkData,
        Self::MetaData,
        Self::Index,
        Self::Long,
        Self::Other,
    ];

    /// For a log.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Password => "password",
            Self::Token => "token",
            Self::Credentials => "credentials",
            Self::UserData => "user-data",
            Self::VendorData => "vendor-data",
            Self::NetworkData => "network-data",
            Self::MetaData => "meta-data",
            Self::Index => "index",
            Self::Long => "long",
            Self::Other => "other",
        }
    }

    /// The class of a target's path. What follows the first `?` is not looked at.
    #[must_use]
    pub fn of(target: &[u8]) -> Self {
        let path = target.split(|byte| *byte == b'?').next().unwrap_or_default();
        let path = decoded(path);
        let components = || path.split(|byte| *byte == b'/').filter(|part| !matches!(*part, b"" | b"." | b".."));
        let known = |part: &[u8]| {
            NAMES.iter().position(|(_, names)| names.iter().any(|name| part.eq_ignore_ascii_case(name.as_bytes())))
        };
        if let Some((class, _)) = components().filter_map(known).min().and_then(|most| NAMES.get(most)) {
            return *class;
        }
        if path.first() == Some(&b'/') && components().all(is_version) { Self::Index } else { Self::Other }
    }
}

/// Without percent encoding.
fn decoded(path: &[u8]) -> Cow<'_, [u8]> {
    let mut path = Cow::Borrowed(path);
    for _ in 0..DECODINGS {
        if !path.contains(&b'%') {
            break;
        }
        path = Cow::Owned(decoded_once(&path));
    }
    path
}

fn decoded_once(path: &[u8]) -> Vec<u8> {
    let digit = |at: usize| {
        path.get(at).and_then(|byte| char::from(*byte).to_digit(16)).and_then(|digit| u8::try_from(digit).ok())
    };
    let (mut plain, mut at) = (Vec::with_capacity(path.len()), 0);
    while let Some(byte) = path.get(at) {
        match (byte, digit(at + 1), digit(at + 2)) {
            (b'%', Some(high), Some(low)) => {
                plain.push(high << 4 | low);
                at += 3;
            }
            _ => {
                plain.push(*byte);
                at += 1;
            }
        }
    }
    plain
}

/// `latest`, `openstack`, `2009-04-04`, `1.0`.
fn is_version(part: &[u8]) -> bool {
    let numbers = part.len() <= 10 && part.iter().all(|byte| byte.is_ascii_digit() || matches!(byte, b'-' | b'.'));
    numbers || part == b"latest" || part == b"openstack"
}

#[cfg(test)]
mod tests {
    use super::PathClass;

    #[test]
    fn a_path_has_its_class() {
        for (target, class) in [
            ("/openstack/latest/password", "password"),
            ("/latest/api/token", "token"),
            ("/latest/meta-data/iam/security-credentials/role", "credentials"),
            ("/openstack/2018-08-27/user_data", "user-data"),
            ("/latest/user-data", "user-data"),
            ("/openstack/latest/vendor_data2.json", "vendor-data"),
            ("/openstack/latest/network_data.json", "network-data"),
            ("/openstack/latest/meta_data.json", "meta-data"),
            ("/2009-04-04/meta-data/public-keys/0/openssh-key", "meta-data"),
            ("/", "index"),
            ("/openstack", "index"),
            ("/openstack/2012-08-10/", "index"),
            ("/1.0", "index"),
            ("/latest/dynamic/instance-identity/document", "other"),
            ("/favicon.ico", "other"),
            ("*", "other"),
            ("", "other"),
        ] {
            assert_eq!(PathClass::of(target.as_bytes()).name(), class, "{target}");
        }
    }

    #[test]
    fn no_spelling_of_a_secrets_path_looks_harmless() {
        for target in [
            "/latest/user-data",
            "//latest//user-data/",
            "/latest/User-Data",
            "/latest/%75ser-data",
            "/latest/%2575ser-data",
            "/latest%2fuser-data",
            "/latest/meta-data/../user-data",
            "/latest/user-data/../meta-data/..",
            "/latest/meta-data/%2e%2e/user%2Ddata?x=meta-data",
            "/latest/./user-data?",
        ] {
            assert_eq!(PathClass::of(target.as_bytes()), PathClass::UserData, "{target}");
        }
        assert_eq!(PathClass::of(b"/latest/meta-data?user-data"), PathClass::MetaData, "a query is not a path");
        assert_eq!(PathClass::of(b"/%zz/%7"), PathClass::Other);
    }
}
