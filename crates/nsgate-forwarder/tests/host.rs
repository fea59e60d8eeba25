//! One proxy for a whole host: who asks is known by the source address, and that may change while it serves.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use nsgate_config::{HostProxy, haproxy};
use nsgate_forwarder::{AccessRecord, Forwarder, InstanceTable, Observer, Stop, TcpConnector};
use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpSocket, TcpStream},
    sync::watch,
};

const HELLO: &str = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";

#[derive(Clone, Default)]
struct Records(Arc<Mutex<Vec<AccessRecord>>>);

impl Observer for Records {
    fn request(&self, record: &AccessRecord) {
        self.0.lock().unwrap().push(record.clone());
    }
}

fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: 169.254.169.254\r\nConnection: close\r\n\r\n")
}

const FIXTURE: &str = include_str!("../../nsgate-config/tests/fixtures/2026.2-hostproxy-3-instances.cfg");

/// Neutron's text with loopback addresses: 127.0.0.2, 3 and 4 are the instances.
fn text() -> String {
    FIXTURE.replace("240.0.0.", "127.0.0.")
}

fn host(text: &str) -> HostProxy {
    haproxy::parse_host("x", text).unwrap_or_else(|errors| panic!("{errors}")).config.proxy
}

struct Host {
    address: SocketAddr,
    directory: InstanceTable,
    seen: Arc<Mutex<Vec<String>>>,
    records: Records,
    _stop: watch::Sender<Option<Stop>>,
}

impl Host {
    async fn serve() -> Self {
        let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let nova = server.local_addr().unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let recorded = seen.clone();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = server.accept().await {
                let mut request = vec![0; 65536];
                let length = stream.read(&mut request).await.unwrap();
                recorded.lock().unwrap().push(String::from_utf8_lossy(&request[..length]).into_owned());
                stream.write_all(HELLO.as_bytes()).await.unwrap();
            }
        });
        Self::at(nova, seen).await
    }

    async fn at(nova: SocketAddr, seen: Arc<Mutex<Vec<String>>>) -> Self {
        Self::guarded(nova, seen, nsgate_config::Guards::default()).await
    }

    async fn guarded(nova: SocketAddr, seen: Arc<Mutex<Vec<String>>>, guards: nsgate_config::Guards) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = watch::channel(None);
        let records = Records::default();
        let mut proxy = host(&text());
        proxy.retries = 0;
        proxy.guards = guards;
        let (forwarder, directory) = Forwarder::for_host(proxy, TcpConnector::new(nova), records.clone());
        tokio::spawn(forwarder.serve(vec![listener], stopped));
        Self { address, directory, seen, records, _stop: stop }
    }

    async fn guest(&self, source: &str) -> TcpStream {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(format!("{source}:0").parse().unwrap()).unwrap();
        socket.connect(self.address).await.unwrap()
    }

    async fn ask(&self, source: &str, request: &str) -> String {
        let mut guest = self.guest(source).await;
        guest.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        let read = tokio::time::timeout(Duration::from_secs(20), guest.read_to_end(&mut answer)).await;
        read.expect("the proxy closes").unwrap();
        String::from_utf8_lossy(&answer).into_owned()
    }

    fn seen(&self) -> Vec<String> {
        self.seen.lock().unwrap().clone()
    }
}

#[tokio::test]
async fn each_source_is_its_own_instance() {
    let host = Host::serve().await;
    for (source, last, value) in [("127.0.0.2", 0, 0x00ab_cdef), ("127.0.0.4", 2, 0x0203_69cd)] {
        assert!(host.ask(source, &get("/latest/meta-data")).await.starts_with("HTTP/1.1 200 OK\r\n"), "{source}");
        let expected = format!(
            "GET /latest/meta-data HTTP/1.1\r\nx-instance-id: 5f0c7c3e-0b1d-4a7c-9a57-2f6d1f5f1a0{last}\r\n\
             x-tenant-id: 0123456789abcdef0123456789abcde{last}\r\nx-instance-id-signature: {value:064x}\r\n\
             x-forwarded-for: {source}\r\n"
        );
        let seen = host.seen().pop().unwrap();
        assert!(seen.starts_with(&expected), "{seen}\n{expected}");
    }
}

