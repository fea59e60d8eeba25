//! `cargo xtask policy`: which system calls would the policies have killed for? Runs the suites on a development build
//! whose filters log, and names each call with the place to look at.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::os::unix::fs::OpenOptionsExt;

use nsgate_tests::choice::AMONG_OTHERS;
use nsgate_tests::program::{target, workspace};

use crate::command::{cargo, plain, stream};
use crate::test::words::idle;
use nsgate_tests::table::table;

/// Where the C library's headers keep the numbers of system calls. A linker's package brings them.
const HEADERS: [&str; 3] = [
    "/usr/include/x86_64-linux-gnu/asm/unistd_64.h",
    "/usr/include/aarch64-linux-gnu/asm/unistd_64.h",
    "/usr/include/asm-generic/unistd.h",
];

/// The standard library asks whether a descriptor is open before it closes it (F_GETFD), in builds with debug
/// assertions alone, which a development build is and a release is not.
const DEVELOPMENT: &str = "fcntl";

/// Runs the suites, or the tests whose names contain one of the words.
pub(crate) fn run(words: &[String]) -> Result<(), String> {
    let build = ["build", "--locked", "--package", "nsgate", "--features", "log-violations"];
    if !plain(cargo(&build))? {
        return Err("the development build failed; its errors are above".to_owned());
    }
    let mut log = KernelLog::from_now()?;
    let mut tests = cargo(&["test", "--quiet", "--locked", "--package", "nsgate-tests", "--no-fail-fast", "--"]);
    tests.arg(AMONG_OTHERS).args(words).env("NSGATE_HAPROXY", target().join("debug/haproxy"));
    tests.env("NSGATE_NSGATE", target().join("debug/nsgate"));
    // This suite makes forbidden calls on purpose.
    tests.env("NSGATE_ESCAPE", "no");
    // Tests of the kill itself fail on a build that does not kill; what counts here is the log.
    if let Some(why) = idle(words, &stream(tests)?.output) {
        return Err(why);
    }
    let names = names();
    let mut found = violations(&log.rest()?);
    found.retain(|number, _| names.get(number).is_none_or(|name| name != DEVELOPMENT));
    let calls: Vec<_> = found.iter().map(|(number, times)| (names.get(number).cloned(), number, times)).collect();
    let shown = |(name, number, times): &(Option<String>, &u32, &usize)| serde_json::json!({ "system_call": name, "number": number, "times": times });
    nsgate_tests::json::say(&calls.iter().map(shown).collect());
    if found.is_empty() {
        println!("\nno call outside the policies in {}", workspace().join("crates/nsgate-launcher/policy").display());
        return Ok(());
    }
    let mut rows = vec![["system call", "times", "where to look"].map(str::to_owned).to_vec()];
    for (number, times) in &found {
        let name = names.get(number).cloned().unwrap_or_else(|| format!("number {number}"));
        let place = "crates/nsgate-launcher/policy/*.toml: add [[syscall]] with a reason, or do without the call";
        rows.push(vec![name, times.to_string(), place.to_owned()]);
    }
    println!("\n{}", table(&rows));
    Err(format!("{} system calls would have killed a process", found.len()))
}

/// `/dev/kmsg`, read from its end on without waiting.
struct KernelLog(File);

impl KernelLog {
    fn from_now() -> Result<Self, String> {
        let path = "/dev/kmsg";
        let opened = File::options().read(true).custom_flags(nix::fcntl::OFlag::O_NONBLOCK.bits()).open(path);
        let file = opened.map_err(|e| format!("{path}: {e}; reading the kernel's log takes root"))?;
        let mut log = Self(file);
        log.rest()?;
        Ok(log)
    }

    /// One record for each read (Documentation/ABI/testing/dev-kmsg).
    fn rest(&mut self) -> Result<String, String> {
        let (mut text, mut record) = (String::new(), [0; 8192]);
        loop {
            match self.0.read(&mut record) {
                Ok(0) => return Ok(text),
                Ok(length) => text.push_str(&String::from_utf8_lossy(&record[..length])),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(text),
                // Records were overwritten before they were read.
                Err(error) if error.raw_os_error() == Some(nix::libc::EPIPE) => {}
                Err(error) => return Err(format!("/dev/kmsg: {error}")),
            }
        }
    }
}

/// Numbers of the calls in the audit lines (type 1326 is AUDIT_SECCOMP) of our programs, and how often.
fn violations(log: &str) -> BTreeMap<u32, usize> {
    let mut found = BTreeMap::new();
    let ours = ["comm=\"haproxy\"", "comm=\"nsgate\""];
    for line in log.lines().filter(|line| line.contains("type=1326") && ours.iter().any(|comm| line.contains(comm))) {
        let number = line.split_once(" syscall=").and_then(|(_, rest)| rest.split(' ').next()?.parse().ok());
        if let Some(number) = number {
            *found.entry(number).or_default() += 1;
        }
    }
    found
}

fn names() -> BTreeMap<u32, String> {
    let text = HEADERS.iter().find_map(|path| std::fs::read_to_string(path).ok()).unwrap_or_default();
    let define = |line: &str| {
        let (name, number) = line.strip_prefix("#define __NR_")?.split_once(' ')?;
        Some((number.trim().parse().ok()?, name.to_owned()))
    };
    text.lines().filter_map(define).collect()
}

#[cfg(test)]
mod tests {
    use super::violations;

    #[test]
    fn only_seccomp_lines_of_our_programs_count() {
        let log = "5,1,2,-;audit: type=1326 audit(1.0:1): pid=9 comm=\"haproxy\" exe=\"/x/haproxy\" sig=0 syscall=257 compat=0\n\
            5,1,2,-;audit: type=1326 audit(1.0:2): pid=9 comm=\"other\" exe=\"/x/other\" sig=0 syscall=1 compat=0\n\
            6,1,2,-;audit: type=1400 comm=\"haproxy\" syscall=3\n";
        assert_eq!(violations(log).into_iter().collect::<Vec<_>>(), [(257, 1)]);
    }
}
