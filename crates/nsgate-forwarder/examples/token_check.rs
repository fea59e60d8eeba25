//! How long it takes to check a session token, to make one, and to judge a request by all guards at once: nanoseconds
//! each, the median of many rounds (`cargo xtask bench guards`).

use http::{HeaderMap, HeaderName, HeaderValue};
use nsgate_config::{ComponentName, Expiring, Guards, GuestHost, MethodName, PathPrefix, RequiredHeader, Tokens};
use nsgate_forwarder::{TokenKey, fuzzing};
use std::{
    hint::black_box,
    time::{Duration, Instant},
};

const ROUNDS: usize = 51;
const EACH: u32 = 20_000;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (key, peer, now) = (TokenKey::new(&[7; 64]), "10.0.0.5".parse()?, Instant::now());
    let life = Duration::from_secs(21_600);
    let good = fuzzing::token(&key, peer, life, now);
    let forged = format!("{}0", good.get(..good.len() - 1).unwrap_or_default());
    let check = |token: &str| {
        median(|| {
            black_box(fuzzing::is_good(&key, black_box(token.as_bytes()), peer, now));
        })
    };
    println!("good {}", check(&good));
    println!("forged {}", check(&forged));
    let made = median(|| drop(black_box(fuzzing::token(&key, black_box(peer), life, now))));
    println!("made {made}");
    let headers = headers(&good)?;
    let guard = fuzzing::Guard::new(&all_guards()?, key);
    let judge = || guard.judge_headers(peer, "GET", black_box(b"/latest/meta-data/"), black_box(&headers), now);
    judge().map_err(|(status, reason)| format!("refused with {status}, {reason}"))?;
    println!("judged {}", median(|| drop(black_box(judge()))));
    Ok(())
}

fn all_guards() -> Result<Guards, Box<dyn std::error::Error>> {
    Ok(Guards {
        refuse_forwarded: true,
        hosts: vec![GuestHost::new("169.254.169.254")?, GuestHost::new("fe80::a9fe:a9fe")?],
        require_header: Some(RequiredHeader::new("Metadata-Flavor", "Google")?),
        tokens: Tokens::Required,
        methods: ["GET", "HEAD", "POST"].map(MethodName::new).into_iter().collect::<Result<_, _>>()?,
        paths: vec![PathPrefix::new("/openstack/")?, PathPrefix::new("/latest/")?],
        expiring: Some(Expiring { names: vec![ComponentName::new("user_data")?], after: Duration::from_secs(600) }),
        hop_limit: None,
    })
}

/// What a guest sends that all guards let pass.
fn headers(token: &str) -> Result<HeaderMap, Box<dyn std::error::Error>> {
    let fields = [
        ("host", "169.254.169.254"),
        ("user-agent", "curl/7.88.1"),
        ("accept", "*/*"),
        ("metadata-flavor", "Google"),
        ("x-aws-ec2-metadata-token", token),
    ];
    let field = |(name, value): (&'static str, &str)| {
        Ok::<_, http::header::InvalidHeaderValue>((HeaderName::from_static(name), HeaderValue::from_str(value)?))
    };
    Ok(fields.into_iter().map(field).collect::<Result<_, _>>()?)
}

fn median(mut work: impl FnMut()) -> u128 {
    let mut rounds = [0; ROUNDS];
    for round in &mut rounds {
        let start = Instant::now();
        for _ in 0..EACH {
            work();
        }
        *round = (start.elapsed() / EACH).as_nanos();
    }
    rounds.sort_unstable();
    rounds.get(ROUNDS / 2).copied().unwrap_or(0)
}
