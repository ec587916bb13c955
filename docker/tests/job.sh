# shellcheck shell=bash
# Functions that run a calendar job through the HTTP API, for scripts that source this file. The first argument of most
# functions is the URL of the API.

# wait_for SECONDS CLAIM COMMAND...: waits until the command succeeds
wait_for() {
  local seconds=$1 claim=$2 until
  shift 2
  until=$((SECONDS + seconds))
  until "$@" >/dev/null 2>&1; do
    [ "$SECONDS" -lt "$until" ] || {
      echo "not true after $seconds s: $claim" >&2
      return 1
    }
    sleep 0.5
  done
}

wait_ready() { wait_for 90 "the API at $1 is ready" curl -fsS "$1/readyz"; }

# add_todo API TITLE
add_todo() {
  curl -fsS -o /dev/null -X POST "$1/api/v1/todos" -H 'Content-Type: application/json' \
    -d "{\"title\": \"$2\", \"deadline_at\": \"2030-01-02T03:04:05\"}"
}

# start_job API: prints the job's ID
start_job() {
  curl -fsS -X POST "$1/api/v1/todos/ical" -H 'Content-Type: application/json' -d '{}' |
    sed -n 's/.*"task_id":"\([^"]*\)".*/\1/p'
}

# job_status API JOB
job_status() {
  curl -fsS "$1/api/v1/todos/ical/$2/status" | sed -n 's/.*"task_status":"\([^"]*\)".*/\1/p'
}

# job_is API JOB STATUS
job_is() { [ "$(job_status "$1" "$2")" = "$3" ]; }

# take_calendar API JOB TITLE: waits until the job has succeeded, and checks that its calendar contains the todo
take_calendar() {
  wait_for 90 "job $2 has succeeded" job_is "$1" "$2" SUCCESS || {
    curl -sS "$1/api/v1/todos/ical/$2/status" >&2
    return 1
  }
  curl -fsS "$1/api/v1/todos/ical/$2/result" | tr -d '\r' | grep -qx "SUMMARY:$3" || {
    echo "the calendar of job $2 does not contain the todo \"$3\"" >&2
    return 1
  }
}

# one_calendar API TITLE: adds a todo, starts a job, and checks the calendar
one_calendar() {
  local job
  # Each command needs its own `|| return`, because -e has no effect in a function that is called before `||`.
  wait_ready "$1" || return
  add_todo "$1" "$2" || return
  job=$(start_job "$1") || return
  take_calendar "$1" "$job" "$2" || return
  echo "job $job: SUCCESS, and its calendar contains \"$2\""
}
