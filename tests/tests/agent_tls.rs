//! The second hop over TLS: a guest, a gate, `nsgate agent`, and a small Nova behind haproxy, which speaks TLS (OpenSSL's).

use std::fs;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use nsgate_tests::certificates::{Authority, Issued, Valid, openssl};
use nsgate_tests::gate::communicate;
use nsgate_tests::lab::text;
use nsgate_tests::nova::{SmallNova, good};
use nsgate_tests::second_hop::{INSTANCE, SecondHop, SecondHopFiles};
use nsgate_tests::tls_front::TlsFront;
use nsgate_tests::{Config, Gate, Guest, Kind, Lab, Network, Response, suite};

fn main() {
    suite!["agent_tls":
        requests_reach_nova_over_tls_by_connections_that_are_kept,
        a_server_that_is_not_the_one_that_is_meant_gets_no_request,
        a_server_that_wants_a_certificate_gets_the_one_that_is_named,
        a_handshake_that_stalls_takes_no_longer_than_a_connection_may,
        an_answer_that_is_cut_anywhere_within_tls_never_looks_whole,
        what_is_wrong_with_a_certificate_or_key_is_said_by_check_and_by_the_start,
        a_supervisor_knows_no_key,
    ]
}

struct Way {
    network: Network,
    hop: SecondHop,
    _gate: Gate,
}

impl Way {
    /// A guest, its gate, and an agent that believes `authority`.
    fn new(lab: &Lab, urls: &[String], authority: &Authority, more: &str) -> Way {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let network = Network::named(&format!("gate{number}"), &format!("guest{number}"));
        let hop = files(lab, urls, authority, more).start(lab);
        let gate = Gate::start(lab, &network.gate, &Config::new(Kind::Ovn));
        Way { network, hop, _gate: gate }
    }

    fn get(&self, target: &str) -> Response {
        let answer = Guest::new(&self.network.guest).get(target);
        answer.unwrap_or_else(|error| panic!("{error}: {}", text(&self.hop.log)))
    }

    fn refused(&self, word: &str) {
        assert_eq!(self.get("/").status, 503, "{}", text(&self.hop.log));
        assert!(self.hop.said(word), "{word}: {}", text(&self.hop.log));
    }
}

fn files(lab: &Lab, urls: &[String], authority: &Authority, more: &str) -> SecondHopFiles {
    let more = format!("ca_file = \"{}\"\n{more}", authority.certificate.display());
    let files = SecondHopFiles::write(lab, &["HOSTS".to_owned()], &more);
    let hosts: Vec<String> = urls.iter().map(|url| format!("\"{url}\"")).collect();
    files.replace(&files.config, &text(&files.config).replace("\"http://HOSTS\"", &hosts.join(", ")));
    files
}

fn https(address: SocketAddr) -> String {
    format!("https://{address}")
}

/// The keys that show this certificate.
fn shows(issued: &Issued) -> String {
    format!("certificate_file = \"{}\"\nkey_file = \"{}\"\n", issued.certificate.display(), issued.key.display())
}

fn requests_reach_nova_over_tls_by_connections_that_are_kept(lab: &Lab) {
    let authority = Authority::new(lab, "a");
    let shown = authority.signs("nova", "IP:127.0.0.1", Valid::Now);
    for versions in ["ssl-min-ver TLSv1.3", "ssl-max-ver TLSv1.2"] {
        let large: Vec<u8> = (0..300_000u32).map(|number| (number % 251) as u8).collect();
        let body = large.clone();
        let nova = SmallNova::start(move |_, stream| {
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
            stream.write_all(&[head.as_bytes(), &body].concat()).is_ok()
        });
        let front = TlsFront::start(lab, nova.address, &shown, versions);
        let way = Way::new(lab, &[https(front.address)], &authority, "");
        for _ in 0..4 {
            assert_eq!(way.get("/openstack/latest/user_data").body, large);
        }
        let posted = Guest::new(&way.network.guest).ask(&format!(
            "POST /openstack/latest/password HTTP/1.1\r\nHost: x\r\nContent-Length: 2000\r\nConnection: close\r\n\r\n{}",
            "p".repeat(2_000)
        ));
        assert_eq!(posted.unwrap().status, 200);
        let seen = nova.seen();
        assert!(seen.iter().all(|seen| seen.field("x-instance-id") == Some(INSTANCE)), "{seen:?}");
        assert!(seen.iter().take(4).all(|seen| seen.connection == 0), "{:?}", seen.first());
        assert_eq!(seen.last().map(|seen| seen.body.len()), Some(2_000));
    }
}

