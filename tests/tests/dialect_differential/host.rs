//! A host's configuration written as Neutron writes it: what nsgate understood, in haproxy's words.

use nsgate_config::{HostConfig, Instance};
use std::net::IpAddr;

use crate::gate::{Connections, bind, global, option, timeouts, ways};
use crate::words::{behind, quoted};

/// The text, with what has no effect (names, the order of instances, times that haproxy does not use there) as in `lines`,
/// the words of another text. There are several where one meaning can be said in several ways.
pub fn texts(config: &HostConfig, lines: &[Vec<String>]) -> Vec<String> {
    let connections = config.proxy.limits.connections;
    ways(connections, lines).into_iter().map(|way| text(config, lines, way)).collect()
}

/// An instance, and its name in the other text.
struct Named<'c> {
    instance: &'c Instance,
    backend: String,
    acl: String,
}

fn text(config: &HostConfig, lines: &[Vec<String>], (most, proxy): Connections) -> String {
    let named = named(config, lines);
    let mut text = global(&config.process, most, lines);
    text += &frontend(config, lines, proxy);
    // Every `acl`, also one that nothing asks for: it has no effect.
    for rest in behind(lines, &["acl"]) {
        text += &format!("    acl {}\n", rest.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" "));
    }
    for Named { backend, acl, .. } in &named {
        text += &format!("    use_backend {} if {}\n", quoted(backend), quoted(acl));
    }
    for one in &named {
        text += &backend(config, lines, one);
    }
    text
}

fn frontend(config: &HostConfig, lines: &[Vec<String>], maxconn: Option<u32>) -> String {
    let proxy = &config.proxy;
    let name = behind(lines, &["frontend"]).find_map(|rest| rest.first()).map_or("public", String::as_str);
    let mut text = format!("frontend {}\n", quoted(name));
    proxy.listeners.iter().for_each(|listener| text += &bind(listener));
    text += "    mode http\n    log global\n    option httplog\n    option dontlognull\n";
    if let Some(number) = maxconn {
        text += &format!("    maxconn {number}\n");
    }
    let mine = section(lines, "frontend", name);
    text += &timeouts(&proxy.timeouts, &["http-request", "client"], &mine);
    text += &unused(&mine, &["connect", "server"]);
    // The address of the peer is written without it as well.
    text += &option("forwardfor", &mine);
    text += &option("http-server-close", &mine);
    if let Some(number) = behind(&mine, &["retries"]).last().and_then(|rest| rest.first()) {
        text += &format!("    retries {number}\n");
    }
    if let Some(path) = &proxy.monitor {
        text += &format!("    monitor-uri {}\n", quoted(path.as_str()));
    }
    if let Some(path) = &proxy.statistics {
        text += &format!("    stats uri {}\n", quoted(path.as_str()));
    }
    text
}

fn backend(config: &HostConfig, lines: &[Vec<String>], named: &Named<'_>) -> String {
    let (proxy, Named { instance, backend, .. }) = (&config.proxy, named);
    let mine = section(lines, "backend", backend);
    let mut text = format!("backend {}\n    mode http\n    balance roundrobin\n", quoted(backend));
    text += &format!("    retries {}\n    timeout connect {}\n", proxy.retries, proxy.timeouts.connect.as_millis());
    text += &format!("    timeout server {}\n", proxy.timeouts.server.as_millis());
    text += &option("redispatch", &mine);
    text += &unused(&mine, &["http-request"]);
    let mut headers = [
        ("X-Instance-ID", instance.id.to_string()),
        ("X-Tenant-ID", instance.project.to_string()),
        ("X-Instance-ID-Signature", instance.signature.hexadecimal()),
    ];
    let said: Vec<&[String]> = behind(&mine, &["http-request", "set-header"]).collect();
    let at = |name: &str| said.iter().position(|rest| rest.first().is_some_and(|word| word.eq_ignore_ascii_case(name)));
    headers.sort_by_key(|(name, _)| at(name));
    for (name, value) in headers {
        let spelled = at(name).and_then(|index| said[index].first()).map_or(name, String::as_str);
        text += &format!("    http-request set-header {spelled} {}\n", quoted(&value));
    }
    let server = behind(&mine, &["server"]).find_map(|rest| rest.first()).map_or("metasrv", String::as_str);
    text + &format!("    server {} {}\n", quoted(server), proxy.server)
}

/// Times that haproxy does not use in this kind of section.
fn unused(lines: &[Vec<String>], names: &[&str]) -> String {
    let said = names.iter().filter_map(|name| Some((*name, behind(lines, &["timeout", name]).last()?.first()?)));
    said.map(|(name, time)| format!("    timeout {name} {time}\n")).collect()
}

/// The lines of one section.
fn section(lines: &[Vec<String>], kind: &str, name: &str) -> Vec<Vec<String>> {
    const KINDS: [&str; 5] = ["global", "defaults", "frontend", "listen", "backend"];
    let begins = |line: &&Vec<String>| line.first().is_some_and(|word| KINDS.contains(&word.as_str()));
    let here = |line: &&Vec<String>| {
        line.first().is_some_and(|word| word == kind) && line.get(1).is_some_and(|word| word == name)
    };
    let from = lines.iter().position(|line| here(&line)).map_or(lines.len(), |at| at + 1);
    lines.iter().skip(from).take_while(|line| !begins(line)).cloned().collect()
}

/// The instances in the order of the other text's `use_backend`.
fn named<'c>(config: &'c HostConfig, lines: &[Vec<String>]) -> Vec<Named<'c>> {
    let address = |rest: &&[String]| rest.get(2).and_then(|word| word.parse::<IpAddr>().ok());
    let mut all = Vec::new();
    for rest in behind(lines, &["use_backend"]) {
        let [backend, _, acl] = rest else { continue };
        let source = behind(lines, &["acl"]).filter(|rest| rest.first() == Some(acl)).find_map(|rest| address(&rest));
        let instance = source.and_then(|source| config.proxy.instances.at(source.to_canonical()));
        all.extend(instance.map(|instance| Named { instance, backend: backend.clone(), acl: acl.clone() }));
    }
    all
}
