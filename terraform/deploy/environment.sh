# shellcheck shell=bash disable=SC2154,SC2034 # variables of ./deploy and of the other parts
# Parts of ./deploy: the tools, the credentials, the environment and its state. They set
#
#   terraform    the program, terraform or tofu
#   account      the number of the AWS account
#   caller       the ARN of the credentials
#   in_lab       not empty if this is an AWS Academy Learner Lab
#   environment  the environment's name; `data` is the folder of this clone for it
#   region       where the environment is

# at_least_1_11 VERSION: whether a version (MAJOR.MINOR…) is at least that
at_least_1_11() {
  local major minor
  major=${1%%.*}
  minor=${1#*.}
  minor=${minor%%.*}
  [ "$major" -gt 1 ] || { [ "$major" = 1 ] && [ "$minor" -ge 11 ]; }
}

check_tools() {
  local missing='' version tool
  terraform=${TERRAFORM:-}
  if [ -z "$terraform" ]; then
    terraform=terraform
    command -v terraform >/dev/null || ! command -v tofu >/dev/null || terraform=tofu
  fi
  if version=$("$terraform" version 2>/dev/null | sed -n 's/^[A-Za-z]* v\([0-9.]*\).*/\1/p' | head -n 1) && [ -n "$version" ]; then
    at_least_1_11 "$version" || missing="
  terraform 1.11 or newer (found $version): https://developer.hashicorp.com/terraform/install"
  else
    missing="
  terraform 1.11 or newer, or OpenTofu: https://developer.hashicorp.com/terraform/install"
  fi
  for tool in \
    'aws https://docs.aws.amazon.com/cli/latest/userguide/getting-started-install.html' \
    'git https://git-scm.com/downloads' \
    'curl https://curl.se/download.html' \
    'openssl https://openssl-library.org/source/'; do
    command -v "${tool%% *}" >/dev/null || missing="$missing
  ${tool%% *}: ${tool#* }"
  done
  [ -z "$missing" ] || fail "install what is missing, and run ./deploy again:$missing"
  export TERRAFORM=$terraform
}

check_credentials() {
  local answer
  if [ -f credentials ] && [ -z "${AWS_SHARED_CREDENTIALS_FILE:-}" ]; then
    export AWS_SHARED_CREDENTIALS_FILE=$PWD/credentials
  fi
  # Nobody answers questions of a pager.
  export AWS_PAGER=
  # The first version of the AWS CLI reads only the second of these variables, and needs it also for this question.
  export AWS_REGION=${AWS_REGION:-${AWS_DEFAULT_REGION:-us-east-1}}
  export AWS_DEFAULT_REGION=$AWS_REGION
  answer=$(aws sts get-caller-identity --query '[Account,Arn]' --output text 2>&1) || case $answer in
    *ExpiredToken* | *expired*)
      fail "the AWS credentials have expired: start the lab again and write the new ones into the file credentials, or run
aws sso login" ;;
    *'Unable to locate credentials'*)
      fail "AWS has no credentials: copy credentials.example to credentials and fill it in, or run aws sso login, or set
AWS_PROFILE" ;;
    *'config profile'*)
      fail "$answer: correct AWS_PROFILE, or add the profile with aws configure --profile NAME" ;;
    *InvalidClientTokenId* | *SignatureDoesNotMatch* | *UnrecognizedClient*)
      fail "AWS does not accept the credentials: copy all lines of them into the file credentials again" ;;
    *) fail "AWS does not answer: $answer
