//! The laboratory itself: what the other suites stand on.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::Command;

use nix::unistd::{ForkResult, Gid, Uid, setgid, setgroups, setuid};
use nsgate_tests::choice::AMONG_OTHERS;
use nsgate_tests::network::{GUEST_LINK_LOCAL, METADATA_V4};
use nsgate_tests::program::{target, workspace};
use nsgate_tests::slots::{self, Slots};
use nsgate_tests::{Answer, Config, Gate, Guest, Kind, Lab, Namespace, RecordingAgent, procfs, suite};

fn main() {
    suite!["lab":
        words_that_choose_no_test_are_an_error_that_teaches,
        the_name_of_a_suite_chooses_all_of_it,
        suites_at_once_share_room,
        a_world_starts_empty,
        no_test_writes_outside_its_world,
        no_test_reads_what_the_operator_of_this_host_has_set,
        an_ordinary_user_has_a_world,
        a_gate_carries_a_request,
        a_gate_carries_a_request_over_link_local_ipv6,
    ]
}

/// What this suite says, and whether it ends well, with these words.
fn asked(words: &[&str]) -> (String, bool) {
    let out = Command::new("/proc/self/exe").args(words).env_remove(slots::VARIABLE).output().unwrap();
    (String::from_utf8(out.stdout).unwrap(), out.status.success())
}

fn words_that_choose_no_test_are_an_error_that_teaches(_: &Lab) {
    let (said, passed) = asked(&["guest_on_the_moon", "other"]);
    assert!(!passed, "{said}");
    assert!(said.contains("has `guest_on_the_moon` or `other` in its name"), "{said}");
    assert!(said.contains("`--list`") && said.contains("lab: 0 passed, 1 failed, 0 skipped"), "{said}");
    let (said, passed) = asked(&["guest_on_the_moon", AMONG_OTHERS]);
    assert!(passed && said.contains("lab: 0 passed, 0 failed, 0 skipped"), "{said}");
}

fn the_name_of_a_suite_chooses_all_of_it(_: &Lab) {
    let listed = |words: &[&str]| asked(&[&["--list"], words].concat()).0;
    let one = "a_world_starts_empty";
    assert_eq!(listed(&[one]), format!("{one}: test\n"));
    assert!(listed(&[]).lines().count() > 5);
    assert_eq!(listed(&["lab"]), listed(&[]));
    assert_eq!(listed(&["guest_on_the_moon"]), "");
}

fn suites_at_once_share_room(lab: &Lab) {
    let place = lab.state().join("slots");
    Slots::make(&place, 2).unwrap();
    let (one, other) = (Slots::of(&place), Slots::of(&place));
    let first = one.take().unwrap();
    let _second = other.take().unwrap();
    assert!(one.take().is_none() && other.take().is_none());
    drop(first);
    assert!(other.take().is_some(), "a test has ended");
}

fn a_world_starts_empty(_: &Lab) {
    assert_eq!(fs::read_dir("/run/netns").unwrap().count(), 0, "no namespace of the host is seen");
    assert!(!Path::new("/dev/log").exists(), "no log socket of the host is seen");
    assert!(procfs::having("").len() <= 1, "no process of the host is seen");
    assert!(Path::new("/dev/null").exists());
    let namespace = Namespace::create("one");
    assert!(namespace.listening().is_empty());
}

/// A world inside this one, which plays the host: what the test inside it does must not be seen here.
fn inside(body: impl FnOnce()) {
    let done = nsgate_tests::world::run(|| {
        body();
        0
    });
    assert_eq!(done.unwrap(), 0, "the inner world is above");
}

fn an_ordinary_user_has_a_world(lab: &Lab) {
    lab.needs_root("the world of every other test is an ordinary user's");
    fs::create_dir("/etc/nsgate").unwrap();
    fs::write("/etc/nsgate/nsgate.toml", "").unwrap();
    // An account that no file belongs to, and the one that root looks like in a user namespace.
    let nobody: u32 = fs::read_to_string("/proc/sys/kernel/overflowuid").unwrap().trim().parse().unwrap();
    world_of(64_044, 64_044);
    world_of(nobody, nsgate_tests::world::NEUTRON_ID);
}

