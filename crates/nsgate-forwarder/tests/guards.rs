//! Guards: what each refuses and lets pass, with which status, and that no refused request reaches the agent.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[allow(dead_code, reason = "each suite uses a part of it")]
mod served;

use nsgate_forwarder::{Reason, TokenUse};
use served::{HELLO, Served, rest};
use tokio::io::AsyncWriteExt;

/// A request with these lines beside `Host`.
fn request(line: &str, fields: &str) -> String {
    let host = if fields.to_ascii_lowercase().contains("host:") { "" } else { "Host: 169.254.169.254\r\n" };
    format!("{line} HTTP/1.1\r\n{host}{fields}Connection: close\r\n\r\n")
}

fn status(answer: &str) -> u16 {
    answer.split(' ').nth(1).and_then(|word| word.parse().ok()).unwrap_or_else(|| panic!("{answer:?}"))
}

/// Sends each request, and compares status and reason; the agent sees those that are answered 200, and no others.
async fn judged(guards: &str, cases: &[(&str, &str, u16, Option<Reason>)]) {
    let gate = Served::with(&format!("[guards]\n{guards}\n"), HELLO).await;
    for (line, fields, expected, reason) in cases {
        let before = gate.seen().len();
        let answer = gate.ask(&request(line, fields)).await;
        assert_eq!(status(&answer), *expected, "{guards}: {line} {fields}: {answer}");
        let passed = usize::from(*expected == 200);
        assert_eq!(gate.seen().len() - before, passed, "{guards}: {line} {fields}");
        let record = gate.records.0.lock().unwrap().last().cloned().unwrap();
        assert_eq!((record.reason, record.status), (*reason, *expected), "{guards}: {line} {fields}");
    }
}

#[tokio::test]
async fn what_came_through_a_proxy_is_refused() {
    let no = Some(Reason::Forwarded);
    judged(
        "refuse_forwarded = true",
        &[
            ("GET /", "", 200, None),
            ("GET /", "Via: 1.1 squid\r\n", 200, None),
            ("GET /", "X-Forwarded-For: 10.0.0.1\r\n", 403, no),
            ("GET /", "x_forwarded-for: 10.0.0.1\r\n", 403, no),
            ("GET /", "Forwarded: for=10.0.0.1\r\n", 403, no),
            ("POST /", "X_Real_IP: \r\nContent-Length: 0\r\n", 403, no),
        ],
    )
    .await;
}

#[tokio::test]
async fn a_foreign_host_is_misdirected() {
    let no = Some(Reason::ForeignHost);
    judged(
        "hosts = [\"169.254.169.254\", \"fe80::a9fe:a9fe\"]",
        &[
            ("GET /", "", 200, None),
            ("GET /", "Host: 169.254.169.254:80\r\n", 200, None),
            ("GET /", "Host: [fe80::a9fe:a9fe%25eth0]\r\n", 200, None),
            ("GET /", "Host: 169.254.169.254:\r\n", 200, None),
            ("GET /", "Host: rebound.example\r\n", 421, no),
            ("GET /", "Host: 169.254.169.254.rebound.example\r\n", 421, no),
            ("GET /", "Host: \r\n", 421, no),
        ],
    )
    .await;
}

#[tokio::test]
async fn a_header_that_is_demanded_must_be_there() {
    let no = Some(Reason::MissingHeader);
    judged(
        "require_header = { name = \"Metadata-Flavor\", value = \"Google\" }",
        &[
            ("GET /", "Metadata-Flavor: Google\r\n", 200, None),
            ("GET /", "METADATA-FLAVOR: google\r\n", 200, None),
            ("GET /", "", 403, no),
            ("GET /", "Metadata-Flavor: Amazon\r\n", 403, no),
            ("GET /", "Metadata_Flavor: Google\r\n", 403, no),
        ],
    )
    .await;
}

#[tokio::test]
async fn only_the_methods_that_are_named_pass() {
    let no = Some(Reason::ForbiddenMethod);
    judged(
        "methods = [\"GET\", \"HEAD\"]",
        &[
            ("GET /", "", 200, None),
            ("HEAD /", "", 200, None),
            ("POST /", "Content-Length: 0\r\n", 405, no),
            ("get /", "", 405, no),
            ("TRACE /", "", 405, no),
        ],
    )
    .await;
    let gate = Served::with("[guards]\nmethods = [\"GET\", \"HEAD\"]\n", HELLO).await;
    let answer = gate.ask(&request("DELETE /", "")).await;
    assert!(answer.contains("\r\nallow: GET, HEAD\r\n"), "{answer}");
}

