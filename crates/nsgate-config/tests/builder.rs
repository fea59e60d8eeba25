//! A gate that is made without a text is judged as one with a text.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use nsgate_config::{AbsolutePath, Account, Backend, Config, Gate, Guards, Identity, Limits, Process, Tokens, native};

const TEXT: &str = "network_id = \"7a1c4d2e-9f7b-4b59-9a55-0d3c1f6e2b10\"\nlisten = [\"169.254.169.254:80\"]\n\
    backend = \"/run/agent\"\nuser = \"nobody\"\n[limits]\nheaders = 50\n[guards]\ntokens = \"required\"\n";

fn begun() -> nsgate_config::GateBuilder {
    let identity = Identity::Network("7a1c4d2e-9f7b-4b59-9a55-0d3c1f6e2b10".parse().unwrap());
    Gate::builder(identity, Backend::new(AbsolutePath::new("/run/agent").unwrap()).unwrap())
}

#[test]
fn what_is_built_is_what_a_text_says() {
    let (mut limits, mut guards) = (Limits::default(), Guards::default());
    limits.headers = 50;
    guards.tokens = Tokens::Required;
    let gate = begun().listen("169.254.169.254:80").unwrap().limits(limits).guards(guards).build().unwrap();
    let process = Process::new(Account::named("nobody").unwrap());
    assert_eq!(Config { gate, process }, native::parse("text", TEXT).unwrap().config);
}

#[test]
fn what_a_text_may_not_say_is_not_built() {
    assert!(begun().build().unwrap_err().to_string().contains("listen"));
    assert!(begun().listen("0.0.0.0").unwrap_err().reason().contains("has no port"));
    let mut limits = Limits::default();
    limits.headers = 0;
    let error = begun().listen("169.254.169.254:80").unwrap().limits(limits).build().unwrap_err().to_string();
    assert!(error.contains("headers"), "{error}");
}
