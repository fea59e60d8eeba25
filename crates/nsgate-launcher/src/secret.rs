//! A secret that outlives the process that made it: it lies in sealed memory (memfd_create(2)) that the service manager
//! keeps and passes to the next start. It is in no file, and nothing of it stays with the starter.

use crate::{
    LaunchError,
    manager::{self, Keeping, ManagerOffer},
};
use nix::{
    errno::Errno,
    fcntl::{FcntlArg, SealFlag, fcntl},
    sys::{
        memfd::{MFdFlags, memfd_create},
        uio::pread,
    },
};
use std::{
    fs::File,
    io::{self, Write},
    os::fd::OwnedFd,
};

/// Under this name it is kept.
const NAME: &str = "secret";
/// Longest secret in bytes.
const LONGEST: usize = 1024;

/// The process's secret, if it wants one and there is a manager that keeps it.
pub(crate) fn offered(
    make: Option<fn() -> io::Result<String>>,
    offered: ManagerOffer,
    passed: &mut Vec<(String, OwnedFd)>,
    warnings: &mut Vec<String>,
) -> Result<Option<OwnedFd>, LaunchError> {
    let Some(make) = make.filter(|_| offered.most > 0) else { return Ok(None) };
    let Some(keeping) = manager::connected(offered.most, warnings) else { return Ok(None) };
    open(make, passed, &keeping, warnings).map(Some).map_err(LaunchError::Prepare)
}

/// The secret that was kept, or a new one, which is kept from now on. One that cannot be kept is a warning: the process
/// has it all the same.
fn open(
    make: fn() -> io::Result<String>,
    passed: &mut Vec<(String, OwnedFd)>,
    keeping: &Keeping,
    warnings: &mut Vec<String>,
) -> io::Result<OwnedFd> {
    let index = passed.iter().position(|(name, _)| name == NAME);
    if let Some((_, kept)) = index.map(|index| passed.swap_remove(index)) {
        match check_sealed(&kept) {
            Ok(()) => return Ok(kept),
            Err(reason) => {
                warnings.push(format!("the secret that the service manager keeps is {reason}; it is replaced"))
            }
        }
        let _ = keeping.say("FDSTOREREMOVE=1\nFDNAME=secret", &[]);
    }
    let mut file = File::from(memfd_create("nsgate", MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING)?);
    let mut text = make()?.into_bytes();
    let written = file.write_all(&text);
    // Nothing of it is left on the heap of the starter.
    std::hint::black_box(&mut text).fill(0);
    written?;
    fcntl(&file, FcntlArg::F_ADD_SEALS(seals()))?;
    let secret = OwnedFd::from(file);
    if let Err(error) = keeping.say("FDSTORE=1\nFDPOLL=0\nFDNAME=secret", std::slice::from_ref(&secret)) {
        warnings
            .push(format!("the service manager does not keep the secret: {error}; the next start makes another one"));
    }
    Ok(secret)
}

/// Reads it. The position of the descriptor is shared with the service manager's, and left alone.
pub(crate) fn read_secret(secret: &OwnedFd) -> io::Result<String> {
    let mut bytes = vec![0; LONGEST];
    let length = pread(secret, &mut bytes, 0)?;
    bytes.truncate(length);
    String::from_utf8(bytes).map_err(|_| io::ErrorKind::InvalidData.into())
}

fn seals() -> SealFlag {
    SealFlag::F_SEAL_SEAL | SealFlag::F_SEAL_SHRINK | SealFlag::F_SEAL_GROW | SealFlag::F_SEAL_WRITE
}

/// Whether this is memory that cannot change.
fn check_sealed(kept: &OwnedFd) -> Result<(), String> {
    match fcntl(kept, FcntlArg::F_GET_SEALS) {
        Ok(found) if SealFlag::from_bits_truncate(found).contains(seals()) => Ok(()),
        Ok(_) => Err("not sealed".to_owned()),
        Err(Errno::EINVAL) => Err("not a memfd".to_owned()),
        Err(error) => Err(format!("not to be looked at: fcntl: {error}")),
    }
}
