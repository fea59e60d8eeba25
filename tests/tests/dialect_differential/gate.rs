//! A gate's configuration written as Neutron writes it: what nsgate understood, in haproxy's words.

use std::cmp::min;

use nsgate_config::{Config, Listener, Log, LogLevel, Process, Timeouts};

use crate::words::{behind, quoted, value};

/// The text, with what has no effect at a gate (names, the size of a table, the order of lines that do not concern each
/// other) as in `lines`, the words of another text. There are several where one meaning can be said in several ways.
pub fn texts(config: &Config, lines: &[Vec<String>]) -> Vec<String> {
    let connections = config.gate.limits.connections;
    ways(connections, lines).into_iter().map(|way| text(config, lines, way)).collect()
}

/// The text without `log global`: without it no request is logged, so that `info` and `notice` are the same.
pub fn without_requests(text: &str, lines: &[Vec<String>]) -> String {
    let said = behind(lines, &["log"]).find_map(|rest| rest.get(2)).map_or("debug", String::as_str);
    let line = |line: &str| match line.trim_start().strip_prefix("log ") {
        Some("global") => String::new(),
        Some(log) if ["info", "debug"].contains(&said) && log.ends_with(" notice") => {
            format!("    log {}{said}\n", log.trim_end_matches("notice"))
        }
        _ => format!("{line}\n"),
    };
    text.lines().map(line).collect()
}

/// `maxconn` of the process and of the proxy: the smaller one counts, or the one that is said.
pub type Connections = (Option<u32>, Option<u32>);

/// The ways to say a bound, with the numbers of the other text.
pub fn ways(connections: u32, lines: &[Vec<String>]) -> Vec<Connections> {
    let said = behind(lines, &["maxconn"]).filter_map(|rest| rest.first()?.parse::<u32>().ok());
    let mut more: Vec<u32> = said.filter(|number| *number >= connections).collect();
    more.sort_unstable();
    more.dedup();
    let mut all = vec![(Some(connections), None), (None, Some(connections))];
    all.extend(more.iter().flat_map(|number| [(Some(*number), Some(connections)), (Some(connections), Some(*number))]));
    all.dedup();
    // As many numbers as lines say them; the likely way first.
    let lines = behind(lines, &["maxconn"]).count();
    all.sort_by_key(|(process, proxy)| lines.abs_diff(usize::from(process.is_some()) + usize::from(proxy.is_some())));
    all
}

fn text(config: &Config, lines: &[Vec<String>], (most, proxy): Connections) -> String {
    let gate = &config.gate;
    let mut text = global(&config.process, most, lines);
    text +=
        "defaults\n    log global\n    mode http\n    option httplog\n    option dontlognull\n    option forwardfor\n";
    text += &option("http-server-close", lines);
    text += &format!("    retries {}\n", gate.retries);
    text += &timeouts(&gate.timeouts, &["http-request", "connect", "client", "server"], lines);
    let rules = Rules::new(config, lines);
    text += &rules.tables;
    let name = behind(lines, &["listen"]).find_map(|rest| rest.first()).map_or("listener", String::as_str);
    text += &format!("listen {}\n", quoted(name));
    if let Some(number) = proxy {
        text += &format!("    maxconn {number}\n");
    }
    gate.listeners.iter().for_each(|listener| text += &bind(listener));
    let server = behind(lines, &["server"]).next();
    let name = server.and_then(|rest| rest.first()).map_or("metadata", String::as_str);
    text += &format!("    server {} {}", quoted(name), quoted(gate.backend.path().as_str()));
    if server.is_some_and(|rest| rest.get(2).is_some_and(|word| word == "maxconn")) {
        text += &format!(" maxconn {}", gate.limits.backend_requests);
    }
    text + "\n" + &rules.lines
}

