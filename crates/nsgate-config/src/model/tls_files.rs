//! The files of a client of TLS.

use crate::AbsolutePath;

/// Whom a client of TLS believes, and as whom it shows itself. All are files in PEM, which who starts the process reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// Certificates of the authorities that are believed.
    pub authorities: AbsolutePath,
    /// What is shown to a server that asks.
    pub own: Option<CertificateFiles>,
}

/// A certificate and its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateFiles {
    /// The certificate first, then those that lead to its authority.
    pub certificate: AbsolutePath,
    /// Its private key, without a passphrase.
    pub key: AbsolutePath,
}
