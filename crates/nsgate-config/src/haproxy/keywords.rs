//! The dialect as a table: the keywords that each section accepts.

use super::{
    arguments::MOST,
    bind, global, proxy,
    rule::{Keyword, Rule, harmless, refused, understood, unfollowed},
    section::Section,
    shape::{
        NUMBER,
        Shape::{CliSocket, CpuMap, ErrorFile, NodeName, Nothing, NothingOr, Number, OneOf, Time, TlsOptions, Words},
        TIME, WORD, WORDS,
    },
    tls_options::{BIND, SERVER},
    tuning::TUNING,
    tuning_later::LATER,
    words::Lexeme,
};

const GLOBAL: &[Keyword] = &[
    understood("log", global::log),
    understood("log-tag", global::log_tag),
    understood("user", global::user),
    understood("group", global::group),
    understood("maxconn", global::maxconn),
    understood("nbthread", global::nbthread),
    understood("pidfile", global::pidfile),
    understood("daemon", global::daemon),
    harmless("busy-polling", Nothing),
    harmless("chroot", WORD),
    harmless("cpu-map", CpuMap),
    harmless("description", WORDS),
    unfollowed("fd-hard-limit", NUMBER, "haproxy would serve with no more descriptors than that"),
    unfollowed("hard-stop-after", TIME, "haproxy would cut what is under way so long after a signal to finish"),
    unfollowed("log-send-hostname", Words(0, 1), "haproxy would write the name of a host into each line of the log"),
    unfollowed(
        "master-worker",
        NothingOr(&["no-exit-on-failure"]),
        "haproxy would start a master beside the process, which reads the text anew at SIGUSR2",
    ),
    harmless("node", NodeName),
    harmless("noepoll", Nothing),
    harmless("nopoll", Nothing),
    harmless("noreuseport", Nothing),
    harmless("nosplice", Nothing),
    harmless("numa-cpu-mapping", Nothing),
    harmless("quiet", Nothing),
    unfollowed("set-dumpable", Nothing, "haproxy would leave core dumps, and a gate never does"),
    harmless("spread-checks", Number(0, 50)),
    harmless("ssl-default-bind-ciphers", WORD),
    harmless("ssl-default-bind-ciphersuites", WORD),
    harmless("ssl-default-bind-curves", WORD),
    harmless("ssl-default-bind-options", TlsOptions(BIND)),
    harmless("ssl-default-server-ciphers", WORD),
    harmless("ssl-default-server-ciphersuites", WORD),
    harmless("ssl-default-server-options", TlsOptions(SERVER)),
    unfollowed(
        "strict-limits",
        Nothing,
        "haproxy would not start with fewer descriptors than `maxconn` takes, and a gate starts with smaller bounds",
    ),
    harmless("stats maxconn", Number(1, MOST)),
    unfollowed("stats socket", CliSocket, "haproxy would take commands there"),
    harmless("stats timeout", Time(1, i32::MAX.unsigned_abs())),
    unfollowed("ulimit-n", NUMBER, "haproxy would have so many descriptors, and a gate has as many as its bounds take"),
    refused("uid", "a number is not an account; write `user NAME`"),
    refused("gid", "a number is not an account; write `group NAME`"),
    refused("lua-load", "no program runs inside a gate"),
    refused("external-check", "no program runs beside a gate"),
    refused("insecure-fork-wanted", "a gate starts no process"),
    refused("insecure-setuid-wanted", "a gate changes its user once"),
    refused("maxconnrate", "it would refuse guests by their number; write rate limits per source"),
];