/// The times of these names. That of a kept connection is http-request's, and without that client's, if nothing else is said
/// (configuration manual, "timeout http-keep-alive").
pub fn timeouts(times: &Timeouts, names: &[&str], lines: &[Vec<String>]) -> String {
    let time = |name: &str| match name {
        "http-request" => times.request,
        "connect" => times.connect,
        "client" => times.client,
        "server" => times.server,
        _ => times.keep_alive,
    };
    let said = |name: &str| behind(lines, &["timeout", name]).next().is_some();
    let inherited = ["http-request", "client"].into_iter().find(|name| said(name)).map(time);
    let silent = !said("http-keep-alive") && inherited == Some(times.keep_alive);
    let names = names.iter().copied().chain(if silent { None } else { Some("http-keep-alive") });
    names.map(|name| format!("    timeout {name} {}\n", time(name).as_millis())).collect()
}

/// Section `global`.
pub fn global(process: &Process, maxconn: Option<u32>, lines: &[Vec<String>]) -> String {
    let mut text = "global\n".to_owned();
    let mut called = behind(lines, &["log-tag"]).last().and_then(|rest| rest.first()).map_or("haproxy", String::as_str);
    if let Some(Log { socket, facility, level, tag }) = &process.log {
        let level = match level {
            LogLevel::Error => "err",
            LogLevel::Warning => "warning",
            LogLevel::Notice => "notice",
            LogLevel::Info => "info",
            LogLevel::Debug => "debug",
        };
        text += &format!("    log {} {} {level}\n", quoted(socket.as_str()), facility.name);
        called = tag;
    }
    // Without a log it has no effect.
    if called != "haproxy" {
        text += &format!("    log-tag {}\n", quoted(called));
    }
    text += &format!("    user {}\n", process.user);
    if let Some(group) = &process.group {
        text += &format!("    group {group}\n");
    }
    if let Some(number) = maxconn {
        text += &format!("    maxconn {number}\n");
    }
    // A gate has one thread, with any number in the text.
    for rest in behind(lines, &["nbthread"]) {
        text += &format!("    nbthread {}\n", rest.join(" "));
    }
    if let Some(path) = &process.pid_file {
        text += &format!("    pidfile {}\n", quoted(path.as_str()));
    }
    if process.daemon {
        text += "    daemon\n";
    }
    text
}

/// An option that has no effect at a gate (it asks once on each connection to the agent; a backend has one server).
pub fn option(name: &str, lines: &[Vec<String>]) -> String {
    let said = behind(lines, &["option", name]).next();
    said.map(|rest| format!("    option {name} {}\n", rest.join(" "))).unwrap_or_default()
}

/// A listener's line.
pub fn bind(listener: &Listener) -> String {
    let interface = listener.interface.as_ref().map(|name| format!(" interface {}", quoted(name.as_str())));
    format!("    bind {}{}\n", listener.socket_address(), interface.unwrap_or_default())
}

/// Tables, and the rules of a gate in an order that means what a gate does: sources are counted before they are denied, and
/// other identities are removed before its own is set.
struct Rules {
    tables: String,
    lines: String,
}

