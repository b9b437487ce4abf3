//! What the suite wrote: a folder for each scenario, with a file of its checks.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_json::Value;

/// `-2026-11-24T04-01-28-228Z`, which ends the name of a scenario's folder.
const STAMP_BYTES: usize = 25;

/// How a scenario ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Something was checked, and nothing failed or was warned of.
    Passed,
    /// What failed or was warned of; where that is nothing, nothing was checked either.
    NotPassed(Vec<String>),
}

/// By scenario.
pub(crate) type Results = BTreeMap<String, Outcome>;

/// Reads the suite's output folder.
pub(crate) fn read(folder: &Path) -> Result<Results, String> {
    let wrong = |what: &str, path: &Path| format!("{}: {what}", path.display());
    let mut results = Results::new();
    for entry in fs::read_dir(folder).map_err(|error| wrong(&error.to_string(), folder))? {
        let path = entry.map_err(|error| error.to_string())?.path();
        let name = path.file_name().and_then(|name| name.to_str()).and_then(scenario);
        let name = name.ok_or_else(|| wrong("is no scenario's folder", &path))?;
        // A scenario that broke down leaves an empty folder.
        let outcome = match fs::read(path.join("checks.json")) {
            Err(_) => Outcome::NotPassed(vec!["it broke down before its checks were written".to_owned()]),
            Ok(bytes) => {
                let checks: Vec<Value> =
                    serde_json::from_slice(&bytes).map_err(|error| wrong(&error.to_string(), &path))?;
                judge(&checks)
            }
        };
        results.insert(name.to_owned(), outcome);
    }
    Ok(results)
}

/// The scenario of a folder's name.
fn scenario(folder: &str) -> Option<&str> {
    let (name, stamp) = folder.strip_prefix("server-")?.split_at_checked(folder.len() - 7 - STAMP_BYTES)?;
    (stamp.starts_with("-2") && stamp.ends_with('Z')).then_some(name)
}

fn judge(checks: &[Value]) -> Outcome {
    let text = |check: &Value, key: &str| check[key].as_str().unwrap_or_default().to_owned();
    let faults = checks.iter().filter(|check| check["status"] == "FAILURE" || check["status"] == "WARNING");
    let faults: Vec<String> = faults
        .map(|check| {
            format!("{} {}: {}", text(check, "status"), text(check, "name"), text(check, "errorMessage"))
        })
        .collect();
    let is_checked = checks.iter().any(|check| check["status"] == "SUCCESS");
    if is_checked && faults.is_empty() { Outcome::Passed } else { Outcome::NotPassed(faults) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(scenarios: &[(&str, Option<&str>)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().expect("a folder");
        for (name, checks) in scenarios {
            let path = folder.path().join(name);
            fs::create_dir(&path).expect("a folder");
            if let Some(checks) = checks {
                fs::write(path.join("checks.json"), checks).expect("a file");
            }
        }
        folder
    }

    fn outcome(checks: &str) -> Outcome {
        judge(&serde_json::from_str::<Vec<Value>>(checks).expect("checks"))
    }

    #[test]
    fn a_folder_is_read_by_scenario() {
        let folder = folder(&[
            ("server-tools-list-2026-11-24T04-02-11-749Z", Some(r#"[{"status": "SUCCESS"}]"#)),
            ("server-ping-2026-11-24T04-02-11-749Z", None),
        ]);
        let results = read(folder.path()).expect("results");
        assert_eq!(results.keys().collect::<Vec<_>>(), ["ping", "tools-list"]);
        assert_eq!(results["tools-list"], Outcome::Passed);
        assert!(matches!(&results["ping"], Outcome::NotPassed(why) if why[0].contains("broke down")));
    }

    #[test]
    fn a_folder_that_is_not_the_suites_is_told() {
        let strange = folder(&[("something", None)]);
        assert!(read(strange.path()).expect_err("strange").contains("is no scenario's folder"));
        let broken = folder(&[("server-ping-2026-11-24T04-02-11-749Z", Some("{"))]);
        assert!(read(broken.path()).is_err());
        assert!(read(Path::new("/nowhere/at/all")).is_err());
    }

    #[test]
    fn a_warning_counts_as_a_failure_does_and_information_as_nothing() {
        assert_eq!(outcome(r#"[{"status": "INFO"}, {"status": "SUCCESS"}]"#), Outcome::Passed);
        let warned = r#"[{"status": "SUCCESS"}, {"status": "WARNING", "name": "N", "errorMessage": "m"}]"#;
        assert_eq!(outcome(warned), Outcome::NotPassed(vec!["WARNING N: m".to_owned()]));
        let failed = r#"[{"status": "FAILURE", "name": "N", "errorMessage": "m"}]"#;
        assert_eq!(outcome(failed), Outcome::NotPassed(vec!["FAILURE N: m".to_owned()]));
    }

    #[test]
    fn a_scenario_that_checked_nothing_did_not_pass() {
        assert_eq!(outcome("[]"), Outcome::NotPassed(Vec::new()));
        assert_eq!(outcome(r#"[{"status": "INFO"}, {"status": "SKIPPED"}]"#), Outcome::NotPassed(Vec::new()));
    }
}
