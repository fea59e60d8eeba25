//! A server that shouts back, and holds nothing while it does: `sandbox UID PORT [POLICY]`, as root. With NOT_ALONE in the
//! environment it has a second thread. A line `open PATH` makes it try what it may not.

use nsgate_sandbox::{
    Filter, Ids, Policy, Root, Sandbox,
    reexports::{Gid, Uid},
};
use std::error::Error;
use std::fs::File;
use std::io::{Read, Write};
use std::net::TcpListener;

fn main() -> Result<(), Box<dyn Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [id, port, ..] = words.as_slice() else { return Err("sandbox UID PORT [POLICY]".into()) };
    let listener = TcpListener::bind(("127.0.0.1", port.parse()?))?;
    let text = match words.get(2) {
        Some(file) => std::fs::read_to_string(file)?,
        None => include_str!("../policy.toml").to_owned(),
    };
    if std::env::var_os("NOT_ALONE").is_some() {
        std::thread::spawn(std::thread::park);
    }
    let id = id.parse()?;
    let ids = Ids { uid: Uid::from_raw(id), gid: Gid::from_raw(id) };
    let policy = Policy::new(Filter::from_toml("shout", &text)?, 16);
    let confined = Sandbox::new(policy)?.drop_privileges(&ids)?.restrict_files(Root::Kept)?.filter_syscalls()?;
    println!("{}", confined.report());
    let mut bytes = [0; 1024];
    loop {
        let (mut guest, _) = listener.accept()?;
        while let Ok(length) = guest.read(&mut bytes) {
            let line = String::from_utf8_lossy(&bytes[..length]).into_owned();
            if length == 0 {
                break;
            }
            let answer = match line.strip_prefix("open ") {
                Some(path) => format!("{:?}", File::open(path.trim()).map(|_| ())),
                None => line.to_uppercase(),
            };
            if guest.write_all(answer.as_bytes()).is_err() {
                break;
            }
        }
    }
}
