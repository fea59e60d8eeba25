//! The command line of the original: every option in every spelling, and every value that a flaw of the original accepted.

use super::{
    NamespaceProxy, NamespaceProxyCommand, parse,
    words::{SWITCHES, VALUES},
};
use crate::{Account, Identity, LogLevel};
use std::ffi::OsString;

const ID: &str = "7a1c4d2e-9f7b-4b59-9a55-0d3c1f6e2b10";

fn words(line: &str) -> Result<NamespaceProxyCommand, String> {
    parse(line.split(' ').filter(|word| !word.is_empty()).map(OsString::from)).map_err(String::from)
}

fn run(line: &str) -> NamespaceProxy {
    match words(line) {
        Ok(NamespaceProxyCommand::Run(asked)) => *asked,
        other => panic!("{line}: {other:?}"),
    }
}

fn refused(more: &str) -> String {
    let line = format!("--network_id={ID} --metadata_proxy_user=neutron {more}");
    words(&line).expect_err(more)
}

#[test]
fn the_command_line_of_ocatas_agents() {
    let asked = run(&format!(
        "--pid_file=/var/lib/neutron/external/pids/{ID}.pid --metadata_proxy_socket=/var/lib/neutron/metadata_proxy \
         --router_id={ID} --state_path=/var/lib/neutron --metadata_port=9697 --metadata_proxy_user=115 \
         --metadata_proxy_group=121 --debug --log-file=neutron-ns-metadata-proxy-{ID}.log --log-dir=/var/log/neutron \
         --nometadata_proxy_watch_log"
    ));
    assert_eq!(asked.config.gate.identity, Identity::Router(ID.parse().unwrap()));
    assert_eq!(asked.config.gate.listeners[0].to_string(), "0.0.0.0:9697");
    assert_eq!((&asked.config.process.user, &asked.config.process.group), (&Account::Id(115), &Some(Account::Id(121))));
    assert_eq!(asked.config.process.pid_file.unwrap().as_str(), format!("/var/lib/neutron/external/pids/{ID}.pid"));
    let log = asked.log_file.unwrap();
    assert_eq!(log.path.as_str(), format!("/var/log/neutron/neutron-ns-metadata-proxy-{ID}.log"));
    assert_eq!(log.level, LogLevel::Debug);
    assert!(asked.config.process.daemon);
}

#[test]
fn defaults_are_the_originals() {
    let asked = run(&format!("--network-id {ID} --metadata-proxy-user neutron"));
    assert_eq!(asked.config.gate.listeners[0].port.get(), 9697);
    assert_eq!(asked.config.gate.backend.path().as_str(), "/var/lib/neutron/metadata_proxy");
    assert!(asked.config.process.daemon && asked.config.process.pid_file.is_none() && asked.log_file.is_none());
    let moved = run(&format!("--network-id {ID} --metadata-proxy-user neutron --state_path=/opt/n --nodaemonize"));
    assert_eq!(moved.config.gate.backend.path().as_str(), "/opt/n/metadata_proxy");
    assert!(!moved.config.process.daemon);
}

#[test]
fn both_spellings_of_names_and_values_are_one() {
    let one = run(&format!("--network_id={ID} --metadata_port=80 --metadata_proxy_user=n --use_syslog"));
    let other = run(&format!("--network-id {ID} --metadata-port 80 --metadata-proxy-user n --use-syslog"));
    assert_eq!(one, other);
    let log = one.config.process.log.unwrap();
    assert_eq!((log.facility.name, log.tag), ("user", format!("neutron-ns-metadata-proxy-{ID}")));
}

