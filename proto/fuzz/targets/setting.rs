//! Settings and cuts, out of a fuzzer's hand.

use arbitrary::Arbitrary;
use ferrohttp_proto::{Expect, Leniency, Limits, Role};

use crate::events::Setting;

#[derive(Arbitrary, Clone, Copy, Debug)]
pub struct AnySetting {
    role: u8,
    leniency: u16,
    small: bool,
    max_head: u8,
    awaited: u8,
    accept: bool,
}

impl From<AnySetting> for Setting {
    fn from(any: AnySetting) -> Setting {
        let (role, expect) = match any.role % 6 {
            0..=2 => (Role::Server, Expect::Message),
            3 => (Role::Client, Expect::Message),
            4 => (Role::Client, Expect::Head),
            _ => (Role::Client, Expect::Connect),
        };
        let limits = match any.small {
            true => Limits {
                max_head: usize::from(any.max_head),
                max_chunk_extensions: 10,
            },
            false => Limits::default(),
        };
        // Mostly one of the three settings that are in use.
        let leniency = match any.leniency % 4 {
            0 | 1 => Leniency::STRICT,
            2 => [Leniency::INSECURE, Leniency::RELAXED][usize::from(any.leniency >> 2) % 2],
            _ => Leniency::from_bits(any.leniency >> 2),
        };
        Setting {
            role,
            expect,
            awaited: usize::from(any.awaited),
            leniency,
            limits,
            accept: any.accept,
        }
    }
}

/// `input`, cut into pieces of these lengths and a rest.
#[allow(dead_code)] // The target `head` cuts for itself.
pub fn cut<'i>(input: &'i [u8], cuts: &[u8]) -> Vec<&'i [u8]> {
    let mut rest = input;
    let mut pieces = Vec::new();
    for cut in cuts {
        let (piece, after) = rest.split_at(usize::from(*cut).min(rest.len()));
        pieces.push(piece);
        rest = after;
    }
    pieces.push(rest);
    pieces
}
