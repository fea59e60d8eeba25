//! Images in which `/usr/sbin/haproxy` is nsgate, made by a real engine from the packages, and back.
//! `cargo xtask test dist` builds the packages and says where they are.

use std::collections::{BTreeSet, HashSet};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use nsgate_tests::engine::{DEBIAN, KOLLA, layer, packages, recipe};
use nsgate_tests::gate::Started;
use nsgate_tests::lab::text;
use nsgate_tests::program::workspace;
use nsgate_tests::{Engine, Lab, suite};

fn main() {
    if let Some(debian) = std::env::var_os("NSGATE_DEBIAN") {
        nsgate_tests::engine::prepare(Path::new(&debian));
    }
    suite!["containers":
        a_layer_changes_haproxy_and_nothing_else_of_an_image,
        taken_away_haproxy_is_what_it_was,
        in_whatever_order_haproxy_and_nsgate_are_installed_the_path_is_nsgates,
        the_same_is_so_with_the_rpm_and_haproxys_own_package,
        the_recipe_of_the_page_builds_as_the_bases_user,
        a_build_that_cannot_be_right_fails_and_says_why,
    ]
}

/// Files of an image: what each is, how long, and when it was written. The engine writes three of them for each container.
fn files(engine: &Engine, image: &str) -> Vec<String> {
    let found = engine.script(
        image,
        "cd /; find . -xdev \\( -path ./proc -o -path ./sys -o -path ./dev -o -path ./run -o -path ./tmp \\) -prune -o \
             -not -type d -not -path ./etc/hosts -not -path ./etc/hostname -not -path ./etc/resolv.conf \
             -printf '%p %M %u %g %s %T@ %l\\n'",
    );
    found.lines().map(str::to_owned).collect()
}

/// The differences between two images, without a package manager's own files.
fn changed(engine: &Engine, image: &str, before: &[String]) -> Vec<String> {
    let own = [
        "./var/lib/dpkg/",
        "./var/log/",
        "./usr/share/doc/nsgate-image/",
        "./usr/share/licenses/",
        "./usr/share/lintian/",
        "./var/lib/rpm/",
        "./root/.rpmdb/",
    ];
    let after = files(engine, image);
    let (was, is): (HashSet<&String>, HashSet<&String>) = (before.iter().collect(), after.iter().collect());
    let name = |line: &String| line.split(' ').next().unwrap_or_default().to_owned();
    let names: BTreeSet<String> = was.symmetric_difference(&is).map(|line| name(line)).collect();
    names.into_iter().filter(|name| !own.iter().any(|of| name.starts_with(of))).collect()
}

fn a_layer_changes_haproxy_and_nothing_else_of_an_image(lab: &Lab) {
    let engine = Engine::start(lab);
    let before = files(&engine, KOLLA);
    layer(&engine, KOLLA, NEW);
    assert_eq!(
        changed(&engine, NEW, &before),
        ["./usr/bin/nsgate", "./usr/sbin/haproxy", "./usr/sbin/haproxy.distrib"]
    );
    let config = "{{.User}} {{.Config.Env}} {{.Config.Cmd}} {{.Config.Entrypoint}} {{.Config.WorkingDir}}";
    assert_eq!(engine.inspect("image", NEW, config), engine.inspect("image", KOLLA, config));
    assert_eq!(engine.inspect("image", NEW, "{{.User}}"), "neutron");
    // A file of its own, as rootwrap's kill filters want it, and haproxy beside it.
    engine.script(NEW, "test -f /usr/sbin/haproxy && ! test -L /usr/sbin/haproxy");
    assert!(engine.script(NEW, "/usr/sbin/haproxy.distrib -v").starts_with("HAProxy version"));
    assert!(engine.script(NEW, "dpkg --verify nsgate-image; sudo -l -U neutron").contains("kolla/venv/bin"));
}

