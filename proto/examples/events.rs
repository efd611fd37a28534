//! Prints what a connection makes of its input, for looking at and for holding against other parsers.
//!
//! One case per line of standard input, one line of events per case:
//! `server|client|head|connect LENIENT-BITS MAX-HEAD SPLIT,SPLIT,...|- ESCAPED-INPUT`

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
    let mut setting = match words.next()? {
        "server" => Setting::new(Role::Server),
        "client" => Setting::new(Role::Client),
        "head" => Setting {
            expect: Expect::Head,
            ..Setting::new(Role::Client)
        },
        "connect" => Setting {
            expect: Expect::Connect,
            ..Setting::new(Role::Client)
        },
        _ => return None,
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
