//! Header fields and trailers, octet by octet.

use crate::bytes::{is_relaxed_value, is_token, is_value};
use crate::diagnose::Cursor;
use crate::error::{Code, ParseError};
use crate::head::{FieldSpan, Flags, Parsed, Span, Start};
use crate::limits::{Config, Leniency};

/// Where in a section of fields the input stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    /// After the start line.
    SectionStart,
    LineStart,
    Name,
    /// White space between a name and its colon.
    AfterName,
    BeforeValue,
    BlankLf,
    AfterBlank,
    ValueStart,
    Value,
    AnyValue,
    /// So many octets of `chunked` have come.
    Coding(usize),
    AfterChunked,
    CodingRest,
    BeforeCoding,
    Digits,
    AfterDigits,
    BeforeOption,
    /// So many octets of this connection option have come.
    Option(&'static (&'static [u8], Meaning), usize),
    AfterOption,
    OptionRest,
    ValueEnd,
    ValueLf,
    AfterValue,
    SectionLf,
}

/// What a field, or the last connection option or transfer coding of it, means for the message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Meaning {
    Nothing,
    Connection,
    ContentLength,
    TransferEncoding,
    Upgrade,
    Host,
    Expect,
    KeepAlive,
    Close,
    ConnectionUpgrade,
    Chunked,
}

static OPTIONS: [(&[u8], Meaning); 3] = [
    (b"close", Meaning::Close),
    (b"upgrade", Meaning::ConnectionUpgrade),
    (b"keep-alive", Meaning::KeepAlive),
];
const CHUNKED: &[u8] = b"chunked";

/// Reads a section of fields.
#[derive(Clone, Debug)]
pub(crate) struct FieldReader {
    at: At,
    meaning: Meaning,
    field: FieldSpan,
}

impl FieldReader {
    pub fn head() -> FieldReader {
        FieldReader {
            at: At::SectionStart,
            meaning: Meaning::Nothing,
            field: FieldSpan::default(),
        }
    }

    pub fn trailers() -> FieldReader {
        FieldReader {
            at: At::LineStart,
            meaning: Meaning::Nothing,
            field: FieldSpan::default(),
        }
    }

