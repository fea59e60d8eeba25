//! Many networks: their namespaces, and what it takes to serve all of them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use super::super::cgroup::Cgroup;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use nsgate_tests::gate::write_config;
use nsgate_tests::lab::{text, wait_until};
use nsgate_tests::network::ip;
use nsgate_tests::pool::{Pool, socket_path};
use nsgate_tests::procfs::Process;
use nsgate_tests::{Config, Guest, Kind, Lab, Namespace, Program};

/// Programs that are started at the same time, as an agent with two workers does.
const AT_ONCE: usize = 4;
/// How many processes are looked at for a mean.
const SAMPLE: usize = 50;

/// The networks' namespaces, each with the metadata address on its loopback.
pub(super) struct Crowd {
    pub(super) namespaces: Vec<Namespace>,
}

/// A process for each network.
pub(super) struct Processes {
    /// Seconds until the last was ready.
    pub(super) start: f64,
    /// Mean private dirty KiB of one, after a request.
    pub(super) private: f64,
    /// KiB of the memory cgroup for one; nothing where there is none.
    pub(super) counted: Option<f64>,
}

/// A worker, and a keeper for each network.
pub(super) struct Keepers {
    pub(super) networks: usize,
    pub(super) keeper: Processes,
    /// Private dirty KiB of the worker: with no network, with all, and after a request to each.
    pub(super) worker: [f64; 3],
    /// Seconds from the worker's death to the moment when the next one, started at once, serves all networks.
    pub(super) rehanded: f64,
}

impl Crowd {
    pub(super) fn new(count: usize) -> Crowd {
        let name = |n: usize| format!("n{n:05}");
        ip(&(0..count).map(|n| format!("netns add {}\n", name(n))).collect::<String>());
        let lines = (0..count).map(|n| {
            let name = name(n);
            format!("-n {name} link set lo up\n-n {name} addr add 169.254.169.254/32 dev lo\n")
        });
        ip(&lines.collect::<String>());
        Crowd { namespaces: (0..count).map(|n| Namespace::existing(&name(n))).collect() }
    }

    /// One process for each of the first `count` networks, without a pool.
    pub(super) fn processes(&self, lab: &Lab, program: &Program, count: usize, what: &str) -> Processes {
        println!("{count} {what} …");
        let cgroup = Cgroup::enter("gates");
        let configs = configs(count);
        let start = self.start(lab, program, &configs, None);
        let processes = self.judge(&configs, start, &cgroup);
        end(&configs);
        processes
    }

    /// A worker, and keepers of the first `count` networks.
    pub(super) fn keepers(&self, lab: &Lab, count: usize) -> Keepers {
        println!("a worker and {count} keepers …");
        let pool = Pool::start(lab);
        let worker = || Process::new(pool.worker()).private_dirty() as f64;
        std::thread::sleep(Duration::from_millis(500));
        let empty = worker();
        let cgroup = Cgroup::enter("gates");
        let configs = configs(count);
        let start = self.start(lab, &lab.program, &configs, Some(&socket_path(lab)));
        std::thread::sleep(Duration::from_millis(500));
        let idle = worker();
        let keeper = self.judge(&configs, start, &cgroup);
        std::thread::sleep(Duration::from_millis(1500));
        let used = worker();
        cgroup.leave();
        let mut pool = pool;
        let began = Instant::now();
        pool.crash();
        let next = Pool::start(lab);
        let all = wait_until(30.0, || text(&next.log).matches(" is served").count() >= count);
        let rehanded = began.elapsed().as_secs_f64();
        assert!(all, "not all networks came back");
        end(&configs);
        Keepers { networks: count, keeper, worker: [empty, idle, used], rehanded }
    }

