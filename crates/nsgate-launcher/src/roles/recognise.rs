//! Which of nsgate's processes one is, by facts that it cannot choose ([`Facts`]).

use super::role::Role;
use crate::mark::Mark;
use crate::root_names::{DOOR, LOG, SIGNER, SIGNER_WITH_DATABASE, is_socket, is_window};
use nsgate_sandbox::attest::{Facts, Open, has_child_of_same_program, kinds, name_of_root, open_in, run_the_same};

/// Whether a root shows windows of nsgate's and sockets in them, and nothing else.
pub(super) fn is_small(root: &[String]) -> bool {
    root.iter().all(|name| is_window(name) || is_socket(name))
}

/// The role; `None` where the facts fit none, or cannot be read.
pub(super) fn role_of(facts: &Facts<'_>) -> Option<Role> {
    let (root, open) = (facts.root?, facts.open?);
    let has = |kind: &str| open.iter().any(|open| open.kind == kind);
    let shows = |name: &str| root.iter().any(|entry| entry == name);
    if !is_small(root) {
        // A pool that a service manager started without a privilege has that one's root, which is told in a row of its own.
        // Any program may be reached at such a socket, so there an agent is one by its signer too.
        let agent = || (is_agent(open) && has_child_of_same_program(facts.pid)).then_some(Role::Agent);
        let signs = || is_child_of_agent(facts).then_some(Role::SignerWithDatabase);
        let serves = || in_pool(facts, open).or_else(agent).or_else(signs);
        return if supervises(facts.pid, open) { Some(Role::Supervisor) } else { serves() };
    }
    // Windows of the log say nothing: each role may have them.
    let agent = shows("agent") || shows("backend");
    Some(if shows("pool") {
        // A courier has the same, for a moment.
        Role::Keeper
    } else if shows(DOOR) {
        if shows(LOG) { Role::BoundGateWithLog } else { Role::BoundGate }
    } else if shows(SIGNER_WITH_DATABASE) {
        Role::SignerWithDatabase
    } else if shows(SIGNER) {
        if shows(LOG) { Role::SignerWithLog } else { Role::Signer }
    } else if let Some(part) = in_pool(facts, open) {
        part
    } else if !agent && is_agent(open) {
        Role::Agent
    } else if !agent && has(kinds::PINNED) {
        Role::Reader
    } else if !agent {
        Role::HostProxy
    } else {
        leaves_pool(facts.pid, open).unwrap_or(Role::Gate)
    })
}

/// Which part of a pool a process is that has closed the pool's socket, and finishes what is under way. A gate's root has
/// the name of its identity, and a pool's has none; neither process can change it.
fn leaves_pool(pid: i32, open: &[Open]) -> Option<Role> {
    let is_zygote = open.iter().any(|open| open.kind == kinds::CHILD);
    let of_none = name_of_root(pid)? == Mark::Unmarked.to_string();
    of_none.then_some(if is_zygote { Role::Zygote } else { Role::Worker })
}

/// Whether a process is reached at a socket for streams, and has nothing of a pool's: no filter lets another begin to listen.
fn is_agent(open: &[Open]) -> bool {
    let has = |kind: &str| open.iter().any(|open| open.kind == kind);
    has(kinds::STREAM_LISTENER) && !has(kinds::PACKET_LISTENER) && !has(kinds::PACKETS)
}

/// Which part of a pool a process is, if any. One that listens is, since no filter lets another begin to.
fn in_pool(facts: &Facts<'_>, open: &[Open]) -> Option<Role> {
    let has = |kind: &str| open.iter().any(|open| open.kind == kind);
    let listens = has(kinds::PACKET_LISTENER);
    // Any gate may make such a socket, and then its parent is looked at, which it cannot choose.
    if !listens && !has(kinds::PACKETS) {
        return None;
    }
    match (listens, has(kinds::CHILD)) {
        (true, true) => Some(Role::Zygote),
        (_, false) if is_child_of_zygote(facts) => Some(if listens { Role::Dispatcher } else { Role::Worker }),
        (true, false) => Some(Role::Worker),
        (false, _) => None,
    }
}

/// Whether a process has what a supervisor has: a descriptor of its own child, which runs the same program, signals, and the
/// standard streams. Nothing that could be served, and no way to another process.
fn supervises(pid: i32, open: &[Open]) -> bool {
    let others = || open.iter().filter(|open| !open.is_standard());
    let own = others().all(|open| [kinds::CHILD, "signalfd", kinds::NULL_DEVICE].contains(&open.kind.as_str()));
    let mut children = others().filter_map(|open| open.child);
    match (children.next(), children.next()) {
        (Some(child), None) => own && run_the_same(pid, child),
        _ => false,
    }
}

/// Whether a process is a zygote's child: its parent runs the same program, holds a descriptor of it, and listens. (A
/// supervisor does not.)
fn is_child_of_zygote(facts: &Facts<'_>) -> bool {
    let Some(open) = open_in(facts.parent) else { return false };
    let holds = open.iter().any(|open| open.child == Some(facts.pid));
    holds && open.iter().any(|open| open.kind == kinds::PACKET_LISTENER) && run_the_same(facts.parent, facts.pid)
}

/// Whether a process is an agent's child. In a service manager's root that is its signer, with a database: a file takes a reader,
/// which such an agent cannot make.
fn is_child_of_agent(facts: &Facts<'_>) -> bool {
    open_in(facts.parent).is_some_and(|open| is_agent(&open)) && run_the_same(facts.parent, facts.pid)
}

#[cfg(test)]
mod tests {
    use super::role_of;
    use crate::Role;
    use nsgate_sandbox::attest::{Facts, Open};
    use std::process::{Command, Stdio};