fn a_server_that_is_not_the_one_that_is_meant_gets_no_request(lab: &Lab) {
    let (authority, other) = (Authority::new(lab, "a"), Authority::new(lab, "b"));
    let nova = SmallNova::start(good("hello"));
    let here = "IP:127.0.0.1";
    for (shown, word) in [
        (other.signs("nova", here, Valid::Now), "signed by no authority in `ca_file`"),
        (authority.signs("other", "IP:127.0.0.2, DNS:nova", Valid::Now), "`127.0.0.1` is asked for"),
        (authority.signs("127.0.0.1", "", Valid::Now), "a name in CN does not count"),
        (authority.signs("old", here, Valid::Expired), "expired 2"),
        (authority.signs("young", here, Valid::Later), "is not valid yet: is the clock of this host right?"),
    ] {
        let front = TlsFront::start(lab, nova.address, &shown, "");
        Way::new(lab, &[https(front.address)], &authority, "").refused(word);
    }
    let own = Issued { certificate: other.certificate.clone(), key: other.certificate.with_file_name("own.key") };
    let front = TlsFront::start(lab, nova.address, &own, "");
    Way::new(lab, &[https(front.address)], &other, "").refused("is one of an authority (CA:TRUE)");
    // One that speaks no TLS sees no request either.
    Way::new(lab, &[https(nova.address)], &authority, "connect_timeout = \"1s\"").refused("127.0.0.1:");
    let web = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = web.local_addr().unwrap();
    std::thread::spawn(move || {
        for mut stream in web.incoming().flatten() {
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n");
        }
    });
    Way::new(lab, &[https(address)], &authority, "").refused("it does not speak TLS at this port");
    let seen = nova.seen();
    assert!(seen.iter().all(|seen| !seen.head.contains("HTTP")), "{seen:?}");
}

fn a_server_that_wants_a_certificate_gets_the_one_that_is_named(lab: &Lab) {
    let authority = Authority::new(lab, "a");
    let nova = SmallNova::start(good("hello"));
    let shown = authority.signs("nova", "IP:127.0.0.1", Valid::Now);
    let own = authority.signs("agent", "", Valid::Now);
    let strange = Authority::new(lab, "b").signs("agent", "", Valid::Now);
    for version in ["ssl-min-ver TLSv1.3", "ssl-max-ver TLSv1.2"] {
        let wants = format!("{version} {}", TlsFront::wanting(&authority.certificate));
        let front = TlsFront::start(lab, nova.address, &shown, &wants);
        let way = Way::new(lab, &[https(front.address)], &authority, &shows(&own));
        assert_eq!(way.get("/").status, 200, "{}", text(&way.hop.log));
        drop(way);
        let asked = nova.seen().len();
        Way::new(lab, &[https(front.address)], &authority, "").refused("certificate");
        Way::new(lab, &[https(front.address)], &authority, &shows(&strange)).refused("the certificate of this agent");
        assert_eq!(nova.seen().len(), asked);
        // Of several hosts the others are asked.
        let open = TlsFront::start(lab, nova.address, &shown, version);
        let way = Way::new(lab, &[https(front.address), https(open.address)], &authority, "");
        for _ in 0..4 {
            assert_eq!(way.get("/").status, 200, "{}", text(&way.hop.log));
        }
    }
}

fn a_handshake_that_stalls_takes_no_longer_than_a_connection_may(lab: &Lab) {
    let authority = Authority::new(lab, "a");
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let nova = SmallNova::start(good("hello"));
    let [stalls, works] = [https(silent.local_addr().unwrap()), format!("http://{}", nova.address)];
    let more = "connect_timeout = \"700ms\"\n";
    let way = Way::new(lab, std::slice::from_ref(&stalls), &authority, more);
    let began = Instant::now();
    way.refused("no connection in 700 ms");
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    drop(way);
    // A host without TLS may stand beside it.
    let way = Way::new(lab, &[stalls, works], &authority, more);
    assert!((0..3).all(|_| way.get("/").status == 200), "{}", text(&way.hop.log));
}

