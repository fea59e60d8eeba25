//! The head of the agent's answer.

use crate::{Reason, policy::hop_by_hop, refusal::Refusal};
use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use std::mem::MaybeUninit;
use tokio::io::{AsyncRead, AsyncReadExt};

/// Longest head, and most headers, of an answer.
const HEAD_BYTES: usize = 32 * 1024;
const HEADERS: usize = 128;
/// Interim answers (1xx) before the real one.
const INTERIM: usize = 8;

/// A status, headers for the guest, and how the body ends.
#[derive(Debug)]
pub(crate) struct AgentAnswer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Delimited,
    /// The agent goes on over this connection (RFC 9112, section 9.3).
    pub(crate) keeps: bool,
}

/// How an answer's body ends (RFC 9112, section 6.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Delimited {
    /// There is none.
    Empty,
    /// After this many bytes.
    Length(u64),
    /// Where its chunks say.
    Chunked,
    /// With the connection.
    Close,
}

/// Bytes asked for at once: most answers are shorter, and malloc keeps pieces of this size at hand (up to 1,032 bytes).
const PIECE: usize = 1024;

/// What is not an answer.
const MALFORMED: Refusal = Refusal::bad_gateway(Reason::AnswerMalformed);

/// Reads the head; what was read of the body stays in `buffer`. `head_only` says that the request was a HEAD.
pub(crate) async fn read_answer<S: AsyncRead + Unpin>(
    stream: &mut S,
    buffer: &mut BytesMut,
    head_only: bool,
) -> Result<AgentAnswer, Refusal> {
    let mut searched = 0;
    for _ in 0..INTERIM {
        let end = loop {
            if let Some(end) = end_of_head(buffer, searched) {
                break end;
            }
            searched = buffer.len();
            if buffer.len() >= HEAD_BYTES {
                return Err(Refusal::bad_gateway(Reason::AnswerTooLarge));
            }
            buffer.reserve(PIECE);
            match stream.read_buf(buffer).await {
                Ok(0) if buffer.is_empty() => return Err(Refusal::bad_gateway(Reason::AgentClosed)),
                Ok(0) => {
                    // Neutron 2025.1 leaves out the blank line after an empty body.
                    buffer.extend_from_slice(b"\r\n\r\n");
                    let answer = parse(&buffer.split().freeze(), head_only).ok_or(MALFORMED)?;
                    // An interim answer has no body either, but something was to follow.
                    let complete = matches!(answer.body, Delimited::Empty | Delimited::Length(0))
                        && !answer.status.is_informational();
                    return if complete {
                        Ok(AgentAnswer { keeps: false, ..answer })
                    } else {
                        Err(Refusal::bad_gateway(Reason::AnswerCut))
                    };
                }
                Ok(_) => {}
                Err(_) => return Err(Refusal::bad_gateway(Reason::AgentClosed)),
            }
        };
        let answer = parse(&buffer.split_to(end).freeze(), head_only).ok_or(MALFORMED)?;
        searched = 0;
        match answer.status.as_u16() {
            // No request asked to switch protocols.
            101 => return Err(MALFORMED),
            100..=199 => {}
            _ => return Ok(answer),
        }
    }
    Err(MALFORMED)
}

/// The position after the first blank line. Lines may end with LF or CRLF.
fn end_of_head(bytes: &[u8], from: usize) -> Option<usize> {
    let start = from.saturating_sub(3);
    let mut ends = memchr::memchr_iter(b'\n', bytes.get(start..)?).map(|at| start + at);
    ends.find_map(|at| match bytes.get(at + 1..) {
        Some([b'\n', ..]) => Some(at + 2),
        Some([b'\r', b'\n', ..]) => Some(at + 3),
        _ => None,
    })
}

/// The values of the headers are parts of `head`, not copies.
fn parse(head: &Bytes, head_only: bool) -> Option<AgentAnswer> {
    let mut fields = [const { MaybeUninit::uninit() }; HEADERS];
    let mut response = httparse::Response::new(&mut []);
    let mut config = httparse::ParserConfig::default();
    config.allow_spaces_after_header_name_in_responses(true);
    let parsed = config.parse_response_with_uninit_headers(&mut response, head, &mut fields);
    parsed.ok()?.is_complete().then_some(())?;
    let status = StatusCode::from_u16(response.code?).ok()?;
    let mut headers = HeaderMap::with_capacity(response.headers.len());
    let (mut length, mut chunked, mut keeps) = (None, false, response.version == Some(1));
    for field in response.headers.iter() {
        if field.name.eq_ignore_ascii_case("content-length") {
            // `str::trim` would take U+2028 and the like for blanks as well.
            let text = std::str::from_utf8(field.value.trim_ascii()).ok()?;
            let number: u64 = text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())??;
            if length.is_some_and(|(earlier, _)| earlier != number) {
                return None;
            }
            length = Some((number, text.as_bytes()));
        } else if field.name.eq_ignore_ascii_case("transfer-encoding") {
            if chunked || !field.value.trim_ascii().eq_ignore_ascii_case(b"chunked") {
                return None;
            }
            chunked = true;
        } else if !hop_by_hop(field.name) {
            let name = HeaderName::from_bytes(field.name.as_bytes()).ok()?;
            headers.append(name, HeaderValue::from_maybe_shared(head.slice_ref(field.value)).ok()?);
        } else if field.name.eq_ignore_ascii_case("connection") {
            let mut words = field.value.split(|byte| *byte == b',');
            keeps &= !words.any(|word| word.trim_ascii().eq_ignore_ascii_case(b"close"));
        }
    }
    let none = head_only || status.is_informational() || matches!(status.as_u16(), 204 | 304);
    let body = match (none, chunked, length) {
        (true, ..) => Delimited::Empty,
        (_, true, _) => Delimited::Chunked,
        (_, _, Some((length, _))) => Delimited::Length(length),
        _ => Delimited::Close,
    };
    // Where chunks say how long the body is, a length beside them says nothing.
    if let (false, Some((_, digits))) = (chunked || status == StatusCode::NO_CONTENT, length) {
        let digits = HeaderValue::from_maybe_shared(head.slice_ref(digits)).ok()?;
        headers.insert(http::header::CONTENT_LENGTH, digits);
    }
    Some(AgentAnswer { status, headers, body, keeps: keeps && body != Delimited::Close })
}

