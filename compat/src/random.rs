//! A small generator for the property tests: every run the same, and no dependency.

/// Numbers that follow from a seed (splitmix64).
pub(crate) struct Random(u64);

impl Random {
    /// Seeded by the test's name, so that no two tests see the same numbers.
    pub(crate) fn new(name: &str) -> Random {
        Random(name.bytes().fold(0, |seed, b| seed * 31 + u64::from(b)))
    }

    /// Any number.
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `end`.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % (end as u64)).unwrap()
    }

    /// A byte below `end`.
    pub(crate) fn byte(&mut self, end: u8) -> u8 {
        u8::try_from(self.below(usize::from(end))).unwrap()
    }

    /// Up to `most` bytes out of `alphabet`.
    pub(crate) fn bytes(&mut self, alphabet: &[u8], most: usize) -> Vec<u8> {
        (0..self.below(most + 1)).map(|_| alphabet[self.below(alphabet.len())]).collect()
    }
}
