//! Paths of a configuration, and the files that root obeys: who may have made them, who may change them, and that
//! `nsgate check` says what a start says.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, lchown, symlink};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use nsgate_tests::config::NETWORK;
use nsgate_tests::gate::{communicate, nsgate, write_config};
use nsgate_tests::lab::{text, wait_until};
use nsgate_tests::pool::{self, Pool};
use nsgate_tests::world::{NEUTRON_ID, STRANGER_ID};
use nsgate_tests::{Answer, Config, Gate, Guest, Kind, Lab, Network, RecordingAgent, Started, suite};

fn main() {
    suite!["paths":
        site_settings_that_others_could_have_written_are_refused,
        site_settings_of_roots_are_obeyed,
        a_settings_directory_that_leads_nowhere_is_refused,
        an_operators_text_that_others_could_have_written_is_refused,
        an_agents_text_is_obeyed_where_the_agent_keeps_it,
        links_of_roots_are_followed_to_the_agent_and_the_pid_file,
        links_that_others_could_change_are_not_followed,
        a_ring_of_links_comes_to_an_end,
        the_agents_own_directory_may_belong_to_the_agent,
        an_access_control_list_on_the_way_is_seen,
        an_access_control_list_that_lets_nobody_in_is_no_reason_to_refuse,
        a_socket_among_strangers_is_warned_of,
        check_says_of_a_pools_paths_what_a_start_says,
        names_that_are_taken_are_left_alone,
    ]
}

const SITE: &str = "/etc/nsgate/nsgate.toml";

fn config() -> Config {
    Config::new(Kind::Network)
}

fn mode(path: impl AsRef<Path>, bits: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(bits)).unwrap();
}

/// Gives a whole tree to a user.
fn own(path: &Path, uid: u32) {
    std::os::unix::fs::lchown(path, Some(uid), Some(uid)).unwrap();
    if path.is_dir() && !path.is_symlink() {
        fs::read_dir(path).unwrap().flatten().for_each(|entry| own(&entry.path(), uid));
    }
}

fn facl(words: &[&str], path: &Path) {
    let status = Command::new("setfacl").args(words).arg(path).status().expect("setfacl");
    assert!(status.success(), "setfacl {words:?} {path:?}");
}

fn check(lab: &Lab, words: &[&str]) -> Started {
    let mut command = Command::new(lab.program.nsgate());
    command.arg("check").args(words);
    communicate(command, Duration::from_secs(10))
}

/// A start that is refused with each of `words`, and a judgement that says the same.
#[track_caller]
fn refused(lab: &Lab, network: &Network, config: &Config, words: &[&str]) {
    let started = Gate::try_start(lab, &network.gate, config).expect_err("refused");
    let checked = check(lab, &[write_config(lab, config).to_str().unwrap()]);
    for said in [&started, &checked] {
        assert_eq!(said.code(), Some(1), "{said:#?}");
        for word in words {
            assert!(said.stderr.contains(word), "{word:?} is missing: {said:#?}");
        }
    }
    assert!(network.gate.listening().is_empty());
}

/// A start that serves by way of the agent, and a judgement that agrees.
#[track_caller]
fn served(lab: &Lab, network: &Network, agent: &RecordingAgent, config: &Config) -> Gate {
    let checked = check(lab, &[write_config(lab, config).to_str().unwrap()]);
    assert_eq!(checked.code(), Some(0), "{checked:#?}");
    let before = agent.seen().len();
    let gate = Gate::start(lab, &network.gate, config);
    assert_eq!(Guest::new(&network.guest).get("/").unwrap().status, 200);
    assert_eq!(agent.seen().len(), before + 1, "the answer is this agent's");
    gate
}

