//! The outbox under a virtual clock: a [lane](lane) alone with whatever its destination and the store may do, and
//! [all of it](whole), from what people do to what destinations hear.

mod lane;
mod traffic;
mod whole;

/// A small generator of chance: splitmix64.
pub struct Chance(u64);

impl Chance {
    /// Below a bound, evenly.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % bound
    }
}

impl Chance {
    /// From a seed.
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// One time in so many.
    pub fn one_in(&mut self, many: u64) -> bool {
        self.below(many) == 0
    }
}