/// The way back, in a container of the new image: everything is what it was.
fn taken_away_haproxy_is_what_it_was(lab: &Lab) {
    let engine = Engine::start(lab);
    let before = files(&engine, KOLLA);
    layer(&engine, KOLLA, NEW);
    step(&engine, NEW, "dpkg --purge nsgate-image", "localhost/back:1");
    assert_eq!(changed(&engine, "localhost/back:1", &before), Vec::<String>::new());
    assert!(
        engine.script("localhost/back:1", "haproxy -v; dpkg-divert --list '*haproxy*'").starts_with("HAProxy version")
    );
    // Back where there was no forward says so and changes nothing.
    let again = step_said(&engine, "localhost/back:1", "dpkg --purge nsgate-image", "localhost/back:2");
    assert!(again.ok() && again.stderr.contains("which isn't installed"), "{again:#?}");
    assert_eq!(changed(&engine, "localhost/back:2", &before), Vec::<String>::new());
}

/// An image is made anew, packages are upgraded in it, haproxy comes and goes: nsgate is at its path each time.
fn in_whatever_order_haproxy_and_nsgate_are_installed_the_path_is_nsgates(lab: &Lab) {
    let engine = Engine::start(lab);
    let nsgate = |image: &str| {
        assert!(engine.script(image, "/usr/sbin/haproxy -v").to_lowercase().contains("nsgate"), "{image}")
    };
    step(&engine, DEBIAN, "dpkg --purge haproxy; test ! -e /usr/sbin/haproxy", "localhost/without:1");
    layer(&engine, "localhost/without:1", "localhost/new:2");
    nsgate("localhost/new:2");
    engine.script("localhost/new:2", "test ! -e /usr/sbin/haproxy.distrib");
    // haproxy's own package, put together again from a root that has it.
    let haproxy = "mkdir -p /tmp/h/DEBIAN /tmp/h/usr/sbin; printf '#!/bin/sh\\necho HAProxy version NUMBER\\n' >/tmp/h/usr/sbin/haproxy
         chmod +x /tmp/h/usr/sbin/haproxy
         printf 'Package: haproxy\\nVersion: NUMBER\\nArchitecture: all\\nMaintainer: n <n@example.org>\\nDescription: x\\n' >/tmp/h/DEBIAN/control
         dpkg-deb --build /tmp/h /tmp/h.deb; dpkg --install /tmp/h.deb; rm -r /tmp/h /tmp/h.deb";
    step(&engine, "localhost/new:2", &haproxy.replace("NUMBER", "8.1"), "localhost/new:3");
    nsgate("localhost/new:3");
    assert_eq!(engine.script("localhost/new:3", "/usr/sbin/haproxy.distrib"), "HAProxy version 8.1");
    step(&engine, "localhost/new:3", &haproxy.replace("NUMBER", "8.2"), "localhost/new:4");
    nsgate("localhost/new:4");
    // The next nsgate over this one, and forward twice.
    let next = engine.build(
        &recipe(),
        &packages("next"),
        "localhost/new:5",
        &[("BASE", "localhost/new:4"), ("USER_OF_BASE", "root")],
    );
    assert!(next.ok(), "{next:#?}");
    layer(&engine, "localhost/new:4", "localhost/new:6");
    for image in ["localhost/new:5", "localhost/new:6"] {
        nsgate(image);
        assert_eq!(engine.script(image, "/usr/sbin/haproxy.distrib"), "HAProxy version 8.2");
    }
    step(&engine, "localhost/new:5", "dpkg --purge nsgate-image", "localhost/back:1");
    assert_eq!(engine.script("localhost/back:1", "/usr/sbin/haproxy"), "HAProxy version 8.2");
}

const NEW: &str = "localhost/new:1";

/// Makes an image of another one by a script of root's.
fn step_said(engine: &Engine, base: &str, script: &str, tag: &str) -> Started {
    let place = Path::new("/run/lab/step");
    fs::create_dir_all(place).expect("a directory");
    fs::write(place.join("script"), script).expect("a script");
    let user = engine.inspect("image", base, "{{.User}}");
    let user = if user.is_empty() { "root".to_owned() } else { user };
    // The engine takes what it made of the same base by the same line: the name makes each a line of its own.
    let text = format!(
        "FROM {base}\nUSER root\nRUN --mount=type=bind,target=/context sh -ec '. /context/script' {tag}\nUSER {user}\n"
    );
    fs::write(place.join("Containerfile"), text).expect("a file");
    engine.build(&place.join("Containerfile"), place, tag, &[])
}

