//! How a configuration came to be, noted only when somebody will ask.

/// How the first configurations came to be.
pub(super) const ROOT: u32 = u32::MAX;

struct Step {
    before: u32,
    operation: u32,
    depth: u32,
}

/// Steps, or nothing.
#[derive(Default)]
pub(super) struct Trace {
    is_kept: bool,
    steps: Vec<Step>,
}

impl Trace {
    /// That notes what it is told.
    pub fn kept() -> Trace {
        Trace { is_kept: true, steps: Vec::new() }
    }

    /// After `before`, an operation took effect.
    pub fn note(&mut self, before: u32, operation: impl FnOnce() -> u32) -> u32 {
        if !self.is_kept {
            return ROOT;
        }
        let depth = self.depth(before) + 1;
        self.steps.push(Step { before, operation: operation(), depth });
        self.steps.len() as u32 - 1
    }

    /// How many operations took effect.
    pub fn depth(&self, trace: u32) -> u32 {
        self.steps.get(trace as usize).map_or(0, |step| step.depth)
    }

    /// The operations that took effect, in their order.
    pub fn order(&self, mut trace: u32) -> Vec<usize> {
        let mut order = Vec::new();
        while let Some(step) = self.steps.get(trace as usize) {
            order.push(step.operation as usize);
            trace = step.before;
        }
        order.reverse();
        order
    }
}
