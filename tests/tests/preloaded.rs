//! Libraries that a host loads into every program: an allocator is refused with its name, anything else is said.

use std::fs;
use std::path::Path;
use std::time::Duration;

use nsgate_tests::c::library;
use nsgate_tests::config::NETWORK;
use nsgate_tests::gate::{agent_command, communicate, write_config};
use nsgate_tests::program::of_debian;
use nsgate_tests::{Answer, Config, Gate, Guest, Kind, Lab, RecordingAgent, Started, SyslogReader, procfs, suite};

fn main() {
    suite!["preloaded":
        an_allocator_of_every_program_is_refused_by_name,
        an_allocator_of_the_agents_environment_is_refused_by_name,
        jemalloc_and_tcmalloc_are_refused_by_name,
        what_is_no_allocator_is_said_and_the_gate_serves,
    ]
}

/// An allocator as small as can be, which protects its memory as hardened ones do.
const ALLOCATOR: &str = "#include <stddef.h>\n#include <string.h>\n#include <sys/mman.h>\n\
    static char heap[64 << 20]; static size_t used;\n\
    void *malloc(size_t n) { mprotect(heap, 4096, PROT_READ | PROT_WRITE); void *p = heap + used + 16;\n\
      *(size_t *)(heap + used) = n; used += (n + 47) & ~(size_t)15; return p; }\n\
    void free(void *p) {}\n\
    void *calloc(size_t n, size_t m) { return memset(malloc(n * m), 0, n * m); }\n\
    void *realloc(void *p, size_t n) { void *q = malloc(n); if (p) { size_t o = *(size_t *)((char *)p - 16);\n\
      memcpy(q, p, o < n ? o : n); } return q; }\n";

fn start(lab: &Lab, preload: Option<&Path>) -> (nsgate_tests::Network, Started) {
    let network = lab.network();
    let config = Config::new(Kind::Network);
    let file = write_config(lab, &config);
    let mut command = agent_command(lab, &network.gate, NETWORK, &["-f", file.to_str().unwrap()]);
    if let Some(library) = preload {
        command.env("LD_PRELOAD", library);
    }
    let started = communicate(command, Duration::from_secs(10));
    (network, started)
}

#[track_caller]
fn assert_refused(started: &(nsgate_tests::Network, Started), words: &[&str]) {
    let (network, started) = started;
    assert_eq!(started.code(), Some(1), "{started:#?}");
    for word in words {
        assert!(started.stderr.contains(word), "{word}: {}", started.stderr);
    }
    assert!(procfs::having(NETWORK).is_empty() && network.gate.listening().is_empty());
}

fn an_allocator_of_every_program_is_refused_by_name(lab: &Lab) {
    lab.needs_root("/etc/ld.so.preload is root's to write");
    let library = library(lab, "liballocator.so", ALLOCATOR);
    // Only for the program under test: what else is started here has its own.
    fs::write("/etc/ld.so.preload", format!("{}\n", library.display())).unwrap();
    let started = start(lab, None);
    fs::remove_file("/etc/ld.so.preload").unwrap();
    assert_refused(&started, &["an allocator is loaded", "/run/lab/lib/liballocator.so (/etc/ld.so.preload)"]);
}

fn an_allocator_of_the_agents_environment_is_refused_by_name(lab: &Lab) {
    let library = library(lab, "liballocator.so", ALLOCATOR);
    assert_refused(&start(lab, Some(&library)), &["/run/lab/lib/liballocator.so (LD_PRELOAD"]);
}

fn jemalloc_and_tcmalloc_are_refused_by_name(lab: &Lab) {
    let all = [("libjemalloc.so.2", "libjemalloc2"), ("libtcmalloc_minimal.so.4", "libtcmalloc-minimal4")];
    for (number, (name, package)) in all.into_iter().enumerate() {
        let file = format!("usr/lib/{}-linux-gnu/{name}", std::env::consts::ARCH);
        let Some(path) = of_debian(package, &file) else {
            lab.skip(&format!("no {package}: `cargo xtask test e2e` fetches it"));
        };
        let network = nsgate_tests::Network::named(&format!("gate{number}"), &format!("guest{number}"));
        let file = write_config(lab, &Config::new(Kind::Network));
        let mut command = agent_command(lab, &network.gate, NETWORK, &["-f", file.to_str().unwrap()]);
        command.env("LD_PRELOAD", &path);
        let started = communicate(command, Duration::from_secs(10));
        assert_refused(&(network, started), &["an allocator is loaded", name]);
    }
}

fn what_is_no_allocator_is_said_and_the_gate_serves(lab: &Lab) {
    let network = lab.network();
    let _agent = RecordingAgent::start(&lab.socket(), Answer::ok("hello"));
    let mut config = Config::new(Kind::Network);
    config.log = lab.directory("log", 0o755).join("socket");
    let log = SyslogReader::bind(&config.log);
    let library = library(lab, "libharmless.so", "int harmless(void) { return 7; }\n");
    let file = write_config(lab, &config);
    let mut command = agent_command(lab, &network.gate, NETWORK, &["-f", file.to_str().unwrap()]);
    command.env("LD_PRELOAD", &library);
    let gate = Gate::with_command(lab, &config, command).unwrap_or_else(|started| panic!("{started:#?}"));
    assert!(log.find("without being asked for: /run/lab/lib/libharmless.so", 2.0).is_some());
    assert_eq!(Guest::new(&network.guest).get("/").unwrap().status, 200);
    assert!(gate.alive());
}
