//! The documentation does what it says: every command of every page is run, but for those that say why not.

use nix::mount::{MsFlags, mount};
use nsgate_tests::book::{NOT_RUN, PAGES, matches, run, run_beside, steps};
use nsgate_tests::config::NETWORK;
use nsgate_tests::gate::{communicate, nsgate};
use nsgate_tests::journald::Journald;
use nsgate_tests::lab::wait_until;
use nsgate_tests::program::{target, workspace};
use nsgate_tests::second_hop::{INSTANCE, instance};
use nsgate_tests::{Answer, Config, Guest, Kind, Lab, Namespace, Network, RecordingAgent, SyslogReader, host, suite};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

fn main() {
    suite!["book":
        the_readme_does_what_it_says,
        getting_started_does_what_it_says,
        diagnostics_are_what_the_page_shows,
        migration_there_and_back,
        operations_asks_a_gate_what_it_holds,
        the_pool_of_the_page_serves,
        the_packages_agent_is_checked_as_the_page_says,
        guards_give_out_tokens,
        events_are_found_in_the_journal,
        a_killed_call_is_explained,
        the_hosts_proxy_reads_anew,
        the_proxy_of_before_haproxy,
        profiles_are_put_in_their_places,
        pages_of_which_nothing_can_be_run_say_why,
        a_page_that_says_something_else_is_noticed,
        every_page_is_run_and_every_exception_is_needed,
        the_table_of_processes_has_every_policy_and_a_file_for_each_process,
    ]
}

/// Another network of the same host.
const OTHER: &str = "0b2f8f1e-51a4-4f7d-8f0c-3a5d1c9e7b42";

fn runs(lab: &Lab, page: &str, namespace: Option<&Namespace>) {
    assert!(PAGES.contains(&page));
    run(lab, page, namespace);
}

fn runs_beside(lab: &Lab, page: &str, monitor: impl Fn()) {
    assert!(PAGES.contains(&page));
    run_beside(lab, page, None, monitor);
}

/// A directory of this world's own in the place of one of the host's. The tree under test stays where it is, also below that.
fn own(path: &str) {
    let none: Option<&str> = None;
    let failed = |e| panic!("{path}: {e}");
    let below = |directory: &PathBuf| directory.starts_with(path);
    let kept: Vec<(PathBuf, PathBuf)> = [workspace(), target()]
        .into_iter()
        .filter(below)
        .enumerate()
        .map(|(number, directory)| (directory, PathBuf::from(format!("/run/kept-{number}"))))
        .collect();
    for (directory, aside) in &kept {
        fs::create_dir_all(aside).expect("a directory aside");
        mount(Some(directory), aside, none, MsFlags::MS_BIND | MsFlags::MS_REC, none).unwrap_or_else(failed);
    }
    mount(Some("lab"), path, Some("tmpfs"), MsFlags::empty(), Some("mode=0755")).unwrap_or_else(failed);
    mount(none, path, none, MsFlags::MS_PRIVATE, none).expect("private");
    for (directory, aside) in &kept {
        fs::create_dir_all(directory).expect("the tree's directory");
        mount(Some(aside), directory, none, MsFlags::MS_BIND | MsFlags::MS_REC, none).unwrap_or_else(failed);
    }
}

/// A host as Neutron leaves it: its state directory, an agent, the accounts, nsgate's settings.
fn neutrons_host(lab: &Lab) -> RecordingAgent {
    lab.needs_root("the pages are written for root");
    lab.needs("/usr/bin/curl", "apt-get install curl");
    own("/var/lib");
    own("/tmp");
    for directory in ["ns-metadata-proxy", "external/pids"] {
        fs::create_dir_all(Path::new("/var/lib/neutron").join(directory)).expect("Neutron's directories");
    }
    // Its packages give the state to its account, so a pool of another user may not be asked to walk there.
    lab.give(Path::new("/var/lib/neutron"), nsgate_tests::world::NEUTRON_ID);
    for directory in ["/etc/nsgate", "/run/nsgate"] {
        fs::create_dir_all(directory).expect("nsgate's directories");
    }
    fs::write("/etc/nsgate/nsgate.toml", "allow_root = false\n").expect("the site's settings");
    for (file, line) in
        [("/etc/passwd", "nsgate:x:64044:64044::/nonexistent:/usr/sbin/nologin\n"), ("/etc/group", "nsgate:x:64044:\n")]
    {
        let text = fs::read_to_string(file).expect("accounts");
        fs::write(file, line.to_owned() + &text).expect("accounts");
    }
    RecordingAgent::start(Path::new("/var/lib/neutron/metadata_proxy"), Answer::ok("hello"))
}