#[tokio::test]
async fn what_a_guest_says_of_itself_does_not_pass() {
    let host = Host::serve().await;
    let forged = "GET / HTTP/1.1\r\nHost: h\r\nX-Instance-ID: evil\r\nX_Instance_ID: evil\r\nX-Tenant-ID: evil\r\n\
                  X-Instance-ID-Signature: evil\r\nX-Forwarded-For: evil\r\nConnection: close\r\n\r\n";
    let answer = host.ask("127.0.0.3", forged).await;
    // A name with an underscore is refused or left behind; either way nothing forged arrives.
    let seen = host.seen().join("\n");
    assert!(!seen.contains("evil"), "{seen}");
    assert!(answer.starts_with("HTTP/1.1 200") && seen.matches("x-instance-id:").count() == 1, "{answer}\n{seen}");
}

#[tokio::test]
async fn a_stranger_is_answered_503_and_reaches_nobody() {
    let host = Host::serve().await;
    for source in ["127.0.0.1", "127.0.0.5"] {
        assert!(host.ask(source, &get("/")).await.starts_with("HTTP/1.1 503 "), "{source}");
    }
    assert_eq!(host.seen().len(), 0);
    assert_eq!(host.records.0.lock().unwrap().len(), 2, "each is logged");
}

#[tokio::test]
async fn the_monitor_answers_everybody_and_the_statistics_nobody() {
    let host = Host::serve().await;
    for source in ["127.0.0.9", "127.0.0.2"] {
        let ready = host.ask(source, &get("/monitoruri")).await;
        assert!(ready.starts_with("HTTP/1.1 200 OK\r\n") && ready.contains("Service ready."), "{ready}");
        for path in ["/admin/stats", "/admin/stats;csv", "/admin/stats?x"] {
            assert!(host.ask(source, &get(path)).await.starts_with("HTTP/1.1 403 "), "{path}");
        }
    }
    assert_eq!(host.seen().len(), 0);
    assert!(host.ask("127.0.0.2", &get("/monitoruri/x")).await.starts_with("HTTP/1.1 200 OK\r\n"));
    assert_eq!(host.seen().len(), 1, "a longer path is an instance's");
}

/// Slashes in a row are one for the monitor and the statistics as well, where paths are judged.
#[tokio::test]
async fn with_guards_on_paths_no_slash_too_many_leads_past_the_statistics() {
    let nova = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let paths = vec![nsgate_config::PathPrefix::new("/").unwrap()];
    let mut guards = nsgate_config::Guards::default();
    guards.paths = paths;
    let host = Host::guarded(nova.local_addr().unwrap(), Arc::default(), guards).await;
    for path in ["/admin/stats", "//admin//stats", "/admin///stats?//"] {
        assert!(host.ask("127.0.0.2", &get(path)).await.starts_with("HTTP/1.1 403 "), "{path}");
    }
    assert!(host.ask("127.0.0.9", &get("//monitoruri")).await.starts_with("HTTP/1.1 200 OK\r\n"));
}

#[tokio::test]
async fn a_kept_connection_outlives_a_reload_and_gets_the_new_identity() {
    let host_ = Host::serve().await;
    let mut guest = host_.guest("127.0.0.2").await;
    let request = "GET / HTTP/1.1\r\nHost: h\r\n\r\n";
    let ask = async |guest: &mut TcpStream| {
        guest.write_all(request.as_bytes()).await.unwrap();
        let mut answer = vec![0; 4096];
        let length = guest.read(&mut answer).await.unwrap();
        String::from_utf8_lossy(&answer[..length]).into_owned()
    };
    assert!(ask(&mut guest).await.starts_with("HTTP/1.1 200"));
    let swapped = text().replace("src 127.0.0.2", "src X").replace("src 127.0.0.3", "src 127.0.0.2");
    host_.directory.replace(host(&swapped.replace("src X", "src 127.0.0.3")).instances);
    assert!(ask(&mut guest).await.starts_with("HTTP/1.1 200"), "on the same connection");
    let seen = host_.seen();
    assert!(seen[0].contains("1f5f1a00\r\n") && seen[1].contains("1f5f1a01\r\n"), "{seen:#?}");
    host_.directory.replace(nsgate_config::Instances::default());
    assert!(ask(&mut guest).await.starts_with("HTTP/1.1 503"), "and one that is gone is a stranger");
}

#[tokio::test]
async fn a_server_that_is_away_is_503() {
    // Bound and not listening: no other process gets the port meanwhile.
    let closed = TcpSocket::new_v4().unwrap();
    closed.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let host = Host::at(closed.local_addr().unwrap(), Arc::default()).await;
    let answer = tokio::time::timeout(Duration::from_secs(5), host.ask("127.0.0.2", &get("/"))).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
}