/// A world that the account `id` makes, and is `inside` in.
fn world_of(id: u32, inside: u32) {
    let status = match nsgate_tests::sys::fork_single().unwrap() {
        ForkResult::Parent { child } => nsgate_tests::sys::wait_for(child).unwrap(),
        ForkResult::Child => {
            let (uid, gid) = (Uid::from_raw(id), Gid::from_raw(id));
            setgroups(&[]).and_then(|()| setgid(gid)).and_then(|()| setuid(uid)).unwrap();
            // Else its own files in /proc would stay root's.
            nix::sys::prctl::set_dumpable(true).unwrap();
            nsgate_tests::world::become_world(|| {
                let accounts = fs::read_to_string("/etc/passwd").unwrap();
                assert!(accounts.contains(&format!("neutron:x:{inside}:{inside}:")), "{accounts}");
                assert_ne!(fs::metadata("/usr").unwrap().uid(), inside, "root's files look like its own");
                assert!(accounts.contains("\nroot:"), "{accounts}");
                assert!(!Path::new("/etc/nsgate").exists());
                0
            })
        }
    };
    assert_eq!(status, 0, "what the world of an ordinary user lacks is above");
}

fn no_test_writes_outside_its_world(_: &Lab) {
    // The directories above the source tree are as they are on the host.
    let open = |place: &Path| workspace().starts_with(place) || target().starts_with(place);
    let places = ["/bin", "/boot", "/etc", "/home", "/opt", "/root", "/srv", "/usr", "/usr/lib", "/var/lib"];
    let places = places.map(Path::new).into_iter().filter(|place| place.is_dir() && !open(place));
    let own = ["/tmp", "/run", "/dev/shm"].into_iter().filter(|place| !open(Path::new(place)));
    fs::write("/etc/hosts", "the host's\n").unwrap();
    own.clone().for_each(|place| fs::write(Path::new(place).join("kept"), "the host's\n").unwrap());
    inside(|| {
        for place in places {
            let written = fs::write(place.join("nsgate-was-here"), "");
            assert_eq!(written.is_ok(), place == Path::new("/etc"), "{}: {written:?}", place.display());
        }
        fs::write("/etc/hosts", "changed\n").unwrap();
        fs::create_dir_all("/etc/nsgate").unwrap();
        fs::write("/etc/nsgate/nsgate.toml", "allow_root = true\n").unwrap();
        for place in own.clone() {
            assert!(!Path::new(place).join("kept").exists(), "{place} is the outer world's");
            fs::write(Path::new(place).join("nsgate-was-here"), "").unwrap();
        }
    });
    assert_eq!(fs::read_to_string("/etc/hosts").unwrap(), "the host's\n");
    for place in own.chain(["/etc"]) {
        assert!(!Path::new(place).join("nsgate-was-here").exists(), "{place}: it came out of the inner world");
    }
    assert!(!Path::new("/etc/nsgate").exists(), "settings came out of the inner world");
}

fn no_test_reads_what_the_operator_of_this_host_has_set(lab: &Lab) {
    lab.site("[guards]\ntokens = \"required\"\n");
    inside(|| {
        assert!(!Path::new("/etc/nsgate").exists(), "the operator's settings are seen");
        lab.site("allow_root = true\n");
    });
    let kept = fs::read_to_string("/etc/nsgate/nsgate.toml").unwrap();
    assert!(kept.contains("required"), "the operator's settings were written over: {kept}");
}

fn a_gate_carries_a_request(lab: &Lab) {
    let network = lab.network();
    let agent = RecordingAgent::start(&lab.socket(), Answer::ok("hello"));
    let gate = Gate::start(lab, &network.gate, &Config::new(Kind::Network));
    assert!(network.gate.listening().contains(&(METADATA_V4.into(), 80)));
    let answer = Guest::new(&network.guest).get("/latest/meta-data/hostname").unwrap();
    assert_eq!((answer.status, answer.text()), (200, "hello".to_owned()));
    assert_eq!(agent.only().header("X-Forwarded-For"), ["10.0.0.11"]);
    drop(gate);
    assert!(network.gate.listening().is_empty(), "the gate is gone");
}

fn a_gate_carries_a_request_over_link_local_ipv6(lab: &Lab) {
    let network = lab.network();
    let agent = RecordingAgent::start(&lab.socket(), Answer::ok("hello"));
    let _gate = Gate::start(lab, &network.gate, &Config::new(Kind::Network).with_v6());
    let answer = Guest::link_local(&network.guest).get("/openstack").unwrap();
    assert_eq!(answer.status, 200);
    assert_eq!(agent.only().header("X-Forwarded-For"), [GUEST_LINK_LOCAL.to_string()]);
}
