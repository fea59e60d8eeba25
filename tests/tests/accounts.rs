//! Names are looked up where nothing can stay: what a module of the account database opens is in no process of nsgate's, and
//! an unknown descriptor or mapping keeps a process from serving.

use std::fs;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use nix::mount::{MsFlags, mount};
use nsgate_tests::c::{keeping_module, library};
use nsgate_tests::config::NETWORK;
use nsgate_tests::gate::{agent_command, write_config};
use nsgate_tests::host::{self, Nova};
use nsgate_tests::lab::{text, wait_until};
use nsgate_tests::pool::{Pool, keeper, world};
use nsgate_tests::procfs::{self, Process};
use nsgate_tests::program::of_debian;
use nsgate_tests::{Answer, Config, Gate, Guest, Kind, Lab, RecordingAgent, suite};

fn main() {
    suite!["accounts":
        what_a_module_of_the_account_database_opens_is_in_no_gate,
        what_a_module_of_the_account_database_opens_is_in_no_part_of_a_pool,
        what_a_module_that_knows_hosts_opens_is_in_no_host_proxy,
        what_nscd_maps_is_in_no_gate,
        a_module_that_ends_its_process_is_told,
        a_descriptor_that_nobody_knows_keeps_a_gate_from_serving,
        a_shared_mapping_that_nobody_knows_keeps_a_gate_from_serving,
        a_descriptor_that_nobody_knows_keeps_a_supervisor_from_watching,
    ]
}

/// The module, in front of the files, and the daemon that it speaks to.
struct Module {
    asked: Arc<AtomicUsize>,
    open: Arc<AtomicUsize>,
}

const PLACE: &str = "/run/lab/keeps";

impl Module {
    fn install(lab: &Lab) -> Module {
        let place = lab.directory("keeps", 0o755);
        let (cache, daemon) = (place.join("cache"), place.join("daemon"));
        fs::write(&cache, vec![0; 4096]).unwrap();
        let listener = UnixListener::bind(&daemon).unwrap();
        fs::set_permissions(&daemon, fs::Permissions::from_mode(0o666)).unwrap();
        let module = keeping_module(lab, &cache, &daemon);
        // SAFETY of the test: this world has one thread here; what is started from it finds the library there.
        fs::write("/etc/ld.so.conf.d/nsgate-test.conf", format!("{}\n", module.parent().unwrap().display())).unwrap();
        assert!(Command::new("/sbin/ldconfig").status().unwrap().success());
        fs::write("/etc/nsswitch.conf", "passwd: keeps files\ngroup: keeps files\nhosts: keeps files\n").unwrap();
        let (asked, open) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let (count, streams) = (asked.clone(), open.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                count.fetch_add(1, Ordering::SeqCst);
                streams.fetch_add(1, Ordering::SeqCst);
                let (mut stream, streams) = (stream, streams.clone());
                std::thread::spawn(move || {
                    let _ = stream.read(&mut [0]);
                    streams.fetch_sub(1, Ordering::SeqCst);
                });
            }
        });
        Module { asked, open }
    }

    /// The module was asked, and nothing of it is left: by the daemon's count, and by /proc of each of these processes.
    #[track_caller]
    fn assert_left_nothing(&self, lab: &Lab, pids: &[i32]) {
        assert!(self.asked.load(Ordering::SeqCst) > 0, "it was never asked");
        assert!(wait_until(1.0, || self.open.load(Ordering::SeqCst) == 0), "a stream to the daemon is open");
        assert!(!pids.is_empty());
        for pid in pids {
            let maps = text(format!("/proc/{pid}/maps"));
            assert!(!maps.is_empty() && !maps.contains(PLACE) && !maps.contains("libnss_keeps"), "{pid}: {maps}");
            let descriptors = lab.descriptors(&Process::new(*pid));
            assert!(!descriptors.values().any(|target| target.starts_with(PLACE)), "{pid}: {descriptors:#?}");
        }
    }
}

fn config() -> Config {
    Config::new(Kind::Network)
}

