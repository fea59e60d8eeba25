//! The commands of the documentation, as a test runs them: every ```` ```console ```` block of a page in order, in one shell,
//! and its output compared with the page's.
//!
//! A line that begins with `$ ` or `# ` is a command (a `\` at its end goes on in the next line); the lines below it are
//! its output, where `…` stands for anything in a line and a line of `…` alone for any number of lines.

use std::io::{BufRead, BufReader, Lines, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use crate::config::NETWORK;
use crate::lab::Lab;
use crate::network::Namespace;
use crate::program::workspace;

/// Every page with commands, by its path in the repository. Each is run by the suite `book`, in the order of the page, except
/// those in [`NOT_RUN`].
pub const PAGES: [&str; 16] = [
    "README.md",
    "docs/agent.md",
    "docs/audit.md",
    "docs/diagnostics.md",
    "docs/embedding.md",
    "docs/fuzzing.md",
    "docs/getting-started.md",
    "docs/guards.md",
    "docs/hardened.md",
    "docs/host-proxy.md",
    "docs/killed.md",
    "docs/migration.md",
    "docs/namespace-proxy.md",
    "docs/operations.md",
    "docs/packaging.md",
    "docs/pool.md",
];

/// Commands that the suite cannot run: the page, how they begin, and why. A test fails if there is no such
/// command any more.
pub const NOT_RUN: [(&str, &str, &str); 22] = [
    ("README.md", "cargo xtask demo", "makes a laboratory of its own, inside this one; it is tried by hand"),
    ("README.md", "cargo xtask test", "would run this test"),
    ("README.md", "cargo xtask build", "the programs under test come from it"),
    ("docs/agent.md", "systemctl", "no systemd runs here; the stage dist starts both units on a machine with one"),
    ("docs/embedding.md", "cargo run --package nsgate-forwarder", "builds; the suite embedding runs the example"),
    ("docs/embedding.md", "cargo build --package nsgate", "builds; the suite embedding runs the example"),
    ("docs/embedding.md", "cargo xtask api", "builds; the stage api compares the same"),
    ("docs/embedding.md", "cargo xtask package", "takes minutes; a stage of the test command of its own"),
    ("docs/fuzzing.md", "cargo xtask fuzz head --seconds", "takes minutes"),
    ("docs/fuzzing.md", "cargo xtask fuzz head --replay", "replays what a run of the fuzzer found, and there is none"),
    ("docs/fuzzing.md", "mv tests/fuzz/findings", "the same"),
    ("docs/fuzzing.md", "cargo xtask test e2e", "would run this test"),
    ("docs/fuzzing.md", "cargo xtask differential", "takes half an hour; the suite dialect_differential asks the same"),
    ("docs/getting-started.md", "cargo xtask build", "the programs under test come from it"),
    (
        "docs/hardened.md",
        "apparmor_parser",
        "changes the profiles of the whole kernel; the stage dist compiles the profile",
    ),
    ("docs/hardened.md", "semodule -i", "changes the policy of the whole kernel; the stage dist compiles the module"),
    ("docs/hardened.md", "systemctl", "no systemd runs here; the stage dist takes both drop-ins to a machine with one"),
    (
        "docs/killed.md",
        "dmesg",
        "the kernel's log has such a line only where a filter has killed; the suite killed does that",
    ),
    ("docs/killed.md", "journalctl", "no journal runs here; the suite killed explains the same lines"),
    ("docs/killed.md", "ausearch", "no auditd runs here; the suite killed explains a line of its log"),
    ("docs/migration.md", "systemctl", "no systemd runs here; the stage dist starts both units on a machine with one"),
    ("docs/packaging.md", "cargo xtask dist", "takes minutes; the stage dist packs and installs"),
];

/// Commands that go on until they are told to end: the page, how they begin, and what succeeds once they serve. The test
/// goes on beside them.
const STAYS: [(&str, &str, &str); 3] = [
    ("README.md", "nsgate run", "ip netns exec qdhcp-UUID curl -s -o /dev/null http://169.254.169.254/"),
    ("docs/pool.md", "nsgate pool", "nsgate list"),
    ("docs/pool.md", "nsgate status --watch", "true"),
];

/// Pages whose commands print exactly what the page shows, even where it shows nothing.
const EXACT: [&str; 2] = ["docs/getting-started.md", "docs/diagnostics.md"];

/// Why a command of a page is not run.
pub fn reason_not_to_run(page: &str, command: &str) -> Option<&'static str> {
    let entry = NOT_RUN.iter().find(|(of, begins, _)| *of == page && command.starts_with(begins));
    entry.map(|(_, _, reason)| *reason)
}