    /// Seconds that `nsgate add` takes for the first `count` networks.
    pub(super) fn added(&self, lab: &Lab, count: usize) -> f64 {
        println!("{count} networks through nsgate add …");
        let pool = Pool::start(lab);
        let configs = configs(count);
        let words: Vec<Vec<String>> = configs
            .iter()
            .zip(&self.namespaces)
            .map(|(config, namespace)| {
                let pid_file = &config.pid_file;
                vec![
                    "add".to_owned(),
                    format!("--pool={}", socket_path(lab).display()),
                    format!("--netns={}", namespace.name()),
                    format!("--network-id={}", config.id),
                    "--listen=169.254.169.254:80".to_owned(),
                    format!("--backend={}", lab.socket().display()),
                    "--user=neutron".to_owned(),
                    "--group=neutron".to_owned(),
                    format!("--pid-file={}", pid_file.display()),
                ]
            })
            .collect();
        let took = at_once(count, |n| {
            let mut command = Command::new(lab.program.nsgate());
            command.args(&words[n]).stdin(Stdio::null());
            assert!(command.status().expect("nsgate add").success(), "network {n} was not added");
        });
        self.ask(count);
        end(&configs);
        drop(pool);
        took
    }

    /// Starts a program for each configuration, and returns how many seconds that took.
    fn start(&self, lab: &Lab, program: &Program, configs: &[Config], pool: Option<&Path>) -> f64 {
        let files: Vec<PathBuf> = configs.iter().map(|config| write_config(lab, config)).collect();
        at_once(configs.len(), |n| {
            let mut command = Command::new(program.path());
            command.arg("-f").arg(&files[n]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
            if let Some(pool) = pool {
                command.env("NSGATE_POOL", pool);
            }
            // Not by `ip netns exec`, which would add its own time to both.
            let status = self.namespaces[n].inside(move || command.status()).expect("the program starts");
            assert!(status.success(), "the program for network {n} did not start: {status}");
        })
    }

    fn judge(&self, configs: &[Config], start: f64, cgroup: &Cgroup) -> Processes {
        self.ask(configs.len());
        std::thread::sleep(Duration::from_secs(1));
        let pids = configs.iter().take(SAMPLE).map(pid);
        let private: Vec<f64> = pids.map(|pid| Process::new(pid).private_dirty() as f64).collect();
        Processes {
            start,
            private: private.iter().sum::<f64>() / private.len() as f64,
            counted: cgroup.more().map(|kib| kib / configs.len() as f64),
        }
    }

    /// One request to each of the first `count` networks.
    fn ask(&self, count: usize) {
        let at = std::net::IpAddr::from([169, 254, 169, 254]);
        for (n, namespace) in self.namespaces.iter().take(count).enumerate() {
            let answer = Guest::talking(namespace, at, (at, 80).into()).get("/");
            assert!(answer.as_ref().is_ok_and(|answer| answer.status == 200), "network {n}: {answer:?}");
        }
    }
}

/// Neutron's configurations of the first `count` networks.
pub(super) fn configs(count: usize) -> Vec<Config> {
    (0..count).map(|n| Config::new(Kind::Network).with_id(&format!("7a1c4d2e-9f7b-4b59-9a55-{n:012x}"))).collect()
}

fn at_once(count: usize, work: impl Fn(usize) + Sync) -> f64 {
    let next = AtomicUsize::new(0);
    let began = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                loop {
                    let n = next.fetch_add(1, Ordering::Relaxed);
                    if n >= count {
                        return;
                    }
                    work(n);
                }
            });
        }
    });
    began.elapsed().as_secs_f64()
}

fn pid(config: &Config) -> i32 {
    text(&config.pid_file).trim().parse().expect("a pid")
}

/// Ends the processes of these configurations.
pub(super) fn end(configs: &[Config]) {
    let pids: Vec<Pid> = configs.iter().map(|config| Pid::from_raw(pid(config))).collect();
    for pid in &pids {
        // A process may have ended already.
        let _ = kill(*pid, Signal::SIGTERM);
    }
    let gone = |pid: &Pid| !Path::new(&format!("/proc/{pid}/exe")).exists();
    assert!(wait_until(30.0, || pids.iter().all(gone)), "processes that were told to end did not");
    configs.iter().for_each(|config| drop(fs::remove_file(&config.pid_file)));
}
