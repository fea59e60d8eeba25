//! Escape: code that runs in a confined gate reaches its agent and the guests that are connected, and nothing else.
//!
//! One test for each probe of `nsgate_tests::probes`; before them, what the code can do, and that the probes themselves
//! do what they say when nothing holds them back.

#[cfg(target_arch = "x86_64")]
fn main() {
    probing::main()
}

#[cfg(not(target_arch = "x86_64"))]
fn main() {
    println!("suite escape: the calls are injected with the registers of x86_64; this is {}", std::env::consts::ARCH);
    println!("escape: 0 passed, 0 failed, 1 skipped");
}

#[cfg(target_arch = "x86_64")]
mod probing {
    use nsgate_tests::escape::Ground;
    use nsgate_tests::harness::{self, Test};
    use nsgate_tests::probes::{self, Probe};
    use nsgate_tests::{Lab, sys};

    pub(super) fn main() {
        let all = probes::all().into_iter().flat_map(|(_, probes)| probes);
        let tests: Vec<Test> = all.map(test).collect();
        harness::main("escape", &tests)
    }

    fn test(probe: Probe) -> Test {
        let name = probe.name;
        Test { name, run: Box::leak(Box::new(move |lab: &Lab| holds(lab, &probe))) }
    }

    fn holds(lab: &Lab, probe: &Probe) {
        if let Some(abi) = probe.landlock {
            let known = sys::landlock_abi();
            if known < abi {
                lab.skip(&format!("only Landlock refuses this, from ABI {abi}; this kernel knows {known}"));
            }
        }
        let ran = Ground::new(lab.program.clone()).run(probe);
        for (variant, end) in ran.ends.iter().enumerate() {
            assert_eq!(*end, probe.expected, "{}, variant {variant}; {:?}", probe.tries, ran.broken);
        }
        assert!(!ran.ends.is_empty() && ran.broken.is_empty(), "{}: {:?}", probe.tries, ran.broken);
    }
}
