//! What the compiler and the linker are asked to do against memory corruption is in the programs that are shipped.

use std::path::Path;
use std::process::Command;

use nsgate_tests::lab::text;
use nsgate_tests::{Answer, Config, Gate, Guest, Kind, Lab, RecordingAgent, suite};

fn main() {
    suite!["binary":
        programs_are_position_independent,
        relocations_are_bound_at_start_and_then_read_only,
        no_segment_is_writable_and_executable,
        the_stack_is_not_executable,
        nothing_is_relocated_in_the_text,
        programs_need_the_c_library_and_nothing_more,
        no_mapping_of_a_gate_is_writable_and_executable,
    ]
}

/// What readelf(1), which comes with every linker, says of both programs.
fn readelf(lab: &Lab, option: &str) -> [String; 2] {
    lab.needs("/usr/bin/readelf", "apt-get install binutils");
    let of = |program: &Path| {
        let out = Command::new("readelf").args([option, "--wide"]).arg(program).output().expect("readelf");
        assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
        String::from_utf8_lossy(&out.stdout).into_owned()
    };
    [of(lab.program.path()), of(&lab.program.nsgate())]
}

fn programs_are_position_independent(lab: &Lab) {
    for header in readelf(lab, "--file-header") {
        assert!(header.contains("DYN (Position-Independent Executable file)"), "{header}");
    }
}

fn relocations_are_bound_at_start_and_then_read_only(lab: &Lab) {
    for (segments, dynamic) in readelf(lab, "--segments").iter().zip(readelf(lab, "--dynamic")) {
        assert!(segments.contains("GNU_RELRO"), "{segments}");
        assert!(dynamic.contains("BIND_NOW") && dynamic.contains("NOW PIE"), "{dynamic}");
    }
}

fn no_segment_is_writable_and_executable(lab: &Lab) {
    for segments in readelf(lab, "--segments") {
        let loads: Vec<&str> = segments.lines().filter(|line| line.trim_start().starts_with("LOAD")).collect();
        assert!(loads.len() > 1, "{segments}");
        assert!(loads.iter().all(|line| !line.contains("RWE")), "{segments}");
    }
}

fn the_stack_is_not_executable(lab: &Lab) {
    for segments in readelf(lab, "--segments") {
        let stack = segments.lines().find(|line| line.trim_start().starts_with("GNU_STACK")).expect("GNU_STACK");
        assert!(stack.contains("RW ") && !stack.contains('E'), "{stack}");
    }
}

fn nothing_is_relocated_in_the_text(lab: &Lab) {
    for dynamic in readelf(lab, "--dynamic") {
        assert!(!dynamic.contains("TEXTREL"), "{dynamic}");
    }
}

fn programs_need_the_c_library_and_nothing_more(lab: &Lab) {
    for dynamic in readelf(lab, "--dynamic") {
        let needed: Vec<&str> =
            dynamic.lines().filter_map(|line| line.split_once("Shared library: [")).map(|(_, n)| n).collect();
        // libgcc_s unwinds; it comes with the C library on every distribution.
        let known = |name: &&str| ["libc.so", "libgcc_s.so", "ld-linux"].iter().any(|known| name.starts_with(known));
        assert!(!needed.is_empty() && needed.iter().all(known), "{needed:?}");
    }
}

fn no_mapping_of_a_gate_is_writable_and_executable(lab: &Lab) {
    let network = lab.network();
    let _agent = RecordingAgent::start(&lab.socket(), Answer::ok("hello"));
    let gate = Gate::start(lab, &network.gate, &Config::new(Kind::Network));
    assert_eq!(Guest::new(&network.guest).get("/").unwrap().status, 200);
    let maps = text(gate.proc().join("maps"));
    assert!(maps.lines().count() > 5, "{maps}");
    for line in maps.lines() {
        let rights = line.split_whitespace().nth(1).unwrap_or_default();
        assert!(!(rights.contains('w') && rights.contains('x')), "{line}");
    }
}
