//! Policies that AWS manages and everybody may attach, as far as the services of a lab and the roles of its instances know them. Each
//! gives what AWS's of that name gives in EC2, IAM and STS, and the better part of what it gives elsewhere.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use model::Timestamp;
use model::random::SplitMix64;
use model::tag::Tags;

use crate::account::{ManagedPolicy, PolicyVersion};
use crate::document::Document;
use crate::environment::Environment;
use crate::policy::PolicyKind;

/// 2015-02-06: since when most of them are.
const CREATED: Timestamp = Timestamp(1_423_240_800);

/// Path, name, what it is for, and its statements.
const ALL: &[(&str, &str, &str, &str)] = &[
    ("/", "AdministratorAccess", "Everything, everywhere.", r#"{"Effect": "Allow", "Action": "*", "Resource": "*"}"#),
    ("/", "AWSDenyAll", "Nothing at all.", r#"{"Effect": "Deny", "Action": "*", "Resource": "*"}"#),
    ("/", "PowerUserAccess", "Everything but who may do what.", r#"
        {"Effect": "Allow", "NotAction": ["iam:*", "organizations:*", "account:*"], "Resource": "*"},
        {"Effect": "Allow", "Resource": "*",
         "Action": ["iam:CreateServiceLinkedRole", "iam:DeleteServiceLinkedRole", "iam:ListRoles", "organizations:DescribeOrganization"]}"#),
    ("/", "ReadOnlyAccess", "Looking at everything.", r#"{"Effect": "Allow", "Resource": "*", "Action": [
        "ec2:Describe*", "ec2:Get*", "ec2:List*", "ec2:Search*", "iam:Generate*", "iam:Get*", "iam:List*", "iam:Simulate*",
        "sts:GetAccessKeyInfo", "sts:GetCallerIdentity", "sts:GetSessionToken", "autoscaling:Describe*", "cloudwatch:Describe*",
        "cloudwatch:Get*", "cloudwatch:List*", "elasticloadbalancing:Describe*", "logs:Describe*", "logs:Get*", "s3:Get*", "s3:List*"]}"#),
    ("/", "SecurityAudit", "Looking at how things are set up.", r#"{"Effect": "Allow", "Resource": "*", "Action": [
        "ec2:Describe*", "ec2:GetEbsEncryptionByDefault", "ec2:GetManagedPrefixListEntries", "iam:GenerateCredentialReport",
        "iam:GenerateServiceLastAccessedDetails", "iam:Get*", "iam:List*", "iam:SimulateCustomPolicy", "iam:SimulatePrincipalPolicy",
        "sts:GetAccessKeyInfo", "elasticloadbalancing:Describe*", "logs:Describe*", "s3:GetBucket*", "s3:ListAllMyBuckets"]}"#),
    ("/", "AmazonEC2FullAccess", "All of EC2 and what belongs to it.", r#"
        {"Effect": "Allow", "Resource": "*", "Action": ["ec2:*", "elasticloadbalancing:*", "cloudwatch:*", "autoscaling:*"]},
        {"Effect": "Allow", "Resource": "*", "Action": "iam:CreateServiceLinkedRole", "Condition": {"StringEquals": {"iam:AWSServiceName": [
         "autoscaling.amazonaws.com", "ec2scheduled.amazonaws.com", "elasticloadbalancing.amazonaws.com", "spot.amazonaws.com",
         "spotfleet.amazonaws.com", "transitgateway.amazonaws.com"]}}}"#),
    ("/", "AmazonEC2ReadOnlyAccess", "Looking at EC2 and what belongs to it.", r#"{"Effect": "Allow", "Resource": "*", "Action": [
        "ec2:Describe*", "ec2:GetSecurityGroupsForVpc", "elasticloadbalancing:Describe*", "cloudwatch:ListMetrics",
        "cloudwatch:GetMetricStatistics", "cloudwatch:Describe*", "autoscaling:Describe*"]}"#),
    ("/", "AmazonVPCFullAccess", "Networks: everything.", r#"{"Effect": "Allow", "Resource": "*", "Action": [
        "ec2:*Address*", "ec2:*CarrierGateway*", "ec2:*DhcpOptions", "ec2:*FlowLogs", "ec2:*Gateway*", "ec2:*ManagedPrefixList*",
        "ec2:*NetworkAcl*", "ec2:*NetworkInterface*", "ec2:*PrefixLists", "ec2:*Route", "ec2:*RouteTable*", "ec2:*SecurityGroup*",
        "ec2:*Subnet*", "ec2:*Vpc*", "ec2:*VpnConnection*", "ec2:*VgwRoutePropagation", "ec2:CreateTags", "ec2:DeleteTags",
        "ec2:Describe*"]}"#),
    ("/", "AmazonVPCReadOnlyAccess", "Networks: looking.", r#"{"Effect": "Allow", "Resource": "*", "Action": [
        "ec2:DescribeAccountAttributes", "ec2:DescribeAddresses", "ec2:DescribeAvailabilityZones", "ec2:Describe*Gateway*",
        "ec2:DescribeDhcpOptions", "ec2:DescribeFlowLogs", "ec2:DescribeManagedPrefixLists", "ec2:DescribeNetworkAcls",
        "ec2:DescribeNetworkInterface*", "ec2:DescribePrefixLists", "ec2:DescribeRouteTables", "ec2:DescribeSecurityGroup*",
        "ec2:DescribeStaleSecurityGroups", "ec2:DescribeSubnets", "ec2:DescribeTags", "ec2:DescribeVpc*", "ec2:DescribeVpn*",
        "ec2:GetSecurityGroupsForVpc"]}"#),
    ("/", "IAMFullAccess", "Who may do what: everything.", r#"{"Effect": "Allow", "Resource": "*", "Action": [
        "iam:*", "organizations:DescribeAccount", "organizations:DescribeOrganization", "organizations:ListRoots"]}"#),
    ("/", "IAMReadOnlyAccess", "Who may do what: looking.", r#"{"Effect": "Allow", "Resource": "*", "Action": [
        "iam:GenerateCredentialReport", "iam:GenerateServiceLastAccessedDetails", "iam:Get*", "iam:List*", "iam:SimulateCustomPolicy",
        "iam:SimulatePrincipalPolicy"]}"#),
    ("/", "IAMUserChangePassword", "One's own password.", r#"
        {"Effect": "Allow", "Action": "iam:ChangePassword", "Resource": "arn:aws:iam::*:user/${aws:username}"},
        {"Effect": "Allow", "Action": "iam:GetAccountPasswordPolicy", "Resource": "*"}"#),
    ("/", "AmazonS3FullAccess", "All of S3.", r#"{"Effect": "Allow", "Action": ["s3:*", "s3-object-lambda:*"], "Resource": "*"}"#),
    ("/", "AmazonS3ReadOnlyAccess", "Looking at S3.", r#"{"Effect": "Allow", "Resource": "*", "Action": [
        "s3:Describe*", "s3:Get*", "s3:List*", "s3-object-lambda:Get*", "s3-object-lambda:List*"]}"#),
    ("/", "AmazonSSMManagedInstanceCore", "What the agent of Systems Manager needs in an instance.", r#"{"Effect": "Allow", "Resource": "*", "Action": [
        "ssm:DescribeAssociation", "ssm:GetDeployablePatchSnapshotForInstance", "ssm:GetDocument", "ssm:DescribeDocument",
        "ssm:GetManifest", "ssm:GetParameter", "ssm:GetParameters", "ssm:ListAssociations", "ssm:ListInstanceAssociations",
        "ssm:Put*", "ssm:Update*", "ssmmessages:*", "ec2messages:*"]}"#),
    ("/", "CloudWatchAgentServerPolicy", "What the agent of CloudWatch needs in an instance.", r#"{"Effect": "Allow", "Resource": "*", "Action": [
        "cloudwatch:PutMetricData", "ec2:DescribeVolumes", "ec2:DescribeTags", "logs:PutLogEvents", "logs:PutRetentionPolicy",
        "logs:DescribeLogStreams", "logs:DescribeLogGroups", "logs:CreateLogStream", "logs:CreateLogGroup"]}"#),
    ("/job-function/", "NetworkAdministrator", "Networks, and looking at what is in them.", r#"{"Effect": "Allow", "Resource": "*", "Action": [
        "ec2:*Address*", "ec2:*DhcpOptions", "ec2:*FlowLogs", "ec2:*Gateway*", "ec2:*ManagedPrefixList*", "ec2:*NetworkAcl*",
        "ec2:*NetworkInterface*", "ec2:*Placement*", "ec2:*Route", "ec2:*RouteTable*", "ec2:*SecurityGroup*", "ec2:*Subnet*",
        "ec2:*Vpc*", "ec2:*VpnConnection*", "ec2:*VgwRoutePropagation", "ec2:CreateTags", "ec2:DeleteTags", "ec2:Describe*",
        "ec2:SearchTransitGatewayRoutes", "elasticloadbalancing:*", "logs:Describe*", "logs:GetLogEvents"]}"#),
    ("/job-function/", "ViewOnlyAccess", "What there is, and not what is in it.", r#"{"Effect": "Allow", "Resource": "*", "Action": [
        "ec2:Describe*", "ec2:SearchTransitGatewayRoutes", "iam:GetAccountSummary", "iam:GetLoginProfile", "iam:List*",
        "autoscaling:Describe*", "elasticloadbalancing:Describe*", "cloudwatch:Describe*", "cloudwatch:List*", "s3:ListAllMyBuckets"]}"#),
];

