//! The name of a door: root gives it to its end of the connection before it connects, and the kernel keeps it.
//!
//! It is an abstract name (unix(7)), of which a socket has one, for ever. Nothing listens at it. Who has the other end of the
//! connection asks the kernel for it, and need not ask who has brought the connection: a service manager has kept it,
//! which an earlier process has asked to.

use super::words::{BindLineError, line, read};
use nsgate_config::Identity;

/// Begins every name, and those under which a service manager keeps doors.
pub const DOOR_NAME: &str = "nsgate-door.";

/// A name for a door of `identity`. Two doors have two names where `unique` is another number: such names are in use once
/// in each network namespace. It has no colon, at which a service manager separates names.
#[must_use]
pub fn name(identity: &Identity, unique: u64) -> String {
    let line = line(identity);
    // The line without the word that begins it, and its end.
    let said = line.trim_end().split(' ').skip(1).collect::<Vec<_>>().join(".");
    format!("{DOOR_NAME}{said}.{unique:016x}")
}

/// Whom a door of this name is for.
///
/// # Errors
/// What is odd about it.
pub fn named(name: &[u8]) -> Result<Identity, BindLineError> {
    let text = std::str::from_utf8(name).ok().and_then(|text| text.strip_prefix(DOOR_NAME));
    let (said, unique) = text.and_then(|text| text.rsplit_once('.')).ok_or(BindLineError::Words)?;
    if unique.len() != 16 || !unique.bytes().all(|digit| digit.is_ascii_hexdigit()) || said.contains(' ') {
        return Err(BindLineError::Words);
    }
    read(format!("NSGATE-BIND {}", said.replace('.', " ")).as_bytes())
}

#[cfg(test)]
mod tests {
    use super::{DOOR_NAME, name, named};
    use nsgate_config::Identity;

    const ID: &str = "7a1c4d2e-9f7b-4b59-9a55-0d3c1f6e2b10";

    #[test]
    fn a_name_reads_back_to_the_identity_that_it_was_made_for() {
        let id = ID.parse().unwrap();
        for identity in [Identity::Network(id), Identity::Router(id), Identity::OvnNetwork(id)] {
            let name = name(&identity, u64::MAX);
            // sun_path without the zero that begins an abstract name.
            assert!(name.len() < 108 && !name.contains(':'), "{name}");
            assert_eq!(named(name.as_bytes()), Ok(identity));
        }
    }

    #[test]
    fn an_odd_name_names_nothing() {
        let whole = name(&Identity::OvnNetwork(ID.parse().unwrap()), 7);
        let cut = whole.strip_suffix('7').unwrap();
        let other = whole.replace("-network-id", "-id");
        let spaced = whole.replacen('.', ". ", 1);
        let odd = [
            "",
            DOOR_NAME,
            cut,
            &other,
            &spaced,
            whole.strip_prefix('n').unwrap(),
            "nsgate-door.1.x-ovn-network-id.7.0000000000000007",
        ];
        odd.into_iter().for_each(|odd| assert!(named(odd.as_bytes()).is_err(), "{odd}"));
        assert!(named(b"nsgate-door.\xff.0000000000000007").is_err());
    }
}
