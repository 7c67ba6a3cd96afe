//! A queue whose first item lies in place. Most keys of a correlator have seen one event; a heap block for each of a million
//! of them would be most of what they cost.

use std::collections::VecDeque;

use crate::stored::Stored;

/// None, one, or more items, in order.
#[derive(Clone, Debug, Default)]
pub enum Few<T> {
    /// Nothing.
    #[default]
    None,
    /// One item, in place.
    One(T),
    /// More, on the heap. Boxed, so that the queue is no larger than its item.
    Many(Box<VecDeque<T>>),
}

impl<T> Few<T> {
    /// Number of items.
    pub fn len(&self) -> usize {
        match self {
            Self::None => 0,
            Self::One(_) => 1,
            Self::Many(items) => items.len(),
        }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// An item by its place.
    pub fn get(&self, index: usize) -> Option<&T> {
        match self {
            Self::None => None,
            Self::One(item) => (index == 0).then_some(item),
            Self::Many(items) => items.get(index),
        }
    }

    /// The first.
    pub fn first(&self) -> Option<&T> {
        self.get(0)
    }

    /// The last.
    pub fn last(&self) -> Option<&T> {
        self.get(self.len().checked_sub(1)?)
    }

    /// All, in order.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &T> {
        let (one, many) = match self {
            Self::None => (None, None),
            Self::One(item) => (Some(item), None),
            Self::Many(items) => (None, Some(items.iter())),
        };
        one.into_iter().chain(many.into_iter().flatten())
    }

    /// All, in order, to change.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut T> {
        let (one, many) = match self {
            Self::None => (None, None),
            Self::One(item) => (Some(item), None),
            Self::Many(items) => (None, Some(items.iter_mut())),
        };
        one.into_iter().chain(many.into_iter().flatten())
    }

    /// How many items at the front fulfil it; the items must be in that order.
    pub fn partition_point(&self, mut holds: impl FnMut(&T) -> bool) -> usize {
        match self {
            Self::None => 0,
            Self::One(item) => usize::from(holds(item)),
            Self::Many(items) => items.partition_point(holds),
        }
    }

    /// Puts an item at the end.
    pub fn push(&mut self, item: T) {
        match self {
            Self::Many(items) => items.push_back(item),
            Self::None | Self::One(_) => self.insert(1, item),
        }
    }

    /// Puts an item at a place; beyond the end is the end.
    pub fn insert(&mut self, index: usize, item: T) {
        if let Self::Many(items) = self {
            items.insert(index.min(items.len()), item);
            return;
        }
        *self = match std::mem::take(self) {
            Self::One(first) => {
                let pair = if index == 0 { [item, first] } else { [first, item] };
                Self::Many(Box::new(VecDeque::from(pair)))
            }
            Self::None | Self::Many(_) => Self::One(item),
        };
    }

    /// Takes the first.
    pub fn pop_first(&mut self) -> Option<T> {
        if let Self::Many(items) = self
            && items.len() > 1
        {
            return items.pop_front();
        }
        match std::mem::take(self) {
            Self::None => None,
            Self::One(item) => Some(item),
            Self::Many(mut items) => items.pop_front(),
        }
    }

    /// Keeps what fulfils it.
    pub fn retain(&mut self, mut keep: impl FnMut(&T) -> bool) {
        let emptied = match self {
            Self::None => false,
            Self::One(item) => !keep(item),
            Self::Many(items) => {
                items.retain(keep);
                items.is_empty()
            }
        };
        if emptied {
            *self = Self::None;
        }
    }
}

/// The same items are the same, wherever they lie.
impl<T: PartialEq> PartialEq for Few<T> {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl<T> FromIterator<T> for Few<T> {
    fn from_iter<I: IntoIterator<Item = T>>(items: I) -> Self {
        let mut few = Self::None;
        items.into_iter().for_each(|item| few.push(item));
        few
    }
}

impl<T: Stored> Stored for Few<T> {
    fn write(&self, out: &mut Vec<u8>) {
        u32::try_from(self.len()).unwrap_or(u32::MAX).write(out);
        self.iter().for_each(|item| item.write(out));
    }

    fn read(from: &mut &[u8]) -> Option<Self> {
        let length = u32::read(from)?;
        // Not reserved ahead: the length is as trustworthy as the bytes are.
        (0..length).map(|_| T::read(from)).collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[derive(Clone, Debug)]
    enum Step {
        Push(u8),
        Insert(usize, u8),
        Pop,
        Retain(u8),
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            any::<u8>().prop_map(Step::Push),
            (0_usize..6, any::<u8>()).prop_map(|(index, item)| Step::Insert(index, item)),
            Just(Step::Pop),
            (1_u8..4).prop_map(Step::Retain),
        ];
        proptest::collection::vec(step, 0..40)
    }

    proptest! {
        #[test]
        fn few_is_a_vector(steps in steps()) {
            let (mut few, mut plain) = (Few::None, Vec::new());
            for step in steps {
                match step {
                    Step::Push(item) => {
                        few.push(item);
                        plain.push(item);
                    }
                    Step::Insert(index, item) => {
                        few.insert(index, item);
                        plain.insert(index.min(plain.len()), item);
                    }
                    Step::Pop => {
                        let first = (!plain.is_empty()).then(|| plain.remove(0));
                        prop_assert_eq!(few.pop_first(), first);
                    }
                    Step::Retain(divisor) => {
                        few.retain(|item| item % divisor == 0);
                        plain.retain(|item| item % divisor == 0);
                    }
                }
                prop_assert_eq!(few.iter().copied().collect::<Vec<_>>(), plain.clone());
                prop_assert_eq!(few.iter_mut().map(|item| *item).collect::<Vec<_>>(), plain.clone());
                prop_assert_eq!((few.len(), few.is_empty()), (plain.len(), plain.is_empty()));
                prop_assert_eq!((few.first(), few.last()), (plain.first(), plain.last()));
                prop_assert_eq!(plain.iter().copied().collect::<Few<_>>(), few.clone());
            }
        }
    }

    #[test]
    fn a_queue_is_no_larger_than_its_item_with_a_gap_in_it() {
        assert_eq!(size_of::<Few<(u64, bool)>>(), size_of::<(u64, bool)>());
    }
}
