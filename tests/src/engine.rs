//! A host with a container engine: podman(1), in a world. Images, containers and what they mount end with the test.
//!
//! No registry is asked. The images that tests begin with are made of a clean Debian root, once, in `target/containers/`, and
//! only read from there. The engine is set up as Debian's package sets it up, except where a world needs another setting. Its
//! store is in the world, it keeps no control groups that systemd would make, and runc(8) starts the containers, since
//! crun(1) 1.8 fails as root without CAP_SYS_RESOURCE, which test machines may lack.

use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use nix::fcntl::{Flock, FlockArg};
use nix::mount::{MntFlags, MsFlags, mount, umount2};

use crate::cgroup;
use crate::gate::{Started, communicate};
use crate::lab::{Lab, text, wait_until};
use crate::program::{target, workspace};
use crate::world;

/// How long a command of the engine may take.
const PATIENCE: Duration = Duration::from_secs(100);

/// A clean Debian with haproxy, as an image: `root`, and nothing of Neutron's.
pub const DEBIAN: &str = "localhost/debian:1";
/// The image of an agent as kolla builds it (`tests/containers/kolla`).
pub const KOLLA: &str = "localhost/kolla:1";

/// What kolla calls the account in its images (`kolla/common/users.py`).
pub const KOLLA_NEUTRON: u32 = 42_435;

/// An engine of the world's own.
#[derive(Debug)]
pub struct Engine {
    group: PathBuf,
    _socket: UnixListener,
}

impl Engine {
    /// Sets it up. Skips the test, and says why, where no engine can run.
    pub fn start(lab: &Lab) -> Engine {
        lab.needs_root("a container engine that starts sidecars is root's");
        lab.needs("/usr/bin/podman", "apt-get install --no-install-recommends podman");
        lab.needs("/usr/sbin/runc", "apt-get install runc");
        let group = cgroup::make().unwrap_or_else(|why| lab.skip(&why));
        let none: Option<&str> = None;
        mount(Some(&group), "/sys/fs/cgroup", none, MsFlags::MS_BIND, none).expect("the engine's control groups");
        settings();
        fs::create_dir_all("/run/podman").expect("a directory");
        let socket = UnixListener::bind("/run/podman/podman.sock").expect("the engine's socket");
        Engine { group, _socket: socket }
    }

    /// A command of the engine.
    pub fn command<S: AsRef<std::ffi::OsStr>>(&self, words: &[S]) -> Command {
        let mut command = Command::new("podman");
        command.args(words).env_remove("NOTIFY_SOCKET");
        command
    }

    /// Runs it to its end.
    pub fn ask<S: AsRef<std::ffi::OsStr>>(&self, words: &[S]) -> Started {
        communicate(self.command(words), PATIENCE)
    }

    /// Runs one that must end well, and returns what it printed, without the end of the last line.
    #[track_caller]
    pub fn run<S: AsRef<std::ffi::OsStr>>(&self, words: &[S]) -> String {
        let started = self.ask(words);
        let line: Vec<_> = words.iter().map(|word| word.as_ref().to_string_lossy()).collect();
        assert!(started.ok(), "podman {}: {started:#?}", line.join(" "));
        started.stdout.trim_end().to_owned()
    }

    /// Runs a script of sh, as root, in a container of this image that ends with it, without a network.
    #[track_caller]
    pub fn script(&self, image: &str, script: &str) -> String {
        self.run(&["run", "--rm", "--network=none", "--user=root", "--privileged", image, "sh", "-ec", script])
    }

    /// Builds an image. The steps run in a chroot, which asks nothing of the kernel.
    pub fn build(&self, file: &Path, context: &Path, tag: &str, arguments: &[(&str, &str)]) -> Started {
        let mut words = ["build", "--isolation=chroot", "--network=host", "--pull=never", "--tag", tag, "--file"]
            .map(str::to_owned)
            .to_vec();
        words.push(file.display().to_string());
        for (name, value) in arguments {
            words.extend(["--build-arg".to_owned(), format!("{name}={value}")]);
        }
        words.push(context.display().to_string());
        self.ask(&words)
    }

    /// Gives what watches over containers (conmon(8)) a control group of its own, as podman with systemd does at once
    /// (`libpod-conmon-ID.scope`). Else a sidecar's watcher would be in the agent's group, and end with the agent's container.
    pub fn settle(&self) {
        let group = Path::new("/sys/fs/cgroup/watchers");
        fs::create_dir_all(group).expect("a control group");
        for process in fs::read_dir("/proc").into_iter().flatten().flatten().map(|entry| entry.path()) {
            if text(process.join("comm")).trim() == "conmon" {
                let pid = process.file_name().unwrap_or_default().to_string_lossy().into_owned();
                // It may have ended just now.
                let _ = fs::write(group.join("cgroup.procs"), pid);
            }
        }
    }

    /// What `podman inspect` says by a template.
    #[track_caller]
    pub fn inspect(&self, kind: &str, name: &str, template: &str) -> String {
        self.run(&[kind, "inspect", "--format", template, name])
    }

    /// The first process of a container.
    #[track_caller]
    pub fn pid(&self, container: &str) -> i32 {
        let pid = self.inspect("container", container, "{{.State.Pid}}");
        pid.parse().unwrap_or_else(|_| panic!("{container}: {pid}"))
    }

