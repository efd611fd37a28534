//! How far a connection's reading side has come: what JavaScript asks for, and what may come yet.

/// What becomes of bytes that come.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Demand {
    /// They are parsed.
    Wanted,
    /// JavaScript has asked for none: they stay in the kernel.
    Paused,
    /// The same of one whose socket would read on into its own memory: they are held unparsed, up to so many. One receive may go beyond.
    Held(usize),
}

/// What may come.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Supply {
    /// Bytes, or an end.
    Open,
    /// The peer's FIN, which stands behind what is held, and is received again when JavaScript asks for more.
    End,
    /// Nothing: the peer has sent FIN, or a system call failed, or the bytes were not HTTP. Who has asked for none hears of that, and of what came
    /// before, when he asks again; who holds what comes, as soon as nothing is held before it.
    Over,
    /// Nothing: sending has failed. Told whether JavaScript asks for anything or not, as it may wait for just that.
    Broken,
}

/// The two together.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Receiving {
    demand: Demand,
    supply: Supply,
}

impl Receiving {
    /// All that comes is parsed.
    pub const OPEN: Self = Self {
        demand: Demand::Wanted,
        supply: Supply::Open,
    };

    /// JavaScript asks for no more. `most_held`: bytes of what comes all the same that are held.
    pub fn pause(&mut self, most_held: usize) {
        if self.demand == Demand::Wanted {
            self.demand = match most_held {
                0 => Demand::Paused,
                most => Demand::Held(most),
            };
        }
    }

    /// JavaScript asks for more.
    pub fn resume(&mut self) {
        self.demand = Demand::Wanted;
        if self.supply == Supply::End {
            self.supply = Supply::Open;
        }
    }

    /// The peer's FIN was met behind bytes that are held.
    pub fn end_behind_held(&mut self) {
        self.supply = Supply::End;
    }

    /// Nothing more will come.
    pub fn end(&mut self) {
        if self.supply != Supply::Broken {
            self.supply = Supply::Over;
        }
    }

    /// Sending has failed, and nothing more will come.
    pub fn break_off(&mut self) {
        self.supply = Supply::Broken;
    }

    /// Whether what comes is parsed.
    pub fn is_open(self) -> bool {
        self == Self::OPEN
    }

    /// Whether what comes is held; up to how many bytes.
    pub fn most_held(self) -> Option<usize> {
        match self {
            Self {
                demand: Demand::Held(most),
                supply: Supply::Open,
            } => Some(most),
            _ => None,
        }
    }

    /// Whether JavaScript has asked for none.
    pub fn is_paused(self) -> bool {
        self.demand != Demand::Wanted && self.supply != Supply::Broken
    }

    /// Whether nothing more will come.
    pub fn is_over(self) -> bool {
        matches!(self.supply, Supply::Over | Supply::Broken)
    }

    /// Whether JavaScript, which has asked for none, hears all the same that nothing more will come, once nothing is held before that.
    pub fn tells_end(self) -> bool {
        matches!(
            self,
            Self {
                demand: Demand::Held(_),
                supply: Supply::Over,
            }
        )
    }
}

#[cfg(test)]
mod tests {
    use super::Receiving;

    #[test]
    fn an_end_is_kept_from_who_has_paused_and_told_to_who_holds() {
        for (most_held, is_told) in [(0, false), (1, true)] {
            let mut receiving = Receiving::OPEN;
            receiving.pause(most_held);
            assert_eq!(receiving.most_held().is_some(), is_told);
            receiving.end();
            assert!(receiving.is_paused() && receiving.is_over());
            assert_eq!(receiving.tells_end(), is_told);
            assert_eq!(receiving.most_held(), None);
            receiving.resume();
            assert!(!receiving.is_paused() && receiving.is_over());
        }
    }

    #[test]
    fn fin_behind_what_is_held_is_received_again() {
        let mut receiving = Receiving::OPEN;
        receiving.pause(7);
        receiving.end_behind_held();
        assert!(receiving.is_paused() && !receiving.is_over());
        assert_eq!(receiving.most_held(), None, "no more is received");
        receiving.resume();
        assert!(receiving.is_open());
    }

    #[test]
    fn whose_sending_has_failed_hears_of_it_paused_or_not() {
        let mut receiving = Receiving::OPEN;
        receiving.pause(0);
        receiving.break_off();
        assert!(receiving.is_over() && !receiving.is_paused());
        receiving.resume();
        receiving.end();
        receiving.pause(0);
        assert!(receiving.is_over() && !receiving.is_paused());
    }
}
