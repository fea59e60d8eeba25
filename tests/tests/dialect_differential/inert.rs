//! Words that change nothing at a gate, and values for them: haproxy judges the values all the same.

use std::fmt;
use std::sync::LazyLock;

use nsgate_config::haproxy::{DialectMeaning, dialect};
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
pub type Inert = (Section, &'static str, Vec<&'static str>);

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

/// Values that haproxy takes, by the arguments of a word as the dialect says them. For the ends of a range and the choices of a list
/// see [`values`].
const SHAPES: &[(&str, &[&str])] = &[
    ("nothing", &[""]),
    ("a word", &["x", "/a", "HIGH:!aNULL"]),
    ("words, 1 or more", &["x", "a b c"]),
    ("words, 0 to 1", &["", "x"]),
    ("a number", &["0", "7", "2147483647"]),
    ("a time", &["0", "7s", "1us", "24d"]),
    ("a time, in seconds without a unit", &["0", "7s", "2147483647"]),
    ("the name of a machine", &["x", "a.b-c_D7"]),
    ("a status, and `/dev/null`", &["200 /dev/null", "408 /dev/null", "413 /dev/null", "504 /dev/null"]),
    (
        "processes, and processors for them",
        &[
            "1 0",
            "all 0-3",
            "1/1-4 0-3",
            "auto:1/1-4 0-1,7 2-3",
            "odd 1023",
            "4-1 3-1",
            "auto:all 0-63",
            "auto:even/1-4 0-3",
        ],
    ),
    (
        "an address to ask haproxy at, and options",
        &[
            "/a",
            "unix@/a mode 660 level admin expose-fd listeners",
            "abns@a backlog 7",
            "127.0.0.1:7 level user",
            "ipv6@[::1]:7",
            "*:7",
            "/a uid 0 gid 0 mode 0600",
            "/a user nobody group nogroup severity-output string",
            "/a,/b level operator",
        ],
    ),
];

/// Words that take other values than those of their shape, or must not have all of them: what grows large in haproxy has values
/// that fit.
const OTHERWISE: &[(&str, &[&str])] = &[
    ("option redispatch", &["", "7"]),
    (
        "ssl-default-bind-options",
        &[
            "no-sslv3 no-tlsv10",
            "ssl-min-ver TLSv1.2 no-tls-tickets",
            "force-tlsv12",
            "prefer-client-ciphers ssl-max-ver TLSv1.3",
        ],
    ),
    ("ssl-default-server-options", &["no-sslv3", "ssl-min-ver SSLv3 force-tlsv13"]),
    ("stats timeout", &["1", "7s", "24d"]),
    ("tune.bufsize", &["1024", "16384", "1000000"]),
    ("tune.fail-alloc", &["0"]),
    ("tune.idletimer", &["0", "65s", "65535"]),
    ("tune.ssl.capture-buffer-size", &["0", "7"]),
    ("tune.ssl.capture-cipherlist-size", &["0", "7"]),
    ("tune.ssl.default-dh-param", &["1024", "2048"]),
];

/// haproxy refuses it behind another one of the two `tune.ssl.capture-`.
const ONCE: &str = "tune.ssl.capture-cipherlist-size";

/// Every word that nsgate accepts with a warning and haproxy 2.6 knows.
pub static INERT: LazyLock<Vec<Inert>> = LazyLock::new(|| {
    let mut all: Vec<Inert> = Vec::new();
    for keyword in dialect() {
        let (DialectMeaning::Ignored(shape) | DialectMeaning::Unfollowed(shape, _)) = keyword.means else { continue };
        let section = match keyword.section {
            "global" => Section::Global,
            "defaults" => Section::Proxy,
            _ => Section::Guests,
        };
        // `listen` and `frontend` have the same words.
        if all.iter().all(|(other, word, _)| (*other, *word) != (section, keyword.words)) {
            all.push((section, keyword.words, values(keyword.words, shape)));
        }
    }
    all
});

/// Values that haproxy takes behind a word whose arguments the dialect says so.
fn values(word: &str, shape: String) -> Vec<&'static str> {
    let among = |table: &[(&str, &'static [&'static str])], name: &str| {
        table.iter().find(|(one, _)| *one == name).map(|(_, values)| values.to_vec())
    };
    if let Some(known) = among(OTHERWISE, word).or_else(|| among(SHAPES, &shape)) {
        return known;
    }
    let shape: &'static str = shape.leak();
    if let Some(ends) = shape.strip_prefix("a number from ") {
        return ends.split(" to ").collect();
    }
    match (shape.strip_prefix("one of: "), shape.strip_prefix("nothing, or one of: ")) {
        (Some(choices), _) => choices.split(", ").collect(),
        (_, Some(choices)) => [""].into_iter().chain(choices.split(", ")).collect(),
        _ => {
            panic!("which values haproxy takes behind `{word}` ({shape}) stands in SHAPES or OTHERWISE of {}", file!())
        }
    }
}

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
    let values = |own: &[&'static str]| {
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
    let (section, keyword, own) = &INERT[random.below(INERT.len())];
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