fn table() -> &'static BTreeMap<String, ManagedPolicy> {
    static TABLE: OnceLock<BTreeMap<String, ManagedPolicy>> = OnceLock::new();
    TABLE.get_or_init(|| {
        let read = |(path, name, description, statements): &(&str, &str, &str, &str)| {
            let text = format!(r#"{{"Version": "2012-10-17", "Statement": [{statements}]}}"#);
            let document = Document::new(text, PolicyKind::Identity, usize::MAX).ok()?;
            // The same in every account, as AWS's are.
            let seed = name.bytes().fold(0_u64, |seed, byte| seed.wrapping_mul(31).wrapping_add(byte.into()));
            let mut random = SplitMix64(seed);
            let mut fill = |bytes: &mut [u8]| bytes.fill_with(|| random.next_u64().to_be_bytes()[0]);
            let id = Environment { now: CREATED, random: &mut fill }.id("ANPA");
            let policy = ManagedPolicy {
                name: (*name).to_owned(),
                path: (*path).to_owned(),
                id,
                description: Some((*description).to_owned()),
                created: CREATED,
                updated: CREATED,
                tags: Tags::new(),
                versions: BTreeMap::from([(1, PolicyVersion { document, created: CREATED })]),
                default_version: 1,
                last_version: 1,
            };
            Some((format!("{PREFIX}{path}{name}"), policy))
        };
        ALL.iter().filter_map(read).collect()
    })
}

