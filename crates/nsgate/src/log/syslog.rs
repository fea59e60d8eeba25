//! The system log, in haproxy's format for a local socket (RFC 3164 without the host's name).

use super::{
    line::{SyslogSeverity, one_line},
    link::LogLink,
    outbox::Outbox,
};
use nsgate_config::Log;
use nsgate_launcher::{LogSocket, local_time};
use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{SystemTime, UNIX_EPOCH},
};

/// Longest message in bytes, haproxy's default `len` and the bound of RFC 3164, section 4.1.
const LONGEST: usize = 1024;

const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// A connection to the system log.
#[derive(Debug)]
pub(crate) struct Syslog {
    facility: u8,
    least: SyslogSeverity,
    /// `tag[pid]`, with the pid that the host sees.
    origin: String,
    pid: i32,
    beginning: Mutex<Beginning>,
    outbox: Arc<Outbox>,
}

/// Time and origin of the lines of one second.
#[derive(Debug, Default)]
struct Beginning {
    second: Option<u64>,
    text: String,
}

impl Syslog {
    /// The log of `log`, over the inherited `socket`, for process `pid`.
    pub(crate) fn new(log: &Log, socket: LogSocket, pid: i32) -> Self {
        Self::over(Outbox::new(LogLink::new(socket)), log, pid)
    }

    /// The log of one network of a worker, with its own facility, level and tag, over the same socket.
    pub(crate) fn of(&self, log: &Log) -> Self {
        Self::over(self.outbox.clone(), log, self.pid)
    }

    fn over(outbox: Arc<Outbox>, log: &Log, pid: i32) -> Self {
        let origin = format!("{}[{pid}]", log.tag);
        Self { facility: log.facility.code, least: log.level.into(), origin, pid, beginning: Mutex::default(), outbox }
    }

    pub(crate) fn least(&self) -> SyslogSeverity {
        self.least
    }

    /// Writes the waiting lines and this one.
    pub(crate) fn write(&self, severity: SyslogSeverity, line: &str) {
        self.outbox.send(self.message(severity, line), |lines| self.confession(lines));
    }

    /// Writes one line, together with the next ones if lines come fast.
    pub(crate) fn write_soon(&self, severity: SyslogSeverity, line: &str) {
        self.outbox.send_soon(self.message(severity, line), |lines| self.confession(lines));
    }

    /// Writes one line for a caller that counts lost lines itself; false if the line was not taken.
    pub(crate) fn offer(&self, severity: SyslogSeverity, line: &str) -> bool {
        self.outbox.offer(&self.message(severity, line))
    }

    fn confession(&self, lines: u64) -> Vec<u8> {
        self.message(SyslogSeverity::Warning, &format!("{lines} lines were lost: the log did not take them"))
    }

    /// The datagram for one line.
    pub(crate) fn message(&self, severity: SyslogSeverity, line: &str) -> Vec<u8> {
        let line = one_line(line);
        let mut text = String::with_capacity(96 + line.len());
        text.push('<');
        text.push_str(&(u32::from(self.facility) * 8 + severity as u32).to_string());
        text.push('>');
        self.begin(&mut text);
        text.push_str(&line);
        let mut end = text.len().min(LONGEST - 1);
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        text.truncate(end);
        text.push('\n');
        text.into_bytes()
    }

    /// Appends time and origin, which are formatted once a second.
    fn begin(&self, text: &mut String) {
        #[allow(clippy::disallowed_methods, reason = "the date of a line")]
        let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let mut known = self.beginning.lock().unwrap_or_else(PoisonError::into_inner);
        if known.second != Some(seconds) {
            let now = local_time(i64::try_from(seconds).unwrap_or(0));
            let month = MONTHS.get(usize::from(now.month).saturating_sub(1)).unwrap_or(&"Jan");
            let (day, hour, minute, second) = (now.day, now.hour, now.minute, now.second);
            let text = format!("{month} {day:2} {hour:02}:{minute:02}:{second:02} {}: ", self.origin);
            *known = Beginning { second: Some(seconds), text };
        }
        text.push_str(&known.text);
    }
}

#[cfg(test)]
mod tests {
    use super::{LogSocket, Syslog, SyslogSeverity};
    use crate::log::{
        link::BETWEEN_ATTEMPTS,
        outbox::{BUSY, MOST, SOON, TOGETHER, deliver},
    };
    use nsgate_config::{AbsolutePath, Facility, Log, LogLevel};
    use std::os::unix::net::UnixDatagram;
    use tokio::time::sleep;

