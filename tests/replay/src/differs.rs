//! Scenarios whose answer is another on purpose: for each a file that says why, and the steps that take the place of those of the
//! same numbers. A scenario is known by its title.

use crate::scenario::{Scenario, parse};
use std::collections::HashMap;
use std::fs;
use std::path::Path;

/// One of them.
pub struct Difference {
    /// Why, one sentence or two.
    pub reason: String,
    steps: Scenario,
}

/// All of them, by title.
#[derive(Default)]
pub struct Differences(HashMap<String, Difference>);

impl Differences {
    /// Reads the files of a folder: comment lines at the top of each are the reason.
    ///
    /// # Errors
    /// The file that cannot be read, and why.
    pub fn read(folder: &Path) -> Result<Differences, String> {
        let mut found = HashMap::new();
        for path in super::scenarios_in(folder)? {
            let wrong = |cause: String| format!("{}: {cause}", path.display());
            let text = fs::read_to_string(&path).map_err(|cause| wrong(cause.to_string()))?;
            let comments = text.lines().map_while(|line| line.strip_prefix(';'));
            let reason = comments.map(str::trim).collect::<Vec<_>>().join(" ");
            let steps = parse(&text).map_err(|cause| wrong(cause.to_string()))?;
            if reason.is_empty() {
                return Err(wrong("no comment at its top says why".into()));
            }
            found.insert(steps.title.clone(), Difference { reason, steps });
        }
        Ok(Differences(found))
    }

    /// Puts the steps of the difference that `scenario` has, if any, in place of its own; gives why.
    pub fn apply(&self, scenario: &mut Scenario) -> Option<String> {
        let Difference { reason, steps } = self.0.get(&scenario.title)?;
        for step in steps.steps.iter().cloned() {
            let place = scenario.steps.iter().position(|other| other.number >= step.number);
            match place {
                Some(place) if scenario.steps[place].number == step.number => scenario.steps[place] = step,
                Some(place) => scenario.steps.insert(place, step),
                None => scenario.steps.push(step),
            }
        }
        Some(reason.clone())
    }
}
