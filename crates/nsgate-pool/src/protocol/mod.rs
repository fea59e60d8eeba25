//! The messages: requests to a worker and its replies, as text.
//!
//! The first line of every message is `nsgate-pool VERSION WORD`; the rest depends on the word. A message that is unknown, or
//! may not come now, ends the connection, and with it the network that it handed over.
//!
//! | to a worker | what follows | when | the worker says |
//! |---|---|---|---|
//! | `serve` | a gate as TOML ([`nsgate_config::native`]); its listeners as descriptors, in order; behind them a door, if the gate has `agent` | first | `serving` or `refused` |
//! | `finish` | nothing | after `serving` | `end`, when the requests under way are finished |
//! | `ping` | nothing | after `serving` with `answers` | `pong`, at once: it is neither stopped nor in a loop |
//! | `took` | nothing | after `serving` with `answers` | nothing: its owner serves from now on, since no `pong` came |
//! | `holds` | the number of a listener | first | `network` for the one that has it, then `done` |
//! | `list` | nothing | first | `network` for each, `silent` for a worker of several that does not answer, then `done` |
//! | `remove` | an identity | first | `done` or `refused` |
//! | `stores` | nothing | first | `done` if a service manager keeps networks for it, or `refused` |
//! | `keep` | an identity; a record ([`crate::record`]) and the listeners as descriptors | first | `done`: the network is served, and kept for the next worker; or `refused` |
//! | `leave` | nothing | first | `done`; networks are served until their owners have left |
//!
//! A door is one end of a connected stream that brings connections to the agent; what is said on it is the agent's business. The worker
//! closes the network's connection if the agent closes the door: hand over again with another one.
//!
//! Notes ([`Notes`]) may precede a gate. A release that does not know them takes them for comments.
//!
//! | from a worker | what follows | what it means |
//! |---|---|---|
//! | `serving` | nothing, or `answers` | the network is served as long as this connection lasts |
//! | `refused` | a sentence | nothing was taken; where the gate came with `asks`, the connection lasts as long as the worker |
//! | `pong` | nothing | it has heard the `ping` |
//! | `leave` | nothing | another worker takes over: hand over there, then close this connection |
//! | `end` | a sentence | the network is no longer served, and should not be handed over again |

mod notes;
mod reply;
mod request;

pub use notes::Notes;
pub use reply::{NetworkStatus, Reply, SilentWorker};
pub use request::Request;

use nsgate_config::{Config, Identity, native};

/// The version of the protocol. Another version is refused by name.
pub const VERSION: u32 = 1;

// A version may get new words, and the meaning of a word does not change. A worker refuses a word that it does not know by name,
// and the sender does without. It refuses another version by name as well, and the keeper then serves by itself.

/// Name of the protocol: the first word of every message.
const NAME: &str = "nsgate-pool";

/// Longest sentence in bytes.
const SENTENCE: usize = 1024;

/// A message as bytes.
fn message(word: &str, rest: &str) -> Vec<u8> {
    format!("{NAME} {VERSION} {word}\n{rest}").into_bytes()
}

/// Word and rest of a message, or what is wrong with it.
fn split(bytes: &[u8]) -> Result<(&str, &str), String> {
    let text = std::str::from_utf8(bytes).map_err(|_| "the message is not UTF-8".to_owned())?;
    let (first, rest) = text.split_once('\n').ok_or("the message has no first line")?;
    let mut words = first.split(' ');
    if words.next() != Some(NAME) {
        return Err(format!("the message does not begin with `{NAME}`"));
    }
    let version = words.next().unwrap_or_default();
    if version != VERSION.to_string() {
        let version: String = version.chars().filter(|c| !c.is_control()).take(20).collect();
        return Err(format!("version `{version}` of the protocol is not spoken here, version {VERSION} is"));
    }
    match (words.next(), words.next()) {
        (Some(word), None) => Ok((word, rest)),
        _ => Err("the first line is not protocol, version and word".to_owned()),
    }
}

/// An identity as a word for its kind and the UUID.
pub(crate) fn identity_text(identity: &Identity) -> String {
    let kind = match identity {
        Identity::Network(_) => "network",
        Identity::Router(_) => "router",
        Identity::OvnNetwork(_) => "ovn-network",
    };
    format!("{kind} {}", identity.uuid())
}

fn parse_identity(text: &str) -> Result<Identity, String> {
    let (kind, id) = text.split_once(' ').ok_or_else(|| format!("`{text}` is not a kind and a UUID"))?;
    let id = id.parse()?;
    match kind {
        "network" => Ok(Identity::Network(id)),
        "router" => Ok(Identity::Router(id)),
        "ovn-network" => Ok(Identity::OvnNetwork(id)),
        _ => Err(format!("`{kind}` is not a kind of identity; network, router or ovn-network")),
    }
}

/// A record of a network: the kernel's numbers of its listeners, and the gate with its notes.
pub(crate) fn kept_bytes(config: &Config, notes: &Notes, cookies: &[u64]) -> Vec<u8> {
    let cookies: Vec<String> = cookies.iter().map(ToString::to_string).collect();
    message("kept", &format!("{}\n{}{}", cookies.join(" "), notes.to_text(), native::render(config)))
}

/// Reads a record.
pub(crate) fn parse_kept(bytes: &[u8]) -> Result<(Config, Notes, Vec<u64>), String> {
    let read = || {
        let (word, rest) = split(bytes)?;
        let (numbers, gate) = rest.split_once('\n').ok_or("the record has no listeners")?;
        if word != "kept" {
            return Err("the record's word is not `kept`".to_owned());
        }
        let cookies = numbers.split(' ').map(str::parse).collect::<Result<Vec<u64>, _>>();
        let cookies = cookies.map_err(|_| "a listener's number is none".to_owned())?;
        Ok((request::gate(gate)?, Notes::read(gate), cookies))
    };
    read().map_err(|wrong: String| sentence(&wrong))
}

/// Nothing may follow.
fn nothing<T>(rest: &str, value: T) -> Result<T, String> {
    if rest.is_empty() { Ok(value) } else { Err("something follows where nothing should".to_owned()) }
}

/// One line without control characters, of bounded length.
fn sentence(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        if out.len() + c.len_utf8() > SENTENCE {
            break;
        }
        out.push(if c.is_control() { ' ' } else { c });
    }
    out
}
