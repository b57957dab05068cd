//! The containers that a lab file describes, when the lab has come up: the one place where `up` sees to them.

use model::Model;

use crate::exit::Result;
use crate::output::Output;

/// Brings the containers of a lab that is up to what its file says. So far they are described, compared and counted as
/// listeners, and not started: whoever waits for an answer of one must learn that here.
pub fn bring(model: &Model, output: &Output) -> Result<()> {
    let name = |id: &model::InstanceId| {
        let tags = model.instances.get(id).map(|instance| &instance.tags);
        tags.and_then(model::tag::name).unwrap_or(id.as_str()).to_owned()
    };
    let all = model.containers.iter().flat_map(|(id, specs)| specs.keys().map(move |own| format!("{}/{own}", name(id))));
    let all: Vec<String> = all.collect();
    if !all.is_empty() {
        output.note(format!("containers are not started by this version of vpclab: {}", all.join(", ")));
        output.note("claims take their published ports for listeners; nothing answers there yet");
    }
    Ok(())
}
