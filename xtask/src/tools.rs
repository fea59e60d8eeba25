//! The tools the suites need: found, installed (as root, with apt-get, said aloud), or named with the command that installs them.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use nsgate_tests::program::target;

use crate::command::{plain, works};
use crate::prepare;
use crate::terminal::table;

/// The release of Neutron whose code the suite runs.
pub(crate) const NEUTRON: &str = "29.0.0";

/// The last release of Neutron with a metadata proxy in Python (Ocata).
pub(crate) const OCATA: &str = "10.0.7";

/// A tool: how to see that it is there, and the Debian package it comes in.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Tool {
    name: &'static str,
    probe: (&'static str, &'static [&'static str]),
    package: &'static str,
    used_for: &'static str,
}

/// `ip`, for the namespaces.
pub(crate) const IP: Tool =
    Tool { name: "ip", probe: ("ip", &["-V"]), package: "iproute2", used_for: "every network namespace" };
/// haproxy, to compare with.
pub(crate) const HAPROXY: Tool = Tool {
    name: "haproxy",
    probe: ("/usr/sbin/haproxy", &["-v"]),
    package: "haproxy",
    used_for: "comparisons (demo, bench, forging, some tests)",
};
/// nginx, backend and peer of benchmarks. Never installed by us: Debian's package starts a server.
pub(crate) const NGINX: Tool = Tool {
    name: "nginx",
    probe: ("/usr/sbin/nginx", &["-v"]),
    package: "nginx-light",
    used_for: "benchmarks, and a column of docs/forging.md",
};
/// wrk, the guests of the benchmarks.
pub(crate) const WRK: Tool =
    Tool { name: "wrk", probe: ("test", &["-x", "/usr/bin/wrk"]), package: "wrk", used_for: "benchmarks" };
/// strace, to count system calls.
pub(crate) const STRACE: Tool = Tool {
    name: "strace",
    probe: ("/usr/bin/strace", &["-V"]),
    package: "strace",
    used_for: "the suite of the system call policies",
};
/// systemd's journal, started by the tests that need it and by nobody else.
pub(crate) const JOURNALD: Tool = Tool {
    name: "systemd-journald",
    probe: ("test", &["-x", "/lib/systemd/systemd-journald"]),
    package: "systemd",
    used_for: "the audit's way into a journal",
};
/// setfacl, for access control lists on the way to an agent.
pub(crate) const ACL: Tool = Tool {
    name: "setfacl",
    probe: ("/usr/bin/setfacl", &["--version"]),
    package: "acl",
    used_for: "the suite of paths",
};
/// capsh, to start a gate without some capabilities.
pub(crate) const CAPSH: Tool = Tool {
    name: "capsh",
    probe: ("/usr/sbin/capsh", &["--print"]),
    package: "libcap2-bin",
    used_for: "starts without some capabilities",
};
/// valgrind, to count instructions and allocations.
pub(crate) const VALGRIND: Tool = Tool {
    name: "valgrind",
    probe: ("/usr/bin/valgrind", &["--version"]),
    package: "valgrind",
    used_for: "what a request costs, in instructions and allocations",
};
/// curl, the guest of docs/getting-started.md.
pub(crate) const CURL: Tool =
    Tool { name: "curl", probe: ("/usr/bin/curl", &["--version"]), package: "curl", used_for: "the pages of docs/" };
/// Python's venv, for Neutron.
pub(crate) const VENV: Tool = Tool {
    name: "python3 -m venv",
    probe: ("/usr/bin/python3", &["-c", "import venv, ensurepip"]),
    package: "python3-venv",
    used_for: "the Neutron suite, and the readers of the forging suite",
};
/// The parser of Prometheus' own client, for the system's Python.
pub(crate) const PROMETHEUS: Tool = Tool {
    name: "prometheus_client",
    probe: ("/usr/bin/python3", &["-c", "import prometheus_client.openmetrics.parser"]),
    package: "python3-prometheus-client",
    used_for: "the pool's metrics",
};
/// cloud-init.
pub(crate) const CLOUD_INIT: Tool = Tool {
    name: "cloud-init",
    probe: ("/usr/bin/python3", &["-c", "import cloudinit.sources.DataSourceOpenStack"]),
    package: "cloud-init",
    used_for: "the cloud-init suite",
};
/// debootstrap, for a clean machine.
pub(crate) const DEBOOTSTRAP: Tool = Tool {
    name: "debootstrap",
    probe: ("/usr/sbin/debootstrap", &["--version"]),
    package: "debootstrap",
    used_for: "the machine that packages are tried on",
};
/// podman, which builds images and starts containers.
pub(crate) const PODMAN: Tool = Tool {
    name: "podman",
    probe: ("/usr/bin/podman", &["--version"]),
    package: "podman",
    used_for: "images, and the sidecars of containers",
};
/// runc, which starts what podman starts, also without CAP_SYS_RESOURCE.
pub(crate) const RUNC: Tool =
    Tool { name: "runc", probe: ("/usr/sbin/runc", &["--version"]), package: "runc", used_for: "containers of podman" };
/// dpkg-dev, which knows what a program's libraries are called.
pub(crate) const DPKG_DEV: Tool = Tool {
    name: "dpkg-shlibdeps",
    probe: ("dpkg-shlibdeps", &["--version"]),
    package: "dpkg-dev",
    used_for: "Debian packages",
};
/// debhelper, which builds Debian packages from `debian/`.
pub(crate) const DEBHELPER: Tool = Tool {
    name: "debhelper",
    probe: ("test", &["-x", "/usr/bin/dh_installsysusers"]),
    package: "debhelper",
    used_for: "Debian packages",
};
/// rpmbuild.
pub(crate) const RPM: Tool =
    Tool { name: "rpmbuild", probe: ("rpmbuild", &["--version"]), package: "rpm", used_for: "RPM packages" };
/// lintian.
pub(crate) const LINTIAN: Tool = Tool {
    name: "lintian",
    probe: ("lintian", &["--version"]),
    package: "lintian",
    used_for: "what Debian thinks of the packages",
};
/// rpmlint.
pub(crate) const RPMLINT: Tool = Tool {
    name: "rpmlint",
    probe: ("rpmlint", &["--version"]),
    package: "rpmlint",
    used_for: "what RPM distributions think of the packages",
};
/// AppArmor's compiler.
pub(crate) const APPARMOR: Tool = Tool {
    name: "apparmor_parser",
    probe: ("apparmor_parser", &["--version"]),
    package: "apparmor",
    used_for: "the AppArmor profile",
};
/// SELinux's compiler.
pub(crate) const CHECKPOLICY: Tool = Tool {
    name: "checkmodule",
    probe: ("checkmodule", &["-V"]),
    package: "checkpolicy",
    used_for: "the SELinux module",
};
/// What packs an SELinux module.
pub(crate) const SEMODULE: Tool = Tool {
    name: "semodule_package",
    probe: ("test", &["-x", "/usr/bin/semodule_package"]),
    package: "semodule-utils",
    used_for: "the SELinux module",
};
/// man, and groff behind it.
pub(crate) const MAN: Tool =
    Tool { name: "man", probe: ("man", &["--version"]), package: "man-db", used_for: "the manual pages" };
/// zsh.
pub(crate) const ZSH: Tool =
    Tool { name: "zsh", probe: ("zsh", &["--version"]), package: "zsh", used_for: "its completion" };
/// fish.
pub(crate) const FISH: Tool =
    Tool { name: "fish", probe: ("fish", &["--version"]), package: "fish", used_for: "its completion" };
const ALL: [Tool; 27] = [
    IP,
    HAPROXY,
    CURL,
    STRACE,
    JOURNALD,
    ACL,
    CAPSH,
    VALGRIND,
    NGINX,
    WRK,
    VENV,
    PROMETHEUS,
    CLOUD_INIT,
    DEBOOTSTRAP,
    DPKG_DEV,
    DEBHELPER,
    RPM,
    LINTIAN,
    RPMLINT,
    APPARMOR,
    CHECKPOLICY,
    SEMODULE,
    MAN,
    ZSH,
    FISH,
    PODMAN,
    RUNC,
];

impl Tool {
    /// Whether it is there.
    pub(crate) fn present(&self) -> bool {
        works(self.probe.0, self.probe.1)
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

    /// Finds it or, as root on Debian, installs it.
    ///
    /// # Errors
    /// One line: what is missing, and the command that installs it.
    pub(crate) fn ensure(&self) -> Result<(), String> {
        if self.present() {
            return Ok(());
        }
        prepare::wait();
        self.find().or_else(|missing| install(&[*self]).and_then(|()| self.find()).map_err(|_| missing))
    }
}

/// Installs those that are missing, in one transaction: as root on Debian, and said aloud.
///
/// # Errors
/// Nobody here may, or apt-get could not.
pub(crate) fn install(tools: &[Tool]) -> Result<(), String> {
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

/// Neutron's interpreter: `target/neutron/venv/bin/python`, made if it is not there yet.
///
/// # Errors
/// What is missing or what pip could not do.
pub(crate) fn neutron_python() -> Result<PathBuf, String> {
    let venv = target().join("neutron/venv");
    let (python, complete) = (venv.join("bin/python"), venv.join(format!(".neutron-{NEUTRON}")));
    let made = || complete.exists() && works(&python.to_string_lossy(), &["-c", "import neutron"]);
    if made() {
        return Ok(python);
    }
    prepare::wait();
    if made() {
        return Ok(python);
    }
    VENV.ensure()?;
    println!("installing Neutron {NEUTRON} into {} (about a minute) …", venv.display());
    let mut make = Command::new("/usr/bin/python3");
    make.args(["-m", "venv", "--clear"]).arg(&venv);
    let mut install = Command::new(&python);
    let package = format!("neutron=={NEUTRON}");
    install.args(["-m", "pip", "install", "--disable-pip-version-check", "--progress-bar", "off", &package]);
    for command in [make, install] {
        if !plain(command)? {
            return Err(format!("Neutron {NEUTRON} could not be installed into {}; see above", venv.display()));
        }
    }
    fs::write(&complete, "").map_err(|e| format!("{}: {e}", complete.display()))?;
    Ok(python)
}

/// The Python proxy that nsgate's third name replaces, as Neutron had it until Ocata, on the libraries of a current Neutron:
/// an interpreter, and the directory that has to be its `PYTHONPATH`.
///
/// # Errors
/// What is missing or what pip could not do.
pub(crate) fn namespace_proxy() -> Result<(PathBuf, PathBuf), String> {
    let python = neutron_python()?;
    let directory = target().join("neutron/ocata");
    let complete = directory.join(format!(".neutron-{OCATA}"));
    if !complete.exists() {
        println!("installing Neutron {OCATA} into {} …", directory.display());
        let mut install = Command::new(&python);
        let package = format!("neutron=={OCATA}");
        // Its own dependencies are too old for a current Python; the proxy needs only those that Neutron still has.
        install.args(["-m", "pip", "install", "--disable-pip-version-check", "--progress-bar", "off", "--no-deps"]);
        install.args(["--upgrade", "--target"]).arg(&directory).arg(&package);
        if !plain(install)? {
            return Err(format!("Neutron {OCATA} could not be installed into {}; see above", directory.display()));
        }
        fs::write(&complete, "").map_err(|e| format!("{}: {e}", complete.display()))?;
    }
    let mut import = Command::new(&python);
    import.args(["-W", "ignore", "-c", "import neutron.agent.metadata.namespace_proxy"]).env("PYTHONPATH", &directory);
    let imported = import.output().map_err(|e| format!("{}: {e}", python.display()))?;
    if imported.status.success() {
        return Ok((python, directory));
    }
    let said = String::from_utf8_lossy(&imported.stderr).trim().lines().last().unwrap_or_default().to_owned();
    Err(format!("the proxy of Neutron {OCATA} cannot be imported: {said}"))
}

/// What checks packages and examples, from PyPI; the names are pip's.
const OF_PACKAGES: [&str; 3] = ["ansible-core", "cyclonedx-python-lib[json-validation]", "kubernetes-validate"];

/// An interpreter that has them: `target/dist/venv/bin/python`, made if it is not there yet.
///
/// # Errors
/// What is missing or what pip could not do.
pub(crate) fn packaging_python() -> Result<PathBuf, String> {
    let venv = target().join("dist/venv");
    let python = venv.join("bin/python");
    let imports = ["-c", "import ansible, cyclonedx, jsonschema, kubernetes_validate"];
    let made = || works(&python.to_string_lossy(), &imports);
    if made() {
        return Ok(python);
    }
    prepare::wait();
    if made() {
        return Ok(python);
    }
    VENV.ensure()?;
    println!("installing {} into {} …", OF_PACKAGES.join(", "), venv.display());
    let mut make = Command::new("/usr/bin/python3");
    make.args(["-m", "venv", "--clear"]).arg(&venv);
    let mut install = Command::new(&python);
    install.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]).args(OF_PACKAGES);
    for command in [make, install] {
        if !plain(command)? {
            return Err(format!("{} could not be made; see above", venv.display()));
        }
    }
    Ok(python)
}

/// `cargo xtask tools`: what is there and what is not. Installs nothing.
pub(crate) fn report() -> Result<(), String> {
    let mut rows = vec![["tool", "state", "used for"].map(str::to_owned).to_vec()];
    for tool in ALL {
        let state = if tool.present() { "found".to_owned() } else { format!("missing: {}", tool.command()) };
        rows.push(vec![tool.name.to_owned(), state, tool.used_for.to_owned()]);
    }
    let neutron = target().join(format!("neutron/venv/.neutron-{NEUTRON}")).exists();
    let state = if neutron { "found" } else { "made by `cargo xtask test neutron`" };
    rows.push(vec![format!("Neutron {NEUTRON}"), state.to_owned(), "the Neutron suite".to_owned()]);
    let deny = works("cargo-deny", &["--version"]) || target().join("tools").join("cargo-deny.txt").exists();
    let state = if deny { "found" } else { "made by `cargo xtask deny`" };
    rows.push(["cargo-deny", state, "licences, bans and sources"].map(str::to_owned).to_vec());
    let one = |row: &Vec<String>| {
        let [tool, state, used_for] = row.as_slice() else { return serde_json::Value::Null };
        serde_json::json!({ "tool": tool, "found": state == "found", "state": state, "used_for": used_for })
    };
    crate::json::say(&rows.iter().skip(1).map(one).collect());
    print!("{}", table(&rows));
    Ok(())
}
