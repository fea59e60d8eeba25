//! Words that change nothing at a gate, and values for them: haproxy judges the values all the same.

use std::fmt;

use nsgate_fuzz::random::Random;

/// Where a word stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Section {
    Global,
    /// `defaults`, `listen` and `frontend`.
    Proxy,
    /// `listen` and `frontend`.
    Guests,
}

/// A word, and values that haproxy takes.
pub type Inert = (Section, &'static str, &'static [&'static str]);

/// Values that few words take.
pub const VALUES: &[&str] = &[
    "",
    "x",
    "a,b",
    "on",
    "off",
    "full",
    "-1",
    "+7",
    "07",
    "7x",
    "0",
    "1",
    "2",
    "4",
    "50",
    "51",
    "100",
    "101",
    "1000",
    "1024",
    "4095",
    "4096",
    "16383",
    "16384",
    "32767",
    "32768",
    "65535",
    "65536",
    "16777215",
    "16777216",
    "2147483646",
    "2147483647",
    "2147483648",
    "4294967296",
    "99999999999999999999",
    "1us",
    "1s",
    "65s",
    "66s",
    "1k",
    "1m",
    "25d",
    "24856d",
    "1 2",
    "1 0",
    "/etc",
    "/dev/null",
    "/a",
    "503 /dev/null",
    "foo bar",
    "admin",
    "listeners",
];

const NONE: &[&str] = &[""];
const NUMBER: &[&str] = &["0", "7", "2147483647"];
const PERCENT: &[&str] = &["0", "100"];
const ON_OFF: &[&str] = &["on", "off"];
const TIME: &[&str] = &["0", "7s", "1us", "24d"];
const WORD: &[&str] = &["x", "/a", "HIGH:!aNULL"];

/// haproxy refuses it behind another one of the two `tune.ssl.capture-`.
const ONCE: &str = "tune.ssl.capture-cipherlist-size";

/// Every word that nsgate accepts with a warning and haproxy 2.6 knows; what grows large there (`tune.bufsize`,
/// `cachesize`) has values that fit.
pub const INERT: &[Inert] = &[
    (Section::Global, "busy-polling", NONE),
    (Section::Global, "chroot", WORD),
    (Section::Global, "cpu-map", &["1 0", "all 0-3", "1/1-4 0-3", "auto:1/1-4 0-1,7 2-3", "odd 1023", "4-1 3-1"]),
    (Section::Global, "cpu-map", &["auto:all 0-63", "auto:even/1-4 0-3"]),
    (Section::Global, "description", &["x", "a b c"]),
    (Section::Global, "fd-hard-limit", NUMBER),
    (Section::Global, "hard-stop-after", TIME),
    (Section::Global, "log-send-hostname", &["", "x"]),
    (Section::Global, "master-worker", &["", "no-exit-on-failure"]),
    (Section::Global, "node", &["x", "a.b-c_D7"]),
    (Section::Global, "noepoll", NONE),
    (Section::Global, "nopoll", NONE),
    (Section::Global, "noreuseport", NONE),
    (Section::Global, "nosplice", NONE),
    (Section::Global, "numa-cpu-mapping", NONE),
    (Section::Global, "set-dumpable", NONE),
    (Section::Global, "spread-checks", &["0", "50"]),
    (Section::Global, "ssl-default-bind-ciphers", WORD),
    (Section::Global, "ssl-default-bind-ciphersuites", WORD),
    (Section::Global, "ssl-default-bind-curves", WORD),
    (Section::Global, "ssl-default-bind-options", &["no-sslv3 no-tlsv10", "ssl-min-ver TLSv1.2 no-tls-tickets"]),
    (Section::Global, "ssl-default-bind-options", &["force-tlsv12", "prefer-client-ciphers ssl-max-ver TLSv1.3"]),
    (Section::Global, "ssl-default-server-ciphers", WORD),
    (Section::Global, "ssl-default-server-ciphersuites", WORD),
    (Section::Global, "ssl-default-server-options", &["no-sslv3", "ssl-min-ver SSLv3 force-tlsv13"]),
    (Section::Global, "strict-limits", NONE),
    (Section::Global, "stats maxconn", &["1", "2147483647"]),
    (Section::Global, "stats socket", &["/a", "unix@/a mode 660 level admin expose-fd listeners", "abns@a backlog 7"]),
    (Section::Global, "stats socket", &["127.0.0.1:7 level user", "ipv6@[::1]:7", "*:7", "/a uid 0 gid 0 mode 0600"]),
    (Section::Global, "stats socket", &["/a user nobody group nogroup severity-output string", "/a,/b level operator"]),
    (Section::Global, "stats timeout", &["1", "7s", "24d"]),
    (Section::Global, "tune.buffers.limit", NUMBER),
    (Section::Global, "tune.buffers.reserve", NUMBER),
    (Section::Global, "tune.bufsize", &["1024", "16384", "1000000"]),
    (Section::Global, "tune.comp.maxlevel", &["1", "9"]),
    (Section::Global, "tune.fail-alloc", &["0"]),
    (Section::Global, "tune.h2.header-table-size", &["4096", "65536"]),
    (Section::Global, "tune.h2.initial-window-size", NUMBER),
    (Section::Global, "tune.h2.max-concurrent-streams", NUMBER),
    (Section::Global, "tune.h2.max-frame-size", &["16384", "16777215"]),
    (Section::Global, "tune.http.cookielen", &["0", "2147483646"]),
    (Section::Global, "tune.http.logurilen", &["0", "2147483646"]),
    (Section::Global, "tune.http.maxhdr", &["5", "32767"]),
    (Section::Global, "tune.idle-pool.shared", ON_OFF),
    (Section::Global, "tune.idletimer", &["0", "65s", "65535"]),
    (Section::Global, "tune.listener.multi-queue", ON_OFF),
    (Section::Global, "tune.lua.forced-yield", NUMBER),
    (Section::Global, "tune.lua.maxmem", NUMBER),
    (Section::Global, "tune.lua.service-timeout", TIME),
    (Section::Global, "tune.lua.session-timeout", TIME),
    (Section::Global, "tune.lua.task-timeout", TIME),
    (Section::Global, "tune.maxaccept", &["-1", "0", "2147483647"]),
    (Section::Global, "tune.maxpollevents", NUMBER),
    (Section::Global, "tune.maxrewrite", NUMBER),
    (Section::Global, "tune.pattern.cache-size", NUMBER),
    (Section::Global, "tune.peers.max-updates-at-once", &["1", "2147483647"]),
    (Section::Global, "tune.pipesize", NUMBER),
    (Section::Global, "tune.pool-high-fd-ratio", PERCENT),
    (Section::Global, "tune.pool-low-fd-ratio", PERCENT),
    (Section::Global, "tune.rcvbuf.client", NUMBER),
    (Section::Global, "tune.rcvbuf.server", NUMBER),
    (Section::Global, "tune.recv_enough", NUMBER),
    (Section::Global, "tune.runqueue-depth", NUMBER),
    (Section::Global, "tune.sched.low-latency", ON_OFF),
    (Section::Global, "tune.sndbuf.client", NUMBER),
    (Section::Global, "tune.sndbuf.server", NUMBER),
    (Section::Global, "tune.ssl.cachesize", NUMBER),
    (Section::Global, "tune.ssl.capture-buffer-size", &["0", "7"]),
    (Section::Global, "tune.ssl.capture-cipherlist-size", &["0", "7"]),
    (Section::Global, "tune.ssl.default-dh-param", &["1024", "2048"]),
    (Section::Global, "tune.ssl.force-private-cache", NONE),
    (Section::Global, "tune.ssl.hard-maxrecord", NUMBER),
    (Section::Global, "tune.ssl.keylog", ON_OFF),
    (Section::Global, "tune.ssl.lifetime", &["0", "7s", "2147483647"]),
    (Section::Global, "tune.ssl.maxrecord", NUMBER),
    (Section::Global, "tune.ssl.ssl-ctx-cache-size", NUMBER),
    (Section::Global, "tune.vars.check-max-size", NUMBER),
    (Section::Global, "tune.vars.global-max-size", NUMBER),
    (Section::Global, "tune.vars.proc-max-size", NUMBER),
    (Section::Global, "tune.vars.reqres-max-size", NUMBER),
    (Section::Global, "tune.vars.sess-max-size", NUMBER),
    (Section::Global, "tune.vars.txn-max-size", NUMBER),
    (Section::Global, "ulimit-n", NUMBER),
    (Section::Proxy, "backlog", NUMBER),
    (Section::Proxy, "balance", &["roundrobin", "static-rr", "leastconn", "first", "source", "random"]),
    (Section::Proxy, "errorfile", &["200 /dev/null", "408 /dev/null", "413 /dev/null", "504 /dev/null"]),
    (Section::Proxy, "fullconn", NUMBER),
    (Section::Proxy, "http-reuse", &["never", "safe", "aggressive", "always"]),
    (Section::Proxy, "option abortonclose", NONE),
    (Section::Proxy, "option clitcpka", NONE),
    (Section::Proxy, "option contstats", NONE),
    (Section::Proxy, "option http-keep-alive", NONE),
    (Section::Proxy, "option http-ignore-probes", NONE),
    (Section::Proxy, "option http-no-delay", NONE),
    (Section::Proxy, "option http-pretend-keepalive", NONE),
    (Section::Proxy, "option httpclose", NONE),
    (Section::Proxy, "option idle-close-on-response", NONE),
    (Section::Proxy, "option log-health-checks", NONE),
    (Section::Proxy, "option log-separate-errors", NONE),
    (Section::Proxy, "option nolinger", NONE),
    (Section::Proxy, "option redispatch", &["", "7"]),
    (Section::Proxy, "option socket-stats", NONE),
    (Section::Proxy, "option splice-auto", NONE),
    (Section::Proxy, "option splice-request", NONE),
    (Section::Proxy, "option splice-response", NONE),
    (Section::Proxy, "option srvtcpka", NONE),
    (Section::Proxy, "option tcp-smart-accept", NONE),
    (Section::Proxy, "option tcp-smart-connect", NONE),
    (Section::Proxy, "option tcpka", NONE),
    (Section::Proxy, "option tcplog", NONE),
    (Section::Proxy, "timeout check", TIME),
    (Section::Proxy, "timeout client-fin", TIME),
    (Section::Proxy, "timeout queue", TIME),
    (Section::Proxy, "timeout server-fin", TIME),
    (Section::Proxy, "timeout tarpit", TIME),
    (Section::Proxy, "timeout tunnel", TIME),
    (Section::Guests, "description", &["x", "a b c"]),
];

impl Section {
    /// Whether a line begins such a section.
    fn begins_at(self, line: &str) -> bool {
        let first = line.split(' ').next().unwrap_or_default();
        match self {
            Section::Global => first == "global",
            Section::Proxy => matches!(first, "defaults" | "listen" | "frontend"),
            Section::Guests => matches!(first, "listen" | "frontend"),
        }
    }
}

/// A line with such a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line {
    section: Section,
    keyword: &'static str,
    value: &'static str,
    /// Whether haproxy takes the value.
    pub own: bool,
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "    {}", format!("{} {}", self.keyword, self.value).trim_end())
    }
}

