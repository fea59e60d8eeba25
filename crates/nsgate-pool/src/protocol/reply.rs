//! What a worker says.

use super::{identity_text, message, nothing, parse_identity, sentence, split};
use nsgate_config::{Identity, Invalid};
use std::fmt::Write;

/// A message from a worker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// The network is served as long as this connection lasts.
    Serving {
        /// The worker answers to `ping`.
        answers: bool,
    },
    /// It has heard a `ping`.
    Pong,
    /// Nothing was taken, and why.
    Refused(String),
    /// The network is no longer served, and why.
    End(String),
    /// Another worker takes over.
    Leave,
    /// One of its networks.
    Network(Box<NetworkStatus>),
    /// A worker of several that says nothing of its networks.
    Silent(SilentWorker),
    /// That was all.
    Done,
}

/// A worker of several that does not answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SilentWorker {
    /// Its number, from 1.
    pub number: u32,
    /// What went wrong.
    pub reason: String,
}

/// One network of a worker.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct NetworkStatus {
    /// Which network it is.
    pub identity: Identity,
    /// The listeners, as a configuration writes them, separated by blanks.
    pub listen: String,
    /// Path of the agent's socket.
    pub backend: String,
    /// Seconds since it was handed over to this worker.
    pub age: u64,
    /// Connections open now.
    pub connections: u32,
    /// Requests since then.
    pub requests: u64,
    /// Of these, answered by the agent.
    pub served: u64,
    /// Of these, refused by the gate.
    pub rejected: u64,
    /// Of these, without a whole answer of the agent's.
    pub failed: u64,
    /// Which of the pool's workers serves it, where there is more than one.
    pub worker: Option<u32>,
}

impl Reply {
    /// The message.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        match self {
            Self::Serving { answers } => message("serving", if *answers { ANSWERS } else { "" }),
            Self::Pong => message("pong", ""),
            Self::Refused(why) => message("refused", &sentence(why)),
            Self::End(why) => message("end", &sentence(why)),
            Self::Leave => message("leave", ""),
            Self::Network(status) => message("network", &status.to_text()),
            Self::Silent(worker) => message("silent", &format!("{} {}", worker.number, sentence(&worker.reason))),
            Self::Done => message("done", ""),
        }
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
            "serving" => Ok(Self::Serving { answers: rest == ANSWERS }),
            "pong" => nothing(rest, Self::Pong),
            "refused" => Ok(Self::Refused(sentence(rest))),
            "end" => Ok(Self::End(sentence(rest))),
            "leave" => nothing(rest, Self::Leave),
            "network" => NetworkStatus::parse(rest).map(|status| Self::Network(Box::new(status))),
            "silent" => {
                let (worker, reason) = rest.split_once(' ').ok_or("a worker that is silent has no reason")?;
                Ok(Self::Silent(SilentWorker { number: parse_number(worker)?, reason: sentence(reason) }))
            }
            "done" => nothing(rest, Self::Done),
            _ => Err("the message's word is none that a worker says".to_owned()),
        }
    }
}

/// Follows `serving` if the gate came with `asks`.
const ANSWERS: &str = "answers\n";

/// Lines that every release writes of a network.
const LINES: usize = 9;

impl NetworkStatus {
    fn to_text(&self) -> String {
        let mut text = String::new();
        let mut line = |key: &str, value: &dyn std::fmt::Display| {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "{key} {value}");
        };
        line("identity", &identity_text(&self.identity));
        line("listen", &self.listen);
        line("backend", &self.backend);
        line("age", &self.age);
        line("connections", &self.connections);
        line("requests", &self.requests);
        line("served", &self.served);
        line("rejected", &self.rejected);
        line("failed", &self.failed);
        if let Some(worker) = &self.worker {
            line("worker", worker);
        }
        text
    }

    fn parse(text: &str) -> Result<Self, String> {
        let mut lines = text.lines();
        // Keys of later releases: they may be absent. Unknown keys are ignored.
        let more: Vec<&str> = text.lines().skip(LINES).collect();
        let later = |key: &str| more.iter().find_map(|line| line.strip_prefix(key)?.strip_prefix(' '));
        let mut value = |key: &str| {
            let line = lines.next().unwrap_or_default();
            line.strip_prefix(key)
                .and_then(|rest| rest.strip_prefix(' '))
                .ok_or_else(|| format!("`{key}` is missing in what the worker says of a network"))
        };
        Ok(Self {
            identity: parse_identity(value("identity")?)?,
            listen: sentence(value("listen")?),
            backend: sentence(value("backend")?),
            age: parse_number(value("age")?)?,
            connections: parse_number(value("connections")?)?,
            requests: parse_number(value("requests")?)?,
            served: parse_number(value("served")?)?,
            rejected: parse_number(value("rejected")?)?,
            failed: parse_number(value("failed")?)?,
            worker: later("worker").map(parse_number).transpose()?,
        })
    }
}

fn parse_number<T: std::str::FromStr>(text: &str) -> Result<T, String> {
    text.parse().map_err(|_| "what should be a number is none".to_owned())
}

#[cfg(test)]
mod tests {
    use super::{NetworkStatus, Reply, SilentWorker};
    use nsgate_config::Identity;

    #[test]
    fn every_reply_is_read_as_it_was_written() {
        let status = NetworkStatus {
            identity: Identity::Router("7a1c4d2e-9f7b-4b59-9a55-0d3c1f6e2b10".parse().unwrap()),
            listen: "0.0.0.0:9697 [fe80::1]:80%eth0".to_owned(),
            backend: "/b/agent".to_owned(),
            age: 5,
            connections: 1,
            requests: u64::MAX,
            served: 3,
            rejected: 2,
            failed: 1,
            worker: Some(3),
        };
        let older = NetworkStatus { worker: None, ..status.clone() };
        let next = format!(
            "{}surprise of the next release\n",
            String::from_utf8(Reply::Network(Box::new(older.clone())).to_bytes()).unwrap()
        );
        assert_eq!(Reply::parse(next.as_bytes()), Ok(Reply::Network(Box::new(older))));
        for reply in [
            Reply::Serving { answers: false },
            Reply::Serving { answers: true },
            Reply::Pong,
            Reply::Refused("because".to_owned()),
            Reply::End("removed".to_owned()),
            Reply::Leave,
            Reply::Network(Box::new(status)),
            Reply::Silent(SilentWorker { number: 2, reason: "timed out".to_owned() }),
            Reply::Done,
        ] {
            assert_eq!(Reply::parse(&reply.to_bytes()), Ok(reply));
        }
    }

    #[test]
    fn a_sentence_is_one_line_and_short() {
        let bytes = Reply::Refused("a\nb\u{1b}[2J".repeat(1000)).to_bytes();
        assert!(bytes.len() < 1100);
        let Ok(Reply::Refused(why)) = Reply::parse(&bytes) else { panic!() };
        assert!(!why.contains(char::is_control), "{why}");
    }
}
