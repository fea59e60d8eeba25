//! The first word of a process that attends a door after another one.

use super::words::{ANEW, ANEW_ENDS};
use std::{
    hash::{BuildHasher, Hasher, RandomState},
    io::{self, ErrorKind},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::UnixStream,
};

/// Tells the holder that this process is another one, and skips what was said to the one before it.
pub(super) async fn greet(connection: &mut UnixStream, word: [u8; 2]) -> io::Result<()> {
    connection.write_all(&word).await?;
    let mut before = 0;
    loop {
        match connection.read_u8().await {
            Ok(said) if [before, said] == word => return Ok(()),
            Ok(said) => before = said,
            // The holder has gone.
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Err(ErrorKind::ConnectionReset.into()),
            Err(error) => return Err(error),
        }
    }
}

/// A pair of [`ANEW`] and [`ANEW_ENDS`], at random.
pub(super) fn word() -> [u8; 2] {
    let [first, second, ..] = RandomState::new().build_hasher().finish().to_ne_bytes();
    [ANEW | first, ANEW_ENDS | second & !ANEW]
}
