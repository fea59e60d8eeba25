//! `[nova]` of an agent: Nova's hosts, the secret that is shared with them, and the bounds of what is asked.

use super::{draft::DraftTime, time, tls::TlsKeys, validator::Validator};
use crate::{
    AbsolutePath, NovaService, NovaUrl,
    model::metadata_agent::{MOST_AT_ONCE, MOST_HOSTS},
};
use serde::Deserialize;
use std::time::Duration;
use toml::Spanned;

/// `[nova]`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DraftNova {
    /// Nova's hosts, one to sixteen: `http://HOST:PORT` or `https://HOST:PORT`. They are asked in turns; one that fails is asked after
    /// the others until it answers. A name is looked up once, when the agent starts.
    pub hosts: Vec<Spanned<String>>,
    /// Path of the file with the secret that is shared with Nova (`metadata_proxy_shared_secret`), read once at the start, by who
    /// starts the agent. A systemd credential is such a file.
    pub secret_file: Option<Spanned<String>>,
    /// Path of the certificates, in PEM, of the authorities that may have signed those of hosts with https. The system's are not
    /// asked. A certificate must have the host's name or address, as `hosts` says it, in its subjectAltName.
    pub ca_file: Option<Spanned<String>>,
    /// Path of the certificate, in PEM, that is shown to a host with https that asks for one, and behind it those that lead to its
    /// authority.
    pub certificate_file: Option<Spanned<String>>,
    /// Path of its private key, in PEM and without a passphrase.
    pub key_file: Option<Spanned<String>>,
    /// How long a connection to a host may take before the next one is tried, TLS's handshake included.
    pub connect_timeout: Option<Spanned<DraftTime>>,
    /// How long the beginning of an answer may take, and the time between two pieces of it.
    pub answer_timeout: Option<Spanned<DraftTime>>,
    /// Requests under way at Nova at once.
    pub requests: Option<Spanned<i64>>,
    /// Requests of one instance under way at once. Further ones of it wait, and keep no other instance from Nova.
    pub requests_per_instance: Option<Spanned<i64>>,
}

impl Validator<'_> {
    pub(super) fn nova(&mut self, draft: &DraftNova) -> Option<NovaService> {
        let hosts: Vec<NovaUrl> =
            draft.hosts.iter().filter_map(|said| self.value("hosts", said, |text| NovaUrl::new(text))).collect();
        if draft.hosts.is_empty() {
            self.absent("nova.hosts", "hosts = [\"http://192.0.2.10:8775\"]");
        }
        if let Some(said) = draft.hosts.get(MOST_HOSTS) {
            self.wrong("hosts", said, format!("at most {MOST_HOSTS} hosts are accepted"));
        }
        for (index, said) in draft.hosts.iter().enumerate() {
            if draft.hosts.iter().take(index).any(|before| before.get_ref() == said.get_ref()) {
                self.wrong("hosts", said, "this host is named twice".to_owned());
            }
        }
        let keys = TlsKeys { authorities: &draft.ca_file, certificate: &draft.certificate_file, key: &draft.key_file };
        let secure = draft.hosts.iter().find(|said| said.get_ref().starts_with("https://"));
        let tls = self.tls(&keys, "hosts", "https://", secure);
        let form = "secret_file = \"/etc/nsgate/nova-secret\"";
        let secret_file = self.must("nova.secret_file", &draft.secret_file, form, |path| AbsolutePath::new(path));
        let connect = self.optional("connect_timeout", &draft.connect_timeout, time::parse);
        let answer = self.optional("answer_timeout", &draft.answer_timeout, time::parse);
        let requests = self.number("requests", &draft.requests, 256, 1..=MOST_AT_ONCE);
        let share = self.number("requests_per_instance", &draft.requests_per_instance, 8, 1..=MOST_AT_ONCE);
        Some(NovaService {
            hosts,
            secret_file: secret_file?,
            tls,
            connect_timeout: connect.unwrap_or(Duration::from_secs(3)),
            answer_timeout: answer.unwrap_or(Duration::from_secs(30)),
            requests,
            requests_per_instance: share,
        })
    }
}
