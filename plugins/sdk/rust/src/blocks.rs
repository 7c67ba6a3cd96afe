//! Items under numbers, for [`crate::State`]: whatever comes and goes, what stays is where it was.

use std::ops::Range;

/// Items under numbers, in blocks that do not move when there are more.
pub(crate) struct Blocks<T> {
    blocks: Vec<Vec<Option<T>>>,
    free: Vec<u32>,
    /// One more than the highest number given so far.
    end: u32,
}

/// Items of a block; two to the power of [`BLOCK_BITS`].
const BLOCK: usize = 1 << BLOCK_BITS;
const BLOCK_BITS: u32 = 10;

impl<T> Blocks<T> {
    pub(crate) const fn new() -> Self {
        Self { blocks: Vec::new(), free: Vec::new(), end: 0 }
    }

    /// All numbers that were ever given.
    pub(crate) fn numbers(&self) -> Range<u32> {
        0..self.end
    }

    pub(crate) fn get(&self, id: u32) -> Option<&T> {
        self.blocks.get((id >> BLOCK_BITS) as usize)?.get(id as usize % BLOCK)?.as_ref()
    }

    fn spot(&mut self, id: u32) -> Option<&mut Option<T>> {
        self.blocks.get_mut((id >> BLOCK_BITS) as usize)?.get_mut(id as usize % BLOCK)
    }

    pub(crate) fn get_mut(&mut self, id: u32) -> Option<&mut T> {
        self.spot(id)?.as_mut()
    }

    pub(crate) fn add(&mut self, item: T) -> u32 {
        let id = self.free.pop().unwrap_or(self.end);
        if let Some(spot) = self.spot(id) {
            *spot = Some(item);
            return id;
        }
        match self.blocks.last_mut().filter(|block| block.len() < BLOCK) {
            Some(block) => block.push(Some(item)),
            None => {
                // The first block grows with its items: most correlators have few keys.
                let room = if self.blocks.is_empty() { 0 } else { BLOCK };
                let mut block = Vec::with_capacity(room);
                block.push(Some(item));
                self.blocks.push(block);
            }
        }
        self.end = id.saturating_add(1);
        id
    }

    pub(crate) fn remove(&mut self, id: u32) -> Option<T> {
        let item = self.spot(id)?.take()?;
        self.free.push(id);
        Some(item)
    }
}