#[tokio::test]
async fn only_paths_below_a_prefix_pass_and_only_plain_ones() {
    let (no, odd) = (Some(Reason::ForbiddenPath), Some(Reason::AmbiguousPath));
    judged(
        "paths = [\"/openstack/\", \"/latest/meta-data\"]",
        &[
            ("GET /openstack", "", 200, None),
            ("GET /openstack/latest/meta_data.json?x=%2e%2e/;", "", 200, None),
            ("GET /latest/meta-data/", "", 200, None),
            ("GET /latest/meta-data/public-keys/0/openssh-key", "", 200, None),
            ("GET /latest/user-data", "", 403, no),
            ("GET /OpenStack", "", 403, no),
            ("GET /openstackx", "", 403, no),
            ("GET /", "", 403, no),
            ("GET /latest/meta-data/../user-data", "", 403, odd),
            ("GET /latest/meta-data/%2e%2e/user-data", "", 403, odd),
            ("GET /latest/meta-data/%2E./user-data", "", 403, odd),
            ("GET /latest;/meta-data/", "", 403, odd),
            ("GET /latest/meta-data/..;/user-data", "", 403, odd),
            ("GET /latest/meta-data\\..\\user-data", "", 403, odd),
        ],
    )
    .await;
}

/// As @aws-sdk/ec2-metadata-service asks where it is used as its README says.
#[tokio::test]
async fn slashes_in_a_row_are_judged_and_sent_as_the_one_path_that_they_lead_to() {
    let settings = "[guards]\npaths = [\"/latest/meta-data/\"]\n\
        expiring = { names = [\"user-data\"], after = \"1ms\" }\n";
    let gate = Served::with(settings, HELLO).await;
    for (target, sent) in [
        ("//latest/meta-data/instance-id", Some("/latest/meta-data/instance-id")),
        ("/latest//meta-data///a//?b=//c", Some("/latest/meta-data/a/?b=//c")),
        ("/latest/meta-data/?//", Some("/latest/meta-data/?//")),
        ("//latest//user-data", None),
        ("//169.254.169.254/latest/meta-data/", None),
        ("/latest//meta-data/..//user-data", None),
        ("/latest/meta-data//user-data", None),
    ] {
        let before = gate.seen().len();
        // The clock of `expiring` begins.
        gate.ask(&request("GET /latest/meta-data/", "")).await;
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        let answer = gate.ask(&request(&format!("GET {target}"), "")).await;
        assert_eq!(status(&answer), if sent.is_some() { 200 } else { 403 }, "{target}: {answer}");
        let seen = gate.seen().get(before + 1).map(|text| text.split(' ').nth(1).unwrap().to_owned());
        assert_eq!(seen.as_deref(), sent, "{target}");
        // The log shows what the guest wrote.
        let logged = gate.records.0.lock().unwrap().last().unwrap().request_line.clone();
        assert_eq!(String::from_utf8(logged).unwrap(), format!("GET {target} HTTP/1.1"));
    }
    // A gate whose guards look at no path changes none.
    let gate = Served::with("[guards]\nmethods = [\"GET\"]\n", HELLO).await;
    gate.ask(&request("GET //latest//meta-data", "")).await;
    assert!(gate.seen()[0].starts_with("GET //latest//meta-data HTTP/1.1\r\n"), "{:?}", gate.seen());
}

/// Where paths are judged, the one at which tokens are given out is judged as well.
#[tokio::test]
async fn a_token_is_asked_for_with_slashes_in_a_row_where_paths_are_judged() {
    const LIFE: &str = "X-aws-ec2-metadata-token-ttl-seconds: 60\r\nContent-Length: 0\r\n";
    let given = Some(Reason::Token);
    for paths in ["paths = [\"/latest/meta-data/\"]", "expiring = { names = [\"user-data\"], after = \"1h\" }"] {
        let gate = Served::with(&format!("[guards]\ntokens = \"required\"\n{paths}\n"), HELLO).await;
        for line in ["PUT //latest//api///token", "PUT /latest/api//token", "PUT /latest/api/token"] {
            let answer = gate.ask(&request(line, LIFE)).await;
            let record = gate.records.0.lock().unwrap().last().cloned().unwrap();
            assert_eq!((status(&answer), record.reason), (200, given), "{paths}: {line}: {answer}");
            assert_eq!(record.token, Some(TokenUse::Asked), "{paths}: {line}");
            let token = answer.rsplit("\r\n").next().unwrap();
            let shown = format!("X-aws-ec2-metadata-token: {token}\r\n");
            assert_eq!(status(&gate.ask(&request("GET //latest/meta-data/", &shown)).await), 200, "{paths}: {line}");
        }
        assert!(gate.seen().iter().all(|seen| seen.starts_with("GET /latest/meta-data/ ")), "{:?}", gate.seen());
        // Neither percent encoding nor a component too many leads there.
        for line in ["PUT //latest/api/%74oken", "PUT //x/latest/api/token", "PUT //latest/api/token/"] {
            assert_eq!(status(&gate.ask(&request(line, LIFE)).await), 401, "{paths}: {line}");
        }
    }
    // Where no guard looks at paths the request is the agent's affair, as it is written.
    let gate = Served::with("[guards]\ntokens = \"optional\"\n", HELLO).await;
    assert_eq!(status(&gate.ask(&request("PUT //latest/api/token", LIFE)).await), 200);
    assert!(gate.seen()[0].starts_with("PUT //latest/api/token HTTP/1.1\r\n"), "{:?}", gate.seen());
}

