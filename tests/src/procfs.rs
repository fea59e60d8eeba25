//! What a process holds, read from `/proc/PID` by a process that may: the tests' own eyes, independent of `nsgate attest`.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{FileExt, FileTypeExt, MetadataExt};
use std::path::PathBuf;

use crate::lab::text;

/// The five capability sets as `/proc/PID/status` names them.
pub const CAPABILITY_SETS: [&str; 5] = ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"];

/// A process seen through `/proc`.
#[derive(Debug, Clone)]
pub struct Process {
    /// Its number in this world.
    pub pid: i32,
}

impl Process {
    /// The process with this number.
    pub fn new(pid: i32) -> Process {
        Process { pid }
    }

    fn path(&self, name: &str) -> PathBuf {
        PathBuf::from(format!("/proc/{}/{name}", self.pid))
    }

    /// The value of a line of `status`, trimmed (`Uid`, `Groups`, `CapBnd`, `NoNewPrivs`, `Seccomp`, `NSpid`, …).
    pub fn status(&self, key: &str) -> String {
        let status = text(self.path("status"));
        assert!(!status.is_empty(), "/proc/{}/status cannot be read: the process is gone", self.pid);
        let prefix = format!("{key}:");
        status.lines().find_map(|line| line.strip_prefix(&prefix)).unwrap_or_default().trim().to_owned()
    }

    /// The numbers of a line of `status`.
    pub fn status_numbers(&self, key: &str) -> Vec<u64> {
        self.status(key).split_whitespace().filter_map(|word| word.parse().ok()).collect()
    }

    /// A capability set as a number.
    pub fn capabilities(&self, set: &str) -> u64 {
        u64::from_str_radix(&self.status(set), 16).expect("a capability set in hexadecimal")
    }

    /// The inode of a namespace (`net`, `mnt`, `pid`, `ipc`, `uts`, `user`).
    pub fn namespace(&self, kind: &str) -> u64 {
        fs::metadata(self.path(&format!("ns/{kind}"))).map(|m| m.ino()).unwrap_or(0)
    }

