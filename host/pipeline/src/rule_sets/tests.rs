//! Sets by themselves: versions, differences, rollouts, and what is recorded of them.
