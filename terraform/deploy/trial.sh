# shellcheck shell=bash disable=SC2154,SC2034 # variables of ./deploy and of the other parts
# Parts of ./deploy: a token, one job, and the address.

# address: prints the URL of the API. Without a load balancer it is that of the API's newest task, or nothing while none runs.
address() {
  local url tasks interface host
  url=$(output api_url)
  if [ -n "$url" ] && [ "$url" != null ]; then
    echo "$url"
    return
  fi
  # In no particular order.
  tasks=$(aws ecs list-tasks --cluster "$name" --service-name api --desired-status RUNNING --query 'taskArns' --output text)
  [ -n "$tasks" ] && [ "$tasks" != None ] || return 0
  # shellcheck disable=SC2086 # a list
  interface=$(aws ecs describe-tasks --cluster "$name" --tasks $tasks --output text --query \
    "sort_by(tasks[?lastStatus=='RUNNING'], &createdAt)[-1].attachments[].details[?name=='networkInterfaceId'].value[] | [0]")
  [ "$interface" != None ] || return 0
  host=$(aws ec2 describe-network-interfaces --network-interface-ids "$interface" --output text \
    --query 'NetworkInterfaces[0].Association.PublicDnsName')
  [ "$host" = None ] || echo "http://$host:6400"
}

# api METHOD PATH [CURL ARGUMENT...]: a request with the token, which curl reads from its standard input, so that no other
# user of this machine sees it
api() {
  printf 'Authorization: Bearer %s' "$(cat "$data/token")" |
    curl -sS --max-time 30 -X "$1" -H @- "${@:3}" "$url$2"
}

# Sets `url`.
answers() {
  url=$(address)
  [ -n "$url" ] && [ "$(curl -s -o /dev/null --max-time 10 -w '%{http_code}' "$url/livez")" = 200 ]
}
token_works() { [ "$(api GET '/api/v1/todos?limit=1' -o /dev/null -w '%{http_code}')" = 200 ]; }

# The name of a load balancer is known everywhere a little later than it exists.
wait_for_api() {
  local tries
  for tries in $(seq 30); do
    ! answers || return 0
    sleep "${DEPLOY_INTERVAL:-10}"
  done
  fail "${url:-the API (no task of it has an address)} did not answer $tries times: check that --allow covers the address of \
this machine, and the events of the service: ./deploy status $environment"
}

# Creates a token in a task of its own, because only its container `migrate` has the login that this needs. AWS sees only
# the hash of the token.
get_token() {
  local hash network task code label lifetime
  say "a token"
  wait_for_api
  if [ -s "$data/token" ] && token_works; then
    echo "The token in $data/token works."
    return
  fi
  (umask 077 && printf 'taskoverflow_%s' "$(openssl rand -hex 20)" >"$data/token")
  chmod 600 "$data/token"
  hash=$(openssl dgst -sha256 -r <"$data/token" | cut -d ' ' -f 1)
  label=deploy-$(date +%Y%m%d%H%M%S)
  lifetime=${expires:+, \"--expires\", \"$expires\"}
  network=$(aws ecs describe-services --cluster "$name" --services api \
    --query 'services[0].networkConfiguration' --output json) ||
    fail "the network of the service could not be read: check ecs:DescribeServices, and run ./deploy $environment again"
  task=$(aws ecs run-task --cluster "$name" --task-definition "$name-api" --launch-type FARGATE \
    --network-configuration "$network" --query 'tasks[0].taskArn' --output text --overrides '{"containerOverrides": [
      {"name": "migrate", "command": ["tokens", "create", "'"$label"'", "--sha256", "'"$hash"'"'"$lifetime"']},
      {"name": "api", "command": ["tokens", "list"]}]}') || task=None
  [ "$task" != None ] || fail "the task that creates a token could not be started: check ecs:RunTask, and run \
./deploy $environment again"
  aws ecs wait tasks-stopped --cluster "$name" --tasks "$task" || true
  code=$(aws ecs describe-tasks --cluster "$name" --tasks "$task" \
    --query "tasks[0].containers[?name=='migrate'].exitCode | [0]" --output text) || code=unknown
  if [ "$code" != 0 ] || ! token_works; then
    last_words api
    rm -f "$data/token"
    fail "no token could be created (exit code $code). The log is above; run ./deploy $environment again"
  fi
  echo "The token $label is in $data/token."
}

try_service() {
  get_token
  run_job
}

# field NAME: prints a field of the JSON object on the standard input
field() { sed -n "s/.*\"$1\": *\"\([^\"]*\)\".*/\1/p"; }

# Makes a calendar, which adds no todo. One request without an answer is no failure.
run_job() {
  local job='' status='' tries result=''
  say "one job"
  for tries in $(seq 3); do
    job=$(api POST /api/v1/todos/ical -H 'Content-Type: application/json' -d '{}' | field task_id) || true
    [ -z "$job" ] || break
    sleep "${DEPLOY_INTERVAL:-10}"
  done
  [ -n "$job" ] || fail "the API accepted no job, $tries times: read its log in CloudWatch, /$name/api, correct the cause, and run \
./deploy $environment again"
  for tries in $(seq 90); do
    status=$(api GET "/api/v1/todos/ical/$job/status") || true
    case $(echo "$status" | field task_status) in
      SUCCESS | FAILURE) break ;;
    esac
    sleep 1
  done
  if [[ $status != *SUCCESS* ]]; then
    echo "$status" >&2
    last_words worker
    fail "the job did not succeed (see its status above). The worker's log is above: correct the cause, and run ./deploy \
$environment again"
  fi
  for tries in $(seq 3); do
    result=$(api GET "/api/v1/todos/ical/$job/result") || true
    [ -z "$result" ] || break
    sleep "${DEPLOY_INTERVAL:-10}"
  done
  [[ $result == BEGIN:VCALENDAR* ]] || fail "the result of the job $job is no calendar: read the log of the API in CloudWatch, \
/$name/api, and run ./deploy $environment again"
  echo "The job $job has made a calendar."
}

show_result() {
  say "ready"
  echo "Address: $(address)"
  [ -n "$(output load_balancer)" ] || echo "         (that of the task, which changes when ECS replaces it: ./deploy status $environment)"
  [ -z "$trial" ] || echo "Token:   $data/token"
  echo "Release: $(release_now)"
  echo "Remove:  ./deploy destroy $environment"
}

show_status() {
  case $(output database_host) in
    '' | null) echo "The service does not run. Start it: ./deploy $environment" ;;
    *)
      echo "Address: $(address)"
      echo "Release: $(release_now)"
      aws ecs describe-services --cluster "$name" --services api worker --output text \
        --query 'services[].[serviceName, runningCount, desiredCount, deployments[0].rolloutState, events[0].message]'
      ;;
  esac
}
