//! The system log, spoken as haproxy speaks it to a local socket (RFC 3164 without the host's name).
//!
//! The socket is opened before the drop and inherited. A syslog daemon that restarts with a new socket is found again
//! by path, which works only where the small root shows the socket's directory; a journald that systemd holds the
//! socket for needs none of that.
//!
//! Promises that lines go out in their order, each in a datagram of its own, and that a line of a request waits for others
//! only where they come fast, and no longer than ten milliseconds: whoever reads the log is woken once for several lines
//! then, which costs both sides less than once for each.

use super::{Severity, sink::one_line};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, UnixAddr, connect, socket};
use nsgate_config::Log;
use nsgate_launcher::{LogSocket, local_time};
use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    fmt::Write,
    os::{fd::AsRawFd, unix::net::UnixDatagram},
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};
use tokio::{runtime::Handle, time::sleep};

/// Longest message in bytes, haproxy's default `len` and the bound of RFC 3164, section 4.1.
const LONGEST: usize = 1024;

/// Lines that go out together. A socket's queue has room for 10 where nobody has changed it (net.unix.max_dgram_qlen,
/// unix(7)).
const TOGETHER: usize = 8;
/// Lines that follow each other within this time are many: they wait for each other. One by itself goes out at once.
const BUSY: Duration = Duration::from_millis(1);
/// How long a line waits for others, and how long it takes until a log that is full is tried again.
const SOON: Duration = Duration::from_millis(10);
/// Lines that wait while the log is full, and how long.
const MOST: usize = 64;
const PATIENCE: Duration = Duration::from_secs(1);

/// Time between two attempts to find a log that has gone away.
const BETWEEN_ATTEMPTS: Duration = Duration::from_secs(1);

const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// A connection to the system log.
#[derive(Debug)]
pub(crate) struct Syslog {
    facility: u8,
    least: Severity,
    /// `tag[pid]`, with the pid that the host sees.
    origin: String,
    pid: i32,
    connection: Arc<Connection>,
}

/// What all the logs of a process share: one socket, and where to find it again.
#[derive(Debug)]
struct Connection {
    path: Option<PathBuf>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    waiting: VecDeque<Datagram>,
    /// When the last line of a request came.
    last: Option<Instant>,
    /// [`deliver`] will look here.
    due: bool,
    /// The log is full since then.
    full: Option<Instant>,
    lost: u64,
    link: Link,
}

/// The socket, and whether somebody listens at its other end.
#[derive(Debug, Default)]
struct Link {
    socket: Option<UnixDatagram>,
    connected: bool,
    attempt: Option<Instant>,
}

/// What became of a datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sent {
    Taken,
    /// The log takes none at the moment.
    Full,
    /// Nobody is there to take it.
    Gone,
}

#[derive(Debug)]
struct Datagram {
    /// Lines that are lost if it is not taken: its own, or those that it confesses.
    lines: u64,
    text: Vec<u8>,
}

thread_local! {
    /// Where lines wait.
    static DUE: RefCell<Vec<Arc<Connection>>> = const { RefCell::new(Vec::new()) };
    /// [`deliver`] will be called for them.
    static ARRANGED: Cell<bool> = const { Cell::new(false) };
}

/// Sends every line that waits. To be called when this thread's event loop has ended; while it runs, it sees to that.
pub(crate) fn deliver() {
    ARRANGED.set(false);
    let due = DUE.take();
    let undelivered = due.into_iter().filter(|connection| {
        let mut state = connection.state();
        connection.deliver(&mut state);
        state.due = !state.waiting.is_empty();
        state.due
    });
    let undelivered: Vec<_> = undelivered.collect();
    let full = !undelivered.is_empty();
    DUE.set(undelivered);
    if full {
        deliver_soon();
    }
}

/// Has [`deliver`] called by the event loop; false where there is none.
fn deliver_soon() -> bool {
    if ARRANGED.get() {
        return true;
    }
    let Ok(event_loop) = Handle::try_current() else { return false };
    ARRANGED.set(true);
    event_loop.spawn(async {
        sleep(SOON).await;
        deliver();
    });
    true
}

