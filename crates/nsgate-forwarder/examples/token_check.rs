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
const EACH: usize = 20_000;
/// Tokens taken in turn: of one alone the processor would soon know the digits by heart.
const TOKENS: u64 = 1000;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (key, peer, now) = (TokenKey::new(&[7; 64]), "10.0.0.5".parse()?, Instant::now());
    let lives = (0..TOKENS).map(|number| Duration::from_secs(21_600) - Duration::from_millis(number * 977));
    let good: Vec<String> = lives.map(|life| fuzzing::token(&key, peer, life, now)).collect();
    let forged: Vec<String> =
        good.iter().map(|good| format!("{}0", good.get(..good.len() - 1).unwrap_or_default())).collect();
    let check = |tokens: &[String]| {
        median(tokens, |token| {
            black_box(fuzzing::is_good(&key, black_box(token.as_bytes()), peer, now));
        })
    };
    println!("good {}", check(&good));
    println!("forged {}", check(&forged));
    let life = Duration::from_secs(21_600);
    println!("made {}", median(&[()], |()| drop(black_box(fuzzing::token(&key, black_box(peer), life, now)))));
    let asked: Vec<HeaderMap> = good.iter().map(|token| headers(token)).collect::<Result<_, _>>()?;
    let guard = fuzzing::Guard::new(&all_guards()?, key);
    let judge = |headers: &HeaderMap| {
        guard.check_headers(peer, "GET", black_box(b"/latest/meta-data/"), black_box(headers), now)
    };
    for headers in &asked {
        judge(headers).map_err(|(status, reason)| format!("refused with {status}, {reason}"))?;
    }
    println!("judged {}", median(&asked, |headers| drop(black_box(judge(headers)))));
    Ok(())
}

fn all_guards() -> Result<Guards, Box<dyn std::error::Error>> {
    let mut guards = Guards::default();
    guards.refuse_forwarded = true;
    guards.hosts = vec![GuestHost::new("169.254.169.254")?, GuestHost::new("fe80::a9fe:a9fe")?];
    guards.require_header = Some(RequiredHeader::new("Metadata-Flavor", "Google")?);
    guards.tokens = Tokens::Required;
    guards.methods = ["GET", "HEAD", "POST"].map(MethodName::new).into_iter().collect::<Result<_, _>>()?;
    guards.paths = vec![PathPrefix::new("/openstack/")?, PathPrefix::new("/latest/")?];
    guards.expiring = Some(Expiring { names: vec![ComponentName::new("user_data")?], after: Duration::from_secs(600) });
    Ok(guards)
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

/// Of the work on one thing after another.
fn median<T>(things: &[T], mut work: impl FnMut(&T)) -> u128 {
    let mut rounds = [0; ROUNDS];
    let mut next = things.iter().cycle();
    for round in &mut rounds {
        let start = Instant::now();
        for thing in next.by_ref().take(EACH) {
            work(thing);
        }
        *round = start.elapsed().as_nanos() / EACH as u128;
    }
    rounds.sort_unstable();
    rounds.get(ROUNDS / 2).copied().unwrap_or(0)
}
