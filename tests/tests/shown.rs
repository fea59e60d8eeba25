//! What root reads for another user is not shown to that user: words and lines of a text are for users who may read it.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};
use std::time::Duration;

use nsgate_tests::gate::{agent_command, communicate};
use nsgate_tests::world::{NEUTRON_ID, STRANGER_ID};
use nsgate_tests::{Config, Kind, Lab, Network, Started, suite};

fn main() {
    suite!["shown":
        no_word_of_a_file_behind_a_link_is_shown,
        no_word_of_an_accepted_text_behind_a_link_is_shown,
        no_word_is_shown_to_a_user_who_may_not_read_it,
        words_are_shown_to_a_user_who_may_read_them,
        an_access_control_list_decides_who_is_shown_words,
    ]
}

/// Lines as those of a shadow file, in which every line is one word.
const SECRET: &str = "root:$y$j9T$hunter2:19000:0:99999:7:::\nmysql:$y$j9T$swordfish:19000:0:99999:7:::\n";
/// Parts of it that no user may see; the words of a text that is TOML as well as wrong.
const WORDS: [&str; 4] = ["hunter2", "swordfish", "mysql", "$y$"];
const TOML: &str = "hunter2 = \"swordfish\"\nmysql = \"$y$\"\n";

/// Every way to have a file read: the haproxy name, and the operator's commands.
const WAYS: [(&str, &[&str]); 8] = [
    ("haproxy", &["-c", "-f"]),
    ("haproxy", &["-f"]),
    ("haproxy", &["-V", "-dW", "-Ws", "-f"]),
    ("nsgate", &["check"]),
    ("nsgate", &["check", "--json"]),
    ("nsgate", &["check", "--dialect", "site"]),
    ("nsgate", &["run", "--user=neutron", "--config"]),
    ("nsgate", &["pool", "--config"]),
];

struct World<'l> {
    lab: &'l Lab,
    network: Network,
    /// A directory of the agent's.
    agents: PathBuf,
    /// One that root alone may enter, and one that every user may.
    closed: PathBuf,
    open: PathBuf,
}

impl<'l> World<'l> {
    fn new(lab: &'l Lab) -> Self {
        lab.needs_root("a file is read for another user");
        let network = lab.network();
        let (agents, closed, open) =
            (lab.state().join("agents"), lab.state().join("closed"), PathBuf::from("/run/open"));
        for (directory, mode) in [(&agents, 0o755), (&closed, 0o700), (&open, 0o755)] {
            fs::create_dir_all(directory).unwrap();
            fs::set_permissions(directory, Permissions::from_mode(mode)).unwrap();
        }
        chown(&agents, Some(NEUTRON_ID), Some(NEUTRON_ID)).unwrap();
        chown(&closed, Some(0), Some(0)).unwrap();
        World { lab, network, agents, closed, open }
    }

    /// Runs one of the ways, with root's rights, which were lent to the user `lent` if there is one.
    fn run(&self, way: (&str, &[&str]), file: &Path, lent: Option<u32>) -> Started {
        let (program, words) = way;
        let mut arguments = words.to_vec();
        arguments.push(file.to_str().unwrap());
        let mut command = match program {
            "haproxy" => agent_command(self.lab, &self.network.gate, "shown", &arguments),
            _ => {
                let mut command = self.network.gate.command(&self.lab.program.nsgate().to_string_lossy());
                command.args(&arguments);
                command
            }
        };
        for name in ["SUDO_UID", "SUDO_GID", "PKEXEC_UID"] {
            command.env_remove(name);
        }
        if let Some(uid) = lent {
            command.env("SUDO_UID", uid.to_string()).env("SUDO_GID", uid.to_string());
        }
        communicate(command, Duration::from_secs(10))
    }

    /// Expects every way to refuse the file without a word of it.
    #[track_caller]
    fn hides(&self, file: &Path, lent: Option<u32>, why: &str) {
        for way in WAYS {
            let started = self.run(way, file, lent);
            let said = started.said();
            assert_ne!(started.code(), Some(0), "{way:?}: {started:#?}");
            for word in WORDS {
                assert!(!said.contains(word), "{way:?} shows {word} of {}:\n{said}", file.display());
            }
            // Which line is wrong is said, and why no more than that.
            assert!(said.contains("line 1 is not valid") && said.contains(why), "{way:?}:\n{said}");
        }
    }

    #[track_caller]
    fn shows(&self, file: &Path, lent: Option<u32>) {
        for way in WAYS {
            let said = self.run(way, file, lent).said();
            assert!(said.contains("hunter2"), "{way:?} hides {}:\n{said}", file.display());
        }
    }
}