/// Keywords of both `defaults` and `listen`.
const PROXY: &[Keyword] = &[
    understood("log", proxy::log),
    understood("mode", proxy::mode),
    understood("maxconn", proxy::maxconn),
    understood("retries", proxy::retries),
    understood("option httplog", proxy::httplog),
    understood("option dontlognull", proxy::dontlognull),
    understood("option http-server-close", proxy::server_close),
    understood("option forwardfor", proxy::forwardfor),
    understood("timeout http-request", proxy::timeout),
    understood("timeout connect", proxy::timeout),
    understood("timeout client", proxy::timeout),
    understood("timeout server", proxy::timeout),
    understood("timeout http-keep-alive", proxy::timeout),
    unfollowed("backlog", NUMBER, "haproxy would let so many connections wait in the kernel"),
    harmless("balance", OneOf(&["roundrobin", "static-rr", "leastconn", "first", "source", "random"])),
    unfollowed("errorfile", ErrorFile, "haproxy would close the connection in the place of this answer"),
    harmless("fullconn", NUMBER),
    harmless("http-reuse", OneOf(&["never", "safe", "aggressive", "always"])),
    harmless("option abortonclose", Nothing),
    unfollowed(
        "option clitcpka",
        Nothing,
        "haproxy would have the kernel probe guests that are silent (TCP keep-alive)",
    ),
    harmless("option contstats", Nothing),
    unfollowed(
        "option http-keep-alive",
        Nothing,
        "haproxy would keep its connections to the agent, and a gate opens one for each request",
    ),
    unfollowed(
        "option http-ignore-probes",
        Nothing,
        "haproxy would neither answer nor log a connection on which no request came in time",
    ),
    harmless("option http-no-delay", Nothing),
    unfollowed(
        "option http-pretend-keepalive",
        Nothing,
        "haproxy would not tell the agent that the connection ends with the answer",
    ),
    unfollowed("option httpclose", Nothing, "haproxy would close a guest's connection behind each answer"),
    unfollowed(
        "option idle-close-on-response",
        Nothing,
        "haproxy would close a connection that is kept only behind one more answer when it is told to finish",
    ),
    harmless("option log-health-checks", Nothing),
    unfollowed("option log-separate-errors", Nothing, "haproxy would log failed requests at the level `err`"),
    unfollowed(
        "option nolinger",
        Nothing,
        "haproxy would drop what a guest has not read yet when it closes a connection",
    ),
    harmless("option redispatch", Words(0, 1)),
    harmless("option socket-stats", Nothing),
    harmless("option splice-auto", Nothing),
    harmless("option splice-request", Nothing),
    harmless("option splice-response", Nothing),
    harmless("option srvtcpka", Nothing),
    harmless("option tcp-smart-accept", Nothing),
    harmless("option tcp-smart-connect", Nothing),
    unfollowed("option tcpka", Nothing, "haproxy would have the kernel probe guests that are silent (TCP keep-alive)"),
    unfollowed(
        "option tcplog",
        Nothing,
        "haproxy would log connections without request and status, and a gate logs requests (`option httplog`)",
    ),
    harmless("timeout check", TIME),
    unfollowed("timeout client-fin", TIME, "haproxy would wait so long for a guest that has closed its half"),
    unfollowed(
        "timeout queue",
        TIME,
        "haproxy would answer 503 to a request that has waited so long for its turn; `timeout connect` bounds that here",
    ),
    unfollowed("timeout server-fin", TIME, "haproxy would wait so long for an agent that has closed its half"),
    harmless("timeout tarpit", TIME),
    harmless("timeout tunnel", TIME),
    refused("acl", "a gate makes no exceptions; it serves its network by one rule"),
    refused("use_backend", "a gate has one backend"),
    refused("default_backend", "a gate has one backend, named by `server`"),
    refused("source", "the backend is a UNIX socket"),
    refused("monitor-uri", "a guest's path must reach the agent"),
    refused("stats *", "a guest could read the page"),
    refused("http-response", "answers pass as the agent wrote them"),
    refused("tcp-request", "a gate makes no exceptions; it serves its network by one rule"),
    refused("option accept-invalid-http-request", "what is ambiguous is answered 400"),
    refused("option http-use-proxy-header", "a gate is no forward proxy"),
    refused("option accept-invalid-http-response", "the agent's answers are read tolerantly anyway"),
    refused("option transparent", "the backend is a UNIX socket"),
    refused("option originalto", "the agent has no use for the header"),
];

const LISTEN: &[Keyword] = &[
    understood("bind", bind::bind),
    understood("server", proxy::server),
    understood("http-request set-header", proxy::identity_header),
    understood("http-request add-header", proxy::identity_header),
    understood("http-request del-header", proxy::del_header),
    understood("http-request track-sc0", proxy::track),
    understood("http-request track-sc1", proxy::track),
    understood("http-request track-sc2", proxy::track),
    understood("http-request deny", proxy::deny),
    harmless("description", WORDS),
    refused("server-template", "a gate has one backend"),
];