#[track_caller]
fn step(engine: &Engine, base: &str, script: &str, tag: &str) {
    let built = step_said(engine, base, script, tag);
    assert!(built.ok(), "{script}: {built:#?}");
}

/// A root whose packages are rpm(8)'s: this host's rpm in a clean Debian without dpkg's memory.
fn root_of_rpm(engine: &Engine) {
    let script = "mkdir -p /run/lab/rpm/add/usr/bin /run/lab/rpm/add/usr/lib/rpm /run/lab/rpm/add/var/lib/rpm; cd /run/lab/rpm
         cp /usr/bin/rpm add/usr/bin/rpm.real; cp -r /usr/lib/rpm/. add/usr/lib/rpm
         printf '#!/bin/sh\\nexec /usr/bin/rpm.real --force-debian \"$@\"\\n' >add/usr/bin/rpm; chmod +x add/usr/bin/rpm
         ldd /usr/bin/rpm | awk '/=> \\//{print $1, $3}' | while read name file; do
             install -D \"$(realpath $file)\" add$(realpath $(dirname $file))/$name; done
         printf 'FROM localhost/debian:1\\nCOPY add /\\nRUN mv /var/lib/dpkg /var/lib/dpkg.not && rm /usr/sbin/haproxy\\n' >Containerfile";
    let mut command = Command::new("sh");
    command.args(["-ec", script]);
    let done = nsgate_tests::gate::communicate(command, std::time::Duration::from_secs(60));
    assert!(done.ok(), "{done:#?}");
    let built =
        engine.build(Path::new("/run/lab/rpm/Containerfile"), Path::new("/run/lab/rpm"), "localhost/rpm:0", &[]);
    assert!(built.ok(), "{built:#?}");
    // Files of a distribution's own packages: a C library and a shell.
    let wanted = "for file in /packages/nsgate-image-*.rpm; do rpm --query --package --requires $file; done | grep -v '^rpmlib('";
    let mut command = Command::new("sh");
    command.args(["-ec", &wanted.replace("/packages", &packages("first").display().to_string())]);
    let provided = nsgate_tests::gate::communicate(command, std::time::Duration::from_secs(60)).stdout;
    let provided: String = provided.lines().map(|line| format!("Provides: {line}\n")).collect();
    let base = rpm("base", "1", &provided, "", "");
    fs::create_dir_all("/run/lab/step").expect("a directory");
    fs::copy(base, "/run/lab/step/base.rpm").expect("a copy");
    step(engine, "localhost/rpm:0", "rpm --install /context/base.rpm", RPM);
}

const RPM: &str = "localhost/rpm:1";

/// Builds a package of rpm's.
fn rpm(name: &str, version: &str, head: &str, install: &str, files: &str) -> PathBuf {
    let place = PathBuf::from(format!("/run/lab/{name}-{version}"));
    fs::create_dir_all(&place).expect("a directory");
    let spec = format!(
        "Name: {name}\nVersion: {version}\nRelease: 1\nSummary: x\nLicense: x\nBuildArch: noarch\n{head}\n\
         %description\nx\n%install\n{install}\n%files\n{files}\n"
    );
    fs::write(place.join("spec"), spec).expect("a specification");
    let mut command = Command::new("rpmbuild");
    command.args(["-bb", "--quiet", "--define"]).arg(format!("_topdir {}", place.display())).arg(place.join("spec"));
    let done = nsgate_tests::gate::communicate(command, std::time::Duration::from_secs(60));
    assert!(done.ok(), "{done:#?}");
    place.join(format!("RPMS/noarch/{name}-{version}-1.noarch.rpm"))
}