fn what_a_module_of_the_account_database_opens_is_in_no_gate(lab: &Lab) {
    lab.needs_root("the library cache is root's to write");
    let network = lab.network();
    lab.site("sandbox = \"strict\"\n");
    let module = Module::install(lab);
    let _agent = RecordingAgent::start(&lab.socket(), Answer::ok("hello"));
    let file = write_config(lab, &config());
    for mode in ["-D", "-Ws"] {
        let arguments = [mode, "-f", file.to_str().unwrap()];
        let gate = match mode {
            "-Ws" => Gate::foreground(lab, &network.gate, &config(), &arguments),
            _ => Gate::with_arguments(lab, &network.gate, &config(), &arguments),
        };
        let gate = gate.unwrap_or_else(|started| panic!("{started:#?}"));
        assert!(wait_until(2.0, || config().pid_file.exists()));
        assert_eq!(Guest::new(&network.guest).get("/").unwrap().status, 200);
        module.assert_left_nothing(lab, &procfs::having(NETWORK));
        drop(gate);
    }
}

fn what_a_module_of_the_account_database_opens_is_in_no_part_of_a_pool(lab: &Lab) {
    let world = world(lab);
    let module = Module::install(lab);
    let pool = Pool::start_with(lab, &["--workers=2"]);
    let keeper = keeper(lab, &world.network.gate, &config());
    assert_eq!(Guest::new(&world.network.guest).get("/").unwrap().status, 200);
    let all = [&[pool.supervisor(), pool.worker(), keeper.pid][..], &pool.crew()].concat();
    module.assert_left_nothing(lab, &all);
}

fn what_a_module_that_knows_hosts_opens_is_in_no_host_proxy(lab: &Lab) {
    lab.needs_root("the library cache is root's to write");
    let network = lab.network();
    let _nova = Nova::start(&network);
    let hosts = text("/etc/hosts");
    fs::write("/etc/hosts", format!("127.0.0.1 nova.example\n{hosts}")).unwrap();
    let module = Module::install(lab);
    let proxy = host::start(lab, &network, &host::three_instances().replace("127.0.0.1:8775", "nova.example:8775"));
    assert_eq!(host::ask_from(&network, 12, "/").status, 200);
    // For the user and the group, and for the host.
    assert!(module.asked.load(Ordering::SeqCst) >= 2);
    module.assert_left_nothing(lab, &[proxy.pid, host::reader_of(proxy.pid)]);
}

/// The cache daemon of the C library, and the table that it shows to every process that asks it.
struct Nscd(Child);

