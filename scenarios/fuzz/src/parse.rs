//! Scenarios.

use netparity::{
    diagnostic::Diagnostic,
    language::{self, Action, CommandLine, Scenario, spelling},
    source::{Source, decode},
};

/// Reads any bytes as a scenario: every diagnostic has a place inside the text, and what can be read
/// is the same when it is written out and read again.
pub fn parse(bytes: &[u8]) {
    let source = match decode("fuzzed".to_owned(), bytes.to_vec()) {
        Ok(source) => source,
        Err(diagnostic) => return tell(&diagnostic),
    };
    match language::parse(&source) {
        Ok(scenario) => read_again(&scenario),
        Err(diagnostics) => {
            assert!(!diagnostics.is_empty(), "refused without a reason");
            let lines: Vec<&str> = source.text.split('\n').collect();
            for diagnostic in diagnostics {
                tell(&diagnostic);
                if let Some((line, column)) = diagnostic.place() {
                    let text = lines.get(line - 1);
                    let text = text.unwrap_or_else(|| panic!("line {line} of {}", lines.len()));
                    let most = text.chars().count() + 1;
                    assert!((1..=most).contains(&column), "column {column} of {most}");
                }
            }
        }
    }
}

fn tell(diagnostic: &Diagnostic) {
    assert!(!diagnostic.to_string().is_empty());
}

fn read_again(scenario: &Scenario) {
    let text = written(scenario);
    let source = Source {
        path: "written".to_owned(),
        text,
    };
    let again = language::parse(&source).unwrap_or_else(|diagnostics| {
        let told: Vec<String> = diagnostics.iter().map(ToString::to_string).collect();
        panic!("{}\n{}", source.text, told.join("\n"))
    });
    let actions = |scenario: &Scenario| -> Vec<Action> {
        let steps = scenario.steps.iter();
        steps.map(|step| step.action.clone()).collect()
    };
    assert_eq!(actions(scenario), actions(&again), "{}", source.text);
}

/// A line a step, spelled anew where there is one way to spell it.
fn written(scenario: &Scenario) -> String {
    let mut text = String::new();
    let mut last = 0;
    for step in &scenario.steps {
        let line = match &step.action {
            Action::Command {
                command: CommandLine::Plain(command),
                refusal,
            } => spelling::command(command).map(|line| match refusal.as_deref() {
                None => line,
                Some("") => format!("! {line}"),
                Some(words) => format!("! {line} => {words}"),
            }),
            _ => None,
        };
        // Several steps of one line are that line, once.
        match line {
            Some(line) => text.push_str(&line),
            None if step.line == last => continue,
            None => {
                text.push_str(&step.text);
                last = step.line;
            }
        }
        text.push('\n');
    }
    text
}
