//! A directory that is written by hand: a TOML file with a table for each instance. For labs and other clouds.
//!
//! ```toml
//! [[instance]]
//! network = "7a1c4d2e-9f7b-4b59-9a55-0d3c1f6e2b10"  # or `router`
//! addresses = ["10.0.0.2", "2001:db8::2"]
//! mac = "fa:16:3e:00:00:02"                         # for guests that ask from a link-local IPv6 address
//! instance = "d3f1c2a0-5b7e-4c7a-8a57-6a8d1b9a4e11"
//! project = "5f1f2e7a9c3b4d6e8f0a1b2c3d4e5f60"
//! ```

use super::{Caller, Directory, DirectoryPort, NoOccupant, Occupant, Question, index::Index};
use nsgate_config::{Identity, Uuid};
use serde::Deserialize;
use std::{
    net::IpAddr,
    sync::{Arc, PoisonError, RwLock},
};
use toml::Spanned;

/// What a file says. A clone sees the same, also after [`replace`](Self::replace).
#[derive(Clone, Debug)]
pub struct FileDirectory(Arc<RwLock<InstanceFile>>);

#[derive(Debug, Default)]
struct InstanceFile {
    networks: Index<usize>,
    routers: Index<usize>,
    instances: usize,
}

/// Why a text is not a directory: what, and in which line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{file}:{line}: {what}")]
pub struct NotADirectory {
    file: String,
    line: usize,
    what: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenDirectory {
    #[serde(default, rename = "instance")]
    instances: Vec<Spanned<WrittenInstance>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenInstance {
    network: Option<String>,
    router: Option<String>,
    address: Option<String>,
    #[serde(default)]
    addresses: Vec<String>,
    mac: Option<String>,
    instance: String,
    project: String,
}

impl FileDirectory {
    /// Reads a text; `file` is its name in messages.
    ///
    /// # Errors
    /// The first thing that is wrong, with its line.
    pub fn new(file: &str, text: &str) -> Result<Self, NotADirectory> {
        Ok(Self(Arc::new(RwLock::new(InstanceFile::read(file, text)?))))
    }

    /// Takes over a later text. Returns the number of its instances. A text with an error changes nothing.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn replace(&self, file: &str, text: &str) -> Result<usize, NotADirectory> {
        let known = InstanceFile::read(file, text)?;
        let instances = known.instances;
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = known;
        Ok(instances)
    }

    /// Instances that the text names.
    #[must_use]
    pub fn instances(&self) -> usize {
        self.0.read().unwrap_or_else(PoisonError::into_inner).instances
    }
}

impl Directory for FileDirectory {
    async fn who(&self, question: &Question) -> Result<Occupant, NoOccupant> {
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
        match question.place {
            Identity::Network(id) | Identity::OvnNetwork(id) => known.networks.who(id, question.caller),
            Identity::Router(id) => known.routers.who(id, question.caller),
        }
    }
}

impl InstanceFile {
    fn read(file: &str, text: &str) -> Result<Self, NotADirectory> {
        let line = |offset: usize| 1 + text.bytes().take(offset).filter(|byte| *byte == b'\n').count();
        let wrong = |offset: usize, what: String| NotADirectory { file: file.to_owned(), line: line(offset), what };
        let parsed: WrittenDirectory = toml::from_str(text)
            .map_err(|error| wrong(error.span().map_or(0, |span| span.start), error.message().replace('\n', "; ")))?;
        let mut known = Self { instances: parsed.instances.len(), ..Self::default() };
        for (number, entry) in parsed.instances.into_iter().enumerate() {
            let start = entry.span().start;
            known.add(number, entry.into_inner()).map_err(|what| wrong(start, what))?;
        }
        Ok(known)
    }

