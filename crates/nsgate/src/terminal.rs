//! Output. On a terminal: colours, the place of an error on the command line, and progress; not so in a pipe.

use nsgate_config::CommandLine;
use std::{
    io::{IsTerminal, Write},
    sync::mpsc::{RecvTimeoutError, channel},
    time::{Duration, Instant},
};

/// Progress is shown after this time.
const WORTH_A_WORD: Duration = Duration::from_secs(1);
/// Time between two updates of progress.
const ANEW: Duration = Duration::from_millis(100);

/// Writes to standard output. If the reader is gone (`nsgate list | head`), the program ends quietly. On any other error it prints
/// the error and fails.
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

/// Writes to standard error, and ignores an error. In the foreground standard error is non-blocking, where `eprintln!` would panic.
pub(crate) fn write_error(text: std::fmt::Arguments<'_>) {
    // There is no place to report it.
    let _ = std::io::stderr().lock().write_fmt(text);
}

/// A line on standard error, by [`write_error`].
macro_rules! complain {
    ($($part:tt)*) => {
        $crate::terminal::write_error(format_args!("{}\n", format_args!($($part)*)))
    };
}
pub(crate) use complain;

/// Prints a warning of a gate that has no log.
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

/// An error on the command line of a program that agents start. They log one line; on a terminal the place is shown as well.
pub(crate) fn mistake(sentence: String) -> String {
    if !at_terminal() {
        return sentence;
    }
    let line = CommandLine::new(std::env::args_os());
    line.error(line.spoken_of(&sentence), &sentence, "").render(colours())
}

/// Replaces the current line of the terminal; an empty text clears it.
fn write_over(text: &str) {
    let mut stream = std::io::stderr().lock();
    // A terminal that is gone is no error.
    let _ = write!(stream, "\r\x1b[K{text}");
    let _ = stream.flush();
}

/// Does work that may wait for another process, and after a second prints for which.
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

/// Progress of work on many items.
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

    /// Reports that `done` items are done.
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