/// Each option means the same in each spelling, and changes the configuration.
#[test]
fn every_option_in_every_spelling() {
    let options = [
        ("network_id", ID),
        ("router_id", ID),
        ("pid_file", "/run/p.pid"),
        ("metadata_port", "80"),
        ("metadata_proxy_socket", "/run/s"),
        ("metadata_proxy_user", "someone"),
        ("metadata_proxy_group", "121"),
        ("state_path", "/opt/n"),
        ("log_file", "x.log"),
        ("log_dir", "/var/log/other"),
        ("syslog_log_facility", "LOG_LOCAL3"),
    ];
    assert_eq!(options.map(|(name, _)| name), VALUES, "an option without a test");
    for (name, value) in options {
        // The options that it needs, or without which it has no effect.
        let usual =
            [("network_id", ID), ("metadata_proxy_user", "neutron"), ("log_dir", "/var/log/n"), ("use_syslog", "")];
        let beside = usual.into_iter().filter(|(other, _)| match *other {
            "network_id" => name != "router_id" && name != "network_id",
            "log_dir" => name == "log_file",
            "use_syslog" => name == "syslog_log_facility",
            other => other != name,
        });
        let beside: Vec<String> = beside
            .map(|(name, value)| if value.is_empty() { format!("--{name}") } else { format!("--{name}={value}") })
            .collect();
        let beside = beside.join(" ");
        let dashed = name.replace('_', "-");
        let said = [
            format!("--{name}={value}"),
            format!("--{dashed}={value}"),
            format!("--{name} {value}"),
            format!("--{dashed} {value}"),
        ];
        let all = said.map(|said| run(&format!("{beside} {said}")));
        assert!(all.iter().all(|one| *one == all[0]), "{name}");
        let without = words(&beside);
        assert_ne!(without, Ok(NamespaceProxyCommand::Run(Box::new(all[0].clone()))), "`{name}` changes something");
    }
    let least = format!("--network_id={ID} --metadata_proxy_user=neutron");
    for name in SWITCHES {
        let dashed = name.replace('_', "-");
        for no in ["", "no"] {
            let [one, other] = [name, &dashed].map(|name| run(&format!("{least} --{no}{name}")));
            assert_eq!(one, other, "{no}{name}");
            // Options that are on by default, and options that are accepted and change nothing.
            let changes = match name {
                "daemonize" => no == "no",
                "metadata_proxy_watch_log" | "verbose" => false,
                _ => no.is_empty(),
            };
            // A level needs a log.
            let log = if name == "debug" { "--use-syslog" } else { "" };
            let [with, without] =
                [format!("--{no}{name}"), String::new()].map(|more| run(&format!("{least} {log} {more}")));
            assert_eq!(with != without, changes, "{no}{name}");
        }
    }
}

#[test]
fn facilities_in_oslos_spelling() {
    for (said, name) in [("LOG_LOCAL3", "local3"), ("daemon", "daemon"), ("LOG_AUTHPRIV", "auth2")] {
        let line = format!("--network_id={ID} --metadata_proxy_user=n --use-syslog --syslog-log-facility={said}");
        assert_eq!(run(&line).config.process.log.unwrap().facility.name, name);
    }
    assert!(refused("--use-syslog --syslog-log-facility=LOG_NOTHING").contains("LOG_NOTHING"));
}

#[test]
fn no_path_climbs_and_no_identity_is_a_path() {
    for value in ["--state_path=/var/../etc", "--pid_file=x.pid", "--metadata_proxy_socket=/a//b", "--log-dir=../x"] {
        let name = value.split('=').next().unwrap();
        assert!(refused(&format!("{value} --log-file=l")).contains(name), "{value}");
    }
    assert!(refused("--log-dir=/var/log --log-file=../../etc/cron.d/x").contains("leads out"));
    for id in ["../../etc", "7a1c4d2e-9f7b-4b59-9a55-0d3c1f6e2b1/", ""] {
        assert!(words(&format!("--network_id={id} --metadata_proxy_user=n")).is_err(), "{id:?}");
    }
}

#[test]
fn a_port_that_is_not_1_to_65535_is_refused() {
    for port in ["0", "65536", "0x50", "-1", "+80", "80x"] {
        assert!(refused(&format!("--metadata_port={port}")).contains(port), "{port}");
    }
    let spaced = ["--network_id", ID, "--metadata_proxy_user", "n", "--metadata_port", "80 "].map(OsString::from);
    assert!(parse(spaced).unwrap_err().reason().contains("`80 `"));
}

#[test]
fn accounts_are_names_or_numbers() {
    for name in ["-1", "4294967295", "4294967296", "12ab", "+5", "0x0", "a/b"] {
        let error = words(&format!("--network_id={ID} --metadata_proxy_user={name}")).unwrap_err();
        assert!(error.contains(name) && error.contains("metadata_proxy_user"), "{name}: {error}");
        assert!(refused(&format!("--metadata_proxy_group={name}")).contains("metadata_proxy_group"), "{name}");
    }
    assert!(words(&format!("--network_id={ID}")).unwrap_err().contains("metadata_proxy_user"));
}

#[test]
fn what_is_wrong_is_named() {
    for (more, word) in [
        ("--metadata_prot=80", "did you mean `--metadata_port`"),
        ("--network_id=7a1c4d2e-9f7b-4b59-9a55-0d3c1f6e2b10", "twice"),
        ("--router_id=7a1c4d2e-9f7b-4b59-9a55-0d3c1f6e2b10", "both"),
        ("--daemonize=false", "takes no value"),
        ("--version=", "takes no value"),
        ("--help=full", "takes no value"),
        ("--daemonize --nodaemonize", "contrary"),
        ("--metadata_port", "needs a value"),
        ("--metadata_port=", "empty"),
        ("stray", "`stray`"),
        ("--log-file=relative.log", "no directory"),
        ("--use-syslog --log-file=/var/log/x", "one log"),
    ] {
        let error = refused(more);
        assert!(error.contains(word), "{more}: {error}");
    }
    assert!(words("").unwrap_err().contains("--network_id"));
    assert_eq!(words("--version"), Ok(NamespaceProxyCommand::Version));
    assert_eq!(words("-h"), Ok(NamespaceProxyCommand::Help));
}