Check the network and the credentials, and run ./deploy again." ;;
  esac
  account=$(echo "$answer" | cut -f 1)
  caller=$(echo "$answer" | cut -f 2)
  in_lab=
  [[ $caller != *:assumed-role/voclabs/* ]] || in_lab=1
}

# Prints the names of all environments.
environments() {
  local file
  for file in terraform/environments/*.tfvars; do printf '%s ' "$(basename "$file" .tfvars)"; done
}

choose_environment() {
  if [ -z "$environment" ]; then
    environment=small
    [ -z "$in_lab" ] || environment=lab
  fi
  settings=terraform/environments/$environment.tfvars
  [ -f "$settings" ] || fail "there is no environment $environment: choose one of these: $(environments)- or write $settings"
  [ -z "$in_lab" ] || [ "$(setting size)" != production ] ||
    fail "a Learner Lab can't run the size production (it allows no standby database): ./deploy lab"
  name=$(setting name)
  name=${name:-taskoverflow}
  data=$PWD/terraform/.tf-$environment
}

# setting NAME: prints a setting, of this clone or of the environment, without quotes; or nothing
setting() {
  local files=$settings
  [ ! -f terraform/terraform.tfvars ] || files="terraform/terraform.tfvars $settings"
  # The environment's own comes last, and Terraform uses that.
  # shellcheck disable=SC2086
  sed -n "s/ *#.*//; s/^$1 *= *//p" $files | tail -n 1 | tr -d '"'
}

# Without --region, it is what the settings say, and then where the environment is already.
choose_region() {
  region=${region:-$(setting region)}
  region=${region:-$(output region)}
  region=${region:-us-east-1}
  [ -z "$in_lab" ] || [ "$region" = us-east-1 ] || [ "$region" = us-west-2 ] ||
    fail "a Learner Lab allows us-east-1 and us-west-2, not $region: --region us-east-1"
  export AWS_REGION=$region AWS_DEFAULT_REGION=$region
  say "$environment: $name in account $account, $region"
}

# tf COMMAND [ARGUMENT...]
tf() { "$terraform" -chdir=terraform "$@"; }

# resources: prints the addresses of the resources in the state. A state that can't be read is not an empty one.
resources() {
  local list
  list=$(tf state list 2>&1) || {
    [[ $list == *'No state file was found'* ]] || fail "the state of $environment could not be read: $list
Check the network and the credentials, and run ./deploy again."
    return 0
  }
  printf '%s' "$list"
}

# has TYPE: whether the state has a resource of this type
has() {
  local all
  all=$(resources) || exit
  [[ $'\n'$all == *$'\n'"$1."* ]]
}

# has_resources: whether the state has any resources. Data sources are none, nor are the lines of a warning. Only the type of a
# resource has an underscore.
has_resources() {
  local all
  all=$(resources) || exit
  grep -qE '^[a-z0-9]+_[a-z0-9_]+\.[A-Za-z_]' <<<"$all"
}

# output NAME: prints an output of the state, or nothing. Without a state, Terraform prints a warning instead.
output() {
  local value
  value=$(tf output -no-color -raw "$1" 2>/dev/null) || return 0
  [[ $value == *Warning:* ]] || printf '%s' "$value"
}

init() {
  local shared=terraform/environments/$environment.s3.tfbackend kind from lock=()
  mkdir -p "$data"
  if [ -f "$shared" ]; then
    [ ! -s "$data/local.tfstate" ] || fail "the state of $environment is in this clone, but $shared says that it is in a \
bucket: upload $data/local.tfstate to the bucket under the key in that file, and delete it here"
    kind=s3 from=environments/$environment.s3.tfbackend
  else
    [ ! -f terraform/terraform.tfstate ] || ! grep -q '"type"' terraform/terraform.tfstate ||
      fail "terraform/terraform.tfstate is of a service that was made without ./deploy: go on with terraform apply \
(terraform/README.md), or, if that is $environment, mv terraform/terraform.tfstate $data/local.tfstate"
    kind='local' from=path=$data/local.tfstate
  fi
  printf 'terraform {\n  backend "%s" {}\n}\n' "$kind" >terraform/backend_override.tf
  # Each environment has its state and its settings of the backend in a folder of its own.
  export TF_DATA_DIR=$data TF_IN_AUTOMATION=1
  # The lock file is Terraform's.
  [ "$(basename "$terraform")" = tofu ] || lock=(-lockfile=readonly)
  tf init -input=false -no-color -reconfigure -backend-config="$from" "${lock[@]+"${lock[@]}"}" >"$data/init.log" 2>&1 || {
    cat "$data/init.log" >&2
    fail "terraform init failed: check the network$([ $kind = 'local' ] || echo ", and that the bucket in $shared exists")"
  }
}

# The state may be of another account or region than the credentials and the settings.
check_state() {
  local queue
  queue=$(output queue_url)
  case $queue in
    '' | "null") return ;;
  esac
  [ "$(output region)" = "$region" ] ||
    fail "$environment is in $(output region), not in $region: leave out --region (and region in the settings), or run \
./deploy destroy $environment first"
  [[ $queue == */"$account"/* ]] || fail "the credentials are of the account $account, but $environment was created in \
$(echo "$queue" | cut -d / -f 4): use credentials of that account, or another environment"
}
