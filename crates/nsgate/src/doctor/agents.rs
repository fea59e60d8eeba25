//! Neutron's agents that run here: the haproxy that each would start, and its limit of descriptors.

use super::{Finding, few, host::preloaded};
use crate::plain_file;
use std::{
    collections::{BTreeMap, BTreeSet},
    ffi::OsStr,
    fs,
    io::{self, Read},
    os::unix::{ffi::OsStrExt, fs::FileTypeExt},
    path::{Component, Path, PathBuf},
};

/// Programs that start a proxy for a network.
const AGENTS: [&str; 4] = ["neutron-dhcp-agent", "neutron-l3-agent", "neutron-ovn-metadata-agent", "neutron-ovn-agent"];
/// A text that is in nsgate's program and in no other (`haproxy -v`).
const MARK: &[u8] = b"in the place of HAProxy";
/// Longest program that is searched, in bytes.
const LONGEST: u64 = 64 * 1024 * 1024;
/// Most links that are followed.
const LINKS: usize = 16;
/// Descriptors of a gate with the default limits, roughly.
const DESCRIPTORS: u64 = 1100;

pub(super) fn look() -> Vec<Finding> {
    let found = running();
    if found.is_empty() {
        return vec![Finding::note(
            "agents",
            "none of Neutron's agents that start proxies runs here, or in a container that this /proc shows",
        )];
    }
    few(found.into_iter().flat_map(|(pid, name)| agent(pid, name)).collect())
}

/// Their numbers and names.
fn running() -> BTreeMap<i32, &'static str> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    let named = |pid: i32| {
        let command = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
        // The program itself, or the script of an interpreter: `/usr/bin/python3 /usr/bin/neutron-dhcp-agent …`.
        let mut words = command.split(|byte| *byte == 0).take(2);
        let agent = words.find_map(|word| {
            let name = Path::new(OsStr::from_bytes(word)).file_name()?;
            AGENTS.into_iter().find(|agent| name == *agent || is_title(word, agent))
        })?;
        Some((pid, agent))
    };
    pids.filter_map(named).collect()
}

/// Whether a command line is the title that the agent gave itself: `neutron-l3-agent (/usr/bin/python3 …)`
/// (`neutron/cmd/agents/l3.py` and its like call setproctitle).
fn is_title(line: &[u8], agent: &str) -> bool {
    line.strip_prefix(agent.as_bytes()).is_some_and(|rest| rest.starts_with(b" ("))
}

fn agent(pid: i32, name: &str) -> Vec<Finding> {
    let who = format!("{name} ({pid})");
    let environment = match fs::read(format!("/proc/{pid}/environ")) {
        Ok(environment) => environment,
        Err(error) => return vec![Finding::unseen("agents", format!("{who}: its PATH: {error}"))],
    };
    let variable = |wanted: &str| {
        let all = environment.split(|byte| *byte == 0);
        let value = all.filter_map(|one| one.strip_prefix(wanted.as_bytes())?.strip_prefix(b"=")).next()?;
        Some(String::from_utf8_lossy(value).into_owned())
    };
    let root = PathBuf::from(format!("/proc/{pid}/root"));
    let mut all = Vec::new();
    match variable("PATH") {
        Some(path) => {
            all.push(program(&who, &root, &path));
            all.extend(preloaded(&who, &variable("LD_PRELOAD").unwrap_or_default()));
        }
        None => {
            let what =
                format!("{who}: its PATH, and so the haproxy that it starts: its title stands over its environment");
            all.push(Finding {
                remedy: Some(format!(
                    "look which haproxy comes first in the PATH of its unit, as Neutron's packages call it: `systemctl show -p \
                     Environment -p EnvironmentFiles {name}`, or in the container's settings"
                )),
                ..Finding::unseen("agents", what)
            });
            all.extend(preloaded(&who, &allocators(pid)));
        }
    }
    all.extend(descriptors(pid, &who));
    all
}

/// Allocators that an agent has mapped, one a line. If its environment cannot be read, this shows what was loaded into it.
fn allocators(pid: i32) -> String {
    let maps = fs::read_to_string(format!("/proc/{pid}/maps")).unwrap_or_default();
    let files = maps.lines().filter_map(|line| line.split_ascii_whitespace().nth(5));
    let is_one = |file: &&str| {
        let name = file.rsplit('/').next().unwrap_or_default();
        name.starts_with("lib") && name.contains("malloc") && name.contains(".so")
    };
    files.filter(is_one).collect::<BTreeSet<_>>().into_iter().collect::<Vec<_>>().join("\n")
}

