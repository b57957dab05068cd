//! Parts of subnets that are kept back.

use ipnet::IpNet;
use model::operation::{self, CreateSubnetCidrReservation};
use model::subnet_cidr_reservation::ReservationType;
use model::{ApiError, Model, SubnetCidrReservation, SubnetId};
use serde_json::{Value, json};

use crate::Operation;
use crate::arguments::read;
use crate::filter::{FilterTable, Filters};
use crate::shape::{tags, text};

/// What this file serves.
pub const OPERATIONS: &[Operation] = &[
    ("CreateSubnetCidrReservation", create_subnet_cidr_reservation),
    ("DeleteSubnetCidrReservation", delete_subnet_cidr_reservation),
    ("GetSubnetCidrReservations", get_subnet_cidr_reservations),
];

fn create_subnet_cidr_reservation(model: &mut Model, arguments: &Value) -> Result<Value, ApiError> {
    let request = read(arguments, |a| {
        let kind = match a.required_text("ReservationType")? {
            "explicit" => ReservationType::Explicit,
            "prefix" => ReservationType::Prefix,
            other => return Err(a.invalid("ReservationType", &other.into(), "Either prefix or explicit was expected.")),
        };
        Ok(CreateSubnetCidrReservation {
            subnet_id: a.required_id("SubnetId")?,
            cidr: a.required("Cidr", a.ip_net("Cidr")?)?,
            kind,
            description: a.text("Description")?.unwrap_or_default().to_owned(),
            tags: a.tags("subnet-cidr-reservation")?,
        })
    })?;
    let id = operation::create_subnet_cidr_reservation(model, request)?;
    Ok(json!({"SubnetCidrReservation": shape(model, model.subnet_cidr_reservation(&id)?)}))
}

fn delete_subnet_cidr_reservation(model: &mut Model, arguments: &Value) -> Result<Value, ApiError> {
    let id = read(arguments, |a| a.required_id("SubnetCidrReservationId"))?;
    let gone = operation::delete_subnet_cidr_reservation(model, &id)?;
    Ok(json!({"DeletedSubnetCidrReservation": shape(model, &gone)}))
}

fn shape(model: &Model, reservation: &SubnetCidrReservation) -> Value {
    json!({
        "SubnetCidrReservationId": text(&reservation.id),
        "SubnetId": text(&reservation.subnet_id),
        "Cidr": text(reservation.cidr),
        "ReservationType": reservation.kind.as_str(),
        "OwnerId": model.account_id,
        "Description": reservation.description,
        "Tags": tags(&reservation.tags),
    })
}

const FILTERS: FilterTable = &[("reservationType", &["ReservationType"]), ("subnet-id", &["SubnetId"])];

fn get_subnet_cidr_reservations(model: &mut Model, arguments: &Value) -> Result<Value, ApiError> {
    let (id, filters): (SubnetId, _) = read(arguments, |a| Ok((a.required_id("SubnetId")?, Filters::read(a, FILTERS)?)))?;
    model.subnet(&id)?;
    let of = |is_v4: bool| -> Value {
        let known = model.subnet_cidr_reservations.values();
        let known = known.filter(|known| known.subnet_id == id && matches!(known.cidr, IpNet::V4(_)) == is_v4);
        known.map(|known| shape(model, known)).filter(|item| filters.keep(item)).collect()
    };
    Ok(json!({"SubnetIpv4CidrReservations": of(true), "SubnetIpv6CidrReservations": of(false)}))
}
