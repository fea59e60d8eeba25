//! Two ends of one stream: what carries requests asks, what knows the secret answers.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use nsgate_agent::{
    directory::{Caller, Directory, FileDirectory, NoOccupant, Occupant, Question},
    signature::Secret,
    signer::{LocalSigner, Signer, SignerClient, SignerService},
};
use nsgate_config::{Identity, Uuid};
use std::{
    io::{ErrorKind, Read, Write},
    net::{IpAddr, Ipv4Addr},
    os::unix::net::UnixStream,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::sync::Semaphore;

const NETWORK: &str = "7a1c4d2e-9f7b-4b59-9a55-0d3c1f6e2b10";

fn network() -> Identity {
    Identity::OvnNetwork(NETWORK.parse().expect("a UUID"))
}

fn question(host: u8) -> Question {
    Question { place: network(), caller: Caller::Address(IpAddr::from([10, 0, 0, host])) }
}

fn secret() -> Secret {
    Secret::new(b"swordfish".to_vec()).expect("a secret")
}

fn file() -> FileDirectory {
    let entry = |host: u8, instance: &str| {
        format!(
            "[[instance]]\nnetwork = \"{NETWORK}\"\naddress = \"10.0.0.{host}\"\ninstance = \"{instance}\"\nproject = \"p\"\n"
        )
    };
    let text = entry(2, "two")
        + &entry(3, "three")
        + &entry(4, "one of two").replace("one of two", "one")
        + &entry(4, "other");
    FileDirectory::new("d.toml", &text).expect("a directory")
}

fn pair() -> (UnixStream, UnixStream) {
    let (one, other) = UnixStream::pair().expect("a pair");
    one.set_nonblocking(true).and_then(|()| other.set_nonblocking(true)).expect("non-blocking");
    (one, other)
}

/// Answers once it may; counts who asks.
#[derive(Clone)]
struct SlowDirectory {
    may: Arc<Semaphore>,
    asked: Arc<AtomicUsize>,
}

impl SlowDirectory {
    fn new() -> Self {
        Self { may: Arc::new(Semaphore::new(0)), asked: Arc::default() }
    }
}

impl Directory for SlowDirectory {
    async fn who(&self, question: &Question) -> Result<Occupant, NoOccupant> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        // The later a question, the sooner its answer: 10.0.0.9 waits for nobody.
        if question.caller != Caller::Address(IpAddr::V4(Ipv4Addr::new(10, 0, 0, 9))) {
            self.may.acquire().await.expect("open").forget();
        }
        Ok(Occupant::new(&question.caller.to_string(), "p").expect("an id"))
    }
}

#[tokio::test]
async fn the_answers_over_the_stream_are_those_of_one_process() {
    let (carrier, signer) = pair();
    let (client, link) = SignerClient::new(carrier).expect("a client");
    let service = SignerService::new(file(), secret());
    let local = LocalSigner::new(file(), secret());
    tokio::spawn(link.run());
    tokio::spawn(async move { service.serve(signer).await });
    for host in [2, 3, 4, 5] {
        assert_eq!(client.sign(&question(host)).await, local.sign(&question(host)).await, "{host}");
    }
    assert_eq!(client.sign(&question(4)).await, Err(NoOccupant::SeveralPorts(2)));
    let elsewhere = Question { place: Identity::Router(Uuid::NIL), ..question(2) };
    assert_eq!(client.sign(&elsewhere).await, Err(NoOccupant::NoPort));
}

#[tokio::test]
async fn many_questions_at_once_have_each_its_own_answer_in_any_order() {
    let (carrier, signer) = pair();
    let (client, link) = SignerClient::new(carrier).expect("a client");
    let directory = SlowDirectory::new();
    let service = SignerService::new(directory.clone(), secret());
    tokio::spawn(link.run());
    tokio::spawn(async move { service.serve(signer).await });
    // More than the stream has room for at once.
    let asked: Vec<_> = (0..20_000_u32)
        .map(|number| {
            let client = client.clone();
            tokio::spawn(async move {
                let host =
                    Question { place: network(), caller: Caller::Address(Ipv4Addr::from(number | 0xc000_0000).into()) };
                let signed = client.sign(&host).await.expect("signed");
                assert_eq!(signed.occupant.instance(), host.caller.to_string());
                assert_eq!(signed.signature, secret().sign(signed.occupant.instance()));
            })
        })
        .collect();
    directory.may.add_permits(20_000);
    for one in asked {
        one.await.expect("its own answer");
    }
    assert_eq!(
        client.sign(&question(9)).await.map(|signed| signed.occupant.instance().to_owned()),
        Ok("10.0.0.9".to_owned())
    );
}

