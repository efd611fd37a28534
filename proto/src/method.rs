//! The methods llhttp knows; any other is refused.

macro_rules! methods {
    ($($name:ident = $index:literal $text:literal),+ $(,)?) => {
        /// A request method. `as u8` is its number in llhttp's table.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(u8)]
        pub enum Method {
            $(#[doc = concat!("`", $text, "`")] $name = $index),+
        }

        impl Method {
            pub(crate) const ALL: &'static [Method] = &[$(Method::$name),+];

            /// The method as it stands on the wire.
            pub const fn as_str(self) -> &'static str {
                match self { $(Method::$name => $text),+ }
            }
        }
    };
}

methods! {
    Delete = 0 "DELETE", Get = 1 "GET", Head = 2 "HEAD", Post = 3 "POST", Put = 4 "PUT",
    Connect = 5 "CONNECT", Options = 6 "OPTIONS", Trace = 7 "TRACE",
    Copy = 8 "COPY", Lock = 9 "LOCK", Mkcol = 10 "MKCOL", Move = 11 "MOVE", Propfind = 12 "PROPFIND",
    Proppatch = 13 "PROPPATCH", Search = 14 "SEARCH", Unlock = 15 "UNLOCK", Bind = 16 "BIND",
    Rebind = 17 "REBIND", Unbind = 18 "UNBIND", Acl = 19 "ACL",
    Report = 20 "REPORT", Mkactivity = 21 "MKACTIVITY", Checkout = 22 "CHECKOUT", Merge = 23 "MERGE",
    MSearch = 24 "M-SEARCH", Notify = 25 "NOTIFY", Subscribe = 26 "SUBSCRIBE", Unsubscribe = 27 "UNSUBSCRIBE",
    Patch = 28 "PATCH", Purge = 29 "PURGE", Mkcalendar = 30 "MKCALENDAR", Link = 31 "LINK", Unlink = 32 "UNLINK",
    Source = 33 "SOURCE", Pri = 34 "PRI",
    Describe = 35 "DESCRIBE", Announce = 36 "ANNOUNCE", Setup = 37 "SETUP", Play = 38 "PLAY", Pause = 39 "PAUSE",
    Teardown = 40 "TEARDOWN", GetParameter = 41 "GET_PARAMETER", SetParameter = 42 "SET_PARAMETER",
    Redirect = 43 "REDIRECT", Record = 44 "RECORD", Flush = 45 "FLUSH", Query = 46 "QUERY",
}

impl Method {
    /// The length of the longest name in the table, in bytes.
    pub(crate) const LONGEST: usize = 13;

    pub(crate) fn from_bytes(name: &[u8]) -> Option<Method> {
        match name {
            b"GET" => Some(Method::Get),
            b"POST" => Some(Method::Post),
            _ => Self::ALL
                .iter()
                .copied()
                .find(|method| method.as_str().as_bytes() == name),
        }
    }

    /// Whether some name in the table begins with `start`.
    pub(crate) fn any_begins_with(start: &[u8]) -> bool {
        Self::ALL
            .iter()
            .any(|method| method.as_str().as_bytes().starts_with(start))
    }

    /// Whether llhttp takes this method in front of `HTTP/`.
    pub(crate) const fn is_http(self) -> bool {
        self as u8 <= Method::Pri as u8 || self as u8 == Method::Query as u8
    }

    /// Whether llhttp takes this method in front of `RTSP/`.
    pub(crate) const fn is_rtsp(self) -> bool {
        matches!(self, Method::Options | Method::Get | Method::Post)
            || (self as u8 >= Method::Describe as u8 && self as u8 <= Method::Flush as u8)
    }
}

#[cfg(test)]
mod tests {
    use super::Method;

    #[test]
    fn every_name_finds_its_method() {
        for (index, method) in Method::ALL.iter().enumerate() {
            assert_eq!(*method as usize, index);
            assert_eq!(
                Method::from_bytes(method.as_str().as_bytes()),
                Some(*method)
            );
            assert!(method.as_str().len() <= Method::LONGEST);
        }
        assert_eq!(Method::from_bytes(b"get"), None);
        assert_eq!(Method::from_bytes(b""), None);
        assert_eq!(Method::from_bytes(b"GETX"), None);
    }
}
