# shellcheck shell=bash disable=SC2154,SC2034 # variables of ./deploy and of the other parts
# Parts of ./deploy: the removal of everything that it has made.

remove_everything() {
  local answer='' release
  # What the state does not name can't be destroyed, and must not lose its release either.
  has_resources || nothing_to_destroy
  if [ -z "$yes" ]; then
    [ -t 0 ] || fail "this deletes the service $name with its data: add --yes, because nobody can be asked here"
    read -r -p "This deletes the service $name in the account $account, in $region, with its data. Type its name: " answer
    [ "$answer" = "$name" ] || fail "stopped, nothing was changed"
  fi
  # Everything but the database can be removed without a release. Which one it is does not matter here.
  release=$(release_now)
  [[ $release =~ ^[0-9a-f]{12}$ ]] || release=000000000000
  [ -n "$allowed" ] || [ -n "$(setting allowed_cidrs)" ] || allowed='"127.0.0.1/32"'
  if has aws_db_instance; then
    say "the protection of the database"
    planned apply -auto-approve -target=aws_db_instance.main -var protect_database=false -var "image_tag=$release" \
      -var cpu_architecture=X86_64 >"$data/unprotect.log" 2>&1 || failed_apply "$data/unprotect.log"
  fi
  say "all resources (up to half an hour)"
  planned destroy -auto-approve -var protect_database=false >"$data/destroy.log" 2>&1 || failed_apply "$data/destroy.log"
  grep '^Destroy complete' "$data/destroy.log"
  remove_records
  remove_task_definitions
  rm -rf "$data"
  say "removed"
  show_leftovers
}

nothing_to_destroy() {
  [ "$(release_now)" = none ] || state_elsewhere
  fail "the state of $environment has no resources, so nothing was deleted: if the service is in another region, add --region; \
if another clone created it, run this there"
}

# Called when all resources are destroyed.
not_removed() { fail "$1: check the network and the permission, and run what is left of the last step yourself: \
terraform/README.md, \"Removing everything\""; }

remove_records() {
  local names
  names=$(aws ssm get-parameters-by-path --path "/$name/release" --recursive --query 'Parameters[].Name' --output text) ||
    not_removed "the records of releases could not be read (ssm:GetParametersByPath)"
  [ -z "$names" ] || echo "$names" | tr '\t' '\n' | xargs -n 10 aws ssm delete-parameters --names >/dev/null ||
    not_removed "the records of releases could not be deleted (ssm:DeleteParameters)"
}

# Terraform leaves them registered, for rollbacks.
remove_task_definitions() {
  local task definition all
  for task in api worker; do
    all=$(aws ecs list-task-definitions --family-prefix "$name-$task" --query 'taskDefinitionArns[]' --output text) ||
      not_removed "the versions of the $task could not be listed (ecs:ListTaskDefinitions)"
    for definition in $all; do
      [ "$definition" = None ] || aws ecs deregister-task-definition --task-definition "$definition" >/dev/null ||
        not_removed "$definition could not be deregistered (ecs:DeregisterTaskDefinition)"
    done
  done
}

# AWS may list what was deleted for some time, so this is no failure.
show_leftovers() {
  local left
  left=$(aws resourcegroupstaggingapi get-resources --tag-filters "Key=Project,Values=$name" \
    --query 'ResourceTagMappingList[].ResourceARN' --output text 2>&1) || {
    echo "What is left could not be asked for (tag:GetResources): look in the console for resources with the tag Project = $name."
    return 0
  }
  case $left in
    '' | None) echo "AWS has nothing of $name any more." ;;
    *)
      echo "AWS still lists these resources of $name. Deleted ones stay listed for some time; look at the others in the console:"
      echo "$left" | tr '\t' '\n'
      ;;
  esac
}