fn site_settings_that_others_could_have_written_are_refused(lab: &Lab) {
    lab.needs_root("files of other accounts");
    let network = lab.network();
    let _agent = RecordingAgent::start(&lab.socket(), Answer::ok("hello"));
    let directory = Path::new("/etc/nsgate");
    let _ = fs::create_dir(directory);
    // The attackers would gain a gate that runs as root.
    let mut config = config();
    (config.user, config.group) = ("root".into(), "root".into());
    let put = |owner: u32, bits: u32| {
        let _ = fs::remove_file(SITE);
        fs::write(SITE, "allow_root = true\n").unwrap();
        lchown(SITE, Some(owner), Some(0)).unwrap();
        mode(SITE, bits);
        lchown(directory, Some(0), Some(0)).unwrap();
        mode(directory, 0o755);
    };
    let refused = |what: &str, words: &[&str]| {
        let started = Gate::try_start(lab, &network.gate, &config).expect_err(what);
        let listed = communicate(
            {
                let mut command = Command::new(lab.program.nsgate());
                command.arg("list");
                command
            },
            Duration::from_secs(10),
        );
        for said in [&started, &listed, &check(lab, &[SITE])] {
            assert_eq!(said.code(), Some(1), "{what}: {said:#?}");
            for word in words.iter().chain(&["/etc/nsgate"]) {
                assert!(said.stderr.contains(word), "{what}: {word:?} is missing: {said:#?}");
            }
        }
        assert!(network.gate.listening().is_empty(), "{what}");
    };
    put(STRANGER_ID, 0o644);
    refused("a stranger's", &["belongs to uid 64043", "only root's", "chown"]);
    put(NEUTRON_ID, 0o644);
    refused("the agent's", &["belongs to uid 64042", "chown"]);
    put(0, 0o646);
    refused("everybody writes", &["others may write this file", "0646", "chmod"]);
    put(0, 0o664);
    lchown(SITE, None, Some(STRANGER_ID)).unwrap();
    refused("a strangers' group writes", &["others may write this file", "0664"]);
    put(0, 0o644);
    mode(directory, 0o777);
    refused("in everybody's directory", &["others may write in this directory"]);
    put(0, 0o644);
    mode(directory, 0o1777);
    refused("in a sticky one", &["others may write in this directory"]);
    put(0, 0o644);
    lchown(directory, Some(NEUTRON_ID), None).unwrap();
    refused("in the agent's directory", &["belongs to uid 64042"]);
    put(0, 0o644);
    fs::rename(SITE, "/etc/nsgate/real.toml").unwrap();
    symlink("real.toml", SITE).unwrap();
    refused("a link", &["symbolic link", "put the file itself here"]);
    fs::remove_file(SITE).unwrap();
    symlink("nothing", SITE).unwrap();
    refused("a link to nothing", &["symbolic link"]);
}

fn a_settings_directory_that_leads_nowhere_is_refused(lab: &Lab) {
    let network = lab.network();
    let _agent = RecordingAgent::start(&lab.socket(), Answer::ok("hello"));
    let _ = fs::remove_dir_all("/etc/nsgate");
    let kept = lab.directory("settings", 0o755);
    symlink(&kept, "/etc/nsgate").unwrap();
    drop(Gate::start(lab, &network.gate, &config()));
    // There were no settings in it; now what there was is lost.
    fs::remove_dir(&kept).unwrap();
    let started = Gate::try_start(lab, &network.gate, &config()).expect_err("the settings are lost");
    assert!(started.stderr.contains("/etc/nsgate is a link that leads nowhere"), "{started:#?}");
    assert!(network.gate.listening().is_empty());
}

fn site_settings_of_roots_are_obeyed(lab: &Lab) {
    lab.needs_root("a gate that is root");
    let network = lab.network();
    let agent = RecordingAgent::start(&lab.socket(), Answer::ok("hello"));
    let mut config = config();
    (config.user, config.group) = ("root".into(), "root".into());
    refused(lab, &network, &config, &["allow_root"]);
    let _ = fs::create_dir("/etc/nsgate");
    fs::write(SITE, "allow_root = true\n").unwrap();
    // Debian's default mode, and the mode with an umask of 002.
    for bits in [0o644, 0o600, 0o664] {
        mode(SITE, bits);
        drop(served(lab, &network, &agent, &config));
        assert!(wait_until(5.0, || network.gate.listening().is_empty()));
    }
}