/// A command of a page, and what it prints.
#[derive(Debug, PartialEq, Eq)]
pub struct Step {
    /// Its line in the page.
    pub line: usize,
    /// The command, without its prompt.
    pub command: String,
    /// Its output.
    pub output: Vec<String>,
}

impl Step {
    /// Whether the page shows that it fails: of a pipe the status is the last program's.
    pub fn is_refused(&self) -> bool {
        let says_no = |shown: &String| ["error", "haproxy (nsgate): "].iter().any(|begin| shown.starts_with(begin));
        self.output.iter().any(says_no) && !self.command.contains(" | ")
    }
}

/// The commands of a page.
pub fn steps(page: &str) -> Vec<Step> {
    let (mut found, mut inside): (Vec<Step>, bool) = (Vec::new(), false);
    let mut begins = true;
    for (index, line) in page.lines().enumerate() {
        if let Some(language) = line.strip_prefix("```") {
            inside = !inside && language == "console";
            begins = true;
            continue;
        }
        if !inside {
            continue;
        }
        let goes_on =
            !begins && found.last().is_some_and(|step| step.output.is_empty() && step.command.ends_with('\\'));
        if goes_on {
            if let Some(step) = found.last_mut() {
                step.command.push('\n');
                step.command.push_str(line.trim_start());
            }
        } else if let Some(command) = line.strip_prefix("$ ").or_else(|| line.strip_prefix("# ")) {
            found.push(Step { line: index + 1, command: command.to_owned(), output: Vec::new() });
        } else if let (false, Some(step)) = (begins, found.last_mut()) {
            step.output.push(line.to_owned());
        }
        begins = false;
    }
    found
}

/// Runs every command of a page, in the network namespace if one is named. Panics where output or end differ from the page.
pub fn run(lab: &Lab, page: &str, namespace: Option<&Namespace>) {
    run_beside(lab, page, namespace, || {});
}

/// The same on a host with a process monitor: what that does after each command that ends a process.
pub fn run_beside(lab: &Lab, page: &str, namespace: Option<&Namespace>, monitor: impl Fn()) {
    let text = std::fs::read_to_string(workspace().join(page)).expect("the page");
    let mut shell = Shell::start(lab, namespace);
    for step in steps(&text) {
        let refused = step.is_refused();
        let Step { line, command, output } = step;
        if reason_not_to_run(page, &command).is_some() {
            continue;
        }
        let place = format!("{page}:{line}: `{command}`");
        let stays = STAYS.iter().find(|(of, begins, _)| *of == page && command.starts_with(begins));
        let (status, said) = match stays {
            Some((_, _, ready)) => shell.start_and_wait(&filled(&command), &filled(ready)),
            None => shell.run(&filled(&command)),
        };
        assert_eq!(status != "0", refused, "{place} ended with {status}:\n{}", said.join("\n"));
        let compared = stays.is_none() && (!output.is_empty() || EXACT.contains(&page));
        assert!(
            !compared || matches(&output, &said),
            "{place} prints\n{}\nand the page says\n{}",
            said.join("\n"),
            output.join("\n")
        );
        if command.starts_with("kill ") {
            // A process needs a moment to end.
            std::thread::sleep(std::time::Duration::from_millis(300));
            monitor();
        }
    }
}