impl Drop for Nscd {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn what_nscd_maps_is_in_no_gate(lab: &Lab) {
    lab.needs_root("nscd is root's to start");
    let Some(nscd) = of_debian("nscd", "usr/sbin/nscd") else { lab.skip("no nscd: `cargo xtask test e2e` fetches it") };
    let none: Option<&str> = None;
    mount(Some("lab"), "/var/cache", Some("tmpfs"), MsFlags::empty(), none).unwrap();
    fs::create_dir("/var/cache/nscd").unwrap();
    fs::copy(of_debian("nscd", "etc/nscd.conf").unwrap(), "/etc/nscd.conf").unwrap();
    fs::create_dir_all("/run/nscd").unwrap();
    let mut command = Command::new(nscd);
    command.arg("--foreground").stdout(Stdio::null()).stderr(Stdio::null());
    let _nscd = Nscd(command.spawn().unwrap());
    assert!(wait_until(5.0, || Path::new("/run/nscd/socket").exists()));
    // The daemon answers, and offers its table: a process that looks names up maps it.
    let network = lab.network();
    let _agent = RecordingAgent::start(&lab.socket(), Answer::ok("hello"));
    let script = "import pwd; pwd.getpwnam('neutron'); print(open('/proc/self/maps').read())";
    let shown = || {
        let out = Command::new("python3").args(["-c", script]).output().unwrap();
        String::from_utf8_lossy(&out.stdout).contains("/var/cache/nscd/passwd")
    };
    assert!(wait_until(5.0, shown), "nscd shows no table");
    let gate = Gate::start(lab, &network.gate, &config());
    let maps = text(format!("/proc/{}/maps", gate.pid));
    assert!(!maps.is_empty() && !maps.contains("/nscd/"), "{maps}");
    let shared: Vec<&str> = maps.lines().filter(|line| line.split(' ').nth(1).unwrap().ends_with('s')).collect();
    let [own] = shared.as_slice() else { panic!("one shared mapping: {maps}") };
    assert!(own.ends_with("/memfd:nsgate-counters (deleted)"), "{maps}");
}

fn a_module_that_ends_its_process_is_told(lab: &Lab) {
    lab.needs_root("the library cache is root's to write");
    let network = lab.network();
    let module = "#include <nss.h>\n#include <stdlib.h>\n\
                  enum nss_status _nss_ends_getpwnam_r() { abort(); }\n";
    let module = library(lab, "libnss_ends.so.2", module);
    fs::write("/etc/ld.so.conf.d/nsgate-test.conf", format!("{}\n", module.parent().unwrap().display())).unwrap();
    assert!(Command::new("/sbin/ldconfig").status().unwrap().success());
    fs::write("/etc/nsswitch.conf", "passwd: ends files\ngroup: files\n").unwrap();
    let started = Gate::try_start(lab, &network.gate, &config()).expect_err("refused");
    assert_eq!(started.code(), Some(1), "{started:#?}");
    assert!(started.stderr.contains("user `neutron`") && started.stderr.contains("nsswitch.conf"), "{started:#?}");
    assert!(procfs::having(NETWORK).is_empty() && network.gate.listening().is_empty());
}

/// A library in the program that does this when the gate's process begins a session of its own.
fn start_with(lab: &Lab, arguments: &[&str], does: &str) -> nsgate_tests::Started {
    let network = lab.network();
    fs::write("/run/lab/strange", vec![0; 4096]).unwrap();
    let library = library(
        lab,
        "strange.so",
        &format!(
            "#include <fcntl.h>\n#include <sys/mman.h>\n#include <sys/signalfd.h>\n#include <sys/syscall.h>\n\
             #include <unistd.h>\n{does}\n"
        ),
    );
    let file = write_config(lab, &config());
    let arguments = [arguments, &["-f", file.to_str().unwrap()]].concat();
    let mut command = agent_command(lab, &network.gate, NETWORK, &arguments);
    command.env("LD_PRELOAD", &library);
    let started = nsgate_tests::gate::communicate(command, Duration::from_secs(10));
    assert!(procfs::having(NETWORK).is_empty(), "something serves: {started:#?}");
    assert!(network.gate.listening().is_empty() && !config().pid_file.exists(), "{started:#?}");
    started
}

fn a_descriptor_that_nobody_knows_keeps_a_gate_from_serving(lab: &Lab) {
    let does = "int setsid(void) { open(\"/run/lab/strange\", O_RDONLY | O_CLOEXEC); return syscall(SYS_setsid); }";
    let started = start_with(lab, &["-D"], does);
    assert_eq!(started.code(), Some(1), "{started:#?}");
    assert!(started.stderr.contains("(/run/lab/strange)"), "{}", started.stderr);
}

fn a_shared_mapping_that_nobody_knows_keeps_a_gate_from_serving(lab: &Lab) {
    let does = "int setsid(void) { int file = open(\"/run/lab/strange\", O_RDONLY | O_CLOEXEC);\n\
                mmap(0, 4096, PROT_READ, MAP_SHARED, file, 0); close(file); return syscall(SYS_setsid); }";
    let started = start_with(lab, &["-D"], does);
    assert_eq!(started.code(), Some(1), "{started:#?}");
    assert!(started.stderr.contains("shared mappings is /run/lab/strange"), "{}", started.stderr);
}

fn a_descriptor_that_nobody_knows_keeps_a_supervisor_from_watching(lab: &Lab) {
    let does = "int signalfd(int fd, const sigset_t *mask, int flags) {\n\
                if (getpid() != 1) open(\"/run/lab/strange\", O_RDONLY | O_CLOEXEC);\n\
                return syscall(SYS_signalfd4, fd, mask, 8, flags); }";
    let started = start_with(lab, &["-db"], does);
    assert_eq!(started.code(), Some(1), "{started:#?}");
    assert!(started.stderr.contains("(/run/lab/strange)"), "{}", started.stderr);
}
