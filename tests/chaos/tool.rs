//! The tagging tool: new groups, earlier ones again, slow runs, and runs that die.

use crate::groups::Group;
use crate::support::random::Random;
use crate::world::{RUN_LIMIT, World};
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use tokio::sync::RwLock;

/// What the tool has done so far.
#[derive(Default)]
pub struct Tool {
    /// Groups of which a put was made
    pub tagged: RefCell<BTreeSet<Group>>,
    pub counts: RefCell<BTreeMap<&'static str, u64>>,
    is_stopped: Cell<bool>,
}

impl Tool {
    /// Tags until it is stopped; new groups up to this number.
    pub async fn run(&self, world: &RwLock<World>, random: &mut Random, groups: u64) {
        let mut next = 0;
        while !self.is_stopped.get() {
            let group = if next == 0 || next < groups && random.percent(60) {
                next += 1;
                Group(next - 1)
            } else {
                Group(random.below(next))
            };
            let puts = group.puts();
            let (what, made) = match random.below(10) {
                0 | 1 => ("runs of the tool that died", random.below(puts.len() as u64) as usize),
                _ => ("taggings", puts.len()),
            };
            self.tagged.borrow_mut().insert(group);
            *self.counts.borrow_mut().entry(what).or_default() += 1;
            self.tag_as_advised(world, random, group, made).await;
            // Sometimes the next run begins while this one is looked at.
            let shortest = if random.percent(80) { 2500 } else { 0 };
            tokio::time::sleep(Duration::from_millis(shortest) + random.millis(2000)).await;
        }
    }

    /// Makes so many puts of a run, and tags the whole group once or twice more where the screen advises it.
    async fn tag_as_advised(&self, world: &RwLock<World>, random: &mut Random, group: Group, made: usize) {
        let puts = group.puts();
        for again in 0..3 {
            let pause = *random.pick(&[5, 5, 60, 400]);
            for (field, text) in &puts[..if again == 0 { made } else { puts.len() }] {
                if !world.read().await.put(*field, text).await {
                    return; // a tool ends when the IOC does not answer
                }
                tokio::time::sleep(random.millis(pause)).await;
            }
            tokio::time::sleep(Duration::from_millis(1200)).await;
            let message = world.read().await.message().await;
            if self.is_stopped.get() || !message.contains("Tag the group again") {
                return;
            }
            tokio::time::sleep(2 * RUN_LIMIT + Duration::from_secs(1)).await;
        }
    }

    pub fn stop(&self) {
        self.is_stopped.set(true);
    }
}

/// Tags a whole group; `false` where the IOC does not answer.
pub async fn tag(world: &World, group: Group) -> bool {
    for (field, text) in group.puts() {
        if !world.put(field, &text).await {
            return false;
        }
    }
    true
}
