//! Where the windows of a small root were taken from: written into the root's name when it is made, and read by a command that looks at
//! the process from outside.
//!
//! A window stays with the directory that it was opened for. Whether the path still leads to that directory is seen with the
//! path and the mount namespace in which it was walked. The process itself can change neither: the name is that of a mount's
//! source.

use std::{
    fmt::Write,
    fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

/// Longest name in bytes: mount(2) takes a page (`PATH_MAX`). What does not fit is left out, and cannot be looked at.
const LONGEST: usize = 4000;
/// How the line with the namespaces begins. No window has such a name.
const NAMESPACES: &str = "mnt";
/// How a line with a socket begins. No window has such a name.
const SOCKET: &str = "socket";

/// Paths, and mount namespaces in which they lead somewhere.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origin {
    /// By their inode numbers, the one in which the paths were walked first.
    pub(crate) namespaces: Vec<u64>,
    /// Windows, and the path of what is looked for in each.
    pub(crate) places: Vec<(String, PathBuf)>,
    /// Sockets at which the process listens: device and inode of the file, which last as long as the socket does, and where it
    /// is to be found.
    pub(crate) sockets: Vec<((u64, u64), PathBuf)>,
}

impl Origin {
    /// In the mount namespace of this process; where that ends with it (`ip netns exec` makes one for each command), in that
    /// of its parent.
    #[must_use]
    pub fn here() -> Self {
        let of = |process: &Path| fs::metadata(process.join("ns/mnt")).ok().map(|found| found.ino());
        let parent = PathBuf::from(format!("/proc/{}", nix::unistd::getppid()));
        let mut namespaces: Vec<u64> = [Path::new("/proc/self"), &parent].into_iter().filter_map(of).collect();
        namespaces.dedup();
        Self { namespaces, ..Self::default() }
    }

    /// The same, and `window`, or a directory that is held and not shown, was taken for what is at `path`.
    #[must_use]
    pub fn and(mut self, window: &str, path: &Path) -> Self {
        self.places.push((window.to_owned(), path.to_owned()));
        self
    }

    /// The same, and the process listens at the socket whose file this is, by device and inode, and which is to be found at
    /// `path`.
    #[must_use]
    pub fn and_socket(mut self, path: &Path, file: (u64, u64)) -> Self {
        self.sockets.push((file, path.to_owned()));
        self
    }

    /// The name of a root with this origin: `name`, and a line for each thing to know.
    #[must_use]
    pub fn named(&self, name: &str) -> String {
        let mut text = name.to_owned();
        let mut line = |key: &str, value: &str| {
            if text.len() + key.len() + value.len() + 2 <= LONGEST && !value.contains('\n') {
                // Writing to a String cannot fail.
                let _ = write!(text, "\n{key} {value}");
            }
        };
        let namespaces: Vec<String> = self.namespaces.iter().map(ToString::to_string).collect();
        line(NAMESPACES, &namespaces.join(" "));
        for ((device, inode), path) in &self.sockets {
            if let Some(path) = path.to_str() {
                line(SOCKET, &format!("{device} {inode} {path}"));
            }
        }
        for (window, path) in &self.places {
            if let Some(path) = path.to_str() {
                line(window, path);
            }
        }
        text
    }

    /// Name and origin of a root, by its mount's source as mountinfo shows it (proc_pid_mountinfo(5)).
    pub(crate) fn read(source: &str) -> (String, Self) {
        let text = unescaped(source);
        let mut lines = text.split('\n');
        let name = lines.next().unwrap_or_default().to_owned();
        let mut origin = Self::default();
        for (key, value) in lines.filter_map(|line| line.split_once(' ')) {
            if key == NAMESPACES {
                origin.namespaces = value.split(' ').filter_map(|number| number.parse().ok()).collect();
            } else if key == SOCKET {
                origin.sockets.extend(socket(value));
            } else {
                origin.places.push((key.to_owned(), PathBuf::from(value)));
            }
        }
        (name, origin)
    }
}

/// `DEVICE INODE PATH`.
fn socket(value: &str) -> Option<((u64, u64), PathBuf)> {
    let (device, rest) = value.split_once(' ')?;
    let (inode, path) = rest.split_once(' ')?;
    Some(((device.parse().ok()?, inode.parse().ok()?), PathBuf::from(path)))
}

/// Blanks, ends of lines and backslashes stand there as `\` and three octal digits (`mangle_path`, fs/seq_file.c).
pub(crate) fn unescaped(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, behind)) = rest.split_first() {
        let digits = behind.get(..3).filter(|_| *first == b'\\').and_then(|digits| std::str::from_utf8(digits).ok());
        match digits.and_then(|digits| u8::from_str_radix(digits, 8).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = behind.get(3..).unwrap_or_default();
            }
            None => {
                bytes.push(*first);
                rest = behind;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::{LONGEST, Origin, unescaped};
    use std::path::Path;

    /// As the kernel writes it.
    fn escaped(text: &str) -> String {
        text.replace('\\', "\\134").replace(' ', "\\040").replace('\n', "\\012").replace('\t', "\\011")
    }

    #[test]
    fn an_origin_is_read_as_it_was_written() {
        let here = Origin { namespaces: vec![7, 4_026_531_841], ..Origin::default() };
        let origin = here.and("backend", Path::new("/var/lib/a b\\c/agent")).and("worker", Path::new("/run/p.sock"));
        let origin = origin.and_socket(Path::new("/run/a b/p.sock"), (26, 4711));
        let name = origin.named("nsgate:X-Neutron-Network-ID:7a1c");
        assert_eq!(Origin::read(&escaped(&name)), ("nsgate:X-Neutron-Network-ID:7a1c".to_owned(), origin));
        assert_eq!(Origin::read("nsgate"), ("nsgate".to_owned(), Origin::default()), "of an earlier release");
        assert!(!Origin::here().namespaces.is_empty());
    }

    #[test]
    fn what_does_not_fit_is_left_out() {
        let long = format!("/{}", "a".repeat(LONGEST));
        let origin = Origin::default().and("backend", Path::new(&long)).and("backend2", Path::new("/b/agent"));
        let name = origin.named("nsgate");
        assert!(name.len() <= LONGEST);
        assert_eq!(Origin::read(&escaped(&name)).1.places, [("backend2".to_owned(), "/b/agent".into())]);
    }

    #[test]
    fn a_backslash_without_digits_is_one() {
        assert_eq!(unescaped("a\\040b\\9\\"), "a b\\9\\");
    }
}
