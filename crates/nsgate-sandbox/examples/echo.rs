//! An echo server that holds nothing: `cargo run --release --features compile --example echo -- nobody 7007`, as root.
//! (A development build asks whether descriptors are open, fcntl(2), which the policy does not permit.)
//!
//! It binds, compiles its own policy (`echo.toml`), gives everything up, and serves one guest at a time. A line that
//! begins with `open ` makes it try what it must not: the kernel ends it.

use nix::unistd::User;
use nsgate_sandbox::{Filter, Ids, Policy, Root, Sandbox};
use std::{
    fs::File,
    io::{Read, Write},
    net::TcpListener,
};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut words = std::env::args().skip(1);
    let (Some(name), Some(port)) = (words.next(), words.next()) else { return Err("usage: echo USER PORT".into()) };
    // What takes privileges or files comes first.
    let user = User::from_name(&name)?.ok_or("there is no such user")?;
    let listener = TcpListener::bind(("127.0.0.1", port.parse()?))?;
    let filter = Filter::from_toml("echo", include_str!("echo.toml"))?;
    // The order is kept by the types.
    let confined = Sandbox::new(Policy::new(filter, 16))?
        .drop_privileges(&Ids { uid: user.uid, gid: user.gid })?
        .restrict_files(Root::Kept)?
        .filter_syscalls()?;
    println!("{}", confined.report());
    let mut bytes = [0; 1024];
    loop {
        let (mut guest, _) = listener.accept()?;
        while let Ok(length @ 1..) = guest.read(&mut bytes) {
            let line = bytes.get(..length).unwrap_or_default();
            if let Some(path) = line.strip_prefix(b"open ") {
                // Never comes back.
                let _ = File::open(String::from_utf8_lossy(path).trim());
            }
            if guest.write_all(line).is_err() {
                break;
            }
        }
    }
}
