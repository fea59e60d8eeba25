//! SIGHUP and the host-wide proxy: the text is read anew by a second process that opens one file and no other, no
//! guest's connection is touched, and nothing that was given up comes back.

use std::fs;
use std::io::Write;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, chown, mkfifo};
use nsgate_tests::gate::nsgate;
use nsgate_tests::host::{
    CONFIG, Nova, PID_FILE, ask_from, guest, many_instances, reader_of, replace, run, start, three_instances,
};
use nsgate_tests::lab::{text, wait_until};
use nsgate_tests::procfs::{CAPABILITY_SETS, Process};
use nsgate_tests::{Gate, Lab, Network, Response, SyslogReader, suite};

fn main() {
    suite!["host_reload":
        the_new_text_is_served_in_the_same_process,
        a_kept_connection_asks_in_the_name_that_its_address_has_now,
        a_request_under_way_is_answered_in_the_name_it_had,
        many_signals_end_with_the_last_text,
        ten_thousand_instances_are_taken_over_while_guests_ask,
        a_text_with_an_error_changes_nothing_and_says_where,
        what_cannot_change_is_refused_by_its_word,
        a_file_that_cannot_be_believed_is_refused,
        a_file_that_an_access_control_list_lets_others_write_is_refused,
        a_directory_in_the_place_of_the_pinned_one_is_not_read,
        no_privilege_comes_back,
        the_reader_holds_a_directory_and_two_pipes,
        the_end_of_either_is_the_end_of_both,
        in_the_foreground_the_supervisor_passes_it_on,
        sigusr2_reads_the_text_anew_as_haproxys_master_does,
        a_path_that_cannot_be_pinned_starts_nothing,
        a_file_that_the_user_may_not_read_is_said_at_the_start,
    ]
}

/// A log beside the proxy's configuration, and the text that names it.
fn logged(lab: &Lab, text: &str) -> (SyslogReader, String) {
    let path = lab.directory("log", 0o755).join("socket");
    let log = SyslogReader::bind(&path);
    (log, text.replace("/dev/log", &path.display().to_string()))
}

/// Signals, and waits for the line that says what came of it; what is said around it comes along.
fn reload(gate: &Gate, log: &SyslogReader) -> String {
    gate.signal(Signal::SIGHUP);
    let mut said = String::new();
    while let Some(line) = log.next(10.0) {
        said.push_str(&line);
        said.push('\n');
        if line.contains("SIGHUP") {
            return said + &log.all(0.1).join("\n");
        }
    }
    panic!("no word of SIGHUP: {said}");
}

/// The third instance gets the second one's address, and the second none.
fn moved(text: &str) -> String {
    text.replace("src 10.0.0.12", "src 10.0.0.99").replace("src 10.0.0.14", "src 10.0.0.12")
}

fn the_new_text_is_served_in_the_same_process(lab: &Lab) {
    let network = lab.network();
    let nova = Nova::start(&network);
    let (log, text) = logged(lab, &three_instances());
    let gate = start(lab, &network, &text);
    assert_eq!(ask_from(&network, 12, "/").status, 200);
    assert_eq!(nova.last_instance(), "2f6d1f5f1a01");
    replace(&moved(&text));
    assert!(reload(&gate, &log).contains("3 instances instead of 3"));
    assert_eq!(ask_from(&network, 12, "/").status, 200);
    assert_eq!(nova.last_instance(), "2f6d1f5f1a02");
    // Two instances are gone.
    let (one, _) = text.split_once("\n    acl instance_5f0c7c3e-0b1d-4a7c-9a57-2f6d1f5f1a01").unwrap();
    let uses = text.lines().find(|line| line.contains("use_backend") && line.contains("1a00")).unwrap();
    let backend = text.split("\nbackend ").nth(1).unwrap();
    replace(&format!("{one}\n{uses}\nbackend {backend}"));
    assert!(reload(&gate, &log).contains("1 instances instead of 3"));
    assert_eq!(ask_from(&network, 12, "/").status, 503);
    assert_eq!(ask_from(&network, 11, "/").status, 200);
    assert!(gate.alive() && text_of_pid_file() == gate.pid);
}

