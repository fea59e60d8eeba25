//! Headers that must not be there, and one that must.

use http::HeaderMap;
use nsgate_config::{FORWARDED_HEADERS, RequiredHeader};

/// Whether a proxy says that it forwards this, under any spelling that a CGI or WSGI server folds into the same name.
pub(super) fn is_forwarded(headers: &HeaderMap) -> bool {
    headers.keys().any(|name| FORWARDED_HEADERS.iter().any(|known| folds_into(name.as_str(), known)))
}

/// Whether `name`, in lower case, is `known` with any of its `-` written as `_`.
fn folds_into(name: &str, known: &str) -> bool {
    name.len() == known.len()
        && name.bytes().zip(known.bytes()).all(|(byte, known)| byte == known || (byte == b'_' && known == b'-'))
}

/// Whether a request has the header. Of several with one name the first counts, as it does everywhere behind.
pub(super) fn has(required: &RequiredHeader, headers: &HeaderMap) -> bool {
    let value = headers.get(required.name());
    value.is_some_and(|value| value.as_bytes().trim_ascii().eq_ignore_ascii_case(required.value().as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::{has, is_forwarded};
    use http::{HeaderMap, HeaderName, HeaderValue};
    use nsgate_config::RequiredHeader;

    fn headers(fields: &[(&str, &str)]) -> HeaderMap {
        let field = |(name, value): &(&str, &str)| {
            (HeaderName::from_bytes(name.as_bytes()).unwrap(), HeaderValue::from_str(value).unwrap())
        };
        fields.iter().map(field).collect()
    }

    #[test]
    fn a_forwarded_request_is_known_by_every_spelling() {
        for name in [
            "X-Forwarded-For",
            "X_Forwarded_For",
            "x-forwarded_for",
            "X_FORWARDED-FOR",
            "Forwarded",
            "X-Real-IP",
            "x_real_ip",
        ] {
            assert!(is_forwarded(&headers(&[("host", "h"), (name, "10.0.0.1")])), "{name}");
        }
        for name in ["X-Forwarded-Fox", "X-Forwarded-Fo", "Forwarded-", "X-Real", "Via", "X.Forwarded.For"] {
            assert!(!is_forwarded(&headers(&[(name, "10.0.0.1")])), "{name}");
        }
        assert!(!is_forwarded(&HeaderMap::new()));
    }

    #[test]
    fn the_first_header_of_a_name_counts() {
        let google = RequiredHeader::new("Metadata-Flavor", "Google").unwrap();
        assert!(has(&google, &headers(&[("Metadata-Flavor", "Google")])));
        assert!(has(&google, &headers(&[("METADATA-flavor", "google")])));
        assert!(has(&google, &headers(&[("metadata-flavor", "Google"), ("metadata-flavor", "x")])));
        assert!(!has(&google, &headers(&[("metadata-flavor", "x"), ("metadata-flavor", "Google")])));
        assert!(!has(&google, &headers(&[("metadata_flavor", "Google")])));
        assert!(!has(&google, &headers(&[("metadata-flavor", "Google, x"), ("x", "Google")])));
        assert!(!has(&google, &HeaderMap::new()));
    }
}