    fn add(&mut self, number: usize, entry: WrittenInstance) -> Result<(), String> {
        let (index, place) = match (&entry.network, &entry.router) {
            (Some(network), None) => (&mut self.networks, network),
            (None, Some(router)) => (&mut self.routers, router),
            _ => return Err("an instance has `network` or `router`, and not both".to_owned()),
        };
        let place: Uuid = place.parse().map_err(|invalid: nsgate_config::Invalid| invalid.reason().to_owned())?;
        let occupant = Occupant::new(&entry.instance, &entry.project).map_err(|error| error.to_string())?;
        let mut callers = Vec::new();
        for address in entry.address.iter().chain(&entry.addresses) {
            let address: IpAddr = address.parse().map_err(|_| format!("`{address}` is not an address"))?;
            callers.push(Caller::of(address));
        }
        if let Some(mac) = &entry.mac {
            callers.push(
                read_mac(mac)
                    .ok_or_else(|| format!("`{mac}` is not a MAC address; it looks like fa:16:3e:00:00:02"))?,
            );
        }
        if callers.is_empty() {
            return Err("an instance has `address`, `addresses` or `mac`: by what is it found?".to_owned());
        }
        index.set(number, DirectoryPort { place, callers, occupant: Ok(occupant) });
        Ok(())
    }
}

fn read_mac(text: &str) -> Option<Caller> {
    let mut bytes = [0; 6];
    let mut parts = text.split(':');
    for byte in &mut bytes {
        let part = parts.next().filter(|part| part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_hexdigit()))?;
        *byte = u8::from_str_radix(part, 16).ok()?;
    }
    parts.next().is_none().then_some(Caller::Mac(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NETWORK: &str = "7a1c4d2e-9f7b-4b59-9a55-0d3c1f6e2b10";

    fn entry(place: &str, address: &str, instance: &str) -> String {
        format!("[[instance]]\n{place} = \"{NETWORK}\"\n{address}\ninstance = \"{instance}\"\nproject = \"p\"\n")
    }

    async fn who(directory: &FileDirectory, place: fn(Uuid) -> Identity, address: &str) -> Result<String, NoOccupant> {
        let caller = Caller::of(address.parse().expect("an address"));
        let question = Question { place: place(NETWORK.parse().expect("a UUID")), caller };
        directory.who(&question).await.map(|occupant| occupant.instance().to_owned())
    }

    #[tokio::test]
    async fn an_instance_is_found_by_each_of_its_addresses_in_its_network() {
        let text = entry("network", "addresses = [\"10.0.0.2\", \"2001:db8::2\"]\nmac = \"fa:16:3e:00:00:01\"", "one")
            + &entry("router", "address = \"10.0.0.2\"", "two");
        let directory = FileDirectory::new("d.toml", &text).expect("a directory");
        assert_eq!(directory.instances(), 2);
        for address in ["10.0.0.2", "::ffff:10.0.0.2", "2001:db8::2", "fe80::f816:3eff:fe00:1"] {
            for network in [Identity::Network as fn(Uuid) -> Identity, Identity::OvnNetwork] {
                assert_eq!(who(&directory, network, address).await.as_deref(), Ok("one"), "{address}");
            }
        }
        assert_eq!(who(&directory, Identity::Router, "10.0.0.2").await.as_deref(), Ok("two"));
        assert_eq!(who(&directory, Identity::Network, "10.0.0.3").await, Err(NoOccupant::NoPort));
    }

    #[tokio::test]
    async fn a_later_text_holds_and_one_with_an_error_changes_nothing() {
        let text = entry("network", "address = \"10.0.0.2\"", "one");
        let directory = FileDirectory::new("d.toml", &text).expect("a directory");
        let twice = text.clone() + &entry("network", "address = \"10.0.0.2\"", "two");
        assert_eq!(directory.replace("d.toml", &twice), Ok(2));
        assert_eq!(who(&directory, Identity::Network, "10.0.0.2").await, Err(NoOccupant::SeveralPorts(2)));
        let error = directory.replace("d.toml", &(text + "[[instance]]\n")).expect_err("an instance of nothing");
        assert!(error.to_string().starts_with("d.toml:6: "), "{error}");
        assert_eq!(who(&directory, Identity::Network, "10.0.0.2").await, Err(NoOccupant::SeveralPorts(2)));
    }

    #[test]
    fn what_is_wrong_is_named_with_its_line() {
        let good = entry("network", "address = \"10.0.0.2\"", "one");
        for (text, what) in [
            (good.replace("10.0.0.2", "10.0.0"), "d.toml:1: `10.0.0` is not an address"),
            (good.replace(NETWORK, "x"), "`x` is not a UUID"),
            (good.replace("network", "net"), "d.toml:2: unknown field `net`"),
            (good.replace("address = \"10.0.0.2\"", ""), "by what is it found?"),
            (good.replace("address = \"10.0.0.2\"", "mac = \"1:2\""), "`1:2` is not a MAC address"),
            (good.replace("\"p\"", "\"\""), "its project is empty"),
            (good.replace("\"one\"", "\"o\\r\\nx-instance-id: two\""), "not of visible ASCII characters"),
            (format!("{good}router = \"{NETWORK}\"\n"), "and not both"),
            (good.replace('=', ""), "d.toml:2: "),
        ] {
            let error = FileDirectory::new("d.toml", &text).expect_err("wrong").to_string();
            assert!(error.contains(what) && !error.contains('\n'), "{error}");
        }
    }
}
