//! Libraries in C, as a host may have them: modules of the account database, and what is loaded into every program.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::lab::Lab;

/// Compiles a shared library into a directory of the test's own. The compiler is there: Rust links with it.
pub fn library(lab: &Lab, name: &str, text: &str) -> PathBuf {
    let directory = lab.directory("lib", 0o755);
    let (source, library) = (directory.with_file_name(format!("{name}.c")), directory.join(name));
    std::fs::write(&source, text).expect("the source");
    let mut command = Command::new("cc");
    command.args(["-shared", "-fPIC", "-O1", "-o"]).arg(&library).arg(&source).arg("-ldl");
    let done = command.output().expect("cc");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    library
}

/// A module for nsswitch.conf(5) that is asked first and knows no account. As sssd's and nscd's do, it keeps what it has
/// opened: a file, a mapping of it that is shared, and a stream to a daemon.
pub fn keeping_module(lab: &Lab, cache: &Path, daemon: &Path) -> PathBuf {
    let text = r#"
        #include <errno.h>
        #include <fcntl.h>
        #include <grp.h>
        #include <netdb.h>
        #include <nss.h>
        #include <pwd.h>
        #include <string.h>
        #include <sys/mman.h>
        #include <sys/socket.h>
        #include <sys/un.h>
        #include <unistd.h>
        static enum nss_status keep(int *error) {
            static int done;
            if (!done++) {
                int file = open("CACHE", O_RDONLY | O_CLOEXEC);
                mmap(0, 4096, PROT_READ, MAP_SHARED, file, 0);
                struct sockaddr_un to = { .sun_family = AF_UNIX };
                strcpy(to.sun_path, "DAEMON");
                connect(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), (void *) &to, sizeof to);
            }
            *error = ENOENT;
            return NSS_STATUS_NOTFOUND;
        }
        enum nss_status _nss_keeps_getpwnam_r(const char *n, struct passwd *p, char *b, size_t l, int *e) { return keep(e); }
        enum nss_status _nss_keeps_getpwuid_r(uid_t u, struct passwd *p, char *b, size_t l, int *e) { return keep(e); }
        enum nss_status _nss_keeps_getgrnam_r(const char *n, struct group *g, char *b, size_t l, int *e) { return keep(e); }
        enum nss_status _nss_keeps_gethostbyname4_r(const char *n, void *p, char *b, size_t l, int *e, int *h, int *t) {
            *h = HOST_NOT_FOUND;
            return keep(e);
        }
    "#;
    let text = text.replace("CACHE", cache.to_str().expect("UTF-8")).replace("DAEMON", daemon.to_str().expect("UTF-8"));
    library(lab, "libnss_keeps.so.2", &text)
}
