//! `[directory]` of an agent: who knows which instance has an address.

use super::{
    tls::{self, TlsKeys},
    toml_text::quoted,
    validator::Validator,
};
use crate::{
    AbsolutePath, DatabaseRemote, DirectorySource, OvnSouthbound, closest, model::directory_source::MOST_REMOTES,
};
use serde::Deserialize;
use std::ops::Range;
use toml::Spanned;

/// `[directory]`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DraftDirectory {
    /// Which directory: `ovn`, OVN's southbound database, or `file`.
    pub kind: Option<Spanned<String>>,
    /// For `file`: path of a TOML file with `[[instance]]` tables. It is read again when it changes.
    pub path: Option<Spanned<String>>,
    /// For `ovn`: servers of the database, one to eight: `tcp:HOST:PORT`, `ssl:HOST:PORT`, or `unix:PATH` for one on this host. Of a
    /// cluster any member has the whole database; several are asked in turns until one answers. A name is looked up once, when the
    /// agent starts.
    pub remotes: Option<Vec<Spanned<String>>>,
    /// For `ovn`: the `system-id` of this host (`ovs-vsctl get Open_vSwitch . external_ids:system-id`). Only ports that are bound to it
    /// are copied. Without this key, those of all hosts are, which costs memory and time with each port of the cloud.
    pub chassis: Option<Spanned<String>>,
    /// For `ovn`: whether only the leader of a cluster is followed. Without it any member is, and the leader has less to do.
    pub leader_only: Option<Spanned<bool>>,
    /// For `ovn`: path of the certificates, in PEM, of the authorities that may have signed those of servers with `ssl:`. As with Open
    /// vSwitch's own programs, the name in a server's certificate does not count.
    pub ca_file: Option<Spanned<String>>,
    /// For `ovn`: path of the certificate, in PEM, that is shown to a server with `ssl:` that asks for one, and behind it those that lead
    /// to its authority.
    pub certificate_file: Option<Spanned<String>>,
    /// For `ovn`: path of its private key, in PEM and without a passphrase.
    pub key_file: Option<Spanned<String>>,
}

/// Which directory.
#[derive(Clone, Copy, PartialEq, Eq)]
enum DirectoryKind {
    Ovn,
    File,
}

impl DirectoryKind {
    const ALL: [Self; 2] = [Self::Ovn, Self::File];

    fn name(self) -> &'static str {
        match self {
            Self::Ovn => "ovn",
            Self::File => "file",
        }
    }

    fn named(text: &str) -> Result<Self, String> {
        let names = || Self::ALL.map(Self::name).into_iter();
        Self::ALL.into_iter().find(|kind| kind.name() == text).ok_or_else(|| {
            let meant = closest(text, names()).map(|meant| format!("; did you mean \"{meant}\"?"));
            let all = || names().map(|name| format!("\"{name}\"")).collect::<Vec<_>>().join(" or ");
            format!("`{text}` is no directory{}", meant.unwrap_or_else(|| format!("; write {}", all())))
        })
    }
}

impl DraftDirectory {
    /// Each key that only one kind has, and where it is said.
    fn keys(&self) -> [(&'static str, DirectoryKind, Option<Range<usize>>); 7] {
        let first = |list: &Vec<Spanned<String>>| list.first().map_or(0..0, Spanned::span);
        [
            ("path", DirectoryKind::File, self.path.as_ref().map(Spanned::span)),
            ("remotes", DirectoryKind::Ovn, self.remotes.as_ref().map(first)),
            ("chassis", DirectoryKind::Ovn, self.chassis.as_ref().map(Spanned::span)),
            ("leader_only", DirectoryKind::Ovn, self.leader_only.as_ref().map(Spanned::span)),
            ("ca_file", DirectoryKind::Ovn, self.ca_file.as_ref().map(Spanned::span)),
            ("certificate_file", DirectoryKind::Ovn, self.certificate_file.as_ref().map(Spanned::span)),
            ("key_file", DirectoryKind::Ovn, self.key_file.as_ref().map(Spanned::span)),
        ]
    }
}

impl Validator<'_> {
    pub(super) fn directory(&mut self, draft: &DraftDirectory) -> Option<DirectorySource> {
        let kind = self.must("directory.kind", &draft.kind, "kind = \"ovn\"", |kind| DirectoryKind::named(kind))?;
        for (key, of, place) in draft.keys() {
            if let (true, Some(place)) = (of != kind, place) {
                let reason = format!(
                    "this is a key of `kind = \"{}\"`, and a directory of `kind = \"{}\"` has no use for it; take one of the two out",
                    of.name(),
                    kind.name()
                );
                self.wrong(key, &Spanned::new(place, ()), reason);
            }
        }
        match kind {
            DirectoryKind::File => {
                let form = "path = \"/etc/nsgate/instances.toml\"";
                self.must("directory.path", &draft.path, form, |path| AbsolutePath::new(path))
                    .map(DirectorySource::File)
            }
            DirectoryKind::Ovn => self.southbound(draft).map(DirectorySource::Ovn),
        }
    }

