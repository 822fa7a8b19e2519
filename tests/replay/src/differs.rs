//! Scenarios whose answer is another on purpose: for each a file that says why, and the steps that take the place of those of the
//! same numbers. A scenario is known by its title and its file's name.

use crate::scenario::{Scenario, parse};
use std::collections::HashMap;
use std::ffi::OsString;
use std::fs;
use std::path::Path;

/// One of them.
pub struct Difference {
    /// Why, one sentence or two.
    pub reason: String,
    steps: Scenario,
}

/// All of them, by title and file name.
#[derive(Default)]
pub struct Differences(HashMap<(String, OsString), Difference>);

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
            let name = path.file_name().unwrap_or_default().to_owned();
            found.insert((steps.title.clone(), name), Difference { reason, steps });
        }
        Ok(Differences(found))
    }

    /// Puts the steps of the difference that the scenario of a file has, if any, in place of its own, and its ranges behind those;
    /// gives why.
    pub fn apply(&self, file: &Path, scenario: &mut Scenario) -> Option<String> {
        let name = file.file_name().unwrap_or_default().to_owned();
        let Difference { reason, steps } = self.0.get(&(scenario.title.clone(), name))?;
        scenario.ranges.extend(steps.ranges.iter().cloned());
        let mut last = None;
        for step in steps.steps.iter().cloned() {
            // Several of one number take the place of one.
            let is_next = last.replace(step.number) == Some(step.number);
            let after = |other: u32| if is_next { other > step.number } else { other >= step.number };
            let place = scenario.steps.iter().position(|other| after(other.number));
            match place {
                Some(place) if scenario.steps[place].number == step.number => scenario.steps[place] = step,
                Some(place) => scenario.steps.insert(place, step),
                None => scenario.steps.push(step),
            }
        }
        Some(reason.clone())
    }
}
