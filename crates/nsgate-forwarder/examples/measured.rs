//! A forwarder without a log, and counts its requests as a gate does, for counting what a request costs (`cargo xtask counts`):
//! `measured AGENT_SOCKET PORT [REQUESTS_IN_TWELVE_HOURS|- [guards|CONFIGURATION]]`, until its standard input ends. A
//! configuration, of a whole host's proxy, says who the instances are; `guards` is all guards of one network.
//! A counter makes it slow: what happens after a time does not happen.

use nsgate_config::{haproxy, native};
use nsgate_forwarder::{AccessRecord, Forwarder, Observer, Stop, TokenKey, UnixConnector, counters::Counters};
use tokio::{
    io::AsyncReadExt,
    net::{TcpListener, unix::pipe::Receiver},
    sync::watch,
};

/// All guards that look at a request.
const GUARDS: &str = "[guards]\nrefuse_forwarded = true\nhosts = [\"169.254.169.254\", \"fe80::a9fe:a9fe\"]\n\
    require_header = { name = \"Metadata-Flavor\", value = \"Google\" }\ntokens = \"required\"\n\
    methods = [\"GET\", \"HEAD\", \"POST\"]\npaths = [\"/openstack/\", \"/latest/\"]\n\
    expiring = { names = [\"user_data\", \"user-data\"], after = \"12h\" }\n";

/// What a gate does with each request beside writing its line.
#[derive(Default)]
struct Counts(Counters);

impl Observer for Counts {
    fn request(&self, record: &AccessRecord) {
        self.0.count(record);
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut words = std::env::args().skip(1);
    let socket = words.next().ok_or("which socket does the agent listen on?")?;
    let port: u16 = words.next().ok_or("which port?")?.parse()?;
    let rate = words
        .next()
        .filter(|count| count != "-")
        .map(|count| format!("[[rate_limits]]\nrequests = {count}\nwindow = \"12h\"\n"));
    let more = words.next();
    let guards = if more.as_deref() == Some("guards") { GUARDS } else { "" };
    let host = more.filter(|word| word != "guards").map(std::fs::read_to_string).transpose()?;
    let text = format!(
        "network_id = \"7a1c4d2e-9f7b-4b59-9a55-0d3c1f6e2b10\"\nlisten = [\"127.0.0.1:{port}\"]\nuser = \"nobody\"\n\
         backend = \"{socket}\"\n{}{guards}[limits]\nconnections = 20000\nconnections_per_source = 20000\n\
         unfinished_heads = 20000\nunfinished_heads_per_source = 20000\nhead_bytes = 65536\n\
         body_bytes = 1048576\nbackend_request_bytes = 2097152\n\
         [timeouts]\nrequest = \"1h\"\nconnect = \"2h\"\nserver = \"2h\"\nclient = \"1h\"\nkeep_alive = \"1h\"\nbody = \"1h\"\nconnection = \"12h\"\n",
        rate.unwrap_or_default()
    );
    let gate = native::parse("measured", &text)?.config.gate;
    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    let (stop, stopped) = watch::channel(None);
    let mut input =
        Receiver::from_owned_fd_unchecked(std::os::fd::AsFd::as_fd(&std::io::stdin()).try_clone_to_owned()?)?;
    tokio::spawn(async move {
        let _ = input.read(&mut [0]).await;
        let _ = stop.send(Some(Stop::Now));
    });
    let connector = UnixConnector::new(socket.into(), None);
    let forwarder = match host {
        Some(text) => {
            Forwarder::for_host(haproxy::parse_host("measured", &text)?.config.proxy, connector, Counts::default()).0
        }
        None => Forwarder::new(gate, connector, Counts::default()),
    };
    println!("ready");
    // A key for counting, and for nothing else.
    forwarder.keyed(Some(TokenKey::new(&[0; 64]))).serve(vec![listener], stopped).await;
    Ok(())
}