fn text_of_pid_file() -> i32 {
    text(PID_FILE).trim().parse().unwrap()
}

fn a_kept_connection_asks_in_the_name_that_its_address_has_now(lab: &Lab) {
    let network = lab.network();
    let nova = Nova::start(&network);
    let (log, text) = logged(lab, &three_instances());
    let gate = start(lab, &network, &text);
    let mut kept = guest(&network, 12).connect().unwrap();
    let mut ask = || {
        kept.write_all(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n").unwrap();
        Response::read(&mut kept).unwrap().status
    };
    assert_eq!((ask(), nova.last_instance().as_str()), (200, "2f6d1f5f1a01"));
    replace(&moved(&text));
    reload(&gate, &log);
    assert_eq!((ask(), nova.last_instance().as_str()), (200, "2f6d1f5f1a02"));
    replace(&text.replace("src 10.0.0.12", "src 10.0.0.99"));
    reload(&gate, &log);
    assert_eq!(ask(), 503, "no instance's address any more");
}

fn a_request_under_way_is_answered_in_the_name_it_had(lab: &Lab) {
    let network = lab.network();
    let nova = Nova::slow(&network, Duration::from_millis(700));
    let (log, text) = logged(lab, &three_instances());
    let gate = start(lab, &network, &text);
    let mut stream = guest(&network, 12).connect().unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n").unwrap();
    assert!(wait_until(5.0, || nova.seen().len() == 1));
    replace(&text.replace("src 10.0.0.12", "src 10.0.0.99"));
    reload(&gate, &log);
    assert_eq!(Response::read(&mut stream).unwrap().status, 200);
    assert_eq!(nova.last_instance(), "2f6d1f5f1a01");
}

fn many_signals_end_with_the_last_text(lab: &Lab) {
    let network = lab.network();
    let nova = Nova::start(&network);
    let text = three_instances();
    let gate = start(lab, &network, &text);
    for round in 0..100 {
        replace(if round % 2 == 0 { moved(&text) } else { text.clone() }.as_str());
        gate.signal(Signal::SIGHUP);
    }
    replace(&moved(&text));
    gate.signal(Signal::SIGHUP);
    assert!(wait_until(10.0, || {
        assert_eq!(ask_from(&network, 12, "/").status, 200);
        nova.last_instance() == "2f6d1f5f1a02"
    }));
    assert!(gate.alive());
}

fn ten_thousand_instances_are_taken_over_while_guests_ask(lab: &Lab) {
    let network = lab.network();
    let nova = Nova::start(&network);
    let (log, text) = logged(lab, &many_instances(100));
    let gate = start(lab, &network, &text);
    let mut kept = guest(&network, 12).connect().unwrap();
    let many = many_instances(10_000).replace("/dev/log", &log.path().display().to_string());
    replace(&many);
    gate.signal(Signal::SIGHUP);
    let mut answered = 0;
    loop {
        kept.write_all(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n").unwrap();
        assert_eq!(Response::read(&mut kept).unwrap().status, 200);
        answered += 1;
        assert_eq!(nova.last_instance(), "2f6d00000012");
        if let Some(line) = log.find("SIGHUP", 0.05) {
            println!("{line} ({answered} requests meanwhile)");
            assert!(line.contains("10000 instances instead of 100"), "{line}");
            break;
        }
        assert!(answered < 2000, "no word of SIGHUP");
    }
}

fn a_text_with_an_error_changes_nothing_and_says_where(lab: &Lab) {
    let network = lab.network();
    let nova = Nova::start(&network);
    let (log, text) = logged(lab, &three_instances());
    let gate = start(lab, &network, &text);
    let line = text.lines().position(|line| line.contains("src 10.0.0.12")).unwrap() + 1;
    for (changed, words) in [
        (text.replace("src 10.0.0.12", "src 10.0.0.0/8"), [format!(":{line}:"), "10.0.0.0/8".to_owned()]),
        (text.replace("src 10.0.0.12", "src 10.0.0.11"), ["second instance".to_owned(), "10.0.0.11".to_owned()]),
        (text.replace("0000abcdef", "0000abcdeg"), ["not a signature".to_owned(), ":53:53: ".to_owned()]),
        ("global\n    daemon\n".to_owned(), ["`frontend`".to_owned(), CONFIG.to_owned()]),
        (String::new(), ["`frontend`".to_owned(), CONFIG.to_owned()]),
        (
            text.replace("frontend public", "frontend public\nlisten x\n bind *:90"),
            ["`listen`".to_owned(), CONFIG.to_owned()],
        ),
    ] {
        assert_ne!(changed, text);
        replace(&changed);
        let said = reload(&gate, &log);
        assert!(said.contains("changes nothing: 3 instances"), "{said}");
        assert!(words.iter().all(|word| said.contains(word.as_str())), "{words:?}: {said}");
        assert!(!said.contains("abcdeg"), "a signature is not repeated: {said}");
        assert_eq!(ask_from(&network, 12, "/").status, 200);
        assert_eq!(nova.last_instance(), "2f6d1f5f1a01");
    }
    replace(&moved(&text));
    assert!(reload(&gate, &log).contains("instead of"));
}

fn what_cannot_change_is_refused_by_its_word(lab: &Lab) {
    let network = lab.network();
    let _nova = Nova::start(&network);
    let (log, text) = logged(lab, &three_instances());
    let gate = start(lab, &network, &text);
    for (from, to, word) in [
        ("*:80 ", "*:8080 ", "`bind` is 0.0.0.0:8080 in the text, and 0.0.0.0:80 since the start"),
        ("127.0.0.1:8775", "127.0.0.1:8776", "`server` is 127.0.0.1:8776"),
        ("127.0.0.1:8775", "127.0.0.2:8775", "`server` is 127.0.0.2:8775"),
        ("user        neutron", "user        nobody", "`user` is nobody"),
        ("user        neutron", "user        root", "`user` is root"),
        ("timeout client          32s", "timeout client          33s", "`timeout client` is 33s"),
    ] {
        // Other instances beside it: all or nothing.
        let changed = moved(&text).replace(from, to);
        assert_ne!(changed, moved(&text));
        replace(&changed);
        let said = reload(&gate, &log);
        assert!(said.contains(word) && said.contains("start it anew"), "{word}: {said}");
        assert!(said.contains("changes nothing"), "{said}");
        assert_eq!(ask_from(&network, 14, "/").status, 200, "the instances are the old ones");
    }
    assert_eq!(network.gate.listening().len(), 2, "Nova's and ours: {:?}", network.gate.listening());
}

fn a_file_that_cannot_be_believed_is_refused(lab: &Lab) {
    let network = lab.network();
    let _nova = Nova::start(&network);
    let (log, text) = logged(lab, &three_instances());
    let gate = start(lab, &network, &text);
    let elsewhere = lab.state().join("elsewhere.conf");
    fs::write(&elsewhere, moved(&text)).unwrap();
    let mode = |bits| fs::set_permissions(CONFIG, PermissionsExt::from_mode(bits)).unwrap();
    let refused = |what: &str, word: &str| {
        let said = reload(&gate, &log);
        assert!(said.contains(word) && said.contains("changes nothing"), "{what}: {said}");
        assert_eq!(ask_from(&network, 14, "/").status, 200, "{what}");
    };
    fs::remove_file(CONFIG).unwrap();
    refused("nothing", "it is not there");
    symlink(&elsewhere, CONFIG).unwrap();
    refused("a link", "symbolic link");
    fs::remove_file(CONFIG).unwrap();
    mkfifo(CONFIG, nix::sys::stat::Mode::from_bits_truncate(0o644)).unwrap();
    refused("a FIFO", "this is a FIFO");
    fs::remove_file(CONFIG).unwrap();
    fs::create_dir(CONFIG).unwrap();
    refused("a directory", "a plain file");
    fs::remove_dir(CONFIG).unwrap();
    replace(&moved(&text));
    mode(0o666);
    refused("a file that everybody writes", "others may write this file (mode 0666)");
    mode(0o644);
    if lab.is_root() {
        chown(CONFIG, Some(12345.into()), None).unwrap();
        refused("a stranger's file", "belongs to uid 12345");
        chown(CONFIG, Some(0.into()), Some(0.into())).unwrap();
        mode(0o600);
        refused("a file that only root reads", "permission denied");
        mode(0o644);
    }
    replace("global\n\u{0}");
    refused("a text with a NUL", "`frontend`");
    fs::write(format!("{CONFIG}.new"), b"global\n  # \xff\n").unwrap();
    fs::rename(format!("{CONFIG}.new"), CONFIG).unwrap();
    refused("not UTF-8", "line 2 is not UTF-8");
    // One byte more than the bound. A sparse file takes no room.
    replace(&moved(&text));
    fs::File::options().write(true).open(CONFIG).unwrap().set_len(64 * 1024 * 1024 + 1).unwrap();
    refused("too large", "larger than 67108864 bytes");
    replace(&moved(&text));
    assert!(reload(&gate, &log).contains("instead of"));
    assert_eq!(ask_from(&network, 14, "/").status, 503);
}

fn text_of(pid: i32) -> String {
    text(format!("/proc/{pid}/status"))
}

/// By the mode, its group may write it, which is the gate's user's.
fn a_file_that_an_access_control_list_lets_others_write_is_refused(lab: &Lab) {
    lab.needs_root("an account beside the gate's");
    lab.needs("/usr/bin/setfacl", "apt-get install acl");
    let network = lab.network();
    let _nova = Nova::start(&network);
    let (log, text) = logged(lab, &three_instances());
    let gate = start(lab, &network, &text);
    let facl = |words: &str| {
        let done = std::process::Command::new("setfacl").args(["-m", words, CONFIG]).status().expect("setfacl");
        assert!(done.success(), "{words}");
    };
    let group = nsgate_tests::world::NEUTRON_ID;
    assert!(text_of(gate.pid).contains(&format!("\nGid:\t{group}\t")), "the gate's own group");
    replace(&moved(&text));
    chown(CONFIG, Some(0.into()), Some(group.into())).unwrap();
    facl("u:stranger:rw,g::r");
    assert_eq!(fs::metadata(CONFIG).unwrap().mode() & 0o070, 0o060, "the mask says write");
    let said = reload(&gate, &log);
    assert!(said.contains("changes nothing") && said.contains("access control list"), "{said}");
    assert_eq!(ask_from(&network, 14, "/").status, 200);
    // A list that lets no other user write is no reason to refuse.
    facl("u:stranger:r,m::rw");
    assert!(reload(&gate, &log).contains("instead of"));
    assert_eq!(ask_from(&network, 14, "/").status, 503);
}

fn a_directory_in_the_place_of_the_pinned_one_is_not_read(lab: &Lab) {
    let network = lab.network();
    let _nova = Nova::start(&network);
    let (log, text) = logged(lab, &three_instances());
    let gate = start(lab, &network, &text);
    let (state, kept) = (lab.state(), lab.state().with_file_name("kept"));
    fs::rename(&state, &kept).unwrap();
    fs::create_dir(&state).unwrap();
    fs::write(CONFIG, moved(&text)).unwrap();
    assert!(reload(&gate, &log).contains("3 instances instead of 3"));
    assert_eq!(ask_from(&network, 14, "/").status, 200, "the text of the directory that was pinned");
    fs::write(kept.join(Path::new(CONFIG).file_name().unwrap()), moved(&text)).unwrap();
    assert!(reload(&gate, &log).contains("3 instances instead of 3"));
    assert_eq!(ask_from(&network, 14, "/").status, 503, "it is followed at each place");
}

fn no_privilege_comes_back(lab: &Lab) {
    let network = lab.network();
    let _nova = Nova::start(&network);
    let (log, text) = logged(lab, &three_instances());
    let gate = start(lab, &network, &text);
    let both = [gate.pid, reader_of(gate.pid)];
    let held = || {
        both.map(|pid| {
            let process = Process::new(pid);
            let words = ["Uid", "Gid", "Groups", "Seccomp", "Seccomp_filters", "NoNewPrivs", "Threads"]
                .map(|key| process.status(key));
            let sets = CAPABILITY_SETS.map(|set| process.capabilities(set));
            assert_eq!(sets, [0; 5]);
            let kinds = process.descriptors().map(|all| {
                all.into_iter()
                    .map(|(number, what)| (number, what.split(":[").next().unwrap_or_default().to_owned()))
                    .collect::<Vec<_>>()
            });
            (words, sets, kinds)
        })
    };
    // A line of the log and a guest's connection come and go.
    assert_eq!(ask_from(&network, 11, "/").status, 200);
    std::thread::sleep(Duration::from_millis(200));
    let before = held();
    for round in 0..5 {
        replace(&if round % 2 == 0 { moved(&text) } else { text.clone() });
        reload(&gate, &log);
    }
    assert_eq!(held(), before);
    if lab.is_root() {
        for pid in both {
            let attested = nsgate(lab, &network.gate, &["attest", &pid.to_string()]);
            assert_eq!(attested.code(), Some(0), "{attested:#?}");
        }
        let all = nsgate(lab, &network.gate, &["attest", "--all"]);
        assert_eq!((all.code(), all.stdout.matches("ok ").count()), (Some(0), 2), "{all:#?}");
    }
}

fn the_reader_holds_a_directory_and_two_pipes(lab: &Lab) {
    lab.needs_root("the descriptors of a process that cannot be dumped are root's");
    let network = lab.network();
    let gate = start(lab, &network, &three_instances());
    let reader = Process::new(reader_of(gate.pid));
    let held: Vec<_> = reader.descriptors().unwrap().into_iter().collect();
    let kinds: Vec<_> = held.iter().map(|(number, what)| (*number, what.split(":[").next().unwrap())).collect();
    assert_eq!(
        kinds[..5],
        [(0, "/dev/null"), (1, "/dev/null"), (2, "/dev/null"), (3, "pipe"), (4, "pipe")],
        "{held:?}"
    );
    let [(5, directory)] = &held[5..] else { panic!("{held:?}") };
    assert_eq!(directory, "/", "a view of the directory that is shown nowhere");
    assert_eq!(text(format!("/proc/{}/comm", reader.pid)), "haproxy-reader\n");
    assert!(reader.root_entries().is_empty());
    assert!(reader.mounts().iter().all(|mount| mount.contains(" ro,")), "{:?}", reader.mounts());
    let own = Process::new(gate.pid);
    for kind in ["mnt", "ipc", "uts"] {
        assert_ne!(reader.namespace(kind), own.namespace(kind), "{kind}");
    }
    assert_eq!(reader.namespace("pid"), own.namespace("pid"));
    let sockets = own.descriptors().unwrap().into_values().filter(|what| what.starts_with("socket:")).count();
    assert!(sockets > 0, "the one in the pid file is the one that serves");
}

fn the_end_of_either_is_the_end_of_both(lab: &Lab) {
    let network = lab.network();
    let _nova = Nova::start(&network);
    for (to_reader, signal) in
        [(false, Signal::SIGKILL), (true, Signal::SIGKILL), (false, Signal::SIGTERM), (true, Signal::SIGTERM)]
    {
        let gate = start(lab, &network, &three_instances());
        let reader = reader_of(gate.pid);
        // SIGHUP is not the reader's.
        kill(Pid::from_raw(reader), Signal::SIGHUP).unwrap();
        assert_eq!(ask_from(&network, 11, "/").status, 200);
        kill(Pid::from_raw(if to_reader { reader } else { gate.pid }), signal).unwrap();
        assert!(gate.ended_within(Duration::from_secs(2)), "{signal} to the reader: {to_reader}");
        assert!(wait_until(2.0, || !Path::new(&format!("/proc/{reader}")).exists()), "{signal}");
        assert_eq!(network.gate.listening().len(), 1, "Nova's alone");
    }
}

fn in_the_foreground_the_supervisor_passes_it_on(lab: &Lab) {
    let network = lab.network();
    let nova = Nova::start(&network);
    replace(&three_instances());
    if !lab.program.is_nsgate() {
        lab.skip("haproxy has a suite of its own for this");
    }
    let mut command = nsgate_tests::gate::agent_command(
        lab,
        &network.gate,
        "host_metadata_proxy",
        &["-Ws", "-f", CONFIG, "-p", PID_FILE],
    );
    let mut child = command.spawn().unwrap();
    assert!(wait_until(10.0, || Path::new(PID_FILE).exists() && !text(PID_FILE).is_empty()));
    let pid = Pid::from_raw(text_of_pid_file());
    assert_eq!(pid.as_raw(), child.id() as i32);
    assert_eq!(ask_from(&network, 12, "/").status, 200);
    replace(&moved(&three_instances()));
    kill(pid, Signal::SIGHUP).unwrap();
    assert!(wait_until(10.0, || {
        assert_eq!(ask_from(&network, 12, "/").status, 200);
        nova.last_instance() == "2f6d1f5f1a02"
    }));
    kill(pid, Signal::SIGKILL).unwrap();
    child.wait().unwrap();
    assert!(wait_until(2.0, || network.gate.listening().len() == 1), "{:?}", network.gate.listening());
}

fn sigusr2_reads_the_text_anew_as_haproxys_master_does(lab: &Lab) {
    let network = lab.network();
    let nova = Nova::start(&network);
    let (log, text) = logged(lab, &three_instances());
    let gate = start(lab, &network, &text);
    replace(&moved(&text));
    gate.signal(Signal::SIGUSR2);
    assert!(log.find("3 instances instead of 3", 5.0).is_some());
    assert_eq!(ask_from(&network, 12, "/").status, 200);
    assert_eq!(nova.last_instance(), "2f6d1f5f1a02");
    assert!(gate.alive());
}

fn a_path_that_cannot_be_pinned_starts_nothing(lab: &Lab) {
    let network = lab.network();
    let directory = lab.directory("others", 0o777);
    let inside = directory.join("host.conf");
    fs::write(&inside, three_instances()).unwrap();
    let link = lab.state().join("link.conf");
    symlink(CONFIG, &link).unwrap();
    fs::write(CONFIG, three_instances()).unwrap();
    let stranger = lab.state().join("open.conf");
    fs::write(&stranger, three_instances()).unwrap();
    fs::set_permissions(&stranger, PermissionsExt::from_mode(0o646)).unwrap();
    for (path, word) in [
        (&inside, "others may write in this directory"),
        (&link, "symbolic link"),
        (&stranger, "others may write this file"),
    ] {
        let started = run_file(lab, &network, path);
        assert!(started.closed && started.code() == Some(1), "{started:#?}");
        assert!(started.stderr.contains(word), "{word}: {}", started.stderr);
        assert!(network.gate.listening().is_empty() && !Path::new(PID_FILE).exists());
    }
    // A judgement of the text opens no other question.
    assert!(run(lab, &network, &["-c"]).ok());
}

fn run_file(lab: &Lab, network: &Network, path: &Path) -> nsgate_tests::Started {
    if !lab.program.is_nsgate() {
        lab.skip("haproxy has a suite of its own for this");
    }
    let words = ["-f".as_ref(), path.as_os_str(), "-p".as_ref(), PID_FILE.as_ref()];
    nsgate_tests::gate::communicate(
        nsgate_tests::gate::agent_command(lab, &network.gate, "host_metadata_proxy", &words),
        Duration::from_secs(10),
    )
}

fn a_file_that_the_user_may_not_read_is_said_at_the_start(lab: &Lab) {
    lab.needs_root("root reads what the proxy's user may not");
    let network = lab.network();
    let nova = Nova::start(&network);
    let (log, text) = logged(lab, &three_instances());
    fs::write(CONFIG, &text).unwrap();
    chown(CONFIG, Some(0.into()), Some(0.into())).unwrap();
    fs::set_permissions(CONFIG, PermissionsExt::from_mode(0o600)).unwrap();
    let started = run(lab, &network, &["-p", PID_FILE]);
    assert!(started.ok(), "{started:#?}");
    let gate = Gate::adopt(CONFIG.into(), PID_FILE.into(), started).unwrap();
    assert!(log.find("may not read this: SIGHUP will change nothing", 5.0).is_some());
    assert_eq!(ask_from(&network, 11, "/").status, 200);
    assert_eq!(nova.last_instance(), "2f6d1f5f1a00");
    assert!(reload(&gate, &log).contains("permission denied"));
}