    fn southbound(&mut self, draft: &DraftDirectory) -> Option<OvnSouthbound> {
        let said = draft.remotes.as_deref().unwrap_or_default();
        let remotes = said.iter().filter_map(|said| self.value("remotes", said, |text| DatabaseRemote::new(text)));
        let remotes: Vec<DatabaseRemote> = remotes.collect();
        if said.is_empty() {
            self.absent("directory.remotes", "remotes = [\"tcp:192.0.2.1:6642\"]");
        }
        if let Some(said) = said.get(MOST_REMOTES) {
            self.wrong("remotes", said, format!("at most {MOST_REMOTES} servers are accepted"));
        }
        for (index, one) in said.iter().enumerate() {
            if said.iter().take(index).any(|before| before.get_ref() == one.get_ref()) {
                self.wrong("remotes", one, "this server is named twice".to_owned());
            }
        }
        let chassis = self.optional("chassis", &draft.chassis, |text| chassis(text));
        if draft.chassis.is_none() {
            self.warning(
                "without `chassis` the ports of all hosts are copied, and each change of one of them is heard",
                "write chassis = \"…\" in [directory]: the system-id of this host (`ovs-vsctl get Open_vSwitch . \
                 external_ids:system-id`); each port of the cloud costs memory, and time at the start, otherwise",
            );
        }
        let leader_only = draft.leader_only.as_ref().is_some_and(|said| *said.get_ref());
        let keys = TlsKeys { authorities: &draft.ca_file, certificate: &draft.certificate_file, key: &draft.key_file };
        let secure = said.iter().find(|said| said.get_ref().starts_with("ssl:"));
        let tls = self.tls(&keys, "remotes", "ssl:", secure);
        (!remotes.is_empty()).then_some(OvnSouthbound { remotes, chassis, leader_only, tls })
    }
}

fn chassis(text: &str) -> Result<String, String> {
    let fit = (1..=255).contains(&text.len()) && text.chars().all(|one| !one.is_control() && !one.is_whitespace());
    let why = || format!("`{text}` is no system-id: `ovs-vsctl get Open_vSwitch . external_ids:system-id` prints it");
    fit.then(|| text.to_owned()).ok_or_else(why)
}

/// The lines of the table.
pub(super) fn render(directory: &DirectorySource) -> String {
    match directory {
        DirectorySource::File(path) => format!("kind = \"file\"\npath = {}", quoted(path.as_str())),
        DirectorySource::Ovn(ovn) => {
            let remotes: Vec<String> = ovn.remotes.iter().map(|remote| quoted(&remote.to_string())).collect();
            let chassis = ovn.chassis.iter().map(|name| format!("chassis = {}\n", quoted(name))).collect::<String>();
            let tls: String = tls::render(ovn.tls.as_ref()).iter().map(|line| format!("\n{line}")).collect();
            format!(
                "kind = \"ovn\"\nremotes = [{}]\n{chassis}leader_only = {}{tls}",
                remotes.join(", "),
                ovn.leader_only
            )
        }
    }
}
