//! The EC2 API as data: operation names, parameters and answers in the JSON shape of the AWS SDKs, turned into
//! operations on a model. No policy of its own: what is legal is decided in `model::operation`.
//!
//! Start at [`call`]. Each family of resources has a file with its `OPERATIONS` table.
#![forbid(unsafe_code)]

use model::{ApiError, ErrorCode, Model};
use serde_json::Value;

/// One entry of a family's table: the API's name and what serves it.
pub type Operation = (&'static str, fn(&mut Model, &Value) -> Result<Value, ApiError>);

/// Families in the order they are searched.
const FAMILIES: &[&[Operation]] = &[];

/// Serves one call. `arguments` has the shape of `aws … --cli-input-json`, the answer that of boto3.
///
/// Errors: what the operation says, or `InvalidAction` for a name that nobody serves.
pub fn call(model: &mut Model, operation: &str, arguments: &Value) -> Result<Value, ApiError> {
    let serve = FAMILIES.iter().flat_map(|family| family.iter()).find(|(name, _)| *name == operation);
    match serve {
        Some((_, serve)) => serve(model, arguments),
        None => Err(ApiError::new(
            ErrorCode::InvalidAction,
            format!("The action {operation} is not valid for this web service."),
        )),
    }
}
