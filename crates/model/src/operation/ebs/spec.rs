//! What a volume may be: sizes, types, operations a second; and how devices are called.

use crate::ebs::{VolumeSpec, VolumeType};
use crate::operation::invalid_value;
use crate::*;

/// Size and performance as they are asked for; what is `None` is as the type has it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct VolumeWish {
    /// GiB.
    pub size_gib: Option<u32>,
    /// Type.
    pub kind: Option<VolumeType>,
    /// Operations a second.
    pub iops: Option<u32>,
    /// MiB a second.
    pub throughput: Option<u32>,
    /// Whether several instances may have it at once.
    pub multi_attach: Option<bool>,
}

impl VolumeWish {
    /// The spec that is meant. `default` is the type when nobody says which.
    ///
    /// Errors: `MissingParameter` (operations of `io1` and `io2`), `InvalidParameterValue` (size, operations, throughput out of
    /// the type's range), `InvalidParameterCombination` (what the type does not have).
    pub fn check(&self, size_gib: u32, default: VolumeType) -> Result<VolumeSpec, ApiError> {
        let kind = self.kind.unwrap_or(default);
        let (least, most) = kind.sizes();
        if !(least..=most).contains(&size_gib) {
            let why = format!("Volumes of type {} have {least} to {most} GiB.", kind.as_str());
            return Err(invalid_value(size_gib, "Size", why));
        }
        let iops = match (kind.iops_range(), self.iops) {
            (None, None) => own_iops(kind, size_gib),
            (None, Some(_)) => return Err(not_supported("iops", kind)),
            (Some(_), None) if kind == VolumeType::Gp3 => Some(3_000),
            (Some(_), None) => {
                let message = format!("The parameter iops must be specified for {} volumes.", kind.as_str());
                return Err(ApiError::new(ErrorCode::MissingParameter, message));
            }
            (Some((least, most, per_gib)), Some(iops)) => {
                if !(least..=most).contains(&iops) {
                    let why = format!("Volumes of type {} have {least} to {most} iops.", kind.as_str());
                    return Err(invalid_value(iops, "Iops", why));
                }
                // A small gp3 volume has its 3,000 whatever its size.
                if iops > least && u64::from(iops) > u64::from(per_gib) * u64::from(size_gib) {
                    let why = format!("Iops to volume size ratio of {}:1 is too high; the most is {per_gib}:1.", iops / size_gib.max(1));
                    return Err(invalid_value(iops, "Iops", why));
                }
                Some(iops)
            }
        };
        let throughput = match (kind, self.throughput) {
            (VolumeType::Gp3, None) => Some(125),
            (VolumeType::Gp3, Some(wanted)) if !(125..=2_000).contains(&wanted) => {
                return Err(invalid_value(wanted, "Throughput", "Volumes of type gp3 have 125 to 2000 MiB a second."));
            }
            (VolumeType::Gp3, Some(wanted)) => Some(wanted),
            (_, None) => None,
            (_, Some(_)) => return Err(not_supported("throughput", kind)),
        };
        if let (Some(throughput), Some(iops)) = (throughput, iops)
            && throughput > 125
            && throughput * 4 > iops
        {
            let why = "Throughput (MiBps) to iops ratio is too high; the most is 0.25 MiBps an iops.";
            return Err(invalid_value(throughput, "Throughput", why));
        }
        let multi_attach = self.multi_attach.unwrap_or(false);
        if multi_attach && !kind.can_multi_attach() {
            return Err(not_supported("MultiAttachEnabled", kind));
        }
        Ok(VolumeSpec { size_gib, kind, iops, throughput, multi_attach })
    }
}

/// Operations a second that a type has by itself: three for each GiB with `gp2`.
fn own_iops(kind: VolumeType, size_gib: u32) -> Option<u32> {
    (kind == VolumeType::Gp2).then(|| (size_gib * 3).clamp(100, 16_000))
}

fn not_supported(parameter: &str, kind: VolumeType) -> ApiError {
    let message = format!("The parameter {parameter} is not supported for {} volumes.", kind.as_str());
    ApiError::new(ErrorCode::InvalidParameterCombination, message)
}

/// `/dev/sda1`, `/dev/sdf`, `/dev/xvdba`, `xvdf`. Errors: `InvalidParameterValue`.
pub(crate) fn check_device_name(name: &str) -> Result<(), ApiError> {
    let short = name.strip_prefix("/dev/").unwrap_or(name);
    let rest = short.strip_prefix("sd").or_else(|| short.strip_prefix("xvd")).or_else(|| short.strip_prefix("hd"));
    let is_sound = rest.is_some_and(|rest| {
        let letters = rest.trim_end_matches(|c: char| c.is_ascii_digit());
        let digits = &rest[letters.len()..];
        (1..=2).contains(&letters.len()) && letters.bytes().all(|b| b.is_ascii_lowercase()) && digits.len() <= 2
    });
    match is_sound {
        true => Ok(()),
        false => Err(invalid_value(name, "device", format!("{name} is not a valid EBS device name."))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_volume_may_be_follows_from_its_type() {
        use VolumeType::*;
        let wish = |kind, iops, throughput| VolumeWish { kind: Some(kind), iops, throughput, ..VolumeWish::default() };
        for (size, wish, expected) in [
            (8, wish(Gp3, None, None), Ok((Some(3_000), Some(125)))),
            (100, wish(Gp3, Some(4_000), Some(1_000)), Ok((Some(4_000), Some(1_000)))),
            (8, wish(Gp2, None, None), Ok((Some(100), None))),
            (1_000, wish(Gp2, None, None), Ok((Some(3_000), None))),
            (10, wish(Io1, Some(500), None), Ok((Some(500), None))),
            (10, wish(Io1, Some(501), None), Err(ErrorCode::InvalidParameterValue)),
            (10, wish(Io1, None, None), Err(ErrorCode::MissingParameter)),
            (8, wish(Gp2, Some(100), None), Err(ErrorCode::InvalidParameterCombination)),
            (8, wish(Gp2, None, Some(125)), Err(ErrorCode::InvalidParameterCombination)),
            (100, wish(Gp3, Some(3_000), Some(1_000)), Err(ErrorCode::InvalidParameterValue)),
            (0, wish(Gp3, None, None), Err(ErrorCode::InvalidParameterValue)),
            (124, wish(St1, None, None), Err(ErrorCode::InvalidParameterValue)),
            (125, wish(St1, None, None), Ok((None, None))),
        ] {
            let found = wish.check(size, Gp2).map(|spec| (spec.iops, spec.throughput)).map_err(|error| error.code);
            assert_eq!(found, expected, "{size} GiB {wish:?}");
        }
    }

    #[test]
    fn devices_are_called_as_aws_calls_them() {
        for (name, sound) in [
            ("/dev/sda1", true),
            ("/dev/sdf", true),
            ("sdf", true),
            ("/dev/xvda", true),
            ("/dev/xvdba", true),
            ("/dev/nvme0n1", false),
            ("/dev/sd", false),
            ("/dev/sdF", false),
            ("/dev/../x", false),
            ("", false),
        ] {
            assert_eq!(check_device_name(name).is_ok(), sound, "{name}");
        }
    }
}
