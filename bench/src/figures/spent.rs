//! Processor time of a request in one process, from wrk and the kernel.

use std::fs;
use std::time::Duration;

use nsgate_tests::Namespace;
use nsgate_tests::gate::communicate;
use nsgate_tests::lab::text;

/// Kinds of load: a name, and what wrk is told.
pub(super) const LOADS: [(&str, &[&str]); 2] =
    [("kept connections, 32", &[]), ("a connection for each request, 32", &["-H", "Connection: close"])];

/// Puts load on `url` for some seconds. Returns the µs of the process's processor time for a request that is answered with 2xx.
pub(super) fn for_a_request(space: &Namespace, url: &str, words: &[&str], pid: i32, seconds: u64) -> f64 {
    let (spent, said) = for_any_answer(space, url, words, pid, seconds);
    assert!(!said.contains("Non-2xx"), "{said}");
    spent
}

/// The same for a request with any answer, and what wrk says.
pub(super) fn for_any_answer(space: &Namespace, url: &str, words: &[&str], pid: i32, seconds: u64) -> (f64, String) {
    let mut command = space.command("wrk");
    command.args(["-t1", "-c32", &format!("-d{seconds}s")]).args(words).arg(url);
    let before = processor_time(&[pid]);
    let done = communicate(command, Duration::from_secs(seconds + 20));
    let spent = processor_time(&[pid]) - before;
    let line = done.stdout.lines().find(|line| line.contains(" requests in ")).unwrap_or_default();
    let requests = line.split_whitespace().next().and_then(|word| word.parse::<f64>().ok());
    (spent / requests.unwrap_or(f64::NAN), done.stdout)
}

/// Processor time of every thread so far, in microseconds (`/proc/PID/task/TID/schedstat`, the first number, in ns).
pub(super) fn processor_time(pids: &[i32]) -> f64 {
    let threads = pids.iter().flat_map(|pid| fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten());
    let spent = threads.map(|thread| {
        let line = text(thread.path().join("schedstat"));
        line.split_whitespace().next().and_then(|word| word.parse::<f64>().ok()).unwrap_or(0.0)
    });
    spent.sum::<f64>() / 1000.0
}
