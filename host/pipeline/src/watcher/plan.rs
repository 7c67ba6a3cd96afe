//! What a group is to do: its checked rules with the plugins they name, as one accepted generation has them.

use std::sync::Arc;

use orion_rules::{AlertRule, Group};
use orion_sandbox::Plugin;

use crate::schedule::Slots;

/// One group of one generation.
#[derive(Clone)]
pub struct GroupPlan {
    /// The group as the rule file has it.
    pub group: Arc<Group>,
    /// The plugin of each rule, in the order of the group's rules.
    pub plugins: Vec<Plugin>,
    /// When it is evaluated.
    pub slots: Slots,
    /// The generation this plan belongs to.
    pub generation: u64,
}

/// One rule and its plugin.
#[derive(Clone, Copy)]
pub struct RulePlan<'a> {
    /// The rule.
    pub rule: &'a AlertRule,
    /// Its detector.
    pub plugin: &'a Plugin,
}

impl GroupPlan {
    /// The rules with their plugins.
    pub fn rules(&self) -> impl Iterator<Item = RulePlan<'_>> {
        self.group.rules.iter().zip(&self.plugins).map(|(rule, plugin)| RulePlan { rule, plugin })
    }
}

impl RulePlan<'_> {
    /// Whether the other does the same in every respect. Where the rule stands in its file does not count: an edit
    /// above it must not touch it.
    pub fn is_same_as(&self, other: &RulePlan<'_>) -> bool {
        let at_line_0 = |rule: &AlertRule| AlertRule { line: 0, ..rule.clone() };
        self.plugin.digest() == other.plugin.digest() && at_line_0(self.rule) == at_line_0(other.rule)
    }
}
