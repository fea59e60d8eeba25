//! The directory that asks Neutron, when Neutron does not answer as it should. tests/tests/agent_neutron.rs asks the real one.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::unreachable)]

#[path = "support/openstack.rs"]
mod openstack;

use nsgate_agent::directory::{
    Caller, Directory, NoOccupant, Question,
    neutron::{NeutronDirectory, RestPlace},
};
use nsgate_config::Identity;
use openstack::{NETWORK, PORT, Reply, Small, answer, asks, away, one, options, port, ports};
use std::{
    sync::atomic::Ordering,
    time::{Duration, Instant},
};
use tokio::net::TcpListener;

async fn says(reply: impl Fn() -> Reply + Send + Sync + 'static) -> String {
    let small = Small::start(move |_, _| reply()).await;
    let why = away(&NeutronDirectory::new(options(small.place()), None)).await;
    assert!(why.starts_with(&format!("Neutron at {}", small.address)) && !why.contains('\n'), "{why}");
    why
}

#[tokio::test]
async fn why_neutron_gives_no_answer_is_said_by_its_cause() {
    for (status, what) in [
        ("401 Unauthorized", "answers 401: it wants a token; write auth_url"),
        ("403 Forbidden", "answers 403: its policy"),
        ("404 Not Found", "answers 404: is this its address?"),
        ("302 Found", "answers 302: is this its address?"),
        ("500 Internal Server Error", "answers 500: its log has the reason"),
        ("503 Service Unavailable", "answers 503: the service behind it is away"),
        ("204 No Content", "answers 204"),
    ] {
        let why = says(move || Reply::Bytes(answer(status, "", ""))).await;
        assert!(why.contains(what), "{status}: {why}");
    }
    for (body, what) in [
        ("", "the answer is not the service's"),
        ("<html>\nhello</html>", "the answer is not the service's"),
        ("{\"versions\":[]}", "missing field `ports`"),
        ("{\"ports\":[{\"id\":7}]}", "the answer is not the service's"),
        ("{\"ports\":[{\"id\":\"x\",\"network_id\":\"y\"}]}", "a port that was not asked for"),
    ] {
        let why = says(move || Reply::Bytes(answer("200 OK", "", body))).await;
        assert!(why.contains(what), "{body}: {why}");
    }
    let why = says(|| Reply::Bytes(answer("200 OK", "", &"[".repeat(5000)))).await;
    assert!(why.contains("longer than 4096 bytes"), "{why}");
    let endless = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2000\r\n".to_vec();
    let why = says(move || Reply::Bytes([&endless[..], &[b'['; 5000]].concat())).await;
    assert!(why.contains("longer than 4096 bytes"), "{why}");
    for half in ["", "HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n{\"ports\":[", "SSH-2.0-OpenSSH_9.2\r\n"] {
        let why = says(move || Reply::Last(half.into())).await;
        assert!(why.contains("no whole answer"), "{half}: {why}");
    }
}

#[tokio::test]
async fn a_server_that_is_silent_or_away_costs_no_more_than_the_deadline() {
    let began = Instant::now();
    assert!(says(|| Reply::Silence).await.contains("no answer in time"));
    let half = answer("200 OK", "", "{\"ports\":[]}");
    assert!(says(move || Reply::Bytes(half[..half.len() - 1].to_vec())).await.contains("no answer in time"));
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
    let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let place =
        RestPlace { authority: "neutron:9696".to_owned(), prefix: String::new(), addresses: vec![nobody], tls: None };
    let directory = NeutronDirectory::new(options(place), None);
    let why = away(&directory).await;
    assert!(why.starts_with("Neutron at neutron:9696: cannot be reached: ") && why.contains("refused"), "{why}");
    let status = directory.status();
    assert!(status.failed == 1 && status.trouble.is_some_and(|(said, _)| said == why));
}

