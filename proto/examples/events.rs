//! Prints what a connection makes of its input, for looking at and for holding against other parsers.
//!
//! One case per line of standard input, one line of events per case. `AWAITED` is how many requests a client has sent, `!`
//! refuses upgrades, `-` leaves the input in one piece:
//! `server|client|head|connect[:AWAITED][!] LENIENT-BITS MAX-HEAD SPLIT,SPLIT...|- ESCAPED-INPUT`

#[path = "../tests/support/events.rs"]
mod events;

use std::io::{self, BufRead, Write};

use events::{Setting, replay, unescape};
use ferrohttp_proto::{Expect, Leniency, Role};

fn main() -> io::Result<()> {
    let mut out = io::BufWriter::new(io::stdout().lock());
    for line in io::stdin().lock().lines() {
        let line = line?;
        writeln!(out, "{}", run(&line).unwrap_or_else(|| "no case".into()))?;
    }
    out.flush()
}

fn run(line: &str) -> Option<String> {
    let mut words = line.splitn(5, ' ');
    let role = words.next()?;
    let (role, accept) = role
        .strip_suffix('!')
        .map_or((role, true), |role| (role, false));
    let (role, awaited) = role.split_once(':').unwrap_or((role, "100"));
    let (role, expect) = match role {
        "server" => (Role::Server, Expect::Message),
        "client" => (Role::Client, Expect::Message),
        "head" => (Role::Client, Expect::Head),
        "connect" => (Role::Client, Expect::Connect),
        _ => return None,
    };
    let awaited = awaited.parse().ok()?;
    let mut setting = Setting {
        expect,
        accept,
        awaited,
        ..Setting::new(role)
    };
    setting.leniency = Leniency::from_bits(words.next()?.parse().ok()?);
    setting.limits.max_head = words.next()?.parse().ok()?;
    let splits: Vec<usize> = words
        .next()?
        .split(',')
        .filter_map(|split| split.parse().ok())
        .collect();
    let input = unescape(words.next()?);
    let mut pieces = Vec::new();
    let mut from = 0;
    for split in splits.into_iter().chain([input.len()]) {
        pieces.push(&input[from..split]);
        from = split;
    }
    Some(replay(&setting, &pieces, true).join("\t"))
}
