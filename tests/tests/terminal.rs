//! Output for a person at a terminal, which a pipe does not get: colours, places of mistakes, a shell's completions.

use nsgate_tests::config::NETWORK;
use nsgate_tests::gate::nsgate;
use nsgate_tests::pool::{Pool, keeper};
use nsgate_tests::program::target;
use nsgate_tests::terminal::Terminal;
use nsgate_tests::{Answer, Config, Kind, Lab, RecordingAgent, suite};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn main() {
    suite!["terminal":
        a_mistake_has_colours_on_a_terminal_and_nowhere_else,
        help_has_colours_on_a_terminal_and_nowhere_else,
        a_mistake_in_a_flag_s_value_is_shown_below_that_value,
        what_agents_log_is_one_line_and_a_person_sees_the_place,
        many_files_are_a_table_and_a_line_of_json_each,
        a_reader_that_leaves_and_a_full_disk_are_no_panic,
        waiting_is_said_after_a_second_on_a_terminal_alone,
        bash_completes_networks_of_the_pool,
        zsh_completes_networks_of_the_pool,
        fish_completes_networks_of_the_pool,
    ]
}

const ESCAPE: char = '\u{1b}';
/// Another network than [`NETWORK`].
const OTHER: &str = "0b2f8f1e-51a4-4f7d-8f0c-3a5d1c9e7b42";

fn command(program: &Path, words: &[&str]) -> Command {
    let mut command = Command::new(program);
    command.args(words).env_remove("NO_COLOR").env("TERM", "xterm-256color");
    command
}

fn on_terminal(program: &Path, words: &[&str], no_color: Option<&str>) -> String {
    let mut command = command(program, words);
    if let Some(value) = no_color {
        command.env("NO_COLOR", value);
    }
    Terminal::start(command).end().0
}

fn piped(program: &Path, words: &[&str]) -> Output {
    command(program, words).output().expect("the program")
}

