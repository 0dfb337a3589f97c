//! `freehold doctor`

use node::Finding;

use crate::client::Client;
use crate::failure::{Failure, Result};
use crate::output::Output;

pub async fn run(output: Output, client: &Client) -> Result<()> {
    let findings = client.get("/api/doctor").await?;
    let parsed: Vec<Finding> = serde_json::from_value(findings.clone()).unwrap_or_default();
    let bad = parsed.iter().filter(|finding| !finding.ok).count();
    output.show(findings, |findings: Vec<Finding>| described(&findings))?;
    match bad {
        0 => Ok(()),
        1 => Err(unwell("1 check failed")),
        _ => Err(unwell(&format!("{bad} checks failed"))),
    }
}

fn unwell(message: &str) -> Failure {
    Failure::user("unwell", message, "the lines with ✗ say what to do")
}

fn described(findings: &[Finding]) -> String {
    let line = |finding: &Finding| {
        let mark = if finding.ok { '✓' } else { '✗' };
        let hint = finding
            .hint
            .as_ref()
            .map(|hint| format!("\n  hint: {hint}"));
        let hint = hint.unwrap_or_default();
        format!("{mark} {}: {}{hint}", finding.check, finding.detail)
    };
    findings.iter().map(line).collect::<Vec<_>>().join("\n")
}