    /// True: the section has ended. False: all input was taken.
    pub fn read(
        &mut self,
        cursor: &mut Cursor<'_>,
        parsed: &mut Parsed,
        config: &Config,
    ) -> Result<bool, ParseError> {
        let lenient = |what| config.leniency.allows(what);
        while let Some(byte) = cursor.peek() {
            let here = cursor.index;
            let after = here + 1;
            let fail = |code, reason, at| Err(ParseError::new(code, reason, at));
            let invalid = |reason, at| Err(ParseError::new(Code::InvalidHeaderToken, reason, at));
            // Whether this octet is taken, rather than looked at again in the next state.
            let mut take = true;
            let next = match self.at {
                At::SectionStart if byte == b' ' => {
                    if !lenient(Leniency::HEADERS) {
                        return fail(
                            Code::UnexpectedSpace,
                            "Unexpected space after start line",
                            after,
                        );
                    }
                    At::LineStart
                }
                At::SectionStart => {
                    take = false;
                    At::LineStart
                }
                At::LineStart => match byte {
                    b'\r' => At::SectionLf,
                    b'\n' if lenient(Leniency::OPTIONAL_CR_BEFORE_LF) => {
                        return self.done(cursor, after);
                    }
                    b'\n' => return invalid("Invalid header field char", after),
                    b':' => return invalid("Invalid header token", here),
                    _ => {
                        take = false;
                        cursor.mark = here;
                        self.field.name = Span::new(parsed.text.len(), 0);
                        At::Name
                    }
                },
                At::Name => {
                    take = false;
                    cursor.skip_while(is_token);
                    match cursor.peek() {
                        None => At::Name,
                        Some(b':') => {
                            cursor.keep(parsed, cursor.index + 1, config)?;
                            self.meaning = self.meaning_of_name(parsed);
                            self.name_ends(cursor, parsed, config)?
                        }
                        Some(b' ') if self.is_special(cursor, parsed, config)? => {
                            if !lenient(Leniency::HEADERS) {
                                return invalid("Invalid header field char", cursor.index + 1);
                            }
                            At::AfterName
                        }
                        Some(_) => return invalid("Invalid header token", cursor.index),
                    }
                }
                At::AfterName => match byte {
                    b' ' => At::AfterName,
                    b':' => {
                        take = false;
                        cursor.keep(parsed, after, config)?;
                        self.name_ends(cursor, parsed, config)?
                    }
                    _ => {
                        take = false;
                        self.meaning = Meaning::Nothing;
                        At::Name
                    }
                },
                At::BeforeValue => match byte {
                    b' ' | b'\t' => At::BeforeValue,
                    b'\r' => At::BlankLf,
                    b'\n' if lenient(Leniency::OPTIONAL_CR_BEFORE_LF) => At::AfterBlank,
                    b'\n' => return invalid("Invalid header value char", after),
                    _ => {
                        take = false;
                        cursor.mark = here;
                        At::ValueStart
                    }
                },
                At::BlankLf => {
                    take = byte == b'\n';
                    if !take && !lenient(Leniency::HEADERS) {
                        return fail(Code::Strict, "Expected LF after CR", here);
                    }
                    At::AfterBlank
                }
                At::AfterBlank if matches!(byte, b' ' | b'\t') => {
                    if !lenient(Leniency::HEADERS) {
                        return invalid("Invalid header value char", after);
                    }
                    At::BeforeValue
                }
                At::AfterBlank => {
                    take = false;
                    match self.meaning {
                        Meaning::ContentLength => {
                            return fail(Code::InvalidContentLength, "Empty Content-Length", here);
                        }
                        Meaning::TransferEncoding => {
                            return fail(
                                Code::InvalidTransferEncoding,
                                "Empty Transfer-Encoding",
                                here,
                            );
                        }
                        _ => self.field_ends(parsed),
                    }
                }
                At::ValueStart => {
                    take = false;
                    self.value_starts(here, parsed, config)?
                }
                At::Value => {
                    take = false;
                    cursor.skip_while(is_value);
                    At::ValueEnd
                }
                At::AnyValue => {
                    take = false;
                    cursor.skip_while(|byte| byte != b'\r' && byte != b'\n');
                    match cursor.peek() {
                        None => At::AnyValue,
                        Some(b'\r') => {
                            cursor.keep(parsed, cursor.index + 1, config)?;
                            cursor.index += 1;
                            At::ValueLf
                        }
                        Some(_) => {
                            cursor.keep(parsed, cursor.index, config)?;
                            At::ValueLf
                        }
                    }
                }
                At::Coding(count) if byte.eq_ignore_ascii_case(&CHUNKED[count]) => {
                    if count + 1 == CHUNKED.len() {
                        At::AfterChunked
                    } else {
                        At::Coding(count + 1)
                    }
                }
                At::Coding(_) => {
                    take = false;
                    At::CodingRest
                }
                At::AfterChunked => match byte {
                    b' ' => At::AfterChunked,
                    b'\r' | b'\n' => {
                        take = false;
                        self.meaning = Meaning::Chunked;
                        At::ValueEnd
                    }
                    b',' => {
                        take = false;
                        forbid_after_chunked(here, parsed, config)?;
                        At::Coding(0)
                    }
                    _ => {
                        take = false;
                        At::CodingRest
                    }
                },
                At::CodingRest if byte == b',' => At::BeforeCoding,
                At::CodingRest if is_value(byte) => At::CodingRest,
                At::CodingRest => {
                    take = false;
                    self.meaning = Meaning::Nothing;
                    At::Value
                }
                At::BeforeCoding if matches!(byte, b' ' | b'\t') => At::BeforeCoding,
                At::BeforeCoding => {
                    take = false;
                    At::Coding(0)
                }
                At::Digits if byte.is_ascii_digit() => {
                    let length = parsed.content_length.checked_mul(10);
                    match length.and_then(|length| length.checked_add(u64::from(byte - b'0'))) {
                        Some(length) => parsed.content_length = length,
                        None => {
                            return fail(
                                Code::InvalidContentLength,
                                "Content-Length overflow",
                                after,
                            );
                        }
                    }
                    At::Digits
                }
                At::Digits => {
                    take = false;
                    At::AfterDigits
                }
                At::AfterDigits => match byte {
                    b' ' | b'\t' => At::AfterDigits,
                    b'\r' | b'\n' => {
                        take = false;
                        parsed.flags |= Flags::CONTENT_LENGTH;
                        At::ValueEnd
                    }
                    _ => {
                        cursor.keep(parsed, here, config)?;
                        return fail(
                            Code::InvalidContentLength,
                            "Invalid character in Content-Length",
                            here,
                        );
                    }
                },
                At::BeforeOption if matches!(byte, b' ' | b'\t') => At::BeforeOption,
                At::BeforeOption => {
                    match OPTIONS
                        .iter()
                        .find(|(name, _)| name[0] == byte.to_ascii_lowercase())
                    {
                        Some(option) => At::Option(option, 1),
                        None => {
                            take = false;
                            At::OptionRest
                        }
                    }
                }
                At::Option(option, count) if byte.eq_ignore_ascii_case(&option.0[count]) => {
                    if count + 1 == option.0.len() {
                        self.meaning = option.1;
                        At::AfterOption
                    } else {
                        At::Option(option, count + 1)
                    }
                }
                At::Option(..) => {
                    take = false;
                    At::OptionRest
                }
                At::AfterOption => match byte {
                    b',' => {
                        self.apply(parsed);
                        At::BeforeOption
                    }
                    b' ' | b'\t' => At::AfterOption,
                    b'\r' | b'\n' => {
                        take = false;
                        At::ValueEnd
                    }
                    _ => {
                        take = false;
                        self.meaning = Meaning::Nothing;
                        At::OptionRest
                    }
                },
                At::OptionRest if byte == b',' => At::BeforeOption,
                At::OptionRest if is_value(byte) => At::OptionRest,
                At::OptionRest => {
                    take = false;
                    At::ValueEnd
                }
                At::ValueEnd => match byte {
                    b'\r' => {
                        cursor.keep(parsed, after, config)?;
                        At::ValueLf
                    }
                    b'\n' => {
                        cursor.keep(parsed, here, config)?;
                        if !lenient(Leniency::OPTIONAL_CR_BEFORE_LF) {
                            return fail(
                                Code::CrExpected,
                                "Missing expected CR after header value",
                                here,
                            );
                        }
                        take = false;
                        At::ValueLf
                    }
                    _ if lenient(Leniency::HEADERS) => {
                        take = false;
                        At::AnyValue
                    }
                    _ if lenient(Leniency::RELAXED) && is_relaxed_value(byte) => At::Value,
                    _ => {
                        cursor.keep(parsed, here, config)?;
                        return invalid("Invalid header value char", here);
                    }
                },
                At::ValueLf if byte == b'\n' => At::AfterValue,
                At::ValueLf => {
                    return fail(
                        Code::LfExpected,
                        "Missing expected LF after header value",
                        here,
                    );
                }
                At::AfterValue if matches!(byte, b' ' | b'\t') => {
                    if !lenient(Leniency::HEADERS) {
                        return invalid("Unexpected whitespace after header value", here);
                    }
                    take = false;
                    cursor.mark = here;
                    if self.meaning == Meaning::Chunked {
                        self.meaning = Meaning::Nothing;
                    }
                    At::ValueStart
                }
                At::AfterValue => {
                    take = false;
                    self.field_ends(parsed)
                }
                At::SectionLf if byte == b'\n' => return self.done(cursor, after),
                At::SectionLf if lenient(Leniency::OPTIONAL_LF_AFTER_CR) => {
                    return self.done(cursor, here);
                }
                At::SectionLf => return fail(Code::Strict, "Expected LF after headers", here),
            };
            self.at = next;
            if take {
                cursor.index = after;
            }
        }
        if self.in_text() {
            cursor.keep(parsed, cursor.index, config)?;
        }
        Ok(false)
    }

