# shellcheck shell=bash disable=SC2154,SC2034 # variables of ./deploy and of the other parts
# Parts of ./deploy: who may call the API, and `terraform apply` while ECS is watched.

# Without --allow, it is what the settings say, then what was applied last, then the address of this machine. --allow replaces
# all of these, because there is no other way to take an address away.
choose_allowed() {
  local before address
  if [ -n "$allowed" ]; then
    case $allowed in
      *'"0.0.0.0/0"'*) echo "Everyone may call the API, with a token." ;;
      *) echo "Only these addresses may call the API: ${allowed//\"/}. Any others, also your own, need --allow as well." ;;
    esac
    return 0
  fi
  [ -z "$(setting allowed_cidrs)" ] || return 0
  before=$(tf output -no-color -json allowed_cidrs 2>/dev/null | sed -n 's/^\[\(.*\)\]$/\1/p')
  if [ -n "$before" ]; then
    allowed=$before
    return 0
  fi
  address=$(curl -fsS --max-time 10 https://checkip.amazonaws.com || true)
  [[ $address =~ ^[0-9]+\.[0-9]+\.[0-9]+\.[0-9]+$ ]] ||
    fail "say who may call the API: --allow 203.0.113.7/32, or --allow 0.0.0.0/0 for everyone (the address of this machine \
could not be found)"
  allowed="\"$address/32\""
  echo "Only this machine ($address) may call the API. To allow others, add --allow CIDR."
}

# again: prints the command that was given
again() { echo "./deploy $([ "$command" = up ] || echo "$command ")$environment"; }

# failed_apply LOG: says why Terraform failed, and what to do
failed_apply() {
  local id who when back=TAG
  # Only what follows the plan. Without an error, the end.
  if grep -q '^Error: ' "$1"; then sed -n '/^Error: /,$p' "$1" >&2; else tail -n 40 "$1" >&2; fi
  if grep -q 'Error acquiring the state lock' "$1"; then
    id=$(sed -n 's/.* ID: *//p' "$1" | head -n 1)
    who=$(sed -n 's/.* Who: *//p' "$1" | head -n 1)
    when=$(sed -n 's/.* Created: *//p' "$1" | head -n 1)
    fail "$environment is being changed by $who since $when: wait until that has ended, or, if it has died, run
$(terraform_here) force-unlock $id"
  fi
  # The first is of a postcondition in ecs.tf, the second of newer providers.
  if grep -q 'was rolled back\|circuit breaker' "$1"; then
    last_words api
    last_words worker
    # The version before, unless an earlier run has failed to deploy this one.
    [ "$release" = none ] || [ -z "$tag" ] || [ "$release" = "$tag" ] || back=$release
    fail "the new version did not become healthy, and ECS restored the previous one, if there was one. Its log is above: correct \
the cause, commit, and run ./deploy $environment again; or go back for good: git checkout $back && ./deploy $environment\
$([ "$back" != TAG ] || echo ' (TAG: the first 12 digits of an earlier commit)')"
  fi
  not_allowed "$(cat "$1")" "terraform failed, as it says above: correct the cause, and run $(again) again"
}

# apply_watched: plans, asks, records the release, and applies
apply_watched() {
  local code=0 pid before
  say "the service"
  planned plan -out="$data/plan" -detailed-exitcode >"$data/plan.log" 2>&1 || code=$?
  case $code in
    0)
      echo "Nothing has changed."
      record_release
      return
      ;;
    2) grep '^Plan:' "$data/plan.log" || true ;;
    *) failed_apply "$data/plan.log" ;;
  esac
  # An interrupted run leaves a database that it was creating tainted, although AWS has finished it.
  if grep -q '^  # aws_db_instance.main.* is tainted' "$data/plan.log"; then
    fail "an earlier run was interrupted while it created the database, so Terraform would replace it. If the console of RDS \
shows it as available, which may take some minutes, keep it:
$(terraform_here) untaint 'aws_db_instance.main[0]' && ./deploy $environment"
  fi
  if grep -q '^  # aws_db_instance.main.* must be replaced\|^  # aws_db_instance.main.* will be destroyed' "$data/plan.log"; then
    fail "this would delete the database with its data: read $data/plan.log. If that is what you want, run
