//! Blind changes of an input, the same from the same seed.

/// Most bytes of a piece that is taken out, repeated or brought in.
const MAX_PIECE_BYTES: usize = 64;

/// Numbers that are the last before something else, or the first after.
const EDGES: [u32; 10] = [0, 1, 0x7f, 0x80, 0xff, 0x7fff, 0xffff, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff];

/// Draws changes.
pub struct Mutation(u64);

impl Mutation {
    /// From a seed.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The input with a few changes; some bring in pieces of another.
    pub fn of(&mut self, input: &[u8], other: &[u8]) -> Vec<u8> {
        let mut changed = input.to_vec();
        for _ in 0..=self.below(4) {
            self.change(&mut changed, other);
        }
        changed
    }

    fn change(&mut self, bytes: &mut Vec<u8>, other: &[u8]) {
        let (start, end) = self.piece(bytes.len());
        match self.below(6) {
            0 => bytes.iter_mut().skip(start).take(1).for_each(|byte| *byte ^= 1 << self.below(8)),
            1 => drop(bytes.drain(start..end)),
            2 => bytes.truncate(start),
            3 => {
                let piece: Vec<u8> = bytes.iter().skip(start).take(end - start).copied().collect();
                let times = 1 + self.below(16);
                bytes.splice(start..start, piece.repeat(times));
            }
            4 => {
                let (from, to) = self.piece(other.len());
                bytes.splice(start..end, other.iter().skip(from).take(to - from).copied());
            }
            _ => {
                let edge = EDGES.get(self.below(EDGES.len())).copied().unwrap_or_default().to_le_bytes();
                bytes.iter_mut().skip(start).zip(edge).for_each(|(byte, edge)| *byte = edge);
            }
        }
    }

    /// Where a piece of something so long begins and ends.
    fn piece(&mut self, length: usize) -> (usize, usize) {
        let start = self.below(length + 1);
        (start, start + self.below((length - start).min(MAX_PIECE_BYTES) + 1))
    }

    fn below(&mut self, bound: usize) -> usize {
        // Splitmix64.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^= mixed >> 31;
        usize::try_from(mixed % bound.max(1) as u64).unwrap_or_default()
    }
}
