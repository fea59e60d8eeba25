//! The words after `ssl-default-bind-options` and `ssl-default-server-options` (src/cfgparse-ssl.c, haproxy 2.6).

use super::words::Lexeme;
use crate::report::Span;

/// Options without a value: eleven of both kinds of line, and one of listeners only.
const ALONE: [&str; 12] = [
    "no-sslv3",
    "no-tlsv10",
    "no-tlsv11",
    "no-tlsv12",
    "no-tlsv13",
    "force-sslv3",
    "force-tlsv10",
    "force-tlsv11",
    "force-tlsv12",
    "force-tlsv13",
    "no-tls-tickets",
    "prefer-client-ciphers",
];
/// Of `ssl-default-bind-options`.
pub(super) const BIND: &[&str] = &ALONE;
/// Of `ssl-default-server-options`.
pub(super) const SERVER: &[&str] = ALONE.split_at(11).0;
const VERSIONS: [&str; 5] = ["SSLv3", "TLSv1.0", "TLSv1.1", "TLSv1.2", "TLSv1.3"];

/// The first word that is no option, or no version after `ssl-min-ver` or `ssl-max-ver`.
pub(super) fn fault(words: &[Lexeme], alone: &[&str]) -> Option<(Span, String)> {
    let mut words = words.iter();
    while let Some(word) = words.next() {
        if !matches!(word.text.as_str(), "ssl-min-ver" | "ssl-max-ver") {
            if alone.contains(&word.text.as_str()) {
                continue;
            }
            let message = format!("`{}` is none of: {}, ssl-min-ver, ssl-max-ver", word.text, alone.join(", "));
            return Some((word.place, message));
        }
        match words.next() {
            Some(version) if VERSIONS.contains(&version.text.as_str()) => {}
            Some(version) => {
                return Some((version.place, format!("`{}` is none of: {}", version.text, VERSIONS.join(", "))));
            }
            None => return Some((word.place, format!("`{}` lacks its version", word.text))),
        }
    }
    None
}
