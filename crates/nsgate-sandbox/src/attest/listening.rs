//! The listening sockets of a TCP table (proc_pid_net(5)), without a walk over all connections of the host.

use std::{
    fs::File,
    io::{self, BufRead, BufReader},
    path::Path,
};

/// The lines of listening sockets in `tcp` or `tcp6`, as the kernel writes them (`tcp4_seq_show`, net/ipv4/tcp_ipv4.c). State 0A
/// is LISTEN (include/net/tcp_states.h).
///
/// The kernel lists listening sockets first (Documentation/networking/proc_net_tcp.rst), so reading stops at the first other line.
/// Each read behind it walks the host's table of connections, from its start if a connection has ended meanwhile. A guest that
/// opens connections can make that take seconds.
///
/// # Errors
/// The table cannot be opened or read.
pub fn listening_lines(table: &Path) -> io::Result<Vec<String>> {
    first_of(BufReader::new(File::open(table)?))
}

/// The first line is the header.
fn first_of(table: impl BufRead) -> io::Result<Vec<String>> {
    let listens = |line: &io::Result<String>| {
        line.as_ref().map_or(true, |line| line.split_ascii_whitespace().nth(3) == Some("0A"))
    };
    table.lines().skip(1).take_while(listens).collect()
}

#[cfg(test)]
mod tests {
    use super::{first_of, listening_lines};
    use std::{
        io::{self, BufReader, Read},
        net::TcpListener,
        path::Path,
    };

    /// What follows the first connection must not be asked for.
    struct EndsHere;

    impl Read for EndsHere {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::other("read on behind the first connection"))
        }
    }

    #[test]
    fn reading_stops_at_the_first_connection() {
        let text = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n   \
                    0: FEA9FEA9:0050 00000000:0000 0A 00000000:00000000 00:00000000 00000000   107        0 4711 1 0 100\n   \
                    1: FEA9FEA9:0050 0B00000A:8123 06 00000000:00000000 00:00000000 00000000     0        0 0 1 0 20\n";
        let lines = first_of(BufReader::new(text.as_bytes().chain(EndsHere))).unwrap();
        assert_eq!(lines.len(), 1, "{lines:?}");
        assert!(lines[0].contains("4711"));
        assert!(first_of(BufReader::new("header\n".as_bytes().chain(EndsHere))).is_err());
    }

    #[test]
    fn a_listener_of_this_process_is_among_them() {
        let socket = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = format!(":{:04X} ", socket.local_addr().unwrap().port());
        let lines = listening_lines(Path::new("/proc/self/net/tcp")).unwrap();
        assert!(lines.iter().any(|line| line.contains(&port)), "{lines:?}");
    }
}
