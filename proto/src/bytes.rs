//! Classes of octets, as llhttp sorts them.

const fn table(members: &[u8], ranges: &[(u8, u8)]) -> [bool; 256] {
    let mut table = [false; 256];
    let mut index = 0;
    while index < members.len() {
        table[members[index] as usize] = true;
        index += 1;
    }
    index = 0;
    while index < ranges.len() {
        let mut byte = ranges[index].0 as usize;
        while byte <= ranges[index].1 as usize {
            table[byte] = true;
            byte += 1;
        }
        index += 1;
    }
    table
}

static TOKEN: [bool; 256] = table(
    b"!#$%&'*+-.^_`|~",
    &[(b'0', b'9'), (b'A', b'Z'), (b'a', b'z')],
);
static VALUE: [bool; 256] = table(b"\t", &[(b' ', b'~'), (0x80, 0xff)]);
static USERINFO: [bool; 256] = table(
    b"-_.!~*'()%;:&=+$,",
    &[(b'0', b'9'), (b'A', b'Z'), (b'a', b'z')],
);

/// RFC 9110's tchar.
#[inline]
pub(crate) fn is_token(byte: u8) -> bool {
    TOKEN[usize::from(byte)]
}

/// What a field value may have: HTAB, SP, VCHAR, obs-text.
#[inline]
pub(crate) fn is_value(byte: u8) -> bool {
    VALUE[usize::from(byte)]
}

/// What `httpValidation: 'relaxed'` adds: every control character but NUL, CR and LF.
#[inline]
pub(crate) fn is_relaxed_value(byte: u8) -> bool {
    !is_value(byte) && !matches!(byte, 0 | b'\r' | b'\n')
}

/// What may stand in a quoted string without a backslash.
#[inline]
pub(crate) fn is_quotable(byte: u8) -> bool {
    is_value(byte) && byte != b'"' && byte != b'\\'
}

/// What may stand before the path of a URL, delimiters apart.
#[inline]
pub(crate) fn is_userinfo(byte: u8) -> bool {
    USERINFO[usize::from(byte)]
}

/// What may stand in the path of a URL: visible ASCII but `?` and `#`.
#[inline]
pub(crate) fn is_path(byte: u8) -> bool {
    byte.is_ascii_graphic() && byte != b'?' && byte != b'#'
}
