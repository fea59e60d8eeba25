//! The shipped programs have the compiler's and the linker's protections against memory corruption.

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
        programs_start_where_glibc_is_2_34,
        programs_export_nothing_to_the_libraries_of_their_process,
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
        let known = |name: &&str| ["libc.so", "ld-linux"].iter().any(|known| name.starts_with(known));
        assert!(!needed.is_empty() && needed.iter().all(known), "{needed:?}");
    }
}

/// glibc 2.34 is RHEL 9's. What asks for a later one is found by `readelf --dyn-syms`.
fn programs_start_where_glibc_is_2_34(lab: &Lab) {
    for versions in readelf(lab, "--version-info") {
        let asked = versions.split("GLIBC_").skip(1).filter_map(|rest| rest.split_whitespace().next());
        let number = |version: &str| -> Vec<u32> { version.split('.').filter_map(|part| part.parse().ok()).collect() };
        let asked: Vec<(Vec<u32>, &str)> = asked.map(|version| (number(version), version)).collect();
        let newest = asked.iter().max().expect("the program asks for glibc");
        assert!(newest.0 <= vec![2, 34], "the program asks for GLIBC_{}", newest.1);
    }
}

/// A library's own function is not exchanged for one of the program's: an account module of C++, say, finds GCC's unwinder.
fn programs_export_nothing_to_the_libraries_of_their_process(lab: &Lab) {
    for symbols in readelf(lab, "--dyn-syms") {
        let rows = symbols.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
        let exported: Vec<Vec<&str>> =
            rows.filter(|row| row.get(6).is_some_and(|section| section.parse::<u16>().is_ok())).collect();
        assert!(symbols.contains("__libc_start_main") && exported.is_empty(), "{exported:?}");
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
