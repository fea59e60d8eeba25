//! How long it takes to check a session token, and to make one: nanoseconds each, the median of many rounds
//! (`cargo xtask bench guards`).

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
    Ok(())
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