/// A gate in TOML of the agent's directory.
fn toml(lab: &Lab, path: &Path, user: &str, more: &str) {
    let socket = lab.socket();
    let content = format!(
        "network_id = \"{NETWORK}\"\nlisten = [\"169.254.169.254:80\"]\nbackend = \"{}\"\nuser = \"{user}\"\ndaemon = true\n\
         pid_file = \"{}\"\n{more}",
        socket.display(),
        config().pid_file.display()
    );
    // Anew: the kernel may keep root from writing another's file in a sticky directory (fs.protected_regular, proc(5)).
    let owner = fs::metadata(path).map(|found| (found.uid(), found.gid())).ok();
    let _ = fs::remove_file(path);
    fs::write(path, content).unwrap();
    if let Some((uid, gid)) = owner {
        lchown(path, Some(uid), Some(gid)).unwrap();
    }
}

fn an_operators_text_that_others_could_have_written_is_refused(lab: &Lab) {
    lab.needs_root("files of other accounts");
    let network = lab.network();
    let _agent = RecordingAgent::start(&lab.socket(), Answer::ok("hello"));
    let directory = lab.directory("settings", 0o755);
    let file = directory.join("gate.toml");
    toml(lab, &file, "neutron", "");
    let pool = directory.join("pool.toml");
    let socket = pool::socket_path(lab);
    let backend = lab.socket();
    let content = format!("socket = {socket:?}\nbackends = [{backend:?}]\nuser = \"neutron\"\n");
    fs::write(&pool, content).unwrap();
    let words = |file: &Path| file.to_str().unwrap().to_owned();
    let refused = |what: &str, word: &str| {
        let add = ["add", "--pool", socket.to_str().unwrap(), "--config", &words(&file)].map(str::to_owned);
        let commands = [
            nsgate(lab, &network.gate, &["run", "--config", &words(&file)]),
            nsgate(lab, &network.gate, &add.each_ref().map(String::as_str)),
            nsgate(lab, &network.gate, &["pool", "--config", &words(&pool)]),
            check(lab, &[&words(&file)]),
            check(lab, &["--dialect", "pool", &words(&pool)]),
        ];
        for said in commands {
            assert!(said.code() == Some(1) && said.stderr.contains(word), "{what}: {word:?} is missing: {said:#?}");
        }
        assert!(network.gate.listening().is_empty() && !socket.exists(), "{what}");
    };
    let both = |owner: u32, bits: u32| {
        for path in [&file, &pool] {
            lchown(path, Some(owner), Some(0)).unwrap();
            mode(path, bits);
        }
    };
    both(STRANGER_ID, 0o644);
    refused("a stranger's", "belongs to uid 64043");
    both(0, 0o666);
    refused("everybody writes", "others may write this file (mode 0666)");
    both(0, 0o644);
    mode(&directory, 0o777);
    refused("in everybody's directory", "may be written by others");
    mode(&directory, 0o755);
    lab.give(&directory, STRANGER_ID);
    refused("in a stranger's directory", "belongs to uid 64043");
    // In a directory with the sticky bit a user can change only the user's own files.
    lchown(&directory, Some(0), Some(0)).unwrap();
    mode(&directory, 0o1777);
    for owner in [0, NEUTRON_ID] {
        both(owner, 0o644);
        let started = nsgate(lab, &network.gate, &["run", "--config", &words(&file)]);
        assert!(started.ok(), "{started:#?}");
        let gate = Gate::adopt(file.clone(), config().pid_file, started).unwrap();
        assert_eq!(Guest::new(&network.guest).get("/").unwrap().status, 200);
        drop(gate);
        assert!(wait_until(5.0, || network.gate.listening().is_empty()));
    }
    // A text that the gate's user has written cannot make the gate another user's.
    toml(lab, &file, "root", "allow_root = true\n");
    let started = nsgate(lab, &network.gate, &["run", "--config", &words(&file)]);
    assert!(started.code() == Some(1) && started.stderr.contains("belongs to uid 64042"), "{started:#?}");
}

