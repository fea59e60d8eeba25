//! The files of a client of TLS: who starts the agent reads them, and the process that connects makes the client of them.
//!
//! The starter, and the supervisor that it becomes, read no key: they hold its text, which is overwritten when they are done.

use nsgate_agent::tls::{PemText, TlsClient, TlsTexts};
use nsgate_config::{AbsolutePath, CertificateFiles, TlsFiles};
use nsgate_launcher::{ConfigText, read_config};
use std::{fs, os::unix::fs::MetadataExt};

/// A path and its text.
type PemFile = (AbsolutePath, ConfigText);

/// The texts of the files.
pub(crate) struct PemFiles {
    authorities: PemFile,
    own: Option<[PemFile; 2]>,
    any_name: bool,
}

impl PemFiles {
    /// Reads the files, by the rights of who starts. The second value is what is odd about them.
    ///
    /// # Errors
    /// The key in the configuration, the file, and why it cannot be read.
    pub(crate) fn read(files: &TlsFiles, any_name: bool) -> Result<(Self, Vec<String>), String> {
        let TlsFiles { authorities, own } = files;
        let authorities = read("ca_file", authorities)?;
        let mut odd = Vec::new();
        let own = match own {
            None => None,
            Some(CertificateFiles { certificate, key }) => {
                if fs::metadata(key.as_path()).is_ok_and(|found| found.mode() & 0o004 != 0) {
                    odd.push(format!(
                        "`key_file` {key}: each user of this host may read it; take that right away (chmod o-r)"
                    ));
                }
                Some([read("certificate_file", certificate)?, read("key_file", key)?])
            }
        };
        Ok((Self { authorities, own, any_name }, odd))
    }

    /// The client that they make. The second value is what is odd about them.
    ///
    /// # Errors
    /// The file, what is wrong with it, and what to do.
    pub(crate) fn client(&self) -> Result<(TlsClient, Vec<String>), String> {
        let own = self.own.as_ref().map(|own| own.each_ref().map(text));
        let texts = TlsTexts { authorities: text(&self.authorities), own, any_name: self.any_name };
        TlsClient::new(&texts).map_err(|error| error.to_string())
    }
}

fn text((path, text): &PemFile) -> PemText<'_> {
    PemText { file: path.as_str(), text }
}

fn read(key: &str, path: &AbsolutePath) -> Result<PemFile, String> {
    match read_config(path.as_path()) {
        Ok((text, _)) => Ok((path.clone(), text)),
        Err(error) => {
            let der = fs::File::open(path.as_path()).is_ok_and(begins_as_der);
            let help = if der {
                "; it is in DER, and `openssl x509 -inform DER -in FILE` makes PEM of a certificate"
            } else {
                ""
            };
            Err(format!("`{key}`: {error}{help}"))
        }
    }
}

/// Whether a file begins with a sequence whose length has two bytes, as each certificate in DER does.
fn begins_as_der(mut file: fs::File) -> bool {
    let mut head = [0; 2];
    std::io::Read::read_exact(&mut file, &mut head).is_ok() && head == [0x30, 0x82]
}