#[tokio::test]
async fn a_failure_is_not_kept_and_the_next_question_may_be_answered() {
    let small = Small::start(|number, _| match number {
        0 => Reply::Bytes(answer("500 Internal Server Error", "", "")),
        _ => one(),
    })
    .await;
    let directory = NeutronDirectory::new(options(small.place()), None);
    away(&directory).await;
    assert_eq!(asks(&directory, "10.0.0.2").await.as_deref(), Ok("one"));
    assert_eq!(directory.status().trouble, None);
}

#[tokio::test]
async fn a_connection_is_kept_and_one_that_was_closed_is_made_anew() {
    let small = Small::start(|number, text| {
        let address = text.split("ip_address%3D").nth(1).unwrap().split('&').next().unwrap().to_owned();
        let Reply::Bytes(bytes) = ports(&[port(PORT, &address, &number.to_string())]) else { unreachable!() };
        if number == 4 { Reply::Last(bytes) } else { Reply::Bytes(bytes) }
    })
    .await;
    let directory = NeutronDirectory::new(options(small.place()), None);
    for number in 0..10 {
        let address = format!("10.0.0.{}", number + 2);
        assert_eq!(asks(&directory, &address).await, Ok(number.to_string()));
    }
    assert_eq!(small.connections.load(Ordering::Relaxed), 2);
}

#[tokio::test]
async fn a_port_that_was_not_asked_for_is_nobodys() {
    // A server that knows no filter, and has one port.
    let small = Small::start(|_, _| ports(&[port(PORT, "10.0.0.3", "another")])).await;
    let directory = NeutronDirectory::new(options(small.place()), None);
    assert!(away(&directory).await.contains("a port that was not asked for"));
    assert_eq!(asks(&directory, "10.0.0.3").await.as_deref(), Ok("another"));
}

#[tokio::test]
async fn two_ports_on_two_pages_are_two() {
    let second = "00000000-0000-4000-8000-000000000002";
    let small = Small::start(move |_, text| {
        let (id, links) = match text.contains(&format!("&marker={PORT} ")) {
            true => (second, "[{\"rel\":\"previous\",\"href\":\"x\"}]"),
            false => (PORT, "[{\"rel\":\"next\",\"href\":\"http://192.0.2.1/\"}]"),
        };
        let port = port(id, "10.0.0.2", "one");
        Reply::Bytes(answer("200 OK", "", &format!("{{\"ports\":[{port}],\"ports_links\":{links}}}")))
    })
    .await;
    let directory = NeutronDirectory::new(options(small.place()), None);
    assert_eq!(asks(&directory, "10.0.0.2").await, Err(NoOccupant::SeveralPorts(2)));
    let small = Small::start(move |_, _| {
        let port = port(PORT, "10.0.0.2", "one");
        Reply::Bytes(answer("200 OK", "", &format!("{{\"ports\":[{port}],\"ports_links\":[{{\"rel\":\"next\"}}]}}")))
    })
    .await;
    let why = away(&NeutronDirectory::new(options(small.place()), None)).await;
    assert!(why.contains("more than 64 pages"), "{why}");
}

#[tokio::test]
async fn no_more_questions_than_the_bound_are_under_way_and_one_network_leaves_room_for_others() {
    let small = Small::start(|_, text| if text.contains(NETWORK) { Reply::Silence } else { ports(&[]) }).await;
    let mut options = options(small.place());
    (options.questions, options.questions_per_network) = (3, 2);
    let directory = NeutronDirectory::new(options, None);
    let many: Vec<_> = (2..12)
        .map(|number| {
            let directory = directory.clone();
            tokio::spawn(async move { asks(&directory, &format!("10.0.0.{number}")).await })
        })
        .collect();
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(small.heard().len(), 2);
    let place = Identity::Network("7a1c4d2e-9f7b-4b59-9a55-0d3c1f6e2b11".parse().unwrap());
    let question = Question { place, caller: Caller::of("10.0.0.2".parse().unwrap()) };
    let began = Instant::now();
    assert_eq!(directory.who(&question).await, Err(NoOccupant::NoPort));
    assert!(began.elapsed() < Duration::from_millis(200), "{:?}", began.elapsed());
    for one in many {
        assert!(matches!(one.await.unwrap(), Err(NoOccupant::Away(_))));
    }
}