fn an_agents_text_is_obeyed_where_the_agent_keeps_it(lab: &Lab) {
    lab.needs_root("files of other accounts");
    let network = lab.network();
    // As Neutron's packages have it: the agent's directory, and the text in it, are the agent's own.
    own(&lab.state(), NEUTRON_ID);
    let agent = RecordingAgent::start(&lab.socket(), Answer::ok("hello"));
    let file = write_config(lab, &config());
    own(&file, NEUTRON_ID);
    drop(served(lab, &network, &agent, &config()));
    assert!(wait_until(5.0, || network.gate.listening().is_empty()));
    mode(&file, 0o666);
    refused(lab, &network, &config(), &["others may write this file", "0666"]);
    mode(&file, 0o644);
    own(&file, STRANGER_ID);
    refused(lab, &network, &config(), &["belongs to uid 64043"]);
}

fn links_of_roots_are_followed_to_the_agent_and_the_pid_file(lab: &Lab) {
    lab.needs_root("links that root has made");
    let network = lab.network();
    let agent = RecordingAgent::start(&lab.socket(), Answer::ok("hello"));
    // As /var/run is, in both spellings; and a state directory on another disk.
    symlink("/run/lab", "/run/lab/absolute").unwrap();
    fs::create_dir_all("/run/lab/deep/er").unwrap();
    symlink("../../../lab/./absolute", "/run/lab/deep/er/relative").unwrap();
    for way in ["/run/lab/absolute/neutron", "/run/lab/deep/er/relative/neutron"] {
        let mut config = config();
        config.socket = Path::new(way).join("metadata_proxy");
        config.pid_file = Path::new(way).join("external/pids/linked.pid");
        let gate = served(lab, &network, &agent, &config);
        let real = lab.state().join("external/pids/linked.pid");
        assert_eq!(text(&real).trim(), gate.pid.to_string(), "{way}");
        // The last name is never followed.
        drop(gate);
        assert!(wait_until(5.0, || network.gate.listening().is_empty()));
        fs::remove_file(&real).unwrap();
        symlink("/run/lab/elsewhere", &real).unwrap();
        refused(lab, &network, &config, &["symbolic link"]);
        fs::remove_file(&real).unwrap();
    }
    let state = lab.state();
    let moved = Path::new("/run/lab/moved");
    fs::rename(&state, moved).unwrap();
    own(moved, NEUTRON_ID);
    symlink("moved", &state).unwrap();
    drop(served(lab, &network, &agent, &config()));
}

fn links_that_others_could_change_are_not_followed(lab: &Lab) {
    lab.needs_root("links of other accounts");
    let network = lab.network();
    let _agent = RecordingAgent::start(&lab.socket(), Answer::ok("hello"));
    let link = Path::new("/run/lab/link");
    let mut config = config();
    config.socket = link.join("metadata_proxy");
    let through = |owner: u32, words: &[&str]| {
        let _ = fs::remove_file(link);
        symlink("/run/lab/neutron", link).unwrap();
        lchown(link, Some(owner), Some(owner)).unwrap();
        refused(lab, &network, &config, &[&["/run/lab/link", "symbolic link"], words].concat());
    };
    through(STRANGER_ID, &["uid 64043 can make it lead elsewhere"]);
    through(NEUTRON_ID, &["uid 64042 can make it lead elsewhere"]);
    mode("/run/lab", 0o1777);
    through(0, &["others may write"]);
    mode("/run/lab", 0o775);
    lchown("/run/lab", Some(0), Some(NEUTRON_ID)).unwrap();
    through(0, &["others may write"]);
    mode("/run/lab", 0o755);
    lchown("/run/lab", Some(NEUTRON_ID), Some(NEUTRON_ID)).unwrap();
    through(0, &["uid 64042 can make it lead elsewhere"]);
    lchown("/run/lab", Some(0), Some(0)).unwrap();
    // Links of the kernel's name what a process has open.
    config.socket = "/proc/self/root/run/lab/neutron/metadata_proxy".into();
    refused(lab, &network, &config, &["symbolic link"]);
}