#[tokio::test]
async fn a_question_that_is_dropped_is_forgotten_and_its_late_answer_is_nobodys() {
    let (carrier, signer) = pair();
    let (client, link) = SignerClient::new(carrier).expect("a client");
    let directory = SlowDirectory::new();
    let service = SignerService::new(directory.clone(), secret());
    tokio::spawn(link.run());
    tokio::spawn(async move { service.serve(signer).await });
    let gone = tokio::time::timeout(Duration::from_millis(50), client.sign(&question(2))).await;
    assert!(gone.is_err(), "{gone:?}");
    assert_eq!(directory.asked.load(Ordering::SeqCst), 1, "it had left");
    assert!(!format!("{client:?}").contains("Sender"), "{client:?}");
    directory.may.add_permits(2);
    let signed = client.sign(&question(3)).await.expect("signed");
    assert_eq!(signed.occupant.instance(), "10.0.0.3");
}

#[tokio::test]
async fn a_signer_that_is_gone_is_a_reason_for_each_question() {
    let (carrier, signer) = pair();
    let (client, link) = SignerClient::new(carrier).expect("a client");
    let ended = tokio::spawn(link.run());
    let waits = tokio::spawn({
        let client = client.clone();
        async move { client.sign(&question(2)).await }
    });
    tokio::task::yield_now().await;
    drop(signer);
    let reason = ended.await.expect("an end");
    assert!(reason.contains("the signer has ended"), "{reason}");
    for found in [waits.await.expect("an answer"), client.sign(&question(3)).await] {
        assert_eq!(found, Err(NoOccupant::Away(reason.clone())));
    }
}

#[tokio::test]
async fn what_is_no_question_closes_the_stream_and_nothing_is_signed() {
    let good = |number: u64| {
        let mut frame = vec![b'Q', 1, 4, 0];
        frame.extend_from_slice(&number.to_le_bytes());
        frame.extend_from_slice(network().uuid().bytes());
        frame.extend_from_slice(&[10, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        frame
    };
    for (bytes, answers) in [
        (b"GET / HTTP/1.1\r\nHost: x\r\nX-Instance-ID: two\r\n\r\n".to_vec(), 0),
        (vec![0xff; 5000], 0),
        ([good(1)[..40].to_vec(), good(2)].concat(), 0),
    ] {
        let (mut carrier, signer) = pair();
        let directory = SlowDirectory::new();
        directory.may.add_permits(100);
        let service = SignerService::new(directory.clone(), secret());
        carrier.write_all(&bytes).expect("room");
        let error = service.serve(signer).await.expect_err("garbage");
        assert_eq!(error.kind(), ErrorKind::InvalidData, "{error}");
        let mut answered = Vec::new();
        let _ = carrier.read_to_end(&mut answered);
        assert_eq!(
            (answered.len(), directory.asked.load(Ordering::SeqCst)),
            (answers, 0),
            "nothing is looked up or signed"
        );
    }
    // Whole questions, in pieces of any size, and an end in the middle of one: what is whole is answered.
    let (carrier, signer) = pair();
    let service = SignerService::new(file(), secret());
    let served = tokio::spawn(async move { service.serve(signer).await });
    let bytes = [good(1), good(2), good(3)[..43].to_vec()].concat();
    for piece in bytes.chunks(7) {
        (&carrier).write_all(piece).expect("room");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    carrier.shutdown(std::net::Shutdown::Write).expect("an end");
    served.await.expect("an end").expect("in order");
    carrier.set_nonblocking(false).expect("blocking");
    let mut answered = Vec::new();
    (&carrier).read_to_end(&mut answered).expect("answers");
    assert_eq!(answered.len(), 2 * (12 + 64 + "two".len() + 1));
}

#[tokio::test]
async fn an_answer_that_is_none_ends_the_one_that_asks() {
    for bytes in [b"HTTP/1.1 200 OK\r\n\r\n".to_vec(), [b"N\0\0\0".as_slice(), &9_u64.to_le_bytes()].concat()] {
        let (carrier, signer) = pair();
        let (client, link) = SignerClient::new(carrier).expect("a client");
        (&signer).write_all(&bytes).expect("room");
        let reason = link.run().await;
        assert!(reason.contains("what no signer says"), "{reason}");
        assert_eq!(client.sign(&question(2)).await, Err(NoOccupant::Away(reason)));
    }
}