    /// The names under its root directory.
    pub fn root_entries(&self) -> Vec<String> {
        let root = fs::read_dir(self.path("root")).unwrap_or_else(|e| panic!("the root of {}: {e}", self.pid));
        let mut names: Vec<_> = root.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    /// `mountinfo`, one line per mount.
    pub fn mounts(&self) -> Vec<String> {
        text(self.path("mountinfo")).lines().map(str::to_owned).collect()
    }

    /// Each open descriptor and what it is (`socket:[1234]`, `anon_inode:[eventpoll]`, a path). The null device is
    /// known by its number: in another root its path may read `/`.
    /// `None` where the kernel does not show them: in the lab of an ordinary user no process is root, and the descriptors
    /// of a process that cannot be dumped are root's.
    pub fn descriptors(&self) -> Option<BTreeMap<i32, String>> {
        let dir = fs::read_dir(self.path("fd")).ok()?;
        let found = dir.flatten().filter_map(|entry| {
            let number = entry.file_name().to_str()?.parse().ok()?;
            let target = fs::read_link(entry.path()).ok()?;
            let null = fs::metadata(entry.path()).is_ok_and(|m| m.file_type().is_char_device() && m.rdev() == 0x103);
            let name = if null { "/dev/null".into() } else { target.to_string_lossy().into_owned() };
            Some((number, name))
        });
        Some(found.collect())
    }

    /// All memory of it that can be written.
    pub fn memory(&self) -> Vec<u8> {
        let file =
            fs::File::open(self.path("mem")).unwrap_or_else(|error| panic!("the memory of {}: {error}", self.pid));
        let mut all = Vec::new();
        for line in text(self.path("maps")).lines().filter(|line| line.contains(" rw")) {
            let (start, rest) = line.split_once('-').expect("a range");
            let number = |text: &str| u64::from_str_radix(text, 16).expect("an address");
            let (start, end) = (number(start), number(rest.split(' ').next().expect("an address")));
            let mut part = vec![0; usize::try_from(end - start).expect("a length")];
            if file.read_exact_at(&mut part, start).is_ok() {
                all.extend(part);
            }
        }
        assert!(!all.is_empty(), "{} has no memory that can be read", self.pid);
        all
    }

    /// Its children.
    pub fn children(&self) -> Vec<Process> {
        let found = text(self.path(&format!("task/{}/children", self.pid)));
        found.split_whitespace().filter_map(|pid| pid.parse().ok()).map(Process::new).collect()
    }

    /// What it is called.
    pub fn name(&self) -> String {
        text(self.path("comm")).trim().to_owned()
    }

    /// Whether it has not ended.
    pub fn lives(&self) -> bool {
        text(self.path("status")).lines().any(|line| line.starts_with("State:") && !line.contains("Z (zombie)"))
    }

    /// The command line.
    pub fn cmdline(&self) -> Vec<String> {
        let bytes = fs::read(self.path("cmdline")).unwrap_or_default();
        bytes
            .split(|&b| b == 0)
            .filter(|word| !word.is_empty())
            .map(|w| String::from_utf8_lossy(w).into_owned())
            .collect()
    }

    /// The environment the process shows.
    pub fn environ(&self) -> Vec<String> {
        let bytes = fs::read(self.path("environ")).unwrap_or_default();
        bytes
            .split(|&b| b == 0)
            .filter(|word| !word.is_empty())
            .map(|w| String::from_utf8_lossy(w).into_owned())
            .collect()
    }

    /// Where `/proc/PID/exe` points.
    pub fn exe(&self) -> PathBuf {
        fs::read_link(self.path("exe")).unwrap_or_default()
    }

    /// The working directory as the process sees it.
    pub fn cwd(&self) -> PathBuf {
        fs::read_link(self.path("cwd")).unwrap_or_default()
    }

    /// Soft and hard value of a limit (`Max core file size`), as text.
    pub fn limit(&self, name: &str) -> (String, String) {
        let limits = text(self.path("limits"));
        let line = limits.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
        let mut words = line.split_whitespace().map(str::to_owned);
        (words.next().unwrap_or_default(), words.next().unwrap_or_default())
    }

    /// Private dirty memory in KiB (`smaps_rollup`).
    pub fn private_dirty(&self) -> u64 {
        self.rollup("Private_Dirty")
    }

    /// Private dirty memory in KiB of the mappings with these names (`smaps`).
    pub fn private_dirty_of(&self, names: &[&str]) -> u64 {
        let (mut named, mut sum) = (false, 0);
        for line in text(self.path("smaps")).lines() {
            let mut words = line.split_whitespace();
            match words.next() {
                Some("Private_Dirty:") if named => sum += words.next().and_then(|kib| kib.parse().ok()).unwrap_or(0),
                // The first line of a mapping begins with its addresses; its name is the last word.
                Some(first) if !first.ends_with(':') => named = words.last().is_some_and(|name| names.contains(&name)),
                _ => {}
            }
        }
        sum
    }

    /// Proportional share of the memory in KiB.
    pub fn pss(&self) -> u64 {
        self.rollup("Pss")
    }

    fn rollup(&self, key: &str) -> u64 {
        let prefix = format!("{key}:");
        let all = text(self.path("smaps_rollup"));
        all.lines()
            .find_map(|line| line.strip_prefix(&prefix))
            .and_then(|rest| rest.split_whitespace().next()?.parse().ok())
            .unwrap_or(0)
    }

    /// The threads.
    pub fn threads(&self) -> usize {
        fs::read_dir(self.path("task")).map(Iterator::count).unwrap_or(0)
    }
}

/// Every process of this world whose command line contains `word`.
pub fn having(word: &str) -> Vec<i32> {
    let me = i32::try_from(std::process::id()).unwrap_or(0);
    let all = fs::read_dir("/proc").map(|dir| dir.flatten().collect::<Vec<_>>()).unwrap_or_default();
    all.into_iter()
        .filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok())
        .filter(|&pid| pid > 2 && pid != me)
        .filter(|&pid| Process::new(pid).cmdline().join(" ").contains(word))
        .collect()
}