fn a_ring_of_links_comes_to_an_end(lab: &Lab) {
    lab.needs_root("links that root has made");
    let network = lab.network();
    symlink("two", "/run/lab/one").unwrap();
    symlink("one", "/run/lab/two").unwrap();
    let mut config = config();
    config.socket = "/run/lab/one/metadata_proxy".into();
    refused(lab, &network, &config, &["more than 40 symbolic links"]);
}

/// `metadata_proxy_user` is another account than the agent's.
fn the_agents_own_directory_may_belong_to_the_agent(lab: &Lab) {
    lab.needs_root("the agent, and another account for its proxies");
    let network = lab.network();
    own(&lab.state(), NEUTRON_ID);
    let agent = RecordingAgent::start(&lab.socket(), Answer::ok("hello"));
    let mut config = config();
    (config.user, config.group) = ("stranger".into(), "stranger".into());
    let gate = served(lab, &network, &agent, &config);
    assert_eq!(nsgate_tests::procfs::Process::new(gate.pid).status_numbers("Uid")[0], u64::from(STRANGER_ID));
    drop(gate);
    assert!(wait_until(5.0, || network.gate.listening().is_empty()));
    // The text is root's and in a directory of root's: nothing says that this is the agent.
    let outside = lab.directory("settings", 0o755).join("gate.toml");
    toml(lab, &outside, "stranger", "");
    let run = |words: &str| {
        assert!(words.is_empty() || !text(&outside).contains(words));
        nsgate(lab, &network.gate, &["run", "--config", outside.to_str().unwrap()])
    };
    let started = run("");
    assert!(started.code() == Some(1) && started.stderr.contains("belongs to uid 64042"), "{started:#?}");
    // Unless the operator says so. Who the agent is does not say who may own the pid file's directory.
    toml(lab, &outside, "stranger", "backend_owner = \"neutron\"\n");
    let content = text(&outside);
    let without = content.lines().filter(|line| !line.starts_with("pid_file")).collect::<Vec<_>>().join("\n");
    fs::write(&outside, without).unwrap();
    assert_eq!(check(lab, &[outside.to_str().unwrap()]).code(), Some(0));
    let started = run("");
    assert!(started.ok(), "{started:#?}");
    // The agent of this test is root: `backend_owner` is asked of the kernel.
    let status = Guest::new(&network.guest).patient(10).get("/").unwrap().status;
    assert!([502, 503].contains(&status), "{status}");
    for pid in nsgate_tests::procfs::having("settings/gate.toml") {
        let _ = nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), nix::sys::signal::Signal::SIGTERM);
    }
    // A stranger's directory stays a stranger's.
    own(&lab.state(), NEUTRON_ID);
    let theirs = lab.directory("theirs", 0o755);
    lab.give(&theirs, STRANGER_ID);
    let mut config = self::config();
    config.socket = theirs.join("metadata_proxy");
    assert!(wait_until(5.0, || network.gate.listening().is_empty()));
    refused(lab, &network, &config, &["/run/lab/theirs", "64043"]);
}

