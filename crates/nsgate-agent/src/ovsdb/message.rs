//! One message of JSON-RPC 1.0, as RFC 7047 uses it (section 4).

use serde::Deserialize;
use serde_json::{Value, json, value::RawValue};
use std::borrow::Cow;

/// What a server sends.
#[derive(Debug)]
pub enum RpcMessage<'a> {
    /// Asks whether this client is there; it wants [`echo_reply`].
    Echo {
        /// Comes back in the reply.
        id: &'a RawValue,
        /// Comes back as well.
        params: &'a RawValue,
    },
    /// Answers a request of this client.
    Reply {
        /// The number of the request.
        id: u64,
        /// What it asked for, or why not.
        result: Result<&'a RawValue, RpcRefusal>,
    },
    /// Tells something: a change of rows, as a rule.
    Notice {
        /// Such as `update3`.
        method: Cow<'a, str>,
        /// As the method has them.
        params: &'a RawValue,
    },
}

/// A request that the server did not take (RFC 7047, section 3.1, `<error>`).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct RpcRefusal(String);

impl RpcRefusal {
    /// The server knows no such method: it is older.
    #[must_use]
    pub fn is_unknown_method(&self) -> bool {
        self.0 == "unknown method"
    }
}

#[derive(Deserialize)]
struct RpcEnvelope<'a> {
    #[serde(borrow)]
    id: Option<&'a RawValue>,
    #[serde(borrow)]
    method: Option<Cow<'a, str>>,
    #[serde(borrow)]
    params: Option<&'a RawValue>,
    #[serde(borrow)]
    result: Option<&'a RawValue>,
    error: Option<Value>,
}

impl<'a> RpcMessage<'a> {
    /// Reads a message that [`super::Frames`] has told apart. A kind of message that this client does not know is `None`.
    ///
    /// # Errors
    /// It is not JSON, or not a message.
    pub fn read(bytes: &'a [u8]) -> Result<Option<Self>, serde_json::Error> {
        let RpcEnvelope { id, method, params, result, error } = serde_json::from_slice(bytes)?;
        Ok(match (method, id, params) {
            (Some(method), Some(id), Some(params)) if method == "echo" => Some(Self::Echo { id, params }),
            (Some(method), None, Some(params)) => Some(Self::Notice { method, params }),
            (None, Some(id), _) => {
                let result = match (error, result) {
                    (Some(error), _) => Err(RpcRefusal::of(&error)),
                    (None, Some(result)) => Ok(result),
                    (None, None) => Err(RpcRefusal("a reply without a result".to_owned())),
                };
                id.get().parse().ok().map(|id| Self::Reply { id, result })
            }
            _ => None,
        })
    }
}

impl RpcRefusal {
    /// The name of the error and its details, where there are any.
    fn of(error: &Value) -> Self {
        let part = |name| error.get(name).and_then(Value::as_str);
        let text = match (part("error"), part("details")) {
            (Some(error), Some(details)) => format!("{error}: {details}"),
            (Some(error), None) => error.to_owned(),
            _ => error.as_str().map_or_else(|| error.to_string(), str::to_owned),
        };
        Self(text.chars().filter(|c| !c.is_control()).take(300).collect())
    }
}

/// A request.
#[must_use]
pub fn request(id: u64, method: &str, params: &Value) -> Vec<u8> {
    json!({ "method": method, "params": params, "id": id }).to_string().into_bytes()
}

/// The answer to [`RpcMessage::Echo`] (RFC 7047, section 4.1.11).
#[must_use]
pub fn echo_reply(id: &RawValue, params: &RawValue) -> Vec<u8> {
    format!("{{\"id\":{id},\"result\":{params},\"error\":null}}").into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_echo_is_answered_with_what_it_brought() {
        let bytes = br#"{"id":"echo","method":"echo","params":["\u00e9",{"a":1}]}"#;
        let Ok(Some(RpcMessage::Echo { id, params })) = RpcMessage::read(bytes) else { panic!("no echo") };
        let reply = String::from_utf8(echo_reply(id, params)).expect("UTF-8");
        assert_eq!(reply, r#"{"id":"echo","result":["\u00e9",{"a":1}],"error":null}"#);
    }

    #[test]
    fn a_reply_is_a_result_or_says_why_not() {
        let told = |text: &str| match RpcMessage::read(text.as_bytes()) {
            Ok(Some(RpcMessage::Reply { id, result })) => {
                format!("{id} {}", result.map_or_else(|refusal| refusal.to_string(), |value| value.get().to_owned()))
            }
            other => panic!("{text}: {other:?}"),
        };
        assert_eq!(told(r#"{"id":1,"result":[1],"error":null}"#), "1 [1]");
        assert_eq!(told(r#"{"id":1,"error":"unknown method"}"#), "1 unknown method");
        assert_eq!(told(r#"{"id":2,"error":{"error":"syntax error","details":"x\ny"}}"#), "2 syntax error: xy");
        assert_eq!(told(r#"{"id":3,"result":null,"error":null}"#), "3 a reply without a result");
    }

    #[test]
    fn a_message_of_another_kind_is_passed_over() {
        for text in [r#"{}"#, r#"{"id":"mine","result":1}"#, r#"{"id":5,"method":"steal","params":[]}"#] {
            assert!(RpcMessage::read(text.as_bytes()).expect("a message").is_none(), "{text}");
        }
        assert!(RpcMessage::read(br#"{"id":1,"id":2}"#).is_err());
        assert!(RpcMessage::read(br#"{"params":[}]"#).is_err());
    }
}
