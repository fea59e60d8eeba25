//! The lines of the log: a guest cannot write one of its own, nor change the one that is about it.

use super::input::Input;
use crate::Target;
use nsgate::fuzzing::{datagram, event};
use nsgate_config::{AbsolutePath, Facility, Log, LogLevel};
use nsgate_forwarder::{AccessRecord, Reason, Termination, TokenUse, httplog};
use std::net::{IpAddr, SocketAddr};
use std::os::unix::net::UnixDatagram;
use std::sync::OnceLock;
use std::time::{Duration, UNIX_EPOCH};

/// Numbers first, then the request line, which is also the text of an event.
pub const TARGET: Target = Target {
    name: "log",
    promise: "each entry of the log is one line, without control characters, and a request line can be read back from it",
    run,
    words: &[
        "GET / HTTP/1.1",
        "\"",
        "#",
        "#22",
        "{",
        "|",
        "}",
        "\r\n",
        "\n",
        "\x1b[31m",
        "<134>",
        "\u{2028}",
        "\u{85}",
        "\u{e9}",
        "<BADREQ>",
        "haproxy[1]: ",
        "\u{1f600}",
    ],
    seeds,
    longest: 3000,
};

fn seeds() -> Vec<Vec<u8>> {
    let lines = ["GET /openstack HTTP/1.1", "GET /\r\n\"x\"#\x1b[31m HTTP/1.1", "", "\u{e9}\u{2028}"];
    let numbers: Vec<u8> = (0..56).map(|number| number * 4 + 1).collect();
    let long = "\u{e9}".repeat(1200);
    lines.iter().chain([&long.as_str()]).map(|line| [&numbers[..], line.as_bytes()].concat()).collect()
}

fn run(bytes: &[u8]) {
    let mut input = Input(bytes);
    let record = record(&mut input);
    let date = httplog::Date {
        year: i32::from(input.short()),
        month: input.byte(),
        day: input.byte(),
        hour: input.byte(),
        minute: input.byte(),
        second: input.byte(),
    };
    let line = httplog::format(&record, &date);
    assert!(line.bytes().all(|byte| (0x20..=0x7e).contains(&byte)), "{line:?}");
    assert_eq!(line.matches('"').count(), 2, "{line:?}");
    let quoted = line.split('"').nth(1).unwrap_or_default();
    match record.head_time {
        Some(_) => assert_eq!(unescape(quoted), record.request_line, "{line:?}"),
        None if quoted == "<BADREQ>" => {}
        None => {
            // The beginning of the line, from a method to a path; or a method alone.
            let (shown, line) = (unescape(quoted), &record.request_line);
            assert!(line.starts_with(&shown), "{line:?}");
            let words: Vec<&[u8]> = shown.splitn(2, |byte| *byte == b' ').collect();
            assert!(!words[0].is_empty() && words[0].iter().all(u8::is_ascii_uppercase), "{quoted:?}");
            let has_path = |target: &&[u8]| target.iter().any(|byte| matches!(byte, b'/' | b'?'));
            assert!(words.get(1).is_none_or(has_path), "{quoted:?}");
        }
    }
    sent(&datagram(log(), &line), &line);

    let text = String::from_utf8_lossy(&record.request_line);
    sent(&datagram(log(), &text), &text);
    heard(&text);
}

fn record(input: &mut Input<'_>) -> AccessRecord {
    let mut time = || {
        let millis = input.short();
        (millis % 5 != 0).then(|| Duration::from_millis(u64::from(millis)))
    };
    let [head_time, queue_time, connect_time, response_time] = [time(), time(), time(), time()];
    let address: [u8; 16] = std::array::from_fn(|_| input.byte());
    let mut record = AccessRecord::begun(
        SocketAddr::new(IpAddr::from(address), input.short()),
        UNIX_EPOCH + Duration::from_millis(input.long() >> 8),
    );
    record.head_time = head_time;
    record.queue_time = queue_time;
    record.connect_time = connect_time;
    record.response_time = response_time;
    record.total_time = Duration::from_millis(u64::from(input.short()));
    record.status = input.short();
    record.bytes = input.long();
    record.termination = Termination::NORMAL;
    record.reason = Reason::ALL.get(usize::from(input.byte())).copied();
    record.token = TokenUse::ALL.get(usize::from(input.byte() % 5)).copied();
    record.connections = u32::from(input.byte());
    record.retries = u32::from(input.byte());
    record.trace = None;
    record.served = input.byte() % 2 == 0;
    record.request_line = input.0.get(7..).unwrap_or_default().to_vec();
    record
}

/// `#XX` is a byte.
fn unescape(text: &str) -> Vec<u8> {
    let (mut bytes, mut rest) = (Vec::new(), text.as_bytes());
    while let Some((first, behind)) = rest.split_first() {
        rest = behind;
        bytes.push(match first {
            b'#' => {
                let (digits, behind) = rest.split_at(2);
                rest = behind;
                u8::from_str_radix(std::str::from_utf8(digits).expect("digits"), 16).expect("digits")
            }
            plain => *plain,
        });
    }
    bytes
}

fn log() -> &'static Log {
    static LOG: OnceLock<Log> = OnceLock::new();
    LOG.get_or_init(|| Log {
        socket: AbsolutePath::new("/dev/log").expect("a path"),
        facility: Facility::default(),
        level: LogLevel::Debug,
        tag: "haproxy-metadata-proxy-x".to_owned(),
    })
}

/// One line, not too long, text from end to end, and as much of `line` as has room.
fn sent(datagram: &[u8], line: &str) {
    let shown = String::from_utf8_lossy(datagram).into_owned();
    assert!(datagram.len() <= 1024, "{} bytes", datagram.len());
    let text = std::str::from_utf8(datagram).unwrap_or_else(|_| panic!("half a character: {shown:?}"));
    let text = text.strip_suffix('\n').unwrap_or_else(|| panic!("no end of line: {shown:?}"));
    assert!(!text.chars().any(char::is_control), "a control character: {shown:?}");
    let (start, said) = text.split_once(" haproxy-metadata-proxy-x[42]: ").unwrap_or_else(|| panic!("{shown:?}"));
    assert!(start.starts_with("<134>") || start.starts_with("<131>"), "{shown:?}");
    let plain = !line.chars().any(char::is_control);
    assert!(!plain || line.starts_with(said), "{said:?} is not {line:?}");
}

/// An event with this text leaves as one line.
fn heard(text: &str) {
    static PAIR: OnceLock<(UnixDatagram, UnixDatagram)> = OnceLock::new();
    let (writer, reader) = PAIR.get_or_init(|| {
        let pair = UnixDatagram::pair().expect("a pair of sockets");
        pair.1.set_read_timeout(Some(Duration::from_millis(500))).expect("a timeout");
        pair
    });
    event(log(), writer.try_clone().expect("a descriptor"), text, text);
    let mut buffer = [0; 4096];
    let length = reader.recv(&mut buffer).expect("a datagram");
    sent(&buffer[..length], &format!("{text} (field={text})"));
}