    fn place(name: &str) -> std::path::PathBuf {
        let directory = std::env::temp_dir().join(format!("nsgate-syslog-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        directory.join("log")
    }

    fn log(path: &std::path::Path, socket: Option<UnixDatagram>) -> Syslog {
        let log = Log {
            socket: AbsolutePath::new(path.to_str().unwrap()).unwrap(),
            facility: Facility::named("local0").unwrap(),
            level: LogLevel::Info,
            tag: "haproxy-metadata-proxy-x".to_owned(),
        };
        let connected = socket.is_some();
        Syslog::new(&log, LogSocket { socket, connected, reconnect: Some(path.to_owned()) }, 42)
    }

    fn next(reader: &UnixDatagram) -> String {
        let mut buffer = [0; 2048];
        reader.set_read_timeout(Some(std::time::Duration::from_secs(5))).unwrap();
        let length = reader.recv(&mut buffer).unwrap();
        String::from_utf8(buffer[..length].to_vec()).unwrap()
    }

    #[test]
    fn a_line_carries_priority_time_tag_and_the_hosts_pid() {
        let path = place("line");
        let reader = UnixDatagram::bind(&path).unwrap();
        log(&path, None).write(SyslogSeverity::Info, "hello");
        let line = next(&reader);
        assert!(line.starts_with("<134>"), "{line}");
        assert!(line.ends_with(" haproxy-metadata-proxy-x[42]: hello\n"), "{line}");
        assert_eq!(line.find("haproxy"), Some("<134>Nov 24 00:00:00 ".len()), "{line}");
        std::fs::remove_dir_all(path.parent().unwrap()).unwrap();
    }

    #[test]
    fn a_line_is_one_line_of_whole_characters_whatever_it_says() {
        let path = place("one");
        let log = log(&path, None);
        let text = String::from_utf8(log.message(SyslogSeverity::Error, "a\nb\u{1b}c\u{85}d")).unwrap();
        assert!(text.ends_with(": a#0Ab#1Bc#85d\n"), "{text}");
        for before in 0..4 {
            let message =
                log.message(SyslogSeverity::Error, &format!("{}{}", "a".repeat(before), "\u{1f600}".repeat(400)));
            assert!(message.len() <= super::LONGEST && message.ends_with(b"\n"));
            String::from_utf8(message).unwrap();
        }
        std::fs::remove_dir_all(path.parent().unwrap()).unwrap();
    }

    #[test]
    fn a_log_that_comes_back_is_found_and_told_what_it_missed() {
        let path = place("back");
        let log = log(&path, None);
        log.write(SyslogSeverity::Info, "no daemon hears this");
        let reader = UnixDatagram::bind(&path).unwrap();
        std::thread::sleep(BETWEEN_ATTEMPTS);
        log.write(SyslogSeverity::Info, "but this");
        assert!(next(&reader).ends_with(": 1 lines were lost: the log did not take them\n"));
        assert!(next(&reader).ends_with(": but this\n"));
        std::fs::remove_dir_all(path.parent().unwrap()).unwrap();
    }

    #[test]
    fn lines_of_requests_wait_for_a_few_others_but_not_for_long() {
        let path = place("soon");
        let reader = UnixDatagram::bind(&path).unwrap();
        reader.set_nonblocking(true).unwrap();
        let log = log(&path, None);
        let heard = || {
            let mut buffer = [0; 2048];
            let next =
                || reader.recv(&mut buffer).ok().map(|length| String::from_utf8_lossy(&buffer[..length]).into_owned());
            let lines: Vec<String> = std::iter::from_fn(next).collect();
            lines.iter().map(|line| line.rsplit(' ').next().unwrap().trim().to_owned()).collect::<Vec<_>>()
        };
        for line in ["0", "1"] {
            log.write_soon(SyslogSeverity::Info, line);
            assert_eq!(heard(), [line], "no other line would send it later");
        }
        let event_loop = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        event_loop.block_on(async {
            sleep(BUSY * 2).await;
            log.write_soon(SyslogSeverity::Info, "1");
            assert_eq!(heard(), ["1"], "it is alone");
            let follow = |line: &str| {
                log.outbox.state().last = Some(std::time::Instant::now());
                log.write_soon(SyslogSeverity::Info, line);
            };
            follow("2");
            follow("3");
            assert!(heard().is_empty());
            sleep(SOON * 2).await;
            assert_eq!(heard(), ["2", "3"]);
            follow("3");
            log.write(SyslogSeverity::Error, "4");
            assert_eq!(heard(), ["3", "4"], "a graver line does not wait, and overtakes no other");
            (0..TOGETHER).for_each(|n| follow(&n.to_string()));
            assert_eq!(heard().len(), TOGETHER);
            sleep(SOON * 3).await;
            follow("5");
        });
        drop(event_loop);
        assert!(heard().is_empty());
        deliver();
        assert_eq!(heard(), ["5"]);
        std::fs::remove_dir_all(path.parent().unwrap()).unwrap();
    }

    #[test]
    fn a_full_log_never_makes_the_writer_wait() {
        let path = place("full");
        let reader = UnixDatagram::bind(&path).unwrap();
        let writer = UnixDatagram::unbound().unwrap();
        writer.set_nonblocking(true).unwrap();
        writer.connect(&path).unwrap();
        let log = log(&path, Some(writer));
        for _ in 0..5000 {
            log.write(SyslogSeverity::Info, "line");
        }
        {
            let state = log.outbox.state();
            assert!(state.lost > 0 && state.waiting.len() == MOST, "{} lost", state.lost);
        }
        // What is taken, what waits and what is confessed are all there was.
        reader.set_nonblocking(true).unwrap();
        let (mut lines, mut confessed, mut buffer) = (0, 0, [0; 2048]);
        for _ in 0..2 {
            while let Ok(length) = reader.recv(&mut buffer) {
                let line = String::from_utf8_lossy(&buffer[..length]).into_owned();
                let rest = line.rsplit_once("]: ").unwrap().1;
                match rest.strip_suffix(" lines were lost: the log did not take them\n") {
                    Some(number) => confessed += number.parse::<u64>().unwrap(),
                    None => lines += 1,
                }
                deliver();
            }
            log.write(SyslogSeverity::Info, "line");
        }
        assert_eq!(lines + confessed, 5001, "{lines} and {confessed}");
        std::fs::remove_dir_all(path.parent().unwrap()).unwrap();
    }
}
