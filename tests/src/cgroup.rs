//! A control group of a test's own, below the host's cgroup2 tree, which is removed together with its processes.

use std::fs;
use std::path::{Path, PathBuf};

use crate::lab::text;

/// Makes one.
///
/// # Errors
/// One line: no tree of version 2 is mounted, or this process may not make a group in it.
pub fn make() -> Result<PathBuf, String> {
    let mounts = text("/proc/self/mountinfo");
    let top = mounts.lines().find_map(|line| {
        let (before, after) = line.split_once(" - ")?;
        after.starts_with("cgroup2 ").then(|| before.split(' ').nth(4)).flatten()
    });
    let top = top.ok_or("no cgroup2 is mounted here, and one is wanted: mount -t cgroup2 none /sys/fs/cgroup")?;
    // Process numbers are those of a world, and are the same in each.
    let group = Path::new(top).join(format!("nsgate-machine-{}", text("/proc/sys/kernel/random/uuid").trim()));
    fs::create_dir(&group).map_err(|e| format!("{}: {e}", group.display()))?;
    Ok(group)
}

/// Removes a control group and those below it; false as long as something runs in one.
pub fn remove(group: &Path) -> bool {
    let below = fs::read_dir(group).into_iter().flatten().flatten();
    for path in below.map(|entry| entry.path()).filter(|path| path.is_dir()) {
        remove(&path);
    }
    fs::remove_dir(group).is_ok() || !group.exists()
}
