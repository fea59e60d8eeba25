//! The command line of `neutron-ns-metadata-proxy`.

use crate::Target;
use nsgate_config::namespace_proxy::{NamespaceProxyCommand, parse};
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;

/// The input is the words, one on each line.
pub const TARGET: Target = Target {
    name: "words",
    promise: "a command line means the same in each of its spellings, and no path or account of it escapes",
    run,
    words: &[
        "--network_id=7a1c4d2e-9f7b-4b59-9a55-0d3c1f6e2b10\n",
        "--router_id\n7a1c4d2e-9f7b-4b59-9a55-0d3c1f6e2b10\n",
        "--metadata_proxy_user=neutron\n",
        "--metadata-proxy-user\n1000\n",
        "--metadata_proxy_group=neutron\n",
        "--metadata_proxy_socket=$state_path/metadata_proxy\n",
        "--metadata_proxy_socket=${state_path}/x\n",
        "--metadata_port=80\n",
        "--metadata_port\n9697\n",
        "--state_path=/var/lib/neutron\n",
        "--pid_file=/p/x.pid\n",
        "--pid_file=$state_path/x\n",
        "--daemonize\n",
        "--nodaemonize\n",
        "--log-file=x.log\n",
        "--log_dir=/var/log/neutron\n",
        "--use-syslog\n",
        "--syslog-log-facility=LOG_LOCAL0\n",
        "--debug\n",
        "-v\n",
        "--nometadata_proxy_watch_log\n",
        "--help\n",
        "--version\n",
        "..",
        "root",
        "0",
        "4294967295",
        "65536",
    ],
    seeds,
    longest: 1500,
};

fn seeds() -> Vec<Vec<u8>> {
    let usual = "--pid_file=/v/external/pids/a.pid\n--metadata_proxy_socket=/v/metadata_proxy\n\
                 --network_id=7a1c4d2e-9f7b-4b59-9a55-0d3c1f6e2b10\n--state_path=/v\n--metadata_port=80\n\
                 --metadata_proxy_user=116\n--metadata_proxy_group=120\n--debug\n--verbose\n\
                 --log-file=neutron-ns-metadata-proxy-a.log\n--log-dir=/var/log/neutron";
    vec![usual.as_bytes().to_vec(), usual.replace('=', "\n").into_bytes(), b"--help".to_vec()]
}

fn run(bytes: &[u8]) {
    let words: Vec<&[u8]> = bytes.split(|byte| *byte == b'\n').collect();
    let said = |words: &[&[u8]]| parse(words.iter().map(|word| OsString::from_vec(word.to_vec())));
    let outcome = said(&words);
    // Apart and attached, and with `-` for `_`, everything is the same, unless a value looks like an option: then the
    // new spelling changes its meaning.
    if outcome.is_ok() && !words.windows(2).any(|two| takes_a_value(two[0]) && two[1].starts_with(b"-")) {
        let apart: Vec<&[u8]> = words.iter().flat_map(|word| split(word)).collect();
        if !apart.windows(2).any(|two| takes_a_value(two[0]) && two[1].starts_with(b"-")) {
            assert_eq!(said(&apart), outcome, "a value as the next word");
            let dashed: Vec<Vec<u8>> = apart.iter().map(|word| dashed(word)).collect();
            let dashed: Vec<&[u8]> = dashed.iter().map(Vec::as_slice).collect();
            assert_eq!(said(&dashed), outcome, "dashes");
        }
    }
    match outcome {
        Ok(NamespaceProxyCommand::Run(asked)) => {
            let process = &asked.config.process;
            let mut paths = vec![asked.config.gate.backend.path().as_path()];
            paths.extend(process.pid_file.as_ref().map(|path| path.as_path()));
            paths.extend(asked.log_file.as_ref().map(|log| log.path.as_path()));
            for path in paths {
                assert!(path.is_absolute() && path.components().all(|part| part.as_os_str() != ".."), "{path:?}");
            }
            assert!(!process.allow_root);
        }
        Ok(NamespaceProxyCommand::Help | NamespaceProxyCommand::Version) => {}
        Err(message) => assert!(!message.reason().is_empty()),
    }
}

/// Whether the next word is this option's value.
fn takes_a_value(word: &[u8]) -> bool {
    const SWITCHES: [&str; 7] =
        ["daemonize", "metadata-proxy-watch-log", "use-syslog", "debug", "verbose", "help", "version"];
    let name = String::from_utf8_lossy(&dashed(word)).into_owned();
    let Some(name) = name.strip_prefix("--").filter(|name| !name.contains('=')) else { return false };
    !SWITCHES.contains(&name) && !SWITCHES.contains(&name.strip_prefix("no").unwrap_or(name))
}

/// `--name=value` as two words.
fn split(word: &[u8]) -> Vec<&[u8]> {
    match word.iter().position(|byte| *byte == b'=') {
        Some(at) if word.starts_with(b"--") => vec![&word[..at], &word[at + 1..]],
        _ => vec![word],
    }
}

/// The name of an option with `-` in the place of `_`.
fn dashed(word: &[u8]) -> Vec<u8> {
    if !word.starts_with(b"--") {
        return word.to_vec();
    }
    word.iter().map(|byte| if *byte == b'_' { b'-' } else { *byte }).collect()
}
