//! Starts, memory and reloads of both programs with the same file, taking turns.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::net::{Ipv4Addr, TcpStream};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use nsgate_tests::gate::{agent_command, communicate};
use nsgate_tests::host::{CONFIG, PID_FILE, guest, replace};
use nsgate_tests::lab::wait_until;
use nsgate_tests::procfs::Process;
use nsgate_tests::{Gate, Guest, Lab, Network, Response};

use super::{Size, text};
use crate::figures::Contender;
use crate::figures::spent::processor_time;

/// 10.0.0.11 is an instance's address before and after; 10.0.0.12 is no instance's before.
const ALWAYS: u8 = 11;
const NEW: u8 = 12;

/// The figures of one program with so many instances.
#[derive(Default)]
pub(super) struct Served {
    pub(super) instances: u32,
    /// Milliseconds from the start of the program until the first answer.
    pub(super) starts: Vec<f64>,
    /// KiB of its processes after a request. Shared pages count once.
    pub(super) memory: Vec<f64>,
    /// Milliseconds from the signal until the new instance is answered.
    pub(super) reloads: Vec<f64>,
    /// Milliseconds of processor time of its processes meanwhile. Only for nsgate: haproxy's processes come and go.
    pub(super) spent: Vec<f64>,
    pub(super) guests: Guests,
}

/// What guests that ask all the time see of the reloads.
#[derive(Clone, Copy, Default)]
pub(super) struct Guests {
    /// Requests.
    pub(super) asked: u64,
    /// Those without an answer of 200.
    pub(super) lost: u64,
    /// Kept connections that were ended, in order or not.
    pub(super) closed: u64,
}

pub(super) fn of(contenders: &[Contender; 2], network: &Network, instances: u32, size: &Size) -> [Served; 2] {
    println!("{instances} instances: {} starts, {} reloads of each …", size.starts, size.reloads);
    let mut all = [(); 2].map(|()| Served { instances, ..Served::default() });
    for _ in 0..size.starts {
        for (contender, served) in contenders.iter().zip(&mut all) {
            let began = Instant::now();
            // As Neutron starts it.
            let gate = start(contender, network, instances, &[]);
            assert_eq!(guest(network, ALWAYS).get("/").expect("an answer").status, 200, "{}", contender.name);
            served.starts.push(milliseconds(began.elapsed()));
            std::thread::sleep(Duration::from_millis(200));
            served.memory.push(family(gate.pid).iter().map(|pid| Process::new(*pid).pss() as f64).sum());
        }
    }
    for (index, (contender, served)) in contenders.iter().zip(&mut all).enumerate() {
        // haproxy takes over another text only under a master process.
        let gate = start(contender, network, instances, if index == 0 { &[] } else { &["-W"] });
        // A master process does not handle a signal before its worker serves.
        std::thread::sleep(Duration::from_secs(1) + 2 * gate.started.took);
        reload(&contender.name, &gate, network, size.reloads, served);
    }
    all
}

fn start(contender: &Contender, network: &Network, instances: u32, more: &[&str]) -> Gate {
    let lab = Lab::enter(contender.program.clone());
    replace(&text(instances, address(ALWAYS)));
    let words = [more, &["-f", CONFIG, "-p", PID_FILE]].concat();
    let started = communicate(agent_command(&lab, &network.gate, "host", &words), Duration::from_secs(60));
    assert!(started.ok(), "{}: {started:#?}", contender.name);
    Gate::adopt(CONFIG.into(), PID_FILE.into(), started).expect("it runs")
}

/// The text changes between one with `NEW` and one without, and guests ask all the while.
fn reload(name: &str, gate: &Gate, network: &Network, reloads: usize, served: &mut Served) {
    let instances = served.instances;
    let (stop, seen) = (AtomicBool::new(false), Mutex::new(Guests::default()));
    std::thread::scope(|scope| {
        scope.spawn(|| kept(&guest(network, ALWAYS), &stop, &seen));
        scope.spawn(|| fresh(&guest(network, ALWAYS), &stop, &seen));
        let newcomer = guest(network, NEW);
        let becomes = |status| {
            let answers = || newcomer.get("/").is_ok_and(|answer| answer.status == status);
            assert!(wait_until(60.0, answers), "{name}: {instances} instances: {NEW} is not answered {status}");
        };
        // The instance that is always there is the last of both texts.
        let without = text(instances, address(ALWAYS));
        let with = nsgate_tests::host::instances_at(
            (1..instances).map(|number| Ipv4Addr::from(0xf000_0001 + number)).chain([address(NEW), address(ALWAYS)]),
        );
        for _ in 0..reloads {
            replace(&with);
            let (before, began) = (spent(gate.pid), Instant::now());
            gate.signal(Signal::SIGHUP);
            becomes(200);
            served.reloads.push(milliseconds(began.elapsed()));
            served.spent.push(more(&before, &spent(gate.pid)));
            // A master process in the middle of a reload does not handle the signal for the next.
            let settle = || std::thread::sleep(Duration::from_millis(300) + 2 * began.elapsed());
            settle();
            replace(&without);
            gate.signal(Signal::SIGHUP);
            becomes(503);
            settle();
        }
        stop.store(true, Ordering::Relaxed);
    });
    served.guests = *seen.lock().expect("no guest panics");
    let _ = fs::remove_file(CONFIG);
}

/// Asks on one connection for as long as it lasts.
fn kept(guest: &Guest, stop: &AtomicBool, seen: &Mutex<Guests>) {
    let mut connection: Option<TcpStream> = None;
    while !stop.load(Ordering::Relaxed) {
        let answer = match connection.take().map_or_else(|| guest.connect(), Ok) {
            Ok(mut stream) => {
                let asked = stream.write_all(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n");
                let answer = asked.and_then(|()| Response::read(&mut stream));
                let ends = |answer: &Response| answer.header("connection").is_some_and(|word| word.contains("close"));
                if answer.as_ref().is_ok_and(|answer| !ends(answer)) {
                    connection = Some(stream);
                } else {
                    seen.lock().expect("no guest panics").closed += 1;
                }
                answer
            }
            Err(error) => Err(error),
        };
        tell(answer, seen);
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Asks on a connection for each request.
fn fresh(guest: &Guest, stop: &AtomicBool, seen: &Mutex<Guests>) {
    while !stop.load(Ordering::Relaxed) {
        tell(guest.get("/"), seen);
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn tell(answer: std::io::Result<Response>, seen: &Mutex<Guests>) {
    let mut seen = seen.lock().expect("no guest panics");
    seen.asked += 1;
    seen.lost += u64::from(!answer.is_ok_and(|answer| answer.status == 200));
}

fn address(last: u8) -> Ipv4Addr {
    Ipv4Addr::new(10, 0, 0, last)
}

fn milliseconds(took: Duration) -> f64 {
    took.as_secs_f64() * 1000.0
}

/// A process and its children.
fn family(pid: i32) -> Vec<i32> {
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    children.split_whitespace().filter_map(|word| word.parse().ok()).chain([pid]).collect()
}

/// Processor time of each process of a family so far.
fn spent(pid: i32) -> BTreeMap<i32, f64> {
    family(pid).into_iter().map(|pid| (pid, processor_time(&[pid]))).collect()
}

/// In milliseconds, of processes that are left at the end.
fn more(before: &BTreeMap<i32, f64>, after: &BTreeMap<i32, f64>) -> f64 {
    after.iter().map(|(pid, spent)| spent - before.get(pid).unwrap_or(&0.0)).sum::<f64>() / 1000.0
}
