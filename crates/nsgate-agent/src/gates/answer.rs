//! The answer to a gate: Nova's, or a refusal.

use super::refusal::GateRefusal;
use crate::nova::NovaBody;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response, header};
use http_body_util::{Either, Full};

/// What a gate is sent.
pub(super) type Body = Either<NovaBody, Full<Bytes>>;

/// Headers about the connection to Nova (RFC 9110, section 7.6.1).
const HOP_BY_HOP: [header::HeaderName; 6] = [
    header::CONNECTION,
    header::PROXY_AUTHENTICATE,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

/// Nova's own answer, without what was about the connection to it.
pub(super) fn of_nova(mut response: Response<NovaBody>) -> Response<Body> {
    let headers = response.headers_mut();
    for name in named_by_connection(headers) {
        headers.remove(name);
    }
    HOP_BY_HOP.iter().for_each(|name| drop(headers.remove(name)));
    ["keep-alive", "proxy-connection"].iter().for_each(|name| drop(headers.remove(*name)));
    *response.version_mut() = http::Version::HTTP_11;
    response.map(Either::Left)
}

fn named_by_connection(headers: &HeaderMap) -> Vec<header::HeaderName> {
    let values = headers.get_all(header::CONNECTION).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).filter_map(|name| name.trim().parse().ok()).collect()
}

pub(super) fn of_refusal(refusal: GateRefusal) -> Response<Body> {
    let status = refusal.status();
    let mut response = Response::new(Either::Right(Full::new(Bytes::from(refusal.into_body()))));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}