#[tokio::test]
async fn a_hidden_path_is_not_there() {
    let no = Some(Reason::ForbiddenPath);
    judged(
        "paths = [\"/latest/\"]\nhide_paths = true",
        &[
            ("GET /latest/meta-data", "", 200, None),
            ("GET /openstack", "", 404, no),
            ("GET //openstack//", "", 404, no),
            ("HEAD /openstack", "", 404, no),
            ("GET /latest/../openstack", "", 403, Some(Reason::AmbiguousPath)),
        ],
    )
    .await;
    let gate = Served::with("[guards]\npaths = [\"/latest/\"]\nhide_paths = true\n", HELLO).await;
    let answer = gate.ask(&request("GET /openstack", "")).await;
    assert!(answer.starts_with("HTTP/1.1 404 Not Found\r\n") && !answer.contains("served"), "{answer}");
}

#[tokio::test]
async fn a_path_that_expires_is_answered_for_a_while() {
    let gate = Served::with("[guards]\nexpiring = { names = [\"user_data\"], after = \"1500ms\" }\n", HELLO).await;
    let ask = async |line: &str| gate.ask(&request(line, "")).await;
    assert_eq!(status(&ask("GET /openstack/latest/user_data").await), 200);
    tokio::time::sleep(std::time::Duration::from_millis(1600)).await;
    assert_eq!(status(&ask("GET /openstack/latest/user_data").await), 403);
    assert_eq!(status(&ask("GET /openstack/latest/%75ser_data").await), 403);
    assert_eq!(status(&ask("GET /openstack/latest/meta_data.json").await), 200);
    let reasons: Vec<_> = gate.records.0.lock().unwrap().iter().map(|record| record.reason).collect();
    assert_eq!(reasons, [None, Some(Reason::ExpiredPath), Some(Reason::AmbiguousPath), None]);
}

const WANT: &str = "X-aws-ec2-metadata-token-ttl-seconds: 60\r\n";

async fn token(gate: &Served) -> String {
    let answer = gate.ask(&request("PUT /latest/api/token", WANT)).await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(answer.contains("\r\nx-aws-ec2-metadata-token-ttl-seconds: 60\r\n"), "{answer}");
    answer.rsplit("\r\n\r\n").next().unwrap().to_owned()
}

#[tokio::test]
async fn required_tokens_are_given_out_checked_and_kept_from_the_agent() {
    let gate = Served::with("[guards]\ntokens = \"required\"\n", HELLO).await;
    let token = token(&gate).await;
    assert_eq!(gate.seen().len(), 0, "the agent has nothing to do with it");
    let shown = format!("X-aws-ec2-metadata-token: {token}\r\n");
    assert_eq!(status(&gate.ask(&request("GET /latest", &format!("{shown}{WANT}"))).await), 200);
    assert!(!gate.seen().concat().contains("token"), "{:?}", gate.seen());
    let mut other = token.clone().into_bytes();
    other[40] = if other[40] == b'0' { b'1' } else { b'0' };
    let forged = format!("X-aws-ec2-metadata-token: {}\r\n", String::from_utf8(other).unwrap());
    for (line, fields, expected, reason, token) in [
        ("GET /latest", String::new(), 401, Reason::MissingToken, TokenUse::Absent),
        ("GET /latest/api/token", String::new(), 401, Reason::MissingToken, TokenUse::Absent),
        ("GET /latest", forged, 401, Reason::WrongToken, TokenUse::Bad),
        ("GET /latest", format!("{shown}{shown}"), 401, Reason::WrongToken, TokenUse::Bad),
        ("GET /latest", "X-aws-ec2-metadata-token: \r\n".to_owned(), 401, Reason::WrongToken, TokenUse::Bad),
        ("GET /latest", shown.replace('-', "_"), 401, Reason::MissingToken, TokenUse::Absent),
        ("PUT /latest/api/token", String::new(), 400, Reason::TokenLife, TokenUse::Asked),
        ("PUT /latest/api/token", WANT.replace("60", "21601"), 400, Reason::TokenLife, TokenUse::Asked),
        ("PUT /latest/api/token", format!("{WANT}X_Forwarded_For: x\r\n"), 403, Reason::Forwarded, TokenUse::Asked),
        ("PUT /latest//api/token", WANT.to_owned(), 401, Reason::MissingToken, TokenUse::Absent),
    ] {
        let answer = gate.ask(&request(line, &fields)).await;
        assert_eq!(status(&answer), expected, "{line} {fields}: {answer}");
        let says_how = answer.contains("\r\nwww-authenticate: x-aws-ec2-metadata-token\r\n");
        assert_eq!(says_how, expected == 401, "{answer}");
        let record = gate.records.0.lock().unwrap().last().cloned().unwrap();
        assert_eq!((record.reason, record.token), (Some(reason), Some(token)), "{line} {fields}");
    }
    assert_eq!(gate.seen().len(), 1, "none of them reached the agent");
}

