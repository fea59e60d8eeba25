//! What a guest says to a gate with every guard on, beside readers of our own that are slow and generous. A path that one of
//! them could understand must be allowed.

use crate::Target;
use nsgate_config::{Gate, native};
use nsgate_forwarder::{TokenKey, fuzzing};
use std::net::IpAddr;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// The input is lines: target, Host, token, then a header for each further one.
pub const TARGET: Target = Target {
    name: "guards",
    promise: "what passes names an allowed host, an allowed path in every reading, no proxy, and the one good token",
    run,
    words: &[
        "/openstack/latest/meta_data.json\n",
        "/openstack",
        "/latest/user-data",
        "user_data",
        "/..",
        "/./",
        "//",
        "%2e%2e",
        "%2f",
        "%75ser_data",
        ";",
        "\\",
        "?",
        "169.254.169.254",
        "[fe80::a9fe:a9fe]",
        "%25eth0",
        ":80",
        "metadata.example",
        "TOKEN",
        "\nX-Forwarded-For: 10.0.0.1",
        "\nX_Forwarded_For: x",
        "\nForwarded: x",
        "\nX-Real_IP: x",
        "\nMetadata: true",
    ],
    seeds: || {
        [
            "/openstack/latest/meta_data.json\n169.254.169.254\nTOKEN\nMetadata: true",
            "/openstack/latest/user_data?x\n[fe80::a9fe:a9fe%25eth0]:80\nTOKEN\nmetadata: TRUE",
            "/openstack\nmetadata.example\nTOKEN\nMetadata: true\nX-Forwarded-For: x",
            "/latest/user-data\nrebound.example\n01\nMetadata: true",
        ]
        .map(|text| text.as_bytes().to_vec())
        .to_vec()
    },
    longest: 600,
};

const GUARDS: &str = "refuse_forwarded = true\nhosts = ['169.254.169.254', 'fe80::a9fe:a9fe', 'metadata.example']\n\
    require_header = { name = 'Metadata', value = 'true' }\ntokens = 'required'\nmethods = ['GET']\n\
    paths = ['/openstack/']\nexpiring = { names = ['user_data'], after = '10m' }\n";

struct World {
    gate: Gate,
    key: TokenKey,
    peer: IpAddr,
    now: Instant,
    token: String,
}

fn world() -> &'static World {
    static WORLD: OnceLock<World> = OnceLock::new();
    WORLD.get_or_init(|| {
        let text = "network_id = '7a1c4d2e-9f7b-4b59-9a55-0d3c1f6e2b10'\nlisten = ['1.2.3.4:80']\nbackend = '/b'\nuser = 'u'\n";
        let gate = native::parse("x", &format!("{text}[guards]\n{GUARDS}")).expect("a gate").config.gate;
        let (key, now) = (TokenKey::new(&[7; 64]), Instant::now());
        let peer = "10.0.0.5".parse().expect("an address");
        let token = fuzzing::token(&key, peer, Duration::from_secs(3600), now);
        World { gate, key, peer, now, token }
    })
}

fn run(bytes: &[u8]) {
    let World { gate, key, peer, now, token } = world();
    let text = String::from_utf8_lossy(bytes).replace("TOKEN", token);
    let mut lines = text.split('\n');
    let mut next = || lines.next().unwrap_or_default();
    let (target, host, shown) = (next(), next(), next());
    let mut fields: Vec<(&str, &str)> = vec![("host", host), ("x-aws-ec2-metadata-token", shown)];
    fields.extend(lines.filter_map(|line| line.split_once(": ")));
    let raw: Vec<(&[u8], &[u8])> = fields.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())).collect();
    // The clock of the first request begins anew for each input.
    let guard = fuzzing::Guard::new(&gate.guards, key.clone());
    let judge = |now| guard.check_request(*peer, "GET", target.as_bytes(), &raw, now);
    if judge(*now).is_err() {
        return;
    }
    assert_eq!(shown, token, "another token passed");
    assert!(
        fields
            .iter()
            .any(|(name, value)| name.eq_ignore_ascii_case("metadata") && value.trim().eq_ignore_ascii_case("true"))
    );
    for (name, value) in &fields {
        // A value with a control character is no field: the strict reader has refused it before.
        let controls = value.chars().any(|one| one.is_control() && one != '\t');
        let is_field = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_graphic()) && !controls;
        let folded = name.to_ascii_lowercase().replace('_', "-");
        let forwarded = ["x-forwarded-for", "forwarded", "x-real-ip"].contains(&folded.as_str());
        assert!(!(is_field && forwarded && value.is_ascii()), "{name}: {value} passed");
    }
    assert!(is_allowed_host(host), "{host:?} passed");
    let readings = readings(target.split('?').next().unwrap_or_default());
    for components in &readings {
        assert_eq!(components.first().map(String::as_str), Some("openstack"), "{target:?} passed");
    }
    let hidden = readings.iter().flatten().any(|component| component.eq_ignore_ascii_case("user_data"));
    assert!(judge(*now + Duration::from_secs(599)).is_ok(), "within the time it is answered");
    assert_eq!(judge(*now + Duration::from_secs(600)).is_err(), hidden, "{target:?} after its time");
}

/// As a person reads it: one of three, a zone, a port.
fn is_allowed_host(host: &str) -> bool {
    let host = host.trim().to_ascii_lowercase();
    if let Some(rest) = host.strip_prefix('[') {
        let Some((address, _)) = rest.split_once(']') else { return false };
        let address = address.split('%').next().unwrap_or_default();
        return address.parse::<std::net::Ipv6Addr>() == "fe80::a9fe:a9fe".parse();
    }
    let name = host.split(':').next().unwrap_or_default();
    name == "169.254.169.254" || name == "metadata.example"
}

/// Every way in which a program could read a path: decoded again and again, with `\` for `/`, with `;…` cut off, with `.`,
/// `..` and nothing taken away.
fn readings(path: &str) -> Vec<Vec<String>> {
    let mut decoded = path.as_bytes().to_vec();
    let mut all = Vec::new();
    loop {
        let text: String = decoded.iter().map(|byte| char::from(*byte)).collect();
        for text in [text.clone(), text.replace('\\', "/")] {
            for cut in [false, true] {
                let mut components: Vec<String> = Vec::new();
                for component in text.split('/') {
                    let component = if cut { component.split(';').next().unwrap_or("") } else { component };
                    match component {
                        "" | "." => {}
                        ".." => drop(components.pop()),
                        other => components.push(other.to_owned()),
                    }
                }
                all.push(components);
            }
        }
        let next = decode(&decoded);
        if next == decoded {
            return all;
        }
        decoded = next;
    }
}

fn decode(path: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = path;
    while let Some((first, behind)) = rest.split_first() {
        let digits = (*first == b'%').then(|| behind.get(..2)).flatten().and_then(|two| std::str::from_utf8(two).ok());
        match digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) => {
                out.push(byte);
                rest = &behind[2..];
            }
            None => {
                out.push(*first);
                rest = behind;
            }
        }
    }
    out
}
