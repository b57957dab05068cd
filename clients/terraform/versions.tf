# A shop with a back office, as people describe it for AWS. Nothing in these files but `endpoints` knows that it is a lab, and
# later providers read AWS_ENDPOINT_URL by themselves.
terraform {
  required_version = ">= 1.0"
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 3.39.0"
    }
  }
}

# Region and keys come from the environment, by: eval "$(vpclab env)"
provider "aws" {
  skip_metadata_api_check = true

  endpoints {
    ec2 = var.endpoint
    iam = var.endpoint
    sts = var.endpoint
  }
}
