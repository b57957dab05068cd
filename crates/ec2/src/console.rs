//! What can be read of an instance from outside. What it printed the engine knows: whoever serves a lab adds it.

use model::{ApiError, ErrorCode, InstanceId, Model};
use serde_json::{Value, json};

use crate::Operation;
use crate::arguments::read;
use crate::shape::{text, time};

/// What this file serves.
pub const OPERATIONS: &[Operation] = &[
    ("GetConsoleOutput", get_console_output),
    ("GetInstanceUefiData", get_instance_uefi_data),
    ("GetPasswordData", get_password_data),
];

/// Without `Output`: an instance of a model alone prints nothing.
fn get_console_output(model: &mut Model, arguments: &Value) -> Result<Value, ApiError> {
    let id: InstanceId = read(arguments, |a| {
        // It is always the latest.
        a.ignore(&["Latest"]);
        a.required_id("InstanceId")
    })?;
    model.instance(&id)?;
    Ok(json!({"InstanceId": text(id), "Timestamp": time(model.context.now)}))
}

/// Adds what an instance printed to the answer of GetConsoleOutput.
pub fn add_output(answer: &mut Value, printed: &[u8]) {
    use base64::Engine as _;
    answer["Output"] = base64::engine::general_purpose::STANDARD.encode(printed).into();
}

/// Passwords are a matter of Windows; of other instances the answer is an empty one.
fn get_password_data(model: &mut Model, arguments: &Value) -> Result<Value, ApiError> {
    let id: InstanceId = read(arguments, |a| a.required_id("InstanceId"))?;
    model.instance(&id)?;
    Ok(json!({"InstanceId": text(id), "PasswordData": "", "Timestamp": time(model.context.now)}))
}

/// Nothing here boots by UEFI. Errors: `UnsupportedOperation`.
fn get_instance_uefi_data(model: &mut Model, arguments: &Value) -> Result<Value, ApiError> {
    let id: InstanceId = read(arguments, |a| a.required_id("InstanceId"))?;
    model.instance(&id)?;
    let message = format!("The instance '{id}' was not launched in UEFI boot mode.");
    Err(ApiError::new(ErrorCode::UnsupportedOperation, message))
}