fn an_answer_that_is_cut_anywhere_within_tls_never_looks_whole(lab: &Lab) {
    let authority = Authority::new(lab, "a");
    let shown = authority.signs("nova", "IP:127.0.0.1", Valid::Now);
    // Its end is that of the connection, so only TLS can tell whether all of it has come.
    let nova = SmallNova::start(|_, stream| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n");
        let _ = stream.write_all(&[b'x'; 60_000]);
        false
    });
    let front = TlsFront::start(lab, nova.address, &shown, "");
    let whole = Way::new(lab, &[https(front.address)], &authority, "");
    assert_eq!(whole.get("/").body.len(), 60_000);
    drop(whole);
    for bytes in [HANDSHAKE, 20_000, 40_000] {
        let relay = cutting_relay(front.address, bytes);
        let way = Way::new(lab, &[https(relay)], &authority, "");
        let answer = Guest::new(&way.network.guest).exchange(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n");
        let answer = answer.map(|bytes| String::from_utf8_lossy(&bytes).to_lowercase()).unwrap_or_default();
        // Cut in the handshake, there is no answer at all.
        let none = answer.starts_with("http/1.1 503 ");
        let whole = answer.ends_with("\r\n0\r\n\r\n") || answer.contains("content-length:");
        assert!(none == (bytes == HANDSHAKE) && (none || !whole), "{bytes}: {answer:.300}");
    }
}

/// Bytes of a server that are no whole record of an answer yet.
const HANDSHAKE: u64 = 500;

/// A relay that ends a connection in order after so many bytes of the server.
fn cutting_relay(server: SocketAddr, bytes: u64) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let server = TcpStream::connect(server).unwrap();
            let (mut from, mut to) = (client.try_clone().unwrap(), server.try_clone().unwrap());
            std::thread::spawn(move || std::io::copy(&mut from, &mut to));
            let _ = std::io::copy(&mut server.take(bytes), &mut &client);
            let _ = client.shutdown(Shutdown::Both);
        }
    });
    address
}

