"""Waits for what it makes and for what it takes away, as a script for AWS does: by boto3's own waiters."""
import boto3
from botocore.config import Config

ec2 = boto3.client("ec2", config=Config(retries={"max_attempts": 1}))


def wait(name, **which):
    """Looks once a second instead of four times a minute."""
    ec2.get_waiter(name).wait(WaiterConfig={"Delay": 1, "MaxAttempts": 120}, **which)


vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
wait("vpc_available", VpcIds=[vpc])
subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.0.1.0/24")["Subnet"]
wait("subnet_available", SubnetIds=[subnet["SubnetId"]])
image = ec2.describe_images(Owners=["amazon"])["Images"][0]["ImageId"]
launched = ec2.run_instances(ImageId=image, InstanceType="t3.micro", MinCount=2, MaxCount=2, SubnetId=subnet["SubnetId"])
assert {i["State"]["Name"] for i in launched["Instances"]} == {"pending"}
instances = [i["InstanceId"] for i in launched["Instances"]]
wait("instance_exists", InstanceIds=instances)
wait("instance_running", InstanceIds=instances)
wait("instance_status_ok", InstanceIds=instances)
wait("system_status_ok", InstanceIds=instances)

volume = ec2.create_volume(AvailabilityZone=subnet["AvailabilityZone"], Size=1)["VolumeId"]
wait("volume_available", VolumeIds=[volume])
ec2.attach_volume(VolumeId=volume, InstanceId=instances[0], Device="/dev/sdf")
wait("volume_in_use", VolumeIds=[volume])
snapshot = ec2.create_snapshot(VolumeId=volume)["SnapshotId"]
wait("snapshot_completed", SnapshotIds=[snapshot])
ec2.detach_volume(VolumeId=volume)
wait("volume_available", VolumeIds=[volume])
ec2.delete_volume(VolumeId=volume)
wait("volume_deleted", VolumeIds=[volume])

gateway = ec2.create_nat_gateway(SubnetId=subnet["SubnetId"], ConnectivityType="private")["NatGateway"]["NatGatewayId"]
wait("nat_gateway_available", NatGatewayIds=[gateway])
ec2.delete_nat_gateway(NatGatewayId=gateway)
wait("nat_gateway_deleted", NatGatewayIds=[gateway])

ec2.stop_instances(InstanceIds=instances[:1])
wait("instance_stopped", InstanceIds=instances[:1])
ec2.terminate_instances(InstanceIds=instances)
wait("instance_terminated", InstanceIds=instances)
ec2.delete_subnet(SubnetId=subnet["SubnetId"])
ec2.delete_vpc(VpcId=vpc)
print("all waits ended")
