//! The members of a group: alerts, and things that happened. A handful lies in place, in a row; a million groups have one
//! or two each, and a tree for each of them would be most of what they cost. A storm gets trees.

use std::collections::{BTreeMap, BTreeSet};

use orion_plugin::Severity;
use orion_plugin::pattern::Few;

/// Members that are walked over for every question.
const FEW: usize = 16;

/// One alert, or one thing that happened.
#[derive(Clone, Copy)]
pub(crate) struct Member {
    pub(crate) time: i64,
    pub(crate) position: u64,
    pub(crate) severity: Severity,
    pub(crate) firing: bool,
    pub(crate) occurred: bool,
}

/// Members by their fingerprints.
pub(crate) enum Members {
    /// Sorted by fingerprint.
    Few(Few<(u64, Member)>),
    Many(Box<Many>),
}

#[derive(Default)]
pub(crate) struct Many {
    members: BTreeMap<u64, Member>,
    firing: usize,
    /// Members that do not fire, by time: these leave with the window.
    fading: BTreeSet<(i64, u64)>,
}

impl Members {
    pub(crate) const fn new() -> Self {
        Self::Few(Few::None)
    }

    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Few(few) => few.len(),
            Self::Many(many) => many.members.len(),
        }
    }

    pub(crate) fn get(&self, fingerprint: u64) -> Option<&Member> {
        match self {
            Self::Few(few) => few.iter().find(|(own, _)| *own == fingerprint).map(|(_, member)| member),
            Self::Many(many) => many.members.get(&fingerprint),
        }
    }

    /// By fingerprint.
    pub(crate) fn iter(&self) -> Box<dyn Iterator<Item = (u64, &Member)> + '_> {
        match self {
            Self::Few(few) => Box::new(few.iter().map(|(fingerprint, member)| (*fingerprint, member))),
            Self::Many(many) => Box::new(many.members.iter().map(|(fingerprint, member)| (*fingerprint, member))),
        }
    }

    /// How many fire.
    pub(crate) fn firing(&self) -> usize {
        match self {
            Self::Few(few) => few.iter().filter(|(_, member)| member.firing).count(),
            Self::Many(many) => many.firing,
        }
    }

    /// How many do not.
    pub(crate) fn fading(&self) -> usize {
        self.len() - self.firing()
    }

    /// Of those that do not fire the one that is there for longest.
    pub(crate) fn oldest_fading(&self) -> Option<(i64, u64)> {
        match self {
            Self::Few(few) => fading(few).min(),
            Self::Many(many) => many.fading.first().copied(),
        }
    }

    /// Of those that do not fire the one that came last.
    pub(crate) fn newest_fading(&self) -> Option<(i64, u64)> {
        match self {
            Self::Few(few) => fading(few).max(),
            Self::Many(many) => many.fading.last().copied(),
        }
    }

    /// Puts a member in, or in the place of what it was.
    pub(crate) fn place(&mut self, fingerprint: u64, member: Member) {
        if let Self::Few(few) = self {
            if let Some((_, known)) = few.iter_mut().find(|(own, _)| *own == fingerprint) {
                *known = member;
                return;
            }
            if few.len() < FEW {
                few.insert(few.partition_point(|(own, _)| *own < fingerprint), (fingerprint, member));
                return;
            }
            let mut many = Box::new(Many::default());
            few.iter().for_each(|(fingerprint, member)| many.place(*fingerprint, *member));
            *self = Self::Many(many);
        }
        if let Self::Many(many) = self {
            many.place(fingerprint, member);
        }
    }

    pub(crate) fn remove(&mut self, fingerprint: u64) {
        match self {
            Self::Few(few) => few.retain(|(own, _)| *own != fingerprint),
            Self::Many(many) => many.remove(fingerprint),
        }
    }

    /// Keeps those that fire.
    pub(crate) fn keep_firing(&mut self) {
        let firing: Vec<_> =
            self.iter().filter(|(_, member)| member.firing).map(|(print, member)| (print, *member)).collect();
        *self = Self::new();
        firing.into_iter().for_each(|(fingerprint, member)| self.place(fingerprint, member));
    }
}

fn fading(few: &Few<(u64, Member)>) -> impl Iterator<Item = (i64, u64)> {
    few.iter().filter(|(_, member)| !member.firing).map(|(fingerprint, member)| (member.time, *fingerprint))
}

impl Many {
    fn place(&mut self, fingerprint: u64, member: Member) {
        self.remove(fingerprint);
        if member.firing {
            self.firing += 1;
        } else {
            self.fading.insert((member.time, fingerprint));
        }
        self.members.insert(fingerprint, member);
    }

    fn remove(&mut self, fingerprint: u64) {
        match self.members.remove(&fingerprint) {
            Some(before) if before.firing => self.firing -= 1,
            Some(before) => drop(self.fading.remove(&(before.time, fingerprint))),
            None => {}
        }
    }
}
