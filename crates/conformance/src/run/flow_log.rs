//! Flow logs while a scenario runs: what the engine saw goes into windows of virtual time, and a window that is over can be
//! asked for.

use std::collections::BTreeMap;

use fabric::Fabric;
use fabric::engine::{Engine, EngineError};
use fabric::flow_log::{Batch, Logger};
use model::{Model, NetworkInterfaceId, Timestamp};
use serde_json::{Map, Value, json};

use crate::scenario::expect::Expectation;
use crate::value::Symbols;

/// The windows of a scenario's flow logs.
#[derive(Default)]
pub struct FlowLogs {
    logger: Logger,
    over: Vec<Batch>,
}

impl FlowLogs {
    /// Takes what the engine saw until now, the moment at which the model is.
    pub fn watch(&mut self, engine: &mut dyn Engine, model: &Model, fabric: &Fabric) -> Result<(), EngineError> {
        if !fabric.logged.is_empty() {
            let now = model.context.now;
            self.logger.absorb(model, fabric, &engine.flows()?, now, now);
        }
        Ok(())
    }

    /// Ends windows that are over.
    pub fn close(&mut self, model: &Model, fabric: &Fabric) {
        self.over.extend(self.logger.close(model, fabric, model.context.now));
    }

    /// Records of an interface in windows that end now, as `{"records": [{FIELD: TEXT, …}]}`.
    pub fn records(&self, model: &Model, interface: &NetworkInterfaceId) -> Value {
        let now: Timestamp = model.context.now;
        let mut records = Vec::new();
        for batch in self.over.iter().filter(|batch| batch.end == now) {
            let Some(log) = model.flow_logs.get(&batch.log) else { continue };
            for record in batch.records.iter().filter(|record| record.interface == *interface) {
                let text = |field: model::flow_log::LogField| record.field(field, log.format.version()).into();
                let fields = log.format.fields().iter().map(|field| (field.as_str().to_owned(), text(*field)));
                records.push(Value::Object(fields.collect::<Map<String, Value>>()));
            }
        }
        json!({"records": records})
    }
}

/// Compares the records of an answer with those expected: each is there, none stands for two, and with `only` there is no
/// other. Errors: a sentence about what is missing or too much.
pub fn compare(expect: &Expectation, answer: &Value, symbols: &dyn Symbols) -> Result<(), String> {
    let Some(wanted) = &expect.flowlog else { return Ok(()) };
    let found = answer["records"].as_array().ok_or("the answer holds no flow log records")?;
    let mut left: BTreeMap<usize, &Value> = found.iter().enumerate().collect();
    for record in wanted {
        let fits = |found: &Value| record.iter().all(|(field, value)| is(found, field, value, symbols));
        match left.iter().find(|(_, found)| fits(found)).map(|(at, _)| *at) {
            Some(at) => drop(left.remove(&at)),
            None => {
                let text: Vec<String> = record.iter().map(|(field, value)| format!("{field}: {}", shown(value))).collect();
                return Err(format!("no record has {}", text.join(", ")));
            }
        }
    }
    match left.values().next() {
        Some(more) if expect.only => Err(format!("there is another record: {more}")),
        _ => Ok(()),
    }
}

fn is(found: &Value, field: &str, wanted: &Value, symbols: &dyn Symbols) -> bool {
    let key = if field == "interface" { "interface-id" } else { field };
    let Some(found) = found[key].as_str() else { return false };
    let wanted = shown(wanted);
    found == wanted || symbols.stands_for(&wanted).iter().any(|id| id == found)
}

fn shown(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
