//! Who needs whom, directly or through others.

use std::collections::BTreeMap;

use orion_plugin::{Parameters, Refused};

/// Nodes of a map. Who needs whom is a table of as many bits as the square of it.
const MOST_NODES: usize = 2_000;

/// A dependency map, closed: a node needs also what those need that it needs.
pub(crate) struct Map {
    numbers: BTreeMap<Box<str>, usize>,
    needs: Vec<Bits>,
}

/// A set of nodes by their numbers.
#[derive(Clone, PartialEq)]
struct Bits(Vec<u64>);

const WORD: usize = u64::BITS as usize;

impl Bits {
    fn new(nodes: usize) -> Self {
        Self(vec![0; nodes.div_ceil(WORD)])
    }

    fn add(&mut self, node: usize) {
        if let Some(word) = self.0.get_mut(node / WORD) {
            *word |= 1 << (node % WORD);
        }
    }

    fn has(&self, node: usize) -> bool {
        self.0.get(node / WORD).is_some_and(|word| word >> (node % WORD) & 1 == 1)
    }

    fn unite(&mut self, other: &Self) {
        self.0.iter_mut().zip(&other.0).for_each(|(own, other)| *own |= other);
    }
}

impl Map {
    pub(crate) fn read(parameters: &Parameters) -> Result<Self, Refused> {
        let pairs = parameters.pairs("depends_on")?;
        let mut numbers = BTreeMap::new();
        for name in pairs.iter().flat_map(|(node, needed)| [*node, *needed]) {
            let next = numbers.len();
            numbers.entry(Box::from(name)).or_insert(next);
        }
        if numbers.len() > MOST_NODES {
            return Err(Refused(format!(
                "`depends_on` names {} nodes, and at most {MOST_NODES} are read",
                numbers.len()
            )));
        }
        let mut needs = vec![Bits::new(numbers.len()); numbers.len()];
        for (node, needed) in pairs {
            if let (Some(node), Some(needed)) = (numbers.get(node), numbers.get(needed))
                && let Some(bits) = needs.get_mut(*node)
            {
                bits.add(*needed);
            }
        }
        close(&mut needs);
        Ok(Self { numbers, needs })
    }

    /// Whether a node needs another, directly or through others. In a circle each needs each.
    pub(crate) fn needs(&self, node: &str, other: &str) -> bool {
        let (Some(node), Some(other)) = (self.numbers.get(node), self.numbers.get(other)) else { return false };
        self.needs.get(*node).is_some_and(|needs| needs.has(*other))
    }

    /// Whether one of them needs the other.
    pub(crate) fn relates(&self, node: &str, other: &str) -> bool {
        self.needs(node, other) || self.needs(other, node)
    }

    /// Whether a node lies below another: that needs it, and not the other way round.
    pub(crate) fn is_below(&self, node: &str, other: &str) -> bool {
        self.needs(other, node) && !self.needs(node, other)
    }
}

/// Who needs a node needs what that needs (Warshall).
fn close(needs: &mut [Bits]) {
    for through in 0..needs.len() {
        let Some(reached) = needs.get(through).cloned() else { return };
        needs.iter_mut().filter(|needs| needs.has(through)).for_each(|needs| needs.unite(&reached));
    }
}
