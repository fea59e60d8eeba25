//! One request of a gate's through the agent: over a connection that is bound and kept, to a Nova whose connection is kept. The door
//! and Nova are here, in another process.

use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use nsgate_agent::binding::{Door, Taken, line};
use nsgate_config::Identity;
use nsgate_tests::Response;
use nsgate_tests::config::NETWORK;
use nsgate_tests::program::target;
use nsgate_tests::second_hop::{INSTANCE, instance};

use super::Cost;
use super::measure::{ANSWER, Counter, LONG, PAUSE, SHORT};

const GUEST: &str = "10.0.0.11";

/// The difference of a long run and a short run.
pub(crate) fn cost() -> Result<Cost, String> {
    let nova = nova().map_err(|error| format!("a Nova: {error}"))?;
    Cost::each(|counter| Ok((run(counter, nova, LONG)? - run(counter, nova, SHORT)?) / (LONG - SHORT) as f64))
}

/// Starts the agent under a counter, asks so many times, and returns the count.
fn run(counter: Counter, nova: SocketAddr, count: usize) -> Result<f64, String> {
    let directory = std::env::temp_dir().join(format!("nsgate-hop-{}-{counter:?}", std::process::id()));
    let in_words = |error: io::Error| format!("{}: {error}", directory.display());
    fs::create_dir_all(&directory).map_err(in_words)?;
    let (socket, instances) = (directory.join("socket"), directory.join("instances.toml"));
    let _ = fs::remove_file(&socket);
    fs::write(&instances, instance(GUEST, INSTANCE)).map_err(in_words)?;
    let mut command = counter.command(&directory);
    command.arg(target().join("release/examples/hop")).arg(&socket).arg(nova.to_string()).arg(&instances);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(|error| format!("{command:?}: {error}"))?;
    let mut ready = String::new();
    let _ = child.stdout.take().map(|out| BufReader::new(out).read_line(&mut ready));
    let asked = ask(&socket, count);
    drop(child.stdin.take());
    let said = child.wait_with_output().map_err(in_words)?;
    let (status, said) = (said.status, String::from_utf8_lossy(&said.stderr).into_owned());
    let total = counter.total(&said, &directory).filter(|_| status.success());
    let _ = fs::remove_dir_all(&directory);
    asked.map_err(|error| format!("a request through the agent failed under {counter:?}: {error}: {said}"))?;
    total.ok_or_else(|| format!("the agent ended with {status} under {counter:?}: {said}"))
}

/// Binds a connection, and asks over it so many times.
fn ask(socket: &Path, count: usize) -> io::Result<()> {
    let mut stream = connection(socket)?;
    let mut reader = BufReader::new(stream.try_clone()?);
    let request = format!(
        "GET /latest/meta-data/ HTTP/1.1\r\nx-ovn-network-id: {NETWORK}\r\nx-forwarded-for: {GUEST}\r\n\
         host: 169.254.169.254\r\nuser-agent: curl/7.88.1\r\naccept: */*\r\n\r\n"
    );
    for _ in 0..count {
        stream.write_all(request.as_bytes())?;
        let answer = Response::read(&mut reader)?;
        if answer.status != 200 || answer.body.len() != ANSWER {
            return Err(io::Error::other(format!("{answer:?}")));
        }
    }
    Ok(())
}

fn connection(socket: &Path) -> io::Result<UnixStream> {
    let patience = Duration::from_secs(30);
    let mut stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(patience))?;
    let network = NETWORK.parse().map_err(|_| io::Error::other("no UUID"))?;
    stream.write_all(line(&Identity::OvnNetwork(network)).as_bytes())?;
    let mut said = [0; 6];
    stream.read_exact(&mut said)?;
    let (door, end) = (Door::bound(stream.into()), Instant::now() + patience);
    door.ask()?;
    loop {
        match door.take() {
            Ok(Taken::Connection(connection)) => {
                // The door lasts for as long as its connections are used: it ends with this process.
                std::mem::forget(door);
                connection.set_nonblocking(false)?;
                connection.set_read_timeout(Some(patience))?;
                return Ok(connection);
            }
            Ok(_) => return Err(io::Error::other("no connection")),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock && Instant::now() < end => {
                std::thread::sleep(Duration::from_millis(1));
            }
            Err(error) => return Err(error),
        }
    }
}

/// Nova: one answer for all, after a pause, over connections that are kept. Lasts as long as this process.
fn nova() -> io::Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    let body = "x".repeat(ANSWER);
    let answer = format!("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {ANSWER}\r\n\r\n{body}");
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let answer = answer.clone();
            std::thread::spawn(move || {
                let (mut piece, mut all) = ([0; 4096], Vec::new());
                while let Ok(read @ 1..) = stream.read(&mut piece) {
                    all.extend_from_slice(&piece[..read]);
                    if all.ends_with(b"\r\n\r\n") {
                        all.clear();
                        std::thread::sleep(PAUSE);
                        if stream.write_all(answer.as_bytes()).is_err() {
                            return;
                        }
                    }
                }
            });
        }
    });
    Ok(address)
}
