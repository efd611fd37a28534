//! What can go wrong, sorted by who is to blame: the peer ([`ParseError`]) or the caller ([`SendError`]).

use thiserror::Error;

macro_rules! codes {
    ($($name:ident = $text:literal),+ $(,)?) => {
        /// Why a message was refused: llhttp's error codes, the two that Node adds for its own limits, and
        /// `UnsolicitedResponse`, which is ours: llhttp keeps no account of requests.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Code {
            $(#[doc = concat!("`", $text, "`")] $name),+
        }

        impl Code {
            /// The code as Node shows it in `err.code`.
            pub const fn as_str(self) -> &'static str {
                match self { $(Code::$name => $text),+ }
            }
        }
    };
}

codes! {
    Strict = "HPE_STRICT",
    CrExpected = "HPE_CR_EXPECTED",
    LfExpected = "HPE_LF_EXPECTED",
    UnexpectedContentLength = "HPE_UNEXPECTED_CONTENT_LENGTH",
    UnexpectedSpace = "HPE_UNEXPECTED_SPACE",
    ClosedConnection = "HPE_CLOSED_CONNECTION",
    InvalidMethod = "HPE_INVALID_METHOD",
    InvalidUrl = "HPE_INVALID_URL",
    InvalidConstant = "HPE_INVALID_CONSTANT",
    UnsolicitedResponse = "HPE_UNSOLICITED_RESPONSE",
    InvalidVersion = "HPE_INVALID_VERSION",
    InvalidHeaderToken = "HPE_INVALID_HEADER_TOKEN",
    InvalidContentLength = "HPE_INVALID_CONTENT_LENGTH",
    InvalidChunkSize = "HPE_INVALID_CHUNK_SIZE",
    InvalidStatus = "HPE_INVALID_STATUS",
    InvalidEofState = "HPE_INVALID_EOF_STATE",
    InvalidTransferEncoding = "HPE_INVALID_TRANSFER_ENCODING",
    PausedH2Upgrade = "HPE_PAUSED_H2_UPGRADE",
    HeaderOverflow = "HPE_HEADER_OVERFLOW",
    ChunkExtensionsOverflow = "HPE_CHUNK_EXTENSIONS_OVERFLOW",
}

/// The peer sent what is not HTTP/1.1, or too much of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("{}: {reason}", code.as_str())]
pub struct ParseError {
    /// llhttp's code.
    pub code: Code,
    /// llhttp's text for it.
    pub reason: &'static str,
    /// Where the parser stopped, in bytes from the front of `input` as the failing call of `poll_event` got it.
    pub bytes_parsed: usize,
}

impl ParseError {
    pub(crate) const fn new(code: Code, reason: &'static str, bytes_parsed: usize) -> Self {
        ParseError {
            code,
            reason,
            bytes_parsed,
        }
    }
}

/// The caller asked to send what would not be a well-formed message. Nothing was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum SendError {
    /// A head while the message before it has not ended.
    #[error("the message before this one has not ended")]
    MessageOpen,
    /// A body or an end without a head.
    #[error("no message has been begun")]
    NoMessage,
    /// A body for a message which cannot have one (HEAD, 204, 304, ...).
    #[error("this message has no body")]
    NoBody,
    /// More bytes than the declared Content-Length.
    #[error("the body is longer than its Content-Length by {0} bytes")]
    TooLong(u64),
    /// The end before as many bytes as the declared Content-Length.
    #[error("the body is shorter than its Content-Length by {0} bytes")]
    TooShort(u64),
    /// Trailers for a message that is not chunked.
    #[error("only a chunked message has trailers")]
    NoTrailers,
    /// Anything after a message whose end is the connection's.
    #[error("the last message of this connection has been sent")]
    Closed,
}