/// A namespace of Neutron's with the metadata address in it.
fn namespace(name: &str) -> Namespace {
    let namespace = Namespace::create(name);
    nsgate_tests::network::ip(&format!("-n {name} addr add 169.254.169.254/32 dev lo\n"));
    namespace
}

/// Neutron's files of a network, at Neutron's paths.
fn written(id: &str) -> String {
    let path = format!("/var/lib/neutron/ns-metadata-proxy/{id}.conf");
    let text = Config::new(Kind::Network).with_id(id).text().replace("/run/lab/neutron", "/var/lib/neutron");
    fs::write(&path, text).expect("the configuration");
    path
}

/// A gate for it, started as an agent does.
fn started(lab: &Lab, id: &str) {
    namespace(&format!("qdhcp-{id}"));
    written(id);
    started_again(lab, id);
}

/// The same by the agent's process monitor.
fn started_again(lab: &Lab, id: &str) {
    let file = format!("/var/lib/neutron/ns-metadata-proxy/{id}.conf");
    let mut command = Command::new("ip");
    command.args(["netns", "exec", &format!("qdhcp-{id}"), "haproxy", "-f", &file]);
    command.env("PATH", lab.program.search_path());
    let started = communicate(command, Duration::from_secs(10));
    assert!(started.ok(), "{started:#?}");
}

fn the_readme_does_what_it_says(lab: &Lab) {
    let _agent = neutrons_host(lab);
    written(NETWORK);
    namespace(&format!("qdhcp-{NETWORK}"));
    runs(lab, "README.md", None);
}

fn getting_started_does_what_it_says(lab: &Lab) {
    lab.needs_root("the pages are written for root");
    lab.needs("/usr/bin/curl", "apt-get install curl");
    runs(lab, "docs/getting-started.md", None);
}

fn diagnostics_are_what_the_page_shows(lab: &Lab) {
    lab.needs("/usr/bin/script", "apt-get install bsdutils");
    let _agent = neutrons_host(lab);
    let _log = SyslogReader::bind(Path::new("/dev/log"));
    runs(lab, "docs/diagnostics.md", None);
}

fn migration_there_and_back(lab: &Lab) {
    let _agent = neutrons_host(lab);
    nsgate_tests::network::ip("link set lo up\n");
    let _log = SyslogReader::bind(Path::new("/dev/log"));
    packaged_agent();
    fs::write("/etc/nsgate/nova-secret", "swordfish\n").expect("a secret");
    fs::set_permissions("/etc/nsgate/nova-secret", fs::Permissions::from_mode(0o600)).expect("its mode");
    fs::write("/etc/nsgate/instances.toml", instance("10.0.0.11", INSTANCE)).expect("instances");
    let config = fs::read_to_string("/etc/nsgate/agent.toml").expect("the package's file");
    let config = config.replace("/run/credentials/nsgate-agent.service/nova-secret", "/etc/nsgate/nova-secret");
    fs::write("/etc/nsgate/agent.toml", config).expect("its place");
    // As its unit does.
    let mut hop = Command::new(lab.program.nsgate());
    hop.args(["agent", "--foreground", "--config=/etc/nsgate/agent.toml"]).stdin(Stdio::null()).stderr(Stdio::null());
    let mut hop = hop.spawn().expect("nsgate agent");
    started(lab, NETWORK);
    started(lab, OTHER);
    assert!(wait_until(5.0, || Path::new("/run/nsgate/agent.sock").exists()), "{:?}", hop.try_wait());
    runs_beside(lab, "docs/migration.md", || started_again(lab, NETWORK));
    hop.kill().expect("SIGKILL");
    hop.wait().expect("its end");
}

fn operations_asks_a_gate_what_it_holds(lab: &Lab) {
    let _agent = neutrons_host(lab);
    started(lab, NETWORK);
    runs(lab, "docs/operations.md", None);
}

fn the_pool_of_the_page_serves(lab: &Lab) {
    let agent = neutrons_host(lab);
    namespace(&format!("qdhcp-{NETWORK}"));
    runs(lab, "docs/pool.md", None);
    assert_eq!(agent.seen().len(), 1, "the guest of the page asked once");
}

fn packaged_agent() {
    let packaged = workspace().join("xtask/packaging/etc/agent.toml");
    fs::copy(packaged, "/etc/nsgate/agent.toml").expect("the package's file");
}

fn the_packages_agent_is_checked_as_the_page_says(lab: &Lab) {
    let _agent = neutrons_host(lab);
    packaged_agent();
    // As systemd passes it on.
    let credentials = "/run/credentials/nsgate-agent.service";
    fs::create_dir_all(credentials).expect("a directory");
    std::os::unix::fs::symlink("/etc/nsgate/nova-secret", format!("{credentials}/nova-secret")).expect("a link");
    runs(lab, "docs/agent.md", None);
}

