//! The lines and bytes of the protocol.

use nsgate_config::{Identity, Uuid};

/// The first bytes of a line that asks for a door. No request of HTTP/1 begins so: a method is followed by a path or an address
/// (RFC 9112, section 3.2).
pub const BEGIN: &[u8] = b"NSGATE-BIND ";
/// Longest line in bytes, with its end.
pub const LONGEST: usize = 128;
/// What the agent answers when the connection has become a door.
pub(super) const BOUND: &str = "bound";
/// Begins the agent's other answer; a reason follows.
pub(super) const REFUSED: &str = "refused ";
/// Asks for a connection, and comes with one.
pub(super) const ONE: u8 = b'+';
/// Asks for a door, and comes with one.
pub(super) const DOOR: u8 = b'=';
/// The door has as many connections as it may have, or doors.
pub(super) const FULL: u8 = b'-';
/// A byte from here on, and one from [`ANEW_ENDS`] on behind it: another process of the agent's attends the door. What was asked for
/// before is forgotten, as soon as the holder has said the same two. Of 4,096 pairs, two processes that follow each other have two, as a
/// rule.
pub(super) const ANEW: u8 = 0xc0;
/// The second byte of such a pair, and up to [`ANEW`].
pub(super) const ANEW_ENDS: u8 = 0x80;

const VERSION: &str = "1";

/// Why a line binds nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BindLineError {
    /// It has no end within [`LONGEST`] bytes, or is not text.
    #[error("the line has no end within {LONGEST} bytes, or holds bytes that are not ASCII")]
    NoLine,
    /// It is of a later version.
    #[error("version `{0}` of the protocol is not known here, only version {VERSION}: upgrade the agent")]
    Version(String),
    /// It names no header of Neutron's.
    #[error("`{0}` is not a header that says a network or a router")]
    Header(String),
    /// It names no UUID.
    #[error("{0}")]
    Uuid(String),
    /// Words are missing, or there are more.
    #[error("the line is not `NSGATE-BIND {VERSION} HEADER UUID`")]
    Words,
    /// Bytes came behind its end: the answer was not waited for.
    #[error("bytes came behind the line, before it was answered")]
    Behind,
}

/// The line that binds a connection to `identity`, with its end.
#[must_use]
pub fn line(identity: &Identity) -> String {
    format!("NSGATE-BIND {VERSION} {} {}\n", identity.header().to_ascii_lowercase(), identity.uuid())
}

/// The identity that a line names; the line without its end.
///
/// # Errors
/// What is odd about it.
pub fn read(line: &[u8]) -> Result<Identity, BindLineError> {
    let text = std::str::from_utf8(line).ok().filter(|text| text.is_ascii()).ok_or(BindLineError::NoLine)?;
    let mut words = text.split(' ');
    let mut next = || words.next().filter(|word| !word.is_empty()).ok_or(BindLineError::Words);
    if next()? != "NSGATE-BIND" {
        return Err(BindLineError::Words);
    }
    match next()? {
        VERSION => {}
        other => return Err(BindLineError::Version(other.to_owned())),
    }
    let (header, uuid) = (next()?, next()?);
    if words.next().is_some() {
        return Err(BindLineError::Words);
    }
    let make: [fn(Uuid) -> Identity; 3] = [Identity::Network, Identity::Router, Identity::OvnNetwork];
    let uuid: Uuid = uuid.parse().map_err(|wrong: nsgate_config::Invalid| BindLineError::Uuid(wrong.to_string()))?;
    let named = make.into_iter().map(|make| make(uuid));
    let mut named = named.filter(|identity| identity.header().eq_ignore_ascii_case(header));
    named.next().ok_or_else(|| BindLineError::Header(header.to_owned()))
}

/// Whether the agent's answer, without its end, says that the connection is bound.
///
/// # Errors
/// The agent's reason, or what it said that is no answer.
pub fn answered(line: &str) -> Result<(), String> {
    match (line, line.strip_prefix(REFUSED)) {
        (BOUND, _) => Ok(()),
        (_, Some(reason)) => Err(format!("it refuses: {reason}")),
        _ => Err(format!("it answers {line:?}, which is no answer of `nsgate agent`")),
    }
}

#[cfg(test)]
mod tests {
    use super::{BEGIN, BindLineError, LONGEST, answered, line, read};
    use nsgate_config::Identity;

    const ID: &str = "7a1c4d2e-9f7b-4b59-9a55-0d3c1f6e2b10";

    #[test]
    fn a_line_reads_back_to_the_identity_that_it_was_written_for() {
        let id = ID.parse().unwrap();
        for identity in [Identity::Network(id), Identity::Router(id), Identity::OvnNetwork(id)] {
            let line = line(&identity);
            assert!(line.len() <= LONGEST && line.as_bytes().starts_with(BEGIN));
            assert_eq!(read(line.trim_end().as_bytes()), Ok(identity));
        }
    }

    #[test]
    fn an_odd_line_binds_nothing() {
        let odd = |text: &str| read(text.as_bytes()).unwrap_err();
        assert_eq!(odd(&format!("NSGATE-BIND 2 x-ovn-network-id {ID}")), BindLineError::Version("2".into()));
        assert_eq!(odd(&format!("NSGATE-BIND 1 x-instance-id {ID}")), BindLineError::Header("x-instance-id".into()));
        assert!(matches!(odd("NSGATE-BIND 1 x-ovn-network-id ../etc"), BindLineError::Uuid(_)));
        let words = ["", "NSGATE-BIND ", "NSGATE-BIND 1 x-ovn-network-id", "GET / HTTP/1.1"];
        words.into_iter().for_each(|text| assert_eq!(odd(text), BindLineError::Words, "{text}"));
        assert_eq!(odd(&format!("NSGATE-BIND 1 x-ovn-network-id {ID} {ID}")), BindLineError::Words);
        assert_eq!(odd(&format!("NSGATE-BIND  1 x-ovn-network-id {ID}")), BindLineError::Words);
        assert!(matches!(odd(&format!("NSGATE-BIND 1 x-ovn-network-id {ID}\r")), BindLineError::Uuid(_)));
        assert_eq!(read(b"NSGATE-BIND \xff"), Err(BindLineError::NoLine));
    }

    #[test]
    fn an_answer_is_bound_or_a_reason() {
        assert_eq!(answered("bound"), Ok(()));
        assert_eq!(answered("refused for a reason"), Err("it refuses: for a reason".into()));
        assert!(answered("HTTP/1.1 400 Bad Request\r").is_err_and(|why| why.contains("no answer of `nsgate agent`")));
    }
}
