//! The pool's own page. A worker writes it, and hostile code in a worker could write anything: a page that could stand for numbers
//! of another process is refused.

use super::Sources;
use crate::pool::hangs;
use nix::sys::socket::{getsockopt, sockopt::PeerCredentials};
use nsgate_pool::openmetrics::families;
use std::{
    collections::BTreeSet,
    io::{self, Read, Write},
    os::unix::net::UnixStream,
    path::Path,
    time::Duration,
};

/// How long to wait for each piece.
const PATIENCE: Duration = Duration::from_secs(3);
/// Longest page in bytes: some 30,000 networks.
const LONGEST: u64 = 64 * 1024 * 1024;
/// Longest line in bytes.
const LINE: usize = 1024;

/// The page beside one that has these families; `Err` with the reason if there should be one, and `None` where there is no pool.
pub(super) fn page(sources: &Sources, own: &BTreeSet<&str>) -> Option<Result<String, String>> {
    if !sources.pool_wanted && sources.pool.symlink_metadata().is_err() {
        return None;
    }
    let named = |reason: String| format!("{}: {reason}", sources.pool.display());
    let page = read_pool_page(&sources.pool).map_err(|(error, listener)| {
        let silent = matches!(error.kind(), io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock);
        named(if silent { format!("the pool does not answer; {}", hangs::why(listener)) } else { error.to_string() })
    });
    Some(
        page.and_then(
            |page| if is_plain(&page, own) { Ok(page) } else { Err(named("not a page of a pool's".to_owned())) },
        ),
    )
}

/// The page; beside an error, the process that listens there.
fn read_pool_page(socket: &Path) -> Result<String, (io::Error, Option<i32>)> {
    let stream = UnixStream::connect(socket).map_err(|error| (error, None))?;
    let peer = getsockopt(&stream, PeerCredentials).ok().map(|peer| peer.pid()).filter(|pid| *pid > 0);
    request_page(stream).map_err(|error| (error, peer))
}

fn request_page(mut stream: UnixStream) -> io::Result<String> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: nsgate\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.take(LONGEST).read_to_string(&mut answer)?;
    let (head, page) = answer.split_once("\r\n\r\n").ok_or(io::ErrorKind::InvalidData)?;
    if !head.starts_with("HTTP/1.1 200 ") || !page.ends_with("# EOF\n") {
        return Err(io::ErrorKind::InvalidData.into());
    }
    Ok(page.to_owned())
}

/// Whether a page has only what a pool's page has beside one with these families: families of nsgate, and samples of a worker.
pub(super) fn is_plain(page: &str, own: &BTreeSet<&str>) -> bool {
    let printable = page.bytes().all(|byte| byte == b'\n' || (b' '..=b'~').contains(&byte));
    let heads = page.matches("# TYPE ").count();
    printable
        && page.starts_with("# TYPE ")
        && page.lines().all(|line| line.len() <= LINE)
        && page.matches('#').count() == 2 * heads + 1
        && families(page).count() == heads
        && families(page).all(|(name, [kind, help], samples)| {
            let kinds = ["gauge", "counter", "histogram"];
            let kind = kind.strip_prefix(name).map(str::trim_start);
            is_name(name)
                && kind.is_some_and(|kind| kinds.contains(&kind))
                && help.strip_prefix("# HELP ").is_some_and(|help| help.starts_with(name))
                && samples.lines().all(|sample| is_sample(name, sample, own))
        })
}

fn is_name(name: &str) -> bool {
    name.starts_with("nsgate_") && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
}

/// `nsgate_name{label="value",…} 4711`: of this family, with the role of a worker, or no role and no network.
fn is_sample(family: &str, line: &str, own: &BTreeSet<&str>) -> bool {
    let Some((series, number)) = line.rsplit_once(' ') else { return false };
    let (name, labels) = match series.split_once('{') {
        Some((name, rest)) => match rest.strip_suffix('}') {
            Some(labels) => (name, labels),
            None => return false,
        },
        None => (series, ""),
    };
    let label = |label: &str| {
        let Some((name, value)) = label.split_once('=') else { return false };
        let value = value.strip_prefix('"').and_then(|value| value.strip_suffix('"'));
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'+');
        name.bytes().all(|byte| byte.is_ascii_lowercase())
            && value.is_some_and(|value| value.bytes().all(plain))
            && (name != "role" || value == Some("worker"))
    };
    let names = |wanted: &str| labels.split(',').any(|label| label.split('=').next() == Some(wanted));
    is_name(name)
        && name.starts_with(family)
        && number.parse::<f64>().is_ok_and(f64::is_finite)
        && (labels.is_empty() || labels.split(',').all(label))
        && (names("role") || !names("network") && !own.contains(family))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    fn is_plain(page: &str) -> bool {
        super::is_plain(page, &BTreeSet::from(["nsgate_confined"]))
    }

    const PAGE: &str = "# TYPE nsgate_networks gauge\n# HELP nsgate_networks N.\nnsgate_networks 1\n\
        # TYPE nsgate_requests counter\n# HELP nsgate_requests R.\n\
        nsgate_requests_total{worker=\"1\",kind=\"X-Neutron-Network-ID\",network=\"7a1c\",role=\"worker\",class=\"2xx\"} 1\n\
        # EOF\n";

    #[test]
    fn a_page_of_a_workers_is_passed_on() {
        assert!(is_plain(PAGE));
    }

    #[test]
    fn a_page_that_says_something_else_is_not() {
        for (from, to) in [
            ("role=\"worker\"", "role=\"gate\""),
            ("role=\"worker\",", ""),
            ("nsgate_networks 1", "nsgate_confined 1"),
            ("nsgate_networks 1", "nsgate_networks NaN"),
            ("nsgate_networks 1", "nsgate_networks"),
            ("nsgate_networks 1", "nsgate_networks{a=\"\\\"\"} 1"),
            ("nsgate_networks 1", "nsgate_networks{a=\"x,y=z\"} 1"),
            ("nsgate_networks 1", "up 1"),
            ("nsgate_networks 1", "# EOF"),
            ("nsgate_networks 1", "nsgate_networks 1 # {} 1"),
            ("# HELP nsgate_networks N.\n", ""),
            ("nsgate_networks", "node_load"),
            ("nsgate_networks", "nsgate_confined"),
            ("gauge", "gauge x"),
            ("N.", "\u{e9}"),
        ] {
            let page = PAGE.replace(from, to);
            assert_ne!(page, PAGE, "{from}");
            assert!(!is_plain(&page), "{from} -> {to}\n{page}");
        }
        assert!(!is_plain(""));
        assert!(!is_plain(&PAGE.replace("N.", &"N".repeat(2000))));
    }
}