/// The first haproxy in an agent's PATH.
fn program(who: &str, root: &Path, path: &str) -> Finding {
    const REMEDY: &str = "put nsgate's haproxy first there (package nsgate-haproxy-compat, or the image nsgate-image), and start the \
                          agent anew: docs/migration.md";
    let places = path.split(':').filter(|place| place.starts_with('/')).map(|place| Path::new(place).join("haproxy"));
    for place in places {
        let Some((real, link)) = resolved(root, &place) else { continue };
        let shown = place.display();
        let file = match plain_file::open(&root.join(real.strip_prefix("/").unwrap_or(&real))) {
            Ok(file) => file,
            // A shell passes it over too.
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => continue,
            Err(_) => return Finding::unseen("agents", format!("{who} starts {shown}, which cannot be read")),
        };
        let mut text = Vec::new();
        let read = file.take(LONGEST).read_to_end(&mut text);
        if text.starts_with(b"#!") {
            return script(who, &shown.to_string(), &String::from_utf8_lossy(&text));
        }
        if read.is_err() || !text.windows(MARK.len()).any(|part| part == MARK) {
            return Finding::wrong("agents", format!("{who} starts {shown}, which is not nsgate"), REMEDY);
        }
        if link {
            let what = format!(
                "{who} starts {shown}, a link: /proc shows another name than haproxy, and rootwrap's kill filters miss it"
            );
            return Finding::wrong("agents", what, "put the program itself there, or a hard link");
        }
        return Finding::ok("agents", format!("{who} starts {shown}, which is nsgate"));
    }
    Finding::wrong("agents", format!("{who} finds no haproxy in its PATH ({})", path.escape_debug()), REMEDY)
}

/// A script in haproxy's place: those of kolla and EDPM start haproxy in a container beside the agent's, from the image that they
/// name.
fn script(who: &str, shown: &str, text: &str) -> Finding {
    let code = text.lines().filter(|line| !line.trim_start().starts_with('#')).collect::<Vec<_>>().join(" ");
    let has = |word: &str| code.contains(word);
    if ["podman", "docker", "nerdctl", "nsenter", "ip netns"].into_iter().any(has) {
        let what = format!("{who} starts {shown}, a wrapper, which starts haproxy in a container");
        let remedy = Some("look whether the image of that container has nsgate: docs/containers".to_owned());
        return Finding { remedy, ..Finding::note("agents", what) };
    }
    let what = format!("{who} starts {shown}, a script: what that starts is not seen");
    Finding { remedy: Some("look which haproxy it starts".to_owned()), ..Finding::unseen("agents", what) }
}

/// Follows a path in another root, link by link. Also returns whether its last name is a link to another name.
fn resolved(root: &Path, path: &Path) -> Option<(PathBuf, bool)> {
    let (mut path, mut renamed) = (path.to_owned(), false);
    for _ in 0..LINKS {
        let mut inside = PathBuf::from("/");
        let mut again = None;
        let parts: Vec<Component<'_>> = path.components().collect();
        for (index, part) in parts.iter().enumerate() {
            match part {
                Component::Normal(name) => inside.push(name),
                Component::ParentDir => drop(inside.pop()),
                _ => continue,
            }
            let found = fs::symlink_metadata(root.join(inside.strip_prefix("/").ok()?)).ok()?;
            if found.file_type().is_symlink() {
                let target = fs::read_link(root.join(inside.strip_prefix("/").ok()?)).ok()?;
                let last = index + 1 == parts.len();
                renamed |= last && target.file_name() != inside.file_name();
                let mut next = inside.parent()?.join(target);
                next.extend(parts.iter().skip(index + 1));
                again = Some(next);
                break;
            }
            if found.file_type().is_socket() {
                return None;
            }
        }
        match again {
            Some(next) => path = next,
            None => return Some((inside, renamed)),
        }
    }
    None
}

/// Fewer descriptors than a gate wants: it starts with smaller bounds.
fn descriptors(pid: i32, who: &str) -> Option<Finding> {
    let limits = fs::read_to_string(format!("/proc/{pid}/limits")).ok()?;
    let hard: u64 =
        limits.lines().find_map(|line| line.strip_prefix("Max open files")?.split_whitespace().nth(1)?.parse().ok())?;
    (hard < DESCRIPTORS).then(|| {
        let what = format!(
            "{who} may have {hard} descriptors, and so may each gate that it starts: fewer connections than configured"
        );
        Finding::wrong("descriptors", what, "LimitNOFILE= of the agent's unit, or the container's ulimit")
    })
}

#[cfg(test)]
mod tests {
    use super::resolved;
    use std::{
        fs,
        os::unix::fs::symlink,
        path::{Path, PathBuf},
    };

    #[test]
    fn links_lead_within_the_agents_root() {
        let root = std::env::temp_dir().join(format!("nsgate-doctor-{}", std::process::id()));
        fs::create_dir_all(root.join("opt/bin")).unwrap();
        fs::create_dir_all(root.join("usr")).unwrap();
        fs::write(root.join("opt/bin/haproxy"), "").unwrap();
        symlink("/opt/bin", root.join("usr/sbin")).unwrap();
        symlink("../opt/bin/haproxy", root.join("usr/other")).unwrap();
        symlink("/usr/loop", root.join("usr/loop")).unwrap();
        let at = |path: &str| resolved(&root, Path::new(path));
        let real = PathBuf::from("/opt/bin/haproxy");
        assert_eq!(at("/usr/sbin/haproxy"), Some((real.clone(), false)), "an absolute link, as the agent sees it");
        assert_eq!(at("/usr/other"), Some((real, true)));
        assert_eq!((at("/usr/loop"), at("/usr/none")), (None, None));
        fs::remove_dir_all(&root).unwrap();
    }
}
