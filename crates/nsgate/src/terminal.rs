//! What a person at a terminal sees, and a program that reads a pipe does not: colours, the place of a mistake on a command
//! line, and that something takes its time.

use nsgate_config::CommandLine;
use std::{
    io::{IsTerminal, Write},
    sync::mpsc::{RecvTimeoutError, channel},
    time::{Duration, Instant},
};

/// What takes less is not worth a word.
const WORTH_A_WORD: Duration = Duration::from_secs(1);
/// How often a number is written anew.
const ANEW: Duration = Duration::from_millis(100);

/// Writes to standard output. Where the reader has gone (`nsgate list | head`) the program ends quietly, and where there is no
/// room it says so: nothing that was asked for is lost without a word.
pub(crate) fn write_out(text: std::fmt::Arguments<'_>) {
    let mut stream = std::io::stdout().lock();
    match stream.write_fmt(text).and_then(|()| stream.flush()) {
        Ok(()) => {}
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => std::process::exit(0),
        Err(error) => {
            eprintln!("standard output: {error}");
            std::process::exit(1)
        }
    }
}

/// A line on standard output, as `println!` has it, by [`write_out`].
macro_rules! say {
    ($form:literal $($part:tt)*) => {
        $crate::terminal::write_out(format_args!(concat!($form, "\n") $($part)*))
    };
}
pub(crate) use say;

/// Writes to standard error as much as it takes. In the foreground it does not wait for its reader, and the end of a program must
/// not become a panic because of that, as `eprintln!` makes it.
pub(crate) fn write_error(text: std::fmt::Arguments<'_>) {
    // Nobody is left to be told.
    let _ = std::io::stderr().lock().write_fmt(text);
}

/// A line on standard error, by [`write_error`].
macro_rules! complain {
    ($($part:tt)*) => {
        $crate::terminal::write_error(format_args!("{}\n", format_args!($($part)*)))
    };
}
pub(crate) use complain;

/// What a starter says of a gate that has no log to say it in.
pub(crate) fn unheard(warning: &str) {
    complain!("nsgate: {warning}");
}

/// Whether standard error is a terminal.
fn at_terminal() -> bool {
    std::io::stderr().is_terminal()
}

/// Whether standard error shows colours: on a terminal, unless NO_COLOR is set (no-color.org).
pub(crate) fn colours() -> bool {
    at_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// A mistake on the command line of a program that agents start: the one line that they log, and for a person at a
/// terminal the place besides.
pub(crate) fn mistake(sentence: String) -> String {
    if !at_terminal() {
        return sentence;
    }
    let line = CommandLine::new(std::env::args_os());
    line.error(line.spoken_of(&sentence), &sentence, "").render(colours())
}

/// Writes over the line that was written last; an empty text takes it away.
fn write_over(text: &str) {
    let mut stream = std::io::stderr().lock();
    // A terminal that is gone does not need to know.
    let _ = write!(stream, "\r\x1b[K{text}");
    let _ = stream.flush();
}

/// Does something that may wait for somebody else, and says after a second for whom.
pub(crate) fn waiting<T>(for_whom: &str, work: impl FnOnce() -> T) -> T {
    if !at_terminal() {
        return work();
    }
    std::thread::scope(|scope| {
        let (done, finished) = channel::<()>();
        scope.spawn(move || {
            if finished.recv_timeout(WORTH_A_WORD) == Err(RecvTimeoutError::Timeout) {
                write_over(&format!("waiting for {for_whom} …"));
                let _ = finished.recv();
                write_over("");
            }
        });
        let result = work();
        drop(done);
        result
    })
}

/// How far something is that is done to many.
pub(crate) struct Progress {
    what: &'static str,
    of: usize,
    next: Option<Instant>,
    written: bool,
}

impl Progress {
    pub(crate) fn new(what: &'static str, of: usize) -> Self {
        let next = at_terminal().then(|| Instant::now() + WORTH_A_WORD);
        Self { what, of, next, written: false }
    }

    /// So many are done.
    pub(crate) fn at(&mut self, done: usize) {
        if self.next.is_some_and(|next| Instant::now() >= next) {
            write_over(&format!("{}: {done} of {} …", self.what, self.of));
            self.next = Some(Instant::now() + ANEW);
            self.written = true;
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.written {
            write_over("");
        }
    }
}
