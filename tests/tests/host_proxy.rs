//! The host-wide proxy of Neutron's `metadata_path` extension, started as its agent starts it
//! (`neutron/agent/l2/extensions/metadata/host_metadata_proxy.py`).

use std::fs;
use std::path::Path;
use std::time::Duration;

use nix::sys::signal::Signal;
use nsgate_tests::gate::nsgate;
use nsgate_tests::host::{
    CONFIG, Nova, PID_FILE, ask_from, guest, many_instances, reader_of, replace, run, start, three_instances,
};
use nsgate_tests::lab::wait_until;
use nsgate_tests::procfs::{CAPABILITY_SETS, Process};
use nsgate_tests::{Lab, SyslogReader, suite};

fn main() {
    suite!["host_proxy":
        neutrons_command_serves_each_instance_in_its_own_name,
        what_a_guest_says_of_itself_does_not_pass,
        a_stranger_is_answered_503_and_nova_hears_nothing,
        the_monitor_answers_and_the_statistics_do_not,
        it_holds_what_a_gate_holds_and_no_agents_directory,
        killed_and_started_anew_it_serves_the_new_text,
        nova_that_is_away_is_503_and_found_again,
        a_server_with_a_name_is_looked_up_once,
        c_counts_the_instances,
        nsgate_check_judges_the_whole_text,
        what_is_wrong_is_refused_and_nothing_listens,
        ten_thousand_instances_are_served,
    ]
}

fn neutrons_command_serves_each_instance_in_its_own_name(lab: &Lab) {
    let network = lab.network();
    let nova = Nova::start(&network);
    let gate = start(lab, &network, &three_instances());
    assert!(Process::new(gate.pid).cmdline().join(" ").contains("host_metadata_proxy"), "the agent looks for that");
    for (last, number, signature) in [(11, 0, 0x00ab_cdef), (12, 1, 0x0157_9bde)] {
        let answer = ask_from(&network, last, "/openstack/latest/meta_data.json");
        assert_eq!((answer.status, answer.text().as_str()), (200, "hello"));
        let seen = nova.seen().pop().unwrap();
        let expected = format!(
            "GET /openstack/latest/meta_data.json HTTP/1.1\r\nx-instance-id: 5f0c7c3e-0b1d-4a7c-9a57-2f6d1f5f1a0{number}\r\n\
             x-tenant-id: 0123456789abcdef0123456789abcde{number}\r\nx-instance-id-signature: {signature:064x}\r\n\
             x-forwarded-for: 10.0.0.{last}\r\n"
        );
        assert!(seen.starts_with(&expected), "{seen}\n{expected}");
    }
}

fn what_a_guest_says_of_itself_does_not_pass(lab: &Lab) {
    let network = lab.network();
    let nova = Nova::start(&network);
    let _gate = start(lab, &network, &three_instances());
    let forged =
        "X-Instance-ID: evil\r\nx-tenant-id: evil\r\nX-Instance-ID-Signature: evil\r\nX-Forwarded-For: evil\r\n";
    assert_eq!(guest(&network, 11).get_with("/", forged).unwrap().status, 200);
    assert!(nova.seen().len() == 1 && !nova.seen()[0].contains("evil"), "{:#?}", nova.seen());
}

fn a_stranger_is_answered_503_and_nova_hears_nothing(lab: &Lab) {
    let network = lab.network();
    let nova = Nova::start(&network);
    let _gate = start(lab, &network, &three_instances().replace("src 10.0.0.12", "src 10.0.0.99"));
    assert_eq!(ask_from(&network, 12, "/").status, 503);
    assert!(nova.seen().is_empty());
    assert_eq!(ask_from(&network, 11, "/").status, 200);
}

fn the_monitor_answers_and_the_statistics_do_not(lab: &Lab) {
    let network = lab.network();
    let nova = Nova::start(&network);
    let _gate = start(lab, &network, &three_instances());
    assert_eq!(ask_from(&network, 12, "/monitoruri").status, 200);
    assert_eq!(ask_from(&network, 11, "/admin/stats").status, 403);
    assert!(nova.seen().is_empty());
}

fn it_holds_what_a_gate_holds_and_no_agents_directory(lab: &Lab) {
    let _log = SyslogReader::held_by_systemd();
    let network = lab.network();
    let _nova = Nova::start(&network);
    let gate = start(lab, &network, &three_instances());
    assert_eq!(ask_from(&network, 11, "/").status, 200, "it has worked for one guest");
    for pid in [gate.pid, reader_of(gate.pid)] {
        let process = Process::new(pid);
        let uids = process.status_numbers("Uid");
        assert!(uids.iter().all(|&id| id == uids[0] && id != 0));
        for set in CAPABILITY_SETS {
            assert_eq!(process.capabilities(set), 0, "{set}");
        }
        assert_eq!((process.status("Seccomp").as_str(), process.status("NoNewPrivs").as_str()), ("2", "1"));
        if lab.is_root() {
            assert!(process.root_entries().is_empty(), "{:?}", process.root_entries());
            let attested = nsgate(lab, &network.gate, &["attest", &pid.to_string()]);
            assert_eq!(attested.code(), Some(0), "{attested:#?}");
        }
    }
}

