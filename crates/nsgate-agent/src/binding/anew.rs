//! The first word of a process that attends a door after another one.

use super::words::ANEW;
use std::{
    hash::{BuildHasher, Hasher, RandomState},
    io::{self, ErrorKind},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::UnixStream,
};

/// Tells the holder that this process is another one, and skips what was said to the one before it.
pub(super) async fn greet(connection: &mut UnixStream, byte: u8) -> io::Result<()> {
    connection.write_all(&[byte]).await?;
    loop {
        match connection.read_u8().await {
            Ok(said) if said == byte => return Ok(()),
            Ok(_) => {}
            // The holder has gone.
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Err(ErrorKind::ConnectionReset.into()),
            Err(error) => return Err(error),
        }
    }
}

/// One of [`ANEW`], at random: two processes that follow each other have two, as a rule.
pub(super) fn byte() -> u8 {
    let [byte, ..] = RandomState::new().build_hasher().finish().to_ne_bytes();
    ANEW | byte
}