impl Rules {
    fn new(config: &Config, lines: &[Vec<String>]) -> Rules {
        let rules: Vec<&[String]> = behind(lines, &["http-request"]).collect();
        let denied =
            |name: &&String| rules.iter().any(|rule| rule.iter().any(|word| word.contains(&format!("({name})"))));
        let names: Vec<&String> = behind(lines, &["backend"]).filter_map(|rest| rest.first()).filter(denied).collect();
        let (mut tables, mut counted, mut denied, mut headers) = (String::new(), Vec::new(), Vec::new(), Vec::new());
        for (index, limit) in config.gate.rate_limits.iter().enumerate() {
            let usual = format!("table{index}");
            let name = names.get(index).map_or(&usual, |name| name);
            tables += &table(name, limit.window.as_millis(), lines);
            let counter = rules.iter().find(|rule| rule.last() == Some(name)).and_then(|rule| rule.first());
            let counter =
                counter.filter(|counter| !counted.iter().any(|line: &String| line.contains(counter.as_str())));
            let usual = format!("track-sc{index}");
            counted.push(format!("{} src table {name}", counter.unwrap_or(&usual)));
            let fetch = format!("src_http_req_rate({name})");
            let numbers =
                rules.iter().filter(|rule| rule.contains(&fetch)).filter_map(|rule| value(rule, "gt")?.parse().ok());
            let mut numbers: Vec<u32> = numbers.collect();
            if numbers.iter().copied().reduce(min) != Some(limit.requests) {
                numbers = vec![limit.requests];
            }
            denied.extend(numbers.iter().map(|most| format!("deny deny_status 429 if {{ {fetch} gt {most} }}")));
        }
        let removed = rules.iter().filter(|rule| rule.first().is_some_and(|word| word == "del-header"));
        headers.extend(removed.map(|rule| rule.join(" ")));
        headers.push(identity(config, &rules));
        let canonical: Vec<String> = counted.iter().chain(&denied).chain(&headers).cloned().collect();
        // The place of each in the other text. Of two equal ones, the second has the second place.
        let mut taken = vec![false; rules.len()];
        let mut placed: Vec<(usize, String)> = Vec::new();
        for line in &canonical {
            let at = (0..rules.len()).find(|at| !taken[*at] && rules[*at].join(" ") == *line);
            at.into_iter().for_each(|at| taken[at] = true);
            placed.push((at.unwrap_or(usize::MAX), line.clone()));
        }
        placed.sort_by_key(|(at, _)| *at);
        let ordered: Vec<String> = placed.into_iter().map(|(_, line)| line).collect();
        let place = |line: &String| ordered.iter().position(|other| other == line);
        let counts_first = counted.iter().all(|count| denied.iter().all(|deny| place(count) < place(deny)));
        // Removing another header has nothing to do with it.
        let own =
            |line: &&String| line.to_ascii_lowercase().ends_with(&config.gate.identity.header().to_ascii_lowercase());
        let sets_last = headers
            .split_last()
            .is_none_or(|(set, removed)| removed.iter().filter(own).all(|line| place(line) < place(set)));
        let lines = if counts_first && sets_last { ordered } else { canonical };
        Rules { tables, lines: lines.iter().map(|line| format!("    http-request {line}\n")).collect() }
    }
}

fn identity(config: &Config, rules: &[&[String]]) -> String {
    let identity = config.gate.identity;
    // Both actions mean the same at a gate; the name of a header is the same in every case (RFC 9110, 5.1).
    let said = rules.iter().find(|rule| {
        rule.get(1).is_some_and(|header| header.eq_ignore_ascii_case(identity.header())) && rule.len() > 2
    });
    let (action, header) = match said {
        Some([action, header, ..]) if action == "add-header" || action == "set-header" => {
            (action.as_str(), header.as_str())
        }
        _ => ("set-header", identity.header()),
    };
    format!("{action} {header} {}", identity.uuid())
}

/// A gate's table has a bound and a lifetime of its own; entries have to live as long as the window.
fn table(name: &str, window: u128, lines: &[Vec<String>]) -> String {
    let mine = lines.iter().skip_while(|line| {
        line.first().is_none_or(|word| word != "backend") || line.get(1).is_none_or(|word| word != name)
    });
    let line =
        mine.skip(1).find(|line| line.first().is_some_and(|word| word == "stick-table")).cloned().unwrap_or_default();
    let kind = value(&line, "type").unwrap_or("ip");
    let size = value(&line, "size").unwrap_or("10k");
    let lives = value(&line, "expire").filter(|text| milliseconds(text).is_none_or(|time| time >= window));
    let expire = lives.map_or_else(|| window.to_string(), str::to_owned);
    format!(
        "backend {}\n    stick-table type {kind} size {size} expire {expire} store http_req_rate({window})\n",
        quoted(name)
    )
}

/// A time in haproxy's words, as far as it is one.
fn milliseconds(text: &str) -> Option<u128> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let factor = match unit {
        "" | "ms" => 1,
        "s" => 1000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    };
    Some(number.parse::<u128>().ok()? * factor)
}