fn an_access_control_list_on_the_way_is_seen(lab: &Lab) {
    lab.needs_root("an account beside the gate's");
    lab.needs("/usr/bin/setfacl", "apt-get install acl");
    let network = lab.network();
    let agent = RecordingAgent::start(&lab.socket(), Answer::ok("hello"));
    let state = lab.state();
    let pids = config().pid_file.parent().unwrap().to_owned();
    for (path, words, named) in [
        (&state, ["-m", "u:stranger:rwx"], "uid 64043"),
        (&state, ["-m", "g:stranger:-wx"], "group 64043"),
        (&pids, ["-m", "u:stranger:rwx"], "uid 64043"),
        (&PathBuf::from("/run/lab"), ["-m", "u:stranger:rwx"], "uid 64043"),
    ] {
        facl(&words, path);
        let mode = fs::metadata(path).unwrap();
        assert!(mode.mode() & 0o002 == 0 && mode.gid() == 0, "the mode says nothing of it: {:o}", mode.mode());
        refused(lab, &network, &config(), &[path.to_str().unwrap(), "access control list", named, "getfacl"]);
        facl(&["-b"], path);
    }
    drop(served(lab, &network, &agent, &config()));
    // The text that decides the network's identity.
    assert!(wait_until(5.0, || network.gate.listening().is_empty()));
    let file = lab.directory("settings", 0o755).join("gate.toml");
    toml(lab, &file, "neutron", "");
    facl(&["-m", "u:stranger:rw"], &file);
    let started = nsgate(lab, &network.gate, &["run", "--config", file.to_str().unwrap()]);
    assert!(started.code() == Some(1) && started.stderr.contains("uid 64043"), "{started:#?}");
}

/// Group bits are the mask of a list: they may say "write" where no user may.
fn an_access_control_list_that_lets_nobody_in_is_no_reason_to_refuse(lab: &Lab) {
    lab.needs_root("an account beside the gate's");
    lab.needs("/usr/bin/setfacl", "apt-get install acl");
    let network = lab.network();
    let agent = RecordingAgent::start(&lab.socket(), Answer::ok("hello"));
    lchown(lab.state(), Some(0), Some(STRANGER_ID)).unwrap();
    facl(&["-m", "u:neutron:rwx,u:stranger:rx,g::rx"], &lab.state());
    assert_eq!(fs::metadata(lab.state()).unwrap().mode() & 0o777, 0o775, "by the mode the group writes");
    drop(served(lab, &network, &agent, &config()));
}

fn a_socket_among_strangers_is_warned_of(lab: &Lab) {
    lab.needs_root("a socket of another account");
    let network = lab.network();
    let id = format!("--network-id={NETWORK}");
    // A gate in the foreground, whose log is its standard error.
    let start = |socket: &Path| {
        let log = lab.state().join("said.log");
        let (backend, output) = (format!("--backend={}", socket.display()), fs::File::create(&log).unwrap());
        let mut child = network
            .gate
            .command(&lab.program.nsgate().to_string_lossy())
            .args(["run", &id, "--listen=169.254.169.254:80", &backend, "--user=neutron"])
            .stdin(Stdio::null())
            .stderr(output)
            .spawn()
            .unwrap();
        assert!(wait_until(10.0, || !network.gate.listening().is_empty()), "{}", text(&log));
        assert!(wait_until(10.0, || text(&log).contains("Serving")), "{}", text(&log));
        let _ = child.kill();
        let _ = child.wait();
        assert!(wait_until(5.0, || network.gate.listening().is_empty()));
        text(&log)
    };
    let mut config = config();
    let warned = |config: &Config, words: &[&str]| {
        let checked = check(lab, &[write_config(lab, config).to_str().unwrap()]);
        assert_eq!(checked.code(), Some(0), "{checked:#?}");
        for said in [checked.stderr, start(&config.socket)] {
            assert_eq!(said.contains("sees the whole directory"), !words.is_empty(), "{said}");
            assert!(words.iter().all(|word| said.contains(word)), "{words:?}: {said}");
        }
    };
    config.socket = "/run/metadata_proxy".into();
    warned(&config, &["directory /run,", "all programs of this host share it", "a directory of its own"]);
    symlink("/run", "/run/lab/var-run").unwrap();
    config.socket = "/run/lab/var-run/metadata_proxy".into();
    warned(&config, &["directory /run,"]);
    // Neutron's ordinary directory: the agent's other sockets and files are the agent's.
    own(&lab.state(), NEUTRON_ID);
    let others: Vec<UnixListener> = ["keepalived-state-change", "metadata_proxy"]
        .map(|name| UnixListener::bind(lab.state().join(name)).unwrap())
        .into();
    own(&lab.state(), NEUTRON_ID);
    config.socket = lab.socket();
    warned(&config, &[]);
    let _theirs = UnixListener::bind(lab.state().join("other.sock")).unwrap();
    lab.give(&lab.state().join("other.sock"), STRANGER_ID);
    warned(&config, &["other.sock, a socket of uid 64043"]);
    drop(others);
}

