//! What a connection puts up with.

/// How far from RFC 9112 the peer may stray: one value, a set of llhttp's lenient flags.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Leniency(u16);

impl Leniency {
    /// Nothing is forgiven.
    pub const STRICT: Leniency = Leniency(0);
    /// Node's `insecureHTTPParser`: everything llhttp can forgive.
    pub const INSECURE: Leniency = Leniency(0x3ff);
    /// Node's `httpValidation: 'relaxed'`: control characters in field values, as Fetch allows them.
    pub const RELAXED: Leniency = Leniency(1 << 10);

    pub(crate) const HEADERS: Leniency = Leniency(1);
    pub(crate) const CHUNKED_LENGTH: Leniency = Leniency(1 << 1);
    pub(crate) const KEEP_ALIVE: Leniency = Leniency(1 << 2);
    pub(crate) const TRANSFER_ENCODING: Leniency = Leniency(1 << 3);
    pub(crate) const VERSION: Leniency = Leniency(1 << 4);
    pub(crate) const DATA_AFTER_CLOSE: Leniency = Leniency(1 << 5);
    pub(crate) const OPTIONAL_LF_AFTER_CR: Leniency = Leniency(1 << 6);
    pub(crate) const OPTIONAL_CRLF_AFTER_CHUNK: Leniency = Leniency(1 << 7);
    pub(crate) const OPTIONAL_CR_BEFORE_LF: Leniency = Leniency(1 << 8);
    pub(crate) const SPACES_AFTER_CHUNK_SIZE: Leniency = Leniency(1 << 9);

    /// From llhttp's numbers (`HTTPParser.kLenient*`); unknown bits are dropped.
    pub const fn from_bits(bits: u16) -> Leniency {
        Leniency(bits & 0x7ff)
    }

    pub(crate) const fn allows(self, what: Leniency) -> bool {
        self.0 & what.0 != 0
    }
}

/// How much the peer may send where nothing else bounds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of request target or reason, field names and field values of one head; and, again, of its trailers. Node's
    /// `maxHeaderSize`: a head that reaches it is refused.
    pub max_head: usize,
    /// Bytes of the extensions of one chunk.
    pub max_chunk_extensions: usize,
}

impl Default for Limits {
    /// Node's: 16 KiB each.
    fn default() -> Self {
        Limits {
            max_head: 16 * 1024,
            max_chunk_extensions: 16 * 1024,
        }
    }
}

/// What stays the same during a connection's life.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Config {
    /// See [`Limits`].
    pub limits: Limits,
    /// See [`Leniency`].
    pub leniency: Leniency,
}
