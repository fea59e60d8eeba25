//! Answers that are always the same: Nova's, over TCP and kept, and those of an agent that closes after each, over a UNIX socket.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::{fs, thread};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::runtime::{Builder, Runtime};

/// Bytes of the document: `meta_data.json` of an instance with a key and a volume.
const LENGTH: usize = 1_800;

/// The document.
pub(super) fn document() -> String {
    let begin = "{\"uuid\": \"abcdef00-0000-4000-8000-000000000000\", \"hostname\": \"guest\", \"random_seed\": \"";
    let end = "\"}";
    format!("{begin}{}{end}", "x".repeat(LENGTH - begin.len() - end.len()))
}

fn answer() -> Vec<u8> {
    let document = document();
    let length = document.len();
    format!("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{document}")
        .into_bytes()
}

/// Nova: kept connections, all of one thread. Lasts as long as this process.
pub(super) fn nova() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a listener");
    let address = listener.local_addr().expect("its address");
    thread::spawn(move || {
        runtime().block_on(async {
            listener.set_nonblocking(true).expect("a listener");
            let listener = tokio::net::TcpListener::from_std(listener).expect("a listener");
            loop {
                if let Ok((stream, _)) = listener.accept().await {
                    tokio::spawn(serve(stream));
                }
            }
        })
    });
    address
}

async fn serve(mut stream: tokio::net::TcpStream) {
    let (answer, mut request) = (answer(), Vec::with_capacity(4096));
    let _ = stream.set_nodelay(true);
    while let Ok(1..) = stream.read_buf(&mut request).await {
        if request.ends_with(b"\r\n\r\n") {
            request.clear();
            if stream.write_all(&answer).await.is_err() {
                return;
            }
        }
    }
}

/// An event loop of one thread.
pub(super) fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().expect("a runtime")
}

/// An agent that closes after each answer, as Neutron's do. Lasts as long as this process.
pub(super) fn closing_agent(path: &Path) {
    let _ = fs::remove_file(path);
    let listener = UnixListener::bind(path).expect("a listener");
    fs::set_permissions(path, fs::Permissions::from_mode(0o666)).expect("its mode");
    thread::spawn(move || {
        let answer = answer();
        for mut stream in listener.incoming().flatten() {
            if whole(&mut stream, &mut Vec::new()) {
                let _ = stream.write_all(&answer);
            }
        }
    });
}

/// Reads a request without content; false at the end of the connection.
fn whole(stream: &mut impl Read, buffer: &mut Vec<u8>) -> bool {
    buffer.clear();
    let mut piece = [0; 4096];
    loop {
        match stream.read(&mut piece) {
            Ok(0) | Err(_) => return false,
            Ok(count) => buffer.extend_from_slice(&piece[..count]),
        }
        if buffer.ends_with(b"\r\n\r\n") {
            return true;
        }
    }
}