/// A gate of nsgate's own configuration in the usual network, with these tables.
fn gate(lab: &Lab, network: &Network, tables: &str) {
    let file = "/run/nsgate/gate.toml";
    let text = format!(
        "network_id = \"{NETWORK}\"\nlisten = [\"169.254.169.254:80\"]\nbackend = \"/var/lib/neutron/metadata_proxy\"\n\
         user = \"neutron\"\ndaemon = true\n{tables}"
    );
    fs::write(file, text).expect("a configuration");
    let started = nsgate(lab, &network.gate, &["run", "--config", file]);
    assert!(started.ok(), "{started:#?}");
}

fn guards_give_out_tokens(lab: &Lab) {
    let agent = neutrons_host(lab);
    let network = lab.network();
    gate(lab, &network, "[guards]\ntokens = \"required\"\n");
    runs(lab, "docs/guards.md", Some(&network.guest));
    assert_eq!(agent.seen().len(), 1, "the second request of the page is let through, and the first is the gate's own");
}

fn events_are_found_in_the_journal(lab: &Lab) {
    let _agent = neutrons_host(lab);
    let journald = Journald::start(lab);
    let network = lab.network();
    gate(lab, &network, "[audit]\nto = \"journald\"\n[trace]\nsampled = true\n");
    let guest = Guest::new(&network.guest);
    let _ = guest.get("/openstack/latest/password");
    let _ = guest.get("/latest/meta-data\nHost: x");
    assert!(wait_until(5.0, || journald.now(&["NSGATE_CLASS=password"]).len() == 1), "an event of the password");
    runs(lab, "docs/audit.md", None);
}

fn a_killed_call_is_explained(lab: &Lab) {
    runs(lab, "docs/killed.md", None);
}

fn the_hosts_proxy_reads_anew(lab: &Lab) {
    let _agent = neutrons_host(lab);
    let network = lab.network();
    let _nova = host::Nova::start(&network);
    let text = host::three_instances().replace("/run/lab/neutron", "/var/lib/neutron");
    fs::write("/var/lib/neutron/host_metadata_proxy.haproxy.conf", text).expect("the configuration");
    runs(lab, "docs/host-proxy.md", Some(&network.gate));
}

fn the_proxy_of_before_haproxy(lab: &Lab) {
    let _agent = neutrons_host(lab);
    written(NETWORK);
    namespace(&format!("qrouter-{NETWORK}"));
    runs(lab, "docs/namespace-proxy.md", None);
    let left = format!("/var/lib/neutron/ns-metadata-proxy/{NETWORK}.conf");
    assert!(!Path::new(&left).exists(), "what older versions left is gone");
}

fn profiles_are_put_in_their_places(lab: &Lab) {
    lab.needs("/usr/bin/checkmodule", "apt-get install checkpolicy");
    lab.needs("/usr/bin/semodule_package", "apt-get install semodule-utils");
    let _agent = neutrons_host(lab);
    // As the package has them.
    own("/usr/share");
    let examples = "docs/examples/systemd";
    let units = ["nsgate-pool.service.d", "nsgate-pool.socket.d"].map(|unit| {
        let directory = Path::new(examples).join(unit);
        (directory.clone(), Path::new("/usr/share/doc/nsgate").join(directory))
    });
    let profiles = ["apparmor", "selinux"]
        .map(|name| (Path::new("xtask/packaging").join(name), Path::new("/usr/share/nsgate").join(name)));
    for (from, to) in profiles.into_iter().chain(units) {
        fs::create_dir_all(&to).expect("a directory");
        for entry in fs::read_dir(workspace().join(from)).expect("files").flatten() {
            fs::copy(entry.path(), to.join(entry.file_name())).expect("a file");
        }
    }
    for directory in ["/etc/apparmor.d", "/etc/systemd"] {
        fs::create_dir_all(directory).expect("a directory");
        own(directory);
    }
    runs(lab, "docs/hardened.md", None);
    let placed = ["apparmor.d/nsgate", "systemd/system/nsgate-pool.service.d/root.conf"];
    assert!(placed.iter().all(|path| Path::new("/etc").join(path).exists()) && Path::new("/tmp/nsgate.pp").exists());
}

fn pages_of_which_nothing_can_be_run_say_why(lab: &Lab) {
    for page in ["docs/embedding.md", "docs/fuzzing.md", "docs/packaging.md"] {
        runs(lab, page, None);
    }
}