#[tokio::test]
async fn optional_tokens_are_counted_and_a_bad_one_is_refused_all_the_same() {
    let gate = Served::with("[guards]\ntokens = \"optional\"\n", HELLO).await;
    let token = token(&gate).await;
    let shown = format!("X-aws-ec2-metadata-token: {token}\r\n");
    assert_eq!(status(&gate.ask(&request("GET /", "")).await), 200);
    assert_eq!(status(&gate.ask(&request("GET /", &shown)).await), 200);
    assert_eq!(status(&gate.ask(&request("GET /", &shown.to_uppercase())).await), 401);
    let uses: Vec<_> = gate.records.0.lock().unwrap().iter().filter_map(|record| record.token).collect();
    assert_eq!(uses, [TokenUse::Asked, TokenUse::Absent, TokenUse::Good, TokenUse::Bad]);
}

#[tokio::test]
async fn a_token_and_what_it_is_for_fit_on_one_connection() {
    let gate =
        Served::with("[guards]\ntokens = \"required\"\nmethods = [\"GET\"]\npaths = [\"/latest/\"]\n", HELLO).await;
    let token = token(&gate).await;
    let mut guest = gate.guest().await;
    let want = format!("PUT /latest/api/token HTTP/1.1\r\nHost: h\r\n{WANT}Content-Length: 3\r\n\r\nabc");
    let get = request("GET /latest/meta-data", &format!("X-aws-ec2-metadata-token: {token}\r\n"));
    guest.write_all(format!("{want}{get}").as_bytes()).await.unwrap();
    let answers = rest(&mut guest).await;
    assert_eq!(answers.matches("HTTP/1.1 200 OK").count(), 2, "{answers}");
    assert!(answers.ends_with("hello"), "{answers}");
}

#[tokio::test]
async fn where_tokens_are_off_they_are_the_agents() {
    let gate = Served::with("", HELLO).await;
    let fields = format!("{WANT}X-aws-ec2-metadata-token: agents\r\n");
    assert_eq!(status(&gate.ask(&request("PUT /latest/api/token", &fields)).await), 200);
    let seen = gate.seen().concat();
    assert!(seen.contains("x-aws-ec2-metadata-token: agents") && seen.contains("ttl-seconds: 60"), "{seen}");
    assert_eq!(gate.records.0.lock().unwrap().last().unwrap().token, None);
}

#[tokio::test]
async fn all_guards_hold_at_once() {
    let all = "refuse_forwarded = true\nhosts = [\"169.254.169.254\"]\n\
               require_header = { name = \"Metadata\", value = \"true\" }\ntokens = \"optional\"\nmethods = [\"GET\"]\n\
               paths = [\"/openstack/\"]\nexpiring = { names = [\"user_data\"], after = \"10m\" }";
    let good = "Metadata: true\r\n";
    let with = |more: &str| format!("{good}{more}\r\n");
    judged(
        all,
        &[
            ("GET /openstack/latest/user_data", good, 200, None),
            ("GET /openstack", "", 403, Some(Reason::MissingHeader)),
            ("GET /openstack", &with("Forwarded: x"), 403, Some(Reason::Forwarded)),
            ("GET /openstack", &with("Host: x"), 421, Some(Reason::ForeignHost)),
            ("GET /openstack", &with("X-aws-ec2-metadata-token: x"), 401, Some(Reason::WrongToken)),
            ("PUT /openstack", good, 405, Some(Reason::ForbiddenMethod)),
            ("GET /latest", good, 403, Some(Reason::ForbiddenPath)),
            ("GET /openstack/%2e", good, 403, Some(Reason::AmbiguousPath)),
        ],
    )
    .await;
}
