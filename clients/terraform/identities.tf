# Who may do what: developers look, servers look up their own kind, and nobody of them changes a thing.
data "aws_iam_policy_document" "servers_may_assume" {
  statement {
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["ec2.amazonaws.com"]
    }
  }
}

data "aws_iam_policy_document" "look" {
  statement {
    sid       = "Look"
    actions   = ["ec2:Describe*"]
    resources = ["*"]
  }

  statement {
    sid       = "NobodyEnds"
    effect    = "Deny"
    actions   = ["ec2:TerminateInstances"]
    resources = ["arn:aws:ec2:${data.aws_region.here.name}:${data.aws_caller_identity.me.account_id}:instance/*"]
  }
}

resource "aws_iam_policy" "look" {
  name        = "look"
  path        = "/shop/"
  description = "To see everything and to end nothing"
  policy      = data.aws_iam_policy_document.look.json
}

resource "aws_iam_role" "web" {
  name               = "web"
  path               = "/shop/"
  assume_role_policy = data.aws_iam_policy_document.servers_may_assume.json
  tags               = local.tags
}

resource "aws_iam_role_policy_attachment" "web" {
  role       = aws_iam_role.web.name
  policy_arn = aws_iam_policy.look.arn
}

resource "aws_iam_role_policy" "web" {
  name = "tags"
  role = aws_iam_role.web.id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect   = "Allow"
      Action   = "ec2:CreateTags"
      Resource = "*"
    }]
  })
}

resource "aws_iam_instance_profile" "web" {
  name = "web"
  role = aws_iam_role.web.name
}

resource "aws_iam_group" "developers" {
  name = "developers"
  path = "/shop/"
}

resource "aws_iam_group_policy_attachment" "developers" {
  group      = aws_iam_group.developers.name
  policy_arn = aws_iam_policy.look.arn
}

resource "aws_iam_group_policy" "developers" {
  name  = "reboot"
  group = aws_iam_group.developers.name

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Action    = "ec2:RebootInstances"
      Resource  = "*"
      Condition = { StringEquals = { "ec2:ResourceTag/Stage" = "test" } }
    }]
  })
}

resource "aws_iam_user" "kim" {
  name          = "kim"
  path          = "/shop/"
  force_destroy = true
  tags          = local.tags
}

resource "aws_iam_user_group_membership" "kim" {
  user   = aws_iam_user.kim.name
  groups = [aws_iam_group.developers.name]
}

resource "aws_iam_user_policy" "kim" {
  name = "self"
  user = aws_iam_user.kim.name

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect   = "Allow"
      Action   = ["iam:GetUser", "iam:ListAccessKeys"]
      Resource = aws_iam_user.kim.arn
    }]
  })
}

resource "aws_iam_access_key" "kim" {
  user = aws_iam_user.kim.name
}