fn check_says_of_a_pools_paths_what_a_start_says(lab: &Lab) {
    lab.needs_root("keeper and worker are different users");
    let file = lab.directory("settings", 0o755).join("pool.toml");
    let open = lab.directory("open", 0o777);
    let plain = lab.state().join("plain");
    fs::write(&plain, "").unwrap();
    let right = [pool::socket_path(lab), lab.socket(), pool::metrics_path(lab)];
    let said = |[socket, backend, metrics]: [PathBuf; 3]| {
        let text =
            format!("socket = {socket:?}\nbackends = [{backend:?}]\nmetrics = {metrics:?}\nuser = \"neutron\"\n");
        fs::write(&file, text).unwrap();
        check(lab, &["--dialect", "pool", file.to_str().unwrap()])
    };
    let accepted = said(right.clone());
    assert_eq!(accepted.code(), Some(0), "{accepted:#?}");
    for (path, word) in [(open.join("s"), "/run/lab/open"), (plain, "plain"), ("/run/lab/absent/s".into(), "absent")] {
        for place in 0..3 {
            let mut wrong = right.clone();
            wrong[place] = path.clone();
            let checked = said(wrong);
            assert!(checked.code() == Some(1) && checked.stderr.contains(word), "{place}: {checked:#?}");
            let mut command = Command::new(lab.program.nsgate());
            command.args(["pool", "--config", file.to_str().unwrap()]);
            let started = communicate(command, Duration::from_secs(10));
            // Before it a start may say what descriptors it got.
            assert!(started.code() == Some(1) && started.stderr.ends_with(&checked.stderr), "{place}: {started:#?}");
        }
    }
}

/// No user can take the name of a file that is not finished yet: not by guessing, and not by removing the file.
fn names_that_are_taken_are_left_alone(lab: &Lab) {
    lab.needs_root("keeper and worker are different users");
    let network = lab.network();
    let _agent = RecordingAgent::start(&lab.socket(), Answer::ok("hello"));
    let pids = config().pid_file;
    let socket = pool::socket_path(lab);
    let taken = |place: &Path, number: u32| {
        let name = format!(".{}.{number}", place.file_name().unwrap().to_string_lossy());
        place.with_file_name(name)
    };
    let names: Vec<PathBuf> = [&pids, &socket].iter().flat_map(|place| (1..3000).map(|n| taken(place, n))).collect();
    names.iter().for_each(|name| fs::write(name, "theirs").unwrap());
    let entries = |place: &Path| fs::read_dir(place.parent().unwrap()).unwrap().count();
    let before = [entries(&pids), entries(&socket)];
    drop(Gate::start(lab, &network.gate, &config()));
    let pool = Pool::start(lab);
    let left = names.iter().filter(|name| text(name) == "theirs").count();
    assert_eq!(left, names.len(), "files of others are gone");
    assert_eq!([entries(&pids), entries(&socket)], [before[0] + 1, before[1] + 2], "and nothing else was left there");
    drop(pool);
    // Nor does a start that fails leave or take anything: what is not a socket is not replaced.
    let metrics = pool::metrics_path(lab);
    fs::remove_file(&metrics).unwrap();
    fs::write(&metrics, "theirs").unwrap();
    fs::remove_file(&socket).unwrap();
    let started = Pool::refused(lab, &[]);
    assert!(started.code() == Some(1) && started.stderr.contains("left alone"), "{started:#?}");
    assert_eq!((text(&metrics).as_str(), socket.exists(), entries(&socket)), ("theirs", false, before[1] + 1));
}
