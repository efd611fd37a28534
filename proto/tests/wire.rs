//! Replays the fixtures in `wire/`: each is an input and the events that come of it, however the input is cut.
//!
//! A fixture is a heading, a code block `http`, and a code block `events`. In the input `\r`, `\n`, `\t`, `\\` and `\x00` are
//! escapes and the block's own line ends count for nothing. The words after `http` are the setting:
//! `server`, `client`, or `head` or `connect` for a client that sent such requests; `insecure` or `relaxed`; `max-head=N`;
//! `awaited=N`: how many requests the client has sent; `refuse`: the verdict on upgrades.

#[path = "support/events.rs"]
mod events;

use std::fs;
use std::path::Path;

use events::{Setting, replay, unescape, without_offsets_of_limits};
use ferrohttp_proto::{Expect, Leniency, Role};
use pulldown_cmark::{CodeBlockKind, Event, Parser, Tag, TagEnd};

struct Fixture {
    title: String,
    setting: Setting,
    input: Vec<u8>,
    expected: Vec<String>,
}

fn fixtures(markdown: &str) -> Vec<Fixture> {
    let mut fixtures = Vec::new();
    let mut title = String::new();
    let mut block = None;
    let mut input = None;
    let mut text = String::new();
    for event in Parser::new(markdown) {
        match event {
            Event::Start(Tag::Heading { .. }) => text.clear(),
            Event::End(TagEnd::Heading(_)) => title = std::mem::take(&mut text),
            Event::Start(Tag::CodeBlock(CodeBlockKind::Fenced(info))) => {
                text.clear();
                block = Some(info);
            }
            Event::End(TagEnd::CodeBlock) => {
                let info = block.take().expect("a fenced block");
                match info.split_once(' ').unwrap_or((&info, "")) {
                    ("http", words) => {
                        input = Some((setting(words), unescape(&text.replace('\n', ""))))
                    }
                    ("events", "") => {
                        let (setting, input) = input.take().expect("events after their input");
                        let expected = text.lines().map(String::from).collect();
                        fixtures.push(Fixture {
                            title: title.clone(),
                            setting,
                            input,
                            expected,
                        });
                    }
                    _ => panic!("{title}: a block of {info}"),
                }
            }
            Event::Text(part) | Event::Code(part) => text.push_str(&part),
            _ => {}
        }
    }
    assert!(input.is_none(), "{title}: an input without events");
    fixtures
}

fn setting(words: &str) -> Setting {
    let mut words = words.split(' ');
    let (role, expect) = match words.next() {
        Some("server") => (Role::Server, Expect::Message),
        Some("client") => (Role::Client, Expect::Message),
        Some("head") => (Role::Client, Expect::Head),
        Some("connect") => (Role::Client, Expect::Connect),
        role => panic!("{role:?}: no such role"),
    };
    let mut setting = Setting {
        expect,
        ..Setting::new(role)
    };
    for word in words {
        match word.split_once('=').unwrap_or((word, "")) {
            ("insecure", "") => setting.leniency = Leniency::INSECURE,
            ("relaxed", "") => setting.leniency = Leniency::RELAXED,
            ("max-head", bytes) => setting.limits.max_head = bytes.parse().unwrap(),
            ("awaited", count) => setting.awaited = count.parse().unwrap(),
            ("refuse", "") => setting.accept = false,
            _ => panic!("{word}: no such setting"),
        }
    }
    setting
}

fn check(file: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/wire")
        .join(file);
    let fixtures = fixtures(&fs::read_to_string(path).unwrap());
    assert!(!fixtures.is_empty(), "no fixtures in {file}");
    for Fixture {
        title,
        setting,
        input,
        expected,
    } in fixtures
    {
        assert_eq!(
            replay(&setting, &[&input], false),
            expected,
            "{file}: {title}: whole"
        );
        let expected = without_offsets_of_limits(expected);
        for split in 0..=input.len() {
            let (before, after) = input.split_at(split);
            let events = without_offsets_of_limits(replay(&setting, &[before, after], false));
            assert_eq!(events, expected, "{file}: {title}: split at {split}");
        }
        let octets: Vec<&[u8]> = input.chunks(1).collect();
        let events = without_offsets_of_limits(replay(&setting, &octets, false));
        assert_eq!(events, expected, "{file}: {title}: octet by octet");
    }
}

macro_rules! files {
    ($($test:ident $file:literal),+ $(,)?) => {
        $(#[test] fn $test() { check($file); })+

        #[test]
        fn every_file_is_replayed() {
            let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/wire");
            let mut found: Vec<_> =
                fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
            found.sort();
            assert_eq!(found, [$($file),+]);
        }
    };
}

files! {
    chunked "chunked.md",
    framing "framing.md",
    leniency "lenient.md",
    limits "limits.md",
    refused_requests "refused-requests.md",
    requests "requests.md",
    responses "responses.md",
    upgrade "upgrade.md",
}
