//! What both servers are told to answer, and how they begin and end.

use std::io::{self, BufRead, Read};
use std::net::TcpListener;
use std::process;

/// Where an answer's body comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It is always the same.
    Fixed,
    /// It is always the same, sent in pieces of 64 KiB without a length.
    Streamed,
    /// It is the request's.
    Echoed,
    /// It is the length of the request's, in decimal.
    Counted,
}

/// What to answer, as bench/native.js writes it to standard input.
#[derive(Debug)]
pub struct Spec {
    /// Where the body comes from.
    pub kind: Kind,
    /// The body, unless the request brings it.
    pub body: Vec<u8>,
    /// The answer's fields.
    pub fields: Vec<(String, String)>,
    /// Request fields to look at: the body is how many of them are as given here, and " fields".
    pub looked_at: Vec<(String, String)>,
    /// Whether each connection is closed behind its answer.
    pub close: bool,
    /// Whether the answer waits until the event loop has gone round.
    pub later: bool,
}

impl Spec {
    /// Reads lines of a word and a value up to `body LENGTH`, then the body.
    ///
    /// # Errors
    /// `InvalidData` for a line that is none of these.
    pub fn read(input: &mut impl BufRead) -> io::Result<Self> {
        let mut spec = Spec {
            kind: Kind::Fixed,
            body: Vec::new(),
            fields: Vec::new(),
            looked_at: Vec::new(),
            close: false,
            later: false,
        };
        loop {
            let mut text = String::new();
            input.read_line(&mut text)?;
            let line = text.trim_end();
            let (word, value) = line.split_once(' ').unwrap_or((line, ""));
            let field = || value.split_once(": ").map(|(n, v)| (n.into(), v.into()));
            match (word, value, field()) {
                ("kind", "fixed", _) => spec.kind = Kind::Fixed,
                ("kind", "streamed", _) => spec.kind = Kind::Streamed,
                ("kind", "echoed", _) => spec.kind = Kind::Echoed,
                ("kind", "counted", _) => spec.kind = Kind::Counted,
                ("field", _, Some(field)) => spec.fields.push(field),
                ("looks-at", _, Some(field)) => spec.looked_at.push(field),
                ("close", "", _) => spec.close = true,
                ("later", "", _) => spec.later = true,
                ("body", length, _) => {
                    spec.body = vec![0; length.parse().map_err(io::Error::other)?];
                    input.read_exact(&mut spec.body)?;
                    return Ok(spec);
                }
                _ => return Err(io::Error::new(io::ErrorKind::InvalidData, line)),
            }
        }
    }
}

/// Reads the spec, listens on a free port of 127.0.0.1, and says on which. The process ends when standard input does: its parent
/// may die without a word.
///
/// # Errors
/// Those of reading and listening.
pub fn start() -> io::Result<(Spec, TcpListener)> {
    let mut input = io::BufReader::new(io::stdin());
    let spec = Spec::read(&mut input)?;
    let listener = TcpListener::bind(("127.0.0.1", 0))?;
    listener.set_nonblocking(true)?;
    println!("{}", listener.local_addr()?.port());
    std::thread::spawn(move || {
        let _ = io::copy(&mut input.by_ref(), &mut io::sink());
        process::exit(0);
    });
    Ok((spec, listener))
}