    /// Names of the containers that there are, those that ended among them.
    pub fn containers(&self) -> Vec<String> {
        let mut names: Vec<String> =
            self.run(&["ps", "-a", "--format", "{{.Names}}"]).lines().map(str::to_owned).collect();
        names.sort();
        names
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        let _ = fs::write(self.group.join("cgroup.kill"), "1");
        let _ = fs::write("/sys/fs/cgroup/cgroup.kill", "1");
        let _ = umount2("/sys/fs/cgroup", MntFlags::MNT_DETACH);
        wait_until(5.0, || cgroup::remove(&self.group));
    }
}

/// Makes the images that every test begins with, if they are missing or were made of another root or other files. Call it
/// before the tests: it takes longer than a test may.
pub fn prepare(debian: &Path) {
    if !nix::unistd::geteuid().is_root() || !Path::new("/usr/bin/podman").exists() {
        return;
    }
    let place = target().join("containers");
    fs::create_dir_all(&place).expect("a directory");
    let lock = File::create(place.join("lock")).expect("a lock");
    let _lock = Flock::lock(lock, FlockArg::LockExclusive).map_err(|(_, e)| e).expect("the lock");
    let (store, made) = (place.join("store"), place.join("made"));
    let files = workspace().join("tests/containers/kolla");
    let now = stamp(debian, &files);
    if text(&made) == now {
        return;
    }
    println!("making images in {} …", store.display());
    let _ = fs::remove_file(&made);
    let _ = fs::remove_dir_all(&store);
    let script = format!(
        "tar --one-file-system -C {debian} -cf {tar} .
         podman --root {store} --runroot /run/lab/making import {tar} {DEBIAN}
         rm {tar}
         podman --root {store} --runroot /run/lab/making build --isolation=chroot --network=host --pull=never \
             --build-arg BASE={DEBIAN} --tag {KOLLA} --file {files}/Containerfile {files}",
        debian = debian.display(),
        tar = place.join("debian.tar").display(),
        store = store.display(),
        files = files.display(),
    );
    let making = || {
        settings();
        let mut command = Command::new("sh");
        command.args(["-ec", &script]);
        let done = communicate(command, Duration::from_secs(500));
        if !done.ok() {
            println!("the images cannot be made: {done:#?}");
        }
        i32::from(!done.ok())
    };
    if world::run(making).expect("a world") == 0 {
        fs::write(&made, now).expect("a mark");
    }
}

/// Where packages of a version are: `first` or `next`.
pub fn packages(version: &str) -> PathBuf {
    let place = std::env::var_os("NSGATE_PACKAGES").expect("NSGATE_PACKAGES: run this as `cargo xtask test dist`");
    Path::new(&place).join(version)
}

/// The recipe for images.
pub fn recipe() -> PathBuf {
    workspace().join("xtask/packaging/image/Containerfile")
}

/// Makes an image of another one by the recipe, as its first lines say.
#[track_caller]
pub fn layer(engine: &Engine, base: &str, tag: &str) {
    let user = engine.inspect("image", base, "{{.User}}");
    let user = if user.is_empty() { "root".to_owned() } else { user };
    let built = engine.build(&recipe(), &packages("first"), tag, &[("BASE", base), ("USER_OF_BASE", &user)]);
    assert!(built.ok(), "{built:#?}");
    assert!(built.stdout.contains("nsgate"), "the build runs the program: {built:#?}");
}

/// The sources of the images, as one value. It changes when the images must be made anew.
fn stamp(debian: &Path, files: &Path) -> String {
    let mut all = vec![format!("{} {}", debian.display(), text(debian.with_extension("complete")))];
    let mut left = vec![files.to_owned()];
    while let Some(directory) = left.pop() {
        for path in fs::read_dir(directory).into_iter().flatten().flatten().map(|entry| entry.path()) {
            if path.is_dir() { left.push(path) } else { all.push(format!("{} {}", path.display(), text(&path))) }
        }
    }
    all.sort();
    all.join("\n")
}

/// The engine's directories, how it starts containers, and room for files outside its store.
fn settings() {
    for place in ["/var/tmp", "/var/cache"] {
        mount(Some("lab"), place, Some("tmpfs"), MsFlags::MS_NODEV, Some("mode=1777")).expect("a file system");
    }
    fs::create_dir_all("/etc/containers").expect("a directory");
    let engine = "[engine]\ncgroup_manager = \"cgroupfs\"\nevents_logger = \"none\"\nruntime = \"runc\"\n\
         [containers]\nlog_driver = \"k8s-file\"\npids_limit = 0\n\
         [network]\nnetwork_backend = \"netavark\"\nnetwork_config_dir = \"/run/lab/engine-networks\"\n";
    let store = target().join("containers/store");
    let storage = format!(
        "[storage]\ndriver = \"overlay\"\ngraphroot = \"/run/lab/containers\"\nrunroot = \"/run/containers/storage\"\n\
         [storage.options]\nadditionalimagestores = [{}]\n",
        if store.exists() { format!("\"{}\"", store.display()) } else { String::new() }
    );
    fs::write("/etc/containers/containers.conf", engine).expect("settings");
    fs::write("/etc/containers/storage.conf", storage).expect("settings");
    // An engine checks signatures of images; these come from no registry.
    fs::write("/etc/containers/policy.json", "{\"default\": [{\"type\": \"insecureAcceptAnything\"}]}")
        .expect("a policy");
    fs::set_permissions("/etc/containers", fs::Permissions::from_mode(0o755)).expect("its mode");
}