$(terraform_here) apply $data/plan && ./deploy $environment"
  fi
  confirm "This changes the service $name in the account $account, in $region"
  record_release
  echo "The first time, this takes about 15 minutes."
  # The failed deployment of an earlier run stays listed until ECS begins the next.
  before=$(services "[].deployments[?rolloutState=='FAILED'].id[]" | tr '\n' '\t')
  # In the background, so that what ECS does can be shown meanwhile. Not with `tf`, whose process would only be a shell.
  "$terraform" -chdir=terraform apply -input=false -no-color "$data/plan" >"$data/apply.log" 2>&1 &
  pid=$!
  trap 'kill -TERM $pid 2>/dev/null; wait $pid' INT TERM
  watch_services "$pid" "$before"
  code=0
  wait "$pid" || code=$?
  trap - INT TERM
  [ "$code" = 0 ] || failed_apply "$data/apply.log"
  grep '^Apply complete' "$data/apply.log"
}

# services QUERY: prints what ECS says about both services, one a line, or nothing
services() {
  aws ecs describe-services --cluster "$name" --services api worker --output text --query "services$1" 2>/dev/null || true
}

# watch_services PID KNOWN: prints new events of ECS while Terraform runs. If the first version of a service fails, ECS starts
# nothing else, and Terraform would wait in vain, so it is stopped. KNOWN are the IDs of deployments that had failed before.
watch_services() {
  local pid=$1 known=$'\t'$2$'\t' seen='' service id state others event
  while kill -0 "$pid" 2>/dev/null; do
    while IFS=$'\t' read -r service id state others event; do
      if [ -n "$event" ] && [ "$event" != None ] && [[ $seen != *"|$event|"* ]]; then
        echo "  $event"
        seen="$seen|$event|"
      fi
      if [ "$state $others" = "FAILED 0" ] && [[ $known != *$'\t'"$id"$'\t'* ]]; then
        # Terraform ends by itself, and releases the lock of the state.
        kill -TERM "$pid"
        wait "$pid" || true
        last_words "$service"
        fail "the first version of the $service did not become healthy. Its log is above: correct the cause, commit, and run
./deploy $environment again"
      fi
    done < <(services "[].[serviceName, deployments[0].id, deployments[0].rolloutState,
      length(deployments[?rolloutState!='FAILED']), events[0].message]")
    sleep "${DEPLOY_INTERVAL:-10}"
  done
}

# last_words SERVICE: prints why its last task stopped, and the end of its log
last_words() {
  local tasks stream
  # In no particular order.
  tasks=$(aws ecs list-tasks --cluster "$name" --service-name "$1" --desired-status STOPPED \
    --query 'taskArns' --output text 2>/dev/null || true)
  case $tasks in
    '' | None) ;;
    *)
      # shellcheck disable=SC2086 # a list
      aws ecs describe-tasks --cluster "$name" --tasks $tasks --output text --query \
        'sort_by(tasks, &createdAt)[-1].[stoppedReason, containers[].[name, exitCode, reason]]' >&2 || true
      ;;
  esac
  stream=$(aws logs describe-log-streams --log-group-name "/$name/$1" --order-by LastEventTime --descending \
    --query 'logStreams[0].logStreamName' --output text 2>/dev/null || true)
  case $stream in
    '' | None) echo "The $1 has written no log." >&2 ;;
    *)
      aws logs get-log-events --log-group-name "/$name/$1" --log-stream-name "$stream" --limit 20 \
        --query 'events[].[message]' --output text >&2 || true
      ;;
  esac
}
