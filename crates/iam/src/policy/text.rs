//! Statements as sentences, the form in which lab files write them:
//! `allow ec2:StartInstances on arn:aws:ec2:*:*:instance/* if StringEquals ec2:ResourceTag/env dev`.

use std::fmt;

use super::{ActionPattern, ArnPattern, Clause, Effect, Either, Principals, Statement};

impl fmt::Display for Clause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.name, self.key, self.written.join(", "))
    }
}

impl fmt::Display for Principals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let everybody = self.everybody.then_some("*").into_iter();
        let named = [&self.aws, &self.services, &self.federated].into_iter().flatten().map(String::as_str);
        f.write_str(&everybody.chain(named).collect::<Vec<_>>().join(", "))
    }
}

fn list<T>(listed: &Either<Vec<T>>, text: impl Fn(&T) -> String) -> String {
    let words = listed.listed().iter().map(text).collect::<Vec<_>>().join(", ");
    match listed {
        Either::These(_) => words,
        Either::AllBut(_) => format!("all but {words}"),
    }
}

impl fmt::Display for Statement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let effect = match self.effect {
            Effect::Allow => "allow",
            Effect::Deny => "deny",
        };
        write!(f, "{effect} {}", list(&self.actions, |action: &ActionPattern| action.text().to_owned()))?;
        if let Some(resources) = &self.resources {
            write!(f, " on {}", list(resources, ArnPattern::to_string))?;
        }
        match &self.principals {
            Some(Either::These(principals)) => write!(f, " for {principals}")?,
            Some(Either::AllBut(principals)) => write!(f, " for all but {principals}")?,
            None => {}
        }
        for (index, clause) in self.conditions.iter().enumerate() {
            write!(f, " {} {clause}", if index == 0 { "if" } else { "and" })?;
        }
        Ok(())
    }
}
