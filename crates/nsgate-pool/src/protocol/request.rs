//! What a worker is asked.

use super::{Notes, identity_text, message, nothing, parse_identity, sentence, split};
use nsgate_config::{Config, Identity, Invalid, native};

/// A message to a worker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// Serve this gate at the listeners that come with the message. Only the log of its `process` has an effect here.
    Serve(Box<Config>),
    /// Finish the requests under way, and no more.
    Finish,
    /// Does the worker run? The owner of a network asks.
    Ping,
    /// The owner serves its network by itself: no answer to `ping` came in time.
    Took,
    /// Which network has the listener with this number of the kernel's (SO_COOKIE)?
    Holds(u64),
    /// Which networks are there?
    List,
    /// Serve this network no longer.
    Remove(Identity),
    /// Does a service manager keep networks for this worker?
    Stores,
    /// Serve the network of the record that comes with the message, at the listeners behind the record. The network has no
    /// owner: it lasts as long as a service manager keeps record and listeners.
    Keep(Identity),
    /// Another worker takes over.
    Leave,
}

impl Request {
    /// The message.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        match self {
            Self::Serve(config) => Self::serve(config, &Notes::default()),
            Self::Finish => message("finish", ""),
            Self::Ping => message("ping", ""),
            Self::Took => message("took", ""),
            Self::Holds(cookie) => message("holds", &cookie.to_string()),
            Self::List => message("list", ""),
            Self::Remove(identity) => message("remove", &identity_text(identity)),
            Self::Stores => message("stores", ""),
            Self::Keep(identity) => message("keep", &identity_text(identity)),
            Self::Leave => message("leave", ""),
        }
    }

    /// A handover of this gate with its notes.
    #[must_use]
    pub fn serve(config: &Config, notes: &Notes) -> Vec<u8> {
        message("serve", &format!("{}{}", notes.to_text(), native::render(config)))
    }

    /// Reads a message.
    ///
    /// # Errors
    /// A sentence that says what is wrong with it.
    pub fn parse(bytes: &[u8]) -> Result<Self, Invalid> {
        Self::read(bytes).map_err(|wrong| Invalid::new(sentence(&wrong)))
    }

    fn read(bytes: &[u8]) -> Result<Self, String> {
        let (word, rest) = split(bytes)?;
        match word {
            "serve" => Ok(Self::Serve(Box::new(gate(rest)?))),
            "stores" => nothing(rest, Self::Stores),
            "keep" => parse_identity(rest).map(Self::Keep),
            "finish" => nothing(rest, Self::Finish),
            "ping" => nothing(rest, Self::Ping),
            "took" => nothing(rest, Self::Took),
            "holds" => rest.parse().map(Self::Holds).map_err(|_| "a listener's number is none".to_owned()),
            "list" => nothing(rest, Self::List),
            "remove" => parse_identity(rest).map(Self::Remove),
            "leave" => nothing(rest, Self::Leave),
            _ => Err("the message's word is none that a worker knows".to_owned()),
        }
    }
}

/// A gate as text.
pub(super) fn gate(text: &str) -> Result<Config, String> {
    let parsed = native::parse("handover", text);
    parsed
        .map(|parsed| parsed.config)
        .map_err(|errors| format!("the gate is not right: {}", first(&errors.to_string())))
}

/// The first line of a gate's diagnostics. The rest shows the text, which may be long.
fn first(errors: &str) -> String {
    errors.lines().next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::Request;
    use nsgate_config::{Identity, native};

    const GATE: &str = "network_id = \"7a1c4d2e-9f7b-4b59-9a55-0d3c1f6e2b10\"\nlisten = [\"169.254.169.254:80\"]\n\
                        backend = \"/b/agent\"\nuser = \"neutron\"\n";

    #[test]
    fn every_request_is_read_as_it_was_written() {
        let config = native::parse("x", GATE).unwrap().config;
        let id = config.gate.identity.uuid();
        let identities = [Identity::Network(id), Identity::Router(id), Identity::OvnNetwork(id)];
        let mut all = vec![Request::Serve(Box::new(config)), Request::Finish, Request::List, Request::Leave];
        all.extend(identities.map(Request::Remove));
        all.extend(identities.map(Request::Keep));
        all.extend([Request::Stores, Request::Ping, Request::Took, Request::Holds(u64::MAX)]);
        for request in all {
            assert_eq!(Request::parse(&request.to_bytes()), Ok(request));
        }
    }

    #[test]
    fn what_is_wrong_is_said() {
        let gate = format!("nsgate-pool 1 serve\n{}", GATE.replace(":80", ":0"));
        for (text, word) in [
            ("", "no first line"),
            ("\u{0}\n", "does not begin"),
            ("nsgate-pool 2 serve\n", "version `2`"),
            ("nsgate-pool\n", "version ``"),
            ("nsgate-pool 1\n", "first line"),
            ("nsgate-pool 1 serve now\n", "first line"),
            ("nsgate-pool 1 steal\n", "none that a worker knows"),
            ("nsgate-pool 1 list\nall", "something follows"),
            ("nsgate-pool 1 remove\nnetwork x", "not a UUID"),
            ("nsgate-pool 1 remove\nhost 7a1c4d2e-9f7b-4b59-9a55-0d3c1f6e2b10", "not a kind"),
            ("nsgate-pool 1 serve\n", "missing"),
            (gate.as_str(), "port 0"),
        ] {
            let error = Request::parse(text.as_bytes()).unwrap_err();
            assert!(error.reason().contains(word), "{text:?}: {error}");
        }
        assert!(Request::parse(b"nsgate-pool 1 serve\n\xff").unwrap_err().reason().contains("UTF-8"));
    }
}