/// A package `haproxy` of rpm's, whose program says its version.
fn haproxy_rpm(version: &str) -> PathBuf {
    let install = format!(
        "mkdir -p %{{buildroot}}/usr/sbin\nprintf '#!/bin/sh\\necho HAProxy version {version}\\n' >%{{buildroot}}/usr/sbin/haproxy"
    );
    rpm("haproxy", version, "", &install, "%attr(0755, root, root) /usr/sbin/haproxy")
}

fn the_same_is_so_with_the_rpm_and_haproxys_own_package(lab: &Lab) {
    let engine = Engine::start(lab);
    root_of_rpm(&engine);
    let both = ["8.1", "8.2"].map(haproxy_rpm);
    let install = |base: &str, words: &str, file: &Path, tag: &str| {
        fs::create_dir_all("/run/lab/step").expect("a directory");
        fs::copy(file, "/run/lab/step/haproxy.rpm").expect("a copy");
        step(&engine, base, &format!("rpm {words} /context/haproxy.rpm"), tag);
    };
    let nsgate = |image: &str| {
        assert!(engine.script(image, "/usr/sbin/haproxy -v").to_lowercase().contains("nsgate"), "{image}")
    };
    let beside = |image: &str| engine.script(image, "/usr/sbin/haproxy.distrib");
    install(RPM, "--install", &both[0], "localhost/haproxy:1");
    let before = files(&engine, "localhost/haproxy:1");
    layer(&engine, "localhost/haproxy:1", NEW);
    nsgate(NEW);
    assert_eq!(beside(NEW), "HAProxy version 8.1");
    let own = ["haproxy", "place"].map(|name| format!("./usr/lib/nsgate/image/{name}"));
    let expected = [
        &["./usr/bin/nsgate".to_owned()],
        &own[..],
        &["haproxy", "haproxy.distrib"].map(|n| format!("./usr/sbin/{n}")),
    ];
    assert_eq!(changed(&engine, NEW, &before), expected.concat());
    // haproxy is upgraded, nsgate is upgraded, nsgate goes.
    install(NEW, "--upgrade", &both[1], "localhost/new:2");
    nsgate("localhost/new:2");
    assert_eq!(beside("localhost/new:2"), "HAProxy version 8.2");
    let next = fs::read_dir(packages("next")).expect("packages").flatten().map(|entry| entry.path());
    let next = next.filter(|path| path.to_string_lossy().contains("nsgate-image-")).last().expect("the next version");
    install("localhost/new:2", "--upgrade", &next, "localhost/new:3");
    nsgate("localhost/new:3");
    assert_eq!(beside("localhost/new:3"), "HAProxy version 8.2");
    assert_eq!(engine.script("localhost/new:3", "rpm --verify nsgate-image"), "");
    step(&engine, "localhost/new:3", "rpm --erase nsgate-image", "localhost/back:1");
    assert_eq!(
        engine
            .script(
                "localhost/back:1",
                "/usr/sbin/haproxy; rpm --verify haproxy; ls /usr/lib/nsgate /usr/sbin/haproxy.distrib 2>&1 | wc -l"
            )
            .lines()
            .next(),
        Some("HAProxy version 8.2")
    );
    assert_eq!(
        engine.script(
            "localhost/back:1",
            "ls -d /usr/lib/nsgate /usr/sbin/haproxy.distrib /usr/bin/nsgate 2>/dev/null || true"
        ),
        ""
    );
    // haproxy is erased while nsgate is there, and does not come back with nsgate's end.
    let there = "ls /usr/sbin/haproxy /usr/sbin/haproxy.distrib 2>/dev/null || true";
    step(&engine, "localhost/new:3", "rpm --erase haproxy", "localhost/erased:1");
    nsgate("localhost/erased:1");
    assert_eq!(engine.script("localhost/erased:1", there), "/usr/sbin/haproxy");
    step(&engine, "localhost/erased:1", "rpm --erase nsgate-image", "localhost/erased:2");
    assert_eq!(engine.script("localhost/erased:2", there), "");
    // An image without haproxy, into which it comes later.
    layer(&engine, RPM, "localhost/new:4");
    nsgate("localhost/new:4");
    install("localhost/new:4", "--install", &both[0], "localhost/new:5");
    nsgate("localhost/new:5");
    assert_eq!(beside("localhost/new:5"), "HAProxy version 8.1");
}