fn error(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn a_mistake_has_colours_on_a_terminal_and_nowhere_else(lab: &Lab) {
    let nsgate = lab.program.nsgate();
    let file = lab.state().join("gate.toml");
    fs::write(&file, "lissten = []\n").expect("a file");
    let file = file.display().to_string();
    for words in [&["add", "--prot", "x"][..], &["check", &file], &["run", "--listen", "nowhere"]] {
        let shown = on_terminal(&nsgate, words, None);
        assert!(shown.contains("\u{1b}[1;31merror\u{1b}[0m") && shown.contains("^^^"), "{words:?}: {shown}");
        // no-color.org: an empty value is none.
        assert!(on_terminal(&nsgate, words, Some("")).contains(ESCAPE), "{words:?}");
        let plain = on_terminal(&nsgate, words, Some("1"));
        assert!(plain.contains("^^^") && !plain.contains(ESCAPE), "{words:?}: {plain}");
        let output = piped(&nsgate, words);
        assert_eq!(plain.replace("\r\n", "\n"), error(&output), "{words:?}");
        assert!(output.status.code().is_some_and(|code| code == 1 || code == 2), "{output:?}");
    }
}

fn help_has_colours_on_a_terminal_and_nowhere_else(lab: &Lab) {
    let nsgate = lab.program.nsgate();
    assert!(on_terminal(&nsgate, &["--help"], None).contains(ESCAPE));
    assert!(!on_terminal(&nsgate, &["--help"], Some("1")).contains(ESCAPE));
    assert!(!String::from_utf8_lossy(&piped(&nsgate, &["--help"]).stdout).contains(ESCAPE));
}

fn a_mistake_in_a_flag_s_value_is_shown_below_that_value(lab: &Lab) {
    let words = [
        "run",
        "--network-id=7a1c",
        "--listen",
        "169.254.169.254:80",
        "--listen",
        "169.254.169.254:0",
        "--backend=/run/agent.sock",
        "--user=neutron",
    ];
    let said = error(&piped(&lab.program.nsgate(), &words));
    let line = "1 | nsgate run --network-id=7a1c --listen 169.254.169.254:80 --listen 169.254.169.254:0 …";
    assert_eq!(said.lines().filter(|shown| shown.trim_end() == line).count(), 2, "{said}");
    let marked: Vec<String> = said
        .lines()
        .zip(said.lines().skip(1))
        .filter(|(_, below)| below.contains('^'))
        .map(|(line, below)| {
            let (from, to) = (below.find('^').unwrap_or(0), below.rfind('^').unwrap_or(0));
            line.chars().skip(from).take(to - from + 1).collect()
        })
        .collect();
    assert_eq!(marked, ["7a1c", "169.254.169.254:0"], "{said}");
}

fn what_agents_log_is_one_line_and_a_person_sees_the_place(lab: &Lab) {
    let haproxy = lab.program.path();
    let proxy = lab.program.namespace_proxy();
    for (program, words, prefix, caret) in [
        (haproxy, &["-f", "/x.conf", "-zz"][..], "haproxy (nsgate): `-zz` is not an option; ", "^^^"),
        (haproxy, &["-f", "/x.conf", "-n", "0"], "haproxy (nsgate): `-n 0` is not a number", "^"),
        (&proxy, &["--netwrk_id=7"], "neutron-ns-metadata-proxy (nsgate): `--netwrk_id` is not known", "^^^"),
    ] {
        let logged = error(&piped(program, words));
        assert!(logged.starts_with(prefix) && logged.lines().count() == 1, "{logged}");
        let shown = on_terminal(program, words, Some("1"));
        assert!(shown.contains("--> command line:1:") && shown.contains(caret), "{shown}");
    }
}

fn many_files_are_a_table_and_a_line_of_json_each(lab: &Lab) {
    let state = lab.state();
    let write = |name: &str, text: &str| {
        let path = state.join(name);
        fs::write(&path, text).expect("a file");
        path.display().to_string()
    };
    let good = write("good.conf", &Config::new(Kind::Network).text());
    let bad = write("bad.toml", "lissten = []\n");
    let absent = state.join("absent.conf").display().to_string();
    let words = ["check", &good, &bad, &absent];
    let output = piped(&lab.program.nsgate(), &words);
    let table = String::from_utf8_lossy(&output.stdout).into_owned();
    let verdicts: Vec<&str> = table.lines().map(|line| line.split(' ').next().unwrap_or_default()).collect();
    assert_eq!(verdicts, ["verdict", "gate", "refused", "refused"], "{table}");
    assert!(table.contains(NETWORK) && table.contains("1:1: unknown field `lissten`"), "{table}");
    assert!(error(&output).contains("^^^^^^^") && output.status.code() == Some(1), "{output:?}");
    let json = piped(&lab.program.nsgate(), &["check", "--json", &good, &bad, &absent]);
    let rows = String::from_utf8_lossy(&json.stdout).into_owned();
    let rows: Vec<serde_json::Value> =
        rows.lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect();
    assert_eq!(rows.iter().map(|row| row["valid"].clone()).collect::<Vec<_>>(), [true, false, false]);
    assert_eq!(rows[1]["diagnostics"][0]["column"], 1);
    assert!(rows[2]["error"].is_string() && rows[2]["file"] == *absent, "{rows:?}");
    let all_well = piped(&lab.program.nsgate(), &["check", &good, &good]);
    assert!(all_well.status.success(), "{all_well:?}");
}

fn a_reader_that_leaves_and_a_full_disk_are_no_panic(lab: &Lab) {
    let nsgate = lab.program.nsgate();
    let file = lab.state().join("good.conf");
    fs::write(&file, Config::new(Kind::Network).text()).expect("a file");
    let file = file.display().to_string();
    let (reader, writer) = nix::unistd::pipe().expect("a pipe");
    drop(reader);
    let left = command(&nsgate, &["check", &file]).stdout(writer).stderr(std::process::Stdio::piped()).output();
    let left = left.expect("the program");
    assert!(left.status.success() && error(&left).lines().all(|line| !line.contains("panic")), "{left:?}");
    let full = fs::OpenOptions::new().write(true).open("/dev/full").expect("/dev/full");
    let full = command(&nsgate, &["check", &file]).stdout(full).stderr(std::process::Stdio::piped()).output();
    let full = full.expect("the program");
    assert_eq!(full.status.code(), Some(1), "{full:?}");
    assert!(error(&full).contains("standard output: No space left"), "{full:?}");
}

fn waiting_is_said_after_a_second_on_a_terminal_alone(lab: &Lab) {
    // A process that takes the connection and never answers.
    let path = lab.directory("pool", 0o755).join("deaf.sock");
    let words = ["list", "--pool", &path.display().to_string()].map(str::to_owned);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    use nix::sys::socket::{AddressFamily, Backlog, SockFlag, SockType, UnixAddr, bind, listen, socket};
    let deaf = socket(AddressFamily::Unix, SockType::SeqPacket, SockFlag::SOCK_CLOEXEC, None).expect("a socket");
    bind(std::os::fd::AsRawFd::as_raw_fd(&deaf), &UnixAddr::new(&path).expect("a path")).expect("bind");
    listen(&deaf, Backlog::new(8).expect("a number")).expect("listen");
    let mut terminal = Terminal::start(command(&lab.program.nsgate(), &words));
    terminal.shows(&format!("waiting for {} …", path.display()), 5);
    drop(terminal);
    let mut child =
        command(&lab.program.nsgate(), &words).stderr(std::process::Stdio::piped()).spawn().expect("the program");
    std::thread::sleep(std::time::Duration::from_millis(1500));
    child.kill().expect("an end");
    let said = child.wait_with_output().expect("its output");
    assert!(!error(&said).contains("waiting"), "{said:?}");
}

/// A pool with two networks, and the completion script of a shell.
fn completion(lab: &Lab, shell: &str) -> (Pool, Vec<nsgate_tests::Gate>, RecordingAgent, PathBuf) {
    lab.needs_root("a pool gives its socket to a group");
    lab.needs(&format!("/usr/bin/{shell}"), &format!("apt-get install {shell}"));
    let xtask = std::env::var_os("NSGATE_XTASK").map_or_else(|| target().join("debug/xtask"), PathBuf::from);
    lab.needs(&xtask.display().to_string(), "cargo build --package xtask");
    let written = Command::new(xtask).args(["completion", shell]).output().expect("xtask");
    assert!(written.status.success(), "{written:?}");
    let script = lab.directory("completion", 0o755).join("_nsgate");
    fs::write(&script, written.stdout).expect("the script");
    let agent = RecordingAgent::start(&lab.socket(), Answer::ok("hello"));
    let network = lab.network();
    let pool = Pool::start(lab);
    let gates = [(NETWORK, "169.254.169.254:80"), (OTHER, "169.254.169.254:81")]
        .map(|(id, bind)| keeper(lab, &network.gate, &Config::new(Kind::Network).with_id(id).with_binds(&[bind])));
    let names = nsgate(lab, &network.gate, &["list", "--names", "--pool", &pool.socket.display().to_string()]);
    let mut found: Vec<&str> = names.stdout.lines().collect();
    found.sort_unstable();
    assert_eq!(found, [OTHER, NETWORK], "{names:?}");
    (pool, gates.into_iter().collect(), agent, script)
}

/// A shell with the prompt `ready> `, to type into, with the program under test on its PATH.
fn shell(lab: &Lab, mut command: Command, script: &str) -> Terminal {
    let mut path = lab.program.nsgate().parent().map(|parent| parent.as_os_str().to_owned()).unwrap_or_default();
    path.push(":/usr/bin:/bin");
    command.env("PATH", path).env("TERM", "dumb").env("HOME", lab.directory("home", 0o700));
    let mut terminal = Terminal::start(command);
    terminal.types(&format!("{script}\n"));
    terminal.shows("ready> ", 10);
    terminal.forget();
    terminal
}

fn completes(mut terminal: Terminal, pool: &Pool) {
    let socket = pool.socket.display();
    // The shell shows several possible words, and writes a single one.
    for line in [format!("nsgate remove --pool {socket} "), format!("nsgate remove --pool {socket} --network-id ")] {
        terminal.types(&format!("{line}\t\t"));
        terminal.shows(OTHER, 10);
        terminal.shows(NETWORK, 10);
        terminal.types("\u{15}");
        terminal.forget();
        terminal.types(&format!("{line}{}\t", &OTHER[..4]));
        terminal.shows(OTHER, 10);
        terminal.types("\u{15}");
        terminal.forget();
    }
    terminal.types("nsgate att\t");
    terminal.shows("nsgate attest", 10);
}

fn bash_completes_networks_of_the_pool(lab: &Lab) {
    let (pool, _gates, _agent, script) = completion(lab, "bash");
    let mut command = Command::new("/usr/bin/bash");
    command.args(["--norc", "--noprofile", "-i"]);
    let begin = format!("bind 'set enable-bracketed-paste off'; source {}; PS1='rea''dy> '", script.display());
    completes(shell(lab, command, &begin), &pool);
}

fn zsh_completes_networks_of_the_pool(lab: &Lab) {
    let (pool, _gates, _agent, script) = completion(lab, "zsh");
    let mut command = Command::new("/usr/bin/zsh");
    command.args(["-f", "-i"]);
    let directory = script.parent().unwrap_or(Path::new("/")).display();
    let begin = format!(
        "fpath=({directory} $fpath); autoload -U compinit; compinit -u -D; unset zle_bracketed_paste; PS1='rea''dy> '"
    );
    completes(shell(lab, command, &begin), &pool);
}

fn fish_completes_networks_of_the_pool(lab: &Lab) {
    let (pool, _gates, _agent, script) = completion(lab, "fish");
    let mut path = lab.program.nsgate().parent().map(|parent| parent.as_os_str().to_owned()).unwrap_or_default();
    path.push(":/usr/bin:/bin");
    let socket = pool.socket.display();
    for line in [format!("nsgate remove --pool {socket} "), format!("nsgate remove --pool {socket} --network-id ")] {
        let ask = format!("source {}; complete -C '{line}'", script.display());
        let mut fish = Command::new("/usr/bin/fish");
        fish.args(["--no-config", "-c", &ask]).env("PATH", &path).env("HOME", lab.directory("home", 0o700));
        let output = fish.output().expect("fish");
        let offered = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(offered.contains(OTHER) && offered.contains(NETWORK), "{line}: {offered} {output:?}");
    }
}
