//! Strongly connected components, by Tarjan's algorithm without recursion.

/// A step to another state.
#[derive(Debug, Clone, Copy)]
pub(super) struct Step {
    pub(super) to: u32,
    /// The bit of whoever takes it.
    pub(super) actors: u32,
}

const UNSEEN: u32 = u32::MAX;

/// The components of a graph.
pub(super) struct Components {
    component_of: Vec<u32>,
    members: Vec<u32>,
    /// Where each component begins in `members`.
    starts: Vec<usize>,
}

impl Components {
    pub(super) fn of(steps: &[Vec<Step>]) -> Self {
        let mut search = Search {
            steps,
            order: vec![UNSEEN; steps.len()],
            lowest: vec![UNSEEN; steps.len()],
            open: Vec::new(),
            seen: 0,
            found: Self {
                component_of: vec![UNSEEN; steps.len()],
                members: Vec::with_capacity(steps.len()),
                starts: Vec::new(),
            },
        };
        for root in 0..steps.len() {
            if search.order[root] == UNSEEN {
                search.visit_from(root);
            }
        }
        search.found
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &[u32]> {
        let ends = self
            .starts
            .iter()
            .skip(1)
            .copied()
            .chain([self.members.len()]);
        self.starts
            .iter()
            .zip(ends)
            .map(|(start, end)| &self.members[*start..end])
    }

    pub(super) fn are_same(&self, a: u32, b: u32) -> bool {
        self.component_of[a as usize] == self.component_of[b as usize]
    }
}

struct Search<'a> {
    steps: &'a [Vec<Step>],
    /// When each state was seen first.
    order: Vec<u32>,
    /// The first seen of the states on the stack that a state leads to.
    lowest: Vec<u32>,
    /// States whose component is not known yet.
    open: Vec<usize>,
    seen: u32,
    found: Components,
}

impl Search<'_> {
    fn visit_from(&mut self, root: usize) {
        self.enter(root);
        // each entry is a state and the number of its steps that were followed
        let mut path = vec![(root, 0)];
        while let Some((at, followed)) = path.last_mut() {
            let at = *at;
            if let Some(step) = self.steps[at].get(*followed) {
                *followed += 1;
                let to = step.to as usize;
                if self.order[to] == UNSEEN {
                    self.enter(to);
                    path.push((to, 0));
                } else if self.found.component_of[to] == UNSEEN {
                    self.lowest[at] = self.lowest[at].min(self.order[to]);
                }
                continue;
            }
            path.pop();
            if let Some((parent, _)) = path.last() {
                self.lowest[*parent] = self.lowest[*parent].min(self.lowest[at]);
            }
            if self.lowest[at] == self.order[at] {
                self.close(at);
            }
        }
    }

    fn enter(&mut self, at: usize) {
        self.order[at] = self.seen;
        self.lowest[at] = self.seen;
        self.seen += 1;
        self.open.push(at);
    }

    /// All open states since `first` form a component.
    fn close(&mut self, first: usize) {
        let component = u32::try_from(self.found.starts.len()).unwrap_or(UNSEEN);
        self.found.starts.push(self.found.members.len());
        while let Some(member) = self.open.pop() {
            self.found.component_of[member] = component;
            self.found
                .members
                .push(u32::try_from(member).unwrap_or(UNSEEN));
            if member == first {
                break;
            }
        }
    }
}
