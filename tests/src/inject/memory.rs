//! A process's memory through `/proc/PID/mem`, and its mappings through `/proc/PID/maps`.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use nix::unistd::Pid;

/// The memory of a process that this one traces.
#[derive(Debug)]
pub(super) struct Memory {
    pid: Pid,
    file: File,
    patched: Option<(u64, [u8; 2])>,
}

#[derive(Debug)]
struct Mapping {
    start: u64,
    end: u64,
    access: String,
    name: String,
}

impl Memory {
    pub(super) fn open(pid: Pid) -> io::Result<Memory> {
        let file = File::options().read(true).write(true).open(format!("/proc/{pid}/mem"))?;
        Ok(Memory { pid, file, patched: None })
    }

    pub(super) fn read(&self, address: u64, bytes: &mut [u8]) -> io::Result<()> {
        self.file.read_exact_at(bytes, address)
    }

    pub(super) fn write(&self, address: u64, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all_at(bytes, address)
    }

    /// Where executable memory holds these bytes.
    pub(super) fn executable(&self, wanted: &[u8]) -> io::Result<Option<u64>> {
        for mapping in self.code()? {
            if let Some(at) = position(&contents(&self.file, &mapping), wanted) {
                return Ok(Some(mapping.start + at as u64));
            }
        }
        Ok(None)
    }

    /// Writes an instruction over the last bytes of the program's own code (the padding of its last page, as a rule).
    pub(super) fn patch_code(&mut self, instruction: [u8; 2]) -> io::Result<u64> {
        let code = self.code()?.into_iter().next().ok_or_else(|| io::Error::other("no executable mapping"))?;
        let (at, mut before) = (code.end - 16, [0; 2]);
        self.read(at, &mut before)?;
        self.write(at, &instruction)?;
        self.patched = Some((at, before));
        Ok(at)
    }

    pub(super) fn restore_code(&mut self) -> io::Result<()> {
        match self.patched.take() {
            Some((at, before)) => self.write(at, &before),
            None => Ok(()),
        }
    }

    fn code(&self) -> io::Result<Vec<Mapping>> {
        // The page of vsyscalls is shown but is no memory.
        let code = |mapping: &Mapping| mapping.access.contains('x') && mapping.name != "[vsyscall]";
        Ok(mappings(self.pid.as_raw())?.into_iter().filter(code).collect())
    }
}

/// The mappings of a process whose readable memory holds `wanted`, by address and name.
///
/// # Errors
/// When the process is gone or not ours to read.
pub fn find(pid: i32, wanted: &[u8]) -> io::Result<Vec<String>> {
    let file = File::open(Path::new("/proc").join(pid.to_string()).join("mem"))?;
    let mut found = Vec::new();
    for mapping in mappings(pid)?.iter().filter(|mapping| mapping.access.starts_with('r')) {
        if position(&contents(&file, mapping), wanted).is_some() {
            found.push(format!("{:x} {}", mapping.start, mapping.name).trim_end().to_owned());
        }
    }
    Ok(found)
}

fn position(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}

/// What can be read of a mapping: a file that was cut short, or the kernel's own pages, may end early.
fn contents(file: &File, mapping: &Mapping) -> Vec<u8> {
    const PAGE: u64 = 4096;
    let mut all = vec![0; usize::try_from(mapping.end - mapping.start).unwrap_or(0)];
    if file.read_exact_at(&mut all, mapping.start).is_err() {
        for (page, address) in all.chunks_mut(PAGE as usize).zip((mapping.start..).step_by(PAGE as usize)) {
            let _ = file.read_exact_at(page, address);
        }
    }
    all
}

fn mappings(pid: i32) -> io::Result<Vec<Mapping>> {
    let text = fs::read_to_string(Path::new("/proc").join(pid.to_string()).join("maps"))?;
    let parse = |line: &str| {
        let mut words = line.split_whitespace();
        let (start, end) = words.next()?.split_once('-')?;
        let access = words.next()?.to_owned();
        let name = words.nth(3).unwrap_or_default().to_owned();
        let number = |text| u64::from_str_radix(text, 16).ok();
        Some(Mapping { start: number(start)?, end: number(end)?, access, name })
    };
    Ok(text.lines().filter_map(parse).collect())
}