/// Each word with each value, a word once in a row; what may stand once is in rows of its own. Those of
/// section `global` too, or not.
pub fn rows(global: bool) -> Vec<Vec<Line>> {
    let values = |own: &'static [&'static str]| {
        let others = VALUES.iter().filter(|value| !own.contains(value)).map(|value| (*value, false));
        own.iter().map(|value| (*value, true)).chain(others).collect::<Vec<_>>()
    };
    let wanted = INERT.iter().filter(|(section, ..)| global || *section != Section::Global);
    let all: Vec<_> = wanted.map(|(section, keyword, own)| (*section, *keyword, values(own))).collect();
    let longest = all.iter().map(|(_, _, values)| values.len()).max().unwrap_or(0);
    let line = |index: usize, (section, keyword, values): &(Section, &'static str, Vec<(&'static str, bool)>)| {
        values.get(index).map(|(value, own)| Line { section: *section, keyword, value, own: *own })
    };
    let (once, others): (Vec<_>, Vec<_>) = all.into_iter().partition(|(_, word, _)| *word == ONCE);
    let rows = |words: &[_]| {
        (0..longest)
            .map(|index| words.iter().filter_map(|word| line(index, word)).collect::<Vec<_>>())
            .collect::<Vec<_>>()
    };
    [rows(&others), rows(&once)].concat().into_iter().filter(|row| !row.is_empty()).collect()
}

/// The text with these lines at the beginning of their sections; nothing if it has no such section.
pub fn with(text: &str, new: &[Line]) -> Option<String> {
    let mut lines: Vec<String> = text.split('\n').map(str::to_owned).collect();
    for line in new {
        let at = lines.iter().position(|old| line.section.begins_at(old))?;
        lines.insert(at + 1, line.to_string());
    }
    Some(lines.join("\n"))
}

/// Puts such a line where it belongs, with one of its values, or one that may be none.
pub fn insert(random: &mut Random, lines: &mut Vec<String>) {
    let (section, keyword, own) = INERT[random.below(INERT.len())];
    let at: Vec<usize> = (0..lines.len()).filter(|at| section.begins_at(&lines[*at])).collect();
    let Some(at) = at.get(random.below(at.len().max(1))) else { return };
    let value = |random: &mut Random| match random.below(3) {
        0 => VALUES[random.below(VALUES.len())],
        _ => own[random.below(own.len())],
    };
    let mut line = format!("    {keyword} {}", value(random)).trim_end().to_owned();
    if random.once_in(8) {
        line += &format!(" {}", value(random));
    }
    lines.insert(at + 1, line);
}
