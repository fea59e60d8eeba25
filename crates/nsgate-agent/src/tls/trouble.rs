//! Errors of TLS in words for an operator.

use rustls::{AlertDescription, CertificateError, Error, InvalidMessage};
use std::io;

const DAY: u64 = 24 * 60 * 60;

/// What went wrong in a handshake, or later.
pub(crate) fn in_words(error: &io::Error) -> String {
    match of_tls(error) {
        Some(error) => words(error),
        None if error.kind() == io::ErrorKind::UnexpectedEof => {
            "it closes the connection in the handshake: does it speak TLS, and may this agent connect?".to_owned()
        }
        // What it says comes before it closes; who still writes at that moment hears only that it has closed.
        None if [io::ErrorKind::BrokenPipe, io::ErrorKind::ConnectionReset].contains(&error.kind()) => {
            "it closes the connection in the handshake: as a rule it refuses the certificate of this agent, or misses one; see \
             `certificate_file`"
                .to_owned()
        }
        None => error.to_string(),
    }
}

/// What a server said against this client in an alert (RFC 8446, section 6.2), somewhere in what led to `error`. In TLS 1.3 that comes
/// after the client's part of the handshake, when a request is under way.
pub(crate) fn refusal(error: &(dyn std::error::Error + 'static)) -> Option<String> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(error @ Error::AlertReceived(_)) = error.downcast_ref::<io::Error>().and_then(of_tls) {
            return Some(words(error));
        }
        next = error.source();
    }
    None
}

fn of_tls(error: &io::Error) -> Option<&Error> {
    error.get_ref()?.downcast_ref()
}

fn words(error: &Error) -> String {
    match error {
        Error::InvalidCertificate(error) => certificate(error),
        Error::InvalidMessage(InvalidMessage::InvalidContentType) => {
            "it does not speak TLS at this port: is it one for plain HTTP, or for plain TCP?".to_owned()
        }
        Error::AlertReceived(alert) => alerted(*alert),
        other => format!("TLS: {other}"),
    }
}

fn alerted(alert: AlertDescription) -> String {
    use AlertDescription as Alert;
    match alert {
        Alert::CertificateRequired => {
            "it wants a certificate of this agent: name one in `certificate_file`, with its key in `key_file`"
                .to_owned()
        }
        Alert::BadCertificate
        | Alert::UnsupportedCertificate
        | Alert::CertificateRevoked
        | Alert::CertificateExpired
        | Alert::CertificateUnknown
        | Alert::UnknownCA
        | Alert::AccessDenied => {
            format!(
                "it refuses the certificate of this agent, or misses one ({alert:?}): see `certificate_file`, and what it believes"
            )
        }
        Alert::HandshakeFailure | Alert::ProtocolVersion | Alert::InsufficientSecurity => format!(
            "it refuses the handshake ({alert:?}): it knows no TLS 1.2 or 1.3 with a cipher of today, or misses a certificate of this agent"
        ),
        other => format!("it refuses the handshake ({other:?})"),
    }
}

fn certificate(error: &CertificateError) -> String {
    match error {
        CertificateError::UnknownIssuer => {
            "its certificate is signed by no authority in `ca_file`: which one has signed it?".to_owned()
        }
        // An authority of this name is known, with another key.
        CertificateError::BadSignature => {
            "its certificate is signed by no authority in `ca_file`: one there has the same name, and another \
                                           key. Was the authority made anew?"
                .to_owned()
        }
        CertificateError::Expired => "its certificate, or one between it and the authority, has expired".to_owned(),
        CertificateError::ExpiredContext { time, not_after } => format!(
            "its certificate, or one between it and the authority, expired {}",
            ago(time.as_secs().saturating_sub(not_after.as_secs()))
        ),
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "its certificate is not valid yet: is the clock of this host right?".to_owned()
        }
        CertificateError::NotValidForName => "its certificate has another name".to_owned(),
        CertificateError::NotValidForNameContext { expected, presented } if presented.is_empty() => format!(
            "its certificate has no subjectAltName, and `{}` is asked for; a name in CN does not count",
            expected.to_str()
        ),
        CertificateError::NotValidForNameContext { expected, presented } => {
            format!("its certificate is for {}, and `{}` is asked for", shown(presented), expected.to_str())
        }
        // webpki's `CaUsedAsEndEntity` has no name of its own here.
        CertificateError::Other(other) if format!("{other:?}").contains("CaUsedAsEndEntity") => {
            "its certificate is one of an authority (CA:TRUE): give the server one of its own, signed by that authority"
                .to_owned()
        }
        other => format!("its certificate is not accepted: {other}"),
    }
}

/// Names in a certificate, which its server chose.
fn shown(names: &[String]) -> String {
    let names: Vec<_> = names.iter().take(5).map(|name| name.escape_debug().take(100).collect::<String>()).collect();
    names.join(", ")
}

/// A time that is over, in the largest unit that fits.
pub(super) fn ago(seconds: u64) -> String {
    match seconds / DAY {
        0 => format!("{} minutes ago", seconds / 60),
        1 => "a day ago".to_owned(),
        days => format!("{days} days ago"),
    }
}

#[cfg(test)]
mod tests {
    use super::in_words;
    use std::io::ErrorKind;

    #[test]
    fn a_server_that_closes_in_the_handshake_is_asked_about_certificates() {
        for kind in [ErrorKind::BrokenPipe, ErrorKind::ConnectionReset] {
            assert!(in_words(&kind.into()).contains("the certificate of this agent"), "{kind}");
        }
        assert!(in_words(&ErrorKind::UnexpectedEof.into()).contains("does it speak TLS"));
    }
}