    fn done(&self, cursor: &mut Cursor<'_>, at: usize) -> Result<bool, ParseError> {
        cursor.index = at;
        Ok(true)
    }

    fn in_text(&self) -> bool {
        !matches!(
            self.at,
            At::SectionStart
                | At::LineStart
                | At::BeforeValue
                | At::BlankLf
                | At::AfterBlank
                | At::ValueLf
                | At::AfterValue
                | At::SectionLf
        )
    }

    fn meaning_of_name(&self, parsed: &Parsed) -> Meaning {
        let name = &parsed.text[self.field.name.start as usize..];
        let is = |special: &str| name.eq_ignore_ascii_case(special.as_bytes());
        match name.len() {
            4 if is("host") => Meaning::Host,
            6 if is("expect") => Meaning::Expect,
            7 if is("upgrade") => Meaning::Upgrade,
            10 if is("connection") => Meaning::Connection,
            14 if is("content-length") => Meaning::ContentLength,
            16 if is("proxy-connection") => Meaning::Connection,
            17 if is("transfer-encoding") => Meaning::TransferEncoding,
            _ => Meaning::Nothing,
        }
    }

    /// llhttp looks at a space after a name only where the name is one that it knows.
    fn is_special(
        &mut self,
        cursor: &mut Cursor<'_>,
        parsed: &mut Parsed,
        config: &Config,
    ) -> Result<bool, ParseError> {
        cursor.keep(parsed, cursor.index + 1, config)?;
        self.meaning = self.meaning_of_name(parsed);
        Ok(!matches!(
            self.meaning,
            Meaning::Nothing | Meaning::Host | Meaning::Expect
        ))
    }