/// What the resource names of these policies begin with; a path follows.
const PREFIX: &str = "arn:aws:iam::aws:policy";

/// All of them, sorted by resource name.
pub fn all() -> impl Iterator<Item = (&'static str, &'static ManagedPolicy)> {
    table().iter().map(|(arn, policy)| (arn.as_str(), policy))
}

/// The one with a resource name.
pub fn find(arn: &str) -> Option<&'static ManagedPolicy> {
    arn.starts_with(PREFIX).then(|| table().get(arn)).flatten()
}

/// The resource name of the one with a name.
pub fn called(name: &str) -> Option<&'static str> {
    all().find(|(_, policy)| policy.name == name).map(|(arn, _)| arn)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_of_them_can_be_read_and_have_ids_of_their_own() {
        assert_eq!(all().count(), ALL.len());
        let ids: std::collections::BTreeSet<&str> = all().map(|(_, policy)| policy.id.as_str()).collect();
        assert_eq!(ids.len(), ALL.len());
        assert_eq!(called("AdministratorAccess"), Some("arn:aws:iam::aws:policy/AdministratorAccess"));
        assert_eq!(called("NetworkAdministrator"), Some("arn:aws:iam::aws:policy/job-function/NetworkAdministrator"));
        assert!(find("arn:aws:iam::111122223333:policy/AdministratorAccess").is_none());
    }
}