fn killed_and_started_anew_it_serves_the_new_text(lab: &Lab) {
    let network = lab.network();
    let nova = Nova::start(&network);
    let gate = start(lab, &network, &three_instances());
    assert_eq!(ask_from(&network, 11, "/").status, 200);
    // The extension does this on every change of a port.
    gate.signal(Signal::SIGKILL);
    assert!(gate.ended_within(Duration::from_secs(1)));
    let swapped = three_instances().replace("src 10.0.0.11", "src X").replace("src 10.0.0.12", "src 10.0.0.11");
    let _gate = start(lab, &network, &swapped.replace("src X", "src 10.0.0.12"));
    assert_eq!(ask_from(&network, 11, "/").status, 200);
    let seen = nova.seen();
    assert!(seen[0].contains("1f5f1a00\r\n") && seen[1].contains("1f5f1a01\r\n"), "{seen:#?}");
}

fn nova_that_is_away_is_503_and_found_again(lab: &Lab) {
    let network = lab.network();
    let _gate = start(lab, &network, &three_instances().replace("retries         3", "retries         0"));
    assert_eq!(ask_from(&network, 11, "/").status, 503);
    let _nova = Nova::start(&network);
    assert_eq!(ask_from(&network, 11, "/").status, 200);
}

fn a_server_with_a_name_is_looked_up_once(lab: &Lab) {
    let network = lab.network();
    let _nova = Nova::start(&network);
    let mut hosts = fs::read_to_string("/etc/hosts").unwrap_or_default();
    fs::write("/etc/hosts", format!("{hosts}\n127.0.0.1 nova.lab.example\n0.0.0.0 nobody.lab.example\n")).unwrap();
    let named = three_instances().replace("127.0.0.1:8775", "nova.lab.example:8775");
    let gate = start(lab, &network, &named);
    assert_eq!(ask_from(&network, 11, "/").status, 200);
    // The name gets another address, and the text another server: the process has one destination.
    hosts.push_str("\n127.0.0.2 nova.lab.example\n");
    fs::write("/etc/hosts", &hosts).unwrap();
    replace(&named.replace("src 10.0.0.12", "src 10.0.0.99"));
    gate.signal(Signal::SIGHUP);
    assert!(wait_until(5.0, || ask_from(&network, 12, "/").status == 503));
    assert_eq!(ask_from(&network, 11, "/").status, 200);
    drop(gate);
    fs::write("/etc/hosts", "0.0.0.0 nova.lab.example\n").unwrap();
    let started = run(lab, &network, &["-p", PID_FILE]);
    assert!(started.code() == Some(1) && started.stderr.contains("not the address of one host"), "{started:#?}");
    assert_eq!(network.gate.listening().len(), 1, "Nova's alone");
}

fn c_counts_the_instances(lab: &Lab) {
    let network = lab.network();
    fs::write(CONFIG, three_instances()).unwrap();
    let checked = run(lab, &network, &["-c"]);
    assert!(checked.ok() && checked.stdout.contains("3 instances through 127.0.0.1:8775"), "{checked:#?}");
    assert!(!checked.said().contains("abcdef\n") && network.gate.listening().is_empty());
}

fn nsgate_check_judges_the_whole_text(lab: &Lab) {
    let network = lab.network();
    let check = |text: &str, more: &[&str]| {
        fs::write(CONFIG, text).unwrap();
        nsgate(lab, &network.gate, &[&["check", CONFIG], more].concat())
    };
    let good = check(&three_instances(), &[]);
    assert!(good.ok() && good.stdout == "3 instances through 127.0.0.1:8775, heard on 0.0.0.0:80\n", "{good:#?}");
    let json = check(&three_instances(), &["--json"]);
    assert!(json.ok() && json.stdout.contains("\"valid\":true"), "{json:#?}");
    assert!(check(&many_instances(10_000), &[]).stdout.starts_with("10000 instances"), "beyond a gate's megabyte");
    let bad = check(&three_instances().replace("src 10.0.0.12", "src 10.0.0.0/24"), &[]);
    assert!(bad.code() == Some(1) && bad.stderr.contains(&format!("{CONFIG}:28:")), "{bad:#?}");
    let unknown = check(&three_instances().replace("user        neutron", "user        nobody-here"), &[]);
    assert!(unknown.code() == Some(1) && unknown.stderr.contains("nobody-here"), "{unknown:#?}");
    assert!(![good, json, bad, unknown].iter().any(|one| one.said().contains("abcdef\n")), "no signature is shown");
}

fn what_is_wrong_is_refused_and_nothing_listens(lab: &Lab) {
    let network = lab.network();
    for (from, to, word) in [
        ("user        neutron", "user        root", "root"),
        ("user        neutron", "user        0", "looks like a number"),
        ("127.0.0.1:8775", "nova/example:8775", "`nova/example` is neither an address nor the name of a host"),
        ("127.0.0.1:8775", "0.0.0.0:8775", "not the address of one host"),
        ("127.0.0.1:8775", "no-such-host.invalid:8775", "server `no-such-host.invalid:8775`: the name is not known"),
        ("src 10.0.0.12", "src 10.0.0.11", "second instance at 10.0.0.11"),
        ("*:80 ", "*:0 ", "port 0"),
    ] {
        fs::write(CONFIG, three_instances().replace(from, to)).unwrap();
        let started = run(lab, &network, &["-p", PID_FILE]);
        assert!(started.closed && started.code() == Some(1), "{to}: {started:#?}");
        assert!(started.stderr.contains(word), "{to}: {}", started.stderr);
        assert!(network.gate.listening().is_empty() && !Path::new(PID_FILE).exists(), "{to}");
    }
}

fn ten_thousand_instances_are_served(lab: &Lab) {
    let network = lab.network();
    let nova = Nova::start(&network);
    let _gate = start(lab, &network, &many_instances(10_000));
    assert_eq!(ask_from(&network, 11, "/").status, 200);
    assert!(nova.seen()[0].contains("-2f6d00000011\r\n"), "{:#?}", nova.seen());
}