fn what_is_wrong_with_a_certificate_or_key_is_said_by_check_and_by_the_start(lab: &Lab) {
    let (authority, other) = (Authority::new(lab, "a"), Authority::new(lab, "b"));
    let own = authority.signs("agent", "", Valid::Now);
    let expired = Authority::valid(lab, "old", Valid::Expired);
    let place = lab.directory("pem", 0o755);
    let made = |name: &str, content: &[u8]| {
        fs::write(place.join(name), content).unwrap();
        place.join(name)
    };
    let words = made("words.pem", b"no certificate at all\n");
    let certificate = text(&authority.certificate);
    let cut = made("cut.pem", certificate.replace("-----END", "").as_bytes());
    let torn = made("torn.pem", certificate.replacen('M', "*", 1).as_bytes());
    let garbled = made("garbled.pem", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
    let [der, encrypted, older] = ["der", "encrypted.key", "older.key"].map(|name| place.join(name));
    let pem = |path: &Path| path.display().to_string();
    openssl(&["x509", "-in", &pem(&authority.certificate), "-outform", "DER", "-out", &pem(&der)]);
    openssl(&["pkcs8", "-topk8", "-in", &pem(&own.key), "-passout", "pass:x", "-out", &pem(&encrypted)]);
    openssl(&["ec", "-in", &pem(&own.key), "-aes256", "-passout", "pass:x", "-out", &pem(&older)]);
    let other_key = other.signs("agent", "", Valid::Now).key;
    let of_key = text(&own.key).lines().nth(1).expect("a line of the key").to_owned();
    let large = place.join("p521.key");
    openssl(&["ecparam", "-name", "secp521r1", "-genkey", "-noout", "-out", &pem(&large)]);
    let missing = place.join("missing.pem");
    let urls = ["https://127.0.0.1:8775".to_owned()];
    for (key, file, what) in [
        ("ca_file", &missing, "`ca_file`: "),
        ("ca_file", &words, "has no certificate: it is to be text with -----BEGIN CERTIFICATE-----"),
        ("ca_file", &own.key, "has no certificate"),
        ("ca_file", &der, "it is in DER, and `openssl x509 -inform DER"),
        ("ca_file", &cut, "cut.pem: a part has no"),
        ("ca_file", &torn, "torn.pem: a part is not in base64"),
        ("ca_file", &garbled, "garbled.pem: the 1. certificate cannot be read"),
        ("ca_file", &expired.certificate, "each of its 1 certificates has expired, the last one 2"),
        ("certificate_file", &words, "words.pem has no certificate"),
        ("certificate_file", &expired.certificate, "has expired"),
        ("key_file", &own.certificate, "has no private key"),
        ("key_file", &other_key, "does not belong to the first certificate in"),
        ("key_file", &encrypted, "nobody is there to say its passphrase"),
        ("key_file", &older, "nobody is there to say its passphrase"),
        ("key_file", &large, "of no kind that is known here"),
    ] {
        let files = files(lab, &urls, &authority, &shows(&own));
        let [ref line] =
            text(&files.config).lines().filter(|line| line.starts_with(key)).map(str::to_owned).collect::<Vec<_>>()[..]
        else {
            panic!("one line of {key}")
        };
        let wrong = format!("{key} = \"{}\"", file.display());
        files.replace(&files.config, &text(&files.config).replace(line, &wrong));
        let mut check = Command::new(lab.program.nsgate());
        check.args(["check", "--dialect", "agent"]).arg(&files.config);
        for said in [communicate(check, Duration::from_secs(10)), files.refused(lab)] {
            assert!(said.code() == Some(1) && said.stderr.contains(what), "{wrong}: {what}: {said:#?}");
            assert!(said.stderr.contains(&pem(file)) && !said.stderr.contains(&of_key), "{said:#?}");
        }
        assert!(!files.socket.exists(), "{wrong}");
    }
    // One of several that has expired is a warning.
    let both = made("both.pem", (certificate + &text(&expired.certificate)).as_bytes());
    let files = files(lab, &urls, &authority, "");
    files.replace(&files.config, &text(&files.config).replace(&pem(&authority.certificate), &pem(&both)));
    let mut check = Command::new(lab.program.nsgate());
    check.args(["check", "--dialect", "agent"]).arg(&files.config);
    let said = communicate(check, Duration::from_secs(10));
    assert!(said.ok() && said.stderr.contains("both.pem: the 2. certificate expired"), "{said:#?}");
    let hop = files.start(lab);
    assert!(hop.said("both.pem: the 2. certificate expired"), "{}", text(&hop.log));
}

/// Neither the text of the key nor its number is in memory of the process that only waits.
fn a_supervisor_knows_no_key(lab: &Lab) {
    lab.needs_root("it looks into other processes");
    let authority = Authority::new(lab, "a");
    let own = authority.signs("agent", "", Valid::Now);
    let hop = files(lab, &["https://127.0.0.1:8775".to_owned()], &authority, &shows(&own)).start(lab);
    let key = text(&own.key);
    let line = key.lines().nth(1).expect("a line of the key").as_bytes();
    let der = own.key.with_extension("der");
    openssl(&["ec", "-in", own.key.to_str().unwrap(), "-outform", "DER", "-out", der.to_str().unwrap()]);
    // ECPrivateKey: a sequence, the version, and 32 bytes (RFC 5915).
    let number = fs::read(der).unwrap()[7..39].to_vec();
    let [supervisor, carrier] = [hop.supervisor(), hop.pid()].map(memory);
    let holds = |memory: &[u8], needle: &[u8]| memory.windows(needle.len()).any(|found| found == needle);
    assert!(!carrier.is_empty() && !supervisor.is_empty());
    assert!(!holds(&supervisor, line) && !holds(&supervisor, &number));
    assert!(!holds(&carrier, line), "what it keeps is what signs, and not its text");
    assert!(!hop.said(std::str::from_utf8(line).unwrap()));
}

/// What is in a process's writable memory.
fn memory(pid: i32) -> Vec<u8> {
    let file = fs::File::open(format!("/proc/{pid}/mem")).expect("its memory");
    let mut out = Vec::new();
    for line in text(format!("/proc/{pid}/maps")).lines().filter(|line| line.contains(" rw")) {
        let (range, _) = line.split_once(' ').expect("a range");
        let (from, to) = range.split_once('-').expect("two ends");
        let [from, to] = [from, to].map(|text| u64::from_str_radix(text, 16).expect("an address"));
        let mut piece = vec![0; (to - from) as usize];
        if file.read_exact_at(&mut piece, from).is_ok() {
            out.extend(piece);
        }
    }
    out
}