/// Keywords of the host-wide proxy's `frontend`. `host/instances.rs` reads `acl` and `use_backend`.
const FRONTEND: &[Keyword] = &[
    understood("bind", bind::bind),
    understood("monitor-uri", proxy::monitor_uri),
    understood("stats uri", proxy::stats_uri),
    harmless("description", WORDS),
];

const BACKEND: &[Keyword] = &[understood("stick-table", proxy::stick_table)];

fn tables(section: Section) -> [&'static [Keyword]; 3] {
    match section {
        Section::Global => [GLOBAL, TUNING, LATER],
        Section::Defaults => [PROXY, &[], &[]],
        Section::Listen => [LISTEN, PROXY, &[]],
        Section::Backend => [BACKEND, &[], &[]],
        Section::Frontend => [FRONTEND, PROXY, &[]],
    }
}

/// The keyword at the beginning of a line, and its number of words. A keyword of two words takes precedence over one of one.
pub(super) fn find(section: Section, words: &[Lexeme]) -> Option<(Keyword, usize)> {
    let first = &words.first()?.text;
    let pair = words.get(1).map(|second| format!("{first} {}", second.text));
    let matching = |text: &str, length: usize, keyword: &Keyword| match keyword.name.strip_suffix('*') {
        // `stats *` is two words.
        Some(stem) => text.starts_with(stem) && stem.contains(' ') == (length == 2),
        // One quoted word with a blank in it is not two words.
        None => keyword.name == text && text.split(' ').count() == length,
    };
    for (text, length) in [(pair.as_ref(), 2), (Some(first), 1)] {
        let Some(text) = text else { continue };
        let found = tables(section).into_iter().flatten().find(|keyword| matching(text, length, keyword));
        if let Some(keyword) = found {
            return Some((*keyword, length));
        }
    }
    None
}

/// A keyword of the dialect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DialectKeyword {
    /// Its section: `global`, `defaults`, `listen` …
    pub section: &'static str,
    /// Its words; a `*` at the end stands for any ending.
    pub words: &'static str,
    /// What nsgate does with it.
    pub means: DialectMeaning,
}

/// What nsgate does with a keyword.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DialectMeaning {
    /// It means to nsgate what it means to haproxy.
    Understood,
    /// It has no effect and gets a warning. These are its arguments.
    Ignored(String),
    /// The same, for a keyword that makes haproxy do something that a gate does not: its arguments, and what haproxy does.
    Unfollowed(String, &'static str),
    /// The same, for a keyword that only later releases than haproxy 2.6 know.
    IgnoredOfLater(String),
    /// It is refused, for this reason.
    Refused(&'static str),
}

/// Every known keyword, by section, in the order of the tables. All others are refused.
pub fn dialect() -> impl Iterator<Item = DialectKeyword> {
    let own = |section: Section| match section {
        Section::Listen => vec![LISTEN],
        Section::Frontend => vec![FRONTEND],
        other => tables(other).to_vec(),
    };
    Section::ALL.into_iter().flat_map(move |section| {
        own(section).into_iter().flatten().map(move |keyword| DialectKeyword {
            section: section.name(),
            words: keyword.name,
            means: match keyword.rule {
                Rule::Understood(_) => DialectMeaning::Understood,
                Rule::Harmless(shape) => DialectMeaning::Ignored(shape.to_string()),
                Rule::Unfollowed(shape, haproxy) => DialectMeaning::Unfollowed(shape.to_string(), haproxy),
                Rule::Later(shape) => DialectMeaning::IgnoredOfLater(shape.to_string()),
                Rule::Refused(reason) => DialectMeaning::Refused(reason),
            },
        })
    })
}

/// The understood keywords of a section, for messages.
pub(super) fn names(section: Section) -> Vec<&'static str> {
    let known = tables(section).into_iter().flatten();
    known.filter(|keyword| matches!(keyword.rule, Rule::Understood(_))).map(|keyword| keyword.name).collect()
}