    const HOST: [&str; 3] = ["bin", "etc", "home"];

    fn open(number: i32, kind: &str, child: Option<i32>) -> Open {
        Open { number, kind: kind.to_owned(), child, ..Open::default() }
    }

    fn role(root: &[&str], open: &[Open]) -> Option<Role> {
        of_process(0, root, open)
    }

    fn of_process(pid: i32, root: &[&str], open: &[Open]) -> Option<Role> {
        let root: Vec<String> = root.iter().map(|name| (*name).to_owned()).collect();
        role_of(&Facts { pid, parent: 0, root: Some(&root), open: Some(open) })
    }

    #[test]
    fn a_supervisor_has_a_child_of_its_own_program_and_nothing_else() {
        let start = |program: &str| Command::new(program).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut all = [start("/bin/cat"), start("/bin/cat"), start("/bin/sh")];
        let [own, child, stranger] = all.each_ref().map(|child| i32::try_from(child.id()).unwrap());
        let pidfd = |pid: i32| open(4, "pidfd of a child", Some(pid));
        let (signals, stream) = (open(3, "signalfd", None), open(2, "unix stream", None));
        let role = |more: &[Open]| of_process(own, &HOST, &[&[stream.clone(), signals.clone()], more].concat());
        assert_eq!(role(&[pidfd(child)]), Some(Role::Supervisor));
        for kind in ["tcp listener", "unix stream", "unix datagram", "eventpoll", "/etc/passwd", "pinned directory"] {
            assert_eq!(role(&[pidfd(child), open(5, kind, None)]), None, "{kind}");
        }
        assert_eq!(role(&[pidfd(child), pidfd(child)]), None, "it has one child");
        assert_eq!(role(&[]), None, "without a child");
        assert_eq!(role(&[pidfd(stranger)]), None, "of another program");
        let door = open(9, "unix seqpacket listener", None);
        assert_eq!(role(&[pidfd(child), door.clone()]), Some(Role::Zygote), "in a service manager's root");
        assert_eq!(of_process(own, &["agent", "backend"], &[pidfd(child), door]), Some(Role::Zygote));
        for child in &mut all {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    #[test]
    fn an_agent_in_a_service_managers_root_has_a_child_of_its_own_program() {
        let listener = open(3, "unix stream listener", None);
        for (script, role) in [("(sleep 1; :) & read _", Some(Role::Agent)), ("read _", None)] {
            let mut started = Command::new("/bin/sh").args(["-c", script]).stdin(Stdio::piped()).spawn().unwrap();
            let pid = i32::try_from(started.id()).unwrap();
            let mut found = None;
            for _ in 0..50 {
                found = found.or_else(|| of_process(pid, &HOST, std::slice::from_ref(&listener)));
                std::thread::sleep(std::time::Duration::from_millis(10));
            }
            drop(started.stdin.take());
            started.wait().unwrap();
            assert_eq!(found, role, "{script}");
        }
    }

    #[test]
    fn what_a_root_shows_decides_and_not_what_a_process_could_open() {
        let gate = ["agent", "backend", "log-directory", "syslog"];
        // A gate may make UNIX sockets of any kind, and cannot listen.
        assert_eq!(role(&gate, &[open(9, "unix seqpacket", None)]), Some(Role::Gate));
        assert_eq!(role(&gate, &[open(9, "unix seqpacket listener", None)]), Some(Role::Worker));
        assert_eq!(role(&["agent", "backend", "pool", "worker"], &[]), Some(Role::Keeper));
        assert_eq!(role(&["door", "pool", "worker"], &[open(3, "tcp listener", None)]), Some(Role::Keeper));
        // A pool whose networks all have a door shows no agent.
        assert_eq!(role(&[], &[open(9, "unix seqpacket listener", None)]), Some(Role::Worker));
        assert_eq!(role(&["door"], &[open(3, "tcp listener", None)]), Some(Role::BoundGate));
        assert_eq!(role(&["door", "log-directory", "syslog"], &[]), Some(Role::BoundGateWithLog));
        assert_eq!(role(&[], &[open(3, "tcp listener", None)]), Some(Role::HostProxy));
        assert_eq!(role(&["log-directory", "syslog"], &[]), Some(Role::HostProxy));
        assert_eq!(role(&[], &[open(5, "pinned directory", None)]), Some(Role::Reader));
        assert_eq!(role(&["signer"], &[open(3, "unix stream", None)]), Some(Role::Signer));
        assert_eq!(role(&["log-directory", "signer", "syslog"], &[]), Some(Role::SignerWithLog));
        assert_eq!(
            role(&["database", "log-directory", "signerdb", "southbound", "syslog"], &[]),
            Some(Role::SignerWithDatabase)
        );
        let listener = open(3, "unix stream listener", None);
        assert_eq!(role(&["log-directory", "syslog"], std::slice::from_ref(&listener)), Some(Role::Agent));
        assert_eq!(role(&HOST, std::slice::from_ref(&listener)), None, "any program may listen");
        // A worker that tells metrics.
        assert_eq!(role(&gate, &[open(9, "unix seqpacket listener", None), listener]), Some(Role::Worker));
        assert_eq!(role(&HOST, &[open(3, "tcp listener", None)]), None);
        assert_eq!(role(&HOST, &[open(3, "unix seqpacket listener", None)]), Some(Role::Worker), "as a unit starts it");
        let facts = Facts { pid: 1, parent: 0, root: None, open: None };
        assert_eq!(role_of(&facts), None, "what cannot be read proves nothing");
    }
}
