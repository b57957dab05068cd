//! `explain`: what an error code means and what to write instead.

use std::process::ExitCode;

use clap::Args;
use lab::Code;

use crate::exit::{Failure, Result};
use crate::output::{Format, Output};

/// `explain`.
#[derive(Debug, Args)]
pub struct ExplainArgs {
    /// The code, such as VL0312; without one all are listed
    pub code: Option<String>,
}

/// Prints one entry of the registry, or all titles.
pub fn run(arguments: &ExplainArgs, output: &Output) -> Result {
    output.only(&[Format::Table, Format::Json, Format::Csv, Format::Name])?;
    let Some(written) = &arguments.code else {
        if output.format == Format::Json {
            output.json(&Code::ALL.iter().map(|code| entry(*code)).collect::<Vec<_>>())?;
        } else {
            let rows: Vec<_> = Code::ALL.iter().map(|code| vec![code.to_string(), code.title().to_owned()]).collect();
            output.table(&["code", "meaning"], &rows);
        }
        return Ok(ExitCode::SUCCESS);
    };
    let code: Code = written.trim_matches(['[', ']']).parse().map_err(|error: lab::code::UnknownCode| {
        let near = nearest(written);
        Failure::usage(error.to_string()).hint(match near {
            Some(near) => format!("did you mean `{near}`? `vpclab explain` lists all"),
            None => "`vpclab explain` lists all".to_owned(),
        })
    })?;
    match output.format {
        Format::Json => output.json(&entry(code))?,
        Format::Name => output.line(code.to_string()),
        Format::Csv => output.table(&["code", "meaning"], &[vec![code.to_string(), code.title().to_owned()]]),
        _ => {
            output.line(format!("{code}: {}\n\n{}\n", code.title(), code.explanation()));
            code.example().lines().for_each(|line| output.line(format!("    {line}")));
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The code that was probably meant: the nearest number of the same hundred, which is one subject; else nearly the
/// same digits.
fn nearest(written: &str) -> Option<String> {
    let digits: String = written.chars().filter(char::is_ascii_digit).collect();
    let number: u16 = digits.parse().ok()?;
    let kin = Code::ALL.iter().filter(|code| code.number() / 100 == number / 100);
    let codes: Vec<String> = Code::ALL.iter().map(Code::to_string).collect();
    let alike = || lab::diagnostic::nearest(&format!("VL{number:04}"), codes.iter().map(String::as_str)).map(str::to_owned);
    kin.min_by_key(|code| code.number().abs_diff(number)).map(Code::to_string).or_else(alike)
}

fn entry(code: Code) -> serde_json::Value {
    serde_json::json!({
        "code": code.to_string(), "title": code.title(), "explanation": code.explanation(), "example": code.example(),
    })
}
