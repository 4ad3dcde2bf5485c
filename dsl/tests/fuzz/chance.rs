//! A source of chance that a number repeats: `SplitMix64`.

/// Draws from a seed.
pub struct Chance {
    state: u64,
    /// No slips in this text.
    sober: bool,
}

impl Chance {
    pub fn new(seed: u64) -> Self {
        let mut chance = Self { state: seed, sober: false };
        chance.sober = !chance.once_in(3);
        chance
    }

    /// Whether to do something odd, which happens once in so many times where it may.
    pub fn slip(&mut self, times: usize) -> bool {
        !self.sober && self.once_in(times)
    }

    /// A number under `bound`, which is not zero.
    pub fn under(&mut self, bound: usize) -> usize {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut drawn = self.state;
        drawn = (drawn ^ (drawn >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        drawn = (drawn ^ (drawn >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((drawn ^ (drawn >> 31)) % bound as u64) as usize
    }

    /// True once in so many times.
    pub fn once_in(&mut self, times: usize) -> bool {
        self.under(times) == 0
    }

    pub fn one_of<'a, T: ?Sized>(&mut self, items: &[&'a T]) -> &'a T {
        items[self.under(items.len())]
    }
}