fn write(path: &Path, text: &str, owner: u32, mode: u32) {
    fs::write(path, text).unwrap();
    chown(path, Some(owner), Some(owner)).unwrap();
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

const LINK: &str = "leads through a link";

fn no_word_of_a_file_behind_a_link_is_shown(lab: &Lab) {
    let world = World::new(lab);
    let link = world.agents.join("x.conf");
    for text in [SECRET, TOML] {
        let secret = world.open.join("shadow");
        write(&secret, text, 0, 0o640);
        symlink(&secret, &link).unwrap();
        world.hides(&link, None, LINK);
        // A link in the place of a directory on the way.
        let directory = world.agents.join("d");
        symlink(&world.open, &directory).unwrap();
        world.hides(&directory.join("shadow"), None, LINK);
        // A file that every user may read, in a directory that root alone may enter.
        let enclosed = world.closed.join("notes");
        write(&enclosed, text, 0, 0o644);
        fs::remove_file(&link).unwrap();
        symlink(&enclosed, &link).unwrap();
        world.hides(&link, None, LINK);
        // A second name of the file itself.
        fs::remove_file(&link).unwrap();
        fs::hard_link(&secret, world.open.join("other")).unwrap();
        world.hides(&world.open.join("other"), None, LINK);
        for path in [world.open.join("other"), secret, directory] {
            fs::remove_file(path).unwrap();
        }
    }
}

fn no_word_of_an_accepted_text_behind_a_link_is_shown(lab: &Lab) {
    let world = World::new(lab);
    let mut config = Config::new(Kind::Network);
    config.extra[0] = "    tune.maxaccept 1\n".to_owned();
    let secret = world.open.join("gate.conf");
    write(&secret, &config.text(), 0, 0o600);
    let link = world.agents.join("x.conf");
    symlink(&secret, &link).unwrap();
    for (way, valid) in [(WAYS[0], "is valid"), (WAYS[3], ""), (WAYS[4], "\"valid\":true")] {
        let said = world.run(way, &link, None).said();
        assert!(said.contains(valid) && said.contains("the text of the file is not shown"), "{said}");
        assert!(!said.contains("metadata_proxy") && !said.contains("tune."), "{said}");
        let said = world.run(way, &secret, None).said();
        assert!(said.contains("metadata_proxy") && said.contains("tune."), "{said}");
    }
}

fn no_word_is_shown_to_a_user_who_may_not_read_it(lab: &Lab) {
    let world = World::new(lab);
    let may_not = format!("uid {NEUTRON_ID}, for whom root reads it, may not read this file");
    for (path, owner, mode) in [
        (world.open.join("shadow"), 0, 0o600),
        (world.open.join("shadow"), 0, 0o640),
        (world.open.join("shadow"), STRANGER_ID, 0o640),
        // The owner's bits are for the owner alone.
        (world.open.join("shadow"), NEUTRON_ID, 0o044),
        (world.closed.join("notes"), 0, 0o644),
    ] {
        for text in [SECRET, TOML] {
            write(&path, text, owner, mode);
            world.hides(&path, Some(NEUTRON_ID), &may_not);
        }
    }
}

fn words_are_shown_to_a_user_who_may_read_them(lab: &Lab) {
    let world = World::new(lab);
    let root = world.closed.join("notes");
    write(&root, TOML, 0, 0o600);
    world.shows(&root, None);
    let public = world.open.join("x.conf");
    write(&public, TOML, 0, 0o644);
    world.shows(&public, Some(NEUTRON_ID));
    let link = world.agents.join("link.conf");
    symlink(&public, &link).unwrap();
    for lent in [None, Some(NEUTRON_ID), Some(STRANGER_ID)] {
        world.shows(&link, lent);
    }
    // The agent's own file, which no other user may read; by the owner's bits, and by the group's.
    let own = world.agents.join("own.conf");
    for (owner, mode) in [(NEUTRON_ID, 0o600), (0, 0o640)] {
        write(&own, TOML, owner, mode);
        chown(&own, None, Some(NEUTRON_ID)).unwrap();
        world.shows(&own, Some(NEUTRON_ID));
        world.shows(&own, None);
    }
    // Lent to root itself: nothing is lent.
    world.shows(&root, Some(0));
}

fn facl(words: &str, path: &Path) {
    let status = std::process::Command::new("setfacl").args(["-m", words]).arg(path).status().expect("setfacl");
    assert!(status.success(), "setfacl -m {words} {path:?}");
}

/// By the mode alone the agent may read each of the first, and none of the last.
fn an_access_control_list_decides_who_is_shown_words(lab: &Lab) {
    lab.needs("/usr/bin/setfacl", "apt-get install acl");
    let world = World::new(lab);
    let may_not = format!("uid {NEUTRON_ID}, for whom root reads it, may not read this file");
    let (shadow, link) = (world.open.join("shadow"), world.agents.join("link.conf"));
    symlink(&shadow, &link).unwrap();
    for text in [SECRET, TOML] {
        // One user is kept out of a file that every other may read, by name and by the group that it is in.
        for kept_out in ["u:neutron:-", "g:neutron:-"] {
            write(&shadow, text, 0, 0o644);
            facl(kept_out, &shadow);
            world.hides(&shadow, Some(NEUTRON_ID), &may_not);
            world.hides(&link, None, LINK);
        }
        // The group's bits are a mask: the group itself may not read.
        fs::remove_file(&shadow).unwrap();
        write(&shadow, text, 0, 0o640);
        chown(&shadow, None, Some(NEUTRON_ID)).unwrap();
        facl("u:stranger:r,g::-", &shadow);
        assert_eq!(fs::metadata(&shadow).unwrap().permissions().mode() & 0o777, 0o640);
        world.hides(&shadow, Some(NEUTRON_ID), &may_not);
        fs::remove_file(&shadow).unwrap();
    }
    // A directory on the way.
    let inside = world.open.join("inside");
    fs::create_dir(&inside).unwrap();
    facl("u:neutron:-", &inside);
    write(&inside.join("notes"), TOML, 0, 0o644);
    world.hides(&inside.join("notes"), Some(NEUTRON_ID), &may_not);
    // A user whom the access control list permits is shown the text.
    write(&shadow, TOML, 0, 0o600);
    facl("u:neutron:r", &shadow);
    world.shows(&shadow, Some(NEUTRON_ID));
    world.hides(&shadow, Some(STRANGER_ID), "may not read this file");
}