impl Syslog {
    /// The log that `log` asks for, over the inherited `socket`, on behalf of process `pid`.
    pub(crate) fn new(log: &Log, socket: LogSocket, pid: i32) -> Self {
        let connected = socket.socket.is_some();
        Self {
            facility: log.facility.code,
            least: log.level.into(),
            origin: format!("{}[{pid}]", log.tag),
            pid,
            connection: Arc::new(Connection {
                path: socket.reconnect,
                state: Mutex::new(State {
                    link: Link { socket: socket.socket, connected, attempt: None },
                    ..State::default()
                }),
            }),
        }
    }

    /// A log with its own facility, level and tag over the same socket: that of one network of a worker.
    pub(crate) fn of(&self, log: &Log) -> Self {
        Self {
            facility: log.facility.code,
            least: log.level.into(),
            origin: format!("{}[{}]", log.tag, self.pid),
            pid: self.pid,
            connection: self.connection.clone(),
        }
    }

    pub(crate) fn least(&self) -> Severity {
        self.least
    }

    /// Writes one line, and those that wait before it.
    pub(crate) fn write(&self, severity: Severity, line: &str) {
        let mut state = self.line_up(severity, line);
        self.connection.deliver(&mut state);
        if !state.waiting.is_empty() {
            self.wait(&mut state);
        }
    }

    /// Writes one line, with the next ones where they come fast.
    pub(crate) fn write_soon(&self, severity: Severity, line: &str) {
        let mut state = self.line_up(severity, line);
        let now = Instant::now();
        let alone = state.last.replace(now).is_none_or(|last| now.duration_since(last) > BUSY);
        if alone || state.waiting.len() >= TOGETHER || !self.wait(&mut state) {
            self.connection.deliver(&mut state);
        }
    }

    /// Sees to it that what waits is delivered; false where nobody will.
    fn wait(&self, state: &mut State) -> bool {
        if !std::mem::replace(&mut state.due, true) {
            DUE.with_borrow_mut(|due| due.push(self.connection.clone()));
        }
        deliver_soon()
    }

    /// Puts a line behind the others. Where too many wait, it is lost, and the next one for which there is room says so.
    fn line_up(&self, severity: Severity, line: &str) -> MutexGuard<'_, State> {
        let mut state = self.connection.state();
        if state.waiting.len() >= MOST {
            self.connection.deliver(&mut state);
        }
        if state.waiting.len() >= MOST {
            state.lost = state.lost.saturating_add(1);
            return state;
        }
        if state.lost > 0 {
            let lines = std::mem::take(&mut state.lost);
            let confession = format!("{lines} lines were lost: the log did not take them");
            state.waiting.push_back(Datagram { lines, text: self.message(Severity::Warning, &confession) });
        }
        state.waiting.push_back(Datagram { lines: 1, text: self.message(severity, line) });
        state
    }

    /// Writes one line on behalf of somebody who counts by itself what was not taken; false if this was not.
    pub(crate) fn offer(&self, severity: Severity, line: &str) -> bool {
        let mut state = self.connection.state();
        self.connection.send(&mut state.link, &self.message(severity, line)) == Sent::Taken
    }

    /// The datagram for one line.
    pub(crate) fn message(&self, severity: Severity, line: &str) -> Vec<u8> {
        let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let now = local_time(i64::try_from(seconds).unwrap_or(0));
        let month = MONTHS.get(usize::from(now.month).saturating_sub(1)).unwrap_or(&"Jan");
        let priority = u32::from(self.facility) * 8 + severity as u32;
        let mut text = String::with_capacity(64 + line.len());
        // Writing to a String cannot fail.
        let _ = write!(
            text,
            "<{priority}>{month} {:2} {:02}:{:02}:{:02} {}: {line}",
            now.day,
            now.hour,
            now.minute,
            now.second,
            self.origin,
            line = one_line(line)
        );
        let mut end = text.len().min(LONGEST - 1);
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        text.truncate(end);
        text.push('\n');
        text.into_bytes()
    }
}

impl Connection {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends what waits, as far as the log takes it. Where nobody is there to take it, or takes nothing for long, it is lost.
    fn deliver(&self, state: &mut State) {
        while let Some(Datagram { lines, text }) = state.waiting.front() {
            match self.send(&mut state.link, text) {
                Sent::Taken => state.full = None,
                Sent::Full if state.full.get_or_insert_with(Instant::now).elapsed() < PATIENCE => return,
                Sent::Full | Sent::Gone => state.lost = state.lost.saturating_add(*lines),
            }
            state.waiting.pop_front();
        }
        state.full = None;
    }

