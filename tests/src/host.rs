//! The host-wide proxy of Neutron's `metadata_path` extension, and the Nova behind it.

use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::gate::{agent_command, communicate};
use crate::lab::text;
use crate::network::Network;
use crate::{Gate, Guest, Lab, Response, Started};

/// What Neutron 29 writes for three instances.
pub const FIXTURE: &str = include_str!("../../crates/nsgate-config/tests/fixtures/2026.2-hostproxy-3-instances.cfg");
/// Where the agent writes its configuration.
pub const CONFIG: &str = "/run/lab/neutron/host_metadata_proxy.haproxy.conf";
/// Where it wants the pid.
pub const PID_FILE: &str = "/run/lab/neutron/external/pids/host_metadata_proxy.pid.haproxy";

/// Neutron's text for instances at 10.0.0.11, 12 and 14, and a Nova beside the proxy.
pub fn three_instances() -> String {
    let text = FIXTURE.replace("240.0.0.2", "10.0.0.11").replace("240.0.0.3", "10.0.0.12");
    text.replace("240.0.0.4", "10.0.0.14").replace("192.0.2.10:8775", "127.0.0.1:8775")
}

/// The same for so many instances, from 10.0.0.1 on; the id of each ends in its number.
pub fn many_instances(count: u32) -> String {
    instances_at((1..=count).map(|number| Ipv4Addr::from(0x0a00_0000 + number)))
}

/// The same for an instance at each of these addresses; ids are numbered from 1 on.
pub fn instances_at(addresses: impl IntoIterator<Item = Ipv4Addr>) -> String {
    let (head, rest) = FIXTURE.split_once("    acl ").unwrap();
    let (_, last) = rest.rsplit_once("\nbackend ").unwrap();
    let (_, backend) = last.split_once('\n').unwrap();
    let backend = backend.replace("192.0.2.10:8775", "127.0.0.1:8775");
    let addresses: Vec<Ipv4Addr> = addresses.into_iter().collect();
    let numbers = 1..=addresses.len();
    let mut text = head.to_owned();
    numbers.clone().zip(&addresses).for_each(|(n, at)| text.push_str(&format!("    acl i{n} src {at}\n")));
    numbers.clone().for_each(|n| text.push_str(&format!("    use_backend b{n} if i{n}\n")));
    numbers.for_each(|n| {
        text.push_str(&format!("backend b{n}\n{}", backend.replace("2f6d1f5f1a02", &format!("2f6d{n:08}"))));
    });
    text
}

/// Writes a new file and renames it over the old one, as Neutron does (`neutron_lib.utils.file.replace_file`).
pub fn replace(text: &str) {
    let new = format!("{CONFIG}.new");
    fs::write(&new, text).expect("the new configuration");
    fs::rename(&new, CONFIG).expect("it takes its place");
}

/// Runs `haproxy -f CONFIG` and `more`; skips the test for another program than ours.
pub fn run(lab: &Lab, network: &Network, more: &[&str]) -> Started {
    if !lab.program.is_nsgate() {
        lab.skip("haproxy has a suite of its own for this");
    }
    let words = [&["-f", CONFIG], more].concat();
    communicate(agent_command(lab, &network.gate, "host_metadata_proxy", &words), Duration::from_secs(10))
}

/// Starts the proxy of this text as the agent does.
pub fn start(lab: &Lab, network: &Network, text: &str) -> Gate {
    replace(text);
    let started = run(lab, network, &["-p", PID_FILE]);
    assert!(started.ok(), "{started:#?}");
    Gate::adopt(CONFIG.into(), PID_FILE.into(), started).unwrap()
}

/// The process beside the one that serves: its only child.
pub fn reader_of(pid: i32) -> i32 {
    let children: Vec<i32> = fs::read_dir("/proc")
        .expect("/proc")
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter(|other| parent(*other) == Some(pid))
        .collect();
    let [reader] = children[..] else { panic!("one process beside {pid}: {children:?}") };
    reader
}

fn parent(pid: i32) -> Option<i32> {
    let status = text(Path::new("/proc").join(pid.to_string()).join("status"));
    status.lines().find_map(|line| line.strip_prefix("PPid:")?.trim().parse().ok())
}

/// A guest whose address ends in `last`.
pub fn guest(network: &Network, last: u8) -> Guest {
    Guest::talking(&network.guest, "10.0.0.11".parse().unwrap(), "10.0.0.1:80".parse().unwrap()).at(last)
}

/// What the guest whose address ends in `last` is answered.
pub fn ask_from(network: &Network, last: u8, path: &str) -> Response {
    guest(network, last).get(path).unwrap()
}

/// Nova's end: what it was asked, in order.
#[derive(Clone, Default)]
pub struct Nova(Arc<Mutex<Vec<String>>>);

impl Nova {
    /// Listens on 127.0.0.1:8775 beside the proxy.
    pub fn start(network: &Network) -> Nova {
        Nova::slow(network, Duration::ZERO)
    }

    /// The same, but that each answer takes a while.
    pub fn slow(network: &Network, pause: Duration) -> Nova {
        let listener = network.gate.inside(|| TcpListener::bind("127.0.0.1:8775")).expect("a port for Nova");
        let nova = Nova::default();
        let seen = nova.clone();
        std::thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                let seen = seen.clone();
                std::thread::spawn(move || {
                    let mut bytes = [0; 4096];
                    let length = stream.read(&mut bytes).unwrap_or(0);
                    seen.0.lock().unwrap().push(String::from_utf8_lossy(&bytes[..length]).into_owned());
                    std::thread::sleep(pause);
                    let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello");
                });
            }
        });
        nova
    }

    /// Every request so far.
    pub fn seen(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }

    /// The last digits of the instance that the last request was made for.
    pub fn last_instance(&self) -> String {
        let seen = self.seen().pop().unwrap_or_default();
        let id = seen.lines().find_map(|line| line.strip_prefix("x-instance-id: ")).unwrap_or_default();
        id.rsplit('-').next().unwrap_or_default().to_owned()
    }
}
