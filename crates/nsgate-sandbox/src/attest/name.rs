//! Which small root a process stands in: the name that its maker gave to it.

use crate::{origin::Origin, status::ProcStatus};
use std::{fs, os::unix::fs::MetadataExt, path::Path};

/// The name of the small root that process `pid` stands in ([`enter_named`](crate::small_root::enter_named)); `tmpfs` if
/// that has none. `None` if the process does not stand in one, holds a capability, has no filter, may gain a privilege, or
/// belongs to another user namespace than the reader.
///
/// The name was chosen when the root was made, with the right to mount in the reader's own user namespace. The process itself
/// cannot change it, and without that right no process makes such a root.
#[must_use]
pub fn name_of_root(pid: i32) -> Option<String> {
    let process = Path::new("/proc").join(pid.to_string());
    let path = process.join("status");
    let status = ProcStatus::parse(&fs::read_to_string(&path).ok()?, &path).ok()?;
    let confined = status.capabilities == [0; 5] && status.no_new_privs && status.seccomp == 2 && status.threads == 1;
    let namespace = |process: &Path| {
        let found = fs::metadata(process.join("ns/user")).ok()?;
        Some((found.dev(), found.ino()))
    };
    let same_users = namespace(&process)? == namespace(Path::new("/proc/self"))?;
    let name = name_in(&fs::read_to_string(process.join("mountinfo")).ok()?)?;
    (confined && same_users).then_some(name)
}

/// What every mount of a small root is.
const CLOSED: [&str; 4] = ["ro", "nosuid", "nodev", "noexec"];

/// The source of the root in a list of mounts (proc_pid_mountinfo(5)) that is a small root's: a tmpfs, windows in it, and
/// nothing that can be written to.
fn name_in(mounts: &str) -> Option<String> {
    let mut name = None;
    for line in mounts.lines() {
        let (before, after) = line.split_once(" - ")?;
        let mut words = before.split(' ').skip(4);
        let (point, options) = (words.next()?, words.next()?);
        if !CLOSED.iter().all(|closed| options.split(',').any(|option| option == *closed)) {
            return None;
        }
        let (kind, rest) = after.split_once(' ')?;
        if point == "/" {
            // Something that is mounted over it would be what the process sees.
            let root = kind == "tmpfs" && name.is_none();
            name = Some(Origin::read(rest.split(' ').next().filter(|_| root)?).0);
        }
    }
    name
}

#[cfg(test)]
mod tests {
    use super::{name_in, name_of_root};

    const ROOT: &str = "37 1 0:41 / / ro,nosuid,nodev,noexec,relatime - tmpfs nsgate:X rw,size=4k\n";
    const WINDOW: &str = "38 37 0:42 /agent /backend ro,nosuid,nodev,noexec - ext4 /dev/sda1 rw\n";

    #[test]
    fn a_small_root_has_the_name_that_it_was_given() {
        assert_eq!(name_in(&format!("{ROOT}{WINDOW}")).as_deref(), Some("nsgate:X"));
        assert_eq!(name_in(&format!("{WINDOW}{ROOT}")).as_deref(), Some("nsgate:X"));
        let with_origin = ROOT.replace("nsgate:X", "nsgate:X\\012mnt\\0407\\012backend\\040/run/agent");
        assert_eq!(name_in(&with_origin).as_deref(), Some("nsgate:X"), "where its windows are from is no part of it");
        assert_eq!(name_in(&ROOT.replace("nsgate:X", "tmpfs")).as_deref(), Some("tmpfs"));
    }

    #[test]
    fn what_is_no_small_root_has_no_name() {
        for mounts in [
            String::new(),
            WINDOW.to_owned(),
            ROOT.replace("ro,", "rw,"),
            ROOT.replace("tmpfs", "ext4"),
            format!("{ROOT}{}", WINDOW.replace("nosuid,", "")),
            format!("{ROOT}{ROOT}"),
        ] {
            assert_eq!(name_in(&mounts), None, "{mounts}");
        }
        assert_eq!(name_of_root(std::process::id().try_into().unwrap()), None, "this process stands in the host's");
    }
}
