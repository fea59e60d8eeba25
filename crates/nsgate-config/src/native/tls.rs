//! The three keys by which a table says whom TLS believes.

use super::{toml_text::quoted, validator::Validator};
use crate::{AbsolutePath, CertificateFiles, TlsFiles};
use toml::Spanned;

/// `ca_file`, `certificate_file` and `key_file` of a table.
pub(super) struct TlsKeys<'a> {
    pub(super) authorities: &'a Option<Spanned<String>>,
    pub(super) certificate: &'a Option<Spanned<String>>,
    pub(super) key: &'a Option<Spanned<String>>,
}

impl Validator<'_> {
    /// The files, where TLS is spoken. `secure` is the first server of `list` that speaks it, and `scheme` how such a one is written.
    pub(super) fn tls(
        &mut self,
        keys: &TlsKeys<'_>,
        list: &str,
        scheme: &str,
        secure: Option<&Spanned<String>>,
    ) -> Option<TlsFiles> {
        let TlsKeys { authorities, certificate, key } = keys;
        let path = |path: &String| AbsolutePath::new(path);
        let all = [("ca_file", authorities), ("certificate_file", certificate), ("key_file", key)];
        let Some(secure) = secure else {
            for (name, said) in all {
                if let Some(said) = said {
                    let reason = format!(
                        "nobody in `{list}` begins with {scheme}, so no certificate is looked at; take this line out, or let a host begin with {scheme}"
                    );
                    self.wrong(name, said, reason);
                }
            }
            return None;
        };
        if authorities.is_none() {
            let reason = format!(
                "{scheme} wants `ca_file`, the certificates of the authorities that are believed; those of the system are not asked"
            );
            self.wrong(list, secure, reason);
        }
        match (certificate, key) {
            (Some(said), None) => {
                self.wrong("certificate_file", said, "it wants its private key in `key_file`".to_owned())
            }
            (None, Some(said)) => {
                self.wrong("key_file", said, "it wants its certificate in `certificate_file`".to_owned())
            }
            _ => {}
        }
        let [authorities, certificate, key] = all.map(|(name, said)| self.optional(name, said, path));
        let own = certificate.zip(key).map(|(certificate, key)| CertificateFiles { certificate, key });
        Some(TlsFiles { authorities: authorities?, own })
    }
}

/// The lines of a table that read back to the same.
pub(super) fn render(files: Option<&TlsFiles>) -> Vec<String> {
    let Some(TlsFiles { authorities, own }) = files else { return Vec::new() };
    let mut lines = vec![format!("ca_file = {}", quoted(authorities.as_str()))];
    if let Some(CertificateFiles { certificate, key }) = own {
        lines.push(format!("certificate_file = {}", quoted(certificate.as_str())));
        lines.push(format!("key_file = {}", quoted(key.as_str())));
    }
    lines
}