fn a_page_that_says_something_else_is_noticed(_: &Lab) {
    let page = "text\n```console\n$ printf 'one\\ntwo 2\\nthree\\n' \\\n    | cat\none\n…\nthree\n# true\n```\n$ not a command\n";
    let found = steps(page);
    assert_eq!(found.iter().map(|step| step.line).collect::<Vec<_>>(), [3, 8]);
    assert_eq!(found[0].command, "printf 'one\\ntwo 2\\nthree\\n' \\\n| cat");
    let lines = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
    assert!(matches(&found[0].output, &lines("one\ntwo 2\nthree")) && matches(&found[0].output, &lines("one\nthree")));
    assert!(!matches(&found[0].output, &lines("one\ntwo")) && !matches(&found[0].output, &lines("two\nthree")));
    assert!(matches(&lines("pid … of …."), &lines("pid 7 of me.")) && !matches(&lines("pid … of …."), &lines("pid 7")));
}

fn every_page_is_run_and_every_exception_is_needed(_: &Lab) {
    let own = include_str!("book.rs");
    for page in PAGES {
        let once = ["runs", "runs_beside"].iter().any(|how| own.contains(&format!("{how}(lab, \"{page}\"")))
            || own.contains(&format!("[\"{page}\", "));
        assert!(once || own.contains(&format!(", \"{page}\"")), "no test runs {page}");
        let text = fs::read_to_string(workspace().join(page)).expect("the page");
        assert!(!steps(&text).is_empty(), "{page} has no commands");
    }
    let mut pages: Vec<String> = vec!["README.md".to_owned(), "CHANGELOG.md".to_owned(), "SECURITY.md".to_owned()];
    let docs = fs::read_dir(workspace().join("docs")).expect("docs").flatten();
    pages.extend(docs.map(|entry| format!("docs/{}", entry.file_name().to_string_lossy())));
    for page in pages.iter().filter(|page| page.ends_with(".md") && !PAGES.contains(&page.as_str())) {
        let text = fs::read_to_string(workspace().join(page)).expect("the page");
        assert_eq!(steps(&text), [], "{page} has commands that no test runs");
    }
    for (page, begins, reason) in NOT_RUN {
        let text = fs::read_to_string(workspace().join(page)).expect("the page");
        let needed = steps(&text).iter().any(|step| step.command.starts_with(begins));
        assert!(needed && !reason.is_empty(), "{page} has no `{begins}` any more");
    }
}

/// The folder of the policies.
fn policies() -> PathBuf {
    let crates = fs::read_dir(workspace().join("crates")).expect("crates").flatten();
    let mut folders = crates.map(|entry| entry.path().join("policy"));
    folders.find(|folder| folder.join("digests.txt").exists()).expect("the policies")
}

fn the_table_of_processes_has_every_policy_and_a_file_for_each_process(_: &Lab) {
    let page = fs::read_to_string(workspace().join("docs/architecture.md")).expect("the page");
    let rows: Vec<Vec<&str>> =
        page.lines().filter(|line| line.starts_with("| **")).map(|line| line.split(" | ").collect()).collect();
    let plain = |cell: &str| cell.trim_matches(['|', ' ', '*', '`']).to_owned();
    let (mut named, mut kinds) = (Vec::new(), 0);
    for row in &rows {
        let [name, _, _, _, policy, file] = row.as_slice() else { panic!("{row:?}") };
        let (name, file) = (plain(name), plain(file));
        assert!(workspace().join("crates").join(&file).exists(), "{name}: {file}");
        // A kind of process may have further policies, each for what the row says behind its name.
        let of_kind: Vec<&str> = policy.split('`').skip(1).step_by(2).collect();
        let Some(usual) = of_kind.first().copied() else {
            assert_eq!(plain(policy), "none", "{name}");
            continue;
        };
        kinds += 1;
        assert_eq!(usual, format!("{}.toml", name.replace(' ', "")), "{name}");
        for policy in of_kind {
            assert!(policies().join(policy).exists(), "{name}: {policy}");
            assert!(policy.starts_with(usual.trim_end_matches(".toml")), "{name}: {policy} is another kind's");
            named.push(policy.replace(".toml", ""));
        }
    }
    let folder = policies();
    let shown = folder.strip_prefix(workspace()).expect("in the tree").display().to_string();
    assert!(page.contains(&shown), "the page does not say that policies are in {shown}");
    let digests = fs::read_to_string(folder.join("digests.txt")).expect("a list of the filters");
    let lines = digests.lines().filter(|line| !line.starts_with('#'));
    let mut all: Vec<String> = lines.filter_map(|line| line.split(' ').next()).map(str::to_owned).collect();
    all.sort();
    all.dedup();
    named.sort();
    assert_eq!(named, all, "a process of its own for each filter, and a filter for each process but the starter");
    assert_eq!(rows.len(), kinds + 1, "the starter has none");
}
