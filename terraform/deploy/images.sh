# shellcheck shell=bash disable=SC2154,SC2034 # variables of ./deploy and of the other parts
# Parts of ./deploy: the questions, the registry and the images.

# confirm WHAT: asks, unless `confirmed` is set by an earlier answer or by --yes, and ends ./deploy unless the answer is y
confirm() {
  local answer=
  [ -z "$confirmed" ] || return 0
  [ -t 0 ] || fail "$1: add --yes, because nobody can be asked here"
  read -r -p "$1. Continue? [y/N] " answer
  [ "$answer" = y ] || fail "stopped: no resource was changed"
  confirmed=1
}

# release_now: prints the recorded tag, or "none"
release_now() {
  local answer
  answer=$(aws ssm get-parameter --name "/$name/release/current" --query Parameter.Value --output text 2>&1) || {
    [[ $answer == *ParameterNotFound* ]] || not_allowed "$answer" "could not read the release: $answer
Check the network and the credentials, and run ./deploy again."
    echo none
    return
  }
  echo "$answer" | sed -n 's/.*"tag": *"\([0-9a-f]*\)".*/\1/p'
}

# aws_here: prints how to call the AWS CLI with the region and the credentials of this run, for commands to copy
aws_here() { echo "$(credentials_here)aws --region $region"; }
# terraform_here: the same for Terraform with the state of this environment
terraform_here() { echo "$(credentials_here)TF_DATA_DIR=$data $terraform -chdir=terraform"; }
# `env` also works after `xargs`.
credentials_here() {
  [ -z "${AWS_SHARED_CREDENTIALS_FILE:-}" ] || printf 'env AWS_SHARED_CREDENTIALS_FILE=%q ' "$AWS_SHARED_CREDENTIALS_FILE"
}

# state_elsewhere: fails, because there is a release, and the state knows of no resource
state_elsewhere() {
  fail "$name has a release in the account $account, in $region, but the state of $environment has no resources. If the service \
is there, run this where its state is: in the clone that created it, or with terraform/environments/$environment.s3.tfbackend \
(terraform/README.md, \"Sharing the state\"). If it is not, delete the records of its releases:
$(aws_here) ssm get-parameters-by-path --path /$name/release --recursive --query 'Parameters[].Name' --output text |
  xargs -n 10 $(aws_here) ssm delete-parameters --names"
}

# check_owner: fails if the service, or the registry that is its beginning, belongs to another state. Terraform would take over
# its queues, and replace their policies.
check_owner() {
  local answer
  if [ "$release" != none ]; then
    has_resources || state_elsewhere
    return
  fi
  ! has aws_ecr_repository || return 0
  if answer=$(aws ecr describe-repositories --repository-names "$name/api" 2>&1); then
    fail "the registry $name/api is in the account $account, in $region, but the state of $environment does not name it: run this \
in the clone that created it, or with terraform/environments/$environment.s3.tfbackend (terraform/README.md, \"Sharing the \
state\"). If a run that was killed left it, delete it and that of the worker, if it is there:
$(aws_here) ecr delete-repository --force --repository-name $name/api
$(aws_here) ecr delete-repository --force --repository-name $name/worker"
  fi
  [[ $answer == *RepositoryNotFoundException* ]] || not_allowed "$answer" "could not look for the registry: $answer
Check the network and the credentials, and run ./deploy again."
  check_other_regions
}

# Releases and registries belong to a region, roles to the account. Where there are no roles of the service's own, as in a Learner
# Lab, nothing is noticed, and somebody who may not look for them may still deploy.
check_other_regions() {
  if has_resources || ! aws iam get-role --role-name "$name-api" >/dev/null 2>&1; then return 0; fi
  fail "the role $name-api is in the account $account, but the state of $environment has no resources, and $region has no \
release: if the service is in another region, run this in the clone that created it, or with \
terraform/environments/$environment.s3.tfbackend (terraform/README.md, \"Sharing the state\"). For a second service, add a file to \
terraform/environments that sets another name. If there is no service, delete its roles in the console of IAM"
}