    /// Sends one datagram. A log that is gone is looked for once a second.
    fn send(&self, link: &mut Link, message: &[u8]) -> Sent {
        if link.connected {
            match link.send(message) {
                Sent::Gone => link.connected = false,
                sent => return sent,
            }
        }
        if self.find_again(link) { link.send(message) } else { Sent::Gone }
    }

    fn find_again(&self, link: &mut Link) -> bool {
        let Some(path) = &self.path else { return false };
        let now = Instant::now();
        if link.attempt.is_some_and(|last| now.duration_since(last) < BETWEEN_ATTEMPTS) {
            return false;
        }
        link.attempt = Some(now);
        if link.socket.is_none() {
            // Not `UnixDatagram::unbound`: making that non-blocking takes an ioctl that the filter does not let pass.
            let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
            link.socket = socket(AddressFamily::Unix, SockType::Datagram, flags, None).ok().map(UnixDatagram::from);
        }
        // A datagram socket may be connected anew as often as one likes (unix(7)).
        link.connected = match (&link.socket, UnixAddr::new(path)) {
            (Some(socket), Ok(address)) => connect(socket.as_raw_fd(), &address).is_ok(),
            _ => false,
        };
        link.connected
    }
}

impl Link {
    fn send(&self, message: &[u8]) -> Sent {
        match self.socket.as_ref().map(|socket| socket.send(message)) {
            Some(Ok(_)) => Sent::Taken,
            Some(Err(error)) if error.kind() == std::io::ErrorKind::WouldBlock => Sent::Full,
            _ => Sent::Gone,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{BUSY, LogSocket, SOON, Severity, Syslog, TOGETHER, deliver};
    use nsgate_config::{AbsolutePath, Facility, Level, Log};
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
            level: Level::Info,
            tag: "haproxy-metadata-proxy-x".to_owned(),
        };
        Syslog::new(&log, LogSocket { socket, reconnect: Some(path.to_owned()) }, 42)
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
        log(&path, None).write(Severity::Info, "hello");
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
        let text = String::from_utf8(log.message(Severity::Error, "a\nb\u{1b}c\u{85}d")).unwrap();
        assert!(text.ends_with(": a#0Ab#1Bc#85d\n"), "{text}");
        for before in 0..4 {
            let message = log.message(Severity::Error, &format!("{}{}", "a".repeat(before), "\u{1f600}".repeat(400)));
            assert!(message.len() <= super::LONGEST && message.ends_with(b"\n"));
            String::from_utf8(message).unwrap();
        }
        std::fs::remove_dir_all(path.parent().unwrap()).unwrap();
    }

    #[test]
    fn a_log_that_comes_back_is_found_and_told_what_it_missed() {
        let path = place("back");
        let log = log(&path, None);
        log.write(Severity::Info, "nobody hears this");
        let reader = UnixDatagram::bind(&path).unwrap();
        std::thread::sleep(super::BETWEEN_ATTEMPTS);
        log.write(Severity::Info, "but this");
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
            log.write_soon(Severity::Info, line);
            assert_eq!(heard(), [line], "nobody would see to it later");
        }
        let event_loop = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        event_loop.block_on(async {
            sleep(BUSY * 2).await;
            log.write_soon(Severity::Info, "1");
            assert_eq!(heard(), ["1"], "it is alone");
            let follow = |line: &str| {
                log.connection.state().last = Some(std::time::Instant::now());
                log.write_soon(Severity::Info, line);
            };
            follow("2");
            follow("3");
            assert!(heard().is_empty());
            sleep(SOON * 2).await;
            assert_eq!(heard(), ["2", "3"]);
            follow("3");
            log.write(Severity::Error, "4");
            assert_eq!(heard(), ["3", "4"], "whatever is graver does not wait, and overtakes nobody");
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
            log.write(Severity::Info, "line");
        }
        {
            let state = log.connection.state();
            assert!(state.lost > 0 && state.waiting.len() == super::MOST, "{} lost", state.lost);
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
            log.write(Severity::Info, "line");
        }
        assert_eq!(lines + confessed, 5001, "{lines} and {confessed}");
        std::fs::remove_dir_all(path.parent().unwrap()).unwrap();
    }
}
