//! Certificates of a laboratory: an authority and what it signs, made by openssl(1).

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::lab::Lab;

/// An authority. Its files are in a directory of its own.
#[derive(Debug)]
pub struct Authority {
    directory: PathBuf,
    /// Its certificate, in PEM.
    pub certificate: PathBuf,
}

/// A certificate and its private key, in PEM.
#[derive(Debug, Clone)]
pub struct Issued {
    /// The certificate.
    pub certificate: PathBuf,
    /// The key, without a passphrase.
    pub key: PathBuf,
}

/// From when until when a certificate is valid, as openssl-ca(1) takes it.
#[derive(Debug, Clone, Copy)]
pub enum Valid {
    /// For years.
    Now,
    /// It was for a day.
    Expired,
    /// It will be.
    Later,
}

impl Authority {
    /// Makes one.
    pub fn new(lab: &Lab, name: &str) -> Authority {
        Authority::valid(lab, name, Valid::Now)
    }

    /// Makes one that is valid at some time.
    pub fn valid(lab: &Lab, name: &str, valid: Valid) -> Authority {
        lab.needs("/usr/bin/openssl", "apt-get install openssl");
        let directory = lab.directory(&format!("authority-{name}"), 0o700);
        fs::write(directory.join("index.txt"), "").expect("an index");
        let place = directory.display();
        let text = format!(
            "[ca]\ndefault_ca = d\n[d]\ndatabase = {place}/index.txt\nnew_certs_dir = {place}\nrand_serial = yes\n\
             default_md = sha256\npolicy = p\nunique_subject = no\nemail_in_dn = no\n[p]\ncommonName = supplied\n"
        );
        fs::write(directory.join("ca.conf"), text).expect("a configuration");
        let certificate = directory.join("own.pem");
        let authority = Authority { directory, certificate };
        authority.issue("own", "basicConstraints = critical, CA:TRUE\n", valid, true);
        authority
    }

    /// A certificate for these names, as subjectAltName has them (`DNS:nova`, `IP:127.0.0.1`); none for none.
    pub fn signs(&self, name: &str, names: &str, valid: Valid) -> Issued {
        let names = if names.is_empty() { String::new() } else { format!("subjectAltName = {names}\n") };
        self.issue(name, &format!("basicConstraints = CA:FALSE\n{names}"), valid, false)
    }

    fn issue(&self, name: &str, extensions: &str, valid: Valid, itself: bool) -> Issued {
        let file = |ending: &str| self.directory.join(format!("{name}.{ending}"));
        let [certificate, key, request, more] = ["pem", "key", "csr", "ext"].map(file);
        fs::write(&more, extensions).expect("extensions");
        let subject = format!("/CN={name}");
        let kind = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
        let request_words = ["req", "-new", "-subj", &subject, "-keyout", path(&key), "-out", path(&request)];
        openssl(&[&request_words, &kind[..]].concat());
        let [start, end] = match valid {
            Valid::Now => ["20200101000000Z", "21000101000000Z"],
            Valid::Expired => ["20200101000000Z", "20200102000000Z"],
            Valid::Later => ["20990101000000Z", "21000101000000Z"],
        };
        let config = self.directory.join("ca.conf");
        let own_key = self.directory.join("own.key");
        let signer = match itself {
            true => vec!["-selfsign", "-keyfile", path(&key)],
            false => vec!["-cert", path(&self.certificate), "-keyfile", path(&own_key)],
        };
        let words = ["ca", "-batch", "-notext", "-config", path(&config), "-extfile", path(&more)];
        let times = ["-startdate", start, "-enddate", end, "-in", path(&request), "-out", path(&certificate)];
        openssl(&[&words, &times[..], &signer].concat());
        Issued { certificate, key }
    }
}

fn path(path: &Path) -> &str {
    path.to_str().expect("a path in UTF-8")
}

/// Runs openssl(1) to its end.
pub fn openssl(words: &[&str]) {
    let out = Command::new("/usr/bin/openssl").args(words).stdin(Stdio::null()).output().expect("openssl");
    assert!(out.status.success(), "openssl {words:?}: {}", String::from_utf8_lossy(&out.stderr));
}