#[cfg(test)]
mod tests {
    use super::{AgentAnswer, BytesMut, Delimited, read_answer};
    use proptest::prelude::*;

    fn read(bytes: &[u8]) -> Result<(AgentAnswer, Vec<u8>), u16> {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let mut buffer = BytesMut::new();
        let mut stream = bytes;
        let answer =
            runtime.block_on(read_answer(&mut stream, &mut buffer, false)).map_err(|refusal| refusal.status)?;
        buffer.extend_from_slice(stream);
        Ok((answer, buffer.into()))
    }

    #[test]
    fn what_rude_agents_write_is_understood() {
        for (bytes, status, body, rest) in [
            ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", 200, Delimited::Length(2), "hi"),
            (
                "HTTP/1.1 404 Not Found\nContent-Type: text/html\nContent-Length: 3\n\nbye",
                404,
                Delimited::Length(3),
                "bye",
            ),
            ("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n", 404, Delimited::Length(0), ""),
            ("HTTP/1.1 404 Not Found\nContent-Length: 0", 404, Delimited::Length(0), ""),
            ("HTTP/1.0 200 OK\r\n\r\nuntil the end", 200, Delimited::Close, "until the end"),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 200, Delimited::Chunked, "0\r\n\r\n"),
            (
                "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
                200,
                Delimited::Length(0),
                "",
            ),
            ("HTTP/1.1 204 No Content\r\n\r\n", 204, Delimited::Empty, ""),
            ("HTTP/1.1 200\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx", 200, Delimited::Length(1), "x"),
        ] {
            let (answer, left) = read(bytes.as_bytes()).unwrap_or_else(|status| panic!("{status}: {bytes:?}"));
            assert_eq!((answer.status.as_u16(), answer.body), (status, body), "{bytes:?}");
            assert_eq!(String::from_utf8_lossy(&left), rest, "{bytes:?}");
        }
    }

    #[test]
    fn what_is_not_an_answer_is_a_bad_gateway() {
        let endless = format!("HTTP/1.1 200 OK\r\nX: {}", "a".repeat(70_000));
        for bytes in [
            "",
            "garbage",
            "HTTP/1.1 200 OK",
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n",
            "HTTP/2 200\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: \u{2028}0\r\n\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
            "HTTP/1.1 101 Switching\r\n\r\n",
            "HTTP/1.1 101 Switching\r\n",
            "HTTP/1.1 100 Continue",
            "HTTP/1.1 100 Continue\r\n\r\n",
            "\r\n\r\n",
            &endless,
        ] {
            assert_eq!(read(bytes.as_bytes()).err(), Some(502), "{bytes:.60}");
        }
    }

    #[test]
    fn headers_pass_untouched_but_for_the_connections_own() {
        let (answer, _) =
            read(b"HTTP/1.1 200 OK\r\nConnection: x\r\nKeep-Alive: 5\r\nX-High: \xe4\r\nA: 1\r\nA: 2\r\n\r\n").unwrap();
        assert_eq!(answer.headers.get("x-high").unwrap().as_bytes(), b"\xe4");
        assert_eq!(answer.headers.get_all("a").iter().count(), 2);
        assert!(!answer.headers.contains_key("connection") && !answer.headers.contains_key("keep-alive"));
    }

    #[test]
    fn an_agent_goes_on_where_it_says_so_and_its_answer_has_an_end() {
        let keeps = |text: &str| read(text.as_bytes()).unwrap().0.keeps;
        assert!(keeps("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"));
        assert!(keeps("HTTP/1.1 200 OK\r\nConnection: x\r\nTransfer-Encoding: chunked\r\n\r\n"));
        assert!(keeps("HTTP/1.1 204 No Content\r\n\r\n"));
        for text in [
            "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: Close\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: x, close\r\n\r\n",
            "HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n",
            "HTTP/1.1 200 OK\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n",
        ] {
            assert!(!keeps(text), "{text}");
        }
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_end(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = read(&bytes);
            let _ = read(&[b"HTTP/1.1 200 OK\r\n".as_slice(), &bytes].concat());
        }
    }
}
