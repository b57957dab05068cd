"""A user that is refused and then allowed, a role that is assumed, a refusal that is decoded."""

import json

import boto3
import botocore.exceptions


def client(service, key):
    token = key.get("SessionToken")
    names = {"aws_access_key_id": key["AccessKeyId"], "aws_secret_access_key": key["SecretAccessKey"], "aws_session_token": token}
    return boto3.client(service, **names)


def refused(call, **parameters):
    try:
        call(**parameters)
    except botocore.exceptions.ClientError as error:
        return error.response["Error"]["Code"], error.response["ResponseMetadata"]["HTTPStatusCode"], error.response["Error"]["Message"]
    raise AssertionError(f"{call} {parameters} must be refused")


def document(*statements):
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


iam = boto3.client("iam")
user = iam.create_user(UserName="dev")["User"]
assert user["Arn"] == "arn:aws:iam::111122223333:user/dev" and user["CreateDate"].year >= 2026, user
key = iam.create_access_key(UserName="dev")["AccessKey"]
dev, sts = client("ec2", key), client("sts", key)
assert sts.get_caller_identity()["Arn"] == user["Arn"]

code, status, message = refused(dev.create_vpc, CidrBlock="10.0.0.0/16")
assert (code, status) == ("UnauthorizedOperation", 403) and "user/dev" in message, message
encoded = message.rpartition(": ")[2]
assert refused(sts.decode_authorization_message, EncodedMessage=encoded)[0] == "AccessDenied"
decoded = json.loads(boto3.client("sts").decode_authorization_message(EncodedMessage=encoded)["DecodedMessage"])
assert decoded["context"]["action"] == "ec2:CreateVpc" and decoded["explicitDeny"] is False, decoded

make = {"Effect": "Allow", "Action": ["ec2:CreateVpc", "ec2:Describe*"], "Resource": "*"}
iam.put_user_policy(UserName="dev", PolicyName="make", PolicyDocument=document(make))
assert iam.get_user_policy(UserName="dev", PolicyName="make")["PolicyDocument"]["Statement"] == [make]
vpc = dev.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
assert [found["VpcId"] for found in dev.describe_vpcs()["Vpcs"]] == [vpc]
assert refused(dev.delete_vpc, VpcId=vpc)[:2] == ("UnauthorizedOperation", 403)
assert refused(dev.delete_vpc, VpcId=vpc, DryRun=True)[0] == "UnauthorizedOperation"

trust = {"Effect": "Allow", "Principal": {"AWS": user["Arn"]}, "Action": "sts:AssumeRole"}
role = iam.create_role(RoleName="netadmin", AssumeRolePolicyDocument=document(trust))["Role"]["Arn"]
policy = iam.create_policy(PolicyName="all", PolicyDocument=document({"Effect": "Allow", "Action": "ec2:*", "Resource": "*"}))
iam.attach_role_policy(RoleName="netadmin", PolicyArn=policy["Policy"]["Arn"])
assumed = sts.assume_role(RoleArn=role, RoleSessionName="s-1")
assert assumed["AssumedRoleUser"]["Arn"] == "arn:aws:sts::111122223333:assumed-role/netadmin/s-1", assumed
admin = client("ec2", assumed["Credentials"])
admin.delete_vpc(VpcId=vpc)
assert admin.describe_vpcs()["Vpcs"] == []
assert refused(client("sts", assumed["Credentials"]).get_session_token)[0] == "AccessDenied"

assert refused(client("ec2", {**key, "SecretAccessKey": "wrong"}).describe_vpcs)[:2] == ("SignatureDoesNotMatch", 403)
iam.update_access_key(UserName="dev", AccessKeyId=key["AccessKeyId"], Status="Inactive")
assert refused(dev.describe_vpcs)[0] == "AuthFailure"
assert refused(sts.get_caller_identity)[:2] == ("InvalidClientTokenId", 403)
assert refused(iam.delete_user, UserName="dev")[:2] == ("DeleteConflict", 409)