/// The page's commands in a checkout, with other names: the base's user stays, and a missing base builds nothing.
fn the_recipe_of_the_page_builds_as_the_bases_user(lab: &Lab) {
    let engine = Engine::start(lab);
    let page = text(workspace().join("docs/containers/README.md"));
    let (_, recipe) = page.split_once("\n## The recipe\n").expect("the recipe");
    let (recipe, _) = recipe.split_once("\n## ").expect("its end");
    let blocks: String = recipe.split("   ```sh\n").skip(1).filter_map(|rest| rest.split("   ```").next()).collect();
    let place = PathBuf::from("/run/lab/checkout");
    let run = |base: &str| {
        // The packages are made, the image is there, and the steps run in a chroot. All else is as it is written.
        let typed = [
            ("cargo xtask dist\n", "true\n"),
            ("base=quay.io/openstack.kolla/neutron-l3-agent:2025.2-debian-bookworm\n", &format!("base={base}\n")),
            ("podman pull $base\n", "true\n"),
            ("podman build ", "podman build --isolation=chroot --network=host --pull=never "),
            ("registry.example.org/neutron-l3-agent:2025.2-nsgate", NEW),
        ];
        let typed = typed.iter().fold(blocks.clone(), |script, (written, here)| {
            assert!(script.contains(written), "{written}: {script}");
            script.replace(written, here)
        });
        fs::create_dir_all(place.join("target/dist")).expect("a directory");
        symlink(workspace().join("xtask"), place.join("xtask")).expect("a link");
        symlink(packages("first"), place.join("target/dist/packages")).expect("a link");
        let mut command = Command::new("sh");
        command.args(["-c", &typed]).current_dir(&place);
        let built = nsgate_tests::gate::communicate(command, std::time::Duration::from_secs(300));
        fs::remove_dir_all(&place).expect("a directory");
        built
    };
    for (base, user) in [(KOLLA, "neutron"), (DEBIAN, "root")] {
        let built = run(base);
        assert!(built.ok(), "{built:#?}");
        assert_eq!(engine.inspect("image", NEW, "{{.User}}"), user);
    }
    let missing = run("localhost/not-there:1");
    assert!(!missing.ok() && !missing.stdout.contains("STEP"), "{missing:#?}");
}

fn a_build_that_cannot_be_right_fails_and_says_why(lab: &Lab) {
    let engine = Engine::start(lab);
    let said = |arguments: &[(&str, &str)], place: &Path| {
        let built = engine.build(&recipe(), place, NEW, arguments);
        assert!(!built.ok(), "{built:#?}");
        built.stdout + &built.stderr
    };
    let whom = said(&[("BASE", KOLLA)], &packages("first"));
    assert!(whom.contains("say whom the base runs as: --build-arg USER_OF_BASE="), "{whom}");
    // kolla's image has a user: to say `root` in its place would be another agent.
    assert!(whom.contains("Pull the base, then ask it: podman image inspect --format '{{.User}}' BASE"), "{whom}");
    assert!(whom.contains("USER_OF_BASE=root is right only if the image is there"), "{whom}");
    let none = said(&[("BASE", KOLLA), ("USER_OF_BASE", "neutron")], &workspace().join("docs/examples"));
    assert!(none.contains("cannot access archive '/packages/nsgate-image_*.deb': No such file"), "{none}");
    // Without the line `USER root` the base's own user would install.
    let file = Path::new("/run/lab/Containerfile");
    fs::write(file, text(recipe()).replace("USER root\n", "")).expect("a file");
    let built = engine.build(file, &packages("first"), NEW, &[("BASE", KOLLA), ("USER_OF_BASE", "neutron")]);
    assert!(!built.ok() && built.stderr.contains("superuser privilege"), "{built:#?}");
}
