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
pub(crate) struct Members {
    /// How many fire: asked for with every event.
    firing: usize,
    row: Row,
}

enum Row {
    /// Sorted by fingerprint.
    Few(Few<(u64, Member)>),
    Many(Box<Many>),
}

#[derive(Default)]
struct Many {
    members: BTreeMap<u64, Member>,
    /// Members that do not fire, by time: these leave with the window.
    fading: BTreeSet<(i64, u64)>,
}

impl Members {
    pub(crate) const fn new() -> Self {
        Self { firing: 0, row: Row::Few(Few::None) }
    }

    pub(crate) fn len(&self) -> usize {
        match &self.row {
            Row::Few(few) => few.len(),
            Row::Many(many) => many.members.len(),
        }
    }

    pub(crate) fn get(&self, fingerprint: u64) -> Option<&Member> {
        match &self.row {
            Row::Few(few) => few.iter().find(|(own, _)| *own == fingerprint).map(|(_, member)| member),
            Row::Many(many) => many.members.get(&fingerprint),
        }
    }

    /// By fingerprint.
    pub(crate) fn iter(&self) -> Box<dyn Iterator<Item = (u64, &Member)> + '_> {
        match &self.row {
            Row::Few(few) => Box::new(few.iter().map(|(fingerprint, member)| (*fingerprint, member))),
            Row::Many(many) => Box::new(many.members.iter().map(|(fingerprint, member)| (*fingerprint, member))),
        }
    }

    /// How many fire.
    pub(crate) const fn firing(&self) -> usize {
        self.firing
    }

    /// How many do not.
    pub(crate) fn fading(&self) -> usize {
        self.len() - self.firing
    }

    /// Of those that do not fire the one that is there for longest.
    pub(crate) fn oldest_fading(&self) -> Option<(i64, u64)> {
        match &self.row {
            Row::Few(few) => fading(few).min(),
            Row::Many(many) => many.fading.first().copied(),
        }
    }

    /// Of those that do not fire the one that came last.
    pub(crate) fn newest_fading(&self) -> Option<(i64, u64)> {
        match &self.row {
            Row::Few(few) => fading(few).max(),
            Row::Many(many) => many.fading.last().copied(),
        }
    }

    /// Puts a member in, or in the place of what it was.
    pub(crate) fn place(&mut self, fingerprint: u64, member: Member) {
        let before = match &mut self.row {
            Row::Few(few) => few.iter_mut().find(|(own, _)| *own == fingerprint).map(|(_, known)| known),
            Row::Many(_) => None,
        };
        if let Some(known) = before {
            self.firing = self.firing - usize::from(known.firing) + usize::from(member.firing);
            *known = member;
            return;
        }
        self.remove_of_many(fingerprint);
        self.firing += usize::from(member.firing);
        self.add(fingerprint, member);
    }

    /// Puts in a member that is not there.
    fn add(&mut self, fingerprint: u64, member: Member) {
        if let Row::Few(few) = &mut self.row {
            if few.len() < FEW {
                few.insert(few.partition_point(|(own, _)| *own < fingerprint), (fingerprint, member));
                return;
            }
            let mut many = Box::new(Many::default());
            few.iter().for_each(|(fingerprint, member)| many.add(*fingerprint, *member));
            self.row = Row::Many(many);
        }
        if let Row::Many(many) = &mut self.row {
            many.add(fingerprint, member);
        }
    }

    pub(crate) fn remove(&mut self, fingerprint: u64) {
        if let Row::Few(few) = &mut self.row {
            let firing = few.iter().any(|(own, member)| *own == fingerprint && member.firing);
            self.firing -= usize::from(firing);
            few.retain(|(own, _)| *own != fingerprint);
        }
        self.remove_of_many(fingerprint);
    }

    fn remove_of_many(&mut self, fingerprint: u64) {
        if let Row::Many(many) = &mut self.row
            && let Some(before) = many.members.remove(&fingerprint)
        {
            self.firing -= usize::from(before.firing);
            many.fading.remove(&(before.time, fingerprint));
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
    fn add(&mut self, fingerprint: u64, member: Member) {
        if !member.firing {
            self.fading.insert((member.time, fingerprint));
        }
        self.members.insert(fingerprint, member);
    }
}