/// The values that a reader puts in.
fn filled(command: &str) -> String {
    let command = command.replace("7a1c4d2e-…", NETWORK).replace("UUID", NETWORK);
    // The gate that was started last in the foreground: its supervisor's last child.
    command.replace(" PID", " $(awk '{ print $NF }' /proc/$!/task/$!/children)")
}

/// A shell that is told one command after the other.
struct Shell {
    child: Child,
    input: ChildStdin,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Shell {
    fn start(lab: &Lab, namespace: Option<&Namespace>) -> Shell {
        let mut command = namespace.map_or_else(|| Command::new("bash"), |namespace| namespace.command("bash"));
        let mut child = command
            .args(["--norc", "-c", "exec 2>&1; exec bash --norc -s"])
            .current_dir(workspace())
            .env("PATH", path(lab))
            .env_remove("NO_COLOR")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("bash");
        let (input, output) = (child.stdin.take().expect("a pipe"), child.stdout.take().expect("a pipe"));
        Shell { child, input, lines: BufReader::new(output).lines() }
    }

    /// Its status, and the lines that it printed.
    fn run(&mut self, command: &str) -> (String, Vec<String>) {
        writeln!(self.input, "{command}\nprintf '\\n==%d==\\n' $?").expect("the shell listens");
        let mut said: Vec<String> = Vec::new();
        loop {
            let next = self.lines.next().unwrap_or_else(|| panic!("`{command}` ended the shell:\n{}", said.join("\n")));
            let next = next.expect("text");
            if let Some(status) = next.strip_prefix("==").and_then(|rest| rest.strip_suffix("==")) {
                // The line break before the mark.
                if said.last().is_some_and(String::is_empty) {
                    said.pop();
                }
                return (status.to_owned(), said);
            }
            said.push(next);
        }
    }

    /// The same for a command that goes on, which fails if it is not ready after ten seconds, or ends before.
    fn start_and_wait(&mut self, command: &str, ready: &str) -> (String, Vec<String>) {
        // A gate holds no file, and so it is given none.
        let first = self.run(&format!("{command} > >(cat >/run/lab/stays) 2>&1 &"));
        let wait = format!(
            "for n in $(seq 100); do kill -0 $! || break; {ready} >/dev/null 2>&1 && break; sleep 0.1; done; \
             kill -0 $! && {ready} >/dev/null"
        );
        let (status, mut said) = self.run(&wait);
        said.extend(first.1);
        if status != "0" {
            said.extend(self.run("cat /run/lab/stays").1);
        }
        (status, said)
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn path(lab: &Lab) -> std::ffi::OsString {
    // The operator's command may stand elsewhere than the program under test.
    let mut path = lab.program.nsgate().parent().map(|parent| parent.as_os_str().to_owned()).unwrap_or_default();
    path.push(":");
    path.push(lab.program.search_path());
    path
}

/// Whether lines are what a page says, `…` standing for anything.
pub fn matches(expected: &[String], said: &[String]) -> bool {
    match expected.split_first() {
        None => said.is_empty(),
        Some((any, rest)) if any.trim() == "…" => (0..=said.len()).any(|skip| matches(rest, &said[skip..])),
        Some((first, rest)) => {
            said.split_first().is_some_and(|(line, more)| alike(first, line.trim_end()) && matches(rest, more))
        }
    }
}

fn alike(expected: &str, line: &str) -> bool {
    let mut parts = expected.split('…');
    let Some(mut rest) = line.strip_prefix(parts.next().unwrap_or_default()) else { return false };
    let parts: Vec<&str> = parts.collect();
    for (index, part) in parts.iter().enumerate() {
        let last = index + 1 == parts.len();
        rest = match (last, rest.find(part)) {
            (true, _) if rest.ends_with(part) => "",
            (false, Some(at)) => &rest[at + part.len()..],
            _ => return false,
        };
    }
    rest.is_empty()
}