# not_allowed OUTPUT MESSAGE: fails, and says which permission is missing if that is the reason
not_allowed() {
  local action
  action=$(echo "$1" | sed -n 's/.*not authorized to perform: *\([A-Za-z0-9:]*\).*/\1/p' | head -n 1)
  [ -z "$action" ] || fail "$caller may not $action: add this permission, or use other credentials"
  fail "$2"
}

# OpenTofu adds the providers of its own registry to the lock file, which is not in the images.
uncommitted() { [ -n "$(git status --porcelain -- . ':!terraform/.terraform.lock.hcl')" ]; }

# Refuses before anything is created.
check_images() {
  ! uncommitted || fail "there are uncommitted changes, and images are built from commits: commit or stash them"
  has aws_ecr_repository || command -v docker >/dev/null ||
    fail "the images of $(git rev-parse --short=12 HEAD) have to be built: install and start Docker \
(https://docs.docker.com/engine/install/)"
}

# variables: prints the arguments with the settings of this environment, one a line
variables() {
  local credentials=${AWS_SHARED_CREDENTIALS_FILE:-}
  printf '%s\n' "-var-file=environments/$environment.tfvars" -var "region=$region"
  [ -z "$allowed" ] || printf '%s\n' -var "allowed_cidrs=[$allowed]"
  [ -z "$tag" ] || printf '%s\n' -var "image_tag=$tag" -var "cpu_architecture=$architecture"
  [ -z "$credentials" ] || printf '%s\n' -var "credentials_file=$(cd "$(dirname "$credentials")" && pwd)/$(basename "$credentials")"
}

# planned COMMAND [ARGUMENT...]: runs a command of Terraform with the settings. A line of `variables` is one argument.
planned() {
  local arguments=() line command=$1
  shift
  while IFS= read -r line; do arguments+=("$line"); done < <(variables)
  tf "$command" -input=false -no-color "${arguments[@]}" "$@"
}

# The queues and the registry, without which no image can be pushed. On a running service this would remove it, so nothing is
# applied that destroys anything.
create_registry() {
  ! has aws_ecr_repository || return 0
  confirm "This creates the service $name in the account $account, in $region. terraform/README.md says what it costs"
  say "the queues and the registry"
  planned plan -out="$data/plan" -var service_enabled=false >"$data/registry.log" 2>&1 || failed_apply "$data/registry.log"
  grep -q '^Plan: .* 0 to destroy' "$data/registry.log" ||
    fail "the registry is missing, but other resources are there (see $data/registry.log). Create only the registry:
$(terraform_here) apply -target=aws_ecr_repository.image -var-file=environments/$environment.tfvars \
-var region=$region && ./deploy $environment"
  tf apply -input=false -no-color "$data/plan" >>"$data/registry.log" 2>&1 || failed_apply "$data/registry.log"
  grep '^Apply complete' "$data/registry.log"
}

# Sets `tag` and `architecture` to the images of the current commit. They become the release only when somebody has agreed to
# deploy them, because the next `apply` of a colleague deploys the release.
push_images() {
  say "the images"
  if uncommitted; then
    echo "There are uncommitted changes, so the release stays $(release_now). Commit them to deploy them."
    return
  fi
  docker/push --no-release || fail "docker/push failed; it says above what to do"
  tag=$(git rev-parse --short=12 HEAD)
  architecture=$(aws ssm get-parameter --name "/$name/release/architecture/$tag" --query Parameter.Value --output text) ||
    fail "could not read the architecture of the images: check that the credentials allow ssm:GetParameter, and run \
./deploy $environment again"
}

record_release() {
  [ -n "$tag" ] && [ "$(release_now)" != "$tag" ] || return 0
  docker/push "$tag" >"$data/record.log" 2>&1 || {
    cat "$data/record.log" >&2
    fail "the release could not be recorded; docker/push says above what to do"
  }
}
