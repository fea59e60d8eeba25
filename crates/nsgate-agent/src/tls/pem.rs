//! Certificates and keys from texts in PEM (RFC 7468).

use super::{trouble::ago, validity::not_after};
use rustls::{
    RootCertStore,
    crypto::ring::sign::any_supported_type,
    pki_types::{
        CertificateDer, PrivateKeyDer, UnixTime,
        pem::{Error, PemObject},
    },
    sign::CertifiedKey,
};

/// A file's name for messages, and its text.
#[derive(Clone, Copy)]
pub struct PemText<'a> {
    /// Its path.
    pub file: &'a str,
    /// What is in it.
    pub text: &'a str,
}

/// Shows no key.
impl std::fmt::Debug for PemText<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.file)
    }
}

/// Why no client of TLS comes of the files. A sentence names the file.
#[derive(Debug, thiserror::Error)]
pub enum TlsTrouble {
    /// There is none in the text.
    #[error(
        "{0} has no certificate: it is to be text with -----BEGIN CERTIFICATE-----; of a file in DER, `openssl x509 -inform DER -in FILE` makes that"
    )]
    NoCertificate(String),
    /// A part is cut, or was changed.
    #[error("{0}: {1}; copy the file again, with each line from -----BEGIN to -----END")]
    Torn(String, String),
    /// A part is no certificate.
    #[error("{0}: the {1}. certificate cannot be read: {2}")]
    Garbled(String, usize, String),
    /// Nothing in it is valid any longer.
    #[error("{0}: each of its {1} certificates has expired, the last one {2}; put one in its place that is valid")]
    Expired(String, usize, String),
    /// There is none in the text.
    #[error("{0} has no private key: it is to be text with -----BEGIN PRIVATE KEY-----")]
    NoKey(String),
    /// Nobody is there to say the passphrase.
    #[error(
        "{0}: the key is encrypted, and nobody is there to say its passphrase at a start; `openssl pkey -in FILE` writes it without one"
    )]
    EncryptedKey(String),
    /// Another kind, or no key at all.
    #[error("{0}: the key is of no kind that is known here: RSA of 2048 to 8192 bits, P-256, P-384, Ed25519")]
    UnknownKey(String),
    /// They are two pairs' halves.
    #[error("the key in {0} does not belong to the first certificate in {1}: were both files renewed together?")]
    AnothersKey(String, String),
    /// It stands in no certificate.
    #[error("`{0}` can be the name of no certificate")]
    Host(String),
    /// Of the library.
    #[error("TLS cannot be set up: {0}")]
    Provider(String),
}

/// The authorities of a text.
pub(super) fn authorities(from: &PemText<'_>, odd: &mut Vec<String>) -> Result<RootCertStore, TlsTrouble> {
    let mut store = RootCertStore::empty();
    for (index, certificate) in certificates(from, odd)?.into_iter().enumerate() {
        let garbled = |error: rustls::Error| TlsTrouble::Garbled(from.file.to_owned(), index + 1, error.to_string());
        store.add(certificate).map_err(garbled)?;
    }
    Ok(store)
}

/// The certificate that is shown, and its key.
pub(super) fn own(
    certificate: &PemText<'_>,
    key: &PemText<'_>,
    odd: &mut Vec<String>,
) -> Result<CertifiedKey, TlsTrouble> {
    let file = || key.file.to_owned();
    let chain = certificates(certificate, odd)?;
    // PEM of an older form says in a header that it is encrypted (RFC 1421, section 4.6.1.1); the library takes the header for base64.
    if key.text.contains("Proc-Type: 4,ENCRYPTED") {
        return Err(TlsTrouble::EncryptedKey(file()));
    }
    let mut der = PrivateKeyDer::from_pem_slice(key.text.as_bytes()).map_err(|error| match error {
        Error::NoItemsFound if key.text.contains("-----BEGIN ENCRYPTED PRIVATE KEY-----") => {
            TlsTrouble::EncryptedKey(file())
        }
        Error::NoItemsFound => TlsTrouble::NoKey(file()),
        other => TlsTrouble::Torn(file(), in_words(&other)),
    })?;
    let signing = any_supported_type(&der);
    zeroize::Zeroize::zeroize(&mut der);
    let signing = signing.map_err(|_| TlsTrouble::UnknownKey(file()))?;
    let pair = CertifiedKey::new(chain, signing);
    match pair.keys_match() {
        Ok(()) | Err(rustls::Error::InconsistentKeys(rustls::InconsistentKeys::Unknown)) => Ok(pair),
        Err(rustls::Error::InconsistentKeys(_)) => Err(TlsTrouble::AnothersKey(file(), certificate.file.to_owned())),
        Err(error) => Err(TlsTrouble::Garbled(certificate.file.to_owned(), 1, error.to_string())),
    }
}

/// All certificates of a text, in their order: one at least that has not expired.
fn certificates(from: &PemText<'_>, odd: &mut Vec<String>) -> Result<Vec<CertificateDer<'static>>, TlsTrouble> {
    let torn = |error: Error| TlsTrouble::Torn(from.file.to_owned(), in_words(&error));
    let all = CertificateDer::pem_slice_iter(from.text.as_bytes()).collect::<Result<Vec<_>, _>>().map_err(torn)?;
    if all.is_empty() {
        return Err(TlsTrouble::NoCertificate(from.file.to_owned()));
    }
    let now = UnixTime::now().as_secs();
    let expired: Vec<_> = all
        .iter()
        .enumerate()
        .filter_map(|(index, one)| Some((index + 1, not_after(one)?)).filter(|(_, end)| *end < now))
        .collect();
    let since = |end: u64| ago(now.saturating_sub(end));
    match expired.iter().map(|(_, end)| *end).max() {
        Some(last) if expired.len() == all.len() => {
            Err(TlsTrouble::Expired(from.file.to_owned(), all.len(), since(last)))
        }
        _ => {
            let told = |(number, end): &(usize, u64)| {
                format!("{}: the {number}. certificate expired {}; take it out", from.file, since(*end))
            };
            odd.extend(expired.iter().map(told));
            Ok(all)
        }
    }
}

fn in_words(error: &Error) -> String {
    match error {
        Error::MissingSectionEnd { end_marker } => {
            format!("a part has no {}", String::from_utf8_lossy(end_marker).trim())
        }
        Error::IllegalSectionStart { .. } => "a line that begins a part is malformed".to_owned(),
        Error::Base64Decode(_) => "a part is not in base64".to_owned(),
        other => other.to_string(),
    }
}
