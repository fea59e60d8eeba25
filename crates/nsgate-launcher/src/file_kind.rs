//! Kinds of file, as stat(2) has them and in words.

use nix::sys::stat::SFlag;

/// Kind of file, of its mode.
pub(crate) fn kind(mode: u32) -> SFlag {
    SFlag::from_bits_truncate(mode) & SFlag::S_IFMT
}

/// Kind of file, in words.
pub(crate) fn kind_name(mode: u32) -> &'static str {
    match kind(mode) {
        SFlag::S_IFREG => "a file",
        SFlag::S_IFDIR => "a directory",
        SFlag::S_IFLNK => "a symbolic link",
        SFlag::S_IFIFO => "a FIFO",
        SFlag::S_IFSOCK => "a socket",
        _ => "a device",
    }
}
