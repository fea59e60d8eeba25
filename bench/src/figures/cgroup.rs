//! A memory cgroup of a measurement's own (version 1), with this process in it and all that it starts from then on.

use std::fs;
use std::path::{Path, PathBuf};

use nsgate_tests::lab::{text, wait_until};

/// The cgroup, with this process in it. `None` where this machine has no such cgroup or does not permit one.
pub(super) struct Cgroup(Option<(PathBuf, f64)>);

const MEMORY: &str = "/sys/fs/cgroup/memory";

impl Cgroup {
    /// `name` tells those of one run apart.
    pub(super) fn enter(name: &str) -> Cgroup {
        let path = Path::new(MEMORY).join(format!("nsgate-bench-{}-{name}", number()));
        let made = fs::create_dir(&path).and_then(|()| fs::write(path.join("cgroup.procs"), "0"));
        Cgroup(made.ok().map(|()| {
            let before = usage(&path);
            (path, before)
        }))
    }

    /// KiB more than when it was entered.
    pub(super) fn more(&self) -> Option<f64> {
        self.0.as_ref().map(|(path, before)| (usage(path) - before) / 1024.0)
    }

    /// Processes that start from here on are not counted.
    pub(super) fn leave(&self) {
        let _ = fs::write(Path::new(MEMORY).join("cgroup.procs"), "0");
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        self.leave();
        if let Some((path, _)) = &self.0 {
            // The kernel keeps the cgroup until its last process has ended.
            wait_until(5.0, || fs::remove_dir(path).is_ok());
        }
    }
}

/// KiB as a table has them.
pub(super) fn shown(counted: Option<f64>) -> String {
    counted.map_or_else(|| "-".to_owned(), |kib| format!("{kib:.0}"))
}

/// A number that is this run's own outside its PID namespace, too.
fn number() -> String {
    let link = fs::read_link("/proc/self/ns/pid").unwrap_or_default();
    link.to_string_lossy().chars().filter(char::is_ascii_digit).collect()
}

fn usage(path: &Path) -> f64 {
    text(path.join("memory.usage_in_bytes")).trim().parse().unwrap_or(0.0)
}