    /// At the colon, which is taken here; the name has been kept.
    fn name_ends(
        &mut self,
        cursor: &mut Cursor<'_>,
        parsed: &mut Parsed,
        config: &Config,
    ) -> Result<At, ParseError> {
        cursor.index += 1;
        let start = self.field.name.start as usize;
        self.field.name = Span::new(start, parsed.text.len() - start);
        self.field.value = Span::new(parsed.text.len(), 0);
        let fail = |code, reason| Err(ParseError::new(code, reason, cursor.index));
        let strict = !config.leniency.allows(Leniency::CHUNKED_LENGTH);
        match self.meaning {
            Meaning::TransferEncoding if strict && parsed.flags.has(Flags::CONTENT_LENGTH) => fail(
                Code::InvalidTransferEncoding,
                "Transfer-Encoding can't be present with Content-Length",
            ),
            Meaning::ContentLength if strict && parsed.flags.has(Flags::TRANSFER_ENCODING) => fail(
                Code::InvalidContentLength,
                "Content-Length can't be present with Transfer-Encoding",
            ),
            _ => Ok(At::BeforeValue),
        }
    }

    fn value_starts(
        &mut self,
        here: usize,
        parsed: &mut Parsed,
        config: &Config,
    ) -> Result<At, ParseError> {
        match self.meaning {
            Meaning::Upgrade => {
                parsed.flags |= Flags::UPGRADE;
                self.meaning = Meaning::Nothing;
                Ok(At::Value)
            }
            Meaning::TransferEncoding => {
                if parsed.flags.has(Flags::CHUNKED) {
                    forbid_after_chunked(here, parsed, config)?;
                }
                parsed.flags |= Flags::TRANSFER_ENCODING;
                parsed.flags.remove(Flags::CHUNKED);
                Ok(At::Coding(0))
            }
            Meaning::ContentLength if parsed.flags.has(Flags::CONTENT_LENGTH) => {
                Err(ParseError::new(
                    Code::UnexpectedContentLength,
                    "Duplicate Content-Length",
                    here,
                ))
            }
            Meaning::ContentLength => Ok(At::Digits),
            Meaning::Connection => Ok(At::BeforeOption),
            _ => Ok(At::Value),
        }
    }

    /// Sets the flag for the connection option or the coding read last.
    fn apply(&mut self, parsed: &mut Parsed) {
        let flag = match self.meaning {
            Meaning::KeepAlive => Flags::CONNECTION_KEEP_ALIVE,
            Meaning::Close => Flags::CONNECTION_CLOSE,
            Meaning::ConnectionUpgrade => Flags::CONNECTION_UPGRADE,
            Meaning::Chunked => Flags::CHUNKED,
            Meaning::Host => Flags::HOST,
            Meaning::Expect => Flags::EXPECT,
            _ => return,
        };
        parsed.flags |= flag;
        if matches!(
            self.meaning,
            Meaning::KeepAlive | Meaning::Close | Meaning::ConnectionUpgrade
        ) {
            self.meaning = Meaning::Connection;
        }
    }

    fn field_ends(&mut self, parsed: &mut Parsed) -> At {
        self.apply(parsed);
        let start = self.field.value.start as usize;
        let value = &parsed.text[start..];
        let len = value
            .iter()
            .rposition(|byte| !matches!(byte, b' ' | b'\t'))
            .map_or(0, |last| last + 1);
        self.field.value = Span::new(start, len);
        parsed.fields.push(self.field);
        At::LineStart
    }
}

/// Once a request is chunked, no other coding may follow (RFC 9112, section 6.1).
fn forbid_after_chunked(here: usize, parsed: &Parsed, config: &Config) -> Result<(), ParseError> {
    let request = matches!(parsed.start, Start::Request(_));
    if request && !config.leniency.allows(Leniency::TRANSFER_ENCODING) {
        let reason = "Invalid `Transfer-Encoding` header value";
        return Err(ParseError::new(
            Code::InvalidTransferEncoding,
            reason,
            here + 1,
        ));
    }
    Ok(())
}
