//! Raw bytes of a guest that wants to be taken for another, and what nsgate must do with them.
//!
//! Two kinds. [`generated`] crosses every header that names an identity with every way to spell it; the other modules
//! are written by hand, one theme each, after the open points of RFC 9110 and 9112 and publications about
//! request smuggling. Every vector carries values of its own, so that a value found at the agent names its vector.

mod chunks;
mod coding;
mod connection;
mod generated;
mod host;
mod length;
mod lines;
mod method;
mod pipeline;
mod target;
mod values;
mod version;

/// One input and what nsgate must do with it.
#[derive(Debug, Clone)]
pub struct Vector {
    /// The theme and what is special about this one.
    pub name: String,
    /// Every byte the guest sends, on one connection.
    pub bytes: Vec<u8>,
    /// The requests in these bytes, in order, for a reader that keeps to the RFC and forgives what it may. For bytes that are
    /// no request, the request that they pretend to be. An agent that sees more was deceived.
    pub honest: Vec<Honest>,
    /// How many of the honest requests the agent must get from nsgate.
    pub forwarded: usize,
    /// The status with which nsgate refuses the next request, and closes.
    pub refused: Option<u16>,
}

/// A request as the guest means it, and as the agent must understand it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Honest {
    /// The method.
    pub method: String,
    /// The target, unchanged.
    pub target: String,
    /// The body without its framing.
    pub body: Vec<u8>,
}

/// The path most vectors ask for.
pub const PATH: &str = "/latest/meta-data/";

/// Stands for an address of the guest's choice; the digits behind the second dot become the vector's number.
const ADDRESS: &str = "10.99.100.100";
/// Stands for a UUID of the guest's choice; its last digits become the vector's number.
const UUID: &str = "99999999-0000-4000-8000-000000000000";

/// Every generated vector.
pub fn generated() -> Vec<Vector> {
    numbered(generated::all())
}

/// Every vector, generated or written by hand.
pub fn all() -> Vec<Vector> {
    let themes = [
        generated::all(),
        length::all(),
        coding::all(),
        chunks::all(),
        lines::all(),
        values::all(),
        target::all(),
        method::all(),
        version::all(),
        host::all(),
        connection::all(),
        pipeline::all(),
    ];
    numbered(themes.concat())
}

/// Gives every vector values of its own, of the same length, so that no framing changes.
fn numbered(mut vectors: Vec<Vector>) -> Vec<Vector> {
    for (number, vector) in vectors.iter_mut().enumerate() {
        let address = format!("10.99.{}.{}", 100 + number / 100, 100 + number % 100);
        let uuid = format!("{}{number:012}", &UUID[..24]);
        let own = |bytes: &[u8]| replaced(&replaced(bytes, ADDRESS, &address), UUID, &uuid);
        vector.bytes = own(&vector.bytes);
        for honest in &mut vector.honest {
            honest.body = own(&honest.body);
            honest.target = String::from_utf8_lossy(&own(honest.target.as_bytes())).into_owned();
        }
    }
    vectors
}

fn replaced(bytes: &[u8], old: &str, new: &str) -> Vec<u8> {
    let (mut rest, mut out) = (bytes, Vec::with_capacity(bytes.len()));
    while let Some(at) = rest.windows(old.len()).position(|window| window == old.as_bytes()) {
        out.extend_from_slice(&rest[..at]);
        out.extend_from_slice(new.as_bytes());
        rest = &rest[at + old.len()..];
    }
    out.extend_from_slice(rest);
    out
}

impl Honest {
    /// `GET` of [`PATH`].
    fn get() -> Honest {
        Honest::of("GET", PATH, b"")
    }

    fn of(method: &str, target: &str, body: &[u8]) -> Honest {
        Honest { method: method.to_owned(), target: target.to_owned(), body: body.to_vec() }
    }
}

impl Vector {
    /// One GET that must be refused.
    fn refused(name: impl Into<String>, status: u16, bytes: impl Into<Vec<u8>>) -> Vector {
        Vector::new(name, bytes, vec![Honest::get()], 0, Some(status))
    }

    /// One request that must arrive, and nothing else.
    fn clean(name: impl Into<String>, bytes: impl Into<Vec<u8>>, honest: Honest) -> Vector {
        Vector::new(name, bytes, vec![honest], 1, None)
    }

    /// A reader that forgives what the RFC lets it forgive may take [`hidden`] for a request: that is no deceit.
    fn then_hidden(mut self) -> Vector {
        self.honest.push(Honest::of("GET", "/hidden", b""));
        self
    }

    fn new(
        name: impl Into<String>,
        bytes: impl Into<Vec<u8>>,
        honest: Vec<Honest>,
        forwarded: usize,
        refused: Option<u16>,
    ) -> Vector {
        Vector { name: name.into(), bytes: bytes.into(), honest, forwarded, refused }
    }
}

/// A request to be smuggled. It forges nothing: only its arrival shows it.
fn hidden() -> String {
    "GET /hidden HTTP/1.1\r\nHost: a\r\n\r\n".to_owned()
}

/// `GET` of [`PATH`] with these lines (each with its end) before the empty one, `Connection: close` behind them.
fn get_with(lines: &[u8]) -> Vec<u8> {
    [format!("GET {PATH} HTTP/1.1\r\nHost: a\r\n").as_bytes(), lines, b"Connection: close\r\n\r\n"].concat()
}

/// `POST` to [`PATH`] with these lines and what follows the head. The connection stays open for more.
fn post_with(lines: &[u8], rest: &[u8]) -> Vec<u8> {
    [format!("POST {PATH} HTTP/1.1\r\nHost: a\r\n").as_bytes(), lines, b"\r\n", rest].concat()
}

/// One POST that must be refused.
fn bad_post(name: &str, status: u16, lines: &[u8], rest: &[u8]) -> Vector {
    Vector::new(name, post_with(lines, rest), vec![Honest::of("POST", PATH, b"")], 0, Some(status))
}

/// One POST that ends before its body does: nothing arrives, and no guest is left to be answered.
fn cut_post(name: &str, lines: &[u8], rest: &[u8]) -> Vector {
    Vector::new(name, post_with(lines, rest), vec![Honest::of("POST", PATH, b"")], 0, None)
}

/// One POST that must arrive with this body.
fn good_post(name: &str, lines: &[u8], rest: &[u8], body: &[u8]) -> Vector {
    Vector::clean(name, post_with(lines, rest), Honest::of("POST", PATH, body))
}
